"""Which class of requests to serve where: a mixed-integer program over pools.

A pool is some number of equal replicas, or an API, which carries everything without any. The plan
knows mean loads alone; simulation judges its latencies. The program is that of Griggs et al. 2024
(Mélange, arXiv:2404.14527), with prices by use, bounds and latency classes beside replicas.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.errors import InfeasibleError, InputError

Floats = NDArray[np.float64]

TOLERANCE = 1e-6
"""Within which the solver holds constraints."""


@dataclass(frozen=True, slots=True)
class PoolPlan:
    """The cheapest assignment of classes to pools."""

    share: Floats
    """Of a class that a pool serves; rows add up to one. (classes, pools)"""
    replicas: NDArray[np.int64]
    """Of every pool. (pools,)"""
    usd_per_hour: float


def assign_pools(
    usage_usd_per_hour: Floats,
    load_replicas: Floats,
    replica_usd_per_hour: Floats,
    *,
    most_replicas: Floats | None = None,
    allowed: NDArray[np.bool_] | None = None,
    slices: int | None = 1,
) -> PoolPlan:
    """Return the assignment of the least cost.

    Minimises ``sum c_ij x_ij + sum f_j y_j`` with ``sum_j x_ij = 1``,
    ``sum_i load_ij x_ij <= y_j`` and whole ``y_j <= most_j``.

    Parameters
    ----------
    usage_usd_per_hour
        Paid by use if a pool serves all of a class, as an API's bill. (classes, pools)
    load_replicas
        Replicas that all of a class would keep busy, its rate over what one replica serves of it
        within the latency targets; zero on an API. (classes, pools)
    replica_usd_per_hour
        Of one replica, zero for an API. (pools,)
    most_replicas
        That can be had, unbounded by default. (pools,)
    allowed
        Whether a pool meets a class's targets, by default all do. (classes, pools)
    slices
        Equal parts of a class that stay whole; ``None`` divides classes at will.

    Raises
    ------
    InputError
        If shapes disagree or a number is negative or unknown.
    InfeasibleError
        If a class may go nowhere, or the replicas that can be had do not carry the load.
    """
    matrix, row = (len(usage_usd_per_hour), len(replica_usd_per_hour)), (len(replica_usd_per_hour),)
    may = np.ones(matrix, dtype=np.bool_) if allowed is None else allowed
    most = np.full(row, np.inf) if most_replicas is None else most_replicas
    _check_shapes({matrix: [usage_usd_per_hour, load_replicas, may], row: [most]})
    usage, load = np.where(may, usage_usd_per_hour, 0.0), np.where(may, load_replicas, 0.0)
    for numbers in (usage, load, replica_usd_per_hour, np.nan_to_num(most, nan=-1.0, posinf=0.0)):
        if not np.all((numbers >= 0) & np.isfinite(numbers)):
            raise InputError("costs, loads and replicas must be known and not negative")
    if slices is not None and slices < 1:
        raise InputError("slices must be at least one")
    stranded = np.flatnonzero(~may.any(axis=1))
    if len(stranded):
        excuses = {f"class {place}": "no pool may serve it" for place in stranded}
        raise InfeasibleError(f"no pool may serve class {stranded[0]}", excuses)
    share = _cheapest_share(usage, load, replica_usd_per_hour, most, may, slices)
    replicas = np.ceil((load * share).sum(axis=0) - TOLERANCE)
    cost = (usage * share).sum() + replica_usd_per_hour @ replicas
    return PoolPlan(share, replicas.astype(np.int64), float(cost))


def _check_shapes(expected: dict[tuple[int, ...], list[NDArray]]) -> None:
    for shape, arrays in expected.items():
        for array in arrays:
            if array.shape != shape:
                raise InputError(f"needs numbers of shape {shape}, got {array.shape}")


def _cheapest_share(
    usage: Floats,
    load: Floats,
    rent: Floats,
    most: Floats,
    may: NDArray[np.bool_],
    slices: int | None,
) -> Floats:
    """Solve the program; variables are shares by row, then replicas. -> (classes, pools)"""
    # Takes 0.4 s to import, for which commands that plan no pools should not wait.
    from scipy.optimize import Bounds, LinearConstraint, milp

    classes, pools = usage.shape
    # Counting equal slices instead of naming each spares the solver their permutations.
    parts = slices or 1
    whole = np.append(np.full(usage.size, slices is not None), np.ones(pools, dtype=np.bool_))
    each_class = np.hstack([np.kron(np.eye(classes), np.ones(pools)), np.zeros((classes, pools))])
    each_pool = np.hstack([*(np.diag(row / parts) for row in load), -np.eye(pools)])
    solution = milp(
        np.append(usage / parts, rent),
        integrality=whole,
        bounds=Bounds(0, np.append(parts * may, most)),
        constraints=[
            LinearConstraint(each_class, parts, parts),
            LinearConstraint(each_pool, -np.inf, 0),
        ],
        options={"mip_rel_gap": 0},
    )
    if not solution.success:
        reason = "the replicas that can be had do not carry the load"
        raise InfeasibleError(reason, {"pools": reason})
    taken = np.abs(solution.x[: usage.size].reshape(usage.shape))  # may fall short of zero
    return (np.rint(taken) if slices else taken) / parts
