"""The cheapest size of an option that meets the SLO, found by simulation; or why there is none."""

from simulator.analysis.simulate.evaluate import Evaluator
from simulator.analysis.simulate.planning import Size
from simulator.analysis.size.fleets import size_fleet
from simulator.analysis.size.judging import Sized, judged
from simulator.analysis.size.splitting import size_hybrid
from simulator.analysis.study.study import ApiOption, SelfHostOption, SingleOption


def size_single(
    evaluator: Evaluator,
    option: SingleOption,
    speed_z: float = 0.0,
    start: int = 1,
    most: int | None = None,
) -> Sized:
    """Find the cheapest feasible size of an option that runs by itself.

    Parameters
    ----------
    evaluator : Evaluator
        The study at one volume.
    option : SingleOption
        What to size.
    speed_z : float
        How fast the hardware is within its error band, as a standard normal score.
    start : int
        Where the search for the number of replicas starts.
    most : int, optional
        Replicas beyond which the answer is of no interest; default: the study's limit.
    """
    if isinstance(option, ApiOption):
        return judged(evaluator, evaluator.evaluate(option, Size()))
    if isinstance(option, SelfHostOption):
        return size_fleet(evaluator, option, speed_z, start, most)
    return size_hybrid(evaluator, option, speed_z, start, most)
