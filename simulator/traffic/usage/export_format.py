"""Formats of usage exports: how a file is recognised by its structure, and read into buckets."""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.errors import InputError
from simulator.files.dialects import header_of
from simulator.files.jsontext import NotJson, parse_json, read_json
from simulator.files.numbers import must_be, number_or_nan
from simulator.files.tables import read_table
from simulator.files.text import fail, lines
from simulator.traffic.formats.records.values import BadRecord, seconds_of
from simulator.traffic.usage.buckets import Bucket, Group, Lengths, Notices

_EARLIEST_S = 1e9
"""September 2001: earlier times are dates without separators, or counted from another moment."""
_LATEST_S = 1e11
"""Year 5138: later times are in milliseconds."""

MOST = 1e18
"""Upper limit of one sum; a larger one is no count of calls or tokens, and sums would overflow."""
_GROUPED = re.compile(r"[1-9]\d{0,2}(,\d{3})+(\.\d+)?")
"""A number with commas between thousands; a comma elsewhere may be a decimal point."""


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
    is_general: bool = False
    """Whether it reads tables of any origin, so that every other format that matches goes first."""
    fields: tuple[str, ...] = ()
    """Columns of its tables, by which a file that lacks some of them is told what it resembles."""
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
            if not _is_json(start):
                raise
            return Content(path, None, list(_json_lines(path)))
    rows: list[tuple[int, Any]] = list(read_table(path))
    header = tuple(rows[0][1]) if rows else tuple(n.strip() for n in header_of(start))
    return Content(path, header, rows)


def _first_line(path: Path) -> str:
    return next((line for line in lines(path) if line.strip()), "")


def _is_json(text: str) -> bool:
    try:
        parse_json(text)
    except NotJson:
        return False
    return True


def _json_lines(path: Path) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(lines(path), start=1):
        if line.strip():
            try:
                yield number, parse_json(line)
            except NotJson as error:
                fail(path, number, error.column, str(error))


def sum_of(record: dict[str, Any], name: str, path: Path, line: int, where: str = "") -> float:
    """Return a sum of tokens, calls or USD from a number or a text, NaN if it is missing.

    ``where`` is the path of the record within a JSON document, for messages.

    Raises
    ------
    InputError
        If the field has anything but a number of 0 or more.
    """
    value = record.get(name)
    if value is None or value == "":
        return math.nan
    text = value
    if isinstance(value, str):
        text = value.strip().removeprefix("$")
        text = text.replace(",", "") if _GROUPED.fullmatch(text) else text
    number = number_or_nan(text)
    if not 0 <= number < MOST:
        expected = "a number of 0 or more" if not number >= MOST else f"below {MOST:.0e}"
        fail(path, line, 1, must_be(where + name, expected, value))
    return number


def moment_of(record: dict[str, Any], name: str, path: Path, line: int, where: str = "") -> float:
    """Return a moment [s since 1970, UTC] from Unix seconds or an ISO date.

    ``where`` is the path of the record within a JSON document, for messages.

    Raises
    ------
    InputError
        If the field is missing or no moment.
    """
    value = record.get(name)
    if value is None or value == "":
        fail(path, line, 1, f"missing field {where + name!r}")
    number = number_or_nan(value)
    try:
        moment_s = seconds_of(where + name, value if math.isnan(number) else number)
        if not _EARLIEST_S <= moment_s < _LATEST_S:
            expected = "a date, or seconds since 1970 between the years 2001 and 5138"
            fail(path, line, 1, must_be(where + name, expected, value))
        return moment_s
    except BadRecord as error:
        fail(path, line, 1, str(error))
    except (OverflowError, ValueError):  # an offset that leaves the years 1 to 9999
        fail(path, line, 1, must_be(where + name, "a date and time", value))


def has_all(record: Any, names: Sequence[str]) -> bool:
    """Return whether a record is a mapping with all of these keys."""
    return isinstance(record, dict) and all(name in record for name in names)
