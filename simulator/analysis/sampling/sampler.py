"""Which requests are simulated: all of the horizon, or spans of it at their own times.

A large volume needs no whole week to be known. The load of every ten minutes is known without
drawing a request. Spans are taken along the ranks of the load, each with a chance in proportion to
its requests; of fleets, the busiest ones more often still, since requests miss their targets there
first. The very busiest are always taken. A span is simulated with enough traffic before it that
queues, sessions and the caches of replicas are as they would be (functional warming, as in
Wunderlich et al. 2003, SMARTS), and only its own arrivals count, as often as its chance says. What
requests that are left out do to the caches of providers is drawn; see ``unsimulated``. Large
fleets and calls are simulated at a scale: a share of the traffic on the same share of the replicas,
limits and budgets.

Where an option has outages, budgets, autoscaling, failures or deferred work, or spills to an API
whose cache entries live for longer than an hour, spans do not represent the rest of the horizon,
and all of it is simulated.
"""

import math
from dataclasses import dataclass, replace
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from simulator.analysis.sampling.design import Design, chances, drawn_along
from simulator.analysis.sampling.sample import LEAST_WARM_UP_S, Need, Sample, kept, sample_of
from simulator.analysis.study.study import Study
from simulator.rng import stream
from simulator.traffic.source import BLOCK_S, GeneratedTraffic, TrafficSource
from simulator.traffic.spans import NOMINAL_S, NOMINAL_TOKEN_S, merged, span_of, thinned
from simulator.traffic.table import RequestTable
from simulator.units import HOUR_S, MINUTE_S, MONTH_S

LOOKED_AT = 4000
"""Requests that tell how long sessions and answers take."""
LEAST_HISTORY_S, MOST_HISTORY_S = 10 * MINUTE_S, 48 * HOUR_S
COVERED = 0.998
"""Share of prompt tokens that sessions which are under way at a span's beginning may bring."""
LEAST_TAIL_S, MOST_TAIL_S = MINUTE_S, 30 * MINUTE_S
CALLS_WARM_UP_S = 2 * MINUTE_S
"""Lets calls begin before a span where nothing but calls is made; see ``unsimulated``."""
MORE_SPANS = 2
"""Times as many spans where nothing but calls is made: they need hardly any warm-up."""
PEAK_WARM_UP_S = HOUR_S / 2
"""Before a busy one, where a queue may have grown for a while."""
LONGEST_LIFETIME_S = HOUR_S
"""Of cache entries that a span can be warmed up with."""
PEAK_POWER = 2
"""Of the load with which spans of a fleet are taken: where it is twice the mean, three times as
often as there."""
FEWEST_REPLICAS = 2
"""That must be busy in a fleet that is simulated at a scale, which has two or three times as many:
fewer share their load clearly worse."""
WHOLE_TIMES = 2
"""Multiple of the affordable requests up to which the whole horizon is simulated."""
MOST_WHOLE = 6_000_000
"""Requests up to which a horizon that cannot be sampled is simulated at full scale."""
MORE_WORK = 2
"""Times the affordable requests that a busy fleet may take."""
MOST_KEPT = 4
"""Whole horizons that are kept, for the options of one volume."""
FEW_PER_S = 2.0
"""Requests per second below which a span has the whole horizon's own requests: of few, luck
matters."""
FEW_REQUESTS = 300
"""Expected in the horizon, below which a larger volume is simulated in its place."""
_PACES = (1.0, 0.5, 0.25)
"""Factors of all durations of a span, tried from the longest on."""


class Sampler:
    """Draws the samples of one study at any volume.

    The requests of spans are drawn for the next power of two and thinned to the volume that is
    asked for, so that a larger volume contains a smaller one and little is drawn twice. Safe in
    several threads.
    """

    def __init__(self, study: Study, careful: bool = False) -> None:
        self.study = study
        self.careful = careful
        """Whether sizes and costs are settled by its samples."""
        self.requests = study.effort.sample_requests * (study.effort.careful if careful else 1)
        """That one simulation of a sample may take."""
        self.spans = study.effort.spans * (2 if careful else 1)
        self.around = _around(study)
        self.load = _look(study).load
        """Relative load of each whole block of the horizon. (blocks,)"""
        self._why = _remembers(study)
        self._designs: dict[tuple[bool, float, float], Design] = {}
        self._drawn_for: dict[tuple[bool, float, float, float, bool], RequestTable] = {}
        self._whole: dict[float, Sample] = {}
        self._lock = Lock()

    def sample(self, volume: float, need: Need) -> Sample:
        """Return the requests by which an option is judged at a volume."""
        study, source = self.study, self.study.traffic
        expected = source.requests_per_s * volume * source.horizon_s
        if expected <= WHOLE_TIMES * self.requests:
            # A cost of nothing, because nothing happened to arrive, would be wrong.
            few = isinstance(source, GeneratedTraffic) and expected < FEW_REQUESTS
            scale = FEW_REQUESTS / expected if few else 1.0
            with self._lock:
                if volume not in self._whole:
                    self._whole[volume] = sample_of(study, volume, scale)
                    if len(self._whole) > MOST_KEPT:
                        del self._whole[next(iter(self._whole))]
                return self._whole[volume]
        why = self._why
        if need.replicas and need.lifetime_s > LONGEST_LIFETIME_S:
            hours = need.lifetime_s / HOUR_S
            why = (
                "cache entries outlive the day"
                if math.isinf(hours)
                else (f"cache entries live for {hours:.0f} hours")
            )
        if why is not None:
            scale = min(1.0, MOST_WHOLE / expected)
            return replace(sample_of(study, volume, scale), why_whole=why)
        return self._spans(volume, need)

    def whole(self, volume: float, need: Need) -> Sample:
        """Return the whole horizon at the least scale that a fleet can be judged by."""
        least = min(1.0, FEWEST_REPLICAS / need.replicas) if need.replicas else 1.0
        source = self.study.traffic
        expected = source.requests_per_s * volume * source.horizon_s
        return sample_of(self.study, volume, min(least, MOST_WHOLE / expected))

    def _spans(self, volume: float, need: Need) -> Sample:
        """Take spans along the load, as long and at as large a scale as can be afforded."""
        least = min(1.0, FEWEST_REPLICAS / need.replicas) if need.replicas else 0.0
        for pace in _PACES:
            key = (need.replicas > 0, need.lifetime_s, pace)
            if key not in self._designs:
                self._designs[key] = self._design(need, pace)
            design = self._designs[key]
            rows = self._rows(design, volume)
            scale = min(1.0, self.requests / rows)
            if scale >= least:
                break
        else:
            # So busy are its replicas that fewer of them must do.
            scale = max(scale, min(least, MORE_WORK * scale), min(1.0, 1 / need.replicas))
        if design.fraction >= 0.5:
            return sample_of(self.study, volume, min(1.0, max(scale, least)))
        return self._drawn(design, key, volume, scale)

    def _design(self, need: Need, pace: float) -> Design:
        around = self.around
        # A fleet decides what spills: only simulated requests tell what the calls' cache holds.
        warm_s = need.lifetime_s if need.replicas else CALLS_WARM_UP_S
        counted = max(1, round(warm_s / (2 * BLOCK_S))) if pace == 1.0 else 1
        cells = len(self.load) // counted
        load = self.load[: cells * counted].reshape(cells, counted).mean(1)
        relative = load / load.mean()
        # Costs are sums over requests; of fleets, misses come with the peaks.
        size = relative + relative**PEAK_POWER if need.replicas else relative
        chance = chances(size, self.spans * (1 if need.replicas else MORE_SPANS))
        cell, chance = drawn_along(load, chance, stream(self.study.seed, "spans").random())
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
                np.minimum(counted_spans[:, 1] + around.tail_s, last_s),
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
        """Expected requests of the simulated spans at full scale."""
        source = self.study.traffic
        edges = np.append(0.0, np.cumsum(self.load)) / max(float(self.load.mean()), 1e-300)
        times = np.arange(len(edges)) * BLOCK_S
        upto = np.interp(design.simulated_s, times, edges * BLOCK_S)
        return float(source.requests_per_s * volume * (upto[:, 1] - upto[:, 0]).sum())

    def _drawn(
        self, design: Design, key: tuple[bool, float, float], volume: float, scale: float
    ) -> Sample:
        study = self.study
        table = self._table(design, key, volume * scale)
        end_s = float(design.simulated_s[-1, 1])
        # Sessions that are cut short bring fewer requests than their rate says.
        real = table.size / max(1.0, self._rows(design, volume) * scale)
        return Sample(
            kept(table, end_s),
            end_s,
            design.counted_s,
            design.weight,
            design.chance,
            design.load,
            study.traffic.requests_per_s * volume * MONTH_S,
            scale,
            self._unseen(design, volume * real, scale, everywhere=not key[0]),
        )

    def _table(self, design: Design, key: tuple[bool, float, float], volume: float) -> RequestTable:
        """The requests of a design's spans at a volume."""
        source = self.study.traffic
        same = volume * source.requests_per_s < FEW_PER_S
        power = 2.0 ** math.ceil(math.log2(volume))
        drawn_for = (*key, power, same)
        with self._lock:
            if drawn_for not in self._drawn_for:
                self._drawn_for[drawn_for] = source.draw_spans(
                    self.study.seed, power, design.simulated_s, self.around.history_s, same
                )
        return thinned(self._drawn_for[drawn_for], volume)

    def _unseen(
        self, design: Design, volume: float, scale: float, everywhere: bool
    ) -> NDArray[np.float64]:
        """Requests left out up to each moment, of the simulated spans alone or everywhere."""
        edges_s = np.arange(len(self.load) + 1) * BLOCK_S
        upto = np.append(0.0, np.cumsum(self.load)) / float(self.load.sum())
        upto *= self.study.traffic.requests_per_s * volume * edges_s[-1]
        times_s = np.unique(np.concatenate([edges_s, design.simulated_s.ravel()]))
        more = np.diff(np.interp(times_s, edges_s, upto))
        inside = span_of((times_s[1:] + times_s[:-1]) / 2, design.simulated_s) >= 0
        left = np.where(inside, 1.0 - scale, 1.0 if everywhere else 0.0)
        return np.column_stack([times_s, np.append(0.0, np.cumsum(more * left))])


def _remembers(study: Study) -> str | None:
    """Say what an option depends on besides the time shortly before, if anything."""
    single = [part for option in study.options for part in option.parts]
    apis = [part.api for part in single if part.api is not None]
    endpoints = [endpoint for api in apis for endpoint in api.endpoints]
    gateways = [gateway for api in apis for gateway in api.gateways]
    budgets = [
        *(budget for endpoint in endpoints for budget in endpoint.budgets),
        *(gateway.budget for gateway in gateways),
        *(target.budget for gateway in gateways for target in gateway.targets),
    ]
    fleets = [part.own.fleet for part in single if part.own is not None]
    defers = any(fleet.deferred_in_flight for fleet in fleets)
    reasons = {
        "outages": any(endpoint.outages_s for endpoint in endpoints),
        "budgets": any(b is not None and b.period_s > LEAST_WARM_UP_S for b in budgets),
        "autoscaling": any(fleet.autoscaler for fleet in fleets),
        "interruptions": any(fleet.interruptions for fleet in fleets),
        "rollouts": any(fleet.rollout for fleet in fleets),
        "rebalancing": any(part.rebalances for part in single),
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
        min(max(_covering(since_s, table.input_tokens), LEAST_HISTORY_S), MOST_HISTORY_S),
        min(max(tail_s, LEAST_TAIL_S), MOST_TAIL_S),
    )


def _covering(since_s: NDArray[np.float64], tokens: NDArray[np.int32]) -> float:
    """Age of a session below which nearly all prompt tokens are: late turns are the long ones."""
    order = np.argsort(since_s)
    upto = np.cumsum(tokens[order], dtype=np.float64)
    return float(since_s[order][np.searchsorted(upto, COVERED * upto[-1])])


@dataclass(frozen=True, slots=True)
class _Look:
    """What is known of a traffic at any volume."""

    source: TrafficSource
    seed: int
    table: RequestTable
    """A few thousand requests of its first hours, at whatever volume has them."""
    load: NDArray[np.float64]
    """Relative load of each whole block of the horizon. (blocks,)"""


_latest: list[_Look] = []
"""The last look that was taken: samplers of one study share it."""


def _look(study: Study) -> _Look:
    source, seed = study.traffic, study.seed
    for known in _latest:
        if known.source is source and known.seed == seed:
            return known
    span_s = min(6 * HOUR_S, source.horizon_s)
    table = source.draw(seed, LOOKED_AT / (source.requests_per_s * span_s), 0.0, span_s)
    whole = max(1, int(source.horizon_s // BLOCK_S))
    found = _Look(source, seed, table, source.block_load(seed)[:whole])
    _latest[:] = [found]
    return found


def looked_at(study: Study) -> RequestTable:
    """Return a few thousand requests, at whatever volume has them in its first hours."""
    return _look(study).table
