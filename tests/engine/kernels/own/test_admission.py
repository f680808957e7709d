"""Admission: chunks of prompts, the blocks and tokens that they need, and the head of the queue."""

import math
from dataclasses import replace

import numpy as np
import pytest

from simulator.engine.kernels.own.admission import admit, continue_prompt, was_queued_in_time
from simulator.engine.kernels.own.kv_cache import kv_lookup
from simulator.engine.kernels.own.steps import prompt_attention_s
from simulator.engine.records.layout import NONE, EngineState
from simulator.engine.spec.plan import Fleet
from simulator.serving.capacity import KvCapacity
from simulator.traffic.table import PrefixTree
from tests.support.engine.kernel_states import (
    all_blocks,
    own_state,
    put_in_cache,
    put_on_replica,
    running,
)
from tests.support.engine.plans import FLEET
from tests.support.pricing.api_samples import calls

BLOCKS = 20
SMALL = replace(
    FLEET,
    replicas=1,
    kv=KvCapacity(BLOCKS, 16, 0.5),
    step_time=replace(FLEET.step_time, attention_s=1e-6),
)
TREE = PrefixTree.numbered(np.array([-1, -1], np.int32), np.array([64, 48], np.int32))
SHARED, OTHER = 0, 1
"""Two prefixes of four and three blocks."""


def waiting(
    *input_tok: int, fleet: Fleet = SMALL, free: int = BLOCKS, node: int = NONE, output_tok: int = 8
) -> EngineState:
    """Requests in the queue of a replica of which some blocks are in use elsewhere."""
    n = len(input_tok)
    table = calls(np.zeros(n), np.array(input_tok), output_tok, node, TREE)
    state = own_state(fleet, table=table)
    state.replicas[0].free_blocks = free
    put_on_replica(state, 0, *range(n))
    return state


@pytest.mark.parametrize(("free", "tokens"), [(7, 100), (6, 0)])
def test_a_prompt_needs_all_blocks_of_its_chunk(free: int, tokens: int) -> None:
    """100 tokens take seven blocks of 16; nothing changes if there are six."""
    state = waiting(100, free=free)
    assert admit(state, 0, 256, 3.0)[0] == tokens
    rep = state.replicas[0]
    assert rep.free_blocks == (0 if tokens else 6)
    assert rep.waiting_head == (NONE if tokens else 0)
    assert len(running(state, 0)) == bool(tokens)
    assert all_blocks(state, 0) == free


@pytest.mark.parametrize(("budget_tok", "blocks"), [(1, 1), (16, 1), (17, 2), (99, 7), (500, 7)])
def test_a_chunk_is_what_the_budget_allows(budget_tok: int, blocks: int) -> None:
    state = waiting(100)
    assert admit(state, 0, budget_tok, 3.0)[0] == min(100, budget_tok)
    assert state.replicas[0].free_blocks == BLOCKS - blocks
    assert state.sequences[0].kv_tok == min(100, budget_tok)


@pytest.mark.parametrize(("budget_tok", "tokens"), [(99, 0), (100, 100)])
def test_without_chunks_a_prompt_waits_for_budget_for_all_of_it(
    budget_tok: int, tokens: int
) -> None:
    state = waiting(100, fleet=replace(SMALL, chunked_prefill=False, max_model_tok=256))
    assert admit(state, 0, budget_tok, 3.0)[0] == tokens


def test_no_later_request_overtakes_a_head_that_does_not_fit() -> None:
    state = waiting(100, 10, free=3)
    assert admit(state, 0, 256, 3.0) == (0, 0.0)
    assert state.replicas[0].waiting_head == 0


@pytest.mark.parametrize(
    ("input_tok", "cached_tok", "taken"),
    [(100, 64, 3), (65, 64, 1), (64, 48, 0)],
    ids=["part of the prompt", "all but one token", "all of the prompt"],
)
def test_cached_blocks_are_not_computed_again_but_the_last_token_is(
    input_tok: int, cached_tok: int, taken: int
) -> None:
    state = waiting(input_tok, node=SHARED)
    put_in_cache(state, 0, SHARED, 4)
    assert admit(state, 0, 256, 3.0)[0] == input_tok - cached_tok
    rep = state.replicas[0]
    assert state.ledger[0].cached_tok == cached_tok
    assert (rep.free_blocks, rep.cached_blocks) == (BLOCKS - 4 - taken, 0)
    assert kv_lookup(state, 0, SHARED) == (4, 0)
    assert all_blocks(state, 0) == BLOCKS


@pytest.mark.parametrize(("free", "tokens"), [(2, 0), (3, 36)])
def test_blocks_of_the_hit_cannot_be_evicted_for_the_rest_of_the_prompt(
    free: int, tokens: int
) -> None:
    state = waiting(100, node=SHARED, free=4 + free)
    put_in_cache(state, 0, SHARED, 4)
    assert admit(state, 0, 256, 3.0)[0] == tokens


@pytest.mark.parametrize(("free", "tokens"), [(0, 36), (1, 36)])
def test_blocks_of_other_prefixes_are_evicted(free: int, tokens: int) -> None:
    state = waiting(100, node=SHARED, free=7 + free)
    put_in_cache(state, 0, SHARED, 4)
    put_in_cache(state, 0, OTHER, 3)
    assert admit(state, 0, 256, 3.0)[0] == tokens
    assert state.replicas[0].cached_blocks == free
    assert all_blocks(state, 0) == 7 + free


def test_a_prompt_leaves_the_shared_prefix_that_it_computes() -> None:
    """Only whole blocks of the prefix are pinned: 40 tokens are two of them, 64 are four."""
    state = waiting(100, node=SHARED)
    admit(state, 0, 40, 3.0)
    assert kv_lookup(state, 0, SHARED) == (2, 0)
    continue_prompt(state, 0, 256)
    assert kv_lookup(state, 0, SHARED) == (4, 0)
    assert all_blocks(state, 0) == BLOCKS


@pytest.mark.parametrize(("second_tok", "tokens"), [(104, 104), (105, 0)])
def test_reserved_output_must_fit_with_that_of_all_running_requests(
    second_tok: int, tokens: int
) -> None:
    """192 tokens with 8 of output reserve 13 blocks of 20; 104 reserve 7, and 105 reserve 8."""
    reserving = replace(SMALL, reserves_output=True)
    state = waiting(192, second_tok, fleet=reserving)
    assert admit(state, 0, 16, 3.0)[0] == 16
    assert state.replicas[0].reserved_blocks == 13
    assert admit(state, 0, 256, 3.0)[0] == tokens
    assert state.replicas[0].reserved_blocks == (20 if tokens else 13)


@pytest.mark.parametrize(("free", "tokens"), [(9, 100), (8, 0)])
def test_layers_with_a_window_take_blocks_of_their_own(free: int, tokens: int) -> None:
    """Two blocks for the 64 tokens of the window, in addition to seven."""
    windowed = replace(SMALL, kv=KvCapacity(BLOCKS, 16, 0.5, 64, 0.5))
    state = waiting(100, fleet=windowed, free=free)
    assert admit(state, 0, 256, 3.0)[0] == tokens
    assert all_blocks(state, 0) == free


def test_a_prompt_that_another_fleet_computed_needs_its_last_token_only() -> None:
    state = waiting(100)
    state.ledger[0].transferred = 1
    assert admit(state, 0, 256, 3.0)[0] == 1
    assert state.replicas[0].free_blocks == BLOCKS - 7
    assert state.ledger[0].cached_tok == 0


def test_a_preempted_request_computes_its_output_again_and_keeps_its_start() -> None:
    state = waiting(100)
    state.ledger[0].resume_tok, state.ledger[0].start_s, state.ledger[0].cached_tok = 105, 1.0, 16
    assert admit(state, 0, 256, 3.0)[0] == 105
    assert (state.ledger[0].start_s, state.ledger[0].cached_tok) == (1.0, 16)


def test_admitted_requests_run_in_the_order_of_admission() -> None:
    state = waiting(10, 11, 12, 13)
    for _ in range(3):
        admit(state, 0, 256, 3.0)
    rep = state.replicas[0]
    assert [int(state.sequences[s].row) for s in running(state, 0)] == [0, 1, 2]
    assert [int(state.ledger[row].sequence) for row in range(4)] == [*running(state, 0), NONE]
    assert rep.prefill_head == running(state, 0)[0]
    assert rep.free_sequence not in running(state, 0)
    keys = [state.finishes[s].key for s in running(state, 0)]
    assert keys == sorted(set(keys))
    assert state.ledger[0].start_s == 3.0
    assert math.isnan(state.ledger[3].start_s)


def test_attention_is_that_of_the_chunk_after_what_is_cached() -> None:
    state = waiting(100, node=SHARED)
    put_in_cache(state, 0, SHARED, 4)
    fleet = state.fleets[0]
    assert admit(state, 0, 20, 3.0) == (20, prompt_attention_s(fleet, 64, 20))
    assert continue_prompt(state, 0, 10) == (10, prompt_attention_s(fleet, 84, 10))


def test_nothing_is_continued_without_an_unfinished_prompt() -> None:
    assert continue_prompt(waiting(100), 0, 256) == (0, 0.0)


def test_a_prompt_continues_until_all_of_it_is_computed() -> None:
    state = waiting(100)
    assert admit(state, 0, 30, 3.0)[0] == 30
    assert [continue_prompt(state, 0, 30)[0] for _ in range(3)] == [30, 30, 10]
    assert state.sequences[0].kv_tok == 100
    assert all_blocks(state, 0) == BLOCKS


@pytest.mark.parametrize(("free", "tokens"), [(5, 68), (4, 0)])
def test_a_prompt_without_blocks_for_its_next_chunk_is_preempted(free: int, tokens: int) -> None:
    """32 tokens have two blocks; the other 68 need five more."""
    state = waiting(100, free=2 + free)
    admit(state, 0, 32, 3.0)
    assert continue_prompt(state, 0, 256)[0] == tokens
    rep = state.replicas[0]
    assert rep.preempted == (not tokens)
    assert rep.free_blocks == (0 if tokens else 6)
    assert rep.waiting_head == (NONE if tokens else 0)


@pytest.mark.parametrize(("queued_s", "is_in_time"), [(2.0, True), (math.nextafter(2.0, 3), False)])
def test_steps_that_are_scheduled_ahead_take_what_was_queued_before(
    queued_s: float, is_in_time: bool
) -> None:
    state = waiting(100, fleet=replace(SMALL, schedules_ahead=True))
    state.replicas[0].began_s = 2.0
    state.ledger[0].queued_s = queued_s
    assert was_queued_in_time(state, 0) == is_in_time
    state.fleets[0].schedules_ahead = 0
    assert was_queued_in_time(state, 0)
