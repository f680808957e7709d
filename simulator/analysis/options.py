"""The best size of any option, single or composite."""

from dataclasses import replace

from simulator.analysis.answers import right_share
from simulator.analysis.assignment import size_pools
from simulator.analysis.cascade import size_cascade
from simulator.analysis.evaluate import Evaluation, Evaluator
from simulator.analysis.search import size_choice
from simulator.analysis.sizing import Excuse, Sized, size_single
from simulator.analysis.study import Cascade, Choice, Option, Pools, Study


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


def too_often_wrong(evaluation: Evaluation, study: Study) -> str | None:
    """Say so when too few of an option's requests are answered rightly in the end."""
    least = study.quality.least_right if study.quality is not None else 0.0
    if not least:
        return None
    share = right_share(evaluation, study)
    if share is None:
        return f"no success_rate is known, and {least:.1%} must be right"
    return None if share >= least else f"{share:.1%} of answers are right, {least:.1%} wanted"
