"""Assignment of request classes to pools: a mixed-integer program.

A pool is a number of equal replicas, or an API, which carries any load without replicas. The
program uses mean loads only; simulation judges the latencies of its plan. It is the program of
Griggs et al. 2024 (Mélange, arXiv:2404.14527), extended by usage prices, bounds and latency
classes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.errors import InfeasibleError, InputError

Floats = NDArray[np.float64]

TOLERANCE = 1e-6
"""Tolerance to which the solver satisfies constraints."""


@dataclass(frozen=True, slots=True)
class PoolPlan:
    """The cheapest assignment of classes to pools."""

    share: Floats
    """Share of each class that each pool serves; rows add up to one. (classes, pools)"""
    replicas: NDArray[np.int64]
    """Replicas of each pool. (pools,)"""
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
        Cost by usage if a pool serves all of a class, such as an API's bill. (classes, pools)
    load_replicas
        Replicas that all of a class would keep busy: its rate over the rate that one replica serves
        within the latency targets; zero for an API. (classes, pools)
    replica_usd_per_hour
        Cost of one replica, zero for an API. (pools,)
    most_replicas
        Largest number of replicas available, unbounded by default. (pools,)
    allowed
        Whether a pool meets a class's targets, by default all pools do. (classes, pools)
    slices
        Number of equal parts of a class that are not divided further; ``None``: any division.

    Raises
    ------
    InputError
        If shapes disagree or a number is negative or unknown.
    InfeasibleError
        If no pool may serve a class, or the available replicas do not carry the load.
    """
    matrix, row = (len(usage_usd_per_hour), len(replica_usd_per_hour)), (len(replica_usd_per_hour),)
    is_allowed = np.ones(matrix, dtype=np.bool_) if allowed is None else allowed
    most = np.full(row, np.inf) if most_replicas is None else most_replicas
    _check_shapes({matrix: [usage_usd_per_hour, load_replicas, is_allowed], row: [most]})
    usage, load = (
        np.where(is_allowed, usage_usd_per_hour, 0.0),
        np.where(is_allowed, load_replicas, 0.0),
    )
    for numbers in (usage, load, replica_usd_per_hour, np.nan_to_num(most, nan=-1.0, posinf=0.0)):
        if not np.all((numbers >= 0) & np.isfinite(numbers)):
            raise InputError("costs, loads and replicas must be known and not negative")
    if slices is not None and slices < 1:
        raise InputError("slices must be at least one")
    stranded = np.flatnonzero(~is_allowed.any(axis=1))
    if len(stranded):
        excuses = {f"class {index}": "no pool may serve it" for index in stranded}
        raise InfeasibleError(f"no pool may serve class {stranded[0]}", excuses)
    share = _cheapest_share(usage, load, replica_usd_per_hour, most, is_allowed, slices)
    replicas = np.ceil((load * share).sum(axis=0) - TOLERANCE)
    cost = (usage * share).sum() + replica_usd_per_hour @ replicas
    return PoolPlan(share, replicas.astype(np.int64), float(cost))


def _check_shapes(expected: dict[tuple[int, ...], list[NDArray]]) -> None:
    """Raise InputError if an array does not have its expected shape."""
    for shape, arrays in expected.items():
        for array in arrays:
            if array.shape != shape:
                raise InputError(f"needs numbers of shape {shape}, got {array.shape}")


def _cheapest_share(
    usage: Floats,
    load: Floats,
    rent: Floats,
    most: Floats,
    is_allowed: NDArray[np.bool_],
    slices: int | None,
) -> Floats:
    """Solve the program and return the shares. (classes, pools)

    Its variables are the shares by row, then the replicas.
    """
    # The import takes 0.4 s, which commands without pools need not spend.
    from scipy.optimize import Bounds, LinearConstraint, milp

    classes, pools = usage.shape
    # Counting equal slices, rather than naming each, spares the solver their permutations.
    parts = slices or 1
    is_integer = np.append(np.full(usage.size, slices is not None), np.ones(pools, dtype=np.bool_))
    each_class = np.hstack([np.kron(np.eye(classes), np.ones(pools)), np.zeros((classes, pools))])
    each_pool = np.hstack([*(np.diag(row / parts) for row in load), -np.eye(pools)])
    solution = milp(
        np.append(usage / parts, rent),
        integrality=is_integer,
        bounds=Bounds(0, np.append(parts * is_allowed, most)),
        constraints=[
            LinearConstraint(each_class, parts, parts),
            LinearConstraint(each_pool, -np.inf, 0),
        ],
        options={"mip_rel_gap": 0},
    )
    if not solution.success:
        reason = "the available replicas do not carry the load"
        raise InfeasibleError(reason, {"pools": reason})
    taken = np.abs(solution.x[: usage.size].reshape(usage.shape))  # may be slightly negative
    return (np.rint(taken) if slices else taken) / parts
