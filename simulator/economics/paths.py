"""How a price may move over months, as a factor on today's.

No default decay: rents of H100s fell from 8 USD/h in 2023 to 1.70 in October 2025 and rose to 2.35
by March 2026 (SemiAnalysis, one-year contracts).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.errors import InputError


@dataclass(frozen=True, slots=True)
class Flat:
    """Today's price for ever."""

    def factors(self, months: NDArray[np.float64], z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Factor by month; ``z`` is not read. (n,), (n,) -> (n,)"""
        return np.ones_like(months)


@dataclass(frozen=True, slots=True)
class Decline:
    """A steady change by a share per year, below zero for a fall."""

    per_year: float

    def factors(self, months: NDArray[np.float64], z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Factor by month; ``z`` is not read. (n,), (n,) -> (n,)"""
        return (1 + self.per_year) ** (months / 12)


@dataclass(frozen=True, slots=True)
class Valley:
    """A fall to a low, and a rise to where it stays; straight in logarithms."""

    low: float
    low_month: float
    end: float
    end_month: float

    def __post_init__(self) -> None:
        if not 0 < self.low_month < self.end_month or self.low <= 0 or self.end <= 0:
            raise InputError("needs 0 < low_month < end_month, and low and end above zero")

    def factors(self, months: NDArray[np.float64], z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Factor by month; ``z`` is not read. (n,), (n,) -> (n,)"""
        at = [0.0, self.low_month, self.end_month]
        return np.exp(np.interp(months, at, np.log([1.0, self.low, self.end])))


@dataclass(frozen=True, slots=True)
class MeanReverting:
    """A logarithm that is pulled back to a level while it is pushed about (Ornstein-Uhlenbeck)."""

    level: float
    """Factor that it returns to."""
    half_life_months: float
    volatility: float
    """Standard deviation of the logarithm's push within a year."""

    def __post_init__(self) -> None:
        if self.level <= 0 or self.half_life_months <= 0 or self.volatility < 0:
            raise InputError("level and half_life_months must be above zero, volatility not below")

    def factors(self, months: NDArray[np.float64], z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Factor by month, one path of standard normal pushes. (n,), (n,) -> (n,)

        Exact at the given months: the logarithm's distance from its level halves in every half
        life, and its variance tends to ``volatility^2 / (2 * pull)``.
        """
        pull = 12 * np.log(2) / self.half_life_months  # per year
        level = np.log(self.level)
        logs = np.empty_like(months)
        value, before = 0.0, 0.0
        for place, month in enumerate(months):
            years = (month - before) / 12
            kept = np.exp(-pull * years)
            spread = self.volatility * np.sqrt((1 - kept**2) / (2 * pull))
            value = level + (value - level) * kept + spread * z[place]
            logs[place], before = value, month
        return np.exp(logs)


@dataclass(frozen=True, slots=True)
class Listed:
    """Prices by month as a table gives them, relative to its first; straight in between."""

    months: tuple[float, ...]
    prices: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.months) != len(self.prices) or len(self.months) < 2:
            raise InputError("a price path needs two months or more, and a price for each")
        if min(self.prices) <= 0 or np.any(np.diff(self.months) <= 0):
            raise InputError("a price path needs rising months and prices above zero")

    def factors(self, months: NDArray[np.float64], z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Factor by month, the last one for ever; ``z`` is not read. (n,), (n,) -> (n,)"""
        return np.interp(months, self.months, np.array(self.prices) / self.prices[0])


PricePath = Flat | Decline | Valley | MeanReverting | Listed


def mean_factor(path: PricePath, months: int, z: NDArray[np.float64]) -> float:
    """Mean factor over a term, one path of pushes. (n_months,) -> scalar"""
    at = np.arange(months, dtype=np.float64) + 0.5
    return float(path.factors(at, z[:months]).mean())
