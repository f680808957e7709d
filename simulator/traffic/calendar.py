"""Factors of the rate by the hour: local weeks, months of the year, holidays and launches.

The week, the months and the dates of a workload are those of its own time zone; simulated hours
are UTC. A clock change therefore moves the week's shape, and only then do the weeks of a horizon
differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from simulator.errors import InputError, nearest
from simulator.traffic.shapes import HOURS_PER_WEEK

_QUARTERS = 4
"""Parts of an hour that are looked up, since some time zones are shifted by parts of an hour."""


@dataclass(frozen=True, slots=True)
class DatedFactor:
    """Successive local days whose rate is multiplied by a factor."""

    first: date
    days: int
    factor: float


def zone_of(name: str) -> ZoneInfo:
    """Return a time zone by its IANA name, such as ``Europe/Berlin``.

    Raises
    ------
    InputError
        If there is no such time zone.
    """
    from zoneinfo import available_timezones

    zones = available_timezones()
    if name not in zones:
        raise InputError(f"unknown time zone {name!r}{nearest(name, sorted(zones))}")
    return ZoneInfo(name)


def _local_times(start: date, hours: int, zone: ZoneInfo) -> list[datetime]:
    """Return the local times of the quarters of successive UTC hours. (hours * 4,)"""
    begin = datetime.combine(start, time(), UTC)
    step = timedelta(hours=1) / _QUARTERS
    return [(begin + step * n).astimezone(zone) for n in range(hours * _QUARTERS)]


def week_in_utc(
    week: NDArray[np.float64], start: date, hours: int, zone: ZoneInfo
) -> NDArray[np.float64]:
    """Return the factors of UTC hours from those of a local week. (168,) -> (n_hours,)

    The result has one week if all weeks of the horizon are equal, else as many hours as the
    horizon.

    Parameters
    ----------
    week : ndarray
        Hourly factors from Monday 00:00 local time. (168,)
    start : date
        First day of the horizon, a Monday.
    hours : int
        Length of the horizon.
    zone : ZoneInfo
        Time zone of the week.
    """
    local = _local_times(start, max(hours, HOURS_PER_WEEK), zone)
    index = np.array([24 * moment.weekday() + moment.hour for moment in local])
    factors = week[index].reshape(-1, _QUARTERS).mean(axis=1)
    first = factors[:HOURS_PER_WEEK]
    repeated = np.resize(first, len(factors))
    return first if np.allclose(factors, repeated) else factors


def dated_factors(
    months: Sequence[float] | None,
    events: Sequence[DatedFactor],
    start: date,
    hours: int,
    zone: ZoneInfo,
) -> NDArray[np.float64]:
    """Return the factor of each UTC hour by its month and by dated events. (n_hours,) or (1,)

    Parameters
    ----------
    months : sequence of float, optional
        Factors of January to December; their mean over the year becomes 1.
    events : sequence of DatedFactor
        Events; factors of events that overlap are multiplied.
    start, hours, zone
        See ``week_in_utc``.
    """
    if months is None and not events:
        return np.ones(1)
    local = _local_times(start, hours, zone)
    factors = np.ones(len(local))
    if months is not None:
        by_month = np.array(months, np.float64)
        factors *= (by_month / by_month.mean())[[moment.month - 1 for moment in local]]
    day = np.array([moment.date().toordinal() for moment in local])
    for event in events:
        first = event.first.toordinal()
        factors[(day >= first) & (day < first + event.days)] *= event.factor
    hourly: NDArray[np.float64] = factors.reshape(-1, _QUARTERS).mean(axis=1)
    return hourly
