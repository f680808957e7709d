"""Which requests are simulated: all of the horizon, or spans of it at their own times.

A large volume needs no whole week to be known. The load of every ten minutes is known without
drawing a request. Ten-minute blocks are ranked by it, and spans are taken evenly along the ranks:
of fleets, half of them from the busiest eighth, where requests miss their targets first. A span is
simulated with enough traffic before it that caches, queues and sessions are as they would be
(functional warming, as in Wunderlich et al. 2003, SMARTS), and only its own arrivals count, as many
times as there are blocks that it stands for. Large fleets and calls are simulated at a scale: a
share of the traffic on the same share of the replicas, limits and budgets.

Where an option has outages, budgets, autoscaling, failures, deferred work or cache entries that
live for longer than an hour, no span can stand for the rest, and the whole horizon is simulated.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from simulator.analysis.study import (
    HybridOption,
    Option,
    Study,
    api_part,
    self_hosted_part,
    single_options,
)
from simulator.engine.run import Chunk
from simulator.rng import stream
from simulator.traffic.source import BLOCK_S
from simulator.traffic.spans import NOMINAL_S, NOMINAL_TOKEN_S, Spans, merged, span_of
from simulator.traffic.table import RequestTable
from simulator.units import DAY_S, HOUR_S, MINUTE_S, MONTH_S

Lens = Callable[[RequestTable], RequestTable]
"""What an option sees of the traffic: some of it, or calls that are made in its place."""

LOOKED_AT = 4000
"""Requests that tell how long sessions and answers take."""
LEAST_HISTORY_S, MOST_HISTORY_S = HOUR_S, 24 * HOUR_S
LEAST_TAIL_S, MOST_TAIL_S = MINUTE_S, 30 * MINUTE_S
LEAST_WARM_UP_S = 10 * MINUTE_S
"""Fills replicas before a counted span."""
PEAK_WARM_UP_S = HOUR_S
"""Before a busy one, where a queue may have grown for a while."""
LONGEST_LIFETIME_S = HOUR_S
"""Of cache entries that a span can be warmed up with."""
PEAK_SHARE, BUSY_SHARE = 1 / 8, 3 / 8
"""Of the blocks, the busiest ones that have half of a fleet's spans, and up to where the next
quarter of them lies."""
FEWEST_REPLICAS = 8
"""Of a fleet that is simulated at a scale: fewer share their load clearly worse."""
WHOLE_TIMES = 2
"""The whole horizon is simulated where it has no more than so many times the affordable requests."""
MOST_WHOLE = 6_000_000
"""Requests of a whole horizon that no span can stand for; more are simulated at a scale."""
KEPT_REQUESTS = 500_000
"""A whole horizon with more is drawn anew, chunk by chunk, for every simulation."""
FEW_REQUESTS = 300
"""Expected in the horizon, below which a larger volume is simulated in its place."""
BATCHES = 28
"""Equal parts of a whole horizon whose differences tell how far another week may differ."""
_PACES = (1.0, 0.5, 0.25, 0.1, 0.05)
"""Factors of all durations of a span, tried from the longest on."""


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
    stratum: NDArray[np.int64]
    """Spans of one stratum were taken evenly along ``load``; of a whole horizon they are its equal
    parts. (n,)"""
    load: NDArray[np.float64]
    """Relative load of each span; of a whole horizon, its time. (n,)"""
    covered: NDArray[np.float64]
    """Share of a span's stratum that is counted. (n,)"""
    requests_per_month: float
    """Known mean volume, to which counts of requests, and with them bills, are scaled."""
    scale: float = 1.0
    """Share of the traffic that is simulated, on as large a share of everything that serves it."""
    why_whole: str | None = None
    """What no span could stand for, where that is why the whole horizon is simulated."""

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

    def seen(self, lens: Lens) -> "Sample":
        """Return the same spans with requests made from theirs."""
        chunks: Callable[[int], Iterable[Chunk]] = partial(_through, self.chunks, lens)
        if not self.is_whole:
            # Spans are small; drawn once, they are seen once.
            chunks = partial(_from, list(chunks(0)))
        changed = replace(self, chunks=chunks)
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
    """Of the cache entries that its calls may find [s]."""
    replicas: int = 0
    """Least replicas of its own that are busy at this volume; 0: none."""


class Sampler:
    """Draws the samples of one study; each is drawn once."""

    def __init__(self, study: Study, careful: bool = False) -> None:
        self.study = study
        self.requests = study.effort.sample_requests * (study.effort.careful if careful else 1)
        """That one simulation of a sample may take."""
        self.spans = study.effort.spans * (2 if careful else 1)
        self._around: _Around | None = None
        self._load: NDArray[np.float64] | None = None
        self._why = _remembers(study)

    def sample(self, volume: float, need: Need) -> Sample:
        """Return the requests by which an option is judged at a volume."""
        study, source = self.study, self.study.traffic
        expected = source.requests_per_s * volume * source.horizon_s
        if expected <= WHOLE_TIMES * self.requests:
            return sample_of(study, volume)
        why = self._why
        if need.lifetime_s > LONGEST_LIFETIME_S:
            hours = need.lifetime_s / HOUR_S
            why = "cache entries outlive the day" if math.isinf(hours) else (
                f"cache entries live for {hours:.0f} hours"
            )
        if why is not None:
            return replace(sample_of(study, volume, MOST_WHOLE / expected), why_whole=why)
        return self._spans(volume, need)

    @property
    def around(self) -> "_Around":
        """What belongs to a span besides its counted time."""
        if self._around is None:
            self._around = _around(self.study)
        return self._around

    @property
    def load(self) -> NDArray[np.float64]:
        """Relative load of each whole block of the horizon. (blocks,)"""
        if self._load is None:
            whole = max(1, int(self.study.traffic.horizon_s // BLOCK_S))
            self._load = self.study.traffic.block_load(self.study.seed)[:whole]
        return self._load

    def _spans(self, volume: float, need: Need) -> Sample:
        """Take spans along the load, as long and at as large a scale as can be afforded."""
        least = min(1.0, FEWEST_REPLICAS / need.replicas) if need.replicas else 0.0
        for pace in _PACES:
            design = self._design(need, pace)
            rows = self._rows(design, volume)
            scale = min(1.0, self.requests / rows)
            if scale >= least:
                break
        else:
            # So busy are its replicas that a few of them must do.
            scale = max(scale, min(least, 4 * scale))
        if design.fraction >= 0.5:
            return sample_of(self.study, volume, min(1.0, max(scale, least)))
        return self._drawn(design, volume, scale)

    def _design(self, need: Need, pace: float) -> "_Design":
        around = self.around
        warm_s = max(LEAST_WARM_UP_S, need.lifetime_s)
        counted = max(1, round(warm_s / (2 * BLOCK_S))) if pace == 1.0 else 1
        cells = len(self.load) // counted
        load = self.load[: cells * counted].reshape(cells, counted).mean(1)
        ranked = np.argsort(load, kind="stable")
        count = self.spans
        if need.replicas:
            peak, busy = (max(1, round(share * cells)) for share in (PEAK_SHARE, BUSY_SHARE))
            strata = [ranked[-peak:], ranked[-busy:-peak], ranked[:-busy]]
            wanted = [count // 2, count // 4, count - count // 2 - count // 4]
        else:
            strata, wanted = [ranked], [count]
        rng = stream(self.study.seed, "spans")
        chosen, weight, stratum, covered = [], [], [], []
        length_s = counted * BLOCK_S
        counted_s = length_s if pace == 1.0 else max(pace * length_s, 30.0)
        for number, (places, many) in enumerate(zip(strata, wanted, strict=True)):
            if not len(places):
                continue
            many = min(many, len(places))
            # One from each of equally long runs of ranks, at a place drawn once for all of them.
            at = ((np.arange(many) + rng.random()) * len(places) / many).astype(int)
            chosen.append(places[at])
            weight.append(np.full(many, len(places) / many * length_s / counted_s))
            stratum.append(np.full(many, number))
            covered.append(np.full(many, many / len(places) * counted_s / length_s))
        cell = np.concatenate(chosen)
        order = np.argsort(cell)
        cell = cell[order]
        begin_s = cell * length_s + (length_s - counted_s) / 2
        strata_at = np.concatenate(stratum)[order]
        peaks = (strata_at == 0) if need.replicas else np.zeros(len(cell), np.bool_)
        before_s = np.where(peaks, max(PEAK_WARM_UP_S, warm_s), warm_s) * pace
        counted_spans = np.column_stack([begin_s, begin_s + counted_s])
        last_s = self.study.traffic.horizon_s
        simulated = np.column_stack(
            [
                np.maximum(0.0, begin_s - before_s),
                np.minimum(counted_spans[:, 1] + around.tail_s, last_s),
            ]
        )
        return _Design(
            counted_spans,
            merged(simulated),
            np.concatenate(weight)[order],
            strata_at,
            load[cell],
            np.concatenate(covered)[order],
            last_s,
        )

    def _rows(self, design: "_Design", volume: float) -> float:
        """Expected requests of the simulated spans at full scale."""
        source = self.study.traffic
        edges = np.append(0.0, np.cumsum(self.load)) / max(float(self.load.mean()), 1e-300)
        times = np.arange(len(edges)) * BLOCK_S
        upto = np.interp(design.simulated_s, times, edges * BLOCK_S)
        return float(source.requests_per_s * volume * (upto[:, 1] - upto[:, 0]).sum())

    def _drawn(self, design: "_Design", volume: float, scale: float) -> Sample:
        study = self.study
        table = study.traffic.draw_spans(
            study.seed, volume * scale, design.simulated_s, self.around.history_s
        )
        end_s = float(design.simulated_s[-1, 1])
        return Sample(
            kept(table, end_s),
            end_s,
            design.counted_s,
            design.weight,
            design.stratum,
            design.load,
            design.covered,
            study.traffic.requests_per_s * volume * MONTH_S,
            scale,
        )


@dataclass(frozen=True, slots=True)
class _Design:
    """Where spans lie, before anything is drawn; columns as those of ``Sample``."""

    counted_s: Spans
    simulated_s: Spans
    weight: NDArray[np.float64]
    stratum: NDArray[np.int64]
    load: NDArray[np.float64]
    covered: NDArray[np.float64]
    horizon_s: float

    @property
    def fraction(self) -> float:
        """Share of the horizon that is simulated."""
        return float((self.simulated_s[:, 1] - self.simulated_s[:, 0]).sum()) / self.horizon_s


def sample_of(study: Study, volume: float, scale: float = 1.0) -> Sample:
    """Return the whole horizon at a volume, as a sample.

    Of a volume that brings hardly any request a larger one is simulated: a cost of nothing, because
    nothing happened to arrive, would be wrong.
    """
    source = study.traffic
    expected = source.requests_per_s * volume * source.horizon_s
    scale = max(min(1.0, scale), FEW_REQUESTS / expected)
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
        np.zeros(BATCHES, np.int64),
        hour_s + middles_s,
        np.ones(BATCHES),
        source.requests_per_s * volume * MONTH_S,
        scale,
    )


def span_sample(study: Study, begin_s: float, end_s: float, sampler: Sampler) -> Sample:
    """Return one span of the horizon at today's volume, with a warm-up before it."""
    simulated = np.array([[max(0.0, begin_s - LEAST_WARM_UP_S), end_s]])
    table = study.traffic.draw_spans(study.seed, 1.0, simulated, sampler.around.history_s)
    return Sample(
        kept(table, end_s),
        end_s,
        np.array([[begin_s, end_s]]),
        np.array([study.traffic.horizon_s / (end_s - begin_s)]),
        np.zeros(1, np.int64),
        np.zeros(1),
        np.ones(1),
        study.traffic.requests_per_s * MONTH_S,
    )


def lifetime_s(option: Option) -> float:
    """Return how long cache entries of an option's calls live at most [s]."""
    apis = [api for api in map(api_part, single_options(option)) if api is not None]
    caches = [endpoint.cache for api in apis for endpoint in api.endpoints]
    return max((c.ttl_s for c in caches if c.rule != "none"), default=0.0)


def _remembers(study: Study) -> str | None:
    """Say what an option depends on besides the time shortly before, if anything."""
    single = [s for option in study.options for s in single_options(option)]
    apis = [api for api in map(api_part, single) if api is not None]
    endpoints = [endpoint for api in apis for endpoint in api.endpoints]
    gateways = [gateway for api in apis for gateway in api.gateways]
    budgets = [
        *(endpoint.budget for endpoint in endpoints),
        *(gateway.budget for gateway in gateways),
        *(target.budget for gateway in gateways for target in gateway.targets),
    ]
    fleets = [own.fleet for own in map(self_hosted_part, single) if own is not None]
    defers = any(fleet.deferred_in_flight for fleet in fleets)
    reasons = {
        "outages": any(endpoint.outages_s for endpoint in endpoints),
        "budgets": any(b is not None and b.period_s > LEAST_WARM_UP_S for b in budgets),
        "autoscaling": any(fleet.autoscaler for fleet in fleets),
        "interruptions": any(fleet.interruptions for fleet in fleets),
        "rollouts": any(fleet.rollout for fleet in fleets),
        "rebalancing": any(isinstance(o, HybridOption) and o.rebalancing for o in single),
        "deferred work": defers and study.traffic.longest_deadline_s > LEAST_WARM_UP_S,
    }
    found = [reason for reason, holds in reasons.items() if holds]
    return ", ".join(found) or None


@dataclass(frozen=True, slots=True)
class _Around:
    """What belongs to a span besides its counted time."""

    history_s: float
    """Sessions that began within it before the span may still go on in it."""
    tail_s: float
    """Lets the counted requests finish under the traffic that follows them."""


def _around(study: Study) -> _Around:
    """As long as nearly all sessions, and nearly all answers, of a look at the traffic take."""
    table = looked_at(study)
    if not table.size:
        return _Around(0.0, LEAST_TAIL_S)
    since_s = table.due_s(NOMINAL_S, NOMINAL_TOKEN_S) - table.session_starts_s()
    answer_s = NOMINAL_S + 2 * NOMINAL_TOKEN_S * table.completion_tokens
    tail_s = max(float(np.quantile(answer_s, 0.99)), study.slo.e2e_s or 0.0)
    return _Around(
        min(max(float(np.quantile(since_s, 0.995)), LEAST_HISTORY_S), MOST_HISTORY_S),
        min(max(tail_s, LEAST_TAIL_S), MOST_TAIL_S),
    )


def looked_at(study: Study) -> RequestTable:
    """Return a few thousand requests, at whatever volume has them in its first hours."""
    source = study.traffic
    span_s = min(6 * HOUR_S, source.horizon_s)
    return source.draw(study.seed, LOOKED_AT / (source.requests_per_s * span_s), 0.0, span_s)


def _whole(study: Study, volume: float) -> Callable[[int], Iterable[Chunk]]:
    source = study.traffic
    # Traffic goes on until the last deadline has passed, uncounted: what waits for idle capacity
    # must find that of an ordinary day.
    end_s = source.horizon_s + source.longest_deadline_s
    if source.requests_per_s * volume * end_s <= KEPT_REQUESTS:
        return kept(source.draw(study.seed, volume, 0.0, end_s), end_s)
    return partial(source.chunks, study.seed, volume, KEPT_REQUESTS, end_s)


def _through(
    chunks: Callable[[int], Iterable[Chunk]], lens: Lens, begun: int
) -> Iterable[Chunk]:
    return ((lens(table), end_s) for table, end_s in chunks(begun))


def _from(chunks: list[Chunk], begun: int) -> Iterable[Chunk]:
    """Chunks that were drawn once and stay, behind the first so many."""
    return chunks[begun:]


def kept(table: RequestTable, end_s: float) -> Callable[[int], Iterable[Chunk]]:
    """Return traffic that was drawn once and stays, as a sample's chunks."""
    return partial(_from, [(table, end_s)])
