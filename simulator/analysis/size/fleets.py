"""The fewest replicas with which a fleet meets the targets, found by simulation."""

import sys

from simulator.analysis.simulate.evaluate import Evaluation, Evaluator
from simulator.analysis.size.judging import Sized, judge, margin, meets, speed_at
from simulator.analysis.study.options import SelfHostOption, Size
from simulator.analysis.study.study import Slo

FLEET_TOLERANCE = 0.01
"""Relative precision of the number of replicas, which matters from a hundred replicas on."""
LEAST_TRIED = 8
"""Number of replicas that is tried before more replicas are considered useless."""
NO_GAIN = 0.002
"""Share of requests: doubling a fleet is useless if it brings fewer of them within the targets."""


def size_fleet(
    evaluator: Evaluator,
    option: SelfHostOption,
    speed_z: float = 0.0,
    start: int = 1,
    most: int | None = None,
) -> Sized:
    """Find the fewest replicas that meet the targets; see ``OptionKind.size``.

    Attainment is assumed to rise with the number of replicas: steps that double lead from the start
    to a number that meets the targets and one that does not, and bisection narrows the gap between
    them.
    """
    speed = speed_at(option, speed_z)
    if option.replicas is not None:
        return judge(evaluator, evaluator.evaluate(option, Size(option.replicas, 0, speed)))
    slo = evaluator.study.slo
    most = min(most or sys.maxsize, evaluator.study.effort.max_replicas)

    def evaluate_at(replicas: int) -> Evaluation:
        return evaluator.evaluate(option, Size(replicas, 0, speed))

    busy = evaluator.need(option).replicas
    replicas = min(start if start > 1 else max(1, busy), most)
    step = max(1, replicas // 8)
    if meets(evaluate_at(replicas), slo):
        high = replicas
        while high > 1 and meets(evaluate_at(max(1, high - step)), slo):
            high, step = max(1, high - step), 2 * step
        low = max(0, high - step) if high > 1 else 0
    else:
        low = high = replicas
        while not meets(evaluate_at(high), slo):
            if high == most or _is_hopeless(evaluate_at(replicas), evaluate_at(high), busy, slo):
                return judge(evaluator, evaluate_at(high))
            low, high, step = high, min(high + step, most), 2 * step
    while high - low > max(1, round(FLEET_TOLERANCE * high)):
        middle = (low + high) // 2
        if meets(evaluate_at(middle), slo):
            high = middle
        else:
            low = middle
    return Sized(evaluate_at(high), None)


def _is_hopeless(fewer: Evaluation, more: Evaluation, busy: int, slo: Slo) -> bool:
    """Return whether far more replicas than are busy bring no gain, so queues are not the cause."""
    many = more.size.replicas >= max(4 * busy, 2 * fewer.size.replicas)
    gain = margin(more, slo) - margin(fewer, slo)
    return many and more.size.replicas >= LEAST_TRIED and gain < NO_GAIN
