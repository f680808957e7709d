"""What is simulated: requests of the horizon or of spans of it, and how they are weighted.

``analysis.sampling.sampler`` decides which.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from simulator.analysis.study.options import Option
from simulator.analysis.study.study import Study
from simulator.engine.run import Chunk, Excerpt
from simulator.traffic.spans import NOMINAL_S, NOMINAL_TOKEN_S, Spans, span_of
from simulator.traffic.table import RequestTable
from simulator.units import DAY_S, HOUR_S, MINUTE_S, MONTH_S

Lens = Callable[[RequestTable], RequestTable]
"""What an option sees of the traffic: some of it, or calls that are made in its place."""

LEAST_WARM_UP_S = 10 * MINUTE_S
"""Fills replicas before a counted span."""
KEPT_REQUESTS = 500_000
"""A whole horizon with more is drawn anew, chunk by chunk, for every simulation."""
BATCHES = 28
"""Equal parts of a whole horizon whose differences tell how far another week may differ."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Requests to simulate, and how their counted spans stand for the horizon."""

    chunks: Callable[[int], Iterable[Chunk]]
    """Its traffic behind the first so many chunks, in the horizon's time, the same at every
    call."""
    end_s: float
    """Of the simulation; traffic goes on until then."""
    spans_s: Spans
    """Counted spans: arrivals in [begin, end) count. (n, 2)"""
    weight: NDArray[np.float64]
    """How many times each of them counts. (n,)"""
    chance: NDArray[np.float64]
    """With which each of them was taken; 1 for all parts of a whole horizon. (n,)"""
    load: NDArray[np.float64]
    """Relative load of each span, along which they were taken; of a whole horizon, its time.
    (n,)"""
    requests_per_month: float
    """Known mean volume, to which counts of requests, and with them bills, are scaled."""
    scale: float = 1.0
    """Share of the traffic that is simulated, on as large a share of everything that serves it."""
    unsimulated: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 2)))
    """Requests that are left out, see ``engine.kernels.api.unsimulated``. (n, 2)"""
    why_whole: str | None = None
    """What no span could stand for, where that is why the whole horizon is simulated."""

    @property
    def excerpt(self) -> Excerpt:
        """What the engine is told of all that is left out."""
        return Excerpt(self.spans_s, self.unsimulated)

    @property
    def is_whole(self) -> bool:
        """Whether all of the horizon counts, at any scale."""
        return bool((self.weight == 1.0).all())

    @property
    def counted_s(self) -> float:
        """Length of all counted spans, as often as they count [s]."""
        return float(self.weight @ (self.spans_s[:, 1] - self.spans_s[:, 0]))

    @property
    def simulated_s(self) -> float:
        """Length of all counted spans [s]."""
        return float((self.spans_s[:, 1] - self.spans_s[:, 0]).sum())

    def weight_of(self, at_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how often a request counts that arrives at a time, 0 outside. (n_requests,)"""
        place = span_of(at_s, self.spans_s)
        return np.where(place >= 0, self.weight[place], 0.0) / self.scale

    def rows(self) -> float:
        """Count the requests that are due in the counted spans, as often as they count."""
        return sum(
            float(self.weight_of(table.due_s(NOMINAL_S, NOMINAL_TOKEN_S)).sum())
            for table, _ in self.chunks(0)
        )

    def seen(self, lens: Lens, share: float | None = None) -> "Sample":
        """Return the same spans with requests made from theirs.

        ``share`` is how many there are for each one, where that is known; else they are counted.
        """
        chunks: Callable[[int], Iterable[Chunk]] = partial(_through, self.chunks, lens)
        if not self.is_whole:
            # Spans are small; drawn once, they are seen once.
            chunks = partial(_from, list(chunks(0)))
        changed = replace(self, chunks=chunks)
        if share is None:
            share = changed.rows() / max(1.0, self.rows())
        return replace(changed, requests_per_month=self.requests_per_month * share)

    def later(self, table: RequestTable, share: float) -> "Sample":
        """Return what comes of a share of these requests."""
        return replace(
            self,
            chunks=kept(table, self.end_s),
            requests_per_month=self.requests_per_month * share,
        )


@dataclass(frozen=True, slots=True)
class Need:
    """What a sample must hold for an option to be judged by it."""

    lifetime_s: float = 0.0
    """Of the cache entries that its calls may find, at least ``LEAST_WARM_UP_S``; 0 where nothing
    but calls is made [s]."""
    replicas: int = 0
    """Least replicas of its own that are busy at this volume; 0: none."""


def sample_of(study: Study, volume: float, scale: float = 1.0) -> Sample:
    """Return the whole horizon at a volume; at a scale, a share or a multiple of it."""
    source = study.traffic
    begin_s, end_s = study.effort.warm_up_s, source.horizon_s
    edges_s = np.linspace(begin_s, end_s, BATCHES + 1)
    # Of two days or more, what differs between the same hours of neighbouring days is luck.
    middles_s = (edges_s[:-1] + edges_s[1:]) / 2
    days = end_s - begin_s >= 2 * DAY_S
    hour_s = np.round(middles_s % DAY_S / 6 / HOUR_S) % 4 * end_s if days else 0.0
    return Sample(
        _whole(study, volume * scale),
        end_s + source.longest_deadline_s,
        np.column_stack([edges_s[:-1], edges_s[1:]]),
        np.ones(BATCHES),
        np.ones(BATCHES),
        hour_s + middles_s,
        source.requests_per_s * volume * MONTH_S,
        scale,
        _left_out(study, volume, scale),
    )


def _left_out(study: Study, volume: float, scale: float) -> NDArray[np.float64]:
    """Requests that a whole horizon at a scale leaves out up to each hour. (n, 2)"""
    if scale >= 1.0:
        return np.zeros((0, 2))
    load = study.traffic.hourly_load()
    rate = study.traffic.requests_per_s * volume * (1.0 - scale)
    upto = np.append(0.0, np.cumsum(load)) / max(float(load.mean()), 1e-300) * rate * HOUR_S
    return np.column_stack([np.arange(len(upto)) * HOUR_S, upto])


def span_sample(study: Study, begin_s: float, end_s: float, history_s: float) -> Sample:
    """Return one span of the horizon at today's volume, with a warm-up before it."""
    simulated = np.array([[max(0.0, begin_s - LEAST_WARM_UP_S), end_s]])
    table = study.traffic.draw_spans(study.seed, 1.0, simulated, history_s, same=True)
    return Sample(
        kept(table, end_s),
        end_s,
        np.array([[begin_s, end_s]]),
        np.array([study.traffic.horizon_s / (end_s - begin_s)]),
        np.array([(end_s - begin_s) / study.traffic.horizon_s]),
        np.zeros(1),
        study.traffic.requests_per_s * MONTH_S,
    )


def lifetime_s(option: Option) -> float:
    """Return how long cache entries of an option's calls live at most [s]."""
    apis = [part.api for part in option.parts if part.api is not None]
    caches = [endpoint.cache for api in apis for endpoint in api.endpoints]
    return max((cache.ttl_s for cache in caches if cache.caches), default=0.0)


def _whole(study: Study, volume: float) -> Callable[[int], Iterable[Chunk]]:
    source = study.traffic
    # Traffic goes on until the last deadline has passed, uncounted: what waits for idle capacity
    # must find that of an ordinary day.
    end_s = source.horizon_s + source.longest_deadline_s
    if source.requests_per_s * volume * end_s <= KEPT_REQUESTS:
        return kept(source.draw(study.seed, volume, 0.0, end_s), end_s)
    return partial(source.chunks, study.seed, volume, KEPT_REQUESTS, end_s)


def _through(chunks: Callable[[int], Iterable[Chunk]], lens: Lens, begun: int) -> Iterable[Chunk]:
    return ((lens(table), end_s) for table, end_s in chunks(begun))


def _from(chunks: list[Chunk], begun: int) -> Iterable[Chunk]:
    """Chunks that were drawn once and stay, behind the first so many."""
    return chunks[begun:]


def kept(table: RequestTable, end_s: float) -> Callable[[int], Iterable[Chunk]]:
    """Return traffic that was drawn once and stays, as a sample's chunks."""
    return partial(_from, [(table, end_s)])
