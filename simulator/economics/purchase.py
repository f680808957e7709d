"""What an hour of hardware of one's own costs: capital, power and the room it stands in."""

from dataclasses import dataclass

import numpy as np

from simulator.economics.interval import Interval
from simulator.errors import InputError
from simulator.units import MONTH_HOURS


def capital_recovery(rate: float, years: float) -> float:
    """Yearly payment per dollar of capital: ``r(1+r)^n / ((1+r)^n - 1)``, ``1/n`` without interest.

    8 % over five years make .250456.
    """
    if rate == 0:
        return 1 / years
    growth = (1 + rate) ** years
    return rate * growth / (growth - 1)


@dataclass(frozen=True, slots=True)
class Purchase:
    """Accelerators bought, per GPU; intervals as 90 % ranges."""

    gpu_usd: Interval
    node_share: Interval
    """Price of server, network and spares, as a share of the accelerator's."""
    residual_share: Interval
    """Of what was paid, got back at the end."""
    life_years: float
    discount_rate: float
    """Per year."""
    node_kw: Interval
    """All-in power of a node per GPU [kW]."""
    pue: Interval
    """Power of the building over power of its machines."""
    electricity_usd_per_kwh: Interval
    colocation_usd_per_kw_month: Interval
    """Space, cooling and their power when it is in the price; then electricity is zero."""
    maintenance_share: Interval
    """Of the price, per year."""

    def __post_init__(self) -> None:
        if self.life_years <= 0 or self.discount_rate < 0:
            raise InputError("life_years must be above zero, discount_rate not below")

    def usd_per_gpu_hour(self) -> dict[str, Interval]:
        """Cost by component [USD/GPU-hour], every hour of the year, used or not.

        The residual is discounted: ``(K - R/(1+r)^n) * CRF`` a year.
        """
        paid = _times(self.gpu_usd, _plus(Interval.certain(1.0), self.node_share))
        crf = capital_recovery(self.discount_rate, self.life_years)
        later = (1 + self.discount_rate) ** -self.life_years
        year_hours = 12 * MONTH_HOURS
        kept = Interval(
            1 - self.residual_share.high * later,
            1 - self.residual_share.mid * later,
            1 - self.residual_share.low * later,
        )
        wall_kw = _times(self.node_kw, self.pue)
        return {
            "capital": _times(paid, kept).scaled(crf / year_hours),
            "power": _times(wall_kw, self.electricity_usd_per_kwh),
            "colocation": _times(self.node_kw, self.colocation_usd_per_kw_month).scaled(
                1 / MONTH_HOURS
            ),
            "maintenance": _times(paid, self.maintenance_share).scaled(1 / year_hours),
        }

    def total_usd_per_gpu_hour(self) -> Interval:
        """Sum of the components [USD/GPU-hour]."""
        total = Interval.certain(0.0)
        for part in self.usd_per_gpu_hour().values():
            total = _plus(total, part)
        return total


def _plus(a: Interval, b: Interval) -> Interval:
    """Sum of independent numbers: medians add, half-widths as squares."""
    mid = a.mid + b.mid
    return Interval(
        max(0.0, mid - float(np.hypot(a.mid - a.low, b.mid - b.low))),
        mid,
        mid + float(np.hypot(a.high - a.mid, b.high - b.mid)),
    )


def _times(a: Interval, b: Interval) -> Interval:
    """Product of independent numbers, by their relative half-widths."""
    mid = a.mid * b.mid
    if mid == 0:
        return Interval(0.0, 0.0, a.high * b.high)
    below = np.hypot(1 - a.low / a.mid, 1 - b.low / b.mid)
    above = np.hypot(a.high / a.mid - 1, b.high / b.mid - 1)
    return Interval(max(0.0, mid * (1 - float(below))), mid, mid * (1 + float(above)))
