"""Sizing of any option: from nothing, or from its size at another volume or speed."""

from dataclasses import replace

from simulator.analysis.simulate.evaluate import Evaluation, Evaluator
from simulator.analysis.size.carried import CapacityCurve, size_by_curve
from simulator.analysis.size.judging import Excuse, Sized
from simulator.analysis.size.kinds.contract import KnownSizes, kind_of
from simulator.analysis.size.splitting import FINEST
from simulator.analysis.study.options import Option, SelfHostOption
from simulator.analysis.study.study import Quality


def size_option(evaluator: Evaluator, option: Option) -> Sized:
    """Find the cheapest feasible size of an option; see ``OptionKind.size``."""
    return _check_correctness(evaluator, option, kind_of(option).size(evaluator, option))


def size_near(
    evaluator: Evaluator,
    option: Option,
    known: KnownSizes,
    speed_z: float = 0.0,
    finest: int = FINEST,
) -> Sized:
    """Find the best size of an option near known sizes; see ``OptionKind.size_near``."""
    sized = kind_of(option).size_near(evaluator, option, known, speed_z, finest)
    return _check_correctness(evaluator, option, sized)


def size_by_capacity_curve(
    evaluator: Evaluator, option: SelfHostOption, curve: CapacityCurve
) -> tuple[Sized, ...]:
    """Size a fleet for slow, likely and fast hardware by its capacity curve."""
    sized = size_by_curve(evaluator, option, curve)
    return tuple(_check_correctness(evaluator, option, each) for each in sized)


def settle_size(
    careful: Evaluator, option: Option, rough: Sized, known: KnownSizes | None = None
) -> Sized:
    """Return the size and cost by a larger sample, starting from the size by a smaller one.

    ``known`` contains the sizes of options that this one may consist of.
    """
    known = known or KnownSizes(volume=careful.volume)
    known = replace(known, sized={**known.sized, option.name: rough})
    sized = kind_of(option).settle(careful, option, rough, known)
    return sized if sized is rough else _check_correctness(careful, option, sized)


def _check_correctness(evaluator: Evaluator, option: Option, sized: Sized) -> Sized:
    """Return a size, with an excuse if too many of its answers are wrong."""
    shortfall = correctness_shortfall(sized.evaluation, evaluator.study.quality)
    if sized.feasible and shortfall is not None:
        return replace(sized, excuse=Excuse(option.name, shortfall))
    return sized


def correctness_shortfall(evaluation: Evaluation, quality: Quality | None) -> str | None:
    """Describe that too few requests have a right answer in the end; None: enough have."""
    least = quality.least_right if quality is not None else 0.0
    if not least:
        return None
    share = kind_of(evaluation.option).correctness(evaluation, quality)
    if share is None:
        return f"no success_rate is known, and {least:.1%} must be right"
    return None if share >= least else f"{share:.1%} of answers are right, {least:.1%} wanted"
