"""Hourly factors: local weeks in UTC, months, dated events, and the level of a rate."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from simulator.errors import InputError
from simulator.traffic.calendar import DatedFactor, dated_factors, week_in_utc, zone_of
from simulator.traffic.quantity import Quantity
from simulator.traffic.rate import Rate, rate_of_hour
from simulator.traffic.shapes import week_of, week_shape, with_peak
from simulator.units import HOUR_S

MONDAY = date(2026, 3, 23)
"""A Monday before the clock change of Sunday 2026-03-29 in Europe."""


def office_hours() -> np.ndarray:
    day = [1.0 if 9 <= hour < 17 else 0.0 for hour in range(24)]
    return week_of(5 * day + 2 * [0.0] * 24)


def busy_local_hours(factors: np.ndarray, zone: str) -> set[tuple[int, int]]:
    """Local weekdays and hours in which every quarter of an hour is busy."""
    begin = datetime(2026, 3, 23, tzinfo=UTC)
    hours = (begin + timedelta(hours=int(h)) for h in np.flatnonzero(factors > 0))
    local = [moment.astimezone(ZoneInfo(zone)) for moment in hours]
    return {(moment.weekday(), moment.hour) for moment in local}


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo"])
def test_a_local_week_is_busy_in_local_office_hours(zone: str) -> None:
    factors = week_in_utc(office_hours(), MONDAY, 168, zone_of(zone))
    assert busy_local_hours(factors, zone) == {(d, h) for d in range(5) for h in range(9, 17)}
    assert factors.mean() == pytest.approx(1)


def test_half_hours_of_a_zone_are_shared_between_hours() -> None:
    factors = week_in_utc(office_hours(), MONDAY, 168, zone_of("Asia/Kolkata"))
    full, half = factors.max(), factors[3]  # 03:00 UTC is 08:30 in Kolkata
    assert half == pytest.approx(full / 2)
    assert (factors[4:11] == full).all()


def test_a_clock_change_makes_the_weeks_differ() -> None:
    factors = week_in_utc(office_hours(), MONDAY, 336, zone_of("Europe/Berlin"))
    assert len(factors) == 336
    assert np.flatnonzero(factors[:24])[0] == 8
    assert np.flatnonzero(factors[168:192])[0] == 7
    assert len(week_in_utc(office_hours(), MONDAY, 336, zone_of("Asia/Tokyo"))) == 168


def test_months_keep_the_mean_of_the_year_and_events_multiply() -> None:
    months = [2.0] + [1.0] * 11
    hours = 365 * 24
    factors = dated_factors(months, [], date(2027, 1, 4), hours, zone_of("UTC"))
    assert factors[0] / factors[24 * 60] == pytest.approx(2)
    # Months are weighted equally in the mean, and differ in length.
    assert factors.mean() == pytest.approx(1, abs=0.01)
    launch = [DatedFactor(date(2027, 1, 5), 2, 3.0), DatedFactor(date(2027, 1, 6), 1, 0.5)]
    factors = dated_factors(None, launch, date(2027, 1, 4), 96, zone_of("UTC"))
    assert factors.reshape(4, 24).mean(axis=1).tolist() == [1, 3, 1.5, 1]


def test_an_unknown_zone_names_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'Europe/Berlin'"):
        zone_of("Europe/Berlim")


def test_a_rate_follows_week_growth_and_dates() -> None:
    dated = np.array([1.0, 4.0])
    rate = Rate("w", 0.5, week_shape("azure-code"), {}, 0.1, dated=dated)
    hours = np.arange(400)
    expected = [rate_of_hour(rate, 1, int(hour)).cumulative[-1] for hour in hours]
    assert expected == pytest.approx(0.5 * HOUR_S * rate.level(hours))
    assert rate.level(hours)[1] / rate.level(hours)[0] == pytest.approx(
        4 * 0.67 / 0.66 * 1.1 ** (1 / 730), rel=1e-6
    )


@pytest.mark.parametrize("peak", [1.0, 1.2, 1.66, 3.0])
def test_a_week_takes_the_peak_that_is_given(peak: float) -> None:
    week = with_peak(week_shape("azure-conversation"), peak)
    assert week.max() == pytest.approx(peak)
    assert week.mean() == pytest.approx(1)


def test_a_flat_week_has_no_peak() -> None:
    with pytest.raises(InputError, match="peak factor"):
        with_peak(np.ones(168), 2.0)


@pytest.mark.parametrize("factors", [[1.0] * 23, [0.0] * 24, [-1.0] + [1.0] * 23])
def test_other_numbers_are_no_week(factors: list[float]) -> None:
    with pytest.raises(InputError, match="hourly factors"):
        week_of(factors)


@pytest.mark.parametrize("sigma", [0.3, 1.0, 1.8])
@pytest.mark.parametrize(("mean", "most"), [(2.5, 9), (5, np.inf), (40, 60), (2200, 32768)])
def test_a_lognormal_has_its_mean_after_rounding_and_cuts(
    mean: float, most: float, sigma: float
) -> None:
    quantity = Quantity.lognormal_of_mean(mean, sigma, most)
    counts = np.maximum(1, quantity.counts(np.random.default_rng(5), 400_000))
    assert counts.max() <= most
    error = 4 * counts.std() / np.sqrt(len(counts))
    assert counts.mean() == pytest.approx(mean, abs=error)


def test_a_mean_above_the_largest_value_is_refused() -> None:
    with pytest.raises(InputError, match="above the largest value"):
        Quantity.lognormal_of_mean(70, 1.0, 60)
