"""Output statistics: the initial transient of a run, and the precision of a mean.

Sources: Law, Simulation Modeling and Analysis (2015), chapter 9; White (1997) for the truncation.
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


def estimate(values: NDArray[np.float64], confidence: float = CONFIDENCE) -> Estimate:
    """Return the mean of independent values with its Student interval. (n_values,)"""
    from scipy.stats import t

    count = len(values)
    if count < 2:
        return Estimate(float(np.mean(values)), math.inf, count)
    spread = float(np.std(values, ddof=1)) / math.sqrt(count)
    return Estimate(
        float(np.mean(values)), float(t.ppf(0.5 + confidence / 2, count - 1)) * spread, count
    )


def ratio_error(
    figure: NDArray[np.float64],
    base: NDArray[np.float64],
    weight: NDArray[np.float64],
    absolute: bool = False,
) -> float:
    """Return the half-width of a ratio of weighted sums over samples, by Student's t.

    Samples of one weight are taken evenly along ``base``, as spans are along the load, so
    neighbours show how much of the residuals ``figure - R base`` is due to chance (successive
    differences; Wolter 2007, chapter 8). The result is a share of the ratio, or absolute.
    (n_samples,) each
    """
    from scipy.stats import t

    total, bases = float((weight * figure).sum()), float((weight * base).sum())
    if not bases or not (total or absolute):
        return 0.0
    residual = figure - total / bases * base
    variance, degrees = 0.0, 0
    for each in np.unique(weight):
        members = np.flatnonzero(weight == each)
        if len(members) < 2:
            continue
        steps = np.diff(residual[members][np.argsort(base[members], kind="stable")])
        variance += each**2 * len(members) * float((steps**2).sum()) / (2 * (len(members) - 1))
        degrees += len(members) - 1
    if not degrees:
        return math.inf
    half_width = float(t.ppf(0.5 + CONFIDENCE / 2, degrees)) * math.sqrt(variance)
    return half_width / bases if absolute else half_width / total


def estimate_difference(
    one: NDArray[np.float64], other: NDArray[np.float64], confidence: float = CONFIDENCE
) -> Estimate:
    """Return the mean difference of pairs of values with common random numbers. (n_pairs,)"""
    return estimate(one - other, confidence)


def warm_up(values: NDArray[np.float64], batch: int = 5) -> int:
    """Return the number of values at the start of a run to leave out.

    MSER-5: the point after which the standard error of the mean of the remaining values is
    smallest, searched in the first half; 0 for fewer than two batches. Values are in the order of
    time. (n_values,)
    """
    if len(values) < 2 * batch:
        return 0
    means = _means_of_parts(values, len(values) // batch)
    remaining = len(means) - np.arange(len(means) // 2 + 1)
    # Sums over the remaining values, accumulated from the end.
    total = np.cumsum(means[::-1])[::-1][: len(remaining)]
    squares = np.cumsum((means**2)[::-1])[::-1][: len(remaining)]
    return int(np.argmin((squares - total**2 / remaining) / remaining**2)) * batch


def batch_means(
    values: NDArray[np.float64], batches: int = 32, confidence: float = CONFIDENCE
) -> Estimate:
    """Return the mean of one long run's autocorrelated values, without its warm-up.

    Parameters
    ----------
    values : ndarray
        Values in the order of time, many times more than ``batches``. (n_values,)
    batches : int
        Number of parts whose means are taken as independent; fewer if there are fewer values.
    confidence : float
        Confidence of the interval.
    """
    steady = values[warm_up(values) :]
    return estimate(_means_of_parts(steady, min(batches, len(steady))), confidence)


def _means_of_parts(values: NDArray[np.float64], batches: int) -> NDArray[np.float64]:
    """Return the means of equal parts; a remainder at the end is left out. (batches,)"""
    size = len(values) // batches
    means: NDArray[np.float64] = values[: size * batches].reshape(batches, size).mean(1)
    return means


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
