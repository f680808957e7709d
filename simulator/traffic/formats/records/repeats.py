"""Records that an export holds more than once, as where pages overlap or exports are joined."""

from collections.abc import Iterable, Iterator
from typing import Any

from simulator.traffic.formats.records.chunks import RecordChunk

REPEATED = "repeated calls"
_MARK = "repeated call"
"""Key that marks a repeated record; no tool writes it."""


def mark_repeats(
    chunks: Iterable[RecordChunk], identifier: str, compared: tuple[str, ...]
) -> Iterator[RecordChunk]:
    """Mark the records whose identifier and compared fields are those of an earlier record.

    Only hashes are kept, so that long logs need little memory. Records without an identifier are
    never repeats.
    """
    seen: set[int] = set()
    for chunk in chunks:
        for record in chunk.values:
            if record.get(identifier) in (None, ""):
                continue
            key = hash((str(record[identifier]), *(str(record.get(name)) for name in compared)))
            if key in seen:
                record[_MARK] = True
            seen.add(key)
        yield chunk


def is_repeat(record: dict[str, Any]) -> bool:
    """Return whether a record is marked as a repeat."""
    return _MARK in record
