"""Quantiles of any number of values in bounded memory, with a bounded relative error.

Counts by logarithmic bins (the idea of DDSketch; Masson, Rim and Lee, 2019): every quantile is
right to ``ERROR`` of itself, counts and sums are exact, and sketches of parts add up to that of the
whole, in any order.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ERROR = 0.001
"""Relative, of a quantile."""
_GAMMA = np.log((1 + ERROR) / (1 - ERROR))
_LEAST = 1e-6
"""Smaller values count as zero [s]."""
_BINS = int(np.log(1e9 / _LEAST) / _GAMMA) + 2


@dataclass(slots=True)
class Sketch:
    """Distribution of positive values, such as latencies in seconds."""

    counts: NDArray[np.float64]
    """Of values at most ``_LEAST``, then by bin."""
    total: float
    """Sum of all values."""

    @staticmethod
    def empty() -> "Sketch":
        """Return the sketch of nothing."""
        return Sketch(np.zeros(_BINS), 0.0)

    @staticmethod
    def joined(parts: Sequence["Sketch"]) -> "Sketch":
        """Return the sketch of all values of some sketches."""
        counts = np.sum([part.counts for part in parts], axis=0)
        return Sketch(counts, sum(part.total for part in parts))

    def add(self, values: NDArray[np.float64], weight: NDArray[np.float64] | float = 1.0) -> None:
        """Count values, of which none may be NaN, each so many times. (n,)"""
        weights = np.broadcast_to(np.asarray(weight, np.float64), values.shape)
        bins = np.ceil(np.log(np.maximum(values, _LEAST) / _LEAST) / _GAMMA).astype(np.int64)
        self.counts += np.bincount(np.minimum(bins, _BINS - 1), weights, minlength=_BINS)
        self.total += float((weights * values).sum())

    @property
    def size(self) -> float:
        """Number of values, each as often as it counts."""
        return float(self.counts.sum())

    @property
    def mean(self) -> float:
        """Exact mean; there must be a value."""
        return self.total / self.size

    def quantile(self, share: float) -> float:
        """Return the value below which a share of all lie, right to ``ERROR`` of itself."""
        rank = share * max(0.0, self.size - 1)
        place = int(np.searchsorted(np.cumsum(self.counts), rank, side="right"))
        if place == 0:
            return 0.0
        # The point of a bin whose relative distance to both its ends is the same.
        return float(_LEAST * np.exp(place * _GAMMA) * 2 / (1 + np.exp(_GAMMA)))
