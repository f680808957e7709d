"""Rate limits and budgets against plain models: never too much, and no wait longer than needed."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.engine.kernels.api.limits import (
    _month,
    _month_begin_s,
    budget_wait_s,
    endpoint_wait_s,
    limit_wait_s,
    settle_limits,
    spend,
    spend_at_endpoint,
    start_production,
    take_from_limits,
)
from simulator.engine.records.layout import EngineState
from simulator.engine.spec.plan import Budget, Limit
from tests.support.engine.kernel_states import engine_state
from tests.support.pricing.api_samples import EXACT, calls, direct

ROLLING = 3600.0
"""Length of a rolling period in these tests; each of its parts is a minute [s]."""


def limited(
    *limits: Limit, input_tok: object = 100, declared_tok: int = 50, rows: int = 1, **rules: object
) -> EngineState:
    table = calls(np.zeros(rows), np.asarray(input_tok), 20, declared_tok=declared_tok)
    return engine_state(direct(replace(EXACT, limits=limits, **rules)), table)


def passes(state: EngineState, time_s: float, row: int = 0) -> bool:
    """Let a row pass if the limits allow it now."""
    if limit_wait_s(state, 0, row, time_s) > 0:
        return False
    take_from_limits(state, 0, row)
    return True


# Buckets.


@pytest.mark.parametrize(
    ("of", "cached_counts", "demand"),
    [
        ("requests", True, 1), ("input_tok", True, 100), ("input_tok", False, 70),
        ("output_tok", True, 50), ("tok", True, 150), ("tok", False, 120),
    ],
)  # fmt: skip
def test_each_kind_takes_its_own_measure(of: str, cached_counts: bool, demand: int) -> None:
    """Of a prompt of 100 tokens with 30 in the cache, and a declared output of 50."""
    state = limited(Limit(of, 1000, 100.0, 100.0), cached_counts=cached_counts)
    state.ledger[0].cached_tok = 30
    assert passes(state, 0.0)
    assert state.limits[0].level == 1000 - demand


@pytest.mark.parametrize(
    ("input_tok", "wait_s"), [(1000, 0.0), (1001, math.inf)], ids=["all of it", "more"]
)
def test_what_exceeds_the_capacity_can_never_pass(input_tok: int, wait_s: float) -> None:
    state = limited(Limit("input_tok", 10, 1.0, 100.0), input_tok=input_tok)
    assert limit_wait_s(state, 0, 0, 0.0) == wait_s


@pytest.mark.parametrize("limit", [("requests", 1, 49.0, 49.0), ("input_tok", 31000, 60.0, 60.0)])
def test_all_of_the_capacity_may_pass_however_it_is_rounded(
    limit: tuple[str, float, float, float],
) -> None:
    assert limit_wait_s(limited(Limit(*limit), input_tok=int(limit[1])), 0, 0, 0.0) == 0.0


def test_a_bucket_refills_up_to_its_capacity() -> None:
    state = limited(Limit("input_tok", 10, 1.0, 20.0))
    assert [passes(state, 0.0) for _ in range(3)] == [True, True, False]
    assert limit_wait_s(state, 0, 0, 4.0) == pytest.approx(6.0)
    assert passes(state, 10.0)
    limit_wait_s(state, 0, 0, 1e6)
    assert state.limits[0].level == 200.0


REQUESTS = st.lists(st.tuples(st.floats(0.0, 8.0), st.integers(1, 100)), min_size=1, max_size=25)


@settings(max_examples=15, deadline=None)
@given(REQUESTS, st.sampled_from([5.0, 20.0]), st.sampled_from([20.0, 7.5]))
def test_no_window_passes_more_than_its_refill_and_the_bucket(
    requests: list[tuple[float, int]], per_s: float, burst_s: float
) -> None:
    """And nothing is turned away that would have kept to that in every window."""
    limit = Limit("input_tok", per_s * 60, 60.0, burst_s)
    sizes = [size for _, size in requests]
    state = limited(limit, input_tok=sizes, rows=len(sizes))
    passed: list[tuple[float, int]] = []
    time_s = 0.0
    for row, (gap_s, size) in enumerate(requests):
        time_s += gap_s
        # Each window ends now and begins with one of the requests that passed.
        windows = [
            sum(s for _, s in passed[k:]) + size - per_s * (time_s - passed[k][0])
            for k in range(len(passed))
        ]
        excess = max([*windows, size]) - per_s * burst_s
        allowed = passes(state, time_s, row)
        assert allowed == (excess < 0) or abs(excess) < 1e-6
        if allowed:
            passed.append((time_s, size))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 100), st.floats(0.0, 20.0), st.sampled_from([0.5, 4.0, 40.0]))
def test_a_request_passes_after_the_wait_and_no_sooner(
    size: int, time_s: float, per_s: float
) -> None:
    state = limited(Limit("input_tok", per_s, 1.0, 100.0 / per_s), input_tok=[100, size], rows=2)
    assert passes(state, 0.0)
    wait_s = limit_wait_s(state, 0, 1, time_s)
    assert wait_s == pytest.approx(max(0.0, size / per_s - time_s), abs=1e-6)
    if wait_s > 1e-5:
        assert limit_wait_s(state, 0, 1, time_s + 0.999 * wait_s) > 0
    assert passes(state, time_s + wait_s, row=1)


def test_a_request_waits_for_the_last_of_several_limits_and_takes_from_all() -> None:
    state = limited(Limit("requests", 1, 1.0, 1.0), Limit("input_tok", 10, 1.0, 10.0))
    assert passes(state, 0.0)
    assert state.limits.level.tolist() == [0.0, 0.0]
    assert limit_wait_s(state, 0, 0, 0.0) == 10.0
    assert not passes(state, 5.0)
    assert state.limits.level.tolist() == [1.0, 50.0], "nothing is taken from a request that waits"


@pytest.mark.parametrize(("completion_tok", "level"), [(20, 80.0), (50, 50.0), (60, 50.0)])
def test_output_that_was_declared_and_not_produced_is_given_back(
    completion_tok: int, level: float
) -> None:
    state = limited(Limit("output_tok", 1e-9, 1.0, 1e11), Limit("tok", 1e-9, 1.0, 1e12))
    assert passes(state, 0.0)
    state.ledger[0].completion_tok = completion_tok
    settle_limits(state, 0, 0, 1.0)
    assert state.limits[0].level == pytest.approx(level)
    assert state.limits[1].level == pytest.approx(850.0), "the sum gives nothing back"


def test_nothing_is_given_back_beyond_the_capacity() -> None:
    state = limited(Limit("output_tok", 10, 1.0, 10.0))
    assert passes(state, 0.0)
    limit_wait_s(state, 0, 0, 4.0)
    state.ledger[0].completion_tok = 20
    settle_limits(state, 0, 0, 4.0)
    assert state.limits[0].level == 100.0


def test_output_counts_evenly_while_it_is_produced_and_may_run_into_debt() -> None:
    """200 tokens in 4 s, of which 10 a second are refilled: after 2 s, 80 of 50 are used."""
    state = limited(Limit("produced_tok", 10, 1.0, 5.0), rows=2)
    assert passes(state, 0.0)
    assert state.limits[0].level == 50.0, "nothing is taken at the start"
    state.ledger[0].completion_tok = 200
    start_production(state, 0, 0, 4.0, 0.0)
    assert limit_wait_s(state, 0, 1, 1.0) == 0.0
    assert limit_wait_s(state, 0, 1, 2.0) == pytest.approx(3.1), "from -30 to 1 at 10 a second"
    settle_limits(state, 0, 0, 4.0)
    assert state.limits[0].level == pytest.approx(50 + 4 * 10 - 200)
    assert state.limits[0].producing_tok_s == 0.0
    assert limit_wait_s(state, 0, 1, 15.0 + 0.1) == 0.0


def test_an_answer_that_ends_at_once_produces_nothing() -> None:
    state = limited(Limit("produced_tok", 10, 1.0, 5.0))
    state.ledger[0].completion_tok = 200
    start_production(state, 0, 0, 3.0, 3.0)
    assert state.limits[0].producing_tok_s == 0.0
    settle_limits(state, 0, 0, 3.0)
    assert state.limits[0].level == 50.0


# Budgets.


def budgeted(*budgets: Budget, zero_s: float = 0.0) -> EngineState:
    return engine_state(direct(replace(EXACT, budgets=budgets)), zero_s=zero_s)


def test_no_budget_is_money_without_end() -> None:
    state = engine_state(direct(EXACT))
    spend(state, 0, 1e9, 0.0)
    assert budget_wait_s(state, 0, 0.0) == 0.0
    assert endpoint_wait_s(state, 0, 0.0) == 0.0


@pytest.mark.parametrize(("usd", "wait_s"), [(9.99, 0.0), (10.0, 25.0), (12.0, 25.0)])
def test_money_of_a_fixed_period_is_spent_until_its_end(usd: float, wait_s: float) -> None:
    """The run begins 15 s after a full hour of Unix time, and it is a minute later."""
    state = budgeted(Budget(10.0, 100.0), zero_s=3600 * 10 + 15.0)
    spend(state, 0, usd, 50.0)
    assert budget_wait_s(state, 0, 60.0) == wait_s
    assert budget_wait_s(state, 0, 85.0) == 0.0


@pytest.mark.parametrize("kind", ["fixed", "rolling", "month"])
def test_a_budget_of_nothing_never_has_money(kind: str) -> None:
    state = budgeted(Budget(0.0, 100.0, kind), zero_s=1.8e9)
    for time_s in (0.0, 1.0, 1e5):
        assert budget_wait_s(state, 0, time_s) > 0


def test_amounts_of_one_period_add_up() -> None:
    state = budgeted(Budget(10.0, 100.0))
    for time_s in (10.0, 20.0):
        spend(state, 0, 5.0, time_s)
    assert budget_wait_s(state, 0, 99.0) == 1.0
    spend(state, 0, 9.0, 100.0)
    assert budget_wait_s(state, 0, 100.0) == 0.0


def test_an_endpoint_waits_for_the_last_of_its_budgets() -> None:
    state = budgeted(Budget(10.0, 100.0), Budget(15.0, 1000.0), Budget(99.0, 1e5))
    spend_at_endpoint(state, 0, 10.0, 40.0)
    assert endpoint_wait_s(state, 0, 40.0) == 60.0
    spend_at_endpoint(state, 0, 5.0, 140.0)
    assert endpoint_wait_s(state, 0, 140.0) == 860.0
    assert state.budgets.spent_usd[:3].tolist() == [5.0, 15.0, 15.0]


@settings(max_examples=30, deadline=None)
@given(st.datetimes(datetime(1970, 1, 1), datetime(2400, 12, 31)))
def test_months_are_those_of_the_calendar(moment: datetime) -> None:
    moment = moment.replace(tzinfo=UTC)
    number = moment.year * 12 + moment.month - 1
    assert _month(moment.timestamp()) == number
    begin = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    assert _month_begin_s(number) == begin.timestamp()
    assert _month(begin.timestamp()) == number
    assert _month(begin.timestamp() - 1e-3) == number - 1


def test_money_of_a_month_is_spent_until_its_end() -> None:
    zero = datetime(2028, 2, 28, 12, tzinfo=UTC)
    state = budgeted(Budget(10.0, 1.0, "month"), zero_s=zero.timestamp())
    spend(state, 0, 10.0, 0.0)
    left_s = (datetime(2028, 3, 1, tzinfo=UTC) - zero) / timedelta(seconds=1)
    assert budget_wait_s(state, 0, 100.0) == left_s - 100.0
    assert budget_wait_s(state, 0, left_s) == 0.0


@pytest.mark.parametrize(
    ("later_s", "has_money"),
    [(0.0, False), (3599.0, False), (3600.0, False), (3660.0, True), (7260.0, True), (1e6, True)],
)
def test_a_rolling_budget_forgets_a_part_after_sixty_others(
    later_s: float, has_money: bool
) -> None:
    """After 61 and 121 minutes the same part of the array is used again."""
    state = budgeted(Budget(10.0, ROLLING, "rolling"), zero_s=1.8e9)
    spend(state, 0, 10.0, 0.0)
    assert (budget_wait_s(state, 0, later_s) == 0) == has_money


def remembered_usd(spent: list[tuple[float, float]], unix_s: float) -> float:
    """What was spent in this minute and in the sixty before it."""
    now = unix_s // 60
    return math.fsum(usd for then_s, usd in spent if now - then_s // 60 <= 60)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 30.0, 60.0, 900.0, 3599.0, 8000.0]), st.integers(0, 6)),
        min_size=1,
        max_size=15,
    )
)
def test_a_rolling_budget_equals_the_sum_over_its_last_parts(gaps: list[tuple]) -> None:
    zero_s = 1.8e9 + 17.0
    state = budgeted(Budget(10.0, ROLLING, "rolling"), zero_s=zero_s)
    spent: list[tuple[float, float]] = []
    time_s = 0.0
    for gap_s, usd in gaps:
        time_s += gap_s
        wait_s = budget_wait_s(state, 0, time_s)
        if remembered_usd(spent, zero_s + time_s) < 10:
            assert wait_s == 0
            # Whole dollars are spent, so that sums are exact.
            spend(state, 0, float(usd), time_s)
            spent.append((zero_s + time_s, float(usd)))
        else:
            assert wait_s > 0
            assert remembered_usd(spent, zero_s + time_s + wait_s) < 10
            assert remembered_usd(spent, zero_s + time_s + wait_s - 1e-3) >= 10
