"""CSV tables, read portion by portion with all of their columns."""

from collections.abc import Iterator
from pathlib import Path

from simulator.files.tables import check_columns
from simulator.files.text import fail
from simulator.traffic.formats.records.containers import csv_records


def table_portions(
    path: Path, required: tuple[str, ...]
) -> Iterator[tuple[list[str], list[dict[str, str]]]]:
    """Yield the header and portions of rows, each row a mapping of columns to texts.

    Raises
    ------
    InputError
        When the file or a required column is missing, or a row has another number of columns.
    """
    for chunk in csv_records(path):
        for broken in chunk.broken:
            fail(path, *broken)
        header = list(chunk.values[0]) if chunk.values else []
        check_columns(path, header, required)
        yield header, chunk.values
