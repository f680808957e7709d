"""Capacity by time or by use: closed forms, and searches over everything."""

import math
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.economics.screening import Technology, best_replicas, mean_served
from simulator.errors import InputError
from simulator.units import HOUR_S
from tests.support.textbook import load_duration, optimal_capacities, required_utilisation

LOADS = (
    st.lists(st.integers(0, 12), min_size=2, max_size=12)
    .filter(any)
    .map(lambda values: np.array(values, dtype=np.float64))
)
PRICES = st.integers(1, 40).map(float)


def hourly(usd_per_hour: float, usd_per_busy_hour: float) -> Technology:
    return Technology(usd_per_hour, usd_per_busy_hour / HOUR_S)


@given(LOADS, st.integers(0, 13))
def test_the_load_duration_curve_and_the_work_below_it(load: np.ndarray, level: int) -> None:
    at = np.array([float(level)])
    assert load_duration(load, at)[0] == pytest.approx((load > level).mean())
    assert mean_served(load, at)[0] == pytest.approx(np.minimum(load, level).mean())
    steps = load_duration(load, np.arange(float(level)))
    assert steps.sum() == pytest.approx(mean_served(load, at)[0])


@pytest.mark.slow
@given(LOADS, st.lists(st.tuples(PRICES, PRICES), min_size=1, max_size=3))
def test_no_other_capacities_are_cheaper(load: np.ndarray, prices: list) -> None:
    """Against every way to build whole units, dispatched in the order of what work costs."""
    built = optimal_capacities(load, [hourly(*each) for each in prices])
    assert built.per_s.sum() == pytest.approx(load.max())

    def cost(capacities: tuple[float, ...]) -> float:
        total, left = 0.0, load
        for capacity, (fixed, variable) in sorted(
            zip(capacities, prices, strict=True), key=lambda each: each[1][1]
        ):
            used = np.minimum(left, capacity)
            left = left - used
            total += fixed * capacity + variable * used.mean()
        return total if not left.any() else math.inf

    assert cost(tuple(built.per_s)) == pytest.approx(built.usd_per_hour)
    steps = range(int(load.max()) + 1)
    cheapest = min(cost(each) for each in product(steps, repeat=len(prices)))
    assert built.usd_per_hour == pytest.approx(cheapest)


def test_a_straight_load_is_cut_where_the_curves_cross() -> None:
    """Load uniform on 0 to 1: capacity is 1 less the crossing, work a trapezium."""
    load = (np.arange(100_000) + 0.5) / 100_000
    base, middle, peak = hourly(0.6, 0.1), hourly(0.2, 1.1), hourly(0.0, 3.1)
    assert required_utilisation(base, middle) == pytest.approx(0.4)
    assert required_utilisation(middle, peak) == pytest.approx(0.1)
    built = optimal_capacities(load, [peak, base, middle])
    np.testing.assert_allclose(built.per_s, [0.1, 0.6, 0.3], atol=2e-5)
    by_time = 0.6 * 0.6 + 0.3 * 0.2
    by_use = 0.1 * (0.5 - 0.4**2 / 2) + 1.1 * (0.4**2 - 0.1**2) / 2 + 3.1 * 0.1**2 / 2
    assert built.usd_per_hour == pytest.approx(by_time + by_use, abs=1e-4)


def test_required_utilisation_of_a_replica() -> None:
    """u* = f / (3600 k (v - s)); a reservation at 2 USD of what costs 3.5 pays above 57 %."""
    replica, api = Technology(3.0 / 2.0, 0.0002), Technology(0.0, 0.001)
    assert required_utilisation(replica, api) == pytest.approx(3.0 / (3600 * 2.0 * 0.0008))
    assert required_utilisation(hourly(2.0, 0.0), hourly(0.0, 3.5)) == pytest.approx(2.0 / 3.5)
    assert required_utilisation(Technology(1.0, 0.001), api) == math.inf


@pytest.mark.slow
@given(LOADS, st.floats(0.7, 5.0), PRICES, PRICES, st.integers(0, 10))
def test_replicas_cost_what_adding_up_says(
    load: np.ndarray, per_s: float, f: float, v: float, s: int
) -> None:
    replica, api = Technology(f / per_s, s / HOUR_S), Technology(0.0, v / HOUR_S)
    plan = best_replicas(load, per_s, replica, api)
    costs = plan.usd_per_hour_by_replicas
    for n, cost in enumerate(costs):
        own = np.minimum(load, n * per_s)
        assert cost == pytest.approx(f * n + s * own.mean() + v * (load - own).mean())
    assert plan.usd_per_hour == costs.min()
    own = np.minimum(load, plan.replicas * per_s)
    assert plan.self_served_share == pytest.approx(own.sum() / load.sum())
    # A replica pays exactly while its slice is busy for u* of the time.
    needed = required_utilisation(replica, api)
    for n, (before, after) in enumerate(pairwise(costs)):
        busy = np.clip(load / per_s - n, 0, 1).mean()
        if abs(busy - needed) > 1e-9:
            assert (after < before) == (busy > needed)
        assert load_duration(load, np.array([n * per_s]))[0] >= busy - 1e-12


def test_a_fixed_price_of_the_rest_is_paid_for_the_peak_above_the_replicas() -> None:
    plan = best_replicas(np.array([1.0, 3.0]), 2.0, hourly(1.0, 0.0), hourly(5.0, 1.0))
    assert plan.usd_per_hour_by_replicas == pytest.approx([15 + 2.0, 2 + 5 + 0.5, 4.0])


@pytest.mark.parametrize("load", [[], [0.0, 0.0], [1.0, -1.0], [1.0, math.nan], [math.inf]])
def test_a_load_that_says_nothing_is_refused(load: list[float]) -> None:
    with pytest.raises(InputError, match="a load"):
        best_replicas(np.array(load), 1.0, hourly(1.0, 1.0), hourly(0.0, 1.0))


def test_what_serves_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="more than nothing"):
        best_replicas(np.array([1.0]), 0.0, hourly(1.0, 1.0), hourly(0.0, 1.0))
