"""Samples: requests of the whole horizon or of spans of it, with their weights.

``analysis.sampling.sampler`` chooses the requests.
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
"""Turns the traffic into what an option sees of it: some requests, or calls made instead of
them."""

LEAST_WARM_UP_S = 10 * MINUTE_S
"""Shortest warm-up before a counted span, in which replicas fill up."""
KEPT_REQUESTS = 500_000
"""Largest horizon that is kept in memory; a larger one is drawn again, by chunks, in each
simulation."""
BATCHES = 28
"""Number of equal parts of a whole horizon whose differences show how much another week may
differ."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Requests to simulate, and how their counted spans represent the horizon."""

    chunks: Callable[[int], Iterable[Chunk]]
    """Returns the chunks of requests after a number of chunks to skip, in the horizon's time; every
    call returns the same requests."""
    end_s: float
    """End of the simulation; requests arrive until then."""
    spans_s: Spans
    """Counted spans: arrivals in [begin, end) count. (n, 2)"""
    weight: NDArray[np.float64]
    """Number of times that each span counts. (n,)"""
    chance: NDArray[np.float64]
    """Probability with which each span was taken; 1 for the parts of a whole horizon. (n,)"""
    load: NDArray[np.float64]
    """Relative load of each span, along which spans were taken; for a whole horizon, its time.
    (n,)"""
    requests_per_month: float
    """Known mean volume, to which counts of requests, and with them bills, are scaled."""
    scale: float = 1.0
    """Share of the traffic that is simulated, on the same share of everything that serves it."""
    unsimulated: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 2)))
    """Number of requests left out up to each time; see ``engine.kernels.api.unsimulated``. (n,
    2)"""
    why_whole: str | None = None
    """Reason why the whole horizon is simulated although spans would be cheaper; None: no such
    reason."""

    @property
    def excerpt(self) -> Excerpt:
        """Description of the requests that are left out, for the engine."""
        return Excerpt(self.spans_s, self.unsimulated)

    @property
    def is_whole(self) -> bool:
        """Whether the whole horizon counts, at any scale."""
        return bool((self.weight == 1.0).all())

    @property
    def counted_s(self) -> float:
        """Total length of the counted spans, each as often as it counts [s]."""
        return float(self.weight @ (self.spans_s[:, 1] - self.spans_s[:, 0]))

    @property
    def simulated_s(self) -> float:
        """Total length of the counted spans, each once [s]."""
        return float((self.spans_s[:, 1] - self.spans_s[:, 0]).sum())

    def weight_of(self, at_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how often a request that arrives at a time counts, 0 outside. (n_requests,)"""
        span = span_of(at_s, self.spans_s)
        return np.where(span >= 0, self.weight[span], 0.0) / self.scale

    def rows(self) -> float:
        """Return the number of requests due in the counted spans, each as often as it counts."""
        return sum(
            float(self.weight_of(table.due_s(NOMINAL_S, NOMINAL_TOKEN_S)).sum())
            for table, _ in self.chunks(0)
        )

    def through(self, lens: Lens, share: float | None = None) -> "Sample":
        """Return the same spans with requests made from theirs.

        ``share`` is the number of new requests for each old one, if it is known; else they are
        counted.
        """
        chunks: Callable[[int], Iterable[Chunk]] = partial(_apply_lens, self.chunks, lens)
        if not self.is_whole:
            # Spans are small enough to apply the lens once and keep the result.
            chunks = partial(_skip_chunks, list(chunks(0)))
        changed = replace(self, chunks=chunks)
        if share is None:
            share = changed.rows() / max(1.0, self.rows())
        return replace(changed, requests_per_month=self.requests_per_month * share)

    def with_requests(self, table: RequestTable, share: float) -> "Sample":
        """Return the same spans with other requests, in number a share of the present ones."""
        return replace(
            self,
            chunks=as_chunks(table, self.end_s),
            requests_per_month=self.requests_per_month * share,
        )


@dataclass(frozen=True, slots=True)
class Need:
    """Requirements on a sample by which an option is judged."""

    lifetime_s: float = 0.0
    """Lifetime of the cache entries that the option's calls may find, at least ``LEAST_WARM_UP_S``
    [s]; 0 if the option makes nothing but calls."""
    replicas: int = 0
    """Fewest own replicas that are busy at this volume; 0: no own replicas."""


def whole_horizon_sample(study: Study, volume: float, scale: float = 1.0) -> Sample:
    """Return the whole horizon at a volume; ``scale`` is the simulated share or multiple of it."""
    source = study.traffic
    begin_s, end_s = study.effort.warm_up_s, source.horizon_s
    edges_s = np.linspace(begin_s, end_s, BATCHES + 1)
    # From two days on, the same hours of neighbouring days differ only by chance, so such parts are
    # made neighbours in the order in which differences are taken.
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
        _count_left_out(study, volume, scale),
    )


def _count_left_out(study: Study, volume: float, scale: float) -> NDArray[np.float64]:
    """Return the number of requests that a scaled horizon leaves out up to each hour. (n, 2)"""
    if scale >= 1.0:
        return np.zeros((0, 2))
    load = study.traffic.hourly_load()
    rate = study.traffic.requests_per_s * volume * (1.0 - scale)
    cumulative = np.append(0.0, np.cumsum(load)) / max(float(load.mean()), 1e-300) * rate * HOUR_S
    return np.column_stack([np.arange(len(cumulative)) * HOUR_S, cumulative])


def span_sample(study: Study, begin_s: float, end_s: float, history_s: float) -> Sample:
    """Return one span of the horizon at today's volume, with a warm-up before it."""
    simulated = np.array([[max(0.0, begin_s - LEAST_WARM_UP_S), end_s]])
    table = study.traffic.draw_spans(study.seed, 1.0, simulated, history_s, same=True)
    return Sample(
        as_chunks(table, end_s),
        end_s,
        np.array([[begin_s, end_s]]),
        np.array([study.traffic.horizon_s / (end_s - begin_s)]),
        np.array([(end_s - begin_s) / study.traffic.horizon_s]),
        np.zeros(1),
        study.traffic.requests_per_s * MONTH_S,
    )


def lifetime_s(option: Option) -> float:
    """Return the longest lifetime of cache entries of an option's calls [s]."""
    apis = [part.api for part in option.parts if part.api is not None]
    caches = [endpoint.cache for api in apis for endpoint in api.endpoints]
    return max((cache.ttl_s for cache in caches if cache.caches), default=0.0)


def _whole(study: Study, volume: float) -> Callable[[int], Iterable[Chunk]]:
    source = study.traffic
    # Requests arrive, uncounted, until the last deadline has passed: batch work that is still
    # queued must find the idle capacity of an ordinary day.
    end_s = source.horizon_s + source.longest_deadline_s
    if source.requests_per_s * volume * end_s <= KEPT_REQUESTS:
        return as_chunks(source.draw(study.seed, volume, 0.0, end_s), end_s)
    return partial(source.chunks, study.seed, volume, KEPT_REQUESTS, end_s)


def _apply_lens(
    chunks: Callable[[int], Iterable[Chunk]], lens: Lens, skipped: int
) -> Iterable[Chunk]:
    return ((lens(table), end_s) for table, end_s in chunks(skipped))


def _skip_chunks(chunks: list[Chunk], skipped: int) -> Iterable[Chunk]:
    """Return chunks held in memory, without a number of chunks at the start."""
    return chunks[skipped:]


def as_chunks(table: RequestTable, end_s: float) -> Callable[[int], Iterable[Chunk]]:
    """Return a table of requests as the chunks of a sample."""
    return partial(_skip_chunks, [(table, end_s)])
