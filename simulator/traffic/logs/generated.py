"""Logs of generated traffic that begin and end in its midst, so that their rate is the stated one.

Sessions last up to days. A log that begins with the first session lacks the turns of earlier ones,
and one that ends with the last turn of the last session has a long, thin tail.
"""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from simulator.traffic.generate import chunks, generate
from simulator.traffic.logs.log import Batch
from simulator.traffic.logs.replay import recorded_stream
from simulator.traffic.sessions import SessionTraffic
from simulator.traffic.shapes import HOURS_PER_WEEK
from simulator.units import HOUR_S, MONTH_S, WEEK_S

_SAMPLED = 5000
"""Requests from which the longest session is estimated."""


def generated_log(
    workloads: tuple[SessionTraffic, ...],
    seed: int,
    hours: int,
    first_token_s: float,
    token_s: float,
) -> Iterator[Batch]:
    """Yield the requests that arrive within some hours from Monday 00:00 UTC, in order of time.

    Sessions that began before continue in them. They come from the hours before a second Monday,
    since growth, months and dated events are moved by a week too, its rates are those of the first.
    """
    earlier = tuple(map(_a_week_earlier, workloads))
    begun = HOURS_PER_WEEK - _warm_up_hours(earlier, seed, first_token_s, token_s)
    end_s = WEEK_S + hours * HOUR_S
    tables = chunks(earlier, seed, volume=1.0, end_s=end_s, begun=begun)
    for batch in recorded_stream(tables, first_token_s, token_s):
        inside = np.flatnonzero((batch.at_s >= WEEK_S) & (batch.at_s < end_s))
        if len(inside):
            rows = batch.take(inside)
            yield replace(rows, at_s=rows.at_s - WEEK_S, end_s=rows.end_s - WEEK_S)
        if batch.at_s[-1] >= end_s:
            return


def _a_week_earlier(workload: SessionTraffic) -> SessionTraffic:
    """Return a workload that has the rates of this one a week later."""
    rate = workload.rate
    growth = (1 + rate.growth_per_month) ** (WEEK_S / MONTH_S)
    return replace(
        workload,
        requests_per_s=workload.requests_per_s / growth,
        rate=replace(
            rate,
            sessions_per_s=rate.sessions_per_s / growth,
            week=np.roll(rate.week, HOURS_PER_WEEK),
            dated=np.roll(rate.dated, HOURS_PER_WEEK),
        ),
    )


def _warm_up_hours(
    workloads: tuple[SessionTraffic, ...], seed: int, first_token_s: float, token_s: float
) -> int:
    """Return the hours after which the sessions of a sample have ended, at most a week."""
    per_hour = sum(w.requests_per_s for w in workloads) * HOUR_S
    hours = math.ceil(_SAMPLED / per_hour) if per_hour else HOURS_PER_WEEK
    sample = generate(workloads, seed, end_s=min(hours, HOURS_PER_WEEK) * HOUR_S)
    if not sample.size:
        return HOURS_PER_WEEK
    lasted_s = sample.due_s(first_token_s, token_s) - sample.arrival_s
    return min(HOURS_PER_WEEK, math.ceil(float(lasted_s.max()) / HOUR_S))
