"""Output statistics: the precision of a mean, and replications until it is precise enough.

Source: Law, Simulation Modeling and Analysis (2015), chapter 9.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and the half-width of its confidence interval."""

    mean: float
    half_width: float
    """Half of the interval; inf if there are too few values."""
    count: int
    """Number of independent values."""

    @property
    def low(self) -> float:
        """Lower end of the interval."""
        return self.mean - self.half_width

    @property
    def high(self) -> float:
        """Upper end of the interval."""
        return self.mean + self.half_width

    def within(self, precision: float) -> bool:
        """Return whether the half-width is at most a share ``precision`` of the mean."""
        return self.half_width <= precision * abs(self.mean)


def estimate(values: NDArray[np.float64]) -> Estimate:
    """Return the mean of independent values with its Student interval. (n_values,)"""
    from scipy.stats import t

    count = len(values)
    if count < 2:
        return Estimate(float(np.mean(values)), math.inf, count)
    spread = float(np.std(values, ddof=1)) / math.sqrt(count)
    return Estimate(
        float(np.mean(values)), float(t.ppf(0.5 + CONFIDENCE / 2, count - 1)) * spread, count
    )


def estimate_difference(one: NDArray[np.float64], other: NDArray[np.float64]) -> Estimate:
    """Return the mean difference of pairs of values with common random numbers. (n_pairs,)"""
    return estimate(one - other)


@dataclass(frozen=True, slots=True)
class Replicated:
    """Replications of some measures, and whether they reach the requested precision."""

    values: NDArray[np.float64]
    """(n_replications, n_measures)"""
    estimates: tuple[Estimate, ...]
    """Estimate of each measure."""
    reached: bool
    """Whether every half-width is within the requested precision."""


def replicate(
    measure: Callable[[int], NDArray[np.float64]], precision: float, least: int = 4, most: int = 64
) -> Replicated:
    """Repeat a measurement until every mean is precise enough, or up to a number of times.

    The number of replications is doubled each time, so that repeated looks do not make the interval
    too narrow.

    Parameters
    ----------
    measure : callable
        Returns the measures of a replication, given its number. (n_measures,)
    precision : float
        Largest half-width, as a share of the mean.
    least, most : int
        Fewest and most replications.
    """
    rows: list[NDArray[np.float64]] = []
    for count in _doubling(least, most):
        rows += [measure(k) for k in range(len(rows), count)]
        values = np.array(rows)
        estimates = tuple(estimate(column) for column in values.T)
        reached = all(e.within(precision) for e in estimates)
        if reached:
            break
    return Replicated(values, estimates, reached)


def _doubling(least: int, most: int) -> Iterator[int]:
    """Yield the numbers of replications after which to look."""
    while least < most:
        yield least
        least *= 2
    yield most
