"""Reading of small CSV tables: rows by column name, each with its line."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from simulator.errors import nearest
from simulator.files.text import fail, lines

Row = dict[str, str]

_SEPARATORS = (";", "\t", "|")
"""What some programs write between columns in place of commas."""


def read_table(path: Path, required: tuple[str, ...] = ()) -> Iterator[tuple[int, Row]]:
    """Yield the line and the fields of every row; empty lines are skipped.

    Raises
    ------
    InputError
        If there is no such file, it is not text or not CSV, a column is missing or duplicate, or a
        row has more or fewer fields than the header.
    """
    return rows_of(path, lines(path), 0, required)


def rows_of(
    path: Path, text: Iterable[str], before: int, required: tuple[str, ...] = ()
) -> Iterator[tuple[int, Row]]:
    """Yield the rows of a table that begins after some lines of a file; see ``read_table``.

    ``before`` is the number of those lines.
    """
    csv.field_size_limit(2**31 - 1)
    reader = csv.reader(text, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        separator = other_separator(header)
        if separator:
            fail(path, before + 1, 1, f"columns are between {separator!r}; expected commas")
        for index, name in enumerate(header):
            if header.index(name) < index:
                fail(path, before + 1, index + 1, f"duplicate column {name!r}")
        check_columns(path, header, required, before + 1)
        for fields in reader:
            line = before + reader.line_num
            if not fields:
                continue
            if len(fields) != len(header):
                fail(path, line, 1, f"expected {len(header)} fields, found {len(fields)}")
            yield line, dict(zip(header, fields, strict=True))
    except csv.Error as error:
        fail(path, before + reader.line_num, 1, f"not valid CSV: {error}")


def other_separator(header: Sequence[str]) -> str:
    """Return what separates the columns of a header in place of commas, empty for commas."""
    only = header[0] if len(header) == 1 else ""
    return next((separator for separator in _SEPARATORS if separator in only), "")


def check_columns(
    path: Path, header: Sequence[str], required: Iterable[str], line: int = 1, hint: str = ""
) -> None:
    """Raise InputError if a required column is missing from the header in a line of a file."""
    for name in required:
        if name not in header:
            fail(path, line, 1, missing_column(name, header) + hint)


def missing_column(name: str, header: Sequence[str]) -> str:
    """Return the message about a column that is missing, with the closest one that there is."""
    close = nearest(name, list(header)).replace("did you mean", "found")
    return f"missing column {name!r}{close}"
