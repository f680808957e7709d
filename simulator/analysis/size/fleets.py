"""The fewest replicas with which a fleet meets the targets, found by simulation."""

import sys

from simulator.analysis.simulate.evaluate import Evaluation, Evaluator
from simulator.analysis.size.judging import Sized, judge, margin, meets, speed_at
from simulator.analysis.study.options import SelfHostOption, Size
from simulator.analysis.study.study import Slo
from simulator.bisection import bisect_whole, gallop

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

    def suffices(replicas: int) -> bool:
        return meets(evaluate_at(replicas), slo)

    def ends_search(replicas: int) -> bool:
        return suffices(replicas) or _is_hopeless(
            evaluate_at(first), evaluate_at(replicas), busy, slo
        )

    busy = evaluator.need(option).replicas
    first = min(start if start > 1 else max(1, busy), most)
    step = max(1, first // 8)
    if suffices(first):
        high = first
        # One replica is tried before smaller steps down to it, hence no use of ``gallop``.
        while high > 1 and suffices(max(1, high - step)):
            high, step = max(1, high - step), 2 * step
        low = max(0, high - step) if high > 1 else 0
    else:
        low, high = gallop(ends_search, first, step, most)
        if not suffices(high):
            return judge(evaluator, evaluate_at(high))
    return Sized(evaluate_at(bisect_whole(suffices, low, high, FLEET_TOLERANCE)), None)


def _is_hopeless(fewer: Evaluation, more: Evaluation, busy: int, slo: Slo) -> bool:
    """Return whether far more replicas than are busy bring no gain, so queues are not the cause."""
    many = more.size.replicas >= max(4 * busy, 2 * fewer.size.replicas)
    gain = margin(more, slo) - margin(fewer, slo)
    return many and more.size.replicas >= LEAST_TRIED and gain < NO_GAIN
