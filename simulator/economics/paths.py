"""Paths of a price over the coming months, as a factor on today's price.

There is no decay by default: rents of H100s fell from 8 USD/h in 2023 to 1.70 in October 2025 and
rose to 2.35 by March 2026 (SemiAnalysis, one-year contracts).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.errors import InputError


@dataclass(frozen=True, slots=True)
class Flat:
    """Constant price."""

    def factors(self, months: NDArray[np.float64], z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the factor by month; ``z`` is ignored. (n,), (n,) -> (n,)"""
        return np.ones_like(months)


@dataclass(frozen=True, slots=True)
class Decline:
    """Constant relative change per year, negative for a fall."""

    per_year: float

    def factors(self, months: NDArray[np.float64], z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the factor by month; ``z`` is ignored. (n,), (n,) -> (n,)"""
        return (1 + self.per_year) ** (months / 12)


@dataclass(frozen=True, slots=True)
class Valley:
    """Fall to a low, followed by a rise to a final level; linear in logarithms."""

    low: float
    low_month: float
    end: float
    end_month: float

    def __post_init__(self) -> None:
        if not 0 < self.low_month < self.end_month or self.low <= 0 or self.end <= 0:
            raise InputError("needs 0 < low_month < end_month, and low and end above zero")

    def factors(self, months: NDArray[np.float64], z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the factor by month; ``z`` is ignored. (n,), (n,) -> (n,)"""
        knots = [0.0, self.low_month, self.end_month]
        return np.exp(np.interp(months, knots, np.log([1.0, self.low, self.end])))


@dataclass(frozen=True, slots=True)
class MeanReverting:
    """Mean-reverting logarithm with random shocks (Ornstein-Uhlenbeck process)."""

    level: float
    """Factor to which the path reverts."""
    half_life_months: float
    """Time in which the distance of the logarithm from its level halves [months]."""
    volatility: float
    """Standard deviation of the shocks to the logarithm within a year."""

    def __post_init__(self) -> None:
        if self.level <= 0 or self.half_life_months <= 0 or self.volatility < 0:
            raise InputError(
                "level and half_life_months must be above zero, volatility not below zero"
            )

    def factors(self, months: NDArray[np.float64], z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the factor by month for one path of standard normal shocks. (n,), (n,) -> (n,)

        The discretisation is exact at the given months: the expected distance of the logarithm from
        its level halves in every half-life, and its variance tends to
        ``volatility^2 / (2 * pull)``.
        """
        pull = 12 * np.log(2) / self.half_life_months  # per year
        level = np.log(self.level)
        logs = np.empty_like(months)
        value, before = 0.0, 0.0
        for index, month in enumerate(months):
            years = (month - before) / 12
            kept = np.exp(-pull * years)
            spread = self.volatility * np.sqrt((1 - kept**2) / (2 * pull))
            value = level + (value - level) * kept + spread * z[index]
            logs[index], before = value, month
        return np.exp(logs)


@dataclass(frozen=True, slots=True)
class PriceTable:
    """Prices by month from a table, relative to the first one; linear between them."""

    months: tuple[float, ...]
    prices: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.months) != len(self.prices) or len(self.months) < 2:
            raise InputError("a price path needs two months or more, and a price for each")
        if min(self.prices) <= 0 or np.any(np.diff(self.months) <= 0):
            raise InputError("a price path needs rising months and prices above zero")

    def factors(self, months: NDArray[np.float64], z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the factor by month, constant at the end; ``z`` is ignored. (n,), (n,) -> (n,)"""
        return np.interp(months, self.months, np.array(self.prices) / self.prices[0])


PricePath = Flat | Decline | Valley | MeanReverting | PriceTable


def mean_factor(path: PricePath, months: int, z: NDArray[np.float64]) -> float:
    """Return the mean factor over a term for one path of shocks ``z``. (n_months,) -> scalar"""
    middles = np.arange(months, dtype=np.float64) + 0.5
    return float(path.factors(middles, z[:months]).mean())
