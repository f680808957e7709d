"""Volume and shape over time of a workload: requests per month, hourly factors, dated events."""

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from simulator.errors import InputError
from simulator.scenario.document.document import Document, Path_
from simulator.scenario.schema.volume import DayShapes, Week, Workload
from simulator.traffic.calendar import DatedFactor, dated_factors, week_in_utc, zone_of
from simulator.traffic.rate import Rate
from simulator.traffic.shapes import week_of, week_shape, with_peak
from simulator.units import HOUR_S, MONTH_HOURS, WEEK_S

_HOURS_PER_WEEK = WEEK_S / HOUR_S


@dataclass(frozen=True, slots=True)
class Horizon:
    """The horizon of generated traffic."""

    start: date
    """First day (UTC), a Monday."""
    hours: int


def requests_per_month(section: Workload, document: Document, at: Path_) -> float:
    """Return the mean requests per month at the start, however the section states the volume."""
    if section.requests_per_month is not None:
        return section.requests_per_month
    if section.per_day is not None:
        day = section.per_day
        per_week = day.count * day.requests_each * day.days_per_week
        return per_week * MONTH_HOURS / _HOURS_PER_WEEK
    users = section.users
    assert users is not None  # the schema demands one of the three
    busiest = users.count * users.active_share * users.requests_per_active_hour
    if not busiest > 0:
        raise InputError("users: the busiest hour has no requests")
    peak = users.peak_factor or float(weekly_shape(section.week, document, (*at, "week")).max())
    return busiest / peak * MONTH_HOURS


def weekly_shape(week: Week, document: Document, at: Path_) -> NDArray[np.float64]:
    """Return the factors of a local week: named, listed or by kinds of day. (168,)

    Raises
    ------
    InputError
        With the location of a shape that cannot be used.
    """
    if isinstance(week, DayShapes):
        return document.made(at, lambda: week_of(5 * week.weekday + 2 * week.weekend))
    if isinstance(week, list):
        return document.made(at, lambda: week_of(week))
    return document.made(at, lambda: week_shape(week))


def rate_of(
    section: Workload, sessions_per_s: float, span: Horizon, document: Document, at: Path_
) -> Rate:
    """Return the rate of a workload's sessions, of one tenant and without a stream.

    Raises
    ------
    InputError
        With the location of a value that cannot be used.
    """
    week = weekly_shape(section.week, document, (*at, "week"))
    peak = section.users.peak_factor if section.users else None
    if peak is not None:
        week = document.made((*at, "users", "peak_factor"), lambda: with_peak(week, peak))
    dated = np.ones(1)
    if section.time_zone != "UTC" or section.months or section.events:
        zone = document.made((*at, "time_zone"), lambda: zone_of(section.time_zone))
        events = [DatedFactor(e.first, e.days, e.factor) for e in section.events]
        dated = dated_factors(section.months, events, span.start, span.hours, zone)
        week = week_in_utc(week, span.start, span.hours, zone)
    return Rate(
        "", sessions_per_s, week, dict(section.rate_cv), section.growth_per_month, dated=dated
    )
