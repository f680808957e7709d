"""Remedies: what an option that misses its targets would need to meet them, and at what cost."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from simulator.analysis.simulate.evaluate import Evaluation, Evaluator
from simulator.analysis.size.fleets import size_fleet
from simulator.analysis.size.judging import meets
from simulator.analysis.size.kinds.contract import kind_of
from simulator.analysis.study.options import ApiOption, HybridOption, SelfHostOption
from simulator.analysis.study.study import Slo
from simulator.units import HOUR_S

LONGEST_S = 24 * HOUR_S
"""Longest latency limit that is suggested."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """One way to meet the targets."""

    kind: str
    """``replicas``: more replicas; ``spill``: overflow to an API; ``limit``: a looser limit."""
    text: str
    """Description of the remedy."""
    usd: float
    """Cost of the option with the remedy [USD/month]."""
    evaluation: Evaluation
    """Evaluation of the option with more replicas, of its hybrid with an API, or of the option as
    it is."""


def find_remedies(
    evaluator: Evaluator, evaluation: Evaluation, apis: Sequence[ApiOption]
) -> tuple[Remedy, ...]:
    """Return the ways in which an option that misses the targets would meet them.

    Parameters
    ----------
    evaluator : Evaluator
        Evaluator whose sample decides.
    evaluation : Evaluation
        Evaluation of an option that misses the targets.
    apis : sequence of ApiOption
        Options that meet the targets, to which a fleet may overflow.
    """
    if meets(evaluation, evaluator.study.slo):
        return ()  # the option is infeasible because of wrong answers
    ways = []
    own = evaluation.option.own
    if own is not None and evaluation.option.owns_only and own.fleet.autoscaler is None:
        ways += list(_with_more_replicas(evaluator, own, evaluation))
        ways += list(_with_overflow(evaluator, own, apis))
    return (*ways, *_with_looser_limit(evaluator, evaluation))


def _with_more_replicas(
    evaluator: Evaluator, option: SelfHostOption, missed: Evaluation
) -> Iterator[Remedy]:
    """Yield the fleet with as many replicas as it needs, if the scenario states fewer."""
    if option.replicas is None:
        return
    free = replace(option, name=f"{option.name}, as many as it takes", replicas=None)
    sized = size_fleet(evaluator, free, start=missed.size.replicas + 1)
    if sized.feasible:
        usd = sized.evaluation.total_usd(evaluator.study)
        text = f"{sized.evaluation.size.replicas} replicas do, for {usd:,.0f} USD/month"
        yield Remedy("replicas", text, usd, sized.evaluation)


def _with_overflow(
    evaluator: Evaluator, option: SelfHostOption, apis: Sequence[ApiOption]
) -> Iterator[Remedy]:
    """Yield the hybrid with the API for which the stated replicas cost the least."""
    best: Remedy | None = None
    for api in apis:
        name = f"{option.name}, spilling to {api.name}"
        hybrid = HybridOption(name, option, api, option.replicas, None)
        sized = kind_of(hybrid).size(evaluator, hybrid)
        usd = sized.evaluation.total_usd(evaluator.study)
        if sized.feasible and not sized.collapsed and (best is None or usd < best.usd):
            spilled = 1 - sized.evaluation.outcome.self_hosted_share
            replicas = sized.evaluation.size.replicas
            text = (
                f"spilling {spilled:.0%} of the tokens to {api.name} does, with {replicas} "
                f"replica{'s' * (replicas > 1)}, for {usd:,.0f} USD/month"
            )
            best = Remedy("spill", text, usd, sized.evaluation)
    if best is not None:
        yield best


def _with_looser_limit(evaluator: Evaluator, evaluation: Evaluation) -> Iterator[Remedy]:
    """Yield the limit that most requests miss, loosened until it is met, if that suffices."""
    slo, outcome = evaluator.study.slo, evaluation.outcome
    met = {name: share for name, share in outcome.slo_met.items() if name.endswith("_s")}
    if not met:
        return
    name = min(met, key=lambda each: met[each])
    others = [share for other, share in met.items() if other != name]
    if any(share < _largest_target(slo) for share in others):
        return
    # Requests that are never served miss any limit, and some of the others miss another limit.
    served = outcome.requests["completed"] / max(1, outcome.requests["offered"])
    wanted = max(slo.attainment, slo.percentiles.get(name, 0.0)) + sum(1 - s for s in others)
    if wanted >= served:
        return
    limit_s = getattr(outcome, name).quantile(wanted / served)
    if getattr(slo, name) < limit_s < LONGEST_S:
        usd = evaluation.total_usd(evaluator.study)
        heading = name.removesuffix("_s").upper()
        text = f"{heading} <= {limit_s:.3g} s in place of {getattr(slo, name):g} s would be met"
        yield Remedy("limit", text, usd, evaluation)


def _largest_target(slo: Slo) -> float:
    """Return the largest share of requests that must meet any limit."""
    return max(slo.attainment, *slo.percentiles.values(), 0.0)
