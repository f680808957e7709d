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
from simulator.units import MTOK

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
    from_s = np.array(sorted({begin_s, *card.moments_within(begin_s, end_s)}))
    from_tok = np.array(sorted({0, *card.tier_starts}), np.int64)
    from_share = np.array(sorted({0.0, *card.cached_shares}))
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
