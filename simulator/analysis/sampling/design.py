"""How spans are taken from the horizon: systematically, along their load, with unequal chances."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.traffic.spans import Spans


@dataclass(frozen=True, slots=True)
class Design:
    """Where spans lie, before anything is drawn; columns as those of ``Sample``."""

    counted_s: Spans
    simulated_s: Spans
    weight: NDArray[np.float64]
    chance: NDArray[np.float64]
    load: NDArray[np.float64]
    horizon_s: float

    @property
    def fraction(self) -> float:
        """Share of the horizon that is simulated."""
        return float((self.simulated_s[:, 1] - self.simulated_s[:, 0]).sum()) / self.horizon_s


def chances(size: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return the chance of each cell, in proportion to its size and at most 1, ``count`` in all.

    (cells,)
    """
    if len(size) <= count:
        return np.ones(len(size))
    found = np.zeros(len(size))
    sure = size <= 0
    while True:
        left = count - float(found[sure].sum())
        share = size * left / max(float(size[~sure].sum()), 1e-300)
        over = ~sure & (share >= 1.0)
        if not over.any():
            return np.where(sure, found, share)
        found[over] = 1.0
        sure |= over


def drawn_along(
    load: NDArray[np.float64], chance: NDArray[np.float64], start: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Draw cells systematically along their load: a point in every unit of summed chances.

    Returns the cells in the order of time, and the chance of each. (n,)
    """
    ranked = np.argsort(load, kind="stable")
    upto = np.cumsum(chance[ranked])
    points = np.arange(start, upto[-1] - 1e-9)
    cell = np.unique(ranked[np.searchsorted(upto, points, side="right")])
    return cell, chance[cell]
