"""Bills: many calls priced by a rate card in one pass, and reasons why calls have no price."""

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

# Bucket whose price applies to a bucket without its own price; feeds omit equal prices. The price
# of text never applies to other media: using them without a price is an error.
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
"""Usage in addition to text: tokens of other media, and tools by the call."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of API calls, partitioned: uncached + read + written = prompt. All (n_calls,)"""

    at_s: NDArray[np.float64]
    """Time at which the price is determined [Unix s]."""
    uncached_input: NDArray[np.int64]
    cache_read: NDArray[np.int64]
    cache_write: NDArray[np.int64]
    output: NDArray[np.int64]
    """Visible output tokens."""
    reasoning: NDArray[np.int64]
    cache_write_1h: NDArray[np.int64]
    """Tokens written for the long lifetime of 1 or 12 hours."""
    context: NDArray[np.int8]
    """Service tier of the call: index in ``CONTEXTS``."""
    content: NDArray[np.int8]
    """Kind of output of the call: index in ``CONTENTS``."""
    stored_tok_h: NDArray[np.float64]
    """Tokens that the call stores in a cache paid by the hour, times hours."""
    more: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    """Counts by names of ``MORE``, in addition to the text of the other fields; absent means 0."""

    @staticmethod
    def of(at_s: NDArray[np.float64], **tokens: Any) -> "Usage":
        """Return usage with zeros for counts that are not given, by default in standard context."""
        counts: dict[str, Any] = {name: np.zeros(len(at_s), np.int64) for name in _COUNTS}
        counts["stored_tok_h"] = np.zeros(len(at_s))
        counts["context"] = np.full(len(at_s), STANDARD, np.int8)
        counts["content"] = np.zeros(len(at_s), np.int8)
        return Usage(at_s=at_s, **{**counts, **tokens})

    @property
    def prompt_tok(self) -> NDArray[np.int64]:
        """Tokens of the whole prompts, of all media. (n_calls,)"""
        text = self.uncached_input + self.cache_read + self.cache_write + self.cache_write_1h
        return sum((self.more[name] for name in _MEDIA_IN if name in self.more), start=text)

    @property
    def cached_share(self) -> NDArray[np.float64]:
        """Share of each prompt that was read from a cache. (n_calls,)"""
        return self.cache_read / np.maximum(1, self.prompt_tok)

    def take(self, calls: NDArray[Any]) -> "Usage":
        """Return some of the calls, by indices or by a mask."""
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


TOO_LONG = "the prompt is longer than"
"""First words of the reason why a prompt that an offer does not take has no price."""

Problems = list[tuple[NDArray[np.bool_], str]]
"""Reasons why calls cannot be priced, each with a mask of the affected calls."""


def problems(card: RateCard, usage: Usage) -> Problems:
    """Return reasons why calls cannot be priced, each with a mask of the affected calls."""
    reasons = context_problems(card, usage)
    for most, what in (
        (card.max_input_tok, "maximum input"),
        (card.context_tok, "context window"),
    ):
        if most is not None:
            text = f"{TOO_LONG} the {what} of {most} tokens"
            reasons.append((usage.prompt_tok > most, text))
    for bucket, tokens in amounts(usage).items():
        if (used := tokens > 0).any():
            unknown = used & np.isnan(rates(card, usage, buckets=(bucket,))[bucket])
            reasons.append((unknown, no_price(card, bucket)))
    return [(mask, text) for mask, text in reasons if mask.any()]


def context_problems(card: RateCard, usage: Usage) -> Problems:
    """Return which calls were made in a context that the offer does not have at their time."""
    reasons = []
    for code in np.unique(usage.context).tolist():
        if code == STANDARD:
            continue
        context = CONTEXTS[code]
        in_context = usage.context == code
        offered = np.zeros(len(in_context), np.bool_)
        for row in card.rows:
            if row.context == context and not row.tiered:
                offered |= row.holds(usage)
        if (in_context & ~offered).any():
            begins, ceases = card.begins(context), card.ceases(context)
            late = (
                np.zeros(len(in_context), np.bool_)
                if ceases is None
                else usage.at_s >= unix_s(ceases)
            )
            for mask, moment, word in ((late, ceases, "after"), (~late, begins, "before")):
                reasons.append(
                    (in_context & ~offered & mask, _not_offered(card, context, moment, word))
                )
    return reasons


def _not_offered(card: RateCard, context: str, moment: date | None, word: str) -> str:
    """Return why a context is not offered: never, not yet, or no longer."""
    if context in card.contexts:
        when = "then" if moment is None else f"{word} {moment_text(moment)}"
        return f"{card.offer} has no {context} price {when}"
    return f"{card.offer} has no {context} price; its contexts: {', '.join(card.contexts)}"


def no_price(card: RateCard, bucket: str) -> str:
    """Return that a bucket has no price, with advice for media that may be billed as text."""
    text = f"{card.offer} has no price for {bucket}"
    if bucket in _MEDIA_IN or bucket in _MEDIA_OUT:
        return f"{text}; omit its column if the provider bills it as text"
    return text


def amounts(usage: Usage) -> dict[str, NDArray[Any]]:
    """Return tokens and other counts by the buckets that price them."""
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
    """Price calls by component; see ``problems`` for calls that cannot be priced.

    Returns
    -------
    dict of str to ndarray
        USD by bucket, each (n_calls,); unused buckets are omitted.

    Raises
    ------
    InputError
        If a call cannot be priced.
    """
    for mask, reason in problems(card, usage):
        raise InputError(f"call {int(mask.argmax()) + 1}: {reason}")
    return priced(card, usage)


def priced(card: RateCard, usage: Usage) -> dict[str, NDArray[np.float64]]:
    """Price calls without checking them for ``problems``; returns the same as ``bill``."""
    used = {bucket: counts for bucket, counts in amounts(usage).items() if counts.any()}
    has_fee = any("per_request" in row.rates for row in card.rows)
    rate = rates(card, usage, buckets=(*used, "per_request") if has_fee else tuple(used))
    usd = {
        # Unused buckets cost 0 even where their rate is unknown (NaN).
        bucket: counts
        / (1.0 if bucket in CALL_BUCKETS else MTOK)
        * np.where(counts > 0, rate[bucket], 0.0)
        for bucket, counts in used.items()
    }
    if has_fee:
        usd["per_request"] = rate["per_request"]
    return usd


def rates(
    card: RateCard,
    usage: Usage,
    cached_share: NDArray[np.float64] | None = None,
    buckets: tuple[str, ...] = BUCKETS,
    stated: bool = False,
) -> dict[str, NDArray[np.float64]]:
    """Return the rates of buckets for every call, NaN without a rate, (n_calls,) each.

    With ``stated``, buckets that the card does not name do not fall back to others.
    """
    holds = [row.holds(usage, cached_share) for row in card.rows]
    media = _media_masks(card, usage, holds) if set(buckets) & _MEDIA else holds
    rate_of = _stated_rate if stated else _rate
    return {
        bucket: rate_of(card, bucket, media if bucket in _MEDIA else holds) for bucket in buckets
    }


def _media_masks(
    card: RateCard, usage: Usage, holds: list[NDArray[np.bool_]]
) -> list[NDArray[np.bool_]]:
    """Return where rows give prices of other media; discounts on text do not carry over.

    A row for all contexts prices media of standard calls only, and a row for all prompts does not
    price media where a tier changes the input rate.
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


def _stated_rate(
    card: RateCard, bucket: str, holds: list[NDArray[np.bool_]]
) -> NDArray[np.float64]:
    """Return the rate that rows name for every call, NaN without one. (n_calls,)"""
    rate = np.full(len(holds[0]), np.nan)
    for row, mask in zip(card.rows, holds, strict=True):
        if bucket in row.rates:
            rate[mask] = row.rates[bucket]
        elif row.replaces:
            rate[mask] = np.nan
    return rate


def _rate(card: RateCard, bucket: str, holds: list[NDArray[np.bool_]]) -> NDArray[np.float64]:
    """Return the rate of a bucket for every call, after fallbacks, NaN without one. (n_calls,)"""
    rate = _stated_rate(card, bucket, holds)
    unknown = np.isnan(rate)
    if unknown.any():
        if bucket == "per_request":
            return np.where(unknown, 0.0, rate)  # rows without a fee per request charge none
        if bucket in _FALLBACK:
            rate[unknown] = _rate(card, _FALLBACK[bucket], holds)[unknown]
    return rate
