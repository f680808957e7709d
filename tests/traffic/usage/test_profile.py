"""Weekly profiles, noise and growth are found again in counts that were drawn with known ones."""

import numpy as np
import pytest

from simulator.traffic.rate import Rate, rate_of_hour
from simulator.traffic.shapes import week_shape
from simulator.traffic.usage.profile import MONDAY_S, Profile, profile_of, rate_noise
from simulator.units import DAY_S, HOUR_S, WEEK_S

CODE = week_shape("azure-code")
FIRST_S = MONDAY_S + 2900 * WEEK_S
ASSUMED = {1: 0.5, 60: 0.55, 600: 0.5}


def profile(
    weeks: int, bucket_s: float, cv: dict[int, float], growth: float = 0.0, per_s: float = 2.0
) -> Profile:
    """The profile of buckets of drawn arrivals; empty buckets are missing, as in exports."""
    rate = Rate("w", per_s, CODE, cv, growth)
    rng = np.random.default_rng(weeks)
    hours = (rate_of_hour(rate, 3, hour).draw(rng)[0] for hour in range(168 * weeks))
    at_s = np.concatenate(list(hours))
    counts = np.bincount((at_s // bucket_s).astype(np.int64)).astype(np.float64)
    some = counts > 0
    begin_s = FIRST_S + np.arange(len(counts)) * bucket_s
    length_s = np.full(int(some.sum()), bucket_s)
    return profile_of(begin_s[some], length_s, counts[some], FIRST_S, weeks * WEEK_S)


@pytest.mark.parametrize(("weeks", "most"), [(1, 0.08), (6, 0.02)])
def test_hours_of_the_week_are_found(weeks: int, most: float) -> None:
    found = profile(weeks, HOUR_S, {})
    assert np.sqrt(((found.week - CODE) ** 2).mean()) < most
    assert found.hours_known
    assert found.days_known


def test_the_busiest_hour_is_not_made_larger_by_noise() -> None:
    found = profile(6, HOUR_S, {60: 0.5, 600: 0.5, 3600: 0.3})
    assert found.week.max() == pytest.approx(CODE.max(), rel=0.1)


def test_noise_is_found_at_the_scales_of_minute_buckets() -> None:
    noise = rate_noise(profile(6, 60.0, {60: 0.5, 600: 0.5}).excess, {})
    assert noise[60] == pytest.approx(0.5, abs=0.06)
    assert noise[600] == pytest.approx(0.5, abs=0.06)
    assert noise.get(3600, 0.0) < 0.12


def test_noise_of_hours_is_split_into_the_assumed_and_the_rest() -> None:
    found = profile(8, HOUR_S, {60: 0.5, 600: 0.5, 3600: 0.3}).excess
    noise = rate_noise(found, ASSUMED)
    assert {1: 0.5, 60: 0.55, 600: 0.5}.items() <= noise.items()
    assert noise[3600] == pytest.approx(0.35, abs=0.08)


def test_steady_traffic_has_none_of_the_assumed_noise() -> None:
    noise = rate_noise(profile(6, HOUR_S, {}).excess, ASSUMED)
    assert max(noise.values(), default=0.0) < 0.05


def test_without_buckets_all_noise_is_assumed() -> None:
    assert rate_noise({}, ASSUMED) == ASSUMED


def test_growth_covers_the_truth() -> None:
    found = profile(10, DAY_S, {600: 0.5}, growth=0.08)
    assert abs(found.growth_per_month - 0.08) < 3 * found.growth_error
    assert np.isnan(profile(3, DAY_S, {}).growth_per_month)


def test_days_tell_the_week_but_not_the_hours() -> None:
    found = profile(4, DAY_S, {})
    days = found.week.reshape(7, 24).mean(axis=1)
    assert days == pytest.approx(CODE.reshape(7, 24).mean(axis=1), rel=0.01)
    assert found.days_known
    assert not found.hours_known


def test_weeks_as_buckets_tell_no_shape() -> None:
    found = profile(4, WEEK_S, {})
    assert not found.days_known
    assert found.week == pytest.approx(week_shape("azure-conversation"))


def test_few_calls_do_not_make_a_peak() -> None:
    found = profile(1, HOUR_S, {}, per_s=0.0002)
    assert found.week.max() < 2 * CODE.max()


def test_equal_weeks_have_no_growth_and_no_error() -> None:
    begin_s = FIRST_S + np.arange(28) * DAY_S
    found = profile_of(begin_s, np.full(28, DAY_S), np.full(28, 100.0), FIRST_S, 4 * WEEK_S)
    assert (found.growth_per_month, found.growth_error) == (0.0, 0.0)
