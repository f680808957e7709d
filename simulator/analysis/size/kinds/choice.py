"""Choices: the cheapest of many candidates, found without simulating all of them.

Every candidate has a lower bound on its cost, from the work that the traffic needs at the shortest
step times. Candidates are sized in the order of these bounds; a candidate is excluded if its bound
is above the best cost found, or if it misses the targets with all the replicas that this cost would
buy.
"""

import math
from dataclasses import dataclass, replace

from simulator.analysis.simulate.evaluate import Evaluation, Evaluator
from simulator.analysis.simulate.longrun import Keep, Watch
from simulator.analysis.size.judging import Excuse, Sized, meets, speed_at
from simulator.analysis.size.kinds.contract import KnownSizes, OptionKind, kind_of
from simulator.analysis.study.options import (
    HybridOption,
    Option,
    SelfHostOption,
    SingleOption,
    Size,
)
from simulator.analysis.study.study import Study
from simulator.errors import InputError
from simulator.units import MONTH_HOURS

SPLIT_SLACK = 0.7
"""Least share that remains of the cost of calls that a hybrid's base does not avoid; assumed."""

Candidate = SelfHostOption | HybridOption
"""An option that a choice may take."""


@dataclass(frozen=True, slots=True)
class Choice(Option):
    """Several candidates, of which the cheapest that meets the targets is to be found."""

    name: str
    candidates: tuple[Candidate, ...]
    """Candidates, each with its own name."""
    impossible: tuple[tuple[str, str], ...]
    """Names of candidates that cannot be built, such as a model that does not fit, each with the
    reason."""
    kind: str

    @property
    def parts(self) -> tuple[SingleOption, ...]:
        """All candidates."""
        return self.candidates

    def faster(self, factor: float) -> "Choice":
        """Return the choice among faster candidates."""
        return replace(self, candidates=tuple(c.faster(factor) for c in self.candidates))

    def require_sizes(self) -> None:
        """Raise InputError: a choice always has to be found."""
        raise InputError(
            f"options.{self.name}.choose: simulate does not search, state single values"
        )


class ChoiceKind(OptionKind[Choice]):
    """Several candidates for the same work."""

    def size(
        self,
        evaluator: Evaluator,
        option: Choice,
        speed_z: float = 0.0,
        start: int = 1,
        most: int | None = None,
    ) -> Sized:
        """Size all candidates that may still be the cheapest; return the best of them."""
        return size_choice(evaluator, option, speed_z, start)

    def settle(self, careful: Evaluator, option: Choice, rough: Sized, known: KnownSizes) -> Sized:
        """Settle the size of the candidate chosen by the smaller sample."""
        chosen = rough.evaluation.option
        if rough.evaluation.parts:
            return rough
        known = replace(known, sized={**known.sized, chosen.name: rough})
        sized = kind_of(chosen).settle(careful, chosen, rough, known)
        return replace(sized, rejected=rough.rejected)

    def evaluate_as_written(
        self, evaluator: Evaluator, option: Choice, keep: Keep | None, watch: Watch | None
    ) -> Evaluation:
        """Raise InputError: a choice has no size as written."""
        option.require_sizes()
        raise AssertionError("a choice has no size as written")

    def rule(self, evaluation: Evaluation) -> str:
        """Name the chosen candidate."""
        return f"everything goes to {evaluation.option.name}"


def size_choice(evaluator: Evaluator, choice: Choice, speed_z: float, start: int) -> Sized:
    """Size all candidates that could be cheapest; return the best, with excuses for the others."""
    rejected: list[Excuse] = []
    best: Sized | None = None
    best_usd = math.inf
    bounds = [(_least_usd(evaluator, c, speed_z), c.name, c) for c in choice.candidates]
    for least_usd, name, candidate in sorted(bounds, key=lambda b: b[:2]):
        if least_usd >= best_usd:
            rejected.append(Excuse(name, f"costs at least {least_usd:,.0f} USD/month"))
            continue
        most = _affordable_replicas(evaluator, candidate, best_usd)
        excuse = _excuse_if_too_slow(evaluator, candidate, speed_z, most)
        if excuse is not None:
            rejected.append(excuse)
            continue
        sized = kind_of(candidate).size(
            evaluator, candidate, speed_z, min(start, most or start), most
        )
        usd = sized.evaluation.total_usd(evaluator.study)
        if best is None or (sized.feasible, -usd) > (best.feasible, -best_usd):
            if best is not None:
                rejected.append(_excuse_if_dearer(best, best_usd))
            best, best_usd = sized, usd if sized.feasible else math.inf
        else:
            rejected.append(sized.excuse or _excuse_if_dearer(sized, usd))
    assert best is not None, "a choice has candidates"
    rejected += [Excuse(name, reason) for name, reason in choice.impossible]
    return replace(best, rejected=tuple(rejected))


def _excuse_if_dearer(sized: Sized, usd: float) -> Excuse:
    """Return the excuse of a candidate that costs more than the best."""
    if sized.excuse is not None:
        return sized.excuse
    evaluation = sized.evaluation
    replicas = f"{evaluation.size.replicas} replicas cost {usd:,.0f} USD/month"
    return Excuse(evaluation.option.name, replicas)


def _affordable_replicas(evaluator: Evaluator, candidate: Candidate, usd: float) -> int | None:
    """Return the number of replicas that cost less than an amount; None: no limit is known."""
    if math.isinf(usd) or _is_elastic(candidate):
        return None
    base = candidate.own
    remaining_usd = usd - _fixed_usd(evaluator, base)
    return max(1, math.ceil(remaining_usd / _replica_usd(base)) - 1)


def _is_elastic(candidate: Candidate) -> bool:
    """Return whether some replicas are paid for only part of the time."""
    base = candidate.own
    return base.fleet.autoscaler is not None or base.replicas is not None


def _excuse_if_too_slow(
    evaluator: Evaluator, candidate: Candidate, speed_z: float, most: int | None
) -> Excuse | None:
    """Return an excuse if even a fleet of all replicas that would be cheaper misses the targets."""
    if most is None or not candidate.owns_only:
        return None
    most = min(most, evaluator.study.effort.max_replicas)
    size = Size(most, 0, speed_at(candidate, speed_z))
    if meets(evaluator.evaluate(candidate, size), evaluator.study.slo):
        return None
    few = "1 replica is" if most == 1 else f"{most} replicas are"
    return Excuse(
        candidate.name, f"{few} too few, and more would cost more than the best candidate"
    )


def _replica_usd(base: SelfHostOption) -> float:
    """Return the rent of one replica [USD/month]."""
    return base.replica_usd_per_hour * MONTH_HOURS


def owning_usd(study: Study) -> float:
    """Return the cost of owning any hardware, in addition to the hardware itself [USD/month]."""
    return sum(study.people.likely.per_month_usd(0.0).values())


def _fixed_usd(evaluator: Evaluator, base: SelfHostOption) -> float:
    """Return the cost of owning that does not depend on the number of replicas [USD/month]."""
    return owning_usd(evaluator.study) + base.spare_replicas * _replica_usd(base)


def _least_usd(evaluator: Evaluator, candidate: Candidate, speed_z: float) -> float:
    """Return a lower bound on a candidate's cost [USD/month]."""
    base = candidate.own
    replicas = evaluator.busy_replicas(base) / speed_at(candidate, speed_z)
    if candidate.api is not None:
        calls = evaluator.evaluate(candidate.api, Size()).total_usd(evaluator.study)
        base_usd = _fixed_usd(evaluator, base) + _replica_usd(base)
        # Either all requests are calls, or at least one replica serves its share of them; the calls
        # that it avoids may be those with the highest prices.
        split_usd = base_usd + SPLIT_SLACK * calls * max(0.0, 1 - 1 / max(replicas, 1.0))
        owned_usd = base_usd + _replica_usd(base) * max(0.0, replicas - 1)
        return min(calls, split_usd, owned_usd)
    if not _is_elastic(candidate):
        replicas = max(1.0, math.ceil(replicas - 1e-9))
    return _fixed_usd(evaluator, base) + replicas * _replica_usd(base)
