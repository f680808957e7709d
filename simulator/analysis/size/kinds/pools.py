"""Pools: workloads divided among options, first by integer programming, then by simulation.

Pools are independent: each is sized for its own workloads alone. The program uses mean loads and
prices; its assignment is simulated, and improved by moving one or two workloads at a time.
"""

from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from simulator.analysis.simulate.evaluate import Evaluation, Evaluator
from simulator.analysis.simulate.longrun import Keep, Watch
from simulator.analysis.simulate.outcome import combine_outcomes
from simulator.analysis.size.assignment_program import assign_pools
from simulator.analysis.size.judging import Sized
from simulator.analysis.size.kinds.choice import owning_usd
from simulator.analysis.size.kinds.contract import OptionKind, kind_of
from simulator.analysis.study.options import Option, SingleOption, Size
from simulator.errors import InfeasibleError, InputError
from simulator.traffic.table import RequestTable
from simulator.units import MONTH_HOURS

ALL_TRIED = 64
"""Number of possible assignments up to which all are tried."""

Assignment = tuple[int, ...]
"""Pool of each workload, as an index."""


@dataclass(frozen=True, slots=True)
class Pools(Option):
    """Workloads divided among options that serve them independently."""

    name: str
    pools: tuple[SingleOption, ...]
    """Options that serve the workloads."""
    assigned: tuple[int | None, ...]
    """Pool of each workload, as an index; None: to be found."""
    kind: str = "hybrid"

    @property
    def parts(self) -> tuple[SingleOption, ...]:
        """All pools."""
        return self.pools

    def faster(self, factor: float) -> "Pools":
        """Return the pools with faster hardware."""
        return replace(self, pools=tuple(pool.faster(factor) for pool in self.pools))

    def require_sizes(self) -> None:
        """Raise InputError if an assignment, or the size of a pool, is left open."""
        if None in self.assigned:
            raise InputError(
                f"options.{self.name}.assign: simulate does not search, name a pool for every "
                "workload"
            )
        for pool in self.pools:
            pool.require_sizes()


class PoolsKind(OptionKind[Pools]):
    """Options that serve different workloads independently."""

    def size(
        self,
        evaluator: Evaluator,
        option: Pools,
        speed_z: float = 0.0,
        start: int = 1,
        most: int | None = None,
    ) -> Sized:
        """Find the assignment of the workloads that is not stated, and the size of every pool."""
        return size_pools(evaluator, option, speed_z, start)

    def evaluate_as_written(
        self, evaluator: Evaluator, option: Pools, keep: Keep | None, watch: Watch | None
    ) -> Evaluation:
        """Simulate the pools at their stated assignment and sizes."""
        assigned = tuple(pool for pool in option.assigned if pool is not None)
        return evaluate_pools(evaluator, option, assigned)

    def rule(self, evaluation: Evaluation) -> str:
        """List the workloads of every pool."""
        return "; ".join(f"{p.option.name}: {', '.join(p.workloads)}" for p in evaluation.parts)


def size_pools(evaluator: Evaluator, option: Pools, speed_z: float, start: int) -> Sized:
    """Find the pool of every workload that the scenario leaves open, and the sizes of the pools.

    All assignments are tried if they are few. Otherwise one or two workloads at a time are moved,
    from a first guess on, as long as that helps; the best assignment need not be found.
    """
    free = [w for w, pool in enumerate(option.assigned) if pool is None]
    sized = partial(_size_assignment, evaluator, option, speed_z=speed_z, start=start)
    if len(option.pools) ** len(free) <= ALL_TRIED:
        return _best(
            evaluator,
            [
                sized(assignment)
                for assignment in _all_assignments(option.assigned, len(option.pools))
            ],
        )
    best_assignment = _first_guess(evaluator, option, speed_z, start)
    best = sized(best_assignment)
    improved = True
    while improved:
        improved = False
        for moved in _moves(best_assignment, free, len(option.pools)):
            candidate = sized(moved)
            if _better(evaluator, candidate, best):
                best_assignment, best, improved = moved, candidate, True
                break
    return best


def _all_assignments(assigned: tuple[int | None, ...], pools: int) -> list[Assignment]:
    """Return all assignments that respect what is given."""
    return list(product(*(range(pools) if pool is None else (pool,) for pool in assigned)))


def _best(evaluator: Evaluator, candidates: list[Sized]) -> Sized:
    """Return the best of several sizes."""
    best = candidates[0]
    for candidate in candidates[1:]:
        if _better(evaluator, candidate, best):
            best = candidate
    return best


def select_workloads(table: RequestTable, workloads: frozenset[int]) -> RequestTable:
    """Return the sessions of some workloads."""
    begins = table.sessions()
    chosen = np.flatnonzero(np.isin(table.workload[begins], list(workloads)))
    return table.arrange(chosen, table.arrival_s[begins[chosen]])


def evaluator_of(evaluator: Evaluator, workloads: frozenset[int]) -> Evaluator:
    """Return the evaluator of some workloads alone."""
    if len(workloads) == len(evaluator.study.traffic.workload_names):
        return evaluator
    name = f"only {sorted(workloads)}"
    share = float(evaluator.study.traffic.workload_shares()[sorted(workloads)].sum())
    return evaluator.through(name, partial(select_workloads, workloads=workloads), share)


def _moves(assignment: Assignment, free: list[int], pool_count: int) -> list[Assignment]:
    """Return all assignments with one workload moved to another pool, then those with two moved."""
    assignments = []
    for count in (1, 2):
        for moved in combinations(free, count):
            for pools_tried in product(range(pool_count), repeat=count):
                if all(pool != assignment[w] for w, pool in zip(moved, pools_tried, strict=True)):
                    changed = dict(zip(moved, pools_tried, strict=True))
                    assignments.append(
                        tuple(changed.get(w, pool) for w, pool in enumerate(assignment))
                    )
    return assignments


def _better(evaluator: Evaluator, candidate: Sized, best: Sized) -> bool:
    """Return whether a candidate is better: feasible first, then cheaper."""
    usd = [s.evaluation.total_usd(evaluator.study) for s in (candidate, best)]
    return (candidate.feasible, -usd[0]) > (best.feasible, -usd[1])


def _size_assignment(
    evaluator: Evaluator, option: Pools, assignment: Assignment, speed_z: float, start: int
) -> Sized:
    """Size every pool for its workloads."""
    parts, excuse = [], None
    for pool, workloads in _pools_in_use(option, assignment):
        sized = kind_of(pool).size(evaluator_of(evaluator, workloads), pool, speed_z, start)
        parts.append(_with_workloads(evaluator, sized.evaluation, workloads))
        if sized.excuse is not None and excuse is None:
            excuse = replace(sized.excuse, option=option.name)
    return Sized(_combine_pools(evaluator, option, parts), excuse)


def evaluate_pools(evaluator: Evaluator, option: Pools, assignment: Assignment) -> Evaluation:
    """Simulate pools at the sizes that their options state."""
    return _combine_pools(
        evaluator,
        option,
        [
            _with_workloads(
                evaluator,
                evaluator_of(evaluator, workloads).evaluate(pool, pool.given_size),
                workloads,
            )
            for pool, workloads in _pools_in_use(option, assignment)
        ],
    )


def _pools_in_use(
    option: Pools, assignment: Assignment
) -> list[tuple[SingleOption, frozenset[int]]]:
    """Return the pools that serve any workloads, each with its workloads."""
    served = [
        frozenset(w for w, p in enumerate(assignment) if p == k) for k in range(len(option.pools))
    ]
    return [(p, w) for p, w in zip(option.pools, served, strict=True) if w]


def _with_workloads(
    evaluator: Evaluator, evaluation: Evaluation, workloads: frozenset[int]
) -> Evaluation:
    """Return an evaluation with the names of its workloads."""
    names = evaluator.study.traffic.workload_names
    return replace(evaluation, workloads=tuple(names[w] for w in sorted(workloads)))


def _combine_pools(evaluator: Evaluator, option: Pools, parts: list[Evaluation]) -> Evaluation:
    """Return the evaluation of all pools together."""
    outcome = combine_outcomes([part.outcome for part in parts])
    total = Size(sum(part.size.replicas for part in parts))
    calls = [part.outcome.requests["offered"] * part.outcome.month_factor for part in parts]
    requests = [n / part.calls_per_request for n, part in zip(calls, parts, strict=True)]
    per_request = sum(calls) / sum(requests) if sum(requests) else 1.0
    return Evaluation(
        option, total, outcome, evaluator, tuple(parts), calls_per_request=per_request
    )


def _first_guess(evaluator: Evaluator, option: Pools, speed_z: float, start: int) -> Assignment:
    """Solve the program for the open assignments; people are paid for if anything is owned."""
    given = option.assigned
    usage, load, is_allowed = _estimates(evaluator, option, speed_z, start)
    for workload, pool in enumerate(given):
        if pool is not None:
            is_allowed[workload] = np.arange(len(option.pools)) == pool
    rent = np.array(
        [p.own.replica_usd_per_hour if p.own and p.owns_only else 0.0 for p in option.pools]
    )
    people_usd = owning_usd(evaluator.study) / MONTH_HOURS
    owned = np.array([not pool.calls_only for pool in option.pools])
    plans = []
    for allowed, other_usd in ((is_allowed, people_usd), (is_allowed & ~owned, 0.0)):
        try:
            plan = assign_pools(usage, load, rent, allowed=allowed)
        except InfeasibleError:
            continue  # moves from the other guess may still lead there
        plans.append((plan.usd_per_hour + other_usd, plan.pool))
    if not plans:
        return tuple(0 if pool is None else pool for pool in given)
    return tuple(int(pool) for pool in min(plans, key=lambda p: p[0])[1])


def _estimates(
    evaluator: Evaluator, option: Pools, speed_z: float, start: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return hourly usage cost, busy replicas and feasibility, (workloads, pools) each.

    An own pool needs replicas in proportion to its work: their total is the number that simulation
    finds for all workloads together, so that it includes headroom.
    """
    count = len(evaluator.study.traffic.workload_names)
    shape = (count, len(option.pools))
    usage, load, is_feasible = np.zeros(shape), np.zeros(shape), np.zeros(shape, np.bool_)
    for index, pool in enumerate(option.pools):
        for workload in range(count):
            workload_evaluator = evaluator_of(evaluator, frozenset({workload}))
            sized = kind_of(pool).size(workload_evaluator, pool, speed_z, start)
            is_feasible[workload, index] = sized.feasible
            if pool.own is not None and pool.owns_only:
                load[workload, index] = workload_evaluator.busy_replicas(pool.own)
            else:
                total_usd = sized.evaluation.total_usd(evaluator.study)
                people_usd = owning_usd(evaluator.study) if pool.owns_and_calls else 0.0
                usage[workload, index] = max(0.0, total_usd - people_usd) / MONTH_HOURS
        fitting = frozenset(np.flatnonzero(is_feasible[:, index]).tolist())
        if pool.owns_only and fitting:
            together = kind_of(pool).size(evaluator_of(evaluator, fitting), pool, speed_z, start)
            busy = load[list(fitting), index].sum()
            load[:, index] *= together.evaluation.size.replicas / max(busy, 1e-12)
    return usage, load, is_feasible
