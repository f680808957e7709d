"""Costs of sums of calls, such as the rows of a daily usage report, as bounds.

Some prices depend on each call: on the length of its prompt, its time, its cached share, or whether
it reasons. A sum does not tell these. Every rate that any of its calls may have had is looked up;
the lowest and the highest of each bucket bound the cost. Where they agree, the cost is exact.
"""

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.pricing.billing import (
    Problems,
    Usage,
    amounts,
    context_problems,
    no_price,
    rates,
)
from simulator.pricing.rates import RateCard
from simulator.pricing.rows import CALL_BUCKETS
from simulator.units import MTOK

UNKNOWN = -1
"""Number of calls of a sum that does not tell it."""
NO_LIMIT_TOK = 1 << 60
"""Longest prompt where none is known; sums of counts stay below it."""


@dataclass(frozen=True, slots=True)
class CallSums:
    """Sums of calls of one context within a period, all (n_sums,)."""

    usage: Usage
    """Sums of tokens and uses; ``at_s`` is the start of the period."""
    until_s: NDArray[np.float64]
    """End of the period, which is excluded [Unix s]."""
    calls: NDArray[np.int64]
    """Number of calls, or ``UNKNOWN``."""
    least_prompt_tok: NDArray[np.int64]
    """Shortest prompt that any of the calls may have had."""
    most_prompt_tok: NDArray[np.int64]
    """Longest prompt that any of the calls may have had, or ``NO_LIMIT_TOK``."""

    def take(self, rows: NDArray[Any]) -> "CallSums":
        """Return some of the sums, by indices or by a mask."""
        return CallSums(
            self.usage.take(rows),
            self.until_s[rows],
            self.calls[rows],
            self.least_prompt_tok[rows],
            self.most_prompt_tok[rows],
        )


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds of the costs of sums, all (n_sums,)."""

    low_usd: NDArray[np.float64]
    high_usd: NDArray[np.float64]
    depends_on: list[str]
    """What decides between the bounds; empty where they are equal."""


@dataclass(frozen=True, slots=True)
class _Choice:
    """A value that calls of some of the sums may have had."""

    value: NDArray[np.float64]
    possible: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Unknown:
    """A property of single calls: its possible values, and its name in messages."""

    name: str
    choices: list[_Choice]


def sum_problems(card: RateCard, sums: CallSums) -> Problems:
    """Return reasons why sums cannot be priced, each with a mask of the affected ones."""
    prompt = sums.usage.prompt_tok
    calls = np.where(sums.calls == UNKNOWN, 1, sums.calls).astype(np.float64)
    most = _most_tok(card, sums)
    bounded = (most < NO_LIMIT_TOK) & (sums.calls != UNKNOWN)
    used = sum((counts for counts in amounts(sums.usage).values()), start=np.zeros(len(calls)))
    reasons: Problems = [
        ((sums.calls == 0) & (used > 0), "tokens of no requests"),
        (bounded & (prompt > calls * np.where(bounded, most, 0.0)),
         "more input tokens than so many requests can have"),
        (prompt < calls * sums.least_prompt_tok,
         "fewer input tokens than requests of this context window have"),
    ]  # fmt: skip
    has_fee = any("per_request" in row.rates for row in card.rows)
    if has_fee:
        text = f"{card.offer} charges for each request, and their number is not given"
        reasons.append((sums.calls == UNKNOWN, text))
    times = _times(card, sums)
    for choice in times.choices:
        at = Usage.of(choice.value, context=sums.usage.context)
        reasons += context_problems(card, at)
    unknowns = _unknowns(card, sums, times)
    for bucket, counts in amounts(sums.usage).items():
        if (counts > 0).any():
            low, _ = _extremes(card, sums, unknowns, (bucket,))[bucket]
            reasons.append(((counts > 0) & np.isnan(low), no_price(card, bucket)))
    return [(mask, text) for mask, text in reasons if mask.any()]


def bounds(card: RateCard, sums: CallSums) -> Bounds:
    """Return the bounds of the costs of sums; see ``sum_problems`` for those without a price."""
    unknowns = _unknowns(card, sums, _times(card, sums))
    low_usd, high_usd = _costs(card, sums, unknowns)
    open_sums = low_usd < high_usd
    names: list[list[str]] = [[] for _ in range(len(low_usd))]
    if open_sums.any():
        firsts = [_Unknown(unknown.name, [_first(unknown)]) for unknown in unknowns]
        for index, unknown in enumerate(unknowns):
            low, high = _costs(card, sums, [*firsts[:index], unknown, *firsts[index + 1 :]])
            for row in np.flatnonzero(open_sums & (low < high)).tolist():
                names[row].append(unknown.name)
    several = "several properties of each call together"
    return Bounds(
        low_usd,
        high_usd,
        [
            (", ".join(found) or several) if is_open else ""
            for found, is_open in zip(names, open_sums.tolist(), strict=True)
        ],
    )


def _costs(
    card: RateCard, sums: CallSums, unknowns: list[_Unknown]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lowest and highest costs that the possible values allow. (n_sums,) each"""
    used = {bucket: counts for bucket, counts in amounts(sums.usage).items() if counts.any()}
    if any("per_request" in row.rates for row in card.rows):
        used["per_request"] = np.maximum(0, sums.calls)
    low_usd, high_usd = np.zeros(len(sums.calls)), np.zeros(len(sums.calls))
    for bucket, rate in _extremes(card, sums, unknowns, tuple(used)).items():
        counts = used[bucket] / (1.0 if bucket in CALL_BUCKETS else MTOK)
        low_usd += counts * np.where(counts > 0, rate[0], 0.0)
        high_usd += counts * np.where(counts > 0, rate[1], 0.0)
    return low_usd, high_usd


def _extremes(
    card: RateCard, sums: CallSums, unknowns: list[_Unknown], buckets: tuple[str, ...]
) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return the lowest and highest rate of each bucket; NaN where a possible call has none."""
    size = len(sums.calls)
    low = {bucket: np.full(size, np.inf) for bucket in buckets}
    high = {bucket: np.full(size, -np.inf) for bucket in buckets}
    for prompt, thinking, share, time in product(*(unknown.choices for unknown in unknowns)):
        possible = prompt.possible & thinking.possible & share.possible & time.possible
        if not possible.any():
            continue
        calls = Usage.of(
            time.value,
            uncached_input=prompt.value.astype(np.int64),
            reasoning=thinking.value.astype(np.int64),
            context=sums.usage.context,
            content=sums.usage.content,
        )
        for bucket, rate in rates(card, calls, share.value, buckets).items():
            # Unlike fmin and fmax, these keep NaN: a call without a price has no bounds.
            low[bucket] = np.where(possible, np.minimum(low[bucket], rate), low[bucket])
            high[bucket] = np.where(possible, np.maximum(high[bucket], rate), high[bucket])
    return {bucket: (low[bucket], high[bucket]) for bucket in buckets}


def _unknowns(card: RateCard, sums: CallSums, times: _Unknown) -> list[_Unknown]:
    """Return what may differ among the calls of each sum, in the order of ``_extremes``."""
    return [_prompts(card, sums), _thinking(card, sums), _shares(card, sums), times]


def _first(unknown: _Unknown) -> _Choice:
    """Return the first possible value of each sum."""
    value = unknown.choices[-1].value.copy()
    for choice in reversed(unknown.choices):
        value = np.where(choice.possible, choice.value, value)
    return _Choice(value, np.ones(len(value), np.bool_))


def _most_tok(card: RateCard, sums: CallSums) -> NDArray[np.int64]:
    most = card.most_prompt_tok
    return sums.most_prompt_tok if most is None else np.minimum(sums.most_prompt_tok, most)


def _prompts(card: RateCard, sums: CallSums) -> _Unknown:
    """Return the shortest possible prompts of each tier.

    Of ``n`` calls, each has at most the prompt that the others leave, and at least what they cannot
    take.
    """
    prompt, least, most = sums.usage.prompt_tok, sums.least_prompt_tok, _most_tok(card, sums)
    known, limited = sums.calls != UNKNOWN, most < NO_LIMIT_TOK
    # Products may exceed the range of 64-bit integers.
    others = np.where(known, np.maximum(sums.calls, 1) - 1, 1).astype(np.float64)
    taken = np.where(limited, others * np.where(limited, most, 0), np.inf)
    taken = np.where(known, np.where(others > 0, taken, 0.0), np.inf)
    low = np.maximum(least, prompt - taken)
    high = np.minimum(most, np.where(known, prompt - others * least, prompt))
    starts = sorted({0, *card.tier_starts})
    ends = [*starts[1:], NO_LIMIT_TOK]
    choices = [
        _Choice(np.maximum(low, start), (start <= high) & (low < end))
        for start, end in zip(starts, ends, strict=True)
    ]
    edges = ", ".join(str(start) for start in starts[1:])
    return _Unknown(f"length of each prompt (other price from {edges} tokens on)", choices)


def _thinking(card: RateCard, sums: CallSums) -> _Unknown:
    """Return whether calls may have reasoned, for cards that price that."""
    size = len(sums.calls)
    reasons = sums.usage.reasoning > 0
    without, with_ = np.zeros(size), np.ones(size)
    if not any(row.thinking is not None for row in card.rows):
        return _Unknown("", [_Choice(without, np.ones(size, np.bool_))])
    return _Unknown(
        "which calls reason",
        [_Choice(without, ~reasons | (sums.calls != 1)), _Choice(with_, reasons)],
    )


def _shares(card: RateCard, sums: CallSums) -> _Unknown:
    """Return the possible cached shares of prompts, for cards that price them."""
    whole = sums.usage.cached_share
    every = np.ones(len(whole), np.bool_)
    steps = sorted({0.0, *card.cached_shares})
    if len(steps) == 1:
        return _Unknown("", [_Choice(whole, every)])
    same = (sums.calls == 1) | (whole == 0) | (whole == 1)
    choices = [_Choice(np.full(len(whole), step), ~same) for step in steps]
    return _Unknown("cached share of each prompt", [_Choice(whole, same), *choices])


def _times(card: RateCard, sums: CallSums) -> _Unknown:
    """Return the starts of the periods, and the times within them at which a rate may change."""
    begin_s, until_s = sums.usage.at_s, sums.until_s
    periods, of_sum = np.unique(np.stack([begin_s, until_s], axis=1), axis=0, return_inverse=True)
    of_sum = of_sum.reshape(-1)
    moments = [sorted(card.moments_within(begin, until)) for begin, until in periods.tolist()]
    choices = [_Choice(begin_s, np.ones(len(begin_s), np.bool_))]
    for index in range(max((len(found) for found in moments), default=0)):
        values = np.array([m[index] if index < len(m) else np.nan for m in moments])[of_sum]
        possible = ~np.isnan(values)
        choices.append(_Choice(np.where(possible, values, begin_s), possible))
    return _Unknown("time of each call", choices)
