"""Changes of prices by dated rows in the months after a simulated span."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from simulator.pricing.billing import Usage, rates
from simulator.pricing.rates import RateCard
from simulator.pricing.rows import TOKEN_BUCKETS
from simulator.units import DAY_S, HOUR_S, MONTH_S

_STEP_S = 6 * HOUR_S
"""Step of the samples for a month's mean: dates matter, hours hardly."""


def monthly_factors(
    card: RateCard, context: int, content: int, begin_s: float, end_s: float, months: int
) -> dict[str, NDArray[np.float64]]:
    """Return the mean rate of every month since the start of a span, over that of the span.

    Parameters
    ----------
    card : RateCard
        Rate card of the calls.
    context, content : int
        Indices of the calls' context and content in ``CONTEXTS`` and ``CONTENTS``.
    begin_s, end_s : float
        Ends of the span [Unix s]; months of equal length are counted from its start.
    months : int
        Number of months.

    Returns
    -------
    dict of str to ndarray
        Factors by bucket, each (months,); 1 where the card has no rate.
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
    factors = {}
    for bucket, rate in rates(card, calls, buckets=(*TOKEN_BUCKETS, "storage")).items():
        means = np.array([part.mean() for part in np.split(rate, ends)])
        known = np.isfinite(means) & (means[0] > 0)
        factors[bucket] = (
            np.where(known[1:], means[1:] / means[0], 1.0) if known[0] else np.ones(months)
        )
    return factors


def changes_between(card: RateCard, begin_s: float, end_s: float) -> list[float]:
    """Return the Unix times within a span at which a dated row starts or ends."""
    return sorted(moment for moment in card.moments_s if begin_s < moment < end_s)
