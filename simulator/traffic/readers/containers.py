"""How files fall into records: CSV rows by column name, JSON lines, JSON arrays."""

import csv
import json
from collections.abc import Callable, Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any, cast

from simulator.errors import nearest
from simulator.traffic.readers.common import Broken, Record, fail, lines, open_text


def csv_columns(
    path: Path, required: tuple[str, ...], optional: tuple[str, ...] = ()
) -> Iterator[Record | Broken]:
    """Yield rows as tuples of text in the order of ``required + optional``.

    Columns that are not there are empty; any other column is an error.
    """
    names = required + optional
    rows = _csv_rows(path)
    header = cast(Record, next(rows)).value
    for name in required:
        if name not in header:
            close = nearest(name, header).replace("did you mean", "found")
            fail(path, 1, 1, f"missing column {name!r}{close}")
    for place, name in enumerate(header):
        if name not in names:
            fail(path, 1, place + 1, f"unknown column {name!r}{nearest(name, sorted(names))}")
    # Absent columns are read from an empty field put behind the last one.
    pick = itemgetter(*(header.index(n) if n in header else len(header) for n in names))
    for row in rows:
        if isinstance(row, Record):
            row = row._replace(value=pick([*row.value, ""]))
        yield row


def csv_records(path: Path) -> Iterator[Record | Broken]:
    """Yield rows as mappings from column to text."""
    rows = _csv_rows(path)
    header = cast(Record, next(rows)).value
    for row in rows:
        if isinstance(row, Record):
            row = row._replace(value=dict(zip(header, row.value, strict=True)))
        yield row


def _csv_rows(path: Path) -> Iterator[Record | Broken]:
    """Yield the header and then every row of its width."""
    csv.field_size_limit(2**31 - 1)
    reader = csv.reader((line for _, line in lines(path)), strict=True)
    header = next(reader, [])
    for place, name in enumerate(header):
        if header.count(name) > 1:
            fail(path, 1, place + 1, f"column {name!r} stands there twice")
    yield Record(1, header, None)
    width = len(header)
    try:
        for row in reader:
            if not row:
                continue
            if len(row) == width:
                yield Record(reader.line_num, row, (header, row))
            else:
                message = f"expected {width} fields, found {len(row)}"
                yield Broken(reader.line_num, 1, message)
    except csv.Error as error:
        fail(path, reader.line_num, 1, f"not valid CSV: {error}")


def json_lines(path: Path) -> Iterator[Record | Broken]:
    """Yield the objects of a file with one JSON object a line."""
    for number, line in lines(path):
        if not line.strip():
            continue
        line = line.rstrip("\r\n")
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            yield Broken(number, error.colno, f"not valid JSON: {error.msg}")
            continue
        except RecursionError:
            yield Broken(number, 1, "not valid JSON: nested too deep")
            continue
        if isinstance(value, dict):
            yield Record(number, value, line)
        else:
            yield Broken(number, 1, "expected a JSON object")


def json_document(
    path: Path, items: Callable[[Any], list[Any] | None]
) -> Iterator[Record | Broken]:
    """Yield the objects that ``items`` finds in a file that is one JSON document."""
    with open_text(path) as text:
        try:
            found = items(json.load(text))
        except json.JSONDecodeError as error:
            fail(path, error.lineno, error.colno, f"not valid JSON: {error.msg}")
        except (RecursionError, AttributeError, KeyError, TypeError):
            found = None
    if found is None:
        fail(path, 1, 1, "not the JSON document that this format has")
    for place, value in enumerate(found):
        if isinstance(value, dict):
            yield Record(place + 1, value, None)
        else:
            yield Broken(place + 1, 1, "expected a JSON object")


def records_of(path: Path, items: Callable[[Any], list[Any] | None]) -> Iterator[Record | Broken]:
    """Yield records of an export that may be CSV, JSON lines or one JSON document."""
    if ".csv" in path.suffixes:
        yield from csv_records(path)
    elif ".jsonl" in path.suffixes or ".ndjson" in path.suffixes:
        yield from json_lines(path)
    else:
        yield from json_document(path, items)
