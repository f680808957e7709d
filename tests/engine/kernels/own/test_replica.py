"""One replica: its queue, what each step holds, how long it takes, and who is preempted."""

import math
from dataclasses import replace

import numpy as np
import pytest

from simulator.engine.kernels.own.batch_work import defer
from simulator.engine.kernels.own.replica import (
    begin_phase,
    cancel,
    offer_deferred,
)
from simulator.engine.records.layout import (
    BOUNDARY,
    COMPLETED,
    DECODE,
    DRAINING,
    IDLE,
    NONE,
    OFF,
    PREFILL,
    TIMED_OUT,
    EngineState,
)
from simulator.engine.spec.plan import Fleet
from simulator.serving.capacity import KvCapacity
from tests.support.engine.kernel_states import (
    all_blocks,
    event,
    own_state,
    put_in_flight,
    running_rows,
    send,
)
from tests.support.engine.plans import FLEET
from tests.support.pricing.api_samples import calls
from tests.support.traffic.traffic_samples import random_table

ONE = replace(FLEET, replicas=1)
FIXED_S, PREFILL_S, CONTEXT_S = 0.02, 1e-4, 1e-7
"""Times of a step of ``FLEET``: fixed, for each prompt token, for each token of context."""
MOST_EVENTS = 1000
"""More than any of these tests needs."""


def replica(
    *input_tok: int, output_tok: int | list[int] = 20, fleet: Fleet = ONE, **columns: object
) -> EngineState:
    """A replica, and rows of which none has arrived."""
    n = len(input_tok)
    output = np.broadcast_to(np.array(output_tok), n)
    return own_state(fleet, table=calls(np.zeros(n), np.array(input_tok), output, **columns))


def until_idle(state: EngineState) -> list[int]:
    """Let the replica work until it is idle; return the phases that took time."""
    phases = []
    for _ in range(MOST_EVENTS):
        if state.replicas[0].phase == IDLE:
            return [phase for phase in phases if phase in (PREFILL, DECODE)]
        event(state)
        phases.append(int(state.replicas[0].phase))
    pytest.fail("the replica never becomes idle")


# Joining the queue.


def test_a_request_wakes_an_idle_replica() -> None:
    state = replica(100)
    send(state, 0, time_s=3.0)
    rep, row = state.replicas[0], state.ledger[0]
    assert (rep.phase, rep.busy_since_s, rep.in_flight, state.loads[0]) == (BOUNDARY, 3.0, 1, 1.0)
    assert state.wakes[0].key == 3.0
    assert (row.replica, row.queued_s, row.first_replica) == (0, 3.0, 0)


def test_a_row_keeps_the_first_replica_that_it_was_sent_to() -> None:
    state = replica(100)
    state.ledger[0].first_replica = 5
    send(state, 0)
    assert state.ledger[0].first_replica == 5


@pytest.mark.parametrize(
    ("input_tok", "completion_tok", "reasoning_tok"),
    [(1980, 20, 15), (1981, 19, 15), (1990, 10, 10)],
)
def test_output_is_cut_where_the_model_ends(
    input_tok: int, completion_tok: int, reasoning_tok: int
) -> None:
    """At 2000 tokens with the prompt; visible output is cut first."""
    state = replica(input_tok, reasoning_tok=15)
    send(state, 0)
    row = state.ledger[0]
    assert (row.completion_tok, row.reasoning_tok) == (completion_tok, reasoning_tok)


def test_queues_by_priority_serve_the_least_rank_first() -> None:
    table = calls(np.zeros(3), 100, workload=np.array([0, 1, 0]), workloads=("a", "b"))
    state = own_state(replace(ONE, order="priority"), table=table, priorities=(2, 1))
    state.replicas[0].phase = PREFILL
    send(state, 0, 1, 2)
    assert state.replicas[0].waiting_head == 1
    state = own_state(ONE, table=table, priorities=(2, 1))
    state.replicas[0].phase = PREFILL
    send(state, 0, 1, 2)
    assert state.replicas[0].waiting_head == 0


# Steps.


def test_a_request_alone_takes_the_sum_of_its_steps() -> None:
    state = replica(100)
    send(state, 0, time_s=3.0)
    assert until_idle(state) == [PREFILL, DECODE]
    row, rep = state.ledger[0], state.replicas[0]
    first_s = 3.0 + FIXED_S + 100 * PREFILL_S
    last_s = first_s + sum(FIXED_S + CONTEXT_S * (100 + k) for k in range(1, 20))
    assert row.outcome == COMPLETED
    assert row.start_s == 3.0
    assert row.first_token_s == pytest.approx(first_s + 0.03)
    assert row.finished_s == pytest.approx(last_s + 0.03)
    assert (rep.step, rep.in_flight, rep.running) == (20, 0, 0)
    assert rep.busy_s == pytest.approx(last_s - 3.0)
    assert rep.free_blocks + rep.cached_blocks == 200


@pytest.mark.parametrize("output_tok", [0, 1])
def test_an_answer_of_one_token_ends_with_its_prompt(output_tok: int) -> None:
    state = replica(100, output_tok=output_tok)
    send(state, 0)
    assert until_idle(state) == [PREFILL]
    assert state.ledger[0].finished_s == state.ledger[0].first_token_s


def test_a_step_holds_tokens_up_to_its_budget() -> None:
    """256 tokens: 200 and 56 of the prompts; then one of decoding and the other 44."""
    state = replica(200, 100, 100)
    send(state, 0, 1, 2)
    event(state)
    assert state.wakes[0].key == pytest.approx(FIXED_S + 256 * PREFILL_S)
    assert running_rows(state) == [0, 1]
    event(state)
    begun_s = event(state)
    assert running_rows(state) == [0, 1, 2]
    expected_s = FIXED_S + (44 + 100) * PREFILL_S + CONTEXT_S * 201
    assert state.wakes[0].key - begun_s == pytest.approx(expected_s)


def test_no_more_sequences_run_than_may() -> None:
    state = replica(10, 10, 10, fleet=replace(ONE, max_sequences=2))
    send(state, 0, 1, 2)
    event(state)
    assert running_rows(state) == [0, 1]
    assert state.replicas[0].waiting_head == 2


def test_decode_steps_are_planned_until_the_first_sequence_ends() -> None:
    state = replica(50, 60, output_tok=[5, 9])
    send(state, 0, 1)
    event(state), event(state), event(state)
    assert state.replicas[0].planned_steps == 4
    event(state), event(state)
    assert state.replicas[0].planned_steps == 4
    assert running_rows(state) == [1]


def test_a_phase_ends_when_a_sequence_fills_the_window() -> None:
    """From then on its steps read no more tokens in layers with a window of 60 tokens."""
    step_time = replace(FLEET.step_time, window_token_s=1e-6, window_tok=60)
    state = replica(50, fleet=replace(ONE, step_time=step_time))
    send(state, 0)
    event(state), event(state), event(state)
    assert state.replicas[0].planned_steps == 10
    assert until_idle(state) == [DECODE]
    first_s = FIXED_S + 50 * PREFILL_S
    rest_s = sum(FIXED_S + CONTEXT_S * (50 + k) + 1e-6 * min(50 + k, 60) for k in range(1, 20))
    assert state.ledger[0].finished_s == pytest.approx(first_s + rest_s + 0.03)


def test_decode_steps_are_planned_as_far_as_the_blocks_reach() -> None:
    """A prompt of 16 tokens fills its block, and there is one more block until the cache grows."""
    state = replica(16, output_tok=60, fleet=replace(ONE, kv=KvCapacity(200, 16, 0.5)))
    state.replicas[0].free_blocks = 2
    send(state, 0)
    event(state), event(state), event(state)
    assert state.replicas[0].planned_steps == 16


def test_the_request_admitted_last_is_preempted_when_blocks_run_out() -> None:
    """Two sequences of 16 tokens need a block each for the next; there is one."""
    state = replica(16, 16, output_tok=60)
    state.replicas[0].free_blocks = 3
    send(state, 0, 1)
    for _ in range(3):
        event(state)
    rep = state.replicas[0]
    assert running_rows(state) == [0]
    assert (rep.waiting_head, rep.preemptions) == (1, 1)
    assert state.ledger[1].resume_tok == 17
    assert rep.planned_steps == 1, "the step after that admits again"
    assert all_blocks(state, 0) == 3


@pytest.mark.parametrize("seed", range(3))
def test_no_block_is_lost_at_any_event(seed: int) -> None:
    """Random sessions on few blocks, with prefixes, preemptions and clients that leave."""
    table = random_table(seed, sessions=8, prompt_tok=120, output_tok=40)
    kv = KvCapacity(40, 16, 0.5)
    state = own_state(replace(ONE, kv=kv, max_model_tok=600, max_sequences=4), table=table)
    rng = np.random.default_rng(seed)
    rows = [row for row in range(table.size) if table.input_tokens[row] < 600]
    time_s = 0.0
    for row in rows:
        send(state, row, time_s=time_s)
        for _ in range(int(rng.integers(0, 6))):
            if state.replicas[0].phase != IDLE:
                time_s = event(state)
                assert all_blocks(state, 0) == kv.blocks
        if rng.random() < 0.2 and state.ledger[row].finished_s != state.ledger[row].finished_s:
            state.ledger[row].outcome = TIMED_OUT
            cancel(state, 0, row, time_s)
            assert all_blocks(state, 0) == kv.blocks
    until_idle(state)
    rep = state.replicas[0]
    assert (rep.in_flight, rep.running, rep.decoding, rep.waiting_head) == (0, 0, 0, NONE)
    assert rep.free_blocks + rep.cached_blocks == kv.blocks
    assert set(state.ledger.outcome[rows]) == {COMPLETED, TIMED_OUT}


# Draining and batch work.


@pytest.mark.parametrize(("in_flight", "state_after"), [(0, OFF), (1, DRAINING)])
def test_a_draining_replica_stops_when_it_holds_no_request(
    in_flight: int, state_after: int
) -> None:
    state = replica(100)
    rep = state.replicas[0]
    rep.state, rep.in_flight, rep.stopped_s = DRAINING, in_flight, math.nan
    begin_phase(state, 0, 6.0)
    assert (rep.state, rep.phase) == (state_after, IDLE)
    assert rep.stopped_s == 6.0 if state_after == OFF else math.isnan(rep.stopped_s)


def deferring(most: int) -> EngineState:
    """Three rows of batch work, and a replica that takes some below a number in flight."""
    fleet = replace(ONE, deferred_in_flight=most, deferred_lead_s=0.0)
    state = replica(10, 10, 10, 10, fleet=fleet)
    state.requests.deadline_s[1:] = 1000.0
    put_in_flight(state, 1, 2, 3)
    for row in (1, 2, 3):
        defer(state, 0, row)
    return state


def test_idle_capacity_is_filled_with_batch_work() -> None:
    """One request at a time joins the queue, so that a step takes one row of batch work."""
    state = deferring(2)
    send(state, 0)
    event(state)
    assert running_rows(state) == [0], "it waits while another request does"
    state = deferring(2)
    offer_deferred(state, 0, 5.0)
    assert state.replicas[0].phase == BOUNDARY
    for rows in ([1], [1, 2], [1, 2]):
        event(state)
        assert running_rows(state) == rows
        event(state)
    assert state.deferred[0].waiting == 1


@pytest.mark.parametrize("change", ["draining", "not served"])
def test_batch_work_is_not_for_every_replica(change: str) -> None:
    state = deferring(2)
    if change == "draining":
        state.replicas[0].state = DRAINING
    else:
        state.serves[:] = False
    begin_phase(state, 0, 5.0)
    assert state.deferred[0].waiting == 3


def test_a_replica_without_batch_work_to_take_stays_idle() -> None:
    state = replica(100)
    offer_deferred(state, 0, 5.0)
    assert state.replicas[0].phase == IDLE
