"""The best answer within a time limit: the lowest effort first, then more while time remains."""

import time
from collections.abc import Callable
from typing import TypeVar

from simulator.analysis.study.effort import LEVELS

TIMES_LONGER = 2.5
"""Assumed duration of a level of effort relative to the one before; 1.1 to 2.5 were measured on the
quickstart."""

Answer = TypeVar("Answer")


def best_within(
    answered: Callable[[int], Answer], level: int, within_s: float | None = None
) -> Answer:
    """Return the answer of the highest level that is likely to be finished in time.

    Parameters
    ----------
    answered : callable
        Returns the answer at a level of effort.
    level : int
        First level, which is answered even if it takes longer than the limit.
    within_s : float, optional
        Time limit for all levels together [s]; default: only the first level is answered.
    """
    begun_s = time.monotonic()
    answer, duration_s = answered(level), time.monotonic() - begun_s
    while within_s is not None and level < LEVELS:
        next_s = time.monotonic()
        if next_s - begun_s + TIMES_LONGER * duration_s > within_s:
            break
        level += 1
        answer = answered(level)
        duration_s = time.monotonic() - next_s
    return answer
