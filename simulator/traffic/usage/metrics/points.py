"""Points of metrics, summed by bucket and group, and what formats of metrics have in common."""

import math
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

from simulator.errors import InputError
from simulator.files.text import Source, fail, label
from simulator.traffic.usage.buckets import Bucket, Group
from simulator.traffic.usage.export_format import Content

CACHE_COLUMNS = ("cached_tok", "written_5m_tok", "written_1h_tok")
PROMPT = "prompt_tok"
"""Column of a metric that counts all prompt tokens, those of the cache included."""

Key = tuple[float, float, Group]
"""Begin and length of a bucket [s], and its group."""


class Points:
    """Sums of points by bucket and column, from which buckets are made.

    Columns are those of ``Bucket``, and ``PROMPT``.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.sums: dict[Key, dict[str, float]] = {}
        self._lines: dict[Key, int] = {}
        self._seen: set[tuple[str, float]] = set()

    def once(self, series: str, begin_s: float, line: int) -> None:
        """Raise InputError if a series has a second value at a moment."""
        if (series, begin_s) in self._seen:
            refuse(self.source, line, f"{series} has two values at {shown_moment(begin_s)}")
        self._seen.add((series, begin_s))

    def add(self, line: int, key: Key, column: str, value: float) -> None:
        """Add a value to a column of a bucket."""
        sums = self.sums.setdefault(key, {})
        sums[column] = sums.get(column, 0.0) + value
        self._lines.setdefault(key, line)

    def refuse_bucket(self, key: Key, message: str) -> NoReturn:
        """Raise InputError for a bucket."""
        begin_s, _, group = key
        model = group.model or "all models"
        refuse(self.source, self._lines[key], f"{model} at {shown_moment(begin_s)}: {message}")

    def _check_periods(self) -> None:
        """Raise InputError if the metrics of a group have buckets of different lengths."""
        by_group: dict[Group, list[Key]] = {}
        for key in self.sums:
            by_group.setdefault(key[2], []).append(key)
        for keys in by_group.values():
            lengths_s = sorted({key[1] for key in keys})
            columns = set().union(*(self.sums[key] for key in keys))
            separate = len(columns) > 1 and all(len(self.sums[key]) == 1 for key in keys)
            if separate and len(lengths_s) > 1:
                shown = " and ".join(f"{length_s:g} s" for length_s in lengths_s)
                message = f"no two metrics have a bucket in common; buckets are {shown} long"
                self.refuse_bucket(keys[0], f"{message}. Query all metrics with one period")

    def buckets(self) -> Iterator[Bucket]:
        """Yield all buckets; raise InputError if they contradict each other."""
        self._check_periods()
        for key, sums in self.sums.items():
            columns = dict(sums)
            prompt = columns.pop(PROMPT, None)
            if prompt is not None:
                cache = sum(columns.get(name, 0.0) for name in CACHE_COLUMNS)
                if cache > prompt:
                    message = f"{cache:,.0f} tokens of the cache exceed {prompt:,.0f} prompt tokens"
                    self.refuse_bucket(key, f"{message}, which contain them")
                columns["uncached_tok"] = prompt - cache
            begin_s, length_s, group = key
            yield Bucket(begin_s, length_s, group, **columns)


def refuse(source: Source, line: int, message: str) -> NoReturn:
    """Raise InputError for a line of a file, or for what a server answered."""
    if isinstance(source, Path):
        fail(source, line, 1, message)
    raise InputError(f"{label(source)}: {message}")


def shown_moment(time_s: float) -> str:
    """Return a moment for a message."""
    try:
        return datetime.fromtimestamp(time_s, UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return f"{time_s:g} s"


def period_s(times_s: Iterable[Iterable[float]]) -> float:
    """Return the longest period of which all differences within series are multiples [s].

    It is 0 if no series has two moments.
    """
    period_ms = 0
    for series in times_s:
        ordered = sorted(round(time_s * 1000) for time_s in series)
        for earlier, later in pairwise(ordered):
            period_ms = math.gcd(period_ms, later - earlier)
    return period_ms / 1000


def documents(content: Content) -> Iterator[tuple[int, Any]]:
    """Yield the documents of a file, which may have one, a list of them, or one a line."""
    for line, document in content.records:
        for part in document if isinstance(document, list) else [document]:
            yield line, part


def first_document(content: Content) -> Any:
    """Return the first document of a JSON file, or None if there is none."""
    if content.header is not None:
        return None
    return next((document for _, document in documents(content)), None)


def list_of(content: Content, line: int, record: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Return a list of mappings in a record; raise InputError if it is anything else."""
    value = record.get(name)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        fail(content.path, line, 1, f"{name} must be a list of objects")
    return value
