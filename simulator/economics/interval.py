"""Distributions of uncertain numbers, as functions of a standard normal score."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.normal import Z_90


@dataclass(frozen=True, slots=True)
class Interval:
    """90 % interval: nine in ten cases lie between ``low`` and ``high``, and ``mid`` is the median.

    The distribution is a split normal: two halves of normal distributions that meet at the median.
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
    """Uniform distribution between two ends."""

    low: float
    high: float

    @property
    def mid(self) -> float:
        """Median."""
        return (self.low + self.high) / 2

    def at(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map standard normal draws to values. (n,) -> (n,)"""
        from scipy.special import ndtr  # the import takes longer than most commands

        values: NDArray[np.float64] = self.low + (self.high - self.low) * ndtr(z)
        return values


@dataclass(frozen=True, slots=True)
class Lognormal:
    """Lognormal distribution; ``sigma`` is the standard deviation of the logarithm."""

    mid: float
    sigma: float

    def at(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map standard normal draws to values. (n,) -> (n,)"""
        return self.mid * np.exp(self.sigma * z)


@dataclass(frozen=True, slots=True)
class Listed:
    """Discrete distribution of equally likely values, in increasing order."""

    values: tuple[float, ...]

    @property
    def mid(self) -> float:
        """Median, the lower one of two middle values."""
        return self.values[(len(self.values) - 1) // 2]

    def at(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map standard normal draws to values. (n,) -> (n,)"""
        from scipy.special import ndtr

        index = np.minimum((ndtr(z) * len(self.values)).astype(np.int64), len(self.values) - 1)
        return np.array(self.values)[index]


Distribution = Interval | Uniform | Lognormal | Listed
"""Distribution of an uncertain number, as a function of a standard normal score."""


@dataclass(frozen=True, slots=True)
class UncertainNumber:
    """An uncertain number of the scenario that changes the simulation, not only its prices."""

    path: str
    """Dotted path in the scenario, in the form of ``--set``."""
    distribution: Distribution
    is_whole: bool
    """Whether the number must be whole."""
    least_z: float = -np.inf
    """Score of the smallest number that the scenario allows; smaller draws are clipped to it."""
    most_z: float = np.inf
    """Score of the largest number that the scenario allows; larger draws are clipped to it."""

    def value(self, z: float) -> float | int:
        """Return the number at a standard normal score."""
        allowed = min(max(z, self.least_z), self.most_z)
        number = float(self.distribution.at(np.array([allowed]))[0])
        return round(number) if self.is_whole else number
