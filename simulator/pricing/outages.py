"""Random outages of providers."""

import math

import numpy as np

from simulator.units import MINUTE_S

MEDIAN_S = 30 * MINUTE_S
SIGMA = 0.8
LONGEST_S = 120 * MINUTE_S
"""Longest outage. Outages last minutes to two hours (third-party status pages, 2026); the lognormal
shape is assumed."""


def draw_outages(
    rng: np.random.Generator, availability: float, begin_s: float, end_s: float
) -> tuple[tuple[float, float], ...]:
    """Draw outages within a span; exponential up times give the availability in the mean.

    Returns
    -------
    tuple of (float, float)
        Start and end of each outage [s], in order, without overlaps.
    """
    if availability >= 1.0:
        return ()
    # Mean of the lognormal length capped at its longest (Johnson, Kotz and Balakrishnan, 1994).
    cut = (math.log(LONGEST_S / MEDIAN_S)) / SIGMA
    mean_s = MEDIAN_S * math.exp(SIGMA**2 / 2) * _phi(cut - SIGMA) + LONGEST_S * _phi(-cut)
    up_s = mean_s * availability / (1.0 - availability)
    spans = []
    at_s = begin_s + rng.exponential(up_s)
    while at_s < end_s:
        length_s = min(LONGEST_S, MEDIAN_S * math.exp(SIGMA * rng.standard_normal()))
        spans.append((at_s, at_s + length_s))
        at_s += length_s + rng.exponential(up_s)
    return tuple(spans)


def _phi(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2.0))
