"""Where an option's requests come from: generated sessions or a replayed trace."""

import math
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from simulator.rng import stream
from simulator.traffic.sessions import SessionTraffic, generate
from simulator.traffic.table import NO_NODE, PrefixTree, RequestTable


class TrafficSource(Protocol):
    """Draws the requests of any span at any volume, always the same ones."""

    @property
    def horizon_s(self) -> float:
        """Length of what is known; costs are scaled from it to a month [s]."""
        ...

    @property
    def requests_per_s(self) -> float:
        """Mean rate at volume 1."""
        ...

    @property
    def workload_names(self) -> tuple[str, ...]:
        """Names in the order of the table's ``workload`` column."""
        ...

    def hourly_load(self) -> NDArray[np.float64]:
        """Expected relative load of each hour of the horizon, (hours,)."""
        ...

    def draw(
        self, seed: int, volume: float, begin_s: float = 0.0, end_s: float | None = None
    ) -> RequestTable:
        """Return the requests that start in a span, time zero at its beginning."""
        ...


@dataclass(frozen=True, slots=True)
class GeneratedTraffic:
    """Sessions over a whole number of hours."""

    workloads: tuple[SessionTraffic, ...]
    horizon_s: float

    @property
    def requests_per_s(self) -> float:
        """Mean rate at volume 1."""
        return sum(w.requests_per_s for w in self.workloads)

    @property
    def workload_names(self) -> tuple[str, ...]:
        """Names in the order of the table's ``workload`` column."""
        return tuple(w.name for w in self.workloads)

    def hourly_load(self) -> NDArray[np.float64]:
        """Expected relative load of each hour of the horizon, (hours,)."""
        hours = np.arange(int(self.horizon_s // 3600))
        return np.sum([w.requests_per_s * w.week[hours % len(w.week)] for w in self.workloads], 0)

    def draw(
        self, seed: int, volume: float, begin_s: float = 0.0, end_s: float | None = None
    ) -> RequestTable:
        """Return the sessions that start in a span."""
        end_s = self.horizon_s if end_s is None else end_s
        return generate(self.workloads, seed, volume=volume, begin_s=begin_s, end_s=end_s)


@dataclass(frozen=True, slots=True)
class ReplayedTraffic:
    """A trace, replayed as it was, thinned below volume 1 and superposed above it.

    Copies are shifted round the horizon by a random time and share only the roots of the prefix
    tree with the original: more users of the same product.
    """

    table: RequestTable
    horizon_s: float

    @property
    def requests_per_s(self) -> float:
        """Mean rate at volume 1."""
        return self.table.size / self.horizon_s

    @property
    def workload_names(self) -> tuple[str, ...]:
        """Names in the order of the table's ``workload`` column."""
        return self.table.workloads

    def hourly_load(self) -> NDArray[np.float64]:
        """Requests in each hour of the horizon, (hours,)."""
        hours = max(1, math.ceil(self.horizon_s / 3600))
        counts, _ = np.histogram(self.table.arrival_s, hours, (0, hours * 3600.0))
        return counts.astype(np.float64)

    def draw(
        self, seed: int, volume: float, begin_s: float = 0.0, end_s: float | None = None
    ) -> RequestTable:
        """Return the requests that arrive in a span."""
        end_s = self.horizon_s if end_s is None else end_s
        copies = [
            self._copy(seed, layer, min(1.0, volume - layer)) for layer in range(math.ceil(volume))
        ]
        table = copies[0] if len(copies) == 1 else _superpose(self.table, copies)
        inside = (table.arrival_s >= begin_s) & (table.arrival_s < end_s)
        table = table.take(np.flatnonzero(inside))
        return replace(table, arrival_s=table.arrival_s - begin_s)

    def _copy(self, seed: int, layer: int, share: float) -> RequestTable:
        rng = stream(seed, "replay/copy", layer)
        kept = rng.random(self.table.size) < share
        shift_s = rng.random() * self.horizon_s if layer else 0.0
        arrival_s = (
            (self.table.arrival_s + shift_s) % self.horizon_s if layer else (self.table.arrival_s)
        )
        shifted = replace(self.table, arrival_s=arrival_s)
        rows = np.flatnonzero(kept)
        return shifted.take(rows[np.argsort(arrival_s[rows], kind="stable")])


def _superpose(original: RequestTable, copies: list[RequestTable]) -> RequestTable:
    """Merge copies by arrival; each has its own prefix nodes below the common roots."""
    tree = original.tree
    roots = np.flatnonzero(tree.parent == NO_NODE)
    parents, depths, columns = [tree.parent], [tree.depth_tok], []
    for k, copy in enumerate(copies):
        own = np.arange(tree.size) + k * tree.size
        own[roots] = roots
        shared = copy.prefix_node != NO_NODE
        node = np.where(shared, own[copy.prefix_node] if tree.size else NO_NODE, NO_NODE)
        columns.append(replace(copy, prefix_node=node.astype(np.int32)))
        if k:
            below = tree.parent != NO_NODE
            parents.append(np.where(below, own[tree.parent], NO_NODE).astype(np.int32))
            depths.append(tree.depth_tok)
    merged: dict[str, Any] = {
        name: np.concatenate([getattr(c, name) for c in columns])
        for name in RequestTable.__slots__
        if name not in ("tree", "workloads")
    }
    together = replace(
        original, **merged, tree=PrefixTree(np.concatenate(parents), np.concatenate(depths))
    )
    return together.take(np.argsort(together.arrival_s, kind="stable"))
