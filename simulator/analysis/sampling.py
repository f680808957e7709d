"""Which part of the horizon is simulated: all of it, or windows spread over its load levels.

A large volume needs no whole week to be known. Hours are ranked by expected load, and windows are
spread evenly over the ranks: half of them over the busiest quarter, where requests miss their
targets first, and what is counted in the others counts as many times more. A window is simulated
with a warm-up before and some time after it, and only its own arrivals are counted. Where an option
has outages, budgets, autoscaling, failures or deferred work, which no window can stand for, the
whole horizon is simulated all the same.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from simulator.analysis.study import (
    HybridOption,
    Study,
    api_part,
    self_hosted_part,
    single_options,
)
from simulator.engine.run import Chunk
from simulator.traffic.table import RequestTable
from simulator.units import HOUR_S, MINUTE_S, MONTH_S

Lens = Callable[[RequestTable], RequestTable]
"""What an option sees of the traffic: some of it, or calls that are made in its place."""

LOOKED_AT = 4000
"""Requests that tell how long sessions and answers take."""
LEAST_HISTORY_S, MOST_HISTORY_S = HOUR_S, 24 * HOUR_S
MOST_TAIL_S = 30 * MINUTE_S
NOMINAL_S, NOMINAL_TOKEN_S = 1.0, 0.02
"""Of an answer, and of each of its tokens, where only the time of later turns depends on it."""
WARM_UP_S = 10 * MINUTE_S
"""Fills prompt caches and replicas before the counted span."""
COUNTED_S = 10 * MINUTE_S
"""Counted in the middle of a sampled hour."""
BUSY_SHARE = 4
"""The busiest one in so many hours has half of the windows."""
LEAST_TAIL_S = 2 * MINUTE_S
KEPT_REQUESTS = 500_000
"""A whole horizon with more is drawn anew, chunk by chunk, for every simulation."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A simulated span; arrivals in [count_from_s, count_to_s) count. Times from its own zero."""

    chunks: Callable[[int], Iterable[Chunk]]
    """Its traffic behind the first so many chunks, the same at every call."""
    offset_s: float
    """Of its zero from the horizon's."""
    horizon_s: float
    count_from_s: float
    count_to_s: float
    weight: int = 1
    """How many times all of it counts."""

    @property
    def counted_s(self) -> float:
        """Length of the counted span [s]."""
        return self.count_to_s - self.count_from_s

    def seen(self, lens: Lens) -> "Slice":
        """Return the same span with other requests."""

        def chunks(begun: int) -> Iterable[Chunk]:
            return ((lens(table), end_s) for table, end_s in self.chunks(begun))

        return replace(self, chunks=chunks)


@dataclass(frozen=True, slots=True)
class Sample:
    """The simulated spans and how they stand for a month."""

    slices: tuple[Slice, ...]
    requests_per_month: float | None
    """Known mean volume to scale a sample's counts to, which takes the luck of the draw out of
    sums over requests; None where the whole horizon is simulated and stands for itself."""

    @property
    def counted_s(self) -> float:
        """Length of all counted spans, as often as they count [s]."""
        return sum(s.weight * s.counted_s for s in self.slices)

    def rows(self) -> int:
        """Count the requests of all spans, warm-up included, as often as they count."""
        return sum(part.weight * table.size for part in self.slices for table, _ in part.chunks(0))

    def seen(self, lens: Lens) -> "Sample":
        """Return the same spans with requests made from theirs."""
        slices = tuple(part.seen(lens) for part in self.slices)
        if self.requests_per_month is None:
            return Sample(slices, None)
        # Windows are small; drawn once, they are seen once.
        drawn = [list(part.chunks(0)) for part in slices]
        slices = tuple(
            replace(part, chunks=partial(_from, chunks))
            for part, chunks in zip(slices, drawn, strict=True)
        )
        changed = Sample(slices, None)
        return replace(
            changed,
            requests_per_month=self.requests_per_month * changed.rows() / max(1, self.rows()),
        )

    def later(self, slices: tuple[Slice, ...], share: float) -> "Sample":
        """Return spans with what comes of a share of these requests."""
        known = self.requests_per_month
        return Sample(slices, None if known is None else known * share)


def sample_traffic(study: Study, volume: float) -> Sample:
    """Return the spans that stand for the whole horizon at a volume."""
    source = study.traffic
    # The last hour of a log may be cut off before what would be counted of it.
    whole_hours = int((source.horizon_s - (HOUR_S + COUNTED_S) / 2) // HOUR_S) + 1
    load = source.hourly_load()[:whole_hours]
    around = _around(study)
    window_s = WARM_UP_S + COUNTED_S + around.tail_s
    affordable_s = study.effort.sample_requests / (source.requests_per_s * volume)
    windows = max(study.effort.fewest_windows, int(affordable_s / window_s))
    if affordable_s >= source.horizon_s or windows >= len(load) or _remembers(study):
        return sample_of(study, volume)
    chosen = _hours(load, windows)
    slices = tuple(_window(study, volume, hour, chosen[hour], around) for hour in sorted(chosen))
    return Sample(slices, source.requests_per_s * volume * MONTH_S)


def sample_of(study: Study, volume: float) -> Sample:
    """Return the whole horizon at a volume, as a sample."""
    return Sample((_whole(study, volume),), None)


def underway_slice(study: Study, volume: float, begin_s: float, end_s: float) -> Slice:
    """Return a span of the horizon, with what is under way and a warm-up before it."""
    return _spanned(study, volume, (begin_s, end_s), 1, _around(study))


def _hours(load: NDArray[np.float64], windows: int) -> dict[int, int]:
    """Hours to simulate and how often each counts."""
    ranked = np.argsort(load, kind="stable")
    busy = max(1, len(ranked) // BUSY_SHARE)
    half = max(1, windows // 2)
    chosen: dict[int, int] = {}
    for hours, weight in ((ranked[:-busy], (len(ranked) - busy) // busy), (ranked[-busy:], 1)):
        places = ((np.arange(half) + 0.5) * len(hours) / half).astype(int)
        chosen |= dict.fromkeys(hours[places].tolist(), max(1, weight))
    return chosen


def _remembers(study: Study) -> bool:
    """Whether an option depends on more than the warm-up before.

    So do outages, budgets, replicas that come and go, rebalancing, and work that waits for its
    deadline.
    """
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
    return (
        any(endpoint.outages_s for endpoint in endpoints)
        or any(budget is not None and budget.period_s > WARM_UP_S for budget in budgets)
        or any(fleet.autoscaler or fleet.interruptions or fleet.rollout for fleet in fleets)
        or any(isinstance(o, HybridOption) and o.rebalancing for o in single)
        or (defers and study.traffic.longest_deadline_s > WARM_UP_S)
    )


@dataclass(frozen=True, slots=True)
class _Around:
    """What belongs to a window besides its counted span."""

    history_s: float
    """Sessions that began within it before the window may still go on in it."""
    tail_s: float
    """Lets the counted requests finish under the traffic that follows them."""


def _around(study: Study) -> _Around:
    """As long as nearly all sessions, and nearly all answers, of a look at the traffic take."""
    source = study.traffic
    span_s = min(6 * HOUR_S, source.horizon_s)
    table = source.draw(study.seed, LOOKED_AT / (source.requests_per_s * span_s), 0.0, span_s)
    if not table.size:
        return _Around(0.0, LEAST_TAIL_S)
    since_s = table.due_s(NOMINAL_S, NOMINAL_TOKEN_S) - table.session_starts_s()
    answer_s = NOMINAL_S + 2 * NOMINAL_TOKEN_S * table.completion_tokens
    tail_s = max(float(np.quantile(answer_s, 0.99)), study.slo.e2e_s or 0.0)
    return _Around(
        min(max(float(np.quantile(since_s, 0.99)), LEAST_HISTORY_S), MOST_HISTORY_S),
        min(max(tail_s, LEAST_TAIL_S), MOST_TAIL_S),
    )


def _window(study: Study, volume: float, hour: int, weight: int, around: _Around) -> Slice:
    """A window whose counted span is in the middle of an hour."""
    counted_s = hour * HOUR_S + HOUR_S / 2 - COUNTED_S / 2
    return _spanned(study, volume, (counted_s, counted_s + COUNTED_S), weight, around)


def _spanned(
    study: Study, volume: float, counted_s: tuple[float, float], weight: int, around: _Around
) -> Slice:
    """A span of the horizon that counts, and what must be simulated before and after it."""
    begin_s = max(0.0, counted_s[0] - WARM_UP_S)
    end_s = min(counted_s[1] + around.tail_s, study.traffic.horizon_s)
    before_s = min(around.history_s, begin_s)
    table = study.traffic.draw(study.seed, volume, begin_s - before_s, end_s)
    span_s = end_s - begin_s
    chunks = kept(underway(table, before_s), span_s)
    first_s, last_s = (moment_s - begin_s for moment_s in counted_s)
    return Slice(chunks, begin_s, span_s, first_s, last_s, weight)


def underway(table: RequestTable, at_s: float) -> RequestTable:
    """Return what is still to come at a moment, which becomes time zero.

    Sessions that have begun go on with the turn that would come next if every answer had taken
    ``NOMINAL_S`` and ``NOMINAL_TOKEN_S`` for each of its tokens.
    """
    due_s = table.due_s(NOMINAL_S, NOMINAL_TOKEN_S)
    rows = np.flatnonzero(due_s >= at_s)
    left = table.take(rows)
    first = np.diff(left.session, prepend=-1) != 0
    starts_s = (due_s[rows] - at_s)[first]
    alone = replace(left, gap_s=np.where(first, np.nan, left.gap_s))
    return alone.arrange(np.arange(len(starts_s)), starts_s)


def _whole(study: Study, volume: float) -> Slice:
    source, span_s = study.traffic, study.traffic.horizon_s
    # Traffic goes on until the last deadline has passed, uncounted: what waits for idle capacity
    # must find that of an ordinary day.
    end_s = span_s + source.longest_deadline_s
    if source.requests_per_s * volume * end_s <= KEPT_REQUESTS:
        chunks = kept(source.draw(study.seed, volume, 0.0, end_s), end_s)
    else:
        chunks = partial(source.chunks, study.seed, volume, KEPT_REQUESTS, end_s)
    return Slice(chunks, 0.0, end_s, study.effort.warm_up_s, span_s)


def _from(chunks: list[Chunk], begun: int) -> Iterable[Chunk]:
    """Chunks that were drawn once and stay, behind the first so many."""
    return chunks[begun:]


def kept(table: RequestTable, span_s: float) -> Callable[[int], Iterable[Chunk]]:
    """Return traffic that was drawn once and stays, as a slice's chunks."""
    return partial(_from, [(table, span_s)])
