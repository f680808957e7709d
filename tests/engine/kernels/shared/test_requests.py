"""The life of a row: its timer, the patience of its client, how it closes and what follows it."""

import math

import numpy as np
import pytest

from simulator.engine.kernels.shared import requests
from simulator.engine.kernels.shared.requests import (
    complete_row,
    limit_patience,
    patient_until_s,
    reject_row,
    stop_waiting,
    wait_for,
)
from simulator.engine.records.layout import (
    ANSWER,
    ARRIVAL,
    ATTEMPT,
    COMPLETED,
    NOTHING,
    PATIENCE,
    REJECTED,
    TIMED_OUT,
    EngineState,
)
from tests.support.engine.kernel_states import engine_state, put_in_flight, timers
from tests.support.pricing.api_samples import EXACT, calls, direct


def state_of(
    gaps_s: tuple[float, ...] = (np.nan,), patience_s: float = math.inf, arrival_s: float = 10.0
) -> EngineState:
    """Rows with the given gaps, of which the first is in flight."""
    state = engine_state(direct(EXACT), calls(np.zeros(len(gaps_s)), gap_s=np.array(gaps_s)))
    state.requests.patience_s = patience_s
    put_in_flight(state, 0, time_s=arrival_s)
    return state


def test_patience_counts_from_the_arrival() -> None:
    assert patient_until_s(state_of(patience_s=2.5), 0) == 12.5
    assert patient_until_s(state_of(), 0) == math.inf


@pytest.mark.parametrize(
    ("patience_s", "expected_s"), [(math.inf, 20.0), (15.0, 20.0), (10.0, 20.0), (4.0, 14.0)]
)
def test_a_row_waits_no_longer_than_its_client(patience_s: float, expected_s: float) -> None:
    state = state_of(patience_s=patience_s)
    wait_for(state, 0, ATTEMPT, 20.0)
    assert timers(state) == {0: expected_s}
    assert state.ledger[0].awaits == ATTEMPT


def test_patience_without_end_needs_no_timer() -> None:
    state = state_of()
    limit_patience(state, 0)
    assert timers(state) == {}
    assert state.ledger[0].awaits == NOTHING
    state = state_of(patience_s=3.0)
    limit_patience(state, 0)
    assert timers(state) == {0: 13.0}
    assert state.ledger[0].awaits == PATIENCE


def test_waiting_stops_for_one_row_in_the_middle_of_the_heap() -> None:
    state = state_of((np.nan,) * 5)
    put_in_flight(state, *range(5))
    state.requests.patience_s = [5.0, 3.0, 1.0, 4.0, 2.0]
    for row in range(5):
        limit_patience(state, row)
    stop_waiting(state, 1)
    assert timers(state) == {0: 5.0, 2: 1.0, 3: 4.0, 4: 2.0}
    assert state.ledger[1].awaits == NOTHING
    stop_waiting(state, 1)
    assert len(timers(state)) == 4, "a second call finds nothing to stop"


@pytest.mark.parametrize("purpose", [ARRIVAL, ATTEMPT, ANSWER])
def test_only_the_timer_of_patience_is_stopped(purpose: int) -> None:
    state = state_of()
    wait_for(state, 0, purpose, 20.0)
    stop_waiting(state, 0)
    assert timers(state) == {0: 20.0}
    assert state.ledger[0].awaits == purpose


@pytest.mark.parametrize(
    ("time_s", "outcome", "finished_s"),
    [
        (math.nextafter(14.0, 0.0), COMPLETED, math.nextafter(14.0, 0.0)),
        (14.0, TIMED_OUT, 14.0),
        (15.0, TIMED_OUT, 14.0),
    ],
)
def test_an_answer_must_end_before_the_client_gives_up(
    time_s: float, outcome: int, finished_s: float
) -> None:
    state = state_of(patience_s=4.0)
    complete_row(state, 0, time_s)
    assert state.ledger[0].outcome == outcome
    assert state.ledger[0].finished_s == finished_s
    clock = state.clock[0]
    assert (clock.completed, clock.timed_out) == (outcome == COMPLETED, outcome == TIMED_OUT)


@pytest.mark.parametrize(
    ("close", "outcome"),
    [("complete_row", COMPLETED), ("time_out_row", TIMED_OUT), ("reject_row", REJECTED)],
)
@pytest.mark.parametrize("gap_s", [0.0, 7.0])
def test_the_next_turn_arrives_its_gap_after_the_end(
    close: str, outcome: int, gap_s: float
) -> None:
    state = state_of((np.nan, gap_s, 9.0))
    getattr(requests, close)(state, 0, 30.0)
    assert state.ledger[0].outcome == outcome
    assert timers(state) == {1: 30.0 + gap_s}
    assert state.ledger[1].awaits == ARRIVAL
    clock = state.clock[0]
    assert clock.completed + clock.timed_out + clock.rejected == 1


def test_neither_another_session_nor_the_end_of_the_table_follows() -> None:
    state = state_of((np.nan, np.nan))
    put_in_flight(state, 1)
    complete_row(state, 0, 30.0)
    complete_row(state, 1, 31.0)
    assert timers(state) == {}


def test_a_rejected_row_has_neither_output_nor_cached_tokens() -> None:
    state = state_of()
    state.ledger[0].completion_tok, state.ledger[0].cached_tok = 5, 7
    reject_row(state, 0, 12.0)
    row = state.ledger[0]
    assert (row.completion_tok, row.cached_tok, row.finished_s) == (0, 0, 12.0)
