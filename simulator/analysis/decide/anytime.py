"""The best answer that a time allows: with the least effort first, and with more while it lasts."""

import time
from collections.abc import Callable
from typing import TypeVar

from simulator.analysis.study.effort import LEVELS

TIMES_LONGER = 2.5
"""That the next level of effort is taken to last; 1.1 to 2.5 were measured on the quickstart."""

Answer = TypeVar("Answer")


def best_within(
    answered: Callable[[int], Answer], level: int, within_s: float | None = None
) -> Answer:
    """Return the answer of the highest level that is likely to be done in time.

    Parameters
    ----------
    answered : callable
        Answers with a level of effort.
    level : int
        The first, which is answered however long it takes.
    within_s : float, optional
        Time for all of them [s]; default: none but the first.
    """
    begun_s = time.monotonic()
    found, lasted_s = answered(level), time.monotonic() - begun_s
    while within_s is not None and level < LEVELS:
        next_s = time.monotonic()
        if next_s - begun_s + TIMES_LONGER * lasted_s > within_s:
            break
        level += 1
        found = answered(level)
        lasted_s = time.monotonic() - next_s
    return found
