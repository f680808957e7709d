"""Rate cards: the ordered conditional rows of one offer, and further facts about its price."""

import math
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Literal

from simulator.errors import InputError, nearest
from simulator.pricing.holidays import KNOWN_UNTIL
from simulator.pricing.lifetimes import NOTHING_KNOWN, Lifetime
from simulator.pricing.rows import BUCKETS, CONTENTS, CONTEXTS, STANDARD, RateRow, unix_s
from simulator.units import DAY_S

_MOST_TOK = 10**12


@dataclass(frozen=True, slots=True)
class RateCard:
    """Prices of one offer; later rows override earlier ones, bucket by bucket."""

    offer: str
    rows: tuple[RateRow, ...]
    as_of: date
    source: str
    context_tok: int | None = None
    """Context window for prompt and output, if the price book states it."""
    billed_at: Literal["start", "completion"] = "start"
    """Time of a call that selects dated rates."""
    max_input_tok: int | None = None
    """Longest prompt that the API accepts, if that is less than the context window."""
    lifetime: Lifetime = NOTHING_KNOWN
    calendar: str | None = None
    """Holiday calendar of its peak hours, one of ``holidays.CALENDARS``."""
    undated_as_of: date | None = None
    """Date of the source file if it has no dates of prices: earlier prices are unknown."""
    left_out: tuple[str, ...] = ()
    """Prices of its source that no bucket covers."""

    def __post_init__(self) -> None:
        """Raise InputError for rows that are invalid or ambiguous."""
        if not self.rows or self.rows[0].tiered or self.rows[0].context is not None:
            raise InputError(f"{self.offer}: the first rate row must hold unconditionally")
        for row in self.rows:
            if row.context is not None and row.context not in CONTEXTS:
                raise InputError(
                    f"{self.offer}: unknown context {row.context!r}"
                    f"{nearest(row.context, list(CONTEXTS))}"
                )
            if row.content is not None and row.content not in CONTENTS:
                raise InputError(
                    f"{self.offer}: unknown content {row.content!r}"
                    f"{nearest(row.content, list(CONTENTS))}"
                )
            for edge in (row.prompt_tokens_above, row.prompt_tokens_from):
                if edge is not None and not 1 <= edge <= _MOST_TOK:
                    raise InputError(
                        f"{self.offer}: a tier must start at 1 token or more, and at most at "
                        f"{_MOST_TOK:.0e}, not at {edge}"
                    )
            for bucket, rate in row.rates.items():
                if bucket not in BUCKETS:
                    raise InputError(
                        f"{self.offer}: unknown bucket {bucket!r}{nearest(bucket, list(BUCKETS))}"
                        f"; known: {', '.join(BUCKETS)}"
                    )
                if not 0 <= rate < math.inf:
                    raise InputError(f"{self.offer}: {bucket} rate must be 0 or more, not {rate}")

    @property
    def most_prompt_tok(self) -> int | None:
        """Longest prompt that can be priced, None if it is unknown."""
        known = [tok for tok in (self.context_tok, self.max_input_tok) if tok is not None]
        return min(known, default=None)

    @property
    def contexts(self) -> tuple[str, ...]:
        """Contexts in which the offer is sold."""
        named = {row.context for row in self.rows}
        return tuple(c for i, c in enumerate(CONTEXTS) if i == STANDARD or c in named)

    @property
    def moments_s(self) -> set[float]:
        """Unix times at which dated rows start or end."""
        dates = {moment for row in self.rows for moment in (row.from_time, row.until_time)}
        return {unix_s(moment) for moment in dates if moment is not None}

    @property
    def tier_starts(self) -> set[int]:
        """Shortest prompts [tokens] of tiers."""
        above = {r.prompt_tokens_above + 1 for r in self.rows if r.prompt_tokens_above is not None}
        return above | {r.prompt_tokens_from for r in self.rows if r.prompt_tokens_from is not None}

    @property
    def cached_shares(self) -> set[float]:
        """Cached shares of a prompt at which rates change."""
        return {r.cached_share_from for r in self.rows if r.cached_share_from is not None}

    def moments_within(self, begin_s: float, end_s: float) -> set[float]:
        """Return the Unix times between two others at which any row may start or end."""
        moments = self.moments_s
        of_day = {second for row in self.rows for second in row.seconds_of_day}
        days = range(int(begin_s // DAY_S), int(end_s // DAY_S) + 1) if of_day else ()
        for day in days:
            moments |= {day * DAY_S + second for second in of_day}
        return {moment for moment in moments if begin_s < moment < end_s}

    def begins(self, context: str) -> date | None:
        """Return when a context was first sold, None if it has always been."""
        rows = [row for row in self.rows if row.context == context and not row.tiered]
        begins = [row.from_time for row in rows if row.from_time is not None]
        return min(begins, key=unix_s) if begins and len(begins) == len(rows) else None

    def ceases(self, context: str) -> date | None:
        """Return when a context was withdrawn, None if it was not."""
        rows = [row for row in self.rows if row.context == context and not row.tiered]
        ends = [row.until_time for row in rows if row.until_time is not None]
        return max(ends, key=unix_s) if ends and len(ends) == len(rows) else None

    def doubts(self, begin_s: float, end_s: float) -> list[str]:
        """Return notes on unknown facts that prices within a span of Unix times depend on."""
        notes = self.lifetime.doubts(self.offer, begin_s, end_s)
        if self.undated_as_of is not None and begin_s < unix_s(self.undated_as_of):
            notes.append(
                f"{self.offer} is priced before {self.undated_as_of} by a file of that day, which "
                "has no dates"
            )
        if self.calendar is not None:
            until = KNOWN_UNTIL[self.calendar]
            if end_s > unix_s(until):
                notes.append(
                    f"public holidays from {until} on are unknown: {self.offer} is priced as if "
                    "there were none, which never gives too low a cost"
                )
        return notes

    def scaled(self, factor: float) -> "RateCard":
        """Return the card with every rate multiplied by a factor."""
        rows = tuple(
            replace(row, rates={bucket: rate * factor for bucket, rate in row.rates.items()})
            for row in self.rows
        )
        return replace(self, rows=rows)

    def with_cache_reads(self, share: float) -> "RateCard":
        """Return the card with cached prompt tokens at a share of the input price."""
        rows = []
        for row in self.rows:
            rates = {bucket: rate for bucket, rate in row.rates.items() if bucket != "cache_read"}
            if "input" in rates:
                rates["cache_read"] = share * rates["input"]
            rows.append(replace(row, rates=rates))
        return replace(self, rows=tuple(rows))

    def spiked(self, factor: float, from_time: datetime, until_time: datetime) -> "RateCard":
        """Return the card with every rate multiplied between two times."""
        extra = []
        for row in self.rows:
            begin = max(unix_s(row.from_time or from_time), unix_s(from_time))
            end = min(unix_s(row.until_time or until_time), unix_s(until_time))
            if begin < end:
                span = (datetime.fromtimestamp(begin, UTC), datetime.fromtimestamp(end, UTC))
                rates = {bucket: rate * factor for bucket, rate in row.rates.items()}
                extra.append(replace(row, rates=rates, from_time=span[0], until_time=span[1]))
        return replace(self, rows=(*self.rows, *extra))
