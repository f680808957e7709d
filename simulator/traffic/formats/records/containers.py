"""How files fall into records: CSV rows by column name, JSON lines, JSON arrays."""

import csv
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

from simulator.errors import nearest
from simulator.files.jsontext import NotJson, parse_json, read_json
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
from simulator.traffic.formats.records.values import Column


def csv_columns(
    path: Path, required: tuple[str, ...], optional: tuple[str, ...] = ()
) -> Iterator[ColumnChunk]:
    """Yield columns of text; those that are not there are empty, any other is an error."""
    names = required + optional
    portions = _csv_portions(path)
    _, header, _ = next(portions)
    for name in required:
        if name not in header:
            close = nearest(name, header).replace("did you mean", "found")
            fail(path, 1, 1, f"missing column {name!r}{close}")
    for place, name in enumerate(header):
        if name not in names:
            fail(path, 1, place + 1, f"unknown column {name!r}{nearest(name, sorted(names))}")
    for places, rows, broken in portions:
        columns: dict[str, Column] = dict.fromkeys(names, ("",) * len(rows))
        columns.update(zip(header, zip(*rows, strict=True), strict=True) if rows else ())
        yield ColumnChunk(columns, places, header, broken)


def csv_records(path: Path) -> Iterator[RecordChunk]:
    """Yield rows as mappings from column to text."""
    portions = _csv_portions(path)
    _, header, _ = next(portions)
    for places, rows, broken in portions:
        values = [dict(zip(header, row, strict=True)) for row in rows]
        yield RecordChunk(values, list(places), [""] * len(rows), broken)


def _csv_portions(
    path: Path,
) -> Iterator[tuple[Sequence[int], list[Any], list[Broken]]]:
    """Yield the header as rows, then portions of line numbers, rows and odd places."""
    csv.field_size_limit(2**31 - 1)
    reader = csv.reader(lines(path), strict=True)
    try:
        header = next(reader, [])
        for place, name in enumerate(header):
            if header.count(name) > 1:
                fail(path, 1, place + 1, f"column {name!r} stands there twice")
        yield [1], header, []
        begin = reader.line_num
        while rows := list(islice(reader, CHUNK_ROWS)):
            yield _portion(rows, begin, reader.line_num, len(header))
            begin = reader.line_num
    except csv.Error as error:
        fail(path, reader.line_num, 1, f"not valid CSV: {error}")


def _portion(
    rows: list[list[str]], begin: int, end: int, width: int
) -> tuple[Sequence[int], list[Any], list[Broken]]:
    """Number rows and take out those that are empty or of another width."""
    lines: Sequence[int] = range(begin + 1, end + 1)
    if len(lines) != len(rows):  # fields with line breaks in them
        breaks = (sum(field.count("\n") for field in row) for row in rows)
        lines = list(accumulate((1 + extra for extra in breaks), initial=begin))[1:]
    if set(map(len, rows)) == {width}:
        return lines, rows, []
    numbered = [(line, row) for line, row in zip(lines, rows, strict=True) if row]
    good = [(line, row) for line, row in numbered if len(row) == width]
    broken = [_odd(line, row, width) for line, row in numbered if len(row) != width]
    return [line for line, _ in good], [row for _, row in good], broken


def _odd(line: int, row: list[str], width: int) -> Broken:
    return Broken(line, 1, f"expected {width} fields, found {len(row)}")


def json_lines(path: Path) -> Iterator[RecordChunk]:
    """Yield the objects of a file with one JSON object a line."""
    return in_chunks(json_items(path))


def json_items(path: Path) -> Iterator[Item]:
    """Yield line by line what ``json_lines`` gathers."""
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
    """Yield the objects that ``items`` finds in a file that is one JSON document."""
    return in_chunks(document_items(path, items))


def document_items(path: Path, items: Callable[[Any], list[Any] | None]) -> Iterator[Item]:
    """Yield one by one what ``json_document`` gathers; lines count records."""
    document = read_json(path)
    try:
        found = items(document)
    except (AttributeError, KeyError, TypeError):
        found = None
    if not isinstance(found, list):
        fail(path, 1, 1, "not the JSON document that this format has")
    for place, value in enumerate(found):
        if isinstance(value, dict):
            yield Record(place + 1, value)
        else:
            yield Broken(place + 1, 1, "expected a JSON object")


def records_of(path: Path, items: Callable[[Any], list[Any] | None]) -> Iterator[RecordChunk]:
    """Yield records of an export that may be CSV, JSON lines or one JSON document."""
    if ".csv" in path.suffixes:
        yield from csv_records(path)
    elif ".jsonl" in path.suffixes or ".ndjson" in path.suffixes:
        yield from json_lines(path)
    else:
        yield from json_document(path, items)
