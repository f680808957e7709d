"""Portions of the records of a file, which are parsed together into a batch."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple, Protocol

from simulator.traffic.formats.records.values import Column

CHUNK_ROWS = 4096
"""Records in one portion. Larger ones cost time: the garbage collector traverses all live
objects."""


class Broken(NamedTuple):
    """A location in a file at which there is no valid record."""

    line: int
    column: int
    message: str


class Chunk(Protocol):
    """Some records, which are parsed together or one by one."""

    broken: list[Broken]
    unread_columns: Sequence[str]
    """Columns of the file that the format does not know."""
    remarks: Sequence[str]
    """What to know about these records."""

    @property
    def size(self) -> int:
        """Number of records."""
        ...

    def take(self, rows: Sequence[int] | None = None) -> Any:
        """Return all records, or the given ones, in the form that a format parses."""
        ...

    def line(self, row: int) -> int:
        """Return the line on which a record ends."""
        ...

    def column(self, row: int, name: str) -> int:
        """Return the column at which a field of a record begins, 1 if that is not known."""
        ...


@dataclass(slots=True)
class RecordChunk:
    """JSON objects, or rows as mappings, parsed as a list."""

    values: list[Any] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    """Source line of each record, empty for a record without one."""
    broken: list[Broken] = field(default_factory=list)
    unread_columns: Sequence[str] = ()
    remarks: Sequence[str] = ()

    @property
    def size(self) -> int:
        """Number of records."""
        return len(self.values)

    def take(self, rows: Sequence[int] | None = None) -> list[Any]:
        """Return all records or the given ones."""
        return self.values if rows is None else [self.values[row] for row in rows]

    def line(self, row: int) -> int:
        """Return the line on which a record ends."""
        return self.lines[row]

    def column(self, row: int, name: str) -> int:
        """Return the column of the field's name in the record's line."""
        return max(0, self.texts[row].find(f'"{name}"')) + 1


@dataclass(slots=True)
class ColumnChunk:
    """Columns of a table by name, parsed as a mapping."""

    columns: dict[str, Column]
    lines: Sequence[int]
    header: list[str]
    """Columns in the order of the file."""
    broken: list[Broken] = field(default_factory=list)
    unread_columns: Sequence[str] = ()
    remarks: Sequence[str] = ()

    @property
    def size(self) -> int:
        """Number of records."""
        return len(self.lines)

    def take(self, rows: Sequence[int] | None = None) -> dict[str, Column]:
        """Return all rows or the given ones."""
        if rows is None:
            return self.columns
        return {name: tuple(values[r] for r in rows) for name, values in self.columns.items()}

    def line(self, row: int) -> int:
        """Return the line on which a row ends."""
        return self.lines[row]

    def column(self, row: int, name: str) -> int:
        """Return the column at which a field begins, from the widths of the fields before it."""
        if name not in self.header:
            return 1
        before = self.header[: self.header.index(name)]
        return sum(len(str(self.columns[other][row])) + 1 for other in before) + 1


class Record(NamedTuple):
    """One record and its line."""

    line: int
    value: Any
    text: str = ""
    """Source line, in which columns are looked up; empty if the record has none."""


Item = Record | Broken


def in_chunks(items: Iterable[Item]) -> Iterator[RecordChunk]:
    """Collect records into portions."""
    items = iter(items)
    while portion := list(islice(items, CHUNK_ROWS)):
        chunk = RecordChunk()
        for item in portion:
            if isinstance(item, Broken):
                chunk.broken.append(item)
                continue
            chunk.values.append(item.value)
            chunk.lines.append(item.line)
            chunk.texts.append(item.text)
        yield chunk
