"""Choice of spans of the horizon: systematic along their load, with unequal probabilities."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.traffic.spans import Spans


@dataclass(frozen=True, slots=True)
class Design:
    """Location of the spans, before any request is drawn; fields as in ``Sample``."""

    counted_s: Spans
    """Spans whose arrivals count. (n, 2)"""
    simulated_s: Spans
    """Spans with their warm-up and tail, merged where they overlap. (m, 2)"""
    weight: NDArray[np.float64]
    chance: NDArray[np.float64]
    load: NDArray[np.float64]
    horizon_s: float

    @property
    def fraction(self) -> float:
        """Share of the horizon that is simulated."""
        return float((self.simulated_s[:, 1] - self.simulated_s[:, 0]).sum()) / self.horizon_s


def inclusion_chances(size: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return each cell's inclusion probability: proportional to size, at most 1, ``count`` in sum.

    (cells,)
    """
    if len(size) <= count:
        return np.ones(len(size))
    chance = np.zeros(len(size))
    is_certain = size <= 0
    while True:
        remaining = count - float(chance[is_certain].sum())
        share = size * remaining / max(float(size[~is_certain].sum()), 1e-300)
        exceeds = ~is_certain & (share >= 1.0)
        if not exceeds.any():
            return np.where(is_certain, chance, share)
        chance[exceeds] = 1.0
        is_certain |= exceeds


def draw_along(
    load: NDArray[np.float64], chance: NDArray[np.float64], start: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Draw cells systematically along their load: one point in every unit of summed probabilities.

    Returns the cells in the order of time, and the probability of each. (n,)
    """
    ranked = np.argsort(load, kind="stable")
    cumulative = np.cumsum(chance[ranked])
    points = np.arange(start, cumulative[-1] - 1e-9)
    cell = np.unique(ranked[np.searchsorted(cumulative, points, side="right")])
    return cell, chance[cell]
