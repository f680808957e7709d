"""Rate cards and the bill: ordered conditional rows, priced for many requests in one pass."""

from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from simulator.errors import InputError, nearest
from simulator.units import DAY_S, MTOK

BUCKETS = (
    "input",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "output",
    "reasoning",
    "storage",
    "per_request",
)
"""What a rate row may price: USD per million tokens, ``storage`` per million tokens and hour,
``per_request`` in USD."""

# A bucket without a price of its own costs what this one does; feeds leave it out to say so.
_FALLBACK = {
    "cache_read": "input",
    "cache_write": "input",
    "cache_write_1h": "cache_write",
    "reasoning": "output",
}


CONTEXTS = ("standard", "batch", "flex", "priority")
"""How a call is served; usage names them by their place in here."""
STANDARD = 0
CONTENTS = ("prose", "code")
"""What a call writes, for offers that price it; usage names it by its place in here."""
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True, slots=True)
class RateRow:
    """Rates that hold under conditions; all given conditions must be true."""

    rates: dict[str, float]
    """By bucket, USD per Mtok (``per_request``: USD)."""
    prompt_tokens_above: int | None = None
    """Holds when the whole prompt, cached tokens included, is longer than this."""
    prompt_tokens_from: int | None = None
    """Holds when the whole prompt has at least so many tokens."""
    from_time: date | None = None
    """Holds from this UTC day or moment on."""
    until_time: date | None = None
    """Holds until this UTC day or moment, which is the first without it."""
    utc_window_s: tuple[float, float] | None = None
    """Holds within [begin, end) seconds of the UTC day; may wrap over midnight."""
    utc_days: frozenset[int] | None = None
    """Holds on these days of the week, Monday is 0."""
    not_on: frozenset[date] = frozenset()
    """Does not hold on these UTC days: public holidays."""
    context: str | None = None
    """Holds for calls that are served so, out of ``CONTEXTS``."""
    thinking: bool | None = None
    """Holds for calls with, or without, reasoning."""
    content: str | None = None
    """Holds for calls that write this, out of ``CONTENTS``."""
    cached_share_from: float | None = None
    """Holds when at least this share of the prompt was read from a cache."""
    replaces: bool = False
    """Stands in the place of all rows before it; else it changes only what it names."""

    @property
    def tiered(self) -> bool:
        """Whether it depends on the prompt's length."""
        return self.prompt_tokens_above is not None or self.prompt_tokens_from is not None

    def conditions(self) -> list[str]:
        """Return the conditions in words, empty where it always holds."""
        found = []
        if self.context is not None:
            found.append(self.context)
        if self.thinking is not None:
            found.append("thinking" if self.thinking else "not thinking")
        if self.content is not None:
            found.append(self.content)
        if self.cached_share_from is not None:
            found.append(f"cached >= {self.cached_share_from:.0%}")
        if self.prompt_tokens_above is not None:
            found.append(f"prompt > {self.prompt_tokens_above}")
        if self.prompt_tokens_from is not None:
            found.append(f"prompt >= {self.prompt_tokens_from}")
        if self.from_time is not None:
            found.append(f"from {self.from_time}")
        if self.until_time is not None:
            found.append(f"until {self.until_time}")
        if self.utc_window_s is not None:
            begin, end = (
                f"{int(s) // 3600:02}:{int(s) % 3600 // 60:02}" for s in self.utc_window_s
            )
            found.append(f"{begin}-{end} UTC")
        if self.utc_days is not None:
            found.append(" ".join(_DAYS[day] for day in sorted(self.utc_days)))
        if self.not_on:
            found.append("not on holidays")
        return found

    def holds(
        self, usage: "Usage", cached_share: NDArray[np.float64] | None = None
    ) -> NDArray[np.bool_]:
        """Return where the conditions are met, (n_calls,); the cached share is the usage's own."""
        mask = self._holds_at(usage.at_s)
        if self.content is not None:
            mask &= usage.content == CONTENTS.index(self.content)
        if self.cached_share_from is not None:
            share = usage.cached_share if cached_share is None else cached_share
            mask &= share >= self.cached_share_from
        if self.prompt_tokens_above is not None:
            mask &= usage.prompt_tok > self.prompt_tokens_above
        if self.prompt_tokens_from is not None:
            mask &= usage.prompt_tok >= self.prompt_tokens_from
        if self.context is not None:
            mask &= usage.context == CONTEXTS.index(self.context)
        if self.thinking is not None:
            mask &= (usage.reasoning > 0) == self.thinking
        return mask

    def _holds_at(self, at_s: NDArray[np.float64]) -> NDArray[np.bool_]:
        mask = np.ones(len(at_s), np.bool_)
        if self.from_time is not None:
            mask &= at_s >= unix_s(self.from_time)
        if self.until_time is not None:
            mask &= at_s < unix_s(self.until_time)
        if self.utc_window_s is not None:
            begin, end = self.utc_window_s
            day_s = at_s % DAY_S
            inside = (day_s >= begin) & (day_s < end)
            if end < begin:
                inside = (day_s >= begin) | (day_s < end)
            mask &= inside
        if self.utc_days is not None:
            # The first of January 1970 was a Thursday.
            mask &= np.isin((at_s // DAY_S + 3) % 7, list(self.utc_days))
        if self.not_on:
            mask &= ~np.isin(at_s // DAY_S, [unix_s(day) // DAY_S for day in self.not_on])
        return mask


def unix_s(moment: date) -> float:
    """Return a UTC day's midnight, or a moment's time [s]; a moment without zone is in UTC."""
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


@dataclass(frozen=True, slots=True)
class RateCard:
    """Prices of one offer; later rows win per bucket, absent buckets inherit."""

    offer: str
    rows: tuple[RateRow, ...]
    as_of: date
    source: str
    context_tok: int | None = None
    """Context window where the price book states it."""
    billed_at: Literal["start", "completion"] = "start"
    """Which moment of a call decides on dated rates."""

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
            for bucket, rate in row.rates.items():
                if bucket not in BUCKETS:
                    raise InputError(
                        f"{self.offer}: unknown bucket {bucket!r}{nearest(bucket, list(BUCKETS))}"
                        f"; known: {', '.join(BUCKETS)}"
                    )
                if not rate >= 0:
                    raise InputError(f"{self.offer}: {bucket} rate must be 0 or more, not {rate}")

    @property
    def contexts(self) -> tuple[str, ...]:
        """How its calls may be served."""
        named = {row.context for row in self.rows}
        return tuple(c for i, c in enumerate(CONTEXTS) if i == STANDARD or c in named)

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


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of API calls, partitioned: uncached + read + written = prompt. All (n_calls,)"""

    at_s: NDArray[np.float64]
    """When the price is decided, Unix seconds UTC."""
    uncached_input: NDArray[np.int64]
    cache_read: NDArray[np.int64]
    cache_write: NDArray[np.int64]
    output: NDArray[np.int64]
    """Visible output."""
    reasoning: NDArray[np.int64]
    cache_write_1h: NDArray[np.int64]
    """Written for the long lifetime: an hour, or twelve."""
    context: NDArray[np.int8]
    """How the call is served: place in ``CONTEXTS``."""
    content: NDArray[np.int8]
    """What the call writes: place in ``CONTENTS``."""
    stored_tok_h: NDArray[np.float64]
    """Tokens that the call keeps in a cache that is paid by the hour, times hours."""

    @staticmethod
    def of(at_s: NDArray[np.float64], **tokens: NDArray[Any]) -> "Usage":
        """Return usage in which what is not given is nothing, and served as standard."""
        known: dict[str, Any] = {name: np.zeros(len(at_s), np.int64) for name in _COUNTS}
        known["stored_tok_h"] = np.zeros(len(at_s))
        known["context"] = np.full(len(at_s), STANDARD, np.int8)
        known["content"] = np.zeros(len(at_s), np.int8)
        return Usage(at_s=at_s, **{**known, **tokens})

    @property
    def prompt_tok(self) -> NDArray[np.int64]:
        """Whole prompts. (n_calls,)"""
        return self.uncached_input + self.cache_read + self.cache_write + self.cache_write_1h

    @property
    def cached_share(self) -> NDArray[np.float64]:
        """Share of each prompt that was read from a cache. (n_calls,)"""
        return self.cache_read / np.maximum(1, self.prompt_tok)

    def take(self, calls: NDArray[Any]) -> "Usage":
        """Return some of the calls, by place or by mask."""
        return Usage(**{f.name: getattr(self, f.name)[calls] for f in fields(self)})


_COUNTS = (
    "uncached_input",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "output",
    "reasoning",
)


def problems(card: RateCard, usage: Usage) -> list[tuple[NDArray[np.bool_], str]]:
    """Return what makes calls impossible to price, each with the calls that it concerns."""
    found = []
    for code in np.unique(usage.context).tolist():
        if code == STANDARD:
            continue
        context = CONTEXTS[code]
        asked = usage.context == code
        offered = np.zeros(len(asked), np.bool_)
        for row in card.rows:
            if row.context == context and not row.tiered:
                offered |= row.holds(usage)
        if (asked & ~offered).any():
            known = ", ".join(card.contexts)
            text = f"{card.offer} has no {context} price then; its contexts: {known}"
            found.append((asked & ~offered, text))
    if card.context_tok is not None:
        text = f"the prompt is longer than the context window of {card.context_tok} tokens"
        found.append((usage.prompt_tok > card.context_tok, text))
    holds = [row.holds(usage) for row in card.rows]
    for bucket, tokens in _amounts(usage).items():
        if (used := tokens > 0).any():
            unknown = used & np.isnan(_rate(card, bucket, holds))
            found.append((unknown, f"{card.offer} has no price for {bucket}"))
    return [(mask, text) for mask, text in found if mask.any()]


def _amounts(usage: Usage) -> dict[str, NDArray[Any]]:
    return {
        "input": usage.uncached_input,
        "cache_read": usage.cache_read,
        "cache_write": usage.cache_write,
        "cache_write_1h": usage.cache_write_1h,
        "output": usage.output,
        "reasoning": usage.reasoning,
        "storage": usage.stored_tok_h,
    }


def bill(card: RateCard, usage: Usage) -> dict[str, NDArray[np.float64]]:
    """Price calls by component; see ``problems`` for what cannot be priced.

    Returns
    -------
    dict of str to ndarray
        USD by bucket, each (n_calls,); buckets that the calls do not use are left out.

    Raises
    ------
    InputError
        When a call cannot be priced.
    """
    for mask, reason in problems(card, usage):
        raise InputError(f"call {int(mask.argmax()) + 1}: {reason}")
    return priced(card, usage)


def priced(card: RateCard, usage: Usage) -> dict[str, NDArray[np.float64]]:
    """Price calls that have no ``problems``, as ``bill`` does."""
    found = rates(card, usage)
    usd = {
        # Nothing used costs nothing, whatever it would have cost.
        bucket: tokens / MTOK * np.where(tokens > 0, found[bucket], 0.0)
        for bucket, tokens in _amounts(usage).items()
        if tokens.any()
    }
    if any("per_request" in row.rates for row in card.rows):
        usd["per_request"] = found["per_request"]
    return usd


def rates(
    card: RateCard, usage: Usage, cached_share: NDArray[np.float64] | None = None
) -> dict[str, NDArray[np.float64]]:
    """Return the rate of every bucket for every call, NaN where it has none, (n_calls,) each."""
    holds = [row.holds(usage, cached_share) for row in card.rows]
    return {bucket: _rate(card, bucket, holds) for bucket in BUCKETS}


def _rate(card: RateCard, bucket: str, holds: list[NDArray[np.bool_]]) -> NDArray[np.float64]:
    """Rate of a bucket for every call, NaN where it has none; what is free has no fee."""
    rate = np.full(len(holds[0]), np.nan)
    for row, mask in zip(card.rows, holds, strict=True):
        if bucket in row.rates:
            rate[mask] = row.rates[bucket]
        elif row.replaces:
            rate[mask] = np.nan
    unknown = np.isnan(rate)
    if unknown.any():
        if bucket == "per_request":
            return np.where(unknown, 0.0, rate)  # a fee that some rows have and others do not
        if bucket in _FALLBACK:
            rate[unknown] = _rate(card, _FALLBACK[bucket], holds)[unknown]
    return rate
