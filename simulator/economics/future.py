"""Expected development of volume, prices and salaries over the coming months."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.economics.interval import Distribution, Interval
from simulator.economics.paths import PricePath

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Future:
    """Expectations for the horizon; developments are factors on today's values."""

    months: int
    discount_rate: float
    """Discount rate per year."""
    volume_per_year: Distribution
    """Factor on the volume within a year."""
    api_price_per_year: Distribution
    """Factor on API prices within a year."""
    rent_per_year: Distribution
    """Factor on the rent of accelerators within a year."""
    salary_per_year: Distribution
    """Factor on salaries within a year."""
    api_price_path: PricePath
    """Further factor on API prices, multiplied by the yearly one."""
    rent_path: PricePath
    """Further factor on rent, multiplied by the yearly one."""
    up_front_usd: Interval
    """One-off cost of the first own deployment: engineering, migration, tests."""

    @property
    def middles(self) -> Floats:
        """Middle of each month, counted from now [months]. (months,)"""
        return np.arange(self.months, dtype=np.float64) + 0.5


def yearly(per_year: Distribution, z: Floats, months: Floats) -> Floats:
    """Return the factor of each draw at each moment. (draws,), (n,) -> (draws, n)"""
    logs = np.log(np.maximum(per_year.at(z), 1e-9))
    factors: Floats = np.exp(logs[:, None] * (months[None, :] / 12))
    return factors


def along(path: PricePath, pushes: Floats, months: Floats) -> Floats:
    """Return the factor of each draw at each moment of a path. (draws, n), (n,) -> (draws, n)"""
    return np.array([path.factors(months, push) for push in pushes])
