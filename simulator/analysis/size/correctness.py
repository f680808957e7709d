"""Correctness: the effect of checks, further attempts and further models on success rates."""

from collections.abc import Sequence

import numpy as np

from simulator.analysis.quality.difficulty import success_given, task_grid
from simulator.analysis.study.study import Quality


def checked_success(rates: Sequence[float], quality: Quality | None) -> float:
    """Return the share of tasks that end with a right answer when every answer is checked.

    ``rates`` are the success rates of the calls in their order, over all tasks. At a given
    difficulty the calls are independent: an answer is kept when it is right and raises no false
    alarm, or is wrong and not detected; the last answer is kept in any case. The result is averaged
    over tasks.
    """
    if quality is None:
        return rates[0]
    difficulty, weights = task_grid(rates, quality.correlation)
    reaching, right = np.ones(len(difficulty)), np.zeros(len(difficulty))
    for index, rate in enumerate(rates):
        p = success_given(difficulty, rate, quality.correlation)
        if index == len(rates) - 1:
            right += reaching * p
            break
        right += reaching * p * (1 - quality.false_alarms)
        reaching = reaching * (p * quality.false_alarms + (1 - p) * quality.catches)
    return float(weights @ right)
