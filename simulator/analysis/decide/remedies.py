"""What it would take for an option that misses its targets to meet them, and what that costs."""

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
"""Looser limits than this are not suggested."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """One way to meet the targets."""

    kind: str
    """``replicas``: more of them; ``spill``: to an API; ``limit``: a looser one."""
    text: str
    usd: float
    """Per month."""
    evaluation: Evaluation
    """Of the option with more replicas, of its fleet beside an API, or as it is."""


def remedies(
    evaluator: Evaluator, evaluation: Evaluation, apis: Sequence[ApiOption]
) -> tuple[Remedy, ...]:
    """Return the ways in which an option that misses the targets would meet them.

    Parameters
    ----------
    evaluator : Evaluator
        Whose sample judges.
    evaluation : Evaluation
        Of an option that misses the targets.
    apis : sequence of ApiOption
        Options that meet them, to which a fleet may spill.
    """
    if meets(evaluation, evaluator.study.slo):
        return ()  # it is out because its answers are wrong
    found = []
    own = evaluation.option.own
    if own is not None and evaluation.option.owns_only and own.fleet.autoscaler is None:
        found += list(_more_of_its_own(evaluator, own, evaluation))
        found += list(_spilling(evaluator, own, apis))
    return (*found, *_looser(evaluator, evaluation))


def _more_of_its_own(
    evaluator: Evaluator, option: SelfHostOption, missed: Evaluation
) -> Iterator[Remedy]:
    if option.replicas is None:
        return
    free = replace(option, name=f"{option.name}, as many as it takes", replicas=None)
    found = size_fleet(evaluator, free, start=missed.size.replicas + 1)
    if found.feasible:
        usd = found.evaluation.total_usd(evaluator.study)
        text = f"{found.evaluation.size.replicas} replicas do, for {usd:,.0f} USD/month"
        yield Remedy("replicas", text, usd, found.evaluation)


def _spilling(
    evaluator: Evaluator, option: SelfHostOption, apis: Sequence[ApiOption]
) -> Iterator[Remedy]:
    """Beside the API with which the replicas that are given cost the least."""
    best: Remedy | None = None
    for api in apis:
        name = f"{option.name}, spilling to {api.name}"
        hybrid = HybridOption(name, option, api, option.replicas, None)
        found = kind_of(hybrid).size(evaluator, hybrid)
        usd = found.evaluation.total_usd(evaluator.study)
        if found.feasible and not found.collapsed and (best is None or usd < best.usd):
            spilled = 1 - found.evaluation.outcome.self_hosted_share
            replicas = found.evaluation.size.replicas
            text = (
                f"spilling {spilled:.0%} of the tokens to {api.name} does, with {replicas} "
                f"replica{'s' * (replicas > 1)}, for {usd:,.0f} USD/month"
            )
            best = Remedy("spill", text, usd, found.evaluation)
    if best is not None:
        yield best


def _looser(evaluator: Evaluator, evaluation: Evaluation) -> Iterator[Remedy]:
    """The limit that most requests miss, as loose as it would have to be, if that alone does."""
    slo, outcome = evaluator.study.slo, evaluation.outcome
    met = {name: share for name, share in outcome.slo_met.items() if name.endswith("_s")}
    if not met:
        return
    name = min(met, key=lambda each: met[each])
    others = [share for other, share in met.items() if other != name]
    if any(share < _wanted(slo) for share in others):
        return
    # Requests that are never served miss whatever limit, and others miss another one.
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


def _wanted(slo: Slo) -> float:
    return max(slo.attainment, *slo.percentiles.values(), 0.0)
