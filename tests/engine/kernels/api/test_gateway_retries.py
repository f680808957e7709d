"""Gateways: cooldowns, pauses and retries after failures, and when a request is rejected."""

import math
from dataclasses import replace

import numpy as np
import pytest

from simulator.engine.kernels.api.gateway import (
    _pause_s,
    _record_failure,
    _wait_for_any,
    attempt_through_gateway,
)
from simulator.engine.kernels.shared.hashing import PAUSE, uniform
from simulator.engine.records.layout import (
    ATTEMPT,
    FAILED,
    IN_FLIGHT,
    LIMITED,
    NOTHING,
    REJECTED,
    EngineState,
)
from simulator.engine.spec.plan import Budget, Endpoint, Gateway, Limit, Target
from tests.support.engine.kernel_states import engine_state, put_in_flight, timers
from tests.support.pricing.api_samples import EXACT, among, calls, in_tiers, through

REPORTED_S = 0.25
SLOW_TO_FAIL = replace(EXACT, error_s=REPORTED_S)
"""An endpoint that reports failures after a while."""
EXACT_PAUSES = {"jitter": 0.0, "backoff_s": 1.0, "backoff_max_s": 4.0}


def gateway(plan_gateway: Gateway, *endpoints: Endpoint, rows: int = 1) -> EngineState:
    """Rows that have just arrived at a gateway."""
    endpoints = endpoints or (SLOW_TO_FAIL,) * len(plan_gateway.targets)
    state = engine_state(through(plan_gateway, *endpoints), calls(np.zeros(rows)))
    put_in_flight(state, *range(rows))
    state.ledger.gateway = 0
    return state


def attempt(state: EngineState, time_s: float, row: int = 0) -> float | None:
    """Make the next attempt; return after how long there is another, None if there is none [s]."""
    if timers(state):
        # The event loop takes the timer that is due out of the heap.
        state.clock[0].pending -= 1
        state.ledger[row].awaits = NOTHING
    attempt_through_gateway(state, row, time_s)
    due_s = timers(state).get(row)
    assert (state.ledger[row].awaits == ATTEMPT) == (due_s is not None)
    return None if due_s is None else due_s - time_s


def attempts(state: EngineState) -> tuple[list[int], list[float]]:
    """Make attempts until there is none; return their targets and the times between them [s]."""
    targets, gaps, time_s = [], [], 0.0
    while True:
        gap_s = attempt(state, time_s)
        targets.append(int(state.calls[0].target))
        if gap_s is None:
            return targets, gaps
        gaps.append(gap_s)
        time_s += gap_s


def outcome(state: EngineState) -> int:
    return int(state.ledger[0].outcome)


# Retries.


def test_an_attempt_that_is_accepted_begins_now() -> None:
    state = gateway(among(1))
    assert attempt_through_gateway(state, 0, 3.0)
    call = state.calls[0]
    assert (call.attempts, call.tier_attempts, call.target, state.ledger[0].server) == (1, 1, 0, 0)
    assert timers(state) == {}


def test_an_attempt_that_is_queued_waits_without_another() -> None:
    state = gateway(among(1), replace(EXACT, concurrency=1, queue=1), rows=2)
    assert attempt_through_gateway(state, 0, 3.0)
    assert not attempt_through_gateway(state, 1, 3.0)
    assert state.endpoints[0].queued == 1
    assert state.ledger[1].outcome == IN_FLIGHT


def test_pauses_double_up_to_the_longest_and_begin_when_the_failure_is_reported() -> None:
    state = gateway(among(1, attempts=6, **EXACT_PAUSES))
    state.endpoints.down = 1
    targets, gaps = attempts(state)
    assert targets == [0] * 6
    assert gaps == pytest.approx([REPORTED_S + pause for pause in (1, 2, 4, 4, 4)])
    assert outcome(state) == REJECTED
    assert state.ledger[0].finished_s == pytest.approx(sum(gaps) + REPORTED_S)


def test_jitter_shortens_pauses_by_up_to_its_share() -> None:
    state = gateway(among(1, jitter=0.25, backoff_s=1.0), rows=60)
    pauses = []
    for row in range(60):
        draw = uniform(state.requests[row].random_bits, 0, PAUSE)
        pauses.append(_pause_s(state, 0, row, 1))
        assert pauses[-1] == pytest.approx(1.0 - 0.25 * draw)
    assert 0.75 < min(pauses) < 0.77
    assert 0.98 < max(pauses) <= 1.0


def test_each_tier_has_its_attempts_and_the_next_begins_without_a_pause() -> None:
    state = gateway(in_tiers(3, attempts=2, **EXACT_PAUSES))
    state.endpoints.down = 1
    targets, gaps = attempts(state)
    assert targets == [0, 0, 1, 1, 2, 2]
    assert gaps == pytest.approx([REPORTED_S + pause for pause in (1, 0, 1, 0, 1)])
    assert state.calls[0].attempts == 6


def test_a_target_is_not_repeated_where_that_is_excluded() -> None:
    """The request goes to the third, and is rejected when all three were tried."""
    state = gateway(among(3, attempts=9, repeats=False, **EXACT_PAUSES))
    state.endpoints.down = [1, 1, 0]
    targets, _ = attempts(state)
    assert targets == [0, 1, 2]
    assert outcome(state) == IN_FLIGHT
    state = gateway(among(3, attempts=9, repeats=False, **EXACT_PAUSES))
    state.endpoints.down = 1
    targets, _ = attempts(state)
    assert sorted(set(targets)) == [0, 1, 2]
    assert state.calls[0].attempts == 3
    assert outcome(state) == REJECTED


@pytest.mark.parametrize(
    ("always", "others_cool", "pause_s"),
    [(True, False, 1.0), (False, False, 0.0), (False, True, 1.0)],
)
def test_there_is_no_pause_while_another_target_of_the_tier_is_healthy(
    always: bool, others_cool: bool, pause_s: float
) -> None:
    state = gateway(among(2, backs_off_always=always, **EXACT_PAUSES))
    state.endpoints.down = 1
    if others_cool:
        state.targets.cooling_until_s[1] = 99.0
    assert attempt(state, 0.0) == pytest.approx(REPORTED_S + pause_s)


def test_a_healthy_target_of_another_tier_saves_no_pause() -> None:
    state = gateway(in_tiers(2, backs_off_always=False, **EXACT_PAUSES))
    state.endpoints.down = 1
    assert attempt(state, 0.0) == pytest.approx(REPORTED_S + 1.0)


@pytest.mark.parametrize(("repeats", "targets"), [(True, [0, 1]), (False, [0, 2])])
def test_a_refusal_ends_the_tier_or_goes_to_another_target_at_once(
    repeats: bool, targets: list[int]
) -> None:
    """A refusal is not a failure: nothing cools, and there is no pause."""
    tiers = (Target(0), Target(1, tier=1), Target(2))
    rules = {"strategy": "ordered", "cooldown_s": 60.0, **EXACT_PAUSES}
    never = replace(SLOW_TO_FAIL, limits=(Limit("input_tok", 10, 1.0, 1.0),))
    state = gateway(Gateway(tiers, repeats=repeats, **rules), never, EXACT, EXACT)
    tried, gaps = attempts(state)
    assert tried == targets
    assert gaps == [REPORTED_S]
    assert state.targets.success[0] == 1.0
    assert state.targets.cooling_until_s[0] == -math.inf


# Waits that an endpoint asks for.


def limited(wait_s: float, **rules: object) -> EngineState:
    """An endpoint that takes a request once it has waited for some time."""
    endpoint = replace(SLOW_TO_FAIL, limits=(Limit("requests", 1, 64.0, 64.0),))
    state = gateway(among(1, **EXACT_PAUSES, **rules), endpoint)
    state.limits[0].level = 1 - wait_s / 64
    return state


@pytest.mark.parametrize(("wait_s", "pause_s"), [(32.0, 32.0), (40.0, 40.0), (41.0, 1.0)])
def test_a_wait_that_an_endpoint_asks_for_is_honoured_up_to_a_limit(
    wait_s: float, pause_s: float
) -> None:
    state = limited(wait_s, retry_after_max_s=40.0)
    assert attempt(state, 0.0) == pytest.approx(REPORTED_S + pause_s)


@pytest.mark.parametrize(("wait_s", "is_given_up"), [(40.0, False), (41.0, True)])
def test_some_gateways_give_up_on_longer_waits(wait_s: float, is_given_up: bool) -> None:
    state = limited(wait_s, retry_after_max_s=40.0, gives_up_on_long_waits=True)
    assert (attempt(state, 0.0) is None) == is_given_up
    assert outcome(state) == (REJECTED if is_given_up else IN_FLIGHT)


def test_a_wait_asked_for_before_is_none_of_a_failure_now() -> None:
    state = gateway(among(1, **EXACT_PAUSES))
    state.clock[0].retry_after_s, state.endpoints[0].down = 30.0, 1
    assert attempt(state, 0.0) == pytest.approx(REPORTED_S + 1.0)


# Cooldowns.


def failing(result: int, attempts_in_minute: int, failures_before: int, **rules: object) -> float:
    """Record a failure at 30 s; return until when the target cools down [s]."""
    state = gateway(among(2, cooldown_s=60.0, **rules))
    target = state.targets[0]
    target.minute_attempts, target.minute_failures = attempts_in_minute, failures_before
    _record_failure(state, 0, 0, result, 30.0)
    assert state.targets[1].cooling_until_s == -math.inf
    assert target.success == pytest.approx(0.95)
    assert target.latency_sum_s == 1000.0
    assert target.minute_failures == failures_before + (result != LIMITED)
    return float(target.cooling_until_s)


@pytest.mark.parametrize(("on_limit", "until_s"), [(True, 90.0), (False, -math.inf)])
def test_a_limit_cools_a_target_only_where_that_is_a_rule(on_limit: bool, until_s: float) -> None:
    assert failing(LIMITED, 9, 8, cools_on_limit=on_limit, failure_share=0.1) == until_s


@pytest.mark.parametrize(
    ("attempts_in_minute", "failures_before", "until_s"),
    [(10, 4, -math.inf), (10, 5, 90.0), (9, 8, -math.inf)],
    ids=["half", "more than half", "too few attempts"],
)
def test_a_target_cools_above_a_share_of_failures_among_enough_attempts(
    attempts_in_minute: int, failures_before: int, until_s: float
) -> None:
    rules = {"failure_share": 0.5, "failures_counted": 10}
    assert failing(FAILED, attempts_in_minute, failures_before, **rules) == until_s


@pytest.mark.parametrize(("failures_before", "until_s"), [(2, -math.inf), (3, 90.0)])
def test_a_target_cools_above_a_number_of_failures(failures_before: int, until_s: float) -> None:
    assert failing(FAILED, 100, failures_before, failures_allowed=3) == until_s


def test_failures_are_counted_anew_in_every_minute() -> None:
    rules = {"cooldown_s": 60.0, "failures_allowed": 1, "attempts": 9, **EXACT_PAUSES}
    state = gateway(among(1, **rules))
    state.endpoints.down = 1
    attempt(state, 59.0)
    attempt(state, 60.0)
    assert state.targets[0].minute_failures == 1
    assert state.targets[0].cooling_until_s == -math.inf
    attempt(state, 61.0)
    assert state.targets[0].cooling_until_s == 121.0


# Requests that no target can take.


def test_a_request_waits_until_a_target_may_be_healthy_again() -> None:
    state = gateway(among(3, **EXACT_PAUSES))
    state.targets.cooling_until_s = [50.0, 30.0, 40.0]
    assert attempt(state, 10.0) == 20.0
    assert state.calls[0].attempts == 0
    assert attempt(state, 30.0) is None
    assert state.calls[0].target == 1


def test_a_request_waits_at_least_its_pause_and_begins_with_the_first_tier() -> None:
    state = gateway(in_tiers(2, **EXACT_PAUSES))
    state.targets.cooling_until_s = 10.25
    state.calls[0].tier, state.calls[0].idle_attempts = 1, 1
    _wait_for_any(state, 0, 0, 10.0)
    assert timers(state) == {0: 12.0}
    assert state.calls[0].tier == 0


def test_a_request_waits_as_often_as_it_may_attempt() -> None:
    state = gateway(among(1, attempts=3, **EXACT_PAUSES))
    state.targets.cooling_until_s = 1e9
    for is_last in (False, False, True):
        assert (attempt(state, 10.0) is None) == is_last
    assert outcome(state) == REJECTED


def test_a_request_that_no_target_will_ever_take_is_rejected_at_once() -> None:
    state = gateway(among(2), replace(EXACT, context_tok=100), replace(EXACT, max_input_tok=100))
    assert attempt(state, 10.0) is None
    assert (outcome(state), state.ledger[0].finished_s) == (REJECTED, 10.0)


def test_a_gateway_without_money_rejects_requests_until_its_period_ends() -> None:
    for time_s, expected in ((59.0, REJECTED), (60.0, IN_FLIGHT)):
        state = gateway(among(1, budget=Budget(1.0, 60.0)))
        state.budgets.spent_usd[-1] = 1.0
        attempt(state, time_s)
        assert outcome(state) == expected
