"""Portions of records on their way from a file to a batch."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple, Protocol

from simulator.traffic.formats.records.values import Column

CHUNK_ROWS = 4096
"""More at once means more objects alive, and the collector of garbage goes through them all."""


class Broken(NamedTuple):
    """A place that is no record at all."""

    line: int
    column: int
    message: str


class Chunk(Protocol):
    """Some records, to be parsed at once or one by one."""

    broken: list[Broken]

    @property
    def size(self) -> int:
        """Number of records."""
        ...

    def take(self, rows: Sequence[int] | None = None) -> Any:
        """Return what a format parses: all records or some of them."""
        ...

    def line(self, row: int) -> int:
        """Return the line on which a record ends."""
        ...

    def column(self, row: int, name: str) -> int:
        """Return the column at which a field of a record stands, 1 when that is not known."""
        ...


@dataclass(slots=True)
class RecordChunk:
    """JSON objects or rows with names, parsed as a list."""

    values: list[Any] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    """Source lines where a record has one, else empty."""
    broken: list[Broken] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Number of records."""
        return len(self.values)

    def take(self, rows: Sequence[int] | None = None) -> list[Any]:
        """Return all records or some of them."""
        return self.values if rows is None else [self.values[row] for row in rows]

    def line(self, row: int) -> int:
        """Return the line on which a record ends."""
        return self.lines[row]

    def column(self, row: int, name: str) -> int:
        """Return where the field's name stands in the record's line."""
        return max(0, self.texts[row].find(f'"{name}"')) + 1


@dataclass(slots=True)
class ColumnChunk:
    """Columns of a table by name, parsed as a mapping."""

    columns: dict[str, Column]
    lines: Sequence[int]
    header: list[str]
    """Columns in the order of the file."""
    broken: list[Broken] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Number of records."""
        return len(self.lines)

    def take(self, rows: Sequence[int] | None = None) -> dict[str, Column]:
        """Return all rows or some of them."""
        if rows is None:
            return self.columns
        return {name: tuple(values[r] for r in rows) for name, values in self.columns.items()}

    def line(self, row: int) -> int:
        """Return the line on which a row ends."""
        return self.lines[row]

    def column(self, row: int, name: str) -> int:
        """Return where a field begins behind the fields before it."""
        if name not in self.header:
            return 1
        before = self.header[: self.header.index(name)]
        return sum(len(str(self.columns[other][row])) + 1 for other in before) + 1


class Record(NamedTuple):
    """One record and where it stands."""

    line: int
    value: Any
    text: str = ""
    """Its source line, to find a column in; empty where it has none."""


Item = Record | Broken


def in_chunks(items: Iterable[Item]) -> Iterator[RecordChunk]:
    """Gather records into portions."""
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
