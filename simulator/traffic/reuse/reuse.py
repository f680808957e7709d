"""Share of prompt tokens that earlier prompts had, by age: an upper bound on any cache's hits."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.traffic.jit import compiled
from simulator.traffic.table import PrefixTree

# Ages are counted in bins that are one percent wide, from a millisecond to six years.
_BINS_PER_E = 100
_LEAST_AGE_S = 1e-3
_BINS = 2600


@dataclass(frozen=True, slots=True)
class Reuse:
    """Prompt tokens in prefixes shared with earlier prompts, by the time since their last use."""

    share: float
    """Share of all prompt tokens that are reused, with a cache that forgets nothing."""
    tokens: int
    """Reused tokens."""
    histogram: NDArray[np.int64]
    """Reused tokens by age, in bins of one percent. (n_bins,)"""

    def age_s(self, quantile: float) -> float | None:
        """Return a quantile of the age of reused tokens [s], within one percent."""
        if not self.tokens:
            return None
        index = int(np.searchsorted(np.cumsum(self.histogram), quantile * self.tokens))
        return _LEAST_AGE_S * math.exp((index + 0.5) / _BINS_PER_E)

    def younger(self, age_s: float) -> float | None:
        """Return the share of reused tokens that were last used at most ``age_s`` ago."""
        if not self.tokens:
            return None
        index = int(math.log(age_s / _LEAST_AGE_S) * _BINS_PER_E)
        return float(self.histogram[: index + 1].sum() / self.tokens)


@compiled
def _count_ages(
    parent: NDArray, depth: NDArray, ends: NDArray, at_s: NDArray, histogram: NDArray
) -> None:
    last_s = np.full(parent.size, -np.inf)
    for i in range(ends.size):
        node = ends[i]
        while node >= 0:
            tokens = depth[node] - (depth[parent[node]] if parent[node] >= 0 else 0)
            age_s = at_s[i] - last_s[node]
            if age_s < np.inf:
                index = int(math.log(max(age_s, _LEAST_AGE_S) / _LEAST_AGE_S) * _BINS_PER_E)
                histogram[min(index, histogram.size - 1)] += tokens
            last_s[node] = at_s[i]
            node = parent[node]


@compiled
def _find_live(
    parent: NDArray, depth: NDArray, ends: NDArray, at_s: NDArray, ttl_s: float
) -> NDArray[np.int64]:
    last_s = np.full(parent.size, -np.inf)
    live = np.zeros(ends.size, np.int64)
    for i in range(ends.size):
        node = ends[i]
        while node >= 0:
            # Every prefix of a prompt is used with it, so the first live node from the end is the
            # deepest one and everything above it is live too.
            used = last_s[node] > -np.inf
            if live[i] == 0 and used and at_s[i] - last_s[node] <= ttl_s:
                live[i] = depth[node]
            last_s[node] = at_s[i]
            node = parent[node]
    return live


def reuse(
    tree: PrefixTree,
    prefix_node: NDArray[np.int32],
    input_tokens: NDArray[np.int64],
    at_s: NDArray[np.float64],
) -> Reuse:
    """Measure the reuse of prompts in the order of time, (n_requests,) each."""
    histogram = np.zeros(_BINS, np.int64)
    _count_ages(tree.parent, tree.depth_tok, prefix_node, at_s, histogram)
    tokens = int(histogram.sum())
    return Reuse(tokens / max(1, int(input_tokens.sum())), tokens, histogram)


def live_tokens(
    tree: PrefixTree,
    prefix_node: NDArray[np.int32],
    at_s: NDArray[np.float64],
    ttl_s: float,
) -> NDArray[np.int64]:
    """Return how many tokens of each prompt were used within the last ``ttl_s``. (n_requests,)

    Every use renews the lifetime. Prompts are in the order of time and cached on arrival; a cache
    that is written when the answer ends has fewer hits in bursts of requests.
    """
    live: NDArray[np.int64] = _find_live(tree.parent, tree.depth_tok, prefix_node, at_s, ttl_s)
    return live
