"""Intervals in which the cheapest of some cost curves lies below the cheapest of others.

A curve is a polyline over volume, (n, 2): volumes that do not fall, and costs. Two points at one
volume form a step; the cost of the first still holds there, since a fleet carries a load equal to
its capacity. All curves are straight between neighbouring points of any curve, so crossings are
exact.
"""

import math
from itertools import combinations, pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Polyline: TypeAlias = NDArray[np.float64]


def winning_intervals(
    ours: list[Polyline], theirs: list[Polyline]
) -> tuple[tuple[float, float], ...]:
    """Return all intervals of volume in which the least of ours is below the least of theirs.

    All curves span the same volumes; infinite costs are replaced by one above all finite costs.
    """
    curves = [np.nan_to_num(c, posinf=1e30) for c in (*ours, *theirs)]
    ends = np.unique(np.concatenate([c[:, 0] for c in curves]))
    wins: list[tuple[float, float]] = []
    for begin, end in pairwise(ends.tolist()):
        lines = [_line(c, begin, end) for c in curves]
        for a, b in pairwise(_cuts(lines, begin, end)):
            middle = (a + b) / 2
            costs = [left + slope * (middle - begin) for left, slope in lines]
            if min(costs[: len(ours)]) >= min(costs[len(ours) :]):
                continue
            # Curves that only touch do not end an interval, and rounding must not split it there.
            if wins and math.isclose(wins[-1][1], a, rel_tol=1e-12):
                a = wins.pop()[0]
            wins.append((a, b))
    return tuple(wins)


def _line(curve: Polyline, begin: float, end: float) -> tuple[float, float]:
    """Return the cost just after ``begin``, and the slope up to ``end``; no point lies between."""
    last = int(np.searchsorted(curve[:, 0], begin, side="right")) - 1
    (v0, c0), (v1, c1) = curve[last].tolist(), curve[last + 1].tolist()
    slope = (c1 - c0) / (v1 - v0)
    return c0 + slope * (begin - v0), slope


def _cuts(lines: list[tuple[float, float]], begin: float, end: float) -> list[float]:
    """Return the ends of an interval and all volumes in it at which two lines cross."""
    cuts = {begin, end}
    for (c0, s0), (c1, s1) in combinations(lines, 2):
        if s0 != s1:
            volume = begin + (c1 - c0) / (s0 - s1)
            if begin < volume < end:
                cuts.add(volume)
    return sorted(cuts)
