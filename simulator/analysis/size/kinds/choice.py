"""Choices: the cheapest of many candidates, found without simulating them all.

Every candidate has a cost below which it cannot serve the traffic, from the work that its fastest
step would need. They are sized in the order of these bounds; one whose bound is above the best cost
found is out, and so is one that misses the SLO with all the replicas that this cost would buy.
"""

import math
from dataclasses import dataclass, replace

from simulator.analysis.simulate.evaluate import Evaluation, Evaluator
from simulator.analysis.simulate.longrun import Keep, Watch
from simulator.analysis.size.judging import Excuse, Sized, meets, speed_at
from simulator.analysis.size.kinds.contract import Known, OptionKind, kind_of
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
"""Of the calls' cost that a hybrid's base leaves over, how much at least remains; assumed."""

Candidate = SelfHostOption | HybridOption


@dataclass(frozen=True, slots=True)
class Choice(Option):
    """Several ways to do the same, of which the cheapest that meets the SLO is to be found."""

    name: str
    candidates: tuple[Candidate, ...]
    """Their names tell them apart."""
    impossible: tuple[tuple[str, str], ...]
    """Candidates that cannot be built, such as a model that does not fit, and why."""
    kind: str

    @property
    def parts(self) -> tuple[SingleOption, ...]:
        """All candidates."""
        return self.candidates

    def faster(self, factor: float) -> "Choice":
        """Return the choice among faster candidates."""
        return replace(self, candidates=tuple(c.faster(factor) for c in self.candidates))

    def require_sizes(self) -> None:
        """Raise InputError: a choice is to be found."""
        raise InputError(f"options.{self.name}.choose: simulate searches nothing")


class ChoiceKind(OptionKind[Choice]):
    """Several ways to do the same."""

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

    def settle(self, careful: Evaluator, option: Choice, rough: Sized, known: Known) -> Sized:
        """Settle the candidate that the smaller sample chose."""
        chosen = rough.evaluation.option
        if rough.evaluation.parts:
            return rough
        known = replace(known, sized={**known.sized, chosen.name: rough})
        settled = kind_of(chosen).settle(careful, chosen, rough, known)
        return replace(settled, rejected=rough.rejected)

    def evaluate_as_written(
        self, evaluator: Evaluator, option: Choice, keep: Keep | None, watch: Watch | None
    ) -> Evaluation:
        """Raise InputError: a choice has no size as written."""
        option.require_sizes()
        raise AssertionError("a choice is to be found")

    def rule(self, evaluation: Evaluation) -> str:
        """Name the candidate that was chosen."""
        return f"everything to {evaluation.option.name}"


def size_choice(evaluator: Evaluator, choice: Choice, speed_z: float, start: int) -> Sized:
    """Size the cheapest candidate, and say of every other what speaks against it."""
    rejected: list[Excuse] = []
    best: Sized | None = None
    best_usd = math.inf
    bounds = [(_least_usd(evaluator, c, speed_z), c.name, c) for c in choice.candidates]
    for least_usd, name, candidate in sorted(bounds, key=lambda b: b[:2]):
        if least_usd >= best_usd:
            rejected.append(Excuse(name, f"costs at least {least_usd:,.0f} USD/month"))
            continue
        most = _affordable(evaluator, candidate, best_usd)
        excuse = _too_slow(evaluator, candidate, speed_z, most)
        if excuse is not None:
            rejected.append(excuse)
            continue
        found = kind_of(candidate).size(
            evaluator, candidate, speed_z, min(start, most or start), most
        )
        usd = found.evaluation.total_usd(evaluator.study)
        if best is None or (found.feasible, -usd) > (best.feasible, -best_usd):
            if best is not None:
                rejected.append(_dearer(best, best_usd))
            best, best_usd = found, usd if found.feasible else math.inf
        else:
            rejected.append(found.excuse or _dearer(found, usd))
    assert best is not None, "a choice has candidates"
    rejected += [Excuse(name, reason) for name, reason in choice.impossible]
    return replace(best, rejected=tuple(rejected))


def _dearer(sized: Sized, usd: float) -> Excuse:
    if sized.excuse is not None:
        return sized.excuse
    evaluation = sized.evaluation
    replicas = f"{evaluation.size.replicas} replicas cost {usd:,.0f} USD/month"
    return Excuse(evaluation.option.name, replicas)


def _affordable(evaluator: Evaluator, candidate: Candidate, usd: float) -> int | None:
    """Replicas that cost less than an amount; None: no limit is known."""
    if math.isinf(usd) or _is_elastic(candidate):
        return None
    base = candidate.own
    left_usd = usd - _fixed_usd(evaluator, base)
    return max(1, math.ceil(left_usd / _replica_usd(base)) - 1)


def _is_elastic(candidate: Candidate) -> bool:
    """Whether its replicas are not all paid for all the time."""
    base = candidate.own
    return base.fleet.autoscaler is not None or base.replicas is not None


def _too_slow(
    evaluator: Evaluator, candidate: Candidate, speed_z: float, most: int | None
) -> Excuse | None:
    """Say so when a fleet of all replicas that would still be cheaper misses the SLO."""
    if most is None or not candidate.owns_only:
        return None
    most = min(most, evaluator.study.effort.max_replicas)
    size = Size(most, 0, speed_at(candidate, speed_z))
    if meets(evaluator.evaluate(candidate, size), evaluator.study.slo):
        return None
    few = "1 replica is" if most == 1 else f"{most} replicas are"
    return Excuse(candidate.name, f"{few} too few, more would cost more")


def _replica_usd(base: SelfHostOption) -> float:
    """Rent of one replica [USD/month]."""
    return base.replica_usd_per_hour * MONTH_HOURS


def owning_usd(study: Study) -> float:
    """What owning anything takes beside hardware [USD/month]."""
    return sum(study.people.likely.per_month_usd(0.0).values())


def _fixed_usd(evaluator: Evaluator, base: SelfHostOption) -> float:
    """What owning costs whatever the number of replicas [USD/month]."""
    return owning_usd(evaluator.study) + base.spare_replicas * _replica_usd(base)


def _least_usd(evaluator: Evaluator, candidate: Candidate, speed_z: float) -> float:
    """Cost below which a candidate cannot serve the traffic [USD/month]."""
    base = candidate.own
    replicas = evaluator.busy_replicas(base) / speed_at(candidate, speed_z)
    if candidate.api is not None:
        calls = evaluator.evaluate(candidate.api, Size()).total_usd(evaluator.study)
        base_usd = _fixed_usd(evaluator, base) + _replica_usd(base)
        # Either all is bought, or at least one replica is there and takes its share of the calls
        # away, of whose prices it may take the highest.
        split_usd = base_usd + SPLIT_SLACK * calls * max(0.0, 1 - 1 / max(replicas, 1.0))
        owned_usd = base_usd + _replica_usd(base) * max(0.0, replicas - 1)
        return min(calls, split_usd, owned_usd)
    if not _is_elastic(candidate):
        replicas = max(1.0, math.ceil(replicas - 1e-9))
    return _fixed_usd(evaluator, base) + replicas * _replica_usd(base)
