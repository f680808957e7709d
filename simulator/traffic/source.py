"""Sources of an option's requests: generated sessions or a replayed trace."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from simulator.rng import stream
from simulator.traffic.generate import chunks, draw_hours, draw_parts, generate
from simulator.traffic.joining import NODES, pruned
from simulator.traffic.rate import rate_of_hour
from simulator.traffic.sessions import SessionTraffic
from simulator.traffic.shapes import HOURS_PER_WEEK
from simulator.traffic.spans import (
    NOMINAL_S,
    NOMINAL_TOKEN_S,
    Spans,
    merged,
    span_of,
    within,
)
from simulator.traffic.table import NO_NODE, PrefixTree, RequestTable, roots
from simulator.units import HOUR_S, WEEK_S

BLOCK_S = 600.0
"""Length of the time blocks whose load can be computed without drawing requests [s]."""
BLOCKS_PER_HOUR = 6
MOST_DRAWN_RATES = 12
"""Most workloads for which random rates are drawn to compute the load of blocks."""


class TrafficSource(Protocol):
    """Source of the requests of any span at any volume; equal arguments give equal requests."""

    @property
    def horizon_s(self) -> float:
        """Length of the horizon, from which costs are scaled to a month [s]."""
        ...

    @property
    def requests_per_s(self) -> float:
        """Mean rate over the horizon at volume 1, growth included, to which bills are scaled."""
        ...

    @property
    def workload_names(self) -> tuple[str, ...]:
        """Names in the order of the table's ``workload`` column."""
        ...

    def hourly_load(self) -> NDArray[np.float64]:
        """Return the expected relative load of each hour of the horizon. (n_hours,)"""
        ...

    def block_load(self, seed: int) -> NDArray[np.float64]:
        """Return the relative load of each ``BLOCK_S`` of the horizon, at this seed's random rate.

        It is cheap, since no request is drawn. (n_blocks,)
        """
        ...

    def workload_shares(self) -> NDArray[np.float64]:
        """Return the share of each workload in all requests. (n_workloads,)"""
        ...

    def draw_spans(
        self, seed: int, volume: float, spans_s: Spans, history_s: float, same: bool
    ) -> RequestTable:
        """Return the requests within spans that do not touch, at the times of the horizon.

        Sessions that began up to ``history_s`` before a span continue in it; see ``spans.within``.
        With ``same``, the requests are exactly those of the whole horizon, which may take several
        times as long to draw.
        """
        ...

    @property
    def longest_deadline_s(self) -> float:
        """Longest deadline of all requests, 0 without any [s]."""
        ...

    def draw(
        self, seed: int, volume: float, begin_s: float = 0.0, end_s: float | None = None
    ) -> RequestTable:
        """Return the requests of sessions that start in a span; time zero is its beginning."""
        ...

    def chunks(
        self, seed: int, volume: float, requests: int, end_s: float, begun: int = 0
    ) -> Iterator[tuple[RequestTable, float]]:
        """Yield all requests until ``end_s`` in chunks of about ``requests``, with their ends [s].

        Times are those of the horizon, and tokens have the same numbers in all chunks. The first
        ``begun`` chunks are left out.
        """
        ...


@dataclass(frozen=True, slots=True)
class GeneratedTraffic:
    """Sessions over a whole number of hours."""

    workloads: tuple[SessionTraffic, ...]
    horizon_s: float

    @property
    def requests_per_s(self) -> float:
        """Mean rate over the horizon at volume 1, growth included."""
        return sum(w.requests_per_s * self._mean_trend(w) for w in self.workloads)

    @property
    def workload_names(self) -> tuple[str, ...]:
        """Names in the order of the table's ``workload`` column."""
        return tuple(w.name for w in self.workloads)

    def workload_shares(self) -> NDArray[np.float64]:
        """Return the share of each workload in all requests. (n_workloads,)"""
        rates = [w.requests_per_s * self._mean_trend(w) for w in self.workloads]
        return np.array(rates) / sum(rates)

    def hourly_load(self) -> NDArray[np.float64]:
        """Return the expected relative load of each hour of the horizon. (n_hours,)"""
        hours = np.arange(int(self.horizon_s // HOUR_S))
        load = np.zeros(len(hours))
        for w in self.workloads:
            load += w.requests_per_s * w.rate.level(hours)
        return load

    def block_load(self, seed: int) -> NDArray[np.float64]:
        """Return the relative load of each ``BLOCK_S`` of the horizon, at this seed's random rate.

        For more than ``MOST_DRAWN_RATES`` workloads it is the expected load: the sum of that many
        random rates differs little from it. (n_blocks,)
        """
        expected = np.repeat(self.hourly_load(), BLOCKS_PER_HOUR)
        if len(self.workloads) > MOST_DRAWN_RATES:
            return expected
        load = np.zeros_like(expected).reshape(-1, BLOCKS_PER_HOUR)
        for w in self.workloads:
            turns = w.requests_per_s / w.rate.sessions_per_s if w.rate.sessions_per_s else 0.0
            for hour, blocks in enumerate(load):
                rate = rate_of_hour(w.rate, seed, hour)
                edges = np.linspace(0, len(rate.cumulative) - 1, BLOCKS_PER_HOUR + 1).astype(int)
                blocks += turns * np.diff(rate.cumulative[edges])
        return load.ravel() / BLOCK_S

    def draw_spans(
        self, seed: int, volume: float, spans_s: Spans, history_s: float, same: bool
    ) -> RequestTable:
        """Return the requests within spans that do not touch, at the times of the horizon."""
        if not same:
            reach = np.column_stack([np.maximum(0.0, spans_s[:, 0] - history_s), spans_s[:, 1]])
            return within(draw_parts(self.workloads, seed, volume, merged(reach), spans_s), spans_s)
        first = np.maximum(0.0, spans_s[:, 0] - history_s) // HOUR_S
        last = np.ceil(spans_s[:, 1] / HOUR_S)
        hours = sorted({h for a, b in zip(first, last, strict=True) for h in range(int(a), int(b))})
        return within(draw_hours(self.workloads, seed, volume, hours), spans_s)

    def _mean_trend(self, workload: SessionTraffic) -> float:
        """Return the mean factor of a workload's rate by growth, months and dated events."""
        hours = np.arange(max(1, int(self.horizon_s // HOUR_S)))
        return float(workload.rate.trend(hours).mean())

    @property
    def longest_deadline_s(self) -> float:
        """Longest deadline of all requests, 0 without any [s]."""
        return max((w.deadline_s for w in self.workloads if w.deadline_s < math.inf), default=0.0)

    def draw(
        self, seed: int, volume: float, begin_s: float = 0.0, end_s: float | None = None
    ) -> RequestTable:
        """Return the requests of sessions that start in a span; time zero is its beginning."""
        end_s = self.horizon_s if end_s is None else end_s
        return generate(self.workloads, seed, volume=volume, begin_s=begin_s, end_s=end_s)

    def chunks(
        self, seed: int, volume: float, requests: int, end_s: float, begun: int = 0
    ) -> Iterator[tuple[RequestTable, float]]:
        """Yield all requests until ``end_s`` in chunks of whole hours, each with its end [s]."""
        hours = max(1, int(requests / (self.requests_per_s * volume * HOUR_S)))
        return chunks(self.workloads, seed, volume=volume, end_s=end_s, hours=hours, begun=begun)


@dataclass(frozen=True, slots=True)
class ReplayedTraffic:
    """A trace: replayed as recorded at volume 1, thinned below it and superposed above it.

    Sessions are kept or left out as a whole. Copies are shifted cyclically by a random time and
    share only the roots of the prefix tree with the original, like more users of the same product.
    With ``week``, the trace is repeated to fill a week, thinned or superposed in each hour to match
    the shape, so that a log of one day becomes a week with a weekend.
    """

    table: RequestTable
    span_s: float
    """Length of the trace [s]."""
    week: NDArray[np.float64] | None = None
    """Hourly factors with mean 1. (168,)"""

    @property
    def horizon_s(self) -> float:
        """Length of the horizon [s]."""
        return self.span_s if self.week is None else WEEK_S

    @property
    def requests_per_s(self) -> float:
        """Mean rate at volume 1."""
        return self.table.size / self.span_s

    @property
    def workload_names(self) -> tuple[str, ...]:
        """Names in the order of the table's ``workload`` column."""
        return self.table.workloads

    def workload_shares(self) -> NDArray[np.float64]:
        """Return the share of each workload in all requests. (n_workloads,)"""
        counts = np.bincount(self.table.workload, minlength=len(self.table.workloads))
        return counts / self.table.size

    def hourly_load(self) -> NDArray[np.float64]:
        """Return the expected relative load of each hour of the horizon. (n_hours,)"""
        hours = max(1, math.ceil(self.span_s / HOUR_S))
        counts = np.histogram(self.table.arrival_s, hours, (0, hours * HOUR_S))[0]
        if self.week is None:
            return counts.astype(np.float64)
        if self.span_s < HOUR_S:
            return self.week
        at_s = (np.arange(HOURS_PER_WEEK) + 0.5) * HOUR_S % self.span_s
        load: NDArray[np.float64] = self.week * counts[(at_s // HOUR_S).astype(np.int64)]
        return load

    def block_load(self, seed: int) -> NDArray[np.float64]:
        """Return the relative load of each ``BLOCK_S``, equal for all seeds. (n_blocks,)"""
        blocks = max(1, math.ceil(self.span_s / BLOCK_S))
        due_s = self.table.due_s(NOMINAL_S, NOMINAL_TOKEN_S)
        counts = np.histogram(due_s, blocks, (0, blocks * BLOCK_S))[0].astype(np.float64)
        if self.week is None:
            return counts
        at_s = (np.arange(HOURS_PER_WEEK * BLOCKS_PER_HOUR) + 0.5) * BLOCK_S % self.span_s
        load: NDArray[np.float64] = np.repeat(self.week, BLOCKS_PER_HOUR)
        return load * counts[(at_s // BLOCK_S).astype(np.int64)]

    def draw_spans(
        self, seed: int, volume: float, spans_s: Spans, history_s: float, same: bool
    ) -> RequestTable:
        """Return the requests within spans that do not touch, at the times of the horizon.

        ``same`` makes no difference.
        """
        reach = np.column_stack([np.maximum(0.0, spans_s[:, 0] - history_s), spans_s[:, 1]])
        table = self._draw_copies(seed, volume, merged(reach))
        # Copies of the trace share only its roots.
        tree, nodes = self.table.tree, self.table.prefix_node
        uses = np.bincount(roots(tree)[nodes[nodes != NO_NODE]], minlength=tree.size)
        share = np.zeros(table.tree.size, np.float32)
        share[: tree.size] = np.where(tree.parent == NO_NODE, uses / self.table.size, 0.0)
        return within(replace(table, tree=replace(table.tree, share=share)), spans_s)

    def draw(
        self, seed: int, volume: float, begin_s: float = 0.0, end_s: float | None = None
    ) -> RequestTable:
        """Return the requests of sessions that start in a span; time zero is its beginning."""
        end_s = self.horizon_s if end_s is None else end_s
        table = self._draw_copies(seed, volume, np.array([[begin_s, end_s]]))
        return replace(table, arrival_s=table.arrival_s - begin_s)

    def _draw_copies(self, seed: int, volume: float, spans_s: Spans) -> RequestTable:
        """Return the sessions of all copies that start in spans, at the times of the horizon."""
        peak = volume * (1.0 if self.week is None else float(self.week.max()))
        layers = math.ceil(peak)
        tiles = {
            tile
            for begin_s, end_s in spans_s.tolist()
            for tile in range(int(begin_s // self.span_s), math.ceil(end_s / self.span_s))
        }
        copies = {
            tile * layers + layer: self._draw_copy(seed, volume, tile, layer, spans_s)
            for tile in sorted(tiles)
            for layer in range(layers)
        }
        return _superpose(self.table, {n: copy for n, copy in copies.items() if copy.size})

    @property
    def longest_deadline_s(self) -> float:
        """Longest deadline of all requests, 0 without any [s]."""
        deadline_s = self.table.deadline_s
        return float(deadline_s[np.isfinite(deadline_s)].max(initial=0.0))

    def chunks(
        self, seed: int, volume: float, requests: int, end_s: float, begun: int = 0
    ) -> Iterator[tuple[RequestTable, float]]:
        """Yield all requests until ``end_s`` in chunks of equal length, each with its end [s]."""
        count = math.ceil(self.requests_per_s * volume * end_s / requests)
        ends_s = np.linspace(0.0, end_s, max(1, count) + 1)
        spans_s = zip(ends_s[:-1].tolist(), ends_s[1:].tolist(), strict=True)
        for begin_s, until_s in islice(spans_s, begun, None):
            table = pruned(self.draw(seed, volume, begin_s, until_s))
            yield replace(table, arrival_s=table.arrival_s + begin_s), until_s

    def _draw_copy(
        self, seed: int, volume: float, tile: int, layer: int, spans_s: Spans
    ) -> RequestTable:
        """Return the sessions of one copy that start in spans. ``tile`` counts repetitions in time,
        ``layer`` copies at the same time.
        """
        start_s = self.table.arrival_s[self.table.sessions()]
        rng = stream(seed, f"replay/copy/{tile}", layer)
        position = rng.random(len(start_s))  # in the layer; volumes above it contain the session
        if layer:
            start_s = (start_s + rng.random() * self.span_s) % self.span_s
        start_s = start_s + tile * self.span_s
        share = np.full(len(start_s), volume, np.float64)
        if self.week is not None:
            share *= self.week[(start_s // HOUR_S).astype(np.int64) % HOURS_PER_WEEK]
        chosen = np.flatnonzero((position < share - layer) & (span_of(start_s, spans_s) >= 0))
        copy = self.table.arrange(chosen, start_s[chosen])
        since_volume = (layer + position[chosen]) * volume / np.maximum(share[chosen], 1e-300)
        since_volume = since_volume[np.argsort(start_s[chosen], kind="stable")]
        # Every copy and every seed has its own random bits.
        return replace(
            copy,
            random_bits=copy.random_bits ^ np.uint64(rng.integers(2**63)),
            since_volume=since_volume[copy.session],
        )


def _superpose(original: RequestTable, copies: dict[int, RequestTable]) -> RequestTable:
    """Merge numbered copies of a trace in the order of session starts.

    Copies share the roots of the prefix tree; each has its own nodes below them.
    """
    if not copies:
        return original.take(np.arange(0))
    if list(copies) == [0]:
        return copies[0]
    tree = original.tree
    below = tree.parent != NO_NODE
    tokens = int(tree.first_tok.max(initial=0)) + int(tree.depth_tok.max(initial=0)) + 1
    trees, columns = [], []
    for k, (number, copy) in enumerate(copies.items()):
        own = np.where(below, np.arange(tree.size) + k * tree.size, np.arange(tree.size))
        own = np.append(own, NO_NODE).astype(np.int32)
        columns.append(replace(copy, **{name: own[getattr(copy, name)] for name in NODES}))
        first_tok = tree.first_tok + number * tokens
        if k == 0:
            first_tok = np.where(below, first_tok, tree.first_tok)
        parent = tree.parent if k == 0 else np.where(below, own[tree.parent], NO_NODE)
        trees.append(replace(tree, parent=parent.astype(np.int32), first_tok=first_tok))
    merged_columns: dict[str, Any] = {
        name: np.concatenate([getattr(c, name) for c in columns])
        for name in RequestTable.__slots__
        if name not in ("tree", "workloads")
    }
    table = replace(original, **merged_columns, tree=PrefixTree.concatenated(trees))
    sessions = table.sessions()
    return table.arrange(np.arange(len(sessions)), table.arrival_s[sessions])
