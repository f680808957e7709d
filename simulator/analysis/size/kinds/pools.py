"""Pools: workloads divided among options, by integer programming first and then by simulation.

Pools do not meet: each is sized for its own workloads alone. The program knows mean work and
prices; what decides is simulated, and improved by moving one workload at a time.
"""

from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from simulator.analysis.simulate.evaluate import Evaluation, Evaluator
from simulator.analysis.simulate.longrun import Keep, Watch
from simulator.analysis.simulate.outcome import joined
from simulator.analysis.size.assignment_program import assign_pools
from simulator.analysis.size.judging import Sized
from simulator.analysis.size.kinds.choice import owning_usd
from simulator.analysis.size.kinds.contract import OptionKind, kind_of
from simulator.analysis.study.options import Option, SingleOption, Size
from simulator.errors import InfeasibleError, InputError
from simulator.traffic.table import RequestTable
from simulator.units import MONTH_HOURS

ALL_TRIED = 64
"""Assignments up to which none is left out."""

Assignment = tuple[int, ...]
"""Pool of every workload."""


@dataclass(frozen=True, slots=True)
class Pools(Option):
    """Workloads shared out among options that serve them beside one another."""

    name: str
    pools: tuple[SingleOption, ...]
    assigned: tuple[int | None, ...]
    """Per workload, its pool; None: to be found."""
    kind: str = "hybrid"

    @property
    def parts(self) -> tuple[SingleOption, ...]:
        """All pools."""
        return self.pools

    def faster(self, factor: float) -> "Pools":
        """Return the pools with faster hardware."""
        return replace(self, pools=tuple(pool.faster(factor) for pool in self.pools))

    def require_sizes(self) -> None:
        """Raise InputError if an assignment, or the size of a pool, is to be found."""
        if None in self.assigned:
            raise InputError(
                f"options.{self.name}.assign: simulate searches nothing, name a pool for every "
                "workload"
            )
        for pool in self.pools:
            pool.require_sizes()


class PoolsKind(OptionKind[Pools]):
    """Options that serve different workloads side by side."""

    def size(
        self,
        evaluator: Evaluator,
        option: Pools,
        speed_z: float = 0.0,
        start: int = 1,
        most: int | None = None,
    ) -> Sized:
        """Find the assignment of workloads, as far as it is open, and the size of every pool."""
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
    """Find which pool should serve what, as far as the scenario leaves it open, and their sizes.

    Few assignments are all tried; what a pool needs for some workloads is found once. Of many, one
    or two workloads at a time are moved from the first guess on, while that helps.
    """
    free = [w for w, pool in enumerate(option.assigned) if pool is None]
    sized = partial(_sized, evaluator, option, speed_z=speed_z, start=start)
    if len(option.pools) ** len(free) <= ALL_TRIED:
        return _best(evaluator, [sized(at) for at in _all(option.assigned, len(option.pools))])
    best_at = _first_guess(evaluator, option, speed_z, start)
    best = sized(best_at)
    improved = True
    while improved:
        improved = False
        for moved in _moves(best_at, free, len(option.pools)):
            candidate = sized(moved)
            if _better(evaluator, candidate, best):
                best_at, best, improved = moved, candidate, True
                break
    return best


def _all(assigned: tuple[int | None, ...], pools: int) -> list[Assignment]:
    """All assignments that leave what is given."""
    return list(product(*(range(pools) if pool is None else (pool,) for pool in assigned)))


def _best(evaluator: Evaluator, found: list[Sized]) -> Sized:
    best = found[0]
    for candidate in found[1:]:
        if _better(evaluator, candidate, best):
            best = candidate
    return best


def only(table: RequestTable, workloads: frozenset[int]) -> RequestTable:
    """Return the sessions of some workloads."""
    begins = table.sessions()
    chosen = np.flatnonzero(np.isin(table.workload[begins], list(workloads)))
    return table.arrange(chosen, table.arrival_s[begins[chosen]])


def serving(evaluator: Evaluator, workloads: frozenset[int]) -> Evaluator:
    """Return the evaluator of some workloads alone."""
    if len(workloads) == len(evaluator.study.traffic.workload_names):
        return evaluator
    name = f"only {sorted(workloads)}"
    share = float(evaluator.study.traffic.workload_shares()[sorted(workloads)].sum())
    return evaluator.through(name, partial(only, workloads=workloads), share)


def _moves(at: Assignment, free: list[int], pools: int) -> list[Assignment]:
    """All assignments in which one workload has another pool, then those in which two have."""
    moves = []
    for count in (1, 2):
        for moved in combinations(free, count):
            for there in product(range(pools), repeat=count):
                if all(pool != at[w] for w, pool in zip(moved, there, strict=True)):
                    changed = dict(zip(moved, there, strict=True))
                    moves.append(tuple(changed.get(w, pool) for w, pool in enumerate(at)))
    return moves


def _better(evaluator: Evaluator, candidate: Sized, best: Sized) -> bool:
    usd = [s.evaluation.total_usd(evaluator.study) for s in (candidate, best)]
    return (candidate.feasible, -usd[0]) > (best.feasible, -usd[1])


def _sized(
    evaluator: Evaluator, option: Pools, at: Assignment, speed_z: float, start: int
) -> Sized:
    """Size every pool for its workloads."""
    parts, excuse = [], None
    for pool, workloads in _used(option, at):
        found = kind_of(pool).size(serving(evaluator, workloads), pool, speed_z, start)
        parts.append(_part(evaluator, found.evaluation, workloads))
        if found.excuse is not None and excuse is None:
            excuse = replace(found.excuse, option=option.name)
    return Sized(_whole(evaluator, option, parts), excuse)


def evaluate_pools(evaluator: Evaluator, option: Pools, at: Assignment) -> Evaluation:
    """Simulate pools at the sizes that their options give."""
    return _whole(
        evaluator,
        option,
        [
            _part(
                evaluator,
                serving(evaluator, workloads).evaluate(pool, pool.given_size),
                workloads,
            )
            for pool, workloads in _used(option, at)
        ],
    )


def _used(option: Pools, at: Assignment) -> list[tuple[SingleOption, frozenset[int]]]:
    """Pools that serve anything, and which workloads."""
    served = [frozenset(w for w, p in enumerate(at) if p == k) for k in range(len(option.pools))]
    return [(p, w) for p, w in zip(option.pools, served, strict=True) if w]


def _part(evaluator: Evaluator, found: Evaluation, workloads: frozenset[int]) -> Evaluation:
    names = evaluator.study.traffic.workload_names
    return replace(found, workloads=tuple(names[w] for w in sorted(workloads)))


def _whole(evaluator: Evaluator, option: Pools, parts: list[Evaluation]) -> Evaluation:
    outcome = joined([part.outcome for part in parts])
    total = Size(sum(part.size.replicas for part in parts))
    calls = [part.outcome.requests["offered"] * part.outcome.month_factor for part in parts]
    requests = [n / part.calls_per_request for n, part in zip(calls, parts, strict=True)]
    per_request = sum(calls) / sum(requests) if sum(requests) else 1.0
    return Evaluation(
        option, total, outcome, evaluator, tuple(parts), calls_per_request=per_request
    )


def _first_guess(evaluator: Evaluator, option: Pools, speed_z: float, start: int) -> Assignment:
    """Solve the program for what is open; people are paid if anything is owned at all."""
    given = option.assigned
    usage, load, may = _estimates(evaluator, option, speed_z, start)
    for workload, pool in enumerate(given):
        if pool is not None:
            may[workload] = np.arange(len(option.pools)) == pool
    rent = np.array(
        [p.own.replica_usd_per_hour if p.own and p.owns_only else 0.0 for p in option.pools]
    )
    people_usd = owning_usd(evaluator.study) / MONTH_HOURS
    owned = np.array([not pool.calls_only for pool in option.pools])
    plans = []
    for allowed, beside_usd in ((may, people_usd), (may & ~owned, 0.0)):
        try:
            plan = assign_pools(usage, load, rent, allowed=allowed)
        except InfeasibleError:
            continue  # what can be had otherwise is tried by moves
        plans.append((plan.usd_per_hour + beside_usd, plan.share.argmax(axis=1)))
    if not plans:
        return tuple(0 if pool is None else pool for pool in given)
    return tuple(int(pool) for pool in min(plans, key=lambda p: p[0])[1])


def _estimates(
    evaluator: Evaluator, option: Pools, speed_z: float, start: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Hourly cost by use, replicas kept busy, and whether the SLO holds: (workloads, pools) each.

    A pool of one's own needs replicas in proportion to work: as many for everything as simulation
    finds, so that their headroom is in it.
    """
    count = len(evaluator.study.traffic.workload_names)
    shape = (count, len(option.pools))
    usage, load, may = np.zeros(shape), np.zeros(shape), np.zeros(shape, np.bool_)
    for place, pool in enumerate(option.pools):
        for workload in range(count):
            alone = serving(evaluator, frozenset({workload}))
            found = kind_of(pool).size(alone, pool, speed_z, start)
            may[workload, place] = found.feasible
            if pool.own is not None and pool.owns_only:
                load[workload, place] = alone.busy_replicas(pool.own)
            else:
                total_usd = found.evaluation.total_usd(evaluator.study)
                people_usd = owning_usd(evaluator.study) if pool.owns_and_calls else 0.0
                usage[workload, place] = max(0.0, total_usd - people_usd) / MONTH_HOURS
        fitting = frozenset(np.flatnonzero(may[:, place]).tolist())
        if pool.owns_only and fitting:
            together = kind_of(pool).size(serving(evaluator, fitting), pool, speed_z, start)
            busy = load[list(fitting), place].sum()
            load[:, place] *= together.evaluation.size.replicas / max(busy, 1e-12)
    return usage, load, may
