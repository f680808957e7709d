"""Intervals that hold as often as they say, and runs that extend themselves."""

import numpy as np
import pytest

from simulator.analysis.sampling.statistics import (
    estimate,
    estimate_difference,
    replicate,
)


@pytest.mark.slow
def test_student_intervals_cover_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    found = [estimate(rng.exponential(3.0, 40)) for _ in range(2000)]
    held = np.mean([e.low <= 3.0 <= e.high for e in found])
    assert 0.92 <= held <= 0.96  # skewed values cost a little


def test_pairs_that_share_their_luck_are_told_apart_sooner() -> None:
    rng = np.random.default_rng(4)
    luck = rng.standard_normal(50)
    one, other = 10 + luck, 10.2 + luck + 0.1 * rng.standard_normal(50)
    apart = np.hypot(estimate(one).half_width, estimate(other).half_width)
    assert estimate_difference(other, one).low > 0
    assert estimate_difference(other, one).half_width < apart / 3


def test_runs_extend_themselves_until_they_are_precise() -> None:
    asked = []

    def measure(k: int) -> np.ndarray:
        asked.append(k)
        return np.random.default_rng([5, k]).normal([10.0, 100.0], [1.0, 1.0])

    found = replicate(measure, 0.05)
    assert found.reached
    assert asked == list(range(len(found.values)))
    assert 8 <= len(found.values) <= 64
    assert all(e.within(0.05) for e in found.estimates)


def test_runs_that_are_never_precise_say_so() -> None:
    rng = np.random.default_rng(6)
    found = replicate(lambda k: rng.normal(1.0, 50.0, 1), 0.01, most=12)
    assert not found.reached
    assert len(found.values) == 12


def test_one_value_tells_no_interval() -> None:
    assert estimate(np.array([4.0])).half_width == np.inf
    assert estimate(np.full(5, 4.0)).half_width == pytest.approx(0.0)
