"""Rate cards as lookup tables over a span of time, by time, prompt length and cached share.

Gateways, budgets and spend limits need prices while the engine runs. It reads these tables, so that
the rules of cards are implemented only once, in ``billing.rates``.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from simulator.pricing.billing import Usage, rates
from simulator.pricing.rates import RateCard
from simulator.pricing.rows import RateRow
from simulator.units import DAY_S, MTOK

PRICED = (
    "input", "cache_read", "cache_write", "cache_write_1h", "output", "reasoning", "storage",
    "per_request",
)  # fmt: skip
"""Buckets of a schedule, in this order."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Rates of one offer by time, reasoning, prompt length and cached share."""

    from_s: NDArray[np.float64]
    """Start of each period [Unix s]; the first is the start of the span. (n_periods,)"""
    from_tok: NDArray[np.int64]
    """Shortest prompt of each tier [tokens]; the first is 0. (n_tiers,)"""
    from_share: NDArray[np.float64]
    """Smallest cached share of the prompt of each step; the first is 0. (n_shares,)"""
    usd: NDArray[np.float64]
    """Rates in USD per token, per token and hour for storage, per call; NaN without a price.
    By period, reasoning (no, yes), tier, cached share and bucket.
    (n_periods, 2, n_tiers, n_shares, len(PRICED))"""


def schedule(card: RateCard, context: int, content: int, begin_s: float, end_s: float) -> Schedule:
    """Tabulate a card for calls of one context and content between two Unix times."""
    from_s = np.array(sorted({begin_s, *_moments(card, begin_s, end_s)}))
    from_tok = np.array(sorted({0, *_tiers(card)}), np.int64)
    from_share = np.array(sorted({0.0, *_shares(card)}))
    cells = list(product(from_s, (0, 1), from_tok, from_share))
    at_s, reasons, prompt_tok, share = (np.array(c) for c in zip(*cells, strict=True))
    calls = Usage.of(
        at_s,
        uncached_input=prompt_tok,
        reasoning=reasons,
        context=np.full(len(cells), context, np.int8),
        content=np.full(len(cells), content, np.int8),
    )
    usd_by_bucket = rates(card, calls, share)
    usd = np.stack(
        [usd_by_bucket[b] if b == "per_request" else usd_by_bucket[b] / MTOK for b in PRICED],
        axis=1,
    )
    shape = (len(from_s), 2, len(from_tok), len(from_share), len(PRICED))
    return Schedule(from_s, from_tok, from_share, usd.reshape(shape))


def _tiers(card: RateCard) -> set[int]:
    above = {r.prompt_tokens_above + 1 for r in card.rows if r.prompt_tokens_above is not None}
    return above | {r.prompt_tokens_from for r in card.rows if r.prompt_tokens_from is not None}


def _shares(card: RateCard) -> set[float]:
    return {r.cached_share_from for r in card.rows if r.cached_share_from is not None}


def _moments(card: RateCard, begin_s: float, end_s: float) -> set[float]:
    """Return the times within the span at which any row may start or end."""
    moments = card.moments_s
    of_day = {second for row in card.rows for second in _seconds_of_day(row)}
    days = range(int(begin_s // DAY_S), int(end_s // DAY_S) + 1) if of_day else ()
    for day in days:
        moments |= {day * DAY_S + second for second in of_day}
    return {moment for moment in moments if begin_s < moment < end_s}


def _seconds_of_day(row: RateRow) -> set[float]:
    midnight = {0.0} if row.utc_days is not None or row.not_on else set()
    return midnight | set(row.utc_window_s or ())
