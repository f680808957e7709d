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
