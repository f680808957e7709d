"""Random lengths and times, drawn as a standard normal score that a quantile table maps to a value.

Between the points of the table, the logarithm of the value is linear in the score. A lognormal is
therefore a table of two points, and a copula between two quantities is a correlation of their
scores.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.bisection import bisect
from simulator.errors import InputError

_HALVINGS = 50
_LAST_ROUNDED = 64
"""Largest count whose rounding is taken into account; above it, rounding does not move a mean."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """Distribution of a positive random number, clipped at both ends."""

    score: NDArray[np.float64]
    """Normal scores of the points, increasing. (n_points,), at least two"""
    log_value: NDArray[np.float64]
    """Logarithms of the values at the points, not decreasing. (n_points,)"""
    least: float
    """Lower limit of values."""
    most: float
    """Upper limit of values."""
    rounds_up: bool = False
    """Whether whole numbers are rounded up, else to the nearest."""

    @staticmethod
    def lognormal(median: float, sigma: float, most: float = np.inf) -> "Quantity":
        """Return the lognormal with this median and this standard deviation of its logarithm."""
        log_median = np.log(median)
        return Quantity(
            np.array([-1.0, 1.0]), np.array([log_median - sigma, log_median + sigma]), 0.0, most
        )

    @staticmethod
    def lognormal_of_mean(
        mean: float, sigma: float, most: float = np.inf, *, is_count: bool = True
    ) -> "Quantity":
        """Return the lognormal with this mean, after the cut at ``most`` and, for counts, after
        rounding to whole numbers of at least 1.

        Raises
        ------
        InputError
            If no lognormal with that cut has the mean.
        """
        least = 1.0 if is_count else 0.0
        if sigma == 0 or mean <= least:
            return Quantity.constant(mean)
        if mean > most:
            raise InputError(f"a mean of {mean:g} is above the largest value {most:g}")
        if mean == most:
            return Quantity.constant(most)

        def is_below(log_median: float) -> bool:
            return _lognormal_mean(log_median, sigma, most, is_count=is_count) < mean

        start = float(np.log(mean)) - sigma**2 / 2
        low, high = start - 1.0, start + 1.0
        while is_below(high):
            high += sigma
        while not is_below(low):
            low -= sigma
        outside, inside = bisect(is_below, high, low, _HALVINGS)
        return Quantity.lognormal(float(np.exp((outside + inside) / 2)), sigma, most)

    @staticmethod
    def constant(value: float) -> "Quantity":
        """Return a quantity that never varies."""
        return Quantity(np.array([-1.0, 1.0]), np.full(2, -np.inf), value, value)

    @staticmethod
    def quantiles(points: Mapping[float, float], most: float = np.inf) -> "Quantity":
        """Return the quantity with these quantiles; the outermost slopes continue into the tails.

        Raises
        ------
        InputError
            If there are fewer than two points, if their shares are not between 0 and 1, or if
            their values are not positive or decrease.
        """
        from scipy.special import ndtri

        shares = np.array(sorted(points))
        values = np.array([points[p] for p in shares.tolist()])
        if len(shares) < 2 or shares[0] <= 0 or shares[-1] >= 1:
            raise InputError("quantiles need two or more points between 0 and 1")
        if values[0] <= 0 or (np.diff(values) < 0).any():
            raise InputError("quantiles must be above 0 and must not decrease")
        return Quantity(ndtri(shares), np.log(values), 0.0, most)

    @staticmethod
    def geometric(mean: float) -> "Quantity":
        """Return an exponential whose ceiling is geometric from 1 with this mean."""
        from scipy.special import log_ndtr

        if mean <= 1:
            return Quantity.constant(1)
        score = np.linspace(-8, 8, 129)
        return Quantity(score, np.log(log_ndtr(-score) / np.log1p(-1 / mean)), 0.0, np.inf, True)

    def at(self, score: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values at normal scores, of the same shape."""
        if self.least == self.most:
            return np.full(score.shape, self.least)
        slope = np.diff(self.log_value) / np.diff(self.score)
        if len(slope) == 1:
            log = self.log_value[0] + slope[0] * (score - self.score[0])
        else:
            log = np.interp(score, self.score, self.log_value)
            below, above = score < self.score[0], score > self.score[-1]
            log[below] += slope[0] * (score[below] - self.score[0])
            log[above] += slope[-1] * (score[above] - self.score[-1])
        return np.clip(np.exp(log, out=log), self.least, self.most, out=log)

    def counts_at(self, score: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return whole numbers at normal scores, of the same shape."""
        values = self.at(score)
        return np.ceil(values) if self.rounds_up else np.rint(values)

    def counts(self, rng: np.random.Generator, size: int) -> NDArray[np.float64]:
        """Draw whole numbers, (size,)."""
        return self.counts_at(rng.standard_normal(size))

    def draw(self, rng: np.random.Generator, size: int) -> NDArray[np.float64]:
        """Draw values, (size,)."""
        return self.at(rng.standard_normal(size))


def _lognormal_mean(log_median: float, sigma: float, most: float, *, is_count: bool) -> float:
    """Return the mean of a lognormal that is cut at ``most`` and, for counts, rounded.

    The mean of a cut lognormal is known in closed form; rounding of counts and their least value
    of 1 add a sum over the small counts.
    """
    from scipy.special import ndtr

    def below(x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probability of values below some positive numbers. (n,) -> (n,)"""
        share: NDArray[np.float64] = ndtr((np.log(x) - log_median) / sigma)
        return share

    def mean_below(x: float) -> float:
        """Return the part of the mean that comes from values below a positive number."""
        score = (np.log(x) - log_median) / sigma
        return float(np.exp(log_median + sigma**2 / 2) * ndtr(score - sigma))

    if np.isinf(most):
        mean = float(np.exp(log_median + sigma**2 / 2))
    else:
        mean = mean_below(most) + most * float(1 - below(np.array([most]))[0])
    if not is_count:
        return mean
    last = int(min(_LAST_ROUNDED, most))
    edges = np.arange(last + 1, dtype=np.float64) + 0.5
    shares = np.diff(below(edges), prepend=0.0)
    rounded = float((shares * np.maximum(1, np.arange(last + 1))).sum())
    if most <= last + 1:
        return rounded + (1 - float(shares.sum())) * most
    return mean + rounded - mean_below(float(edges[-1]))
