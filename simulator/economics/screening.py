"""Optimal capacity that is paid by time, if the rest of a load can be paid by use.

Screening curves: the cost of a unit of capacity over a period is a linear function of the share of
the period in which it is busy. The load-duration curve gives the duration of each slice of a load;
the slice is served by the technology with the lowest line at that duration. Capacity comes from a
load series in equal steps of time; queues, cold starts and caches are left to simulation.
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
    """A way to serve load, with a cost of capacity by time and a cost of work by use.

    A replica at ``f`` USD/hour that serves ``k`` units/s is ``Technology(f / k, 0.0)``; an API is
    ``Technology(0.0, price)``.
    """

    usd_per_hour: float
    """Cost of capacity for one unit of work per second, used or not."""
    usd_per_unit: float
    """Cost of one unit of work."""


@dataclass(frozen=True, slots=True)
class Capacities:
    """Capacity of each technology that serves a load at the least cost."""

    per_s: Floats
    """Capacity of each technology [units/s]. (n_technologies,)"""
    usd_per_hour: float
    """Total cost, mean over the load series."""


@dataclass(frozen=True, slots=True)
class ReplicaPlan:
    """Number of own replicas with the least cost if an API serves the load that exceeds them."""

    replicas: int
    usd_per_hour: float
    self_served_share: float
    """Share of all work that own replicas serve."""
    usd_per_hour_by_replicas: Floats
    """Cost of 0, 1, 2, ... replicas, up to the number that serves the peak. (n,)"""


@dataclass(frozen=True, slots=True)
class Reservation:
    """Reserved capacity: a fee at the beginning of a term, and a lower price per slot of use."""

    fee_usd: float
    on_demand_usd_per_slot: float
    discounted_share: float
    """Price of a used slot with a reservation over its price on demand."""
    term_slots: int
    """Length of a term in slots of time."""

    def __post_init__(self) -> None:
        if self.fee_usd <= 0 or self.on_demand_usd_per_slot <= 0 or self.term_slots < 1:
            raise InputError("a reservation needs a fee, a price and a term above zero")
        if not 0 <= self.discounted_share < 1:
            raise InputError("discounted_share must be from zero to below one")


def load_duration(load_per_s: Floats, levels_per_s: Floats) -> Floats:
    """Return the share of time in which load exceeds each level, P(load > x). (t,), (n,) -> (n,)"""
    ordered = np.sort(load_per_s)
    return 1 - np.searchsorted(ordered, levels_per_s, side="right") / len(ordered)


def mean_served(load_per_s: Floats, capacities_per_s: Floats) -> Floats:
    """Return the mean work served by capacities, E[min(load, x)] [units/s]. (t,), (n,) -> (n,)"""
    ordered = np.sort(load_per_s)
    sums = np.concatenate(([0.0], np.cumsum(ordered)))
    below = np.searchsorted(ordered, capacities_per_s, side="right")
    return (sums[below] + (len(ordered) - below) * capacities_per_s) / len(ordered)


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

    Raises
    ------
    InputError
        If the load is empty, negative or always zero, or there is no technology.
    """
    _check_load(load_per_s)
    if not technologies:
        raise InputError("needs at least one technology")
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


def best_replicas(
    load_per_s: Floats, replica_per_s: float, replica: Technology, api: Technology
) -> ReplicaPlan:
    """Return the number of own replicas with the least cost if an API serves the rest.

    Own replicas serve ``E[min(load, n k)]``. The cost is convex in ``n``: replica ``n`` pays off as
    long as its slice of the load is present for at least ``required_utilisation`` of the time, in
    the mean over the slice. Of equally cheap numbers, the smallest is chosen.

    Parameters
    ----------
    load_per_s
        Work that arrives in each of equal steps of time [units/s]. (t,)
    replica_per_s
        Work that one replica serves within the latency targets [units/s].
    replica, api
        Own capacity, bought in whole replicas, and the API that serves the rest. The API's fixed
        cost is paid for the part of the peak that exceeds the replicas.

    Raises
    ------
    InputError
        If the load is empty, negative or always zero, or a replica serves nothing.
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
    """Return the commitment with the least expected cost for an uncertain demand.

    It is the smallest demand ``x`` with ``P(demand <= x) >= cu / (cu + co)`` (Arrow, Harris and
    Marschak 1951). A reservation at ``r`` an hour of capacity that costs ``p`` on demand has
    ``cu = p - r`` and ``co = r``.

    Parameters
    ----------
    demand
        Equally likely demands, in any unit. (n,)
    under_usd, over_usd
        Cost of committing one unit too few, and one unit too many [USD].

    Raises
    ------
    InputError
        If there is no demand, or a cost is not positive.
    """
    if not len(demand) or not (under_usd > 0 and over_usd > 0):
        raise InputError("needs demands, and costs of too little and too much above zero")
    ratio = under_usd / (under_usd + over_usd)
    return float(np.quantile(demand, ratio, method="inverted_cdf"))


def reserve_online(demand: NDArray[np.int64], terms: Reservation) -> NDArray[np.int64]:
    """Return how many reservations to make in each slot without knowledge of later demand.

    A reservation is made as soon as it would have paid off within the past term. The cost is at
    most ``2 - discounted_share`` times that of perfect foresight, and no deterministic rule has a
    better bound (Wang, Li and Liang 2013, arXiv:1305.5608). If use is free after the fee, it is the
    ski rental rule: buy when the rents paid reach the price. (slots,) -> (slots,)
    """
    made = np.zeros_like(demand)
    covered = np.zeros_like(demand)
    saved_usd = terms.on_demand_usd_per_slot * (1 - terms.discounted_share)
    for slot in range(len(demand)):
        past_term = slice(max(0, slot + 1 - terms.term_slots), slot + 1)
        while saved_usd * np.count_nonzero(demand[past_term] > covered[past_term]) > terms.fee_usd:
            made[slot] += 1
            # The past counts as covered too, so that no expense justifies two reservations.
            covered[past_term.start : slot + terms.term_slots] += 1
    return made


def reserved_usd(demand: NDArray[np.int64], made: NDArray[np.int64], terms: Reservation) -> float:
    """Return the cost of a demand with reservations made in the given slots [USD].

    (slots,), (slots,) -> scalar
    """
    running = np.convolve(made, np.ones(terms.term_slots, dtype=np.int64))[: len(demand)]
    reserved = np.minimum(demand, running)
    used = terms.discounted_share * reserved + (demand - reserved)
    return float(terms.fee_usd * made.sum() + terms.on_demand_usd_per_slot * used.sum())


def _check_load(load_per_s: Floats) -> None:
    if not len(load_per_s) or not np.all(np.isfinite(load_per_s)) or load_per_s.min() < 0:
        raise InputError("a load needs values, none of them negative or unknown")
    if load_per_s.max() == 0:
        raise InputError("a load must be above zero at some time")
