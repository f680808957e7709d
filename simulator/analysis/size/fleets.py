"""The fewest replicas with which a fleet meets the SLO, found by simulation."""

import sys

from simulator.analysis.simulate.evaluate import Evaluation, Evaluator
from simulator.analysis.size.judging import Sized, judged, margin, meets, speed_at
from simulator.analysis.study.options import SelfHostOption, Size
from simulator.analysis.study.study import Slo

FLEET_TOLERANCE = 0.01
"""Fleets of more than a hundred replicas are told apart to this share of themselves."""
LEAST_TRIED = 8
"""Replicas that are tried before more are taken to be of no use..."""
NO_GAIN = 0.002
"""...where twice as many bring less than this share of the requests into the targets."""


def size_fleet(
    evaluator: Evaluator,
    option: SelfHostOption,
    speed_z: float = 0.0,
    start: int = 1,
    most: int | None = None,
) -> Sized:
    """Find the fewest replicas that meet the SLO; see ``sizing.size_single``."""
    speed = speed_at(option, speed_z)
    if option.replicas is not None:
        return judged(evaluator, evaluator.evaluate(option, Size(option.replicas, 0, speed)))
    slo = evaluator.study.slo
    most = min(most or sys.maxsize, evaluator.study.effort.max_replicas)

    def at(replicas: int) -> Evaluation:
        return evaluator.evaluate(option, Size(replicas, 0, speed))

    busy = evaluator.need(option).replicas
    replicas = min(start if start > 1 else max(1, busy), most)
    step = max(1, replicas // 8)
    if meets(at(replicas), slo):
        high = replicas
        while high > 1 and meets(at(max(1, high - step)), slo):
            high, step = max(1, high - step), 2 * step
        low = max(0, high - step) if high > 1 else 0
    else:
        low = high = replicas
        while not meets(at(high), slo):
            if high == most or _is_hopeless(at(replicas), at(high), busy, slo):
                return judged(evaluator, at(high))
            low, high, step = high, min(high + step, most), 2 * step
    while high - low > max(1, round(FLEET_TOLERANCE * high)):
        middle = (low + high) // 2
        if meets(at(middle), slo):
            high = middle
        else:
            low = middle
    return Sized(at(high), None)


def _is_hopeless(fewer: Evaluation, more: Evaluation, busy: int, slo: Slo) -> bool:
    """Whether many more replicas than are busy have brought nothing: what is slow is no queue."""
    many = more.size.replicas >= max(4 * busy, 2 * fewer.size.replicas)
    gain = margin(more, slo) - margin(fewer, slo)
    return many and more.size.replicas >= LEAST_TRIED and gain < NO_GAIN
