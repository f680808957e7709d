"""Correctness: the effect of checks, further attempts and further models on success rates."""

from collections.abc import Sequence

import numpy as np

from simulator.analysis.quality.difficulty import success_given, task_grid
from simulator.analysis.study.study import Quality


def checked_success(rates: Sequence[float], quality: Quality | None) -> float:
    """Share of tasks that end with a right answer when each is checked and the last one is kept.

    ``rates`` are those of the calls in their order, over all tasks. At a given difficulty the
    calls are independent: a call's answer stays when it is right and raises no false alarm, or is
    wrong and is not caught; the last one stays in any case. Averaged over tasks.
    """
    if quality is None:
        return rates[0]
    difficulty, weights = task_grid(rates, quality.correlation)
    asked, right = np.ones(len(difficulty)), np.zeros(len(difficulty))
    for place, rate in enumerate(rates):
        p = success_given(difficulty, rate, quality.correlation)
        if place == len(rates) - 1:
            right += asked * p
            break
        right += asked * p * (1 - quality.false_alarms)
        asked = asked * (p * quality.false_alarms + (1 - p) * quality.catches)
    return float(weights @ right)
