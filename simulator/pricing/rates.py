"""Rate cards and the bill: ordered conditional rows, priced for many requests in one pass."""

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

import numpy as np
from numpy.typing import NDArray

from simulator.errors import InputError
from simulator.units import DAY_S, MTOK

BUCKETS = (
    "input",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "output",
    "reasoning",
    "per_request",
)
"""What a rate row may price: USD per million tokens, ``per_request`` in USD."""

# A bucket without a price of its own costs what this one does; feeds leave it out to say so.
_FALLBACK = {
    "cache_read": "input",
    "cache_write": "input",
    "cache_write_1h": "cache_write",
    "reasoning": "output",
}


@dataclass(frozen=True, slots=True)
class RateRow:
    """Rates that hold under conditions; all given conditions must be true."""

    rates: dict[str, float]
    """By bucket, USD per Mtok (``per_request``: USD)."""
    prompt_tokens_above: int | None = None
    """Holds when the whole prompt, cached tokens included, is longer than this."""
    from_date: date | None = None
    """Holds from this UTC day on."""
    utc_window_s: tuple[float, float] | None = None
    """Holds within [begin, end) seconds of the UTC day; may wrap over midnight."""

    def holds(self, prompt_tok: NDArray[np.int64], at_s: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return where the conditions are met; ``at_s`` in Unix seconds. (n,), (n,) -> (n,)"""
        mask = np.ones(len(prompt_tok), np.bool_)
        if self.prompt_tokens_above is not None:
            mask &= prompt_tok > self.prompt_tokens_above
        if self.from_date is not None:
            midnight = datetime(
                self.from_date.year, self.from_date.month, self.from_date.day, tzinfo=UTC
            )
            mask &= at_s >= midnight.timestamp()
        if self.utc_window_s is not None:
            begin, end = self.utc_window_s
            day_s = at_s % DAY_S
            inside = (day_s >= begin) & (day_s < end)
            if end < begin:
                inside = (day_s >= begin) | (day_s < end)
            mask &= inside
        return mask


@dataclass(frozen=True, slots=True)
class RateCard:
    """Prices of one offer; later rows win per bucket, absent buckets inherit."""

    offer: str
    rows: tuple[RateRow, ...]
    as_of: date
    source: str
    context_tok: int | None = None
    """Context window where the price book states it."""

    def __post_init__(self) -> None:
        """Refuse cards that would price a bucket by guessing."""
        if not self.rows or self.rows[0].prompt_tokens_above is not None:
            raise InputError(f"{self.offer}: the first rate row must hold always")
        for row in self.rows:
            for bucket, rate in row.rates.items():
                if bucket not in BUCKETS:
                    raise InputError(
                        f"{self.offer}: unknown bucket {bucket!r}; known: {', '.join(BUCKETS)}"
                    )
                if not rate >= 0:
                    raise InputError(f"{self.offer}: {bucket} rate must be 0 or more, not {rate}")

    def scaled(self, factor: float) -> "RateCard":
        """Return the card with every rate multiplied."""
        rows = tuple(
            replace(row, rates={bucket: rate * factor for bucket, rate in row.rates.items()})
            for row in self.rows
        )
        return replace(self, rows=rows)


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
    cache_write_1h: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """Empty when nothing was written for the long lifetime."""


def bill(card: RateCard, usage: Usage) -> dict[str, NDArray[np.float64]]:
    """Price calls by component.

    Returns
    -------
    dict of str to ndarray
        USD by bucket, each (n_calls,); buckets that the calls do not use are left out.

    Raises
    ------
    InputError
        When a used bucket has no price, directly or through the one it inherits.
    """
    long_written = usage.cache_write_1h
    prompt_tok = usage.uncached_input + usage.cache_read + usage.cache_write
    if len(long_written):
        prompt_tok = prompt_tok + long_written
    amounts = {
        "input": usage.uncached_input,
        "cache_read": usage.cache_read,
        "cache_write": usage.cache_write,
        "cache_write_1h": long_written,
        "output": usage.output,
        "reasoning": usage.reasoning,
    }
    holds = [row.holds(prompt_tok, usage.at_s) for row in card.rows]
    usd = {
        bucket: tokens / MTOK * _rate(card, bucket, holds)
        for bucket, tokens in amounts.items()
        if len(tokens) and tokens.any()
    }
    if any("per_request" in row.rates for row in card.rows):
        usd["per_request"] = _rate(card, "per_request", holds)
    return usd


def _rate(card: RateCard, bucket: str, holds: list[NDArray[np.bool_]]) -> NDArray[np.float64]:
    """Rate of a bucket for every call; NaN nowhere."""
    rate = np.full(len(holds[0]), np.nan)
    for row, mask in zip(card.rows, holds, strict=True):
        if bucket in row.rates:
            rate[mask] = row.rates[bucket]
    unknown = np.isnan(rate)
    if unknown.any():
        if bucket not in _FALLBACK:
            raise InputError(f"{card.offer} has no price for {bucket}")
        rate[unknown] = _rate(card, _FALLBACK[bucket], holds)[unknown]
    return rate
