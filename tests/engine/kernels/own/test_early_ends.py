"""Phases of a replica that end early: for an arrival, for a lookup, for a client that leaves."""

import math
from dataclasses import replace

import numpy as np
import pytest

from simulator.engine.kernels.own.replica import cancel, evict_until_now
from simulator.engine.kernels.own.steps import decode_s
from simulator.engine.records.layout import BOUNDARY, DECODE, PREFILL, TIMED_OUT, EngineState
from simulator.traffic.table import PrefixTree
from tests.support.engine.kernel_states import event, own_state, put_in_cache, running_rows, send
from tests.support.engine.plans import FLEET
from tests.support.pricing.api_samples import calls

ONE = replace(FLEET, replicas=1)


def decoding(output_tok: int = 40, **rules: object) -> EngineState:
    """Row 0 has just begun to decode; row 1 has not arrived."""
    table = calls(np.zeros(2), np.array([100, 50]), output_tok)
    state = own_state(replace(ONE, **rules), table=table)
    send(state, 0)
    event(state), event(state), event(state)
    assert state.replicas[0].phase == DECODE
    return state


@pytest.mark.parametrize(("ahead", "steps"), [(False, 3), (True, 4)])
def test_an_arrival_ends_the_phase_at_the_next_step(ahead: bool, steps: int) -> None:
    """Or a step later where steps are scheduled ahead."""
    state = decoding(schedules_ahead=ahead)
    begun_s = float(state.replicas[0].t_s)
    middle_s = begun_s + (decode_s(state, 0, 2) + decode_s(state, 0, 3)) / 2
    send(state, 1, time_s=middle_s)
    assert state.replicas[0].planned_steps == steps
    assert state.wakes[0].key == begun_s + decode_s(state, 0, steps)


def test_an_arrival_at_a_boundary_is_in_time_for_the_next_step() -> None:
    state = decoding()
    boundary_s = float(state.replicas[0].t_s) + decode_s(state, 0, 3)
    send(state, 1, time_s=boundary_s)
    assert state.wakes[0].key == boundary_s
    assert state.replicas[0].planned_steps == 3


def test_an_arrival_never_prolongs_a_phase_and_ends_none_of_a_full_replica() -> None:
    state = decoding(schedules_ahead=True)
    end_s = float(state.wakes[0].key)
    send(state, 1, time_s=math.nextafter(end_s, 0.0))
    assert (state.wakes[0].key, state.replicas[0].planned_steps) == (end_s, 39)
    state = decoding(max_sequences=1)
    send(state, 1, time_s=float(state.replicas[0].t_s))
    assert state.replicas[0].planned_steps == 39


def test_a_lookup_in_the_middle_of_a_phase_finds_what_is_evicted_until_then() -> None:
    """The sequence of 100 tokens begins a block in the 13th step and in every 16th after that."""
    tree = PrefixTree.numbered(np.array([-1], np.int32), np.array([48], np.int32))
    state = own_state(ONE, table=calls([0.0], 100, 60, tree=tree))
    rep = state.replicas[0]
    send(state, 0)
    event(state), event(state), event(state)
    rep.free_blocks = 3
    put_in_cache(state, 0, 0, 3)
    for steps, cached in ((12, 3), (13, 2), (28, 2), (29, 1)):
        passed_s = (decode_s(state, 0, steps - 1) + decode_s(state, 0, steps)) / 2
        evict_until_now(state, 0, float(rep.t_s) + passed_s)
        assert (rep.free_blocks, rep.cached_blocks) == (0, cached)
    event(state)
    assert rep.step == 60
    assert rep.free_blocks == 7 + 3, "the end frees all blocks, of which three were cached before"


def test_a_lookup_evicts_nothing_while_the_phase_has_free_blocks() -> None:
    tree = PrefixTree.numbered(np.array([-1], np.int32), np.array([48], np.int32))
    state = own_state(ONE, table=calls([0.0], 100, 60, tree=tree))
    send(state, 0)
    event(state), event(state), event(state)
    state.replicas[0].free_blocks = 6
    put_in_cache(state, 0, 0, 3)
    evict_until_now(state, 0, float(state.wakes[0].key))
    assert (state.replicas[0].free_blocks, state.replicas[0].cached_blocks) == (3, 3)


def test_a_lookup_evicts_nothing_while_no_sequence_decodes() -> None:
    """A step with a prompt has taken its blocks at its beginning."""
    tree = PrefixTree.numbered(np.array([-1], np.int32), np.array([48], np.int32))
    state = own_state(ONE, table=calls([0.0], 100, 60, tree=tree))
    send(state, 0)
    event(state)
    state.replicas[0].free_blocks = 3
    put_in_cache(state, 0, 0, 3)
    state.replicas[0].crossing[0] = 5
    evict_until_now(state, 0, float(state.wakes[0].key))
    assert (state.replicas[0].free_blocks, state.replicas[0].cached_blocks) == (0, 3)


# Clients that leave.


def test_a_client_that_leaves_ends_its_sequence_at_the_next_step() -> None:
    state = decoding()
    time_s = float(state.replicas[0].t_s) + (decode_s(state, 0, 6) + decode_s(state, 0, 7)) / 2
    state.ledger[0].outcome = TIMED_OUT
    cancel(state, 0, 0, time_s)
    event(state)
    assert state.replicas[0].step == 1 + 7
    assert (state.replicas[0].running, state.replicas[0].in_flight) == (0, 0)
    assert state.ledger[0].completion_tok == 8
    assert state.replicas[0].free_blocks == 200


def test_a_client_that_leaves_at_a_boundary_is_dropped_before_the_next_step() -> None:
    state = decoding()
    send(state, 1, time_s=float(state.replicas[0].t_s))
    time_s = event(state)
    assert state.replicas[0].phase == BOUNDARY
    step = int(state.replicas[0].step)
    state.ledger[0].outcome = TIMED_OUT
    cancel(state, 0, 0, time_s)
    assert event(state) == time_s
    assert state.replicas[0].step == step
    assert running_rows(state) == []
    assert state.replicas[0].phase == BOUNDARY


def test_a_client_that_leaves_during_its_prompt_is_streamed_nothing() -> None:
    """The step that runs is completed; the rest of the prompt is not computed."""
    state = own_state(ONE, table=calls([0.0], 300, 20))
    send(state, 0)
    event(state)
    assert state.replicas[0].phase == PREFILL
    state.ledger[0].outcome = TIMED_OUT
    end_s = float(state.wakes[0].key)
    cancel(state, 0, 0, end_s / 2)
    assert event(state) == end_s
    assert running_rows(state) == []
    assert state.ledger[0].completion_tok == 0
    assert state.replicas[0].free_blocks == 200


@pytest.mark.parametrize(("leaving", "head"), [(1, 2), (2, 1)])
def test_a_client_that_leaves_the_queue_is_no_longer_in_flight(leaving: int, head: int) -> None:
    state = own_state(ONE, table=calls(np.zeros(3), 100, 20))
    state.replicas[0].phase = PREFILL
    send(state, 1, 2)
    state.ledger[leaving].outcome = TIMED_OUT
    cancel(state, 0, leaving, 4.0)
    assert (state.replicas[0].in_flight, state.replicas[0].waiting_head) == (1, head)
    assert state.ledger[leaving].completion_tok == 0


def test_a_preempted_client_that_leaves_had_its_first_tokens() -> None:
    state = own_state(ONE, table=calls([0.0], 100, 20))
    state.replicas[0].phase = PREFILL
    send(state, 0)
    state.ledger[0].resume_tok, state.ledger[0].reasoning_tok = 107, 9
    state.ledger[0].outcome = TIMED_OUT
    cancel(state, 0, 0, 4.0)
    assert (state.ledger[0].completion_tok, state.ledger[0].reasoning_tok) == (7, 7)
