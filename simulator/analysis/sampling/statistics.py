"""Output statistics: what to leave out of a run's beginning, and how sure a mean is.

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
    """A mean and half the width of its confidence interval."""

    mean: float
    half_width: float
    """inf when there are too few values to tell."""
    count: int
    """Independent values that it is the mean of."""

    @property
    def low(self) -> float:
        """Lower end of the interval."""
        return self.mean - self.half_width

    @property
    def high(self) -> float:
        """Upper end of the interval."""
        return self.mean + self.half_width

    def within(self, precision: float) -> bool:
        """Whether the half width is at most so large a share of the mean."""
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
    """Half width of the interval of a ratio of weighted sums over samples, by Student's t.

    Samples of one weight are taken evenly along ``base``, as windows are along load, so that
    neighbours tell how much of the residuals ``figure - R base`` is luck (successive differences;
    Wolter 2007, chapter 8). As a share of the ratio, or absolute. (n_samples,) each
    """
    from scipy.stats import t

    total, bases = float((weight * figure).sum()), float((weight * base).sum())
    if not bases or not (total or absolute):
        return 0.0
    residual = figure - total / bases * base
    variance, freedom = 0.0, 0
    for each in np.unique(weight):
        alike = np.flatnonzero(weight == each)
        if len(alike) < 2:
            continue
        steps = np.diff(residual[alike][np.argsort(base[alike], kind="stable")])
        variance += each**2 * len(alike) * float((steps**2).sum()) / (2 * (len(alike) - 1))
        freedom += len(alike) - 1
    if not freedom:
        return math.inf
    half = float(t.ppf(0.5 + CONFIDENCE / 2, freedom)) * math.sqrt(variance)
    return half / bases if absolute else half / total


def paired(
    one: NDArray[np.float64], other: NDArray[np.float64], confidence: float = CONFIDENCE
) -> Estimate:
    """Return the mean difference of values that share their luck pair by pair. (n_pairs,)"""
    return estimate(one - other, confidence)


def warm_up(values: NDArray[np.float64], batch: int = 5) -> int:
    """Return how many first values of a run to leave out.

    MSER-5: the point behind which the standard error of the mean of what is left is the least,
    looked for in the first half. (n_values,), in the order of time; none of fewer than two batches.
    """
    if len(values) < 2 * batch:
        return 0
    means = _batches(values, len(values) // batch)
    left = len(means) - np.arange(len(means) // 2 + 1)
    # Sums over what is left, from the end.
    total = np.cumsum(means[::-1])[::-1][: len(left)]
    squares = np.cumsum((means**2)[::-1])[::-1][: len(left)]
    return int(np.argmin((squares - total**2 / left) / left**2)) * batch


def batch_means(
    values: NDArray[np.float64], batches: int = 32, confidence: float = CONFIDENCE
) -> Estimate:
    """Return the mean of one long run's values, which depend on one another, its warm-up left out.

    Parameters
    ----------
    values : ndarray
        In the order of time, many times more than ``batches``. (n_values,)
    batches : int
        Parts whose means are taken for independent; fewer where there are fewer values.
    confidence : float
        Of the interval.
    """
    steady = values[warm_up(values) :]
    return estimate(_batches(steady, min(batches, len(steady))), confidence)


def _batches(values: NDArray[np.float64], batches: int) -> NDArray[np.float64]:
    """Means of equal parts, what does not fill one left out at the end. (batches,)"""
    size = len(values) // batches
    means: NDArray[np.float64] = values[: size * batches].reshape(batches, size).mean(1)
    return means


@dataclass(frozen=True, slots=True)
class Replicated:
    """Replications of some measures, and whether they are as precise as was asked."""

    values: NDArray[np.float64]
    """(n_replications, n_measures)"""
    estimates: tuple[Estimate, ...]
    reached: bool


def replicate(
    measure: Callable[[int], NDArray[np.float64]], precision: float, least: int = 4, most: int = 64
) -> Replicated:
    """Repeat a measurement until every mean is precise enough, or say that it is not.

    The number is doubled up to ``most``, so that looking often does not make the interval too
    narrow.

    Parameters
    ----------
    measure : callable
        Measures of a replication, by its number. (n_measures,)
    precision : float
        Largest half width, as a share of the mean.
    least, most : int
        Fewest replications, and after how many to give up.
    """
    rows: list[NDArray[np.float64]] = []
    for wanted in _doubled(least, most):
        rows += [measure(k) for k in range(len(rows), wanted)]
        values = np.array(rows)
        estimates = tuple(estimate(column) for column in values.T)
        reached = all(e.within(precision) for e in estimates)
        if reached:
            break
    return Replicated(values, estimates, reached)


def _doubled(least: int, most: int) -> Iterator[int]:
    while least < most:
        yield least
        least *= 2
    yield most
