"""CSV tables that commands read, portion by portion, other columns carried through."""

from collections.abc import Iterator
from pathlib import Path

from simulator.errors import nearest
from simulator.files.text import fail
from simulator.traffic.formats.records.containers import csv_records


def table_portions(
    path: Path, required: tuple[str, ...]
) -> Iterator[tuple[list[str], list[dict[str, str]]]]:
    """Yield the header and portions of rows by column.

    Raises
    ------
    InputError
        When the file or a required column is missing, or a row has another width.
    """
    for chunk in csv_records(path):
        for broken in chunk.broken:
            fail(path, *broken)
        header = list(chunk.values[0]) if chunk.values else []
        for name in required:
            if name not in header:
                close = nearest(name, header).replace("did you mean", "found")
                fail(path, 1, 1, f"missing column {name!r}{close}{_separated(header)}")
        yield header, chunk.values


def _separated(header: list[str]) -> str:
    """Say that a table's columns stand apart by something else than commas."""
    found = [sign for sign in (";", "\t", "|") if len(header) == 1 and sign in header[0]]
    return f": columns are separated by {found[0]!r}, and must be by commas" if found else ""
