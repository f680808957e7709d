"""Optimal number of own replicas, which are paid by time, if the rest of a load is paid by use.

A screening curve: the cost of a unit of capacity over a period is a linear function of the share of
the period in which it is busy. Own capacity serves the slices of a load that are present for long
enough. Loads are series in equal steps of time; queues, cold starts and caches are left to
simulation.
"""

import math
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
class ReplicaPlan:
    """Number of own replicas with the least cost if an API serves the load that exceeds them."""

    replicas: int
    usd_per_hour: float
    self_served_share: float
    """Share of all work that own replicas serve."""
    usd_per_hour_by_replicas: Floats
    """Cost of 0, 1, 2, ... replicas, up to the number that serves the peak. (n,)"""


def mean_served(load_per_s: Floats, capacities_per_s: Floats) -> Floats:
    """Return the mean work served by capacities, E[min(load, x)] [units/s]. (t,), (n,) -> (n,)"""
    ordered = np.sort(load_per_s)
    sums = np.concatenate(([0.0], np.cumsum(ordered)))
    below = np.searchsorted(ordered, capacities_per_s, side="right")
    return (sums[below] + (len(ordered) - below) * capacities_per_s) / len(ordered)


def best_replicas(
    load_per_s: Floats, replica_per_s: float, replica: Technology, api: Technology
) -> ReplicaPlan:
    """Return the number of own replicas with the least cost if an API serves the rest.

    Own replicas serve ``E[min(load, n k)]``. The cost is convex in ``n``: replica ``n`` pays off as
    long as its slice of the load is present for at least ``u* = f / (3600 k (v - s))`` of the time,
    in the mean over the slice, where it costs ``f`` USD/hour, serves ``k`` units/s and saves
    ``v - s`` USD a unit. Of equally cheap numbers, the smallest is chosen.

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


def _check_load(load_per_s: Floats) -> None:
    if not len(load_per_s) or not np.all(np.isfinite(load_per_s)) or load_per_s.min() < 0:
        raise InputError("a load needs values, none of them negative or unknown")
    if load_per_s.max() == 0:
        raise InputError("a load must be above zero at some time")
