"""The event loop: what is processed first at one instant, where rows go, and how they give up."""

import math
from dataclasses import replace

import numpy as np
import pytest
from numba.extending import is_jitted

from simulator.engine.kernels import event_loop
from simulator.engine.kernels.event_loop import advance
from simulator.engine.records.layout import (
    ABSENT,
    COMPLETED,
    DRAINING,
    IN_FLIGHT,
    NOWHERE,
    OFF,
    OWN,
    READY,
    REJECTED,
    TIMED_OUT,
    EngineState,
)
from simulator.engine.spec.plan import Fleet, Overflow, Plan
from simulator.serving.steptime import StepTime
from tests.support.engine.kernel_states import engine_state, own_state, queued, running_rows, timers
from tests.support.engine.plans import ENDPOINT, FLEET
from tests.support.pricing.api_samples import EXACT, among, calls, direct
from tests.support.traffic.traffic_samples import random_table

ONE = replace(
    FLEET, replicas=1, request_overhead_s=0.0, step_time=StepTime.linear(256, fixed_s=1.0)
)
"""A replica on which every step takes a second."""


def outcomes(state: EngineState) -> list[int]:
    return state.ledger.outcome.tolist()


def without_replicas(state: EngineState) -> EngineState:
    state.replicas.state, state.loads[:] = OFF, math.inf
    return state


def let_replicas_be_ready(state: EngineState) -> None:
    """What happens to the state when a replica of every fleet becomes ready."""
    state.replicas.state, state.loads[:] = READY, 0.0
    state.fleets.admitting = state.fleets.waiting
    state.clock[0].admitting = state.fleets.waiting.sum()


def test_kernels_are_plain_python_in_these_tests() -> None:
    assert not is_jitted(advance)
    assert not [name for name, value in vars(event_loop).items() if is_jitted(value)]


# Time.


def test_events_up_to_a_time_and_at_it_are_processed() -> None:
    state = engine_state(direct(EXACT), calls([1.0, 2.0, math.nextafter(2.0, 3)]))
    advance(state, 2.0)
    assert outcomes(state) == [IN_FLIGHT, IN_FLIGHT, ABSENT]
    assert state.clock[0].now_s == 2.0
    assert state.clock[0].offered == 2
    advance(state, 1e4)
    assert outcomes(state) == [COMPLETED] * 3
    assert state.clock[0].now_s == 1e4
    assert state.clock[0].completed == 3


def test_nothing_happens_without_rows_or_after_all_of_them() -> None:
    state = engine_state(direct(EXACT), calls([]))
    advance(state, 5.0)
    assert (state.clock[0].now_s, state.clock[0].offered) == (5.0, 0)


def test_later_turns_arrive_after_the_end_of_those_before_them() -> None:
    """The rows of a session are between the first rows of others."""
    gaps = np.array([math.nan, 2.0, 0.0, math.nan])
    state = engine_state(direct(EXACT), calls([0.0, 0.0, 0.0, 1.0], gap_s=gaps))
    advance(state, 1e3)
    np.testing.assert_allclose(state.ledger.arrival_s, [0.0, 3.5, 5.0, 1.0])
    assert timers(state) == {}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_many_short_advances_equal_one(seed: int) -> None:
    """With replicas that overflow to an endpoint, and clients that give up."""
    table = random_table(seed, sessions=8, rate_per_s=4.0)
    table.patience_s[::3] = 4.0
    plan = Plan((OWN,), (FLEET,), (ENDPOINT,), (among(1),), Overflow((0,), 2))
    whole, pieces = engine_state(plan, table), engine_state(plan, table)
    advance(whole, 60.0)
    for until_s in np.sort(np.random.default_rng(seed).uniform(0.0, 60.0, 40)):
        advance(pieces, float(until_s))
    advance(pieces, 60.0)
    for name in ("outcome", "server", "arrival_s", "start_s", "finished_s", "completion_tok"):
        np.testing.assert_array_equal(whole.ledger[name], pieces.ledger[name], err_msg=name)
    assert len(np.unique(whole.ledger.server)) > 1


# The order at one instant.


@pytest.mark.parametrize(
    ("arrival_s", "outcome"), [(1.5, REJECTED), (math.nextafter(1.5, 2), COMPLETED)]
)
def test_an_arrival_comes_before_the_timer_of_the_same_instant(
    arrival_s: float, outcome: int
) -> None:
    """The first answer ends at 1.5 s, and there is room for one at a time."""
    state = engine_state(direct(replace(EXACT, concurrency=1)), calls([0.0, arrival_s]))
    advance(state, 1e3)
    assert outcomes(state) == [COMPLETED, outcome]


@pytest.mark.parametrize(("arrival_s", "start_s"), [(2.0, 2.0), (math.nextafter(2.0, 3), 3.0)])
def test_an_arrival_at_a_step_boundary_is_in_that_step(arrival_s: float, start_s: float) -> None:
    state = own_state(ONE, table=calls([0.0, arrival_s], 10, 5))
    advance(state, 1e3)
    assert state.ledger.start_s.tolist() == [0.0, start_s]


def test_a_turn_that_follows_at_once_is_in_the_next_step() -> None:
    """The turn arrives between the end of a phase and the beginning of the next."""
    gaps = np.array([math.nan, 0.0, math.nan])
    state = own_state(ONE, table=calls([0.0, 0.0, 0.0], 10, np.array([2, 2, 9]), gap_s=gaps))
    advance(state, 1e3)
    assert state.ledger.finished_s[:1] == state.ledger.start_s[1:2] == 2.0


def test_batch_work_that_is_due_comes_before_an_arrival_of_the_same_instant() -> None:
    """It has waited until 10 s for a replica with less than one request."""
    fleet = replace(ONE, deferred_in_flight=1, deferred_lead_s=5.0, max_sequences=1)
    state = own_state(fleet, table=calls([0.0, 0.0, 10.0], 10, np.array([50, 5, 5])))
    state.requests.deadline_s = [math.inf, 15.0, math.inf]
    advance(state, 9.0)
    assert state.deferred[0].waiting == 1
    advance(state, 10.0)
    assert state.ledger[1].order < state.ledger[2].order
    assert state.ledger.queued_s[1:].tolist() == [10.0, 10.0]
    advance(state, 1e3)
    assert state.ledger.start_s.tolist() == [0.0, 50.0, 55.0]


def test_rows_that_waited_for_a_replica_come_before_arrivals() -> None:
    state = without_replicas(own_state(ONE, table=calls([0.0, 1.0, 5.0], 10, 5)))
    advance(state, 4.0)
    assert queued(state, state.fleets[0].waiting_head) == {0, 1}
    assert state.fleets[0].waiting == 2
    let_replicas_be_ready(state)
    state.clock[0].now_s = 5.0
    advance(state, 5.0)
    assert running_rows(state) == [0, 1, 2]
    assert (state.fleets[0].waiting, state.fleets[0].admitting, state.clock[0].admitting) == (
        (0, 0, 0)
    )
    assert state.ledger.queued_s.tolist() == [5.0] * 3


def test_rows_that_waited_for_several_fleets_are_all_dispatched() -> None:
    fleets = tuple(replace(ONE, serves=frozenset({w})) for w in (0, 1))
    table = calls(np.zeros(4), 10, 5, workload=np.array([1, 0, 1, 0]), workloads=("a", "b"))
    state = without_replicas(own_state(*fleets, table=table))
    advance(state, 1.0)
    assert state.fleets.waiting.tolist() == [2, 2]
    let_replicas_be_ready(state)
    advance(state, 2.0)
    assert [running_rows(state, r) for r in (0, 1)] == [[1, 3], [0, 2]]


# Where rows go.


def test_a_row_that_nothing_can_serve_is_rejected() -> None:
    state = own_state(ONE, table=calls([3.0], 5000))
    advance(state, 3.0)
    row = state.ledger[0]
    assert (row.outcome, row.server, row.finished_s) == (REJECTED, NOWHERE, 3.0)


def test_a_row_that_overflows_stays_with_its_gateway() -> None:
    """The gateway's first attempt fails; the second goes there again, although there is room."""
    plan = Plan((OWN,), (ONE,), (EXACT,), (among(1, jitter=0.0),), Overflow((0,), 1))
    state = engine_state(plan, calls([0.0, 0.1], 10, np.array([1, 101])))
    state.endpoints[0].down = 1
    advance(state, 0.2)
    state.endpoints[0].down = 0
    advance(state, 1e3)
    assert outcomes(state) == [COMPLETED, COMPLETED]
    assert state.ledger.server.tolist() == [OWN, 0]
    assert state.calls.attempts.tolist() == [0, 2]


# Clients that give up.


def impatient(fleet: Fleet = ONE) -> EngineState:
    """Three rows that are served for long; the client of row 1 gives up after 4.5 s."""
    state = own_state(fleet, table=calls(np.zeros(3), 10, 50))
    state.requests.patience_s[1] = 4.5
    return state


def test_a_client_gives_up_in_the_queue_of_a_replica() -> None:
    state = impatient(replace(ONE, max_sequences=1))
    advance(state, 4.0)
    assert queued(state, state.replicas[0].waiting_head) == {1, 2}
    advance(state, 5.0)
    row = state.ledger[1]
    assert (row.outcome, row.finished_s, row.completion_tok) == (TIMED_OUT, 4.5, 0)
    assert queued(state, state.replicas[0].waiting_head) == {2}
    assert state.replicas[0].in_flight == 2


def test_a_client_gives_up_while_its_answer_is_generated() -> None:
    state = impatient()
    advance(state, 5.0)
    row = state.ledger[1]
    assert (row.outcome, row.finished_s, row.completion_tok) == (TIMED_OUT, 4.5, 5)
    assert running_rows(state) == [0, 2]


def test_a_client_gives_up_while_no_replica_is_ready() -> None:
    state = without_replicas(impatient())
    advance(state, 5.0)
    assert state.ledger[1].outcome == TIMED_OUT
    assert state.fleets[0].waiting == 2
    let_replicas_be_ready(state)
    advance(state, 5.0)
    assert running_rows(state) == [0, 2]


def test_a_client_gives_up_on_batch_work() -> None:
    fleet = replace(ONE, deferred_in_flight=1, deferred_lead_s=5.0)
    state = impatient(fleet)
    state.requests.deadline_s[1:] = 100.0
    advance(state, 4.0)
    assert state.deferred[0].waiting == 2
    advance(state, 5.0)
    assert (state.ledger[1].outcome, state.ledger[1].deferred) == (TIMED_OUT, 0)
    assert (state.deferred[0].waiting, state.deferred[0].waiting_head) == (1, 2)


def test_a_client_gives_up_in_the_queue_of_an_endpoint() -> None:
    state = engine_state(direct(replace(EXACT, concurrency=1, queue=5)), calls(np.zeros(3)))
    state.requests.patience_s[1] = 1.0
    advance(state, 1.0)
    assert outcomes(state) == [IN_FLIGHT, TIMED_OUT, IN_FLIGHT]
    assert (state.endpoints[0].queued, state.endpoints[0].waiting_head) == (1, 2)
    advance(state, 1e3)
    assert state.ledger.start_s[[0, 2]].tolist() == [0.0, 1.5]


def test_a_client_gives_up_between_two_attempts() -> None:
    """The first has failed, and the second would be at 8 s."""
    state = engine_state(direct(EXACT, attempts=2, jitter=0.0, backoff_s=8.0), calls([0.0]))
    state.requests.patience_s = 5.0
    state.endpoints[0].down = 1
    advance(state, 1.0)
    state.ledger.completion_tok = state.ledger.reasoning_tok = 7
    advance(state, 5.0)
    row = state.ledger[0]
    assert (row.outcome, row.finished_s) == (TIMED_OUT, 5.0)
    assert (row.completion_tok, row.reasoning_tok) == (0, 0)
    assert state.calls[0].attempts == 1


def test_an_answer_that_has_begun_is_ended_by_its_own_timer() -> None:
    """It is paid for up to then: the first token at 0.5 s, and another every 10 ms."""
    state = engine_state(direct(EXACT), calls([0.0]))
    state.requests.patience_s = 1.0
    advance(state, 2.0)
    row = state.ledger[0]
    assert (row.outcome, row.finished_s, row.completion_tok) == (TIMED_OUT, 1.0, 51)
    assert state.calls[0].usd > 0


# Batch work.


def test_batch_work_uses_idle_capacity_and_waits_for_it_otherwise() -> None:
    fleet = replace(ONE, deferred_in_flight=1, deferred_lead_s=5.0)
    state = own_state(fleet, table=calls([0.0, 0.5, 1.0], 10, 4))
    state.requests.deadline_s = 100.0
    advance(state, 0.5)
    assert state.replicas[0].in_flight == 1
    assert state.deferred[0].waiting == 1
    advance(state, 1e3)
    assert state.ledger.start_s.tolist() == [0.0, 4.0, 8.0]


def test_batch_work_without_time_or_fleet_is_served_like_any_other() -> None:
    fleet = replace(ONE, deferred_in_flight=1, deferred_lead_s=5.0)
    state = own_state(fleet, table=calls(np.zeros(2), np.array([10, 10]), 4))
    state.requests.deadline_s = [5.0, 4.0]
    advance(state, 0.0)
    assert running_rows(state) == [0, 1]
    assert state.deferred[0].waiting == 0
    long = own_state(fleet, table=calls([0.0], 5000))
    long.requests.deadline_s = 100.0
    advance(long, 0.0)
    assert outcomes(long) == [REJECTED], "no replica can hold the prompt"


def test_a_replica_that_drains_stops_after_its_last_request() -> None:
    state = own_state(ONE, table=calls([0.0], 10, 4))
    advance(state, 1.5)
    state.replicas.state, state.loads[:] = DRAINING, math.inf
    advance(state, 1e3)
    rep = state.replicas[0]
    assert (rep.state, rep.stopped_s, rep.busy_s) == (OFF, 4.0, 4.0)
    assert outcomes(state) == [COMPLETED]
