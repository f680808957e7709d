"""Sizing any option: from nothing, or from its size at another volume or speed."""

from dataclasses import replace

from simulator.analysis.simulate.evaluate import Evaluation, Evaluator
from simulator.analysis.size.carried import Carried, size_by_curve
from simulator.analysis.size.judging import Excuse, Sized
from simulator.analysis.size.kinds.contract import Known, kind_of
from simulator.analysis.size.splitting import FINEST
from simulator.analysis.study.options import Option, SelfHostOption
from simulator.analysis.study.study import Study


def size_option(
    evaluator: Evaluator, option: Option, speed_z: float = 0.0, start: int = 1
) -> Sized:
    """Find the cheapest feasible size of an option; see ``OptionKind.size``."""
    return _if_right(evaluator, option, kind_of(option).size(evaluator, option, speed_z, start))


def size_near(
    evaluator: Evaluator, option: Option, known: Known, speed_z: float = 0.0, finest: int = FINEST
) -> Sized:
    """Find an option's best size around known ones; see ``OptionKind.size_near``."""
    sized = kind_of(option).size_near(evaluator, option, known, speed_z, finest)
    return _if_right(evaluator, option, sized)


def size_carried(evaluator: Evaluator, option: SelfHostOption, curve: Carried) -> tuple[Sized, ...]:
    """Size a fleet for slow, likely and fast hardware by its capacity curve."""
    sized = size_by_curve(evaluator, option, curve)
    return tuple(_if_right(evaluator, option, each) for each in sized)


def settled(careful: Evaluator, option: Option, rough: Sized, known: Known | None = None) -> Sized:
    """Return an option's size and cost by a larger sample, starting where a smaller one ended.

    ``known`` holds the sizes of options of which it may be made.
    """
    known = known or Known(volume=careful.volume)
    known = replace(known, sized={**known.sized, option.name: rough})
    sized = kind_of(option).settle(careful, option, rough, known)
    return sized if sized is rough else _if_right(careful, option, sized)


def _if_right(evaluator: Evaluator, option: Option, sized: Sized) -> Sized:
    """Return what was sized, with an excuse where too many of its answers are wrong."""
    wrong = too_often_wrong(sized.evaluation, evaluator.study)
    if sized.feasible and wrong is not None:
        return replace(sized, excuse=Excuse(option.name, wrong))
    return sized


def too_often_wrong(evaluation: Evaluation, study: Study) -> str | None:
    """Say so when too few of an option's requests are answered rightly in the end."""
    least = study.quality.least_right if study.quality is not None else 0.0
    if not least:
        return None
    share = kind_of(evaluation.option).right_share(evaluation, study)
    if share is None:
        return f"no success_rate is known, and {least:.1%} must be right"
    return None if share >= least else f"{share:.1%} of answers are right, {least:.1%} wanted"
