"""Which part of the horizon is simulated: all of it, or hours spread over its load levels.

A large volume needs no whole week to be known. Hours are ranked by expected load and every k-th is
taken, so that quiet and busy hours keep their shares; each is simulated with a warm-up before and
some time after it, and only its own arrivals are counted.
"""

from dataclasses import dataclass

import numpy as np

from simulator.analysis.study import Study
from simulator.traffic.table import RequestTable
from simulator.units import HOUR_S, MINUTE_S

WARM_UP_S = 30 * MINUTE_S
"""Fills prompt caches, replicas and running sessions before the counted hour."""
TAIL_S = 5 * MINUTE_S
"""Lets the counted requests finish under the traffic that follows them."""
FEWEST_HOURS = 8


@dataclass(frozen=True, slots=True)
class Slice:
    """A simulated span; arrivals in [count_from_s, count_to_s) count. Times from its own zero."""

    table: RequestTable
    offset_s: float
    """Of its zero from the horizon's."""
    horizon_s: float
    count_from_s: float
    count_to_s: float

    @property
    def counted_s(self) -> float:
        """Length of the counted span [s]."""
        return self.count_to_s - self.count_from_s


def sample_traffic(study: Study, volume: float) -> tuple[Slice, ...]:
    """Return the slices that stand for the whole horizon at a volume."""
    source = study.traffic
    requests = source.requests_per_s * volume * source.horizon_s
    load = source.hourly_load()
    hours = int(study.effort.sample_requests / requests * len(load)) if requests else len(load)
    hours = max(FEWEST_HOURS, hours)
    if hours >= len(load) // 2:  # warm-ups would cost more than they save
        table = source.draw(study.seed, volume)
        return (Slice(table, 0.0, source.horizon_s, 0.0, source.horizon_s),)
    ranked = np.argsort(load, kind="stable")
    places = ((np.arange(hours) + 0.5) * len(load) / hours).astype(int)
    return tuple(_hour(study, volume, int(hour)) for hour in sorted(ranked[places]))


def _hour(study: Study, volume: float, hour: int) -> Slice:
    begin_s = max(0.0, hour * HOUR_S - WARM_UP_S)
    end_s = min((hour + 1) * HOUR_S + TAIL_S, study.traffic.horizon_s)
    table = study.traffic.draw(study.seed, volume, begin_s, end_s)
    from_s = hour * HOUR_S - begin_s
    return Slice(table, begin_s, end_s - begin_s, from_s, from_s + HOUR_S)
