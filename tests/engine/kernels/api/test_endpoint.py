"""Endpoints: which attempts they take, how an answer proceeds, and what its end changes."""

import math
from dataclasses import replace

import numpy as np
import pytest

from simulator.engine.kernels.api.endpoint import (
    attempt_at_endpoint,
    begin_at_endpoint,
    end_at_endpoint,
    fits,
)
from simulator.engine.kernels.shared.hashing import FAILURE, LATENCY, SPEED, normal, uniform
from simulator.engine.records.layout import (
    ACCEPTED,
    ANSWER,
    COMPLETED,
    FAILED,
    IN_FLIGHT,
    LIMITED,
    NONE,
    NOTHING,
    PATIENCE,
    QUEUED,
    REFUSED,
    TIMED_OUT,
    EngineState,
)
from simulator.engine.spec.plan import Budget, Endpoint, Limit
from simulator.pricing.caching import PromptCache
from simulator.pricing.rows import RateRow
from simulator.traffic.table import PrefixTree
from tests.support.engine.kernel_states import engine_state, put_in_flight, queued, timers
from tests.support.pricing.api_samples import CARD, EXACT, calls, direct

ANSWER_USD = (1000 * 1.0 + 101 * 5.0) / 1e6
"""Price of the default call: 1,000 tokens of input and 101 of output."""


def serving(endpoint: Endpoint = EXACT, rows: int = 1, **columns: object) -> EngineState:
    """Rows that are in flight since time zero, and not at the endpoint yet."""
    state = engine_state(direct(endpoint), calls(np.zeros(rows), **columns))
    put_in_flight(state, *range(rows))
    state.ledger.server = 0
    return state


def attempt(state: EngineState, row: int = 0, time_s: float = 1.0) -> int:
    return int(attempt_at_endpoint(state, 0, row, time_s))


def begin(state: EngineState, row: int = 0, time_s: float = 1.0) -> float:
    """Begin to serve a row; return the time of its timer [s]."""
    begin_at_endpoint(state, 0, row, time_s)
    assert state.ledger[row].awaits == ANSWER
    return timers(state)[row]


def end(state: EngineState, row: int, time_s: float) -> int:
    """End an answer as the event loop does when its timer is due."""
    state.ledger[row].awaits = NOTHING
    return int(end_at_endpoint(state, row, time_s))


# Attempts.


@pytest.mark.parametrize(
    ("rules", "input_tok", "declared_tok", "is_served"),
    [
        ({"context_tok": 1000}, 999, 10, True),
        ({"context_tok": 1000}, 1000, 10, False),
        ({"max_input_tok": 1000}, 1000, 10, True),
        ({"max_input_tok": 1000}, 1001, 10, False),
        ({"max_output_tok": 50}, 10, 51, True),
        ({"max_output_tok": 50, "refuses_long_outputs": True}, 10, 50, True),
        ({"max_output_tok": 50, "refuses_long_outputs": True}, 10, 51, False),
    ],
)
def test_requests_that_are_too_long_are_refused(
    rules: dict[str, object], input_tok: int, declared_tok: int, is_served: bool
) -> None:
    endpoint = replace(EXACT, **rules)
    state = serving(endpoint, input_tok=input_tok, declared_tok=declared_tok)
    assert fits(state, 0, 0) == is_served
    assert attempt(state) == (ACCEPTED if is_served else REFUSED)
    assert state.endpoints[0].attempts == is_served


def test_every_attempt_fails_during_an_outage() -> None:
    state = serving()
    state.endpoints[0].down = 1
    assert attempt(state) == FAILED
    assert state.endpoints[0].attempts == 0
    state.endpoints[0].down = 0
    assert attempt(state) == ACCEPTED
    assert (state.endpoints[0].attempts, state.endpoints[0].in_flight) == (1, 1)


def test_an_attempt_over_a_limit_is_told_how_long_to_wait() -> None:
    state = serving(replace(EXACT, limits=(Limit("requests", 1, 10.0, 10.0),)), rows=2)
    assert attempt(state, 0) == ACCEPTED
    assert attempt(state, 1, time_s=4.0) == LIMITED
    assert state.clock[0].retry_after_s == pytest.approx(7.0)
    assert attempt(state, 1, time_s=11.0) == ACCEPTED
    assert state.clock[0].retry_after_s == 0.0


def test_a_budget_without_money_is_a_limit_as_well() -> None:
    state = serving(replace(EXACT, budgets=(Budget(0.001, 60.0),)))
    state.budgets[0].spent_usd = 0.001
    assert attempt(state, time_s=45.0) == LIMITED
    assert state.clock[0].retry_after_s == 15.0


def test_what_a_limit_can_never_hold_is_refused() -> None:
    state = serving(replace(EXACT, limits=(Limit("input_tok", 999, 1.0, 1.0),)))
    assert attempt(state) == REFUSED


def test_requests_queue_while_all_are_busy_and_are_turned_away_after_that() -> None:
    state = serving(replace(EXACT, concurrency=2, queue=1), rows=4)
    state.requests.patience_s = 30.0
    assert [attempt(state, row) for row in range(4)] == [ACCEPTED, ACCEPTED, QUEUED, LIMITED]
    endpoint = state.endpoints[0]
    assert (endpoint.in_flight, endpoint.queued) == (2, 1)
    assert queued(state, endpoint.waiting_head) == {2}
    assert timers(state) == {2: 30.0}
    assert state.ledger[2].awaits == PATIENCE
    assert state.clock[0].retry_after_s == 0.0


def test_errors_are_drawn_by_row_and_attempt_and_take_nothing_from_limits() -> None:
    limit = Limit("requests", 1e-9, 1.0, 1e12)
    state = serving(replace(EXACT, error_rate=0.3, limits=(limit,)), rows=100)
    state.calls.attempts[50:] = 1
    failures = [attempt(state, row) == FAILED for row in range(100)]
    expected = [
        uniform(state.requests[row].random_bits, row // 50, FAILURE) < 0.3 for row in range(100)
    ]
    assert failures == expected
    assert 10 < sum(failures) < 50
    assert state.endpoints[0].in_flight == 100 - sum(failures)
    assert state.limits[0].level == pytest.approx(1000 - 100 + sum(failures))


def test_cached_tokens_are_those_of_the_moment_of_the_attempt() -> None:
    tree = PrefixTree.numbered(np.array([-1], np.int32), np.array([900], np.int32))
    cache = PromptCache("prefix", 60.0, 100, 1)
    state = serving(replace(EXACT, cache=cache), rows=2, node=0, tree=tree)
    for row, time_s, cached_tok in ((0, 1.0, 0), (1, 2.0, 900)):
        assert attempt(state, row, time_s) == ACCEPTED
        assert state.ledger[row].cached_tok == cached_tok
        begin(state, row, time_s)


# Answers.


def test_an_answer_has_a_latency_and_then_one_token_after_the_other() -> None:
    endpoint = replace(
        EXACT, ttft_sigma=0.4, speed_sigma=0.2, prefill_token_s=1e-4, prefill_token2_s=1e-8
    )
    state = serving(endpoint)
    state.ledger[0].cached_tok = 300
    state.calls[0].attempts = 2
    bits = state.requests[0].random_bits
    ttft_s = 0.5 * math.exp(0.4 * normal(bits, 2, LATENCY)) + 700e-4 + 1e-8 * (1000**2 - 300**2)
    speed_tok_s = 100.0 * math.exp(0.2 * normal(bits, 2, SPEED))
    assert begin(state) == pytest.approx(1.0 + ttft_s + 100 / speed_tok_s)
    row = state.ledger[0]
    assert (row.start_s, row.first_token_s) == (1.0, pytest.approx(1.0 + ttft_s))


@pytest.mark.parametrize(("output_tok", "length_s"), [(0, 0.5), (1, 0.5), (2, 0.51), (101, 1.5)])
def test_the_first_token_ends_the_latency(output_tok: int, length_s: float) -> None:
    assert begin(serving(output_tok=output_tok)) == pytest.approx(1.0 + length_s)


@pytest.mark.parametrize(
    ("rules", "completion_tok", "reasoning_tok"),
    [
        ({}, 101, 60),
        ({"max_output_tok": 100}, 100, 60),
        ({"max_output_tok": 50}, 50, 50),
        ({"context_tok": 1080}, 80, 60),
        ({"thinking_budget_tok": 20}, 61, 20),
        ({"thinking_budget_tok": 0}, 41, 0),
        ({"thinking_budget_tok": 60}, 101, 60),
        ({"thinking_budget_tok": 20, "max_output_tok": 15}, 15, 15),
    ],
    ids=str,
)
def test_an_answer_that_is_cut_loses_visible_output_first(
    rules: dict[str, object], completion_tok: int, reasoning_tok: int
) -> None:
    """101 tokens, 60 of which are reasoning."""
    state = serving(replace(EXACT, **rules), reasoning_tok=60)
    begin(state)
    row = state.ledger[0]
    assert (row.completion_tok, row.reasoning_tok) == (completion_tok, reasoning_tok)


@pytest.mark.parametrize(
    ("window_s", "end_s", "completion_tok", "outcome"),
    [(1.5, 1.5, 101, TIMED_OUT), (1.6, 1.5, 101, COMPLETED), (1.4, 1.4, 0, TIMED_OUT)],
)
def test_an_answer_that_takes_longer_than_its_window_expires_unpaid(
    window_s: float, end_s: float, completion_tok: int, outcome: int
) -> None:
    state = serving(replace(EXACT, window_s=window_s))
    assert begin(state, time_s=0.0) == pytest.approx(end_s)
    end(state, 0, timers(state)[0])
    row = state.ledger[0]
    assert (row.completion_tok, row.outcome) == (completion_tok, outcome)
    assert (state.calls[0].usd > 0) == (outcome == COMPLETED)


@pytest.mark.parametrize(
    ("patience_s", "end_s", "completion_tok"),
    [(0.4, 0.4, 0), (0.5, 0.5, 1), (0.515, 0.515, 2), (1.495, 1.495, 100), (1.6, 1.5, 101)],
)
def test_a_client_that_gives_up_is_streamed_what_was_written_until_then(
    patience_s: float, end_s: float, completion_tok: int
) -> None:
    """The first token comes after 0.5 s, and another every 10 ms."""
    state = serving(reasoning_tok=60)
    state.requests[0].patience_s = patience_s
    assert begin(state, time_s=0.0) == pytest.approx(end_s)
    row = state.ledger[0]
    assert row.completion_tok == completion_tok
    assert row.reasoning_tok == min(60, completion_tok)


def test_a_row_that_begins_stops_to_wait_in_the_queue() -> None:
    state = serving(replace(EXACT, concurrency=1, queue=1), rows=2)
    state.requests.patience_s = 30.0
    assert [attempt(state, 0), attempt(state, 1)] == [ACCEPTED, QUEUED]
    begin(state, 0)
    assert end(state, 0, 2.5) == 1
    assert begin(state, 1, 2.5) == pytest.approx(4.0)
    assert state.ledger[1].awaits == ANSWER


# Ends.


def test_the_end_of_an_answer_lets_the_next_of_the_queue_begin() -> None:
    state = serving(replace(EXACT, concurrency=1, queue=5), rows=4)
    assert [attempt(state, row) for row in range(4)] == [ACCEPTED, QUEUED, QUEUED, QUEUED]
    endpoint = state.endpoints[0]
    state.ledger[2].outcome = TIMED_OUT
    endpoint.queued -= 1  # as the event loop does when a client gives up
    assert end(state, 0, 2.0) == 1
    assert (endpoint.in_flight, endpoint.queued) == (1, 1)
    assert end(state, 1, 3.0) == 3
    assert (endpoint.in_flight, endpoint.queued) == (1, 0)
    assert end(state, 3, 4.0) == NONE
    assert (endpoint.in_flight, endpoint.waiting_head) == (0, NONE)


def test_an_answer_is_paid_by_the_endpoints_budgets() -> None:
    state = serving(replace(EXACT, budgets=(Budget(1.0, 1e9), Budget(2.0, 1e9, "month"))))
    attempt(state)
    begin(state)
    end(state, 0, 2.5)
    assert state.calls[0].usd == pytest.approx(ANSWER_USD)
    assert state.endpoints[0].spent_usd == pytest.approx(ANSWER_USD)
    assert state.budgets.spent_usd[:2] == pytest.approx([ANSWER_USD] * 2)
    assert (state.ledger[0].outcome, state.ledger[0].finished_s) == (COMPLETED, 2.5)


@pytest.mark.parametrize(("billed_at", "factor"), [("start", 1.0), ("completion", 3.0)])
def test_prices_are_those_of_the_begin_or_of_the_end(billed_at: str, factor: float) -> None:
    """Prices are three times as high from two seconds after midnight on."""
    rates = CARD.rows[0].rates
    later = RateRow({kind: 3 * usd for kind, usd in rates.items()}, utc_window_s=(2.0, 80_000.0))
    card = replace(CARD, rows=(*CARD.rows, later), billed_at=billed_at)
    state = serving(replace(EXACT, card=card))
    attempt(state)
    begin(state, time_s=1.0)
    end(state, 0, 2.5)
    assert state.calls[0].usd == pytest.approx(factor * ANSWER_USD)


def test_an_answer_that_ends_too_late_for_its_client_is_paid_and_not_completed() -> None:
    state = serving()
    state.requests[0].patience_s = 1.0
    attempt(state, time_s=0.0)
    until_s = begin(state, time_s=0.0)
    assert state.ledger[0].outcome == IN_FLIGHT
    end(state, 0, until_s)
    assert state.ledger[0].outcome == TIMED_OUT
    assert state.calls[0].usd == pytest.approx((1000 + 51 * 5.0) / 1e6)
