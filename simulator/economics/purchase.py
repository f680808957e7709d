"""Cost of an hour of own hardware: capital, power, colocation and maintenance."""

from dataclasses import dataclass

import numpy as np

from simulator.economics.interval import Interval
from simulator.errors import InputError
from simulator.units import MONTH_HOURS


def capital_recovery(rate: float, years: float) -> float:
    """Return the yearly payment per dollar of capital: ``r(1+r)^n / ((1+r)^n - 1)``.

    Without interest it is ``1/n``. For 8 % over five years it is .250456.
    """
    if rate == 0:
        return 1 / years
    growth = (1 + rate) ** years
    return rate * growth / (growth - 1)


@dataclass(frozen=True, slots=True)
class Purchase:
    """Bought accelerators, per GPU; intervals are 90 % ranges."""

    gpu_usd: Interval
    """Price of the accelerator [USD]."""
    node_share: Interval
    """Price of server, network and spares, as a share of the accelerator's price."""
    residual_share: Interval
    """Residual value at the end of the life, as a share of the price."""
    life_years: float
    """Time after which the hardware is sold [years]."""
    discount_rate: float
    """Discount rate per year."""
    node_kw: Interval
    """Power of a whole node per GPU [kW]."""
    pue: Interval
    """Power usage effectiveness: power of the building over power of its machines."""
    electricity_usd_per_kwh: Interval
    colocation_usd_per_kw_month: Interval
    """Price of space and cooling. If it includes power, the price of electricity is zero."""
    maintenance_share: Interval
    """Cost of maintenance per year, as a share of the price."""

    def __post_init__(self) -> None:
        if self.life_years <= 0 or self.discount_rate < 0:
            raise InputError("life_years must be above zero, discount_rate not below zero")

    def usd_per_gpu_hour(self) -> dict[str, Interval]:
        """Return the cost by component for each hour of the year, used or not [USD/GPU-hour].

        The residual value is discounted: ``(K - R/(1+r)^n) * CRF`` a year.
        """
        paid = _multiply(self.gpu_usd, _add(Interval.certain(1.0), self.node_share))
        crf = capital_recovery(self.discount_rate, self.life_years)
        discount = (1 + self.discount_rate) ** -self.life_years
        year_hours = 12 * MONTH_HOURS
        lost_share = Interval(
            1 - self.residual_share.high * discount,
            1 - self.residual_share.mid * discount,
            1 - self.residual_share.low * discount,
        )
        wall_kw = _multiply(self.node_kw, self.pue)
        return {
            "capital": _multiply(paid, lost_share).scaled(crf / year_hours),
            "power": _multiply(wall_kw, self.electricity_usd_per_kwh),
            "colocation": _multiply(self.node_kw, self.colocation_usd_per_kw_month).scaled(
                1 / MONTH_HOURS
            ),
            "maintenance": _multiply(paid, self.maintenance_share).scaled(1 / year_hours),
        }

    def total_usd_per_gpu_hour(self) -> Interval:
        """Return the sum of the components [USD/GPU-hour]."""
        total = Interval.certain(0.0)
        for part in self.usd_per_gpu_hour().values():
            total = _add(total, part)
        return total


def _add(a: Interval, b: Interval) -> Interval:
    """Return the sum of independent numbers: medians add, squares of half-widths add."""
    mid = a.mid + b.mid
    return Interval(
        max(0.0, mid - float(np.hypot(a.mid - a.low, b.mid - b.low))),
        mid,
        mid + float(np.hypot(a.high - a.mid, b.high - b.mid)),
    )


def _multiply(a: Interval, b: Interval) -> Interval:
    """Return the product of independent numbers: squares of relative half-widths add."""
    mid = a.mid * b.mid
    if mid == 0:
        return Interval(0.0, 0.0, a.high * b.high)
    below = np.hypot(1 - a.low / a.mid, 1 - b.low / b.mid)
    above = np.hypot(a.high / a.mid - 1, b.high / b.mid - 1)
    return Interval(max(0.0, mid * (1 - float(below))), mid, mid * (1 + float(above)))
