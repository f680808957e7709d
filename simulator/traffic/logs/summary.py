"""What of a log was read, what was left out by rule, and what could not be read."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

UNUSABLE = "unusable rows"
"""Kind of the rows that could not be read for a reason of no other kind."""
_ONE = {"calls": "call", "spans": "span", "hits": "hit", "rows": "row", "summaries": "summary"}


@dataclass(frozen=True, slots=True)
class Summary:
    """Numbers of a log's rows by what became of them, and what to know about them."""

    calls: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    """Rows that are no requests of a model, by kind, such as cache hits of a gateway."""
    refused: dict[str, int] = field(default_factory=dict)
    """Rows that could not be read and were skipped, by kind."""
    unread_columns: tuple[str, ...] = ()
    """Columns that the format does not know."""
    remarks: tuple[str, ...] = ()

    def text(self) -> str:
        """Return the summary as one line."""
        parts = [f"read {kind_count('calls', self.calls)}"]
        if self.left_out:
            parts.append("left out " + _counted(self.left_out))
        if self.refused:
            parts.append(_counted(self.refused))
        if self.unread_columns:
            parts.append(f"columns not read: {', '.join(self.unread_columns)}")
        return "; ".join((*parts, *self.remarks))

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing to say but how many requests and unusable rows there are."""
        refused = self.refused.keys() - {UNUSABLE}
        return not (self.left_out or refused or self.unread_columns or self.remarks)

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as plain values."""
        return {
            "calls": self.calls,
            "left_out": self.left_out,
            "refused": self.refused,
            "unread_columns": list(self.unread_columns),
            "remarks": list(self.remarks),
        }


@dataclass(slots=True)
class ReadingCounts:
    """Counts that grow while a log is read."""

    left_out: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    unread_columns: list[str] = field(default_factory=list)
    remarks: dict[str, None] = field(default_factory=dict)
    """In the order in which they were first made."""

    def summary(self, calls: int) -> Summary:
        """Return the counts of a log of so many requests, the largest ones first."""
        return Summary(
            calls,
            dict(self.left_out.most_common()),
            dict(self.refused.most_common()),
            tuple(self.unread_columns),
            tuple(self.remarks),
        )


def _counted(kinds: dict[str, int]) -> str:
    return ", ".join(kind_count(kind, count) for kind, count in kinds.items())


def kind_count(kind: str, count: int) -> str:
    """Return a count with its kind, such as ``1 cache hit`` or ``1,234 cache hits``."""
    if count != 1:
        return f"{count:,} {kind}"
    words = kind.split()
    at = next((i for i, word in enumerate(words) if word in _ONE), None)
    if at is not None:
        words[at] = _ONE[words[at]]
    return " ".join(("1", *words)).replace("row contradict their", "row contradicts its")
