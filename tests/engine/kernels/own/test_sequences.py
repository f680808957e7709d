"""Sequences on a replica: decoding, preemption, their end, and the blocks that they leave."""

import math
from dataclasses import replace

import numpy as np
import pytest

from simulator.engine.kernels.own.admission import admit
from simulator.engine.kernels.own.kv_cache import kv_lookup
from simulator.engine.kernels.own.sequences import (
    begin_decoding,
    count_in_flight,
    finish_sequence,
    leave_running,
    most_blocks,
    note_streamed,
    overhead_s,
    preempt,
    prompt_node,
    set_next_change,
    stop_decoding,
    takes,
)
from simulator.engine.kernels.shared.requests import limit_patience
from simulator.engine.records.layout import (
    ARRIVAL,
    ATTEMPT,
    COMPLETED,
    DRAINING,
    IN_FLIGHT,
    NONE,
    NOTHING,
    TIE_BITS,
    TIMED_OUT,
    EngineState,
)
from simulator.engine.spec.plan import Fleet
from simulator.serving.capacity import KvCapacity
from simulator.traffic.table import PrefixTree, RequestTable
from tests.support.engine.kernel_states import (
    all_blocks,
    own_state,
    put_on_replica,
    running,
    timers,
)
from tests.support.engine.plans import FLEET
from tests.support.pricing.api_samples import calls

BLOCKS, BLOCK_TOK, WINDOW_TOK = 40, 16, 60
PLAIN = replace(FLEET, replicas=1, kv=KvCapacity(BLOCKS, BLOCK_TOK, 0.5))
WINDOWED = replace(
    PLAIN,
    kv=KvCapacity(BLOCKS, BLOCK_TOK, 0.5, WINDOW_TOK, 0.5),
    step_time=replace(FLEET.step_time, window_tok=WINDOW_TOK),
)


def admitted(
    *input_tok: int,
    fleet: Fleet = PLAIN,
    output_tok: int = 20,
    table: RequestTable | None = None,
    decoders: tuple[Fleet, ...] = (),
) -> EngineState:
    """Running sequences 0, 1, ... whose prompts are computed by the first step."""
    n = len(input_tok)
    table = calls(np.zeros(n), np.array(input_tok), output_tok) if table is None else table
    state = own_state(fleet, *decoders, table=table)
    put_on_replica(state, 0, *range(n))
    for _ in range(n):
        admit(state, 0, 1000, 0.0)
    state.replicas[0].step = 1
    return state


def decode(state: EngineState, steps: int) -> None:
    """Let a replica execute decode steps, as the end of a phase does, with blocks to spare."""
    rep = state.replicas[0]
    before = blocks_held(state)
    rep.step += steps
    rep.context_tok += steps * rep.decoding
    rep.window_tok += steps * rep.growing
    rep.free_blocks -= blocks_held(state) - before


def blocks_held(state: EngineState) -> int:
    """The blocks of all decoding sequences."""
    decoding = state.sequences[state.sequences.decodes == 1]
    return int((-(-(decoding.kv_offset + state.replicas[0].step) // BLOCK_TOK)).sum())


@pytest.mark.parametrize(("input_tok", "fits"), [(1999, True), (2000, False)])
def test_a_fleet_takes_prompts_that_leave_room_for_output(input_tok: int, fits: bool) -> None:
    fleet = replace(PLAIN, kv=KvCapacity(200, 16, 0.5), max_model_tok=2000)
    state = own_state(fleet, table=calls([0.0], input_tok))
    assert takes(state, 0, 0) == fits


def test_a_fleet_takes_the_workloads_that_it_serves_and_the_rows_it_must_decode() -> None:
    first, second = (replace(PLAIN, serves=frozenset({w})) for w in (0, 1))
    table = calls([0.0, 0.0], 100, workload=np.array([0, 1]), workloads=("a", "b"))
    state = own_state(first, second, table=table)
    assert [[bool(takes(state, f, row)) for f in (0, 1)] for row in (0, 1)] == [
        [True, False],
        [False, True],
    ]
    state.ledger[0].pool = 1
    assert [bool(takes(state, f, 0)) for f in (0, 1)] == [False, True]


def test_prompts_have_a_node_only_where_prefixes_are_cached() -> None:
    tree = PrefixTree.numbered(np.array([-1], np.int32), np.array([64], np.int32))
    for cached, node in ((True, 0), (False, NONE)):
        table = calls([0.0], 100, node=0, tree=tree)
        assert prompt_node(own_state(replace(PLAIN, prefix_cache=cached), table=table), 0, 0) == (
            node
        )


def test_overhead_has_a_fixed_part_and_one_for_each_prompt_token() -> None:
    state = own_state(replace(PLAIN, request_token_s=1e-3), table=calls([0.0], 200))
    assert overhead_s(state, 0, 0) == pytest.approx(0.03 + 0.2)


@pytest.mark.parametrize(
    ("input_tok", "declared_tok", "blocks"), [(10, 6, 1), (10, 7, 2), (600, 40, 40), (600, 99, 40)]
)
def test_most_blocks_are_those_of_the_declared_output(
    input_tok: int, declared_tok: int, blocks: int
) -> None:
    """40 blocks hold the 640 tokens at which this fleet cuts every sequence."""
    state = own_state(PLAIN, table=calls([0.0], input_tok, declared_tok=declared_tok))
    assert most_blocks(state, 0, 0) == blocks


def test_load_is_the_requests_in_flight_over_the_weight_of_a_ready_replica() -> None:
    state = own_state(replace(PLAIN, weight=4.0))
    count_in_flight(state, 0, 3)
    assert (state.replicas[0].in_flight, state.loads[0]) == (3, 0.75)
    count_in_flight(state, 0, -1)
    assert state.loads[0] == 0.5
    state.replicas[0].state, state.loads[0] = DRAINING, math.inf
    count_in_flight(state, 0, -1)
    assert (state.replicas[0].in_flight, state.loads[0]) == (1, math.inf)


def test_decoding_ends_with_the_last_token() -> None:
    """The first step computes the prompt and emits the first of 20 tokens; the 20th emits all."""
    state = admitted(100)
    begin_decoding(state, 0, 0, 1)
    assert state.sequences[0].last_step == 20
    assert state.finishes[0].key >> TIE_BITS == 20


def test_a_request_that_resumes_has_fewer_tokens_left() -> None:
    """Five tokens were emitted before: the prompt has four of them, and the next is the sixth."""
    state = own_state(PLAIN, table=calls([0.0], 100, 20))
    put_on_replica(state, 0, 0)
    state.ledger[0].resume_tok = 105
    admit(state, 0, 1000, 0.0)
    begin_decoding(state, 0, 0, 1)
    assert state.sequences[0].last_step == 1 + 20 - 6


@pytest.mark.parametrize("steps", [0, 1, 11, 12, 13, 15])
def test_sequences_that_stop_decoding_leave_no_trace_in_the_sums(steps: int) -> None:
    """36 and 48 tokens: the window of 60 is filled by the second in the twelfth step."""
    state = admitted(36, 48, fleet=WINDOWED)
    rep = state.replicas[0]
    for s in (0, 1):
        begin_decoding(state, 0, s, 1)
    assert (rep.decoding, rep.growing, rep.context_tok, rep.window_tok) == (2, 2, 84, 84)
    assert [int(seq.kv_offset + seq.window_step) for seq in state.sequences[:2]] == [WINDOW_TOK] * 2
    for _ in range(steps):
        decode(state, 1)
        for seq in state.sequences[:2]:
            if seq.grows and seq.kv_offset + rep.step == WINDOW_TOK:
                seq.grows = 0
                rep.growing -= 1
    for s, tokens in ((0, 36), (1, 48)):
        stop_decoding(state, 0, s)
        seq = state.sequences[s]
        assert seq.kv_tok == tokens + steps
        assert seq.blocks == math.ceil((tokens + steps) / BLOCK_TOK)
    assert (rep.decoding, rep.growing, rep.context_tok, rep.window_tok) == (0, 0, 0, 0)
    assert not rep.crossing.any()
    assert all_blocks(state, 0) == BLOCKS


def test_the_next_change_is_the_window_or_the_end_then_the_order_of_admission() -> None:
    state = admitted(50, 50, fleet=WINDOWED)
    for s in (1, 0):
        begin_decoding(state, 0, s, 1)
    first, second = state.finishes.key[:2]
    assert first >> TIE_BITS == second >> TIE_BITS == 11, "ten more tokens fill the window"
    assert first < second, "the one admitted first, although it began last"
    state.sequences[0].grows = 0
    set_next_change(state, 0)
    assert state.finishes[0].key >> TIE_BITS == 20
    state.sequences[1].last_step = 5
    set_next_change(state, 1)
    assert state.finishes[1].key >> TIE_BITS == 5


@pytest.mark.parametrize("leaving", [0, 1, 2, 3])
def test_any_sequence_may_leave_and_its_record_is_used_next(leaving: int) -> None:
    state = admitted(10, 11, 12, 13)
    order = running(state, 0)
    leave_running(state, 0, order[leaving])
    assert running(state, 0) == [s for s in order if s != order[leaving]]
    rep = state.replicas[0]
    assert rep.prefill_head == (order[1] if leaving == 0 else order[0])
    assert rep.free_sequence == order[leaving]
    assert state.ledger[leaving].sequence == NONE


def test_the_only_sequence_leaves_nothing() -> None:
    state = admitted(10)
    leave_running(state, 0, 0)
    rep = state.replicas[0]
    assert (rep.running, rep.running_tail, rep.prefill_head) == (0, NONE, NONE)


def test_preemption_gives_all_blocks_back_and_keeps_the_tokens_to_compute() -> None:
    """After seven steps the cache holds 107 tokens, and 108 have to be computed again."""
    state = admitted(100, 30)
    for s in (0, 1):
        begin_decoding(state, 0, s, 1)
    decode(state, 7)
    preempt(state, 0, 1)
    preempt(state, 0, 0)
    rep = state.replicas[0]
    assert (rep.free_blocks, rep.decoding, rep.preempted, rep.preemptions) == (BLOCKS, 0, 1, 2)
    assert [int(row.resume_tok) for row in state.ledger] == [108, 38]
    assert [int(row.preemptions) for row in state.ledger] == [1, 1]
    assert rep.waiting_head == 0, "the request admitted first is before the others again"


@pytest.mark.parametrize(("order", "head"), [("first-come", 1), ("shortest", 0)])
def test_a_preempted_request_is_first_only_where_requests_are_served_as_they_come(
    order: str, head: int
) -> None:
    state = own_state(replace(PLAIN, order=order), table=calls(np.zeros(2), 100))
    put_on_replica(state, 0, 1)
    admit(state, 0, 1000, 0.0)
    put_on_replica(state, 0, 0)
    state.ledger.order = [5, 9]
    preempt(state, 0, 0)
    assert state.replicas[0].waiting_head == head


def session(**changes: object) -> RequestTable:
    """A prompt of 100 tokens and the next turn, whose prompt extends it by 20 of output and 44."""
    tree = PrefixTree.numbered(np.array([-1, 0, -1], np.int32), np.array([100, 164, 9], np.int32))
    values = {"gap_s": np.array([math.nan, 1.0]), "node": np.array([0, 1]), **changes}
    return calls(np.zeros(2), np.array([100, 164]), 20, tree=tree, **values)


def finished(table: RequestTable) -> EngineState:
    """The first row of a table has emitted its last token; its KV cache holds all but that one."""
    state = own_state(PLAIN, table=table)
    put_on_replica(state, 0, 0)
    admit(state, 0, 1000, 0.0)
    begin_decoding(state, 0, 0, 0)
    decode(state, 19)
    stop_decoding(state, 0, 0)
    finish_sequence(state, 0, 0, 8.0)
    assert all_blocks(state, 0) == BLOCKS
    return state


def test_output_is_kept_for_the_next_turn() -> None:
    """119 tokens are seven blocks; six of them are of the prompt."""
    state = finished(session())
    assert kv_lookup(state, 0, 1) == (7, 7)
    assert state.replicas[0].free_blocks == BLOCKS - 7


@pytest.mark.parametrize(
    "changes",
    [
        {"gap_s": math.nan},
        {"node": np.array([0, 0])},
        {"node": np.array([0, -1])},
        {"node": np.array([0, 2])},
        {"reasoning_tok": 1},
    ],
    ids=["another session", "the same prompt", "no prefix", "another prefix", "reasoning"],
)
def test_output_that_no_prompt_extends_is_not_kept(changes: dict[str, object]) -> None:
    state = finished(session(**changes))
    assert kv_lookup(state, 0, 1) == (6, 6)
    assert state.replicas[0].free_blocks == BLOCKS - 6


def test_output_after_a_part_that_is_not_shared_is_not_kept() -> None:
    """The prompt has a token more than its node: the next turn does not contain it."""
    table = session()
    table.input_tokens[0] = 101
    assert kv_lookup(finished(table), 0, 1) == (6, 6)


def test_an_answer_completes_after_the_overhead_and_is_counted() -> None:
    state = finished(session())
    row, rep, fleet = state.ledger[0], state.replicas[0], state.fleets[0]
    assert (row.outcome, row.finished_s, row.completion_tok) == (COMPLETED, 8.03, 20)
    assert (rep.in_flight, rep.running, state.loads[0]) == (0, 0, 0.0)
    assert fleet.served_prompt_tok == 100
    assert fleet.served_output_tok == 20
    assert timers(state) == {1: 9.03}
    assert state.ledger[1].awaits == ARRIVAL


@pytest.mark.parametrize(("prompt_tok", "streamed_tok"), [(0, 0), (40, 0), (100, 8)])
def test_a_client_that_left_was_streamed_what_its_sequence_had_emitted(
    prompt_tok: int, streamed_tok: int
) -> None:
    """Nothing while the prompt is computed; the KV cache lacks the last token emitted."""
    state = admitted(100)
    state.ledger[0].outcome = TIMED_OUT
    state.ledger[0].reasoning_tok = 12
    if streamed_tok:
        begin_decoding(state, 0, 0, 1)
        decode(state, 7)
        stop_decoding(state, 0, 0)
    else:
        state.sequences[0].kv_tok = prompt_tok
    note_streamed(state, 0, 0)
    assert state.ledger[0].completion_tok == streamed_tok
    assert state.ledger[0].reasoning_tok == streamed_tok
    finish_sequence(state, 0, 0, 8.0)
    assert state.ledger[0].outcome == TIMED_OUT
    assert state.clock[0].completed == 0
    assert state.replicas[0].in_flight == 0


def test_a_prompt_goes_to_the_fleet_that_decodes_it() -> None:
    """After a fixed time and one for each token; nothing limits the patience meanwhile but that."""
    transferring = replace(PLAIN, decode_fleet=1, transfer_s=0.5, transfer_token_s=1e-3)
    state = admitted(100, fleet=transferring, decoders=(PLAIN,))
    state.requests[0].patience_s = 50.0
    limit_patience(state, 0)
    finish_sequence(state, 0, 0, 8.0)
    row = state.ledger[0]
    assert (row.outcome, row.pool, row.replica, row.transferred) == (IN_FLIGHT, 1, NONE, 1)
    assert row.awaits == ATTEMPT
    assert timers(state) == {0: pytest.approx(8.6)}
    assert state.replicas[0].free_blocks == BLOCKS
    assert state.fleets[0].served_output_tok == 0


def test_an_answer_stops_the_timer_of_patience() -> None:
    state = admitted(100)
    state.requests[0].patience_s = 50.0
    limit_patience(state, 0)
    finish_sequence(state, 0, 0, 8.0)
    assert timers(state) == {}
    assert state.ledger[0].awaits == NOTHING
