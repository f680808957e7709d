"""Reading of small CSV tables: rows by column name, each with its line."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from simulator.errors import nearest
from simulator.files.dialects import UnclearNumber, read_rows
from simulator.files.text import fail, lines

Row = dict[str, str]


def read_table(path: Path, required: tuple[str, ...] = ()) -> Iterator[tuple[int, Row]]:
    """Yield the line and the fields of every row; empty lines are skipped.

    Raises
    ------
    InputError
        If there is no such file, it is not text or not CSV, a column is missing or duplicate, a row
        has more or fewer fields than the header, or a number is not clear (``dialects``).
    """
    return rows_of(path, lines(path), 0, required)


def rows_of(
    path: Path, text: Iterable[str], before: int, required: tuple[str, ...] = ()
) -> Iterator[tuple[int, Row]]:
    """Yield the rows of a table that begins after some lines of a file; see ``read_table``.

    ``before`` is the number of those lines.
    """
    reader, dialect = read_rows(text)
    try:
        header = [name.strip() for name in next(reader, [])]
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
            yield line, dict(zip(header, dialect.plain(fields), strict=True))
    except UnclearNumber as error:
        fail(path, before + reader.line_num, 1, f"{header[error.index]}: {error}")
    except csv.Error as error:
        fail(path, before + reader.line_num, 1, f"not valid CSV: {error}")


def check_columns(
    path: Path, header: Sequence[str], required: Iterable[str], line: int = 1
) -> None:
    """Raise InputError if a required column is missing from the header in a line of a file."""
    for name in required:
        if name not in header:
            fail(path, line, 1, missing_column(name, header))


def missing_column(name: str, header: Sequence[str]) -> str:
    """Return the message about a column that is missing, with the closest one that there is."""
    close = nearest(name, list(header)).replace("did you mean", "found")
    return f"missing column {name!r}{close}"
