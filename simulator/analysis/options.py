"""The best size of any option, single or composite."""

from dataclasses import replace

from simulator.analysis.answers import right_share
from simulator.analysis.assignment import size_pools
from simulator.analysis.cascade import size_cascade
from simulator.analysis.evaluate import Evaluation, Evaluator
from simulator.analysis.search import size_choice
from simulator.analysis.sizing import Excuse, Sized, settled_hybrid, size_single
from simulator.analysis.study import (
    Cascade,
    Choice,
    HybridOption,
    Option,
    Pools,
    SingleOption,
    Study,
)


def size_option(
    evaluator: Evaluator, option: Option, speed_z: float = 0.0, start: int = 1
) -> Sized:
    """Find the cheapest feasible size of an option; see ``sizing.size_single``."""
    match option:
        case Choice():
            sized = size_choice(evaluator, option, speed_z, start)
        case Pools():
            sized = size_pools(evaluator, option, speed_z, start)
        case Cascade():
            sized = size_cascade(evaluator, option, speed_z, start)
        case _:
            sized = size_single(evaluator, option, speed_z, start)
    wrong = too_often_wrong(sized.evaluation, evaluator.study)
    if sized.feasible and wrong is not None:
        return replace(sized, excuse=Excuse(option.name, wrong))
    return sized


def settled(careful: Evaluator, option: Option, rough: Sized) -> Sized:
    """Return an option's size and cost by a larger sample, beginning where a smaller one ended.

    Composite options stay as the smaller sample found them.
    """
    ran = rough.evaluation
    if isinstance(option, Choice):
        chosen = ran.option
        if ran.parts or not isinstance(chosen, SingleOption):
            return rough
        found = settled(careful, chosen, rough)
        return replace(found, rejected=rough.rejected)
    if isinstance(option, Pools | Cascade):
        return rough
    if isinstance(option, HybridOption):
        found = settled_hybrid(careful, option, ran)
    else:
        found = size_single(careful, option, start=max(1, ran.size.replicas))
    wrong = too_often_wrong(found.evaluation, careful.study)
    if found.feasible and wrong is not None:
        return replace(found, excuse=Excuse(option.name, wrong))
    return found


def too_often_wrong(evaluation: Evaluation, study: Study) -> str | None:
    """Say so when too few of an option's requests are answered rightly in the end."""
    least = study.quality.least_right if study.quality is not None else 0.0
    if not least:
        return None
    share = right_share(evaluation, study)
    if share is None:
        return f"no success_rate is known, and {least:.1%} must be right"
    return None if share >= least else f"{share:.1%} of answers are right, {least:.1%} wanted"
