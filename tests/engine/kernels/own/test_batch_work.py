"""Batch work: who may wait for idle capacity, for how long, and in which order it is taken."""

import math
from dataclasses import replace

import numpy as np
import pytest

from simulator.engine.kernels.own.batch_work import (
    defer,
    drop_deferred,
    latest_start_s,
    may_wait,
    take_deferred,
    take_due,
)
from simulator.engine.records.layout import NONE, TIMED_OUT, EngineState
from tests.support.engine.kernel_states import own_state, put_in_flight
from tests.support.engine.plans import FLEET
from tests.support.pricing.api_samples import calls

LEAD_S = 50.0
PATIENT = replace(FLEET, replicas=1, deferred_in_flight=2, deferred_lead_s=LEAD_S)


def batch_work(*deadline_s: float, fleets: int = 1, arrival_s: float = 0.0) -> EngineState:
    """Rows with deadlines from their arrival on."""
    n = len(deadline_s)
    state = own_state(*[PATIENT] * fleets, table=calls(np.zeros(n)))
    state.requests.deadline_s = deadline_s
    put_in_flight(state, *range(n), time_s=arrival_s)
    return state


def due_s(state: EngineState) -> tuple[float, ...]:
    """When the first row of all fleets is due, then the first of each."""
    return (float(state.clock[0].due_s), *state.deferred.due_s.tolist())


def test_a_row_waits_until_the_lead_before_its_deadline() -> None:
    state = batch_work(200.0, arrival_s=30.0)
    assert latest_start_s(state, 0, 0) == 30.0 + 200.0 - LEAD_S


@pytest.mark.parametrize(
    ("time_s", "waits"), [(0.0, True), (math.nextafter(150.0, 0), True), (150.0, False)]
)
def test_there_is_time_to_wait_before_the_latest_start(time_s: float, waits: bool) -> None:
    assert may_wait(batch_work(200.0), 0, 0, time_s) == waits


def test_interactive_requests_and_those_of_a_pool_never_wait() -> None:
    assert not may_wait(batch_work(math.inf), 0, 0, 0.0)
    state = batch_work(200.0)
    state.ledger[0].pool = 0
    assert not may_wait(state, 0, 0, 0.0)


def test_nothing_waits_in_a_fleet_that_takes_no_batch_work() -> None:
    state = batch_work(200.0)
    state.fleets[0].deferred_in_flight = 0
    assert not may_wait(state, 0, 0, 0.0)


def test_the_nearest_deadline_is_taken_first() -> None:
    state = batch_work(300.0, 100.0, 200.0, 100.0)
    for row in range(4):
        defer(state, 0, row)
    assert state.deferred[0].waiting == 4
    assert [int(take_deferred(state, 0)) for _ in range(4)] == [1, 3, 2, 0]
    assert state.deferred[0].waiting == 0
    assert state.deferred[0].waiting_head == NONE
    assert not state.ledger.deferred.any()


def test_a_queue_is_due_when_its_first_row_is() -> None:
    state = batch_work(300.0, 100.0, 200.0)
    assert due_s(state) == (math.inf, math.inf)
    for row, expected in ((0, 250.0), (1, 50.0), (2, 50.0)):
        defer(state, 0, row)
        assert due_s(state) == (expected, expected)
    for expected in (150.0, 250.0, math.inf):
        take_deferred(state, 0)
        assert due_s(state) == (expected, expected)


def test_the_row_that_is_due_first_may_be_of_any_fleet() -> None:
    state = batch_work(300.0, 100.0, 200.0, fleets=3)
    for row, f in ((0, 0), (1, 2), (2, 1)):
        defer(state, f, row)
    assert due_s(state) == (50.0, 250.0, 150.0, 50.0)
    assert [int(take_due(state)) for _ in range(3)] == [1, 2, 0]
    assert due_s(state) == (math.inf,) * 4


def test_deadlines_beyond_the_range_of_ranks_come_last() -> None:
    """The rank of 2^31 - 1 tenths of a second is that of all later deadlines."""
    state = batch_work(1e12, 1e9, 1e7)
    for row in range(3):
        defer(state, 0, row)
    assert [int(take_deferred(state, 0)) for _ in range(3)] == [2, 0, 1]


@pytest.mark.parametrize(("row", "head", "first_s"), [(0, 1, 150.0), (1, 0, 50.0)])
def test_a_client_that_leaves_is_no_longer_counted(row: int, head: int, first_s: float) -> None:
    state = batch_work(100.0, 200.0)
    defer(state, 0, 0)
    defer(state, 0, 1)
    state.ledger[row].outcome = TIMED_OUT
    drop_deferred(state, 0)
    assert state.deferred[0].waiting == 1
    assert state.deferred[0].waiting_head == head
    assert due_s(state) == (first_s, first_s)
