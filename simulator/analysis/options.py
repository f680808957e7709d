"""The best size of any option, single or composite."""

from simulator.analysis.assignment import size_pools
from simulator.analysis.cascade import size_cascade
from simulator.analysis.evaluate import Evaluator
from simulator.analysis.search import size_choice
from simulator.analysis.sizing import Sized, size_single
from simulator.analysis.study import Cascade, Choice, Option, Pools


def size_option(
    evaluator: Evaluator, option: Option, speed_z: float = 0.0, start: int = 1
) -> Sized:
    """Find the cheapest feasible size of an option; see ``sizing.size_single``."""
    match option:
        case Choice():
            return size_choice(evaluator, option, speed_z, start)
        case Pools():
            return size_pools(evaluator, option, speed_z, start)
        case Cascade():
            return size_cascade(evaluator, option, speed_z, start)
        case _:
            return size_single(evaluator, option, speed_z, start)
