"""Textbook rules behind published examples: screening curves, and payback without interest.

Screening curves: the cost of a unit of capacity over a period is a linear function of the share of
the period in which it is busy. The load-duration curve gives the duration of each slice of a load;
the slice is served by the technology with the lowest line at that duration.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.economics.screening import Technology
from simulator.units import HOUR_S

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Capacities:
    """Capacity of each technology that serves a load at the least cost."""

    per_s: Floats
    """Capacity of each technology [units/s]. (n_technologies,)"""
    usd_per_hour: float
    """Total cost, mean over the load series."""


def load_duration(load_per_s: Floats, levels_per_s: Floats) -> Floats:
    """Return the share of time in which load exceeds each level, P(load > x). (t,), (n,) -> (n,)"""
    ordered = np.sort(load_per_s)
    return 1 - np.searchsorted(ordered, levels_per_s, side="right") / len(ordered)


def required_utilisation(base: Technology, peak: Technology) -> float:
    """Return the utilisation above which ``base`` is cheaper than ``peak``, infinite for never.

    It is the crossing of their screening curves, ``(f - g) / (3600 (v - s))``. For a replica of
    ``f`` USD/hour and ``k`` units/s against an API without fixed cost, it is
    ``u* = f / (3600 k (v - s))``.
    """
    saved_usd_per_hour = HOUR_S * (peak.usd_per_unit - base.usd_per_unit)
    if saved_usd_per_hour <= 0:
        return math.inf
    return (base.usd_per_hour - peak.usd_per_hour) / saved_usd_per_hour


def optimal_capacities(load_per_s: Floats, technologies: Sequence[Technology]) -> Capacities:
    """Return the capacity of each technology that serves a load at the least cost.

    Between two neighbours of the sorted loads all slices have the same duration, so the optimum is
    exact for the series. Of equally cheap technologies, the first is chosen.

    Parameters
    ----------
    load_per_s
        Work that arrives in each of equal steps of time [units/s]. (t,)
    technologies
        At least one. Unserved load can be one too, at the price of the damage.
    """
    tops = np.sort(load_per_s)
    bottoms = np.concatenate(([0.0], tops[:-1]))
    busy = load_duration(load_per_s, bottoms)
    fixed = np.array([technology.usd_per_hour for technology in technologies])
    variable = np.array([technology.usd_per_unit for technology in technologies])
    curves = fixed[:, None] + HOUR_S * variable[:, None] * busy
    widths, chosen = tops - bottoms, curves.argmin(axis=0)
    return Capacities(
        per_s=np.array([widths[chosen == index].sum() for index in range(len(technologies))]),
        usd_per_hour=float(widths @ curves.min(axis=0)),
    )


def simple_payback_months(capital_usd: Floats, saved_usd_per_month: Floats) -> Floats:
    """Return the months after which a constant saving has paid back the capital, without interest.

    ``t* = K / (A - O)``, not rounded; NaN means never. (...), (...) -> (...)
    """
    never = np.full(np.broadcast(capital_usd, saved_usd_per_month).shape, np.nan)
    return np.divide(capital_usd, saved_usd_per_month, out=never, where=saved_usd_per_month > 0)
