"""Rows of an export on their way to buckets: each is counted once, and finer rows are summed.

An export may distinguish more than a ``Group`` does, such as users: these rows are summed. The
same rows twice, as on two pages, are counted once. Rows that overlap in time without being of the
same span, and totals among their parts, would be counted twice: they are refused.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise, permutations
from types import MappingProxyType
from typing import Any

from simulator.traffic.usage.buckets import COUNTS, Bucket, Notices
from simulator.traffic.usage.fields import Fields, is_same, known_sum

_ROUNDING_S = 1e-3
"""Overlap that stems from the rounding of times."""
_COMPARED = ("requests", "uncached_tok", "cached_tok", "completion_tok", "spend_usd")
_DIMENSIONS = ("model", "project", "key", "context", "region")
"""Fields of a group that are empty where an export does not distinguish them."""

_FEWEST_PARTS = 2
"""Fewest names whose sum another name may be; two equal names may be a coincidence."""
_FEWEST_TOTALS = 3
"""Fewest rows that are all equal to the sums of others, which is no coincidence."""

Detail = tuple[tuple[str, str], ...]
"""Names and values that distinguish rows of the same group."""


@dataclass(frozen=True, slots=True)
class _Row:
    bucket: Bucket
    detail: Detail
    fields: Fields

    @property
    def span(self) -> tuple[float, float]:
        return self.bucket.begin_s, self.bucket.length_s

    @property
    def named(self) -> dict[str, str]:
        """Everything by which this row is distinguished."""
        group = {name: getattr(self.bucket.group, name) for name in _DIMENSIONS}
        return {name: value for name, value in group.items() if value} | dict(self.detail)


@dataclass(slots=True)
class Rows:
    """All rows of an export."""

    notices: Notices
    all_have_model: bool = False
    """Whether every row with tokens has a model if one of its span has."""
    _rows: dict[Any, _Row] = field(default_factory=dict)

    def add(
        self,
        bucket: Bucket,
        fields: Fields,
        detail: Detail = (),
        left_out: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        """Add a row unless it is there already, and count what else it has that is left out.

        Raises
        ------
        InputError
            If it ends before it begins, or is there already with other values.
        """
        if not bucket.length_s > 0:
            fields.fail("the bucket must end after it begins")
        row = _Row(bucket, detail, fields)
        known = self._rows.setdefault((bucket.begin_s, bucket.group, detail), row)
        if known is row:
            for kind, count in left_out.items():
                if count > 0:
                    self.notices.leave_out(kind, int(count))
            return
        if _values(known.bucket) != _values(bucket):
            fields.fail(
                f"{_name(known)} is there twice with different values; an export of another time "
                "or with other filters must be in a file of its own"
            )
        self.notices.leave_out("rows that are there twice")

    def buckets(self) -> Iterator[Bucket]:
        """Yield the sums by group and span.

        Raises
        ------
        InputError
            If something would be counted twice.
        """
        rows = list(self._rows.values())
        _refuse_overlaps(rows)
        if self.all_have_model:
            _refuse_without_model(rows)
        _refuse_totals(rows)
        _refuse_named_totals(rows)
        sums: dict[Any, list[Bucket]] = defaultdict(list)
        for row in rows:
            sums[*row.span, row.bucket.group].append(row.bucket)
        for first, *more in sums.values():
            if not more:
                yield first
                continue
            parts = (first, *more)
            yield first._replace(**{n: sum(getattr(p, n) for p in parts) for n in COUNTS})


def _values(bucket: Bucket) -> list[float | None]:
    """Return all numbers, None for unknown ones, which are equal to one another."""
    values = (bucket.length_s, *(getattr(bucket, name) for name in COUNTS))
    return [None if v != v else v for v in values]


def _name(row: _Row) -> str:
    """Return the name of a row for messages."""
    begin = datetime.fromtimestamp(row.bucket.begin_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    named = ", ".join(f"{name} {value}" for name, value in row.named.items())
    return f"the bucket of {begin}{f' ({named})' if named else ''}"


def _refuse_overlaps(rows: Iterable[_Row]) -> None:
    """Raise InputError if two spans overlap, such as hours and their day."""
    spans = {row.span: row for row in rows}
    for before, after in pairwise(sorted(spans)):
        if before[0] + before[1] > after[0] + _ROUNDING_S:
            spans[after].fields.fail(
                f"{_name(spans[after])} overlaps one that begins "
                f"{(after[0] - before[0]) / 3600:g} h earlier; the calls would be counted twice"
            )


def _refuse_without_model(rows: Iterable[_Row]) -> None:
    """Raise InputError for a row without model, if others of its span have one."""
    with_model = {row.span for row in rows if row.bucket.group.model}
    for row in rows:
        if not row.bucket.group.model and row.span in with_model and has_amount(row.bucket):
            row.fields.fail(
                f"{_name(row)} has no model, but others of the same time have; exports with and "
                "without grouping by model would be counted twice"
            )


def has_amount(bucket: Bucket) -> bool:
    """Return whether a bucket has any tokens or costs."""
    prompt = (bucket.uncached_tok, bucket.cached_tok, bucket.written_5m_tok, bucket.written_1h_tok)
    return known_sum(*prompt, bucket.completion_tok, bucket.spend_usd) > 0


def _refuse_totals(rows: Iterable[_Row]) -> None:
    """Raise InputError for rows that are the totals of others.

    Rows with fewer names are compared with the sums of those that have the same names and more.
    """
    by_names: dict[frozenset[str], list[_Row]] = defaultdict(list)
    for row in rows:
        if any(value > 0 for value in _compared(row.bucket)):
            by_names[frozenset(row.named)].append(row)
    for names, finer in permutations(by_names, 2):
        if names < finer and _are_totals(by_names[names], by_names[finer], names):
            row = by_names[names][0]
            more = ", ".join(sorted(finer - names))
            row.fields.fail(
                f"{_name(row)} is the total of the rows with {more}; the calls would be counted "
                "twice"
            )


def _refuse_named_totals(rows: Iterable[_Row]) -> None:
    """Raise InputError for rows of one name that are the totals of all other names.

    An export may have a row for the sum of all models, under a name such as ``all``.
    """
    used = [row for row in rows if any(value > 0 for value in _compared(row.bucket))]
    names = [frozenset(row.named) for row in used]
    everywhere = frozenset.intersection(*names) if names else frozenset()
    for name in everywhere:
        amounts: dict[str, float] = defaultdict(float)
        for row in used:
            amounts[row.named[name]] += known_sum(*_compared(row.bucket))
        half = sum(amounts.values()) / 2
        total = next((value for value, amount in amounts.items() if is_same(amount, half)), None)
        if total is None or len(amounts) < _FEWEST_PARTS + 1:
            continue
        wholes = [row for row in used if row.named[name] == total]
        parts = [row for row in used if row.named[name] != total]
        if len(wholes) >= _FEWEST_TOTALS and _are_totals(wholes, parts, everywhere - {name}):
            wholes[0].fields.fail(
                f"{_name(wholes[0])} is the total of all others of its time; the calls would be "
                "counted twice"
            )


def _compared(bucket: Bucket) -> list[float]:
    return [getattr(bucket, name) for name in _COMPARED]


def _are_totals(wholes: list[_Row], parts: list[_Row], names: frozenset[str]) -> bool:
    """Return whether each of the first rows equals the sum of those that it may contain.

    Two equal rows may be a coincidence.
    """
    if len(parts) <= len(wholes) < 3:
        return False
    sums: dict[Any, list[float]] = {}
    for row in parts:
        values, key = _compared(row.bucket), _key(row, names)
        sums[key] = [a + b for a, b in zip(sums.get(key, [0.0] * len(values)), values, strict=True)]
    return all(
        _key(row, names) in sums and all(map(_agree, sums[_key(row, names)], _compared(row.bucket)))
        for row in wholes
    )


def _key(row: _Row, names: frozenset[str]) -> Any:
    return (row.span, *sorted((name, v) for name, v in row.named.items() if name in names))


def _agree(first: float, second: float) -> bool:
    """Return whether two amounts are equal, or both unknown."""
    return is_same(first, second) or (first != first and second != second)
