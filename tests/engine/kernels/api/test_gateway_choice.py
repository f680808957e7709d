"""Gateways: which targets a request may try, and which one a strategy chooses."""

import math
from dataclasses import replace

import numpy as np
import pytest

from simulator.engine.kernels.api import gateway as gateway_kernels
from simulator.engine.kernels.api.gateway import (
    EXPLORED_SHARE,
    _choose_among,
    _choose_target,
    _rank,
    learn_from_answer,
)
from simulator.engine.kernels.shared.hashing import EXPLORE, uniform
from simulator.engine.records.layout import LATENCIES, NONE, EngineState
from simulator.engine.spec.plan import Budget, Endpoint, Gateway, Limit, Target
from tests.support.engine.kernel_states import engine_state, put_in_flight
from tests.support.pricing.api_samples import CARD, EXACT, among, calls, in_tiers, through

ROWS = 60


def gateway(
    plan_gateway: Gateway, *endpoints: Endpoint, rows: int = 1, **columns: object
) -> EngineState:
    """Rows that have just arrived at a gateway to endpoints, by default all the same."""
    count = len(plan_gateway.targets)
    endpoints = endpoints or (EXACT,) * count
    state = engine_state(through(plan_gateway, *endpoints), calls(np.zeros(rows), **columns))
    put_in_flight(state, *range(rows))
    state.ledger.gateway = 0
    return state


def priced(usd_per_mtok: float, **rules: object) -> Endpoint:
    return replace(EXACT, card=CARD.scaled(usd_per_mtok), **rules)


def chosen(state: EngineState, row: int = 0, time_s: float = 0.0, tier: int = 0) -> int:
    return int(_choose_among(state, 0, row, tier, time_s, False))


@pytest.fixture
def even_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """The draws of the rows are evenly spaced, so that shares are exact but for single rows."""
    draws = iter([(row + 0.5) / ROWS for row in range(ROWS)])
    monkeypatch.setattr(gateway_kernels, "uniform", lambda bits, attempt, purpose: next(draws))


def assert_shares(state: EngineState, expected: list[float]) -> None:
    """How often each target is chosen by all rows."""
    counts = np.bincount([chosen(state, row) for row in range(ROWS)], minlength=len(expected))
    assert np.abs(counts / ROWS - expected).max() <= 2 / ROWS
    assert (counts > 0).tolist() == [share > 0 for share in expected]


# Strategies.


def test_targets_in_order_are_tried_in_order() -> None:
    state = gateway(among(3, strategy="ordered"))
    assert chosen(state) == 0
    state.targets.cooling_until_s[0] = 9.0
    assert chosen(state) == 1


def test_the_least_busy_has_the_fewest_requests_served_and_queued() -> None:
    state = gateway(among(3, strategy="least-busy"))
    state.endpoints.in_flight, state.endpoints.queued = [2, 1, 3], [0, 2, 1]
    assert chosen(state) == 0
    state.endpoints.in_flight[0] = 4
    assert chosen(state) == 1


def test_the_least_used_had_the_fewest_tokens_in_this_minute() -> None:
    state = gateway(among(3, strategy="least-used"))
    state.targets.minute_tok, state.targets.minute = [300, 100, 200], 1
    assert chosen(state, time_s=119.9) == 1
    state.targets.minute_tok, state.targets.minute = [300, 100, 200], [0, 1, 1]
    assert chosen(state, time_s=60.0) == 0, "its tokens were of the minute before"


def test_the_fastest_has_the_least_mean_latency_and_unknown_ones_come_first() -> None:
    state = gateway(among(3, strategy="latency"))
    state.targets.latencies, state.targets.latency_sum_s = [2, 4, 1], [3.0, 5.0, 1.3]
    assert chosen(state) == 1
    state.targets.latencies[2], state.targets.latency_sum_s[2] = 0, 0.0
    assert chosen(state) == 2
    state.targets.latencies, state.targets.latency_sum_s = [50, 5, 5], [11.0, 6.0, 6.0]
    assert chosen(state) == 0, "the sum is that of the latest ten"


@pytest.mark.usefixtures("even_draws")
@pytest.mark.parametrize(("second_s", "expected"), [(1.25, [0.5, 0.5, 0]), (1.26, [1, 0, 0])])
def test_slower_targets_within_the_buffer_share_the_requests(
    second_s: float, expected: list[float]
) -> None:
    state = gateway(among(3, strategy="latency", latency_buffer=0.25), rows=ROWS)
    state.targets.latencies, state.targets.latency_sum_s = 1, [1.0, second_s, 9.0]
    assert_shares(state, expected)


def test_the_cheapest_has_the_least_price_of_input_and_output_now() -> None:
    state = gateway(among(3, strategy="cheapest"), priced(2), priced(1), priced(3))
    assert chosen(state) == 1
    assert _rank(state, 0, 1, 0.0) == pytest.approx((1.0 + 5.0) / 1e6)


@pytest.mark.usefixtures("even_draws")
def test_equal_targets_share_the_requests() -> None:
    assert_shares(gateway(among(3, strategy="cheapest"), rows=ROWS), [1 / 3] * 3)


@pytest.mark.usefixtures("even_draws")
def test_a_shuffle_draws_by_weight_and_never_a_target_without() -> None:
    targets = tuple(Target(k, weight=weight) for k, weight in enumerate([3.0, 0.0, 1.0]))
    state = gateway(Gateway(targets, strategy="shuffle"), rows=ROWS)
    assert_shares(state, [0.75, 0.0, 0.25])


@pytest.mark.usefixtures("even_draws")
def test_the_inverse_square_of_the_price_is_the_weight() -> None:
    endpoints = (priced(1), priced(2), priced(3))
    state = gateway(among(3, strategy="inverse-square"), *endpoints, rows=ROWS)
    total = 1 + 1 / 4 + 1 / 9
    assert_shares(state, [1 / total, 1 / 4 / total, 1 / 9 / total])


def test_adjusted_prices_are_those_paid_over_the_share_of_success() -> None:
    state = gateway(among(2, strategy="adjusted"))
    list_usd = (1.0 + 5.0) / 1e6
    assert _rank(state, 0, 0, 0.0) == pytest.approx(list_usd**-2)
    state.targets.success[0], state.targets.usd_per_tok[0] = 0.5, 3e-6
    assert _rank(state, 0, 0, 0.0) == pytest.approx((3e-6 / 0.5) ** -2)
    state.targets.success[0] = 1e-9
    assert _rank(state, 0, 0, 0.0) == pytest.approx((3e-6 / 0.01) ** -2)


def test_adjusted_prices_explore_every_target_now_and_then() -> None:
    """Two of a hundred requests draw among all targets alike; the others avoid one at 1000 USD."""
    rows = 1000
    state = gateway(among(2, strategy="adjusted"), priced(1), priced(1e6), rows=rows)
    explorers = [
        row
        for row in range(rows)
        if uniform(state.requests[row].random_bits, 0, EXPLORE) < EXPLORED_SHARE
    ]
    assert 8 < len(explorers) < 40
    tried = {chosen(state, row) for row in explorers}
    assert tried == {0, 1}
    assert {chosen(state, row) for row in range(30) if row not in explorers} == {0}


# Targets that a request may try.


@pytest.mark.parametrize(("until_s", "target"), [(5.0, 0), (math.nextafter(5.0, 9), 1)])
def test_a_target_is_healthy_again_when_its_cooldown_ends(until_s: float, target: int) -> None:
    state = gateway(among(2))
    state.targets.cooling_until_s[0] = until_s
    assert chosen(state, time_s=5.0) == target
    assert _choose_among(state, 0, 0, 0, 5.0, True) == 0


@pytest.mark.parametrize(("repeats", "target"), [(True, 0), (False, 1)])
def test_a_target_is_tried_again_only_where_requests_may_repeat(repeats: bool, target: int) -> None:
    state = gateway(among(2, repeats=repeats))
    state.calls[0].tried = 0b01
    assert chosen(state) == target
    state.calls[0].tried = 0b11
    assert chosen(state) == (0 if repeats else NONE)


def test_targets_tried_in_another_tier_are_no_obstacle() -> None:
    state = gateway(in_tiers(2, repeats=False))
    state.calls[0].tried = 0b11
    assert chosen(state) == NONE
    assert chosen(state, tier=1) == 1


@pytest.mark.parametrize(
    ("rules", "first", "is_allowed"),
    [
        ({}, {"context_tok": 1001}, True),
        ({}, {"context_tok": 1000}, False),
        ({"checks_output": True}, {"max_output_tok": 101}, True),
        ({"checks_output": True}, {"max_output_tok": 100}, False),
        ({}, {"max_output_tok": 100}, True),
        ({"max_prompt_usd_per_mtok": 1.0}, {}, True),
        ({"max_prompt_usd_per_mtok": 0.99}, {}, False),
        ({"max_output_usd_per_mtok": 5.0}, {}, True),
        ({"max_output_usd_per_mtok": 4.99}, {}, False),
    ],
    ids=str,
)
def test_targets_that_a_gateways_rules_exclude_are_not_tried(
    rules: dict[str, object], first: dict[str, object], is_allowed: bool
) -> None:
    cheaper = replace(EXACT, card=CARD.scaled(0.5))
    state = gateway(among(2, **rules), replace(EXACT, **first), cheaper)
    assert chosen(state) == (0 if is_allowed else 1)


@pytest.mark.parametrize(("knows", "target"), [(True, 1), (False, 0)])
def test_targets_over_a_limit_are_skipped_by_gateways_that_know_it(
    knows: bool, target: int
) -> None:
    limited = replace(EXACT, limits=(Limit("requests", 1, 10.0, 10.0),))
    state = gateway(among(2, knows_limits=knows), limited, EXACT)
    state.limits[0].level = 0.0
    assert chosen(state) == target
    assert chosen(state, time_s=10.0) == 0


def test_a_target_without_money_is_skipped_until_its_period_ends() -> None:
    state = gateway(Gateway((Target(0, budget=Budget(1.0, 60.0)), Target(1))))
    state.budgets.spent_usd[0] = 1.0
    assert chosen(state, time_s=59.0) == 1
    assert chosen(state, time_s=60.0) == 0


# Tiers and sessions.


def test_the_nearest_tier_with_a_healthy_target_is_chosen_with_fresh_counts() -> None:
    state = gateway(in_tiers(3))
    state.targets.cooling_until_s[0] = 9.0
    call = state.calls[0]
    call.tier_attempts, call.tried = 2, 0b1
    assert _choose_target(state, 0, 0, 0.0) == 1
    assert (call.tier, call.tier_attempts, call.tried) == (1, 0, 0)
    call.tier_attempts = 2
    assert _choose_target(state, 0, 0, 99.0) == 1, "a request does not go back"
    assert call.tier_attempts == 2


@pytest.mark.parametrize(("bypass", "target"), [(True, 0), (False, NONE)])
def test_cooling_targets_are_tried_by_a_bypass_when_no_tier_has_another(
    bypass: bool, target: int
) -> None:
    state = gateway(in_tiers(2, bypass=bypass))
    state.targets.cooling_until_s = 9.0
    assert _choose_target(state, 0, 0, 0.0) == target
    state.targets.cooling_until_s[1] = 0.0
    assert _choose_target(state, 0, 0, 0.0) == 1


def session(**rules: object) -> EngineState:
    """Row 0 was answered by target 1 at 10 s, and row 1 is the next turn."""
    state = gateway(among(2, sticky_s=60.0, **rules), rows=2, gap_s=np.array([math.nan, 1.0]))
    state.ledger[0].finished_s = 10.0
    state.calls[0].target, state.calls[0].attempts = 1, 1
    return state


@pytest.mark.parametrize(("time_s", "target"), [(70.0, 1), (math.nextafter(70.0, 99), 0)])
def test_a_session_stays_with_its_target_for_a_while(time_s: float, target: int) -> None:
    assert _choose_target(session(), 0, 1, time_s) == target


def test_a_session_leaves_its_target_for_a_reason() -> None:
    cooling, retried, elsewhere, unanswered, short = (session() for _ in range(5))
    cooling.targets.cooling_until_s[1] = 99.0
    retried.calls[1].attempts = 1
    elsewhere.ledger[0].gateway = NONE
    unanswered.calls[0].attempts = 0
    short.gateways[0].sticky_s = 0.0
    for state in (cooling, retried, elsewhere, unanswered, short):
        assert _choose_target(state, 0, 1, 20.0) == 0
    first = session()
    first.requests[1].gap_s = math.nan
    assert _choose_target(first, 0, 1, 20.0) == 0


# What answers teach.


def answered(state: EngineState, usd: float, ttft_s: float, time_s: float = 5.0) -> None:
    """Complete row 0 at target 0, with 1,000 tokens of input and 100 of output."""
    row = state.ledger[0]
    row.completion_tok, row.start_s, row.first_token_s = 100, 1.0, 1.0 + ttft_s
    state.calls[0].usd = usd
    learn_from_answer(state, 0, time_s)


def test_an_answer_teaches_latency_price_and_use() -> None:
    state = gateway(among(2))
    target = state.targets[0]
    target.success = 0.5
    answered(state, usd=0.011, ttft_s=0.25)
    assert target.usd_per_tok == pytest.approx(1e-5), "the first price is taken as it is"
    answered(state, usd=0.022, ttft_s=0.75)
    assert target.usd_per_tok == pytest.approx(1e-5 + 0.05 * 1e-5)
    assert target.success == pytest.approx(1 - 0.5 * 0.95**2)
    assert target.minute_tok == 2200
    assert (target.latencies, target.latency_sum_s) == (2, pytest.approx(1.0))
    answered(state, usd=0.022, ttft_s=0.75, time_s=60.0)
    assert target.minute_tok == 1100
    assert state.targets[1].latencies == 0


def test_the_fastest_is_judged_by_its_latest_latencies() -> None:
    state = gateway(among(1, strategy="latency"))
    for k in range(LATENCIES + 3):
        answered(state, usd=0.01, ttft_s=float(k))
        latest = np.arange(k + 1.0)[-LATENCIES:]
        assert _rank(state, 0, 0, 5.0) == pytest.approx(latest.mean())


def test_an_answer_is_paid_by_the_budgets_of_its_target_and_its_gateway() -> None:
    budget = Budget(1.0, 60.0)
    state = gateway(Gateway((Target(0, budget=budget), Target(1, budget=budget)), budget=budget))
    answered(state, usd=0.25, ttft_s=0.5)
    assert state.budgets.spent_usd.tolist() == [0.25, 0.0, 0.25]
