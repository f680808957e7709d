"""Quantiles of any number of values in bounded memory, with a bounded relative error.

Values are counted in logarithmic bins (the idea of DDSketch; Masson, Rim and Lee, 2019): every
quantile is within a share ``ERROR`` of its value, counts and sums are exact, and sketches of parts
add up to the sketch of the whole, in any order.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ERROR = 0.001
"""Largest relative error of a quantile."""
_GAMMA = np.log((1 + ERROR) / (1 - ERROR))
_LEAST = 1e-6
"""Value below which values count as zero [s]."""
_BINS = int(np.log(1e9 / _LEAST) / _GAMMA) + 2


@dataclass(slots=True)
class Sketch:
    """Distribution of positive values, such as latencies in seconds."""

    counts: NDArray[np.float64]
    """Number of values up to ``_LEAST``, then the number in each bin."""
    total: float
    """Sum of all values."""

    @staticmethod
    def empty() -> "Sketch":
        """Return a sketch without values."""
        return Sketch(np.zeros(_BINS), 0.0)

    @staticmethod
    def joined(parts: Sequence["Sketch"]) -> "Sketch":
        """Return the sketch of the values of several sketches."""
        counts = np.sum([part.counts for part in parts], axis=0)
        return Sketch(counts, sum(part.total for part in parts))

    def add(self, values: NDArray[np.float64], weight: NDArray[np.float64] | float = 1.0) -> None:
        """Count values, none of them NaN, each as often as its weight. (n,)"""
        weights = np.broadcast_to(np.asarray(weight, np.float64), values.shape)
        bins = np.ceil(np.log(np.maximum(values, _LEAST) / _LEAST) / _GAMMA).astype(np.int64)
        self.counts += np.bincount(np.minimum(bins, _BINS - 1), weights, minlength=_BINS)
        self.total += float((weights * values).sum())

    @property
    def size(self) -> float:
        """Number of values, each counted as often as its weight."""
        return float(self.counts.sum())

    @property
    def mean(self) -> float:
        """Exact mean; there must be at least one value."""
        return self.total / self.size

    def quantile(self, share: float) -> float:
        """Return the value below which a share of all values lies, within ``ERROR`` of it."""
        rank = share * max(0.0, self.size - 1)
        index = int(np.searchsorted(np.cumsum(self.counts), rank, side="right"))
        if index == 0:
            return 0.0
        # The point of the bin with the same relative distance to both ends.
        return float(_LEAST * np.exp(index * _GAMMA) * 2 / (1 + np.exp(_GAMMA)))
