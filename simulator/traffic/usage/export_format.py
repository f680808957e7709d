"""Formats of usage exports: how a file is recognised by its structure, and read into buckets."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.errors import InputError
from simulator.files.jsontext import NotJson, parse_json, read_json
from simulator.files.numbers import must_be, number_or_nan
from simulator.files.tables import read_table
from simulator.files.text import fail, lines
from simulator.traffic.formats.records.values import BadRecord, seconds_of
from simulator.traffic.usage.buckets import Bucket, Group, Lengths, Notices

_LAST_S = 1e11
"""Latest moment that is read [s since 1970]; a later one is probably in milliseconds."""


@dataclass(frozen=True, slots=True)
class Content:
    """A parsed file: a table with its header, or JSON documents."""

    path: Path
    header: tuple[str, ...] | None
    """Columns of a CSV table in the order of the file, or None for JSON."""
    records: list[tuple[int, Any]]
    """Rows by column name, or JSON documents: one, or one a line; each with its line."""

    @property
    def first(self) -> Any:
        """The first record, or None if there is none."""
        return self.records[0][1] if self.records else None


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """One kind of export."""

    name: str
    about: str
    """The export in words, for lists and error messages."""
    matches: Callable[[Content], bool]
    """Whether a file has the structure of this export: its columns, or the keys of its documents,
    never words anywhere in its text."""
    read: Callable[[Content, Notices], Iterator[Bucket]]
    """Yield the buckets of a file. It raises InputError, with file and line, for what cannot be
    used."""
    lengths: Callable[[Content], dict[Group, Lengths]] | None = None
    """Return the distributions of lengths in a file, if this kind of export has any. It is called
    after ``read``."""


def parsed(path: Path) -> Content:
    """Return a parsed file; the kind is determined by its content, not by its name.

    Raises
    ------
    InputError
        If there is no such file, or it is neither JSON, JSON lines nor a table.
    """
    start = _first_line(path)
    if start.lstrip().startswith(("{", "[")):
        try:
            return Content(path, None, [(1, read_json(path))])
        except InputError:
            records = list(_json_lines(path))
            return Content(path, None, records)
    rows: list[tuple[int, Any]] = list(read_table(path))
    header = tuple(rows[0][1]) if rows else tuple(n.strip() for n in start.strip().split(","))
    return Content(path, header, rows)


def _first_line(path: Path) -> str:
    return next((line for line in lines(path) if line.strip()), "")


def _json_lines(path: Path) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(lines(path), start=1):
        if line.strip():
            try:
                yield number, parse_json(line)
            except NotJson as error:
                fail(path, number, error.column, str(error))


def sum_of(record: dict[str, Any], name: str, path: Path, line: int) -> float:
    """Return a sum of tokens, calls or USD from a number or a text, NaN if it is missing.

    Raises
    ------
    InputError
        If the field has anything but a number of 0 or more.
    """
    value = record.get(name)
    if value is None or value == "":
        return math.nan
    text = value.replace(",", "").strip().removeprefix("$") if isinstance(value, str) else value
    number = number_or_nan(text)
    if not number >= 0:
        fail(path, line, 1, must_be(name, "a number of 0 or more", value))
    return number


def moment_of(record: dict[str, Any], name: str, path: Path, line: int) -> float:
    """Return a moment [s since 1970, UTC] from Unix seconds or an ISO date.

    Raises
    ------
    InputError
        If the field is missing or no moment.
    """
    try:
        value = record.get(name)
        if value is None or value == "":
            fail(path, line, 1, f"missing field {name!r}")
        number = number_or_nan(value)
        moment_s = seconds_of(name, value if math.isnan(number) else number)
        if not 0 <= moment_s < _LAST_S:
            fail(path, line, 1, must_be(name, "a date, or seconds since 1970", value))
        return moment_s
    except BadRecord as error:
        fail(path, line, 1, str(error))


def has_all(record: Any, names: Sequence[str]) -> bool:
    """Return whether a record is a mapping with all of these keys."""
    return isinstance(record, dict) and all(name in record for name in names)
