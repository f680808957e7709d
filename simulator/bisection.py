"""Searches for the place where a condition changes: steps that double, and bisection.

All of them assume that the condition is false on one side of a place and true on the other. If it
changes more often, they still return two neighbouring points that differ, but not the only such
pair. Most conditions are simulations, so the points and their order are part of the contract: no
point is tried twice, and ends whose side is known are not tried at all.
"""

import sys
from collections.abc import Callable


def gallop(
    holds: Callable[[int], bool], start: int, step: int = 1, end: int = sys.maxsize
) -> tuple[int, int]:
    """Return the first number tried at which a condition holds, and the one tried before it.

    Numbers rise from the start by steps that double. The one before it is ``start`` itself if the
    condition holds there.

    Parameters
    ----------
    holds : callable
        The condition, which becomes true as numbers rise.
    start, end : int
        First and largest number to try; the last is returned even if the condition fails there.
    step : int
        First step.

    Returns
    -------
    tuple of int
        The number before, and the number at which the condition holds.
    """
    before, number = start, start
    while not holds(number) and number < end:
        before, number, step = number, min(number + step, end), 2 * step
    return before, number


def bisect_whole(
    holds: Callable[[int], bool], outside: int, inside: int, tolerance: float = 0.0
) -> int:
    """Return the whole number nearest to ``outside`` at which a condition holds, by bisection.

    Parameters
    ----------
    holds : callable
        The condition.
    outside, inside : int
        Numbers, in either order, at which it is known to fail and to hold.
    tolerance : float
        Share of the result by which it may be too far inside.
    """
    while abs(inside - outside) > max(1, round(tolerance * inside)):
        middle = (outside + inside) // 2
        if holds(middle):
            inside = middle
        else:
            outside = middle
    return inside


def _mean(a: float, b: float) -> float:
    """Return the arithmetic mean of two numbers."""
    return (a + b) / 2


def bisect(
    holds: Callable[[float], bool],
    outside: float,
    inside: float,
    halvings: int,
    between: Callable[[float, float], float] = _mean,
) -> tuple[float, float]:
    """Return two numbers between which a condition changes, by a number of halvings.

    Parameters
    ----------
    holds : callable
        The condition.
    outside, inside : float
        Numbers, in either order, at which it is known to fail and to hold.
    halvings : int
        Number of points to try.
    between : callable
        Returns the point between two others that is tried next; default: their arithmetic mean.

    Returns
    -------
    tuple of float
        The last numbers at which the condition fails and holds.
    """
    for _ in range(halvings):
        middle = between(outside, inside)
        if holds(middle):
            inside = middle
        else:
            outside = middle
    return outside, inside
