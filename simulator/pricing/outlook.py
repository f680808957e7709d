"""What dated rows make of a price in the months behind a simulated span."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from simulator.pricing.billing import Usage, rates
from simulator.pricing.rates import RateCard
from simulator.pricing.rows import TOKEN_BUCKETS
from simulator.units import DAY_S, HOUR_S, MONTH_S

_STEP_S = 6 * HOUR_S
"""Between the moments of which a month's mean is taken: dates count, hours hardly."""


def monthly_factors(
    card: RateCard, context: int, content: int, begin_s: float, end_s: float, months: int
) -> dict[str, NDArray[np.float64]]:
    """Return the mean rate of every month from a span's begin, over the mean rate of the span.

    Parameters
    ----------
    card : RateCard
        Prices of the calls.
    context, content : int
        How they are served and what they write.
    begin_s, end_s : float
        The span, Unix seconds; months of equal length are counted from its begin.
    months : int
        How many.

    Returns
    -------
    dict of str to ndarray
        By bucket, each (months,); 1 where the card has no rate.
    """
    edges = begin_s + MONTH_S * np.arange(months + 1)
    spans = [(begin_s, max(end_s, begin_s + DAY_S)), *pairwise(edges.tolist())]
    at_s = [np.arange(begin, end, _STEP_S) for begin, end in spans]
    moments = np.concatenate(at_s)
    calls = Usage.of(
        moments,
        uncached_input=np.full(len(moments), 1000),
        context=np.full(len(moments), context, np.int8),
        content=np.full(len(moments), content, np.int8),
    )
    ends = np.cumsum([len(part) for part in at_s])[:-1]
    found = {}
    for bucket, rate in rates(card, calls, buckets=(*TOKEN_BUCKETS, "storage")).items():
        means = np.array([part.mean() for part in np.split(rate, ends)])
        known = np.isfinite(means) & (means[0] > 0)
        found[bucket] = (
            np.where(known[1:], means[1:] / means[0], 1.0) if known[0] else np.ones(months)
        )
    return found


def changes_between(card: RateCard, begin_s: float, end_s: float) -> list[float]:
    """Return the Unix times between two at which a dated row begins or ceases to hold."""
    return sorted(moment for moment in card.moments_s if begin_s < moment < end_s)
