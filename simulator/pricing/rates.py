"""Rate cards: the ordered conditional rows of one offer, and what else is known of its price."""

import math
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Literal

from simulator.errors import InputError, nearest
from simulator.pricing.holidays import KNOWN_UNTIL
from simulator.pricing.lifetimes import NOTHING_KNOWN, Lifetime
from simulator.pricing.rows import BUCKETS, CONTENTS, CONTEXTS, STANDARD, RateRow, unix_s


@dataclass(frozen=True, slots=True)
class RateCard:
    """Prices of one offer; later rows win per bucket, absent buckets inherit."""

    offer: str
    rows: tuple[RateRow, ...]
    as_of: date
    source: str
    context_tok: int | None = None
    """Context window where the price book states it: prompt and output."""
    billed_at: Literal["start", "completion"] = "start"
    """Which moment of a call decides on dated rates."""
    max_input_tok: int | None = None
    """Longest prompt that the API takes, where that is less than the context window."""
    lifetime: Lifetime = NOTHING_KNOWN
    calendar: str | None = None
    """Calendar of holidays that its peak hours heed, out of ``holidays.CALENDARS``."""
    told_on: date | None = None
    """Day of the file that tells its price without dates: what held before is not known."""
    left_out: tuple[str, ...] = ()
    """What its source prices, and no bucket holds."""

    def __post_init__(self) -> None:
        """Refuse cards that would price a bucket by guessing."""
        if not self.rows or self.rows[0].tiered or self.rows[0].context is not None:
            raise InputError(f"{self.offer}: the first rate row must hold always")
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
                if edge is not None and edge < 1:
                    raise InputError(f"{self.offer}: a tier must begin at tokens, not at {edge}")
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
        """Longest prompt that can be priced, None where that is not known."""
        known = [tok for tok in (self.context_tok, self.max_input_tok) if tok is not None]
        return min(known, default=None)

    @property
    def contexts(self) -> tuple[str, ...]:
        """How its calls may be served."""
        named = {row.context for row in self.rows}
        return tuple(c for i, c in enumerate(CONTEXTS) if i == STANDARD or c in named)

    @property
    def moments_s(self) -> set[float]:
        """Unix times at which dated rows begin or cease to hold."""
        dates = {moment for row in self.rows for moment in (row.from_time, row.until_time)}
        return {unix_s(moment) for moment in dates if moment is not None}

    def begins(self, context: str) -> date | None:
        """Return when a context was first sold, None where it always was."""
        rows = [row for row in self.rows if row.context == context and not row.tiered]
        begins = [row.from_time for row in rows if row.from_time is not None]
        return min(begins, key=unix_s) if begins and len(begins) == len(rows) else None

    def ceases(self, context: str) -> date | None:
        """Return when a context ceased to be sold, None where it did not."""
        rows = [row for row in self.rows if row.context == context and not row.tiered]
        ends = [row.until_time for row in rows if row.until_time is not None]
        return max(ends, key=unix_s) if ends and len(ends) == len(rows) else None

    def doubts(self, begin_s: float, end_s: float) -> list[str]:
        """Return sentences on what prices of a span of Unix times rest on that is not known."""
        found = self.lifetime.doubts(self.offer, begin_s, end_s)
        if self.told_on is not None and begin_s < unix_s(self.told_on):
            found.append(
                f"{self.offer} is priced before {self.told_on} by a file of that day, which has no "
                "dates"
            )
        if self.calendar is not None:
            until = KNOWN_UNTIL[self.calendar]
            if end_s > unix_s(until):
                found.append(
                    f"public holidays after {until} are not known: {self.offer} is priced there "
                    "as if there were none, which is never too little"
                )
        return found

    def scaled(self, factor: float) -> "RateCard":
        """Return the card with every rate multiplied."""
        rows = tuple(
            replace(row, rates={bucket: rate * factor for bucket, rate in row.rates.items()})
            for row in self.rows
        )
        return replace(self, rows=rows)

    def with_cache_reads(self, share: float) -> "RateCard":
        """Return the card with cached prompt tokens at a share of what fresh ones cost."""
        rows = []
        for row in self.rows:
            rates = {bucket: rate for bucket, rate in row.rates.items() if bucket != "cache_read"}
            if "input" in rates:
                rates["cache_read"] = share * rates["input"]
            rows.append(replace(row, rates=rates))
        return replace(self, rows=tuple(rows))

    def spiked(self, factor: float, from_time: datetime, until_time: datetime) -> "RateCard":
        """Return the card with every rate multiplied between two moments."""
        extra = []
        for row in self.rows:
            begin = max(unix_s(row.from_time or from_time), unix_s(from_time))
            end = min(unix_s(row.until_time or until_time), unix_s(until_time))
            if begin < end:
                span = (datetime.fromtimestamp(begin, UTC), datetime.fromtimestamp(end, UTC))
                rates = {bucket: rate * factor for bucket, rate in row.rates.items()}
                extra.append(replace(row, rates=rates, from_time=span[0], until_time=span[1]))
        return replace(self, rows=(*self.rows, *extra))
