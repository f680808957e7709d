"""Assignment of request classes to pools: a mixed-integer program.

A pool is a number of equal replicas, or an API, which carries any load without replicas. The
program uses mean loads only; simulation judges the latencies of its plan. It is the program of
Griggs et al. 2024 (Mélange, arXiv:2404.14527) with whole classes, extended by usage prices and
latency classes.
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

    pool: NDArray[np.int64]
    """Pool of each class. (classes,)"""
    replicas: NDArray[np.int64]
    """Replicas of each pool. (pools,)"""
    usd_per_hour: float


def assign_pools(
    usage_usd_per_hour: Floats,
    load_replicas: Floats,
    replica_usd_per_hour: Floats,
    *,
    allowed: NDArray[np.bool_] | None = None,
) -> PoolPlan:
    """Return the assignment of the least cost.

    Minimises ``sum c_ij x_ij + sum f_j y_j`` with ``sum_j x_ij = 1``,
    ``sum_i load_ij x_ij <= y_j`` and whole ``x_ij`` and ``y_j``.

    Parameters
    ----------
    usage_usd_per_hour
        Cost by usage if a pool serves all of a class, such as an API's bill. (classes, pools)
    load_replicas
        Replicas that all of a class would keep busy: its rate over the rate that one replica serves
        within the latency targets; zero for an API. (classes, pools)
    replica_usd_per_hour
        Cost of one replica, zero for an API. (pools,)
    allowed
        Whether a pool meets a class's targets, by default all pools do. (classes, pools)

    Raises
    ------
    InputError
        If shapes disagree or a number is negative or unknown.
    InfeasibleError
        If no pool may serve a class.
    """
    matrix = (len(usage_usd_per_hour), len(replica_usd_per_hour))
    is_allowed = np.ones(matrix, dtype=np.bool_) if allowed is None else allowed
    for array in (usage_usd_per_hour, load_replicas, is_allowed):
        if array.shape != matrix:
            raise InputError(f"needs numbers of shape {matrix}, got {array.shape}")
    usage, load = (
        np.where(is_allowed, usage_usd_per_hour, 0.0),
        np.where(is_allowed, load_replicas, 0.0),
    )
    for numbers in (usage, load, replica_usd_per_hour):
        if not np.all((numbers >= 0) & np.isfinite(numbers)):
            raise InputError("costs, loads and replicas must be known and not negative")
    stranded = np.flatnonzero(~is_allowed.any(axis=1))
    if len(stranded):
        excuses = {f"class {index}": "no pool may serve it" for index in stranded}
        raise InfeasibleError(f"no pool may serve class {stranded[0]}", excuses)
    chosen = _solve(usage, load, replica_usd_per_hour, is_allowed)
    replicas = np.ceil((load * chosen).sum(axis=0) - TOLERANCE)
    cost = (usage * chosen).sum() + replica_usd_per_hour @ replicas
    return PoolPlan(chosen.argmax(axis=1), replicas.astype(np.int64), float(cost))


def _solve(usage: Floats, load: Floats, rent: Floats, is_allowed: NDArray[np.bool_]) -> Floats:
    """Solve the program; return 1 for the pool of each class, else 0. (classes, pools)

    Its variables are these by row, then the replicas.
    """
    # The import takes 0.4 s, which commands without pools need not spend.
    from scipy.optimize import Bounds, LinearConstraint, milp

    classes, pools = usage.shape
    each_class = np.hstack([np.kron(np.eye(classes), np.ones(pools)), np.zeros((classes, pools))])
    each_pool = np.hstack([*(np.diag(row) for row in load), -np.eye(pools)])
    solution = milp(
        np.append(usage, rent),
        integrality=np.ones(usage.size + pools),
        bounds=Bounds(0, np.append(is_allowed, np.full(pools, np.inf))),
        constraints=[
            LinearConstraint(each_class, 1, 1),
            LinearConstraint(each_pool, -np.inf, 0),
        ],
        options={"mip_rel_gap": 0},
    )
    assert solution.success, solution.message  # replicas are not limited
    chosen: Floats = np.rint(np.abs(solution.x[: usage.size].reshape(usage.shape)))
    return chosen
