"""Uncertain numbers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Z_90 = 1.6448536269514722
"""Standard normal quantile: nine in ten cases lie within."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Nine in ten cases lie between ``low`` and ``high``, half of them below ``mid``.

    A split normal: two halves of normal distributions that meet at the median.
    """

    low: float
    mid: float
    high: float

    @staticmethod
    def certain(value: float) -> "Interval":
        """Return the interval of a known number."""
        return Interval(value, value, value)

    def scaled(self, factor: float) -> "Interval":
        """Return the interval of a multiple."""
        return Interval(self.low * factor, self.mid * factor, self.high * factor)

    def at(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map standard normal draws to values, never below zero. (n,) -> (n,)"""
        width = np.where(z < 0, self.mid - self.low, self.high - self.mid)
        return np.maximum(0.0, self.mid + z / Z_90 * width)


@dataclass(frozen=True, slots=True)
class Uniform:
    """Anything between two ends, all alike."""

    low: float
    high: float

    @property
    def mid(self) -> float:
        """Median."""
        return (self.low + self.high) / 2

    def at(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map standard normal draws to values. (n,) -> (n,)"""
        from scipy.special import ndtr  # takes longer to import than most commands run

        found: NDArray[np.float64] = self.low + (self.high - self.low) * ndtr(z)
        return found


@dataclass(frozen=True, slots=True)
class Lognormal:
    """A normal logarithm, of which ``sigma`` is the standard deviation."""

    mid: float
    sigma: float

    def at(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map standard normal draws to values. (n,) -> (n,)"""
        return self.mid * np.exp(self.sigma * z)


@dataclass(frozen=True, slots=True)
class Listed:
    """One of some values, in rising order, all as likely."""

    values: tuple[float, ...]

    @property
    def mid(self) -> float:
        """Median, the lower one of two."""
        return self.values[(len(self.values) - 1) // 2]

    def at(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map standard normal draws to values. (n,) -> (n,)"""
        from scipy.special import ndtr

        place = np.minimum((ndtr(z) * len(self.values)).astype(np.int64), len(self.values) - 1)
        return np.array(self.values)[place]


Distribution = Interval | Uniform | Lognormal | Listed
"""Of an uncertain number, as a function of a standard normal score."""


@dataclass(frozen=True, slots=True)
class UncertainNumber:
    """A number of the scenario that is not known, and on which what happens depends."""

    path: str
    """Dotted, as ``--set`` takes it."""
    distribution: Distribution
    is_whole: bool
    """Only whole numbers make sense there."""
    least_z: float = -np.inf
    most_z: float = np.inf
    """Scores beyond which the scenario would refuse the number; it stays at what is allowed."""

    def value(self, z: float) -> float | int:
        """Return the number at a standard normal score."""
        allowed = min(max(z, self.least_z), self.most_z)
        found = float(self.distribution.at(np.array([allowed]))[0])
        return round(found) if self.is_whole else found
