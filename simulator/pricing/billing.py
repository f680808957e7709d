"""The bill: many calls priced by a rate card in one pass, and what cannot be priced."""

from dataclasses import dataclass, field, fields
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.errors import InputError
from simulator.pricing.rates import RateCard
from simulator.pricing.rows import (
    BUCKETS,
    CALL_BUCKETS,
    CONTEXTS,
    STANDARD,
    moment_text,
    unix_s,
)
from simulator.units import MTOK

# A bucket without a price of its own costs what this one does; feeds leave it out to say so. Other
# media never cost what text does: what a card lacks of them is an error.
_FALLBACK = {
    "cache_read": "input",
    "cache_write": "input",
    "cache_write_1h": "cache_write",
    "reasoning": "output",
    "cache_read_audio": "input_audio",
    "cache_read_image": "input_image",
}
_MEDIA_IN = (
    "input_audio", "cache_read_audio", "input_image", "cache_read_image", "input_video",
)  # fmt: skip
_MEDIA_OUT = ("output_audio", "output_image", "output_video")
_MEDIA = frozenset((*_MEDIA_IN, *_MEDIA_OUT))
MORE = (*_MEDIA_IN, *_MEDIA_OUT, *(name for name in CALL_BUCKETS if name != "per_request"))
"""What calls may use beside text: tokens of other media, and tools by the call."""


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
    more: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    """By ``MORE``, beside the text that the other fields count; absent is none."""

    @staticmethod
    def of(at_s: NDArray[np.float64], **tokens: Any) -> "Usage":
        """Return usage in which what is not given is nothing, and served as standard."""
        known: dict[str, Any] = {name: np.zeros(len(at_s), np.int64) for name in _COUNTS}
        known["stored_tok_h"] = np.zeros(len(at_s))
        known["context"] = np.full(len(at_s), STANDARD, np.int8)
        known["content"] = np.zeros(len(at_s), np.int8)
        return Usage(at_s=at_s, **{**known, **tokens})

    @property
    def prompt_tok(self) -> NDArray[np.int64]:
        """Whole prompts, of all media. (n_calls,)"""
        text = self.uncached_input + self.cache_read + self.cache_write + self.cache_write_1h
        return sum((self.more[name] for name in _MEDIA_IN if name in self.more), start=text)

    @property
    def cached_share(self) -> NDArray[np.float64]:
        """Share of each prompt that was read from a cache. (n_calls,)"""
        return self.cache_read / np.maximum(1, self.prompt_tok)

    def take(self, calls: NDArray[Any]) -> "Usage":
        """Return some of the calls, by place or by mask."""
        arrays = {f.name: getattr(self, f.name)[calls] for f in fields(self) if f.name != "more"}
        return Usage(**arrays, more={name: counts[calls] for name, counts in self.more.items()})


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
            begins, ceases = card.begins(context), card.ceases(context)
            late = (
                np.zeros(len(asked), np.bool_) if ceases is None else usage.at_s >= unix_s(ceases)
            )
            for mask, moment, word in ((late, ceases, "after"), (~late, begins, "before")):
                found.append((asked & ~offered & mask, _not_offered(card, context, moment, word)))
    for most, what in (
        (card.max_input_tok, "greatest input"),
        (card.context_tok, "context window"),
    ):
        if most is not None:
            text = f"the prompt is longer than the {what} of {most} tokens"
            found.append((usage.prompt_tok > most, text))
    for bucket, tokens in _amounts(usage).items():
        if (used := tokens > 0).any():
            unknown = used & np.isnan(rates(card, usage, buckets=(bucket,))[bucket])
            found.append((unknown, _no_price(card, bucket)))
    return [(mask, text) for mask, text in found if mask.any()]


def _not_offered(card: RateCard, context: str, moment: date | None, word: str) -> str:
    """Say why calls are not served so: never, not yet, or no more."""
    if context in card.contexts:
        when = "then" if moment is None else f"{word} {moment_text(moment)}"
        return f"{card.offer} has no {context} price {when}"
    return f"{card.offer} has no {context} price; its contexts: {', '.join(card.contexts)}"


def _no_price(card: RateCard, bucket: str) -> str:
    """Say that a bucket has no price, and what to do where the provider bills it as text."""
    text = f"{card.offer} has no price for {bucket}"
    if bucket in _MEDIA_IN or bucket in _MEDIA_OUT:
        return f"{text}: leave its column out where the provider bills them as text"
    return text


def _amounts(usage: Usage) -> dict[str, NDArray[Any]]:
    return {
        "input": usage.uncached_input,
        "cache_read": usage.cache_read,
        "cache_write": usage.cache_write,
        "cache_write_1h": usage.cache_write_1h,
        "output": usage.output,
        "reasoning": usage.reasoning,
        "storage": usage.stored_tok_h,
        **usage.more,
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
    amounts = {bucket: counts for bucket, counts in _amounts(usage).items() if counts.any()}
    fee = any("per_request" in row.rates for row in card.rows)
    found = rates(card, usage, buckets=(*amounts, "per_request") if fee else tuple(amounts))
    usd = {
        # Nothing used costs nothing, whatever it would have cost.
        bucket: counts
        / (1.0 if bucket in CALL_BUCKETS else MTOK)
        * np.where(counts > 0, found[bucket], 0.0)
        for bucket, counts in amounts.items()
    }
    if fee:
        usd["per_request"] = found["per_request"]
    return usd


def rates(
    card: RateCard,
    usage: Usage,
    cached_share: NDArray[np.float64] | None = None,
    buckets: tuple[str, ...] = BUCKETS,
    stated: bool = False,
) -> dict[str, NDArray[np.float64]]:
    """Return the rate of buckets for every call, NaN where it has none, (n_calls,) each.

    With ``stated``, no other bucket stands in for one that the card does not name.
    """
    holds = [row.holds(usage, cached_share) for row in card.rows]
    own = _own_rows(card, usage, holds) if set(buckets) & _MEDIA else holds
    find = _stated if stated else _rate
    return {bucket: find(card, bucket, own if bucket in _MEDIA else holds) for bucket in buckets}


def _own_rows(
    card: RateCard, usage: Usage, holds: list[NDArray[np.bool_]]
) -> list[NDArray[np.bool_]]:
    """Where rows tell the price of other media: text's discounts and surcharges do not carry over.

    A row for all contexts tells that of standard calls alone, and a row for all prompts does not
    hold where a tier re-rates the input.
    """
    standard = usage.context == STANDARD
    tiered = np.zeros(len(standard), np.bool_)
    for row, mask in zip(card.rows, holds, strict=True):
        if row.tiered and "input" in row.rates:
            tiered |= mask
    return [
        mask & (standard if row.context is None else True) & (np.True_ if row.tiered else ~tiered)
        for row, mask in zip(card.rows, holds, strict=True)
    ]


def _stated(card: RateCard, bucket: str, holds: list[NDArray[np.bool_]]) -> NDArray[np.float64]:
    """Rate that the card's rows name for every call, NaN where none does."""
    rate = np.full(len(holds[0]), np.nan)
    for row, mask in zip(card.rows, holds, strict=True):
        if bucket in row.rates:
            rate[mask] = row.rates[bucket]
        elif row.replaces:
            rate[mask] = np.nan
    return rate


def _rate(card: RateCard, bucket: str, holds: list[NDArray[np.bool_]]) -> NDArray[np.float64]:
    """Rate of a bucket for every call, NaN where it has none; what is free has no fee."""
    rate = _stated(card, bucket, holds)
    unknown = np.isnan(rate)
    if unknown.any():
        if bucket == "per_request":
            return np.where(unknown, 0.0, rate)  # a fee that some rows have and others do not
        if bucket in _FALLBACK:
            rate[unknown] = _rate(card, _FALLBACK[bucket], holds)[unknown]
    return rate
