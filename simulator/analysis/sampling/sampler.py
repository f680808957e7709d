"""The sampler: it chooses the whole horizon, or spans of it, for simulation.

A large volume can be judged without simulating a whole week. The load of every ten minutes is known
before any request is drawn. Spans are taken along the ranks of the load, each with a probability
proportional to its requests; for fleets, the busiest spans have higher probabilities, since
requests miss their targets there first. The very busiest are always taken. A span is simulated with
enough traffic before it that queues, sessions and the caches of replicas are in their usual state
(functional warming, as in Wunderlich et al. 2003, SMARTS), and only its own arrivals count, with
the inverse of its probability as weight. The effect of requests that are left out on the caches of
providers is drawn; see ``unsimulated``. Large fleets and calls are simulated at a scale: a share
of the traffic on the same share of the replicas, limits and budgets.

If an option has outages, budgets, autoscaling, failures or batch work, or overflows to an API whose
cache entries live for longer than an hour, spans do not represent the rest of the horizon, and all
of it is simulated.
"""

import math
from dataclasses import dataclass, replace
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from simulator.analysis.sampling.design import Design, draw_along, inclusion_chances
from simulator.analysis.sampling.sample import (
    LEAST_WARM_UP_S,
    Need,
    Sample,
    as_chunks,
    whole_horizon_sample,
)
from simulator.analysis.study.study import Study
from simulator.rng import stream
from simulator.traffic.source import BLOCK_S, GeneratedTraffic, TrafficSource
from simulator.traffic.spans import NOMINAL_S, NOMINAL_TOKEN_S, merged, span_of, thinned
from simulator.traffic.table import RequestTable
from simulator.units import HOUR_S, MINUTE_S, MONTH_S

PREVIEW_REQUESTS = 4000
"""Number of requests in the preview, from which durations of sessions and answers are taken."""
LEAST_HISTORY_S, MOST_HISTORY_S = 10 * MINUTE_S, 48 * HOUR_S
"""Bounds of the time before a span in which sessions may begin that continue in it."""
COVERED = 0.998
"""Share of prompt tokens whose turns come within the history after their session began."""
LEAST_TAIL_S, MOST_TAIL_S = MINUTE_S, 30 * MINUTE_S
"""Bounds of the time after a span in which its requests finish."""
CALLS_WARM_UP_S = 2 * MINUTE_S
"""Warm-up before a span of an option that makes nothing but calls; see ``unsimulated``."""
MORE_SPANS = 2
"""Multiple of the number of spans for options that make nothing but calls: they need hardly any
warm-up."""
PEAK_WARM_UP_S = HOUR_S / 2
"""Warm-up before a busy span, whose queue may have grown for a while."""
LONGEST_LIFETIME_S = HOUR_S
"""Longest lifetime of cache entries for which a span can be warmed up."""
PEAK_POWER = 2
"""Power of the relative load in the probability of a fleet's spans: at twice the mean load, a span
is three times as probable as at the mean."""
FEWEST_REPLICAS = 2
"""Fewest busy replicas of a scaled fleet, which then has two or three times as many: fewer replicas
share their load clearly worse."""
WHOLE_TIMES = 2
"""Multiple of the affordable requests up to which the whole horizon is simulated."""
MOST_WHOLE = 6_000_000
"""Number of requests up to which a horizon that cannot be sampled is simulated at full scale."""
MORE_WORK = 2
"""Multiple of the affordable requests that a busy fleet may take."""
MOST_KEPT = 4
"""Number of whole horizons kept in memory, for the options of one volume."""
FEW_PER_S = 2.0
"""Requests per second below which a span has exactly the whole horizon's requests: with few
requests, redrawing them changes the figures."""
FEW_REQUESTS = 300
"""Expected number of requests in the horizon, below which a larger volume is simulated instead."""
_PACES = (1.0, 0.5, 0.25)
"""Factors on all durations of a span, tried from the largest to the smallest."""


class Sampler:
    """Draws the samples of one study at any volume.

    The requests of spans are drawn for the next power of two and thinned to the requested volume,
    so that a larger volume contains a smaller one and little is drawn twice. Safe in several
    threads.
    """

    def __init__(self, study: Study, careful: bool = False) -> None:
        self.study = study
        self.careful = careful
        """Whether these samples settle sizes and costs, and are larger therefore."""
        self.requests = study.effort.sample_requests * (study.effort.careful if careful else 1)
        """Number of requests that one simulation of a sample may take."""
        self.spans = study.effort.spans * (2 if careful else 1)
        self.margins = _measure_margins(study)
        """Time simulated around the counted time of every span."""
        self.load = _take_preview(study).load
        """Relative load of each whole block of the horizon. (blocks,)"""
        self._reason = _whole_horizon_reason(study)
        """Reason why spans cannot represent the horizon; None: they can."""
        self._designs: dict[tuple[bool, float, float], Design] = {}
        self._tables: dict[tuple[bool, float, float, float, bool], RequestTable] = {}
        self._whole: dict[float, Sample] = {}
        self._lock = Lock()

    def sample(self, volume: float, need: Need) -> Sample:
        """Return the requests by which an option is judged at a volume."""
        study, source = self.study, self.study.traffic
        expected = source.requests_per_s * volume * source.horizon_s
        if expected <= WHOLE_TIMES * self.requests:
            # If by chance no request arrived, the cost would be zero, which is wrong.
            is_small = isinstance(source, GeneratedTraffic) and expected < FEW_REQUESTS
            scale = FEW_REQUESTS / expected if is_small else 1.0
            with self._lock:
                if volume not in self._whole:
                    self._whole[volume] = whole_horizon_sample(study, volume, scale)
                    if len(self._whole) > MOST_KEPT:
                        del self._whole[next(iter(self._whole))]
                return self._whole[volume]
        reason = self._reason
        if need.replicas and need.lifetime_s > LONGEST_LIFETIME_S:
            hours = need.lifetime_s / HOUR_S
            reason = (
                "cache entries outlive the day"
                if math.isinf(hours)
                else (f"cache entries live for {hours:.0f} hours")
            )
        if reason is not None:
            scale = min(1.0, MOST_WHOLE / expected)
            return replace(whole_horizon_sample(study, volume, scale), why_whole=reason)
        return self._spans(volume, need)

    def whole(self, volume: float, need: Need) -> Sample:
        """Return the whole horizon at the smallest scale at which a fleet can be judged."""
        least = min(1.0, FEWEST_REPLICAS / need.replicas) if need.replicas else 1.0
        source = self.study.traffic
        expected = source.requests_per_s * volume * source.horizon_s
        return whole_horizon_sample(self.study, volume, min(least, MOST_WHOLE / expected))

    def _spans(self, volume: float, need: Need) -> Sample:
        """Take spans along the load, as long and at as large a scale as the effort allows."""
        smallest = min(1.0, FEWEST_REPLICAS / need.replicas) if need.replicas else 0.0
        for pace in _PACES:
            key = (need.replicas > 0, need.lifetime_s, pace)
            if key not in self._designs:
                self._designs[key] = self._design(need, pace)
            design = self._designs[key]
            rows = self._rows(design, volume)
            scale = min(1.0, self.requests / rows)
            if scale >= smallest:
                break
        else:
            # Its replicas are so busy that fewer of them must suffice.
            scale = max(scale, min(smallest, MORE_WORK * scale), min(1.0, 1 / need.replicas))
        if design.fraction >= 0.5:
            return whole_horizon_sample(self.study, volume, min(1.0, max(scale, smallest)))
        return self._draw_sample(design, key, volume, scale)

    def _design(self, need: Need, pace: float) -> Design:
        """Choose the spans for options with some need."""
        margins = self.margins
        # A fleet decides which requests overflow, so the contents of the API's cache are known only
        # while requests are simulated.
        warm_s = need.lifetime_s if need.replicas else CALLS_WARM_UP_S
        counted = max(1, round(warm_s / (2 * BLOCK_S))) if pace == 1.0 else 1
        cells = len(self.load) // counted
        load = self.load[: cells * counted].reshape(cells, counted).mean(1)
        relative = load / load.mean()
        # Costs are sums over all requests; a fleet's misses come with the peaks.
        size = relative + relative**PEAK_POWER if need.replicas else relative
        chance = inclusion_chances(size, self.spans * (1 if need.replicas else MORE_SPANS))
        cell, chance = draw_along(load, chance, stream(self.study.seed, "spans").random())
        length_s = counted * BLOCK_S
        counted_s = length_s if pace == 1.0 else max(pace * length_s, 30.0)
        begin_s = cell * length_s + (length_s - counted_s) / 2
        warm_up_s = max(PEAK_WARM_UP_S, warm_s) if need.replicas else warm_s
        before_s = np.where(relative[cell] > 1.0, warm_up_s, warm_s) * pace
        counted_spans = np.column_stack([begin_s, begin_s + counted_s])
        last_s = self.study.traffic.horizon_s
        simulated = np.column_stack(
            [
                np.maximum(0.0, begin_s - before_s),
                np.minimum(counted_spans[:, 1] + margins.tail_s, last_s),
            ]
        )
        share = counted_s / length_s
        return Design(
            counted_spans,
            merged(simulated),
            1 / (chance * share),
            chance * share,
            load[cell],
            last_s,
        )

    def _rows(self, design: Design, volume: float) -> float:
        """Return the expected number of requests of the simulated spans at full scale."""
        source = self.study.traffic
        edges = np.append(0.0, np.cumsum(self.load)) / max(float(self.load.mean()), 1e-300)
        times = np.arange(len(edges)) * BLOCK_S
        cumulative = np.interp(design.simulated_s, times, edges * BLOCK_S)
        return float(source.requests_per_s * volume * (cumulative[:, 1] - cumulative[:, 0]).sum())

    def _draw_sample(
        self, design: Design, key: tuple[bool, float, float], volume: float, scale: float
    ) -> Sample:
        """Draw the requests of a design's spans, as a sample."""
        study = self.study
        table = self._table(design, key, volume * scale)
        end_s = float(design.simulated_s[-1, 1])
        # Sessions that are cut short bring fewer requests than their rate implies.
        real = table.size / max(1.0, self._rows(design, volume) * scale)
        return Sample(
            as_chunks(table, end_s),
            end_s,
            design.counted_s,
            design.weight,
            design.chance,
            design.load,
            study.traffic.requests_per_s * volume * MONTH_S,
            scale,
            self._count_left_out(design, volume * real, scale, everywhere=not key[0]),
        )

    def _table(self, design: Design, key: tuple[bool, float, float], volume: float) -> RequestTable:
        """Return the requests of a design's spans at a volume."""
        source = self.study.traffic
        same = volume * source.requests_per_s < FEW_PER_S
        power = 2.0 ** math.ceil(math.log2(volume))
        key_at_power = (*key, power, same)
        with self._lock:
            if key_at_power not in self._tables:
                self._tables[key_at_power] = source.draw_spans(
                    self.study.seed, power, design.simulated_s, self.margins.history_s, same
                )
        return thinned(self._tables[key_at_power], volume)

    def _count_left_out(
        self, design: Design, volume: float, scale: float, everywhere: bool
    ) -> NDArray[np.float64]:
        """Return the number of requests left out up to each time. (n, 2)

        They are counted in the simulated spans alone, or everywhere.
        """
        edges_s = np.arange(len(self.load) + 1) * BLOCK_S
        cumulative = np.append(0.0, np.cumsum(self.load)) / float(self.load.sum())
        cumulative *= self.study.traffic.requests_per_s * volume * edges_s[-1]
        times_s = np.unique(np.concatenate([edges_s, design.simulated_s.ravel()]))
        more = np.diff(np.interp(times_s, edges_s, cumulative))
        inside = span_of((times_s[1:] + times_s[:-1]) / 2, design.simulated_s) >= 0
        share_left = np.where(inside, 1.0 - scale, 1.0 if everywhere else 0.0)
        return np.column_stack([times_s, np.append(0.0, np.cumsum(more * share_left))])


def _whole_horizon_reason(study: Study) -> str | None:
    """Return what an option depends on other than the recent past, if anything."""
    parts = [part for option in study.options for part in option.parts]
    apis = [part.api for part in parts if part.api is not None]
    endpoints = [endpoint for api in apis for endpoint in api.endpoints]
    gateways = [gateway for api in apis for gateway in api.gateways]
    budgets = [
        *(budget for endpoint in endpoints for budget in endpoint.budgets),
        *(gateway.budget for gateway in gateways),
        *(target.budget for gateway in gateways for target in gateway.targets),
    ]
    fleets = [part.own.fleet for part in parts if part.own is not None]
    defers = any(fleet.deferred_in_flight for fleet in fleets)
    reasons = {
        "outages": any(endpoint.outages_s for endpoint in endpoints),
        "budgets": any(b is not None and b.period_s > LEAST_WARM_UP_S for b in budgets),
        "autoscaling": any(fleet.autoscaler for fleet in fleets),
        "interruptions": any(fleet.interruptions for fleet in fleets),
        "rollouts": any(fleet.rollout for fleet in fleets),
        "rebalancing": any(part.rebalances for part in parts),
        "deferred work": defers and study.traffic.longest_deadline_s > LEAST_WARM_UP_S,
    }
    holding = [reason for reason, holds in reasons.items() if holds]
    return ", ".join(holding) or None


@dataclass(frozen=True, slots=True)
class _Margins:
    """Time that belongs to a span in addition to its counted time."""

    history_s: float
    """Time before a span in which sessions may have begun that continue in it [s]."""
    tail_s: float
    """Time after a span in which its requests finish, under the traffic that follows them [s]."""


def _measure_margins(study: Study) -> _Margins:
    """Return times that cover nearly all sessions and answers of the preview."""
    table = preview_requests(study)
    if not table.size:
        return _Margins(0.0, LEAST_TAIL_S)
    since_s = table.due_s(NOMINAL_S, NOMINAL_TOKEN_S) - table.session_starts_s()
    answer_s = NOMINAL_S + 2 * NOMINAL_TOKEN_S * table.completion_tokens
    tail_s = max(float(np.quantile(answer_s, 0.99)), study.slo.e2e_s or 0.0)
    return _Margins(
        min(max(_covering_age_s(since_s, table.input_tokens), LEAST_HISTORY_S), MOST_HISTORY_S),
        min(max(tail_s, LEAST_TAIL_S), MOST_TAIL_S),
    )


def _covering_age_s(since_s: NDArray[np.float64], tokens: NDArray[np.int32]) -> float:
    """Return the age of a session by which nearly all prompt tokens have come.

    Later turns have the longer prompts.
    """
    order = np.argsort(since_s)
    cumulative = np.cumsum(tokens[order], dtype=np.float64)
    return float(since_s[order][np.searchsorted(cumulative, COVERED * cumulative[-1])])


@dataclass(frozen=True, slots=True)
class _Preview:
    """Facts about a traffic at any volume."""

    source: TrafficSource
    seed: int
    table: RequestTable
    """A few thousand requests of its first hours, at the volume that yields them."""
    load: NDArray[np.float64]
    """Relative load of each whole block of the horizon. (blocks,)"""


_latest: list[_Preview] = []
"""The latest preview, shared by the samplers of one study."""


def _take_preview(study: Study) -> _Preview:
    source, seed = study.traffic, study.seed
    for preview in _latest:
        if preview.source is source and preview.seed == seed:
            return preview
    span_s = min(6 * HOUR_S, source.horizon_s)
    table = source.draw(seed, PREVIEW_REQUESTS / (source.requests_per_s * span_s), 0.0, span_s)
    block_count = max(1, int(source.horizon_s // BLOCK_S))
    preview = _Preview(source, seed, table, source.block_load(seed)[:block_count])
    _latest[:] = [preview]
    return preview


def preview_requests(study: Study) -> RequestTable:
    """Return a few thousand requests of the first hours, at the volume that yields them."""
    return _take_preview(study).table
