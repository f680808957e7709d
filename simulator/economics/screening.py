"""How much to pay for by time when the rest can be paid for by use.

Screening curves: what a unit of capacity costs over a period is a straight line over the share of
the period in which it is busy. The load-duration curve says how long each slice of a load is there;
the lowest line at that length serves the slice. Capacity comes from the load series, in equal
steps; queues, cold starts and caches are left to simulation.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.errors import InputError
from simulator.units import HOUR_S

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Technology:
    """A way to serve load: its capacity costs by time, its work by use.

    A replica at ``f`` USD/hour that serves ``k`` units/s is ``Technology(f / k, 0.0)``, an API
    ``Technology(0.0, price)``.
    """

    usd_per_hour: float
    """Of capacity for one unit of work per second, used or not."""
    usd_per_unit: float
    """Of work done."""


@dataclass(frozen=True, slots=True)
class Capacities:
    """The cheapest capacity of each technology for a load."""

    per_s: Floats
    """Units of work per second. (n_technologies,)"""
    usd_per_hour: float
    """All of it, mean over the load."""


@dataclass(frozen=True, slots=True)
class ReplicaPlan:
    """The cheapest number of own replicas below an API that takes what exceeds them."""

    replicas: int
    usd_per_hour: float
    self_served_share: float
    """Of all work."""
    usd_per_hour_by_replicas: Floats
    """Cost of none, one, two, ... up to what carries the peak. (n,)"""


@dataclass(frozen=True, slots=True)
class Reservation:
    """Capacity by the term: a fee at once, then a lower price per slot of time in use."""

    fee_usd: float
    on_demand_usd_per_slot: float
    discounted_share: float
    """Price of a reserved slot in use over that of one on demand."""
    term_slots: int

    def __post_init__(self) -> None:
        if self.fee_usd <= 0 or self.on_demand_usd_per_slot <= 0 or self.term_slots < 1:
            raise InputError("a reservation needs a fee, a price and a term above zero")
        if not 0 <= self.discounted_share < 1:
            raise InputError("discounted_share must be from zero to below one")


def load_duration(load_per_s: Floats, levels_per_s: Floats) -> Floats:
    """Share of time in which load exceeds a level, P(load > x). (t,), (n,) -> (n,)"""
    ordered = np.sort(load_per_s)
    return 1 - np.searchsorted(ordered, levels_per_s, side="right") / len(ordered)


def mean_served(load_per_s: Floats, capacities_per_s: Floats) -> Floats:
    """Mean work that a capacity serves, E[min(load, x)] [units/s]. (t,), (n,) -> (n,)"""
    ordered = np.sort(load_per_s)
    sums = np.concatenate(([0.0], np.cumsum(ordered)))
    below = np.searchsorted(ordered, capacities_per_s, side="right")
    return (sums[below] + (len(ordered) - below) * capacities_per_s) / len(ordered)


def required_utilisation(base: Technology, peak: Technology) -> float:
    """Share of time in use above which ``base`` is cheaper than ``peak``; infinite for never.

    The crossing of their screening curves, ``(f - g) / (3600 (v - s))``; against an API without
    fixed cost, ``u* = f / (3600 k (v - s))`` for a replica of ``f`` USD/hour and ``k`` units/s.
    """
    saved_usd_per_hour = HOUR_S * (peak.usd_per_unit - base.usd_per_unit)
    if saved_usd_per_hour <= 0:
        return math.inf
    return (base.usd_per_hour - peak.usd_per_hour) / saved_usd_per_hour


def optimal_capacities(load_per_s: Floats, technologies: Sequence[Technology]) -> Capacities:
    """Capacity of each technology that serves a load at the least cost.

    Between two neighbours among the sorted loads every slice is there for the same time, so the
    optimum is exact for the series; of equally cheap technologies the first is taken.

    Parameters
    ----------
    load_per_s
        Work that arrives in equal steps of time [units/s]. (t,)
    technologies
        At least one; what is left unserved is one too, at the price of the damage.

    Raises
    ------
    InputError
        If the load is empty, negative or nothing throughout, or there is no technology.
    """
    _check_load(load_per_s)
    if not technologies:
        raise InputError("needs at least one technology")
    tops = np.sort(load_per_s)
    bottoms = np.concatenate(([0.0], tops[:-1]))
    busy = load_duration(load_per_s, bottoms)
    fixed = np.array([each.usd_per_hour for each in technologies])
    variable = np.array([each.usd_per_unit for each in technologies])
    curves = fixed[:, None] + HOUR_S * variable[:, None] * busy
    widths, chosen = tops - bottoms, curves.argmin(axis=0)
    return Capacities(
        per_s=np.array([widths[chosen == place].sum() for place in range(len(technologies))]),
        usd_per_hour=float(widths @ curves.min(axis=0)),
    )


def best_replicas(
    load_per_s: Floats, replica_per_s: float, replica: Technology, api: Technology
) -> ReplicaPlan:
    """Return the number of own replicas that, with an API above them, costs least.

    Own replicas serve ``E[min(load, n k)]``; the cost is convex in ``n``, and replica ``n`` pays
    while the slice of load that it takes is there for ``required_utilisation`` of the time, in the
    mean over the slice. Of equally cheap numbers the smallest is taken.

    Parameters
    ----------
    load_per_s
        Work that arrives in equal steps of time [units/s]. (t,)
    replica_per_s
        What one replica serves within the latency targets [units/s].
    replica, api
        Own capacity, bought by whole replicas, and what takes the rest; the API's fixed cost is
        paid for what the peak exceeds the replicas by.

    Raises
    ------
    InputError
        If the load is empty, negative or nothing throughout, or a replica serves nothing.
    """
    _check_load(load_per_s)
    if not replica_per_s > 0:
        raise InputError("a replica must serve more than nothing")
    peak_per_s = float(load_per_s.max())
    most = math.ceil(peak_per_s / replica_per_s)
    own_per_s = replica_per_s * np.arange(most + 1, dtype=np.float64)
    served = mean_served(load_per_s, own_per_s)
    mean_per_s = served[-1]
    by_time = (
        own_per_s * replica.usd_per_hour
        + np.maximum(peak_per_s - own_per_s, 0.0) * api.usd_per_hour
    )
    by_use = served * replica.usd_per_unit + (mean_per_s - served) * api.usd_per_unit
    costs = by_time + HOUR_S * by_use
    best = int(costs.argmin())
    return ReplicaPlan(best, float(costs[best]), float(served[best] / mean_per_s), costs)


def newsvendor(demand: Floats, under_usd: float, over_usd: float) -> float:
    """Commitment of the least expected cost when demand is uncertain: a quantile of it.

    The smallest demand ``x`` with ``P(demand <= x) >= cu / (cu + co)`` (Arrow, Harris and Marschak
    1951). Reserving at ``r`` an hour what costs ``p`` on demand has ``cu = p - r``, ``co = r``.

    Parameters
    ----------
    demand
        Equally likely demands, in any unit. (n,)
    under_usd, over_usd
        What a unit too little, and a unit too much, costs [USD].

    Raises
    ------
    InputError
        If there is no demand, or a cost is not above zero.
    """
    if not len(demand) or not (under_usd > 0 and over_usd > 0):
        raise InputError("needs demands, and costs of too little and too much above zero")
    ratio = under_usd / (under_usd + over_usd)
    return float(np.quantile(demand, ratio, method="inverted_cdf"))


def reserve_online(demand: NDArray[np.int64], terms: Reservation) -> NDArray[np.int64]:
    """Return how many reservations to make in each slot, knowing nothing of later ones.

    One is made as soon as it would have paid within the past term. Never costs more than
    ``2 - discounted_share`` times what perfect foresight would have, and no rule that draws no lots
    does better: Wang, Li and Liang 2013, arXiv:1305.5608. With nothing to pay after the fee it is
    the ski rental rule: buy when rents have come to the price. (slots,) -> (slots,)
    """
    made = np.zeros_like(demand)
    covered = np.zeros_like(demand)
    saved_usd = terms.on_demand_usd_per_slot * (1 - terms.discounted_share)
    for slot in range(len(demand)):
        window = slice(max(0, slot + 1 - terms.term_slots), slot + 1)
        while saved_usd * np.count_nonzero(demand[window] > covered[window]) > terms.fee_usd:
            made[slot] += 1
            # The past counts as covered too, so that no expense speaks for two reservations.
            covered[window.start : slot + terms.term_slots] += 1
    return made


def reserved_usd(demand: NDArray[np.int64], made: NDArray[np.int64], terms: Reservation) -> float:
    """Cost of serving a demand with reservations made in given slots [USD]. (slots,), (slots,)"""
    running = np.convolve(made, np.ones(terms.term_slots, dtype=np.int64))[: len(demand)]
    reserved = np.minimum(demand, running)
    used = terms.discounted_share * reserved + (demand - reserved)
    return float(terms.fee_usd * made.sum() + terms.on_demand_usd_per_slot * used.sum())


def _check_load(load_per_s: Floats) -> None:
    if not len(load_per_s) or not np.all(np.isfinite(load_per_s)) or load_per_s.min() < 0:
        raise InputError("a load needs values, none of them negative or unknown")
    if load_per_s.max() == 0:
        raise InputError("a load must be above zero at some time")
