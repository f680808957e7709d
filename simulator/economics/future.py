"""How volume, prices and pay may move over the months ahead."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.economics.interval import Distribution, Interval
from simulator.economics.paths import PricePath

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Future:
    """What is expected, each as a factor on today."""

    months: int
    discount_rate: float
    """Per year."""
    volume_per_year: Distribution
    """Factor on the volume within a year."""
    api_price_per_year: Distribution
    rent_per_year: Distribution
    salary_per_year: Distribution
    api_price_path: PricePath
    """On top of the yearly factor, as is ``rent_path``."""
    rent_path: PricePath
    up_front_usd: Interval
    """Of the first deployment of one's own: engineering, migration, tests."""

    @property
    def middles(self) -> Floats:
        """Middle of every month, from now. (months,)"""
        return np.arange(self.months, dtype=np.float64) + 0.5


def yearly(per_year: Distribution, z: Floats, months: Floats) -> Floats:
    """Factor of every world at every moment. (worlds,), (n,) -> (worlds, n)"""
    logs = np.log(np.maximum(per_year.at(z), 1e-9))
    factors: Floats = np.exp(logs[:, None] * (months[None, :] / 12))
    return factors


def along(path: PricePath, pushes: Floats, months: Floats) -> Floats:
    """Factor of every world at every moment of a path. (worlds, n), (n,) -> (worlds, n)"""
    return np.array([path.factors(months, push) for push in pushes])
