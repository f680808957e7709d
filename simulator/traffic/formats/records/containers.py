"""Readers of the containers of records: CSV rows by column name, JSON lines, JSON arrays."""

import csv
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

from simulator.errors import nearest
from simulator.files.dialects import Dialect, UnclearNumber, read_rows
from simulator.files.jsontext import NotJson, parse_json, read_json
from simulator.files.tables import check_columns
from simulator.files.text import fail, lines
from simulator.traffic.formats.records.chunks import (
    CHUNK_ROWS,
    Broken,
    ColumnChunk,
    Item,
    Record,
    RecordChunk,
    in_chunks,
)
from simulator.traffic.formats.records.heads import Container, read_heads
from simulator.traffic.formats.records.values import Column


def csv_columns(
    path: Path,
    required: tuple[str, ...],
    optional: tuple[str, ...] = (),
    *,
    is_closed: bool = True,
) -> Iterator[ColumnChunk]:
    """Yield columns of text.

    Missing optional columns are empty, and missing required ones are errors. Unknown columns are
    errors too, unless the format is not closed, as public traces of several versions are: then they
    are named as unread, unless they count tokens.
    """
    names = required + optional
    portions = _csv_portions(path)
    _, header, _ = next(portions)
    check_columns(path, header, required)
    unread = []
    for index, name in enumerate(header):
        if name in names:
            continue
        if is_closed or "token" in name.lower():
            fail(path, 1, index + 1, f"unknown column {name!r}{nearest(name, sorted(names))}")
        unread.append(name)
    for row_lines, rows, broken in portions:
        columns: dict[str, Column] = dict.fromkeys(names, ("",) * len(rows))
        columns.update(zip(header, zip(*rows, strict=True), strict=True) if rows else ())
        yield ColumnChunk(columns, row_lines, header, broken, unread)


def csv_records(path: Path) -> Iterator[RecordChunk]:
    """Yield rows as mappings from column to text."""
    portions = _csv_portions(path)
    _, header, _ = next(portions)
    for row_lines, rows, broken in portions:
        values = [dict(zip(header, row, strict=True)) for row in rows]
        yield RecordChunk(values, list(row_lines), [""] * len(rows), broken)


def _csv_portions(
    path: Path,
) -> Iterator[tuple[Sequence[int], list[Any], list[Broken]]]:
    """Yield the header in place of rows, then portions of line numbers, rows and broken rows."""
    reader, dialect = read_rows(lines(path))
    try:
        header = next(reader, [])
        for index, name in enumerate(header):
            if header.count(name) > 1:
                fail(path, 1, index + 1, f"duplicate column {name!r}")
        yield [1], header, []
        begin = reader.line_num
        while rows := list(islice(reader, CHUNK_ROWS)):
            row_lines, good, broken = _portion(rows, begin, reader.line_num, len(header))
            if not dialect.is_usual:
                row_lines, good, unclear = _plain(row_lines, good, header, dialect)
                broken += unclear
            yield row_lines, good, broken
            begin = reader.line_num
    except csv.Error as error:
        fail(path, reader.line_num, 1, f"not valid CSV: {error}")


def _portion(
    rows: list[list[str]], begin: int, end: int, width: int
) -> tuple[Sequence[int], list[Any], list[Broken]]:
    """Return rows with their lines, without the empty ones and those of another width."""
    lines: Sequence[int] = range(begin + 1, end + 1)
    if len(lines) != len(rows):  # some fields contain line breaks
        breaks = (sum(field.count("\n") for field in row) for row in rows)
        lines = list(accumulate((1 + extra for extra in breaks), initial=begin))[1:]
    if set(map(len, rows)) == {width}:
        return lines, rows, []
    numbered = [(line, row) for line, row in zip(lines, rows, strict=True) if row]
    good = [(line, row) for line, row in numbered if len(row) == width]
    broken = [_wrong_width(line, row, width) for line, row in numbered if len(row) != width]
    return [line for line, _ in good], [row for _, row in good], broken


def _plain(
    row_lines: Sequence[int], rows: list[list[str]], header: list[str], dialect: Dialect
) -> tuple[list[int], list[list[str]], list[Broken]]:
    """Return rows whose numbers are written as in programs, without those that are not clear."""
    found, good, broken = [], [], []
    for line, row in zip(row_lines, rows, strict=True):
        try:
            good.append(dialect.plain(row))
            found.append(line)
        except UnclearNumber as error:
            column = sum(len(text) + 1 for text in row[: error.index]) + 1
            broken.append(Broken(line, column, f"{header[error.index]}: {error}"))
    return found, good, broken


def _wrong_width(line: int, row: list[str], width: int) -> Broken:
    return Broken(line, 1, f"expected {width} fields, found {len(row)}")


def json_lines(path: Path) -> Iterator[RecordChunk]:
    """Yield the objects of a file with one JSON object a line, in portions."""
    return in_chunks(json_items(path))


def json_items(path: Path) -> Iterator[Item]:
    """Yield the objects of a file with one JSON object a line, one by one."""
    for number, line in enumerate(lines(path), start=1):
        if not line.strip():
            continue
        line = line.rstrip("\r\n")
        try:
            value = parse_json(line)
        except NotJson as error:
            yield Broken(number, error.column, str(error))
            continue
        if isinstance(value, dict):
            yield Record(number, value, line)
        else:
            yield Broken(number, 1, "expected a JSON object")


def json_document(path: Path, items: Callable[[Any], list[Any] | None]) -> Iterator[RecordChunk]:
    """Yield the objects that ``items`` finds in a file that is one JSON document, in portions."""
    return in_chunks(document_items(path, items))


def document_items(path: Path, items: Callable[[Any], list[Any] | None]) -> Iterator[Item]:
    """Yield the objects that ``items`` finds in a file that is one JSON document, one by one.

    Their line numbers are record numbers.
    """
    document = read_json(path)
    try:
        values = items(document)
    except (AttributeError, KeyError, TypeError):
        values = None
    if not isinstance(values, list):
        fail(path, 1, 1, "not the JSON document that this format has")
    for number, value in enumerate(values, start=1):
        if isinstance(value, dict):
            yield Record(number, value)
        else:
            yield Broken(number, 1, "expected a JSON object")


def container_of(path: Path) -> Container:
    """Return the container of a file's records, by its suffix or by its content."""
    if ".csv" in path.suffixes:
        return Container.CSV
    if ".jsonl" in path.suffixes or ".ndjson" in path.suffixes:
        return Container.LINES
    # The collector's file exporter, for instance, writes JSON lines to files of any name.
    return next(read_heads(path)).container


def record_items(path: Path, items: Callable[[Any], list[Any] | None]) -> Iterator[Item]:
    """Yield the JSON records of an export, which may be JSON lines or one document, one by one."""
    if container_of(path) is Container.LINES:
        return json_items(path)
    return document_items(path, items)


def records_of(path: Path, items: Callable[[Any], list[Any] | None]) -> Iterator[RecordChunk]:
    """Yield the records of an export, which may be CSV, JSON lines or one JSON document."""
    if container_of(path) is Container.CSV:
        return csv_records(path)
    return in_chunks(record_items(path, items))
