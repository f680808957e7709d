"""Failures: what a replica loses, and what its requests begin again without."""

import math
from dataclasses import replace

import numpy as np
import pytest

from simulator.engine.kernels.own.admission import admit
from simulator.engine.kernels.own.failures import fail_replica
from simulator.engine.kernels.own.kv_cache import kv_lookup
from simulator.engine.kernels.own.sequences import begin_decoding
from simulator.engine.kernels.shared.requests import limit_patience
from simulator.engine.records.layout import (
    ATTEMPT,
    DECODE,
    IDLE,
    IN_FLIGHT,
    NONE,
    OFF,
    READY,
    TIMED_OUT,
    EngineState,
)
from simulator.serving.capacity import KvCapacity
from simulator.traffic.table import PrefixTree
from tests.support.engine.kernel_states import (
    all_blocks,
    own_state,
    put_in_cache,
    put_on_replica,
    running,
    timers,
)
from tests.support.engine.plans import FLEET
from tests.support.pricing.api_samples import calls

BLOCKS = 40
FLEET_OF_TWO = replace(FLEET, kv=KvCapacity(BLOCKS, 16, 0.5))
TREE = PrefixTree.numbered(np.array([-1, -1], np.int32), np.array([64, 48], np.int32))
DECODING, PREFILLING, QUEUED, ELSEWHERE = range(4)


def serving() -> EngineState:
    """A busy replica: a row decodes, one is being prefilled, and one waits after a preemption.

    Another replica serves a row as well. Both have a prefix in the cache that no row uses.
    """
    table = calls(np.zeros(4), 100, 20, node=0, tree=TREE)
    state = own_state(FLEET_OF_TWO, table=table)
    state.requests.patience_s = [math.inf, 90.0, 60.0, math.inf]
    put_on_replica(state, 0, DECODING, PREFILLING, QUEUED)
    put_on_replica(state, 1, ELSEWHERE)
    for r in (0, 1):
        put_in_cache(state, r, 1, 3)
        admit(state, r, 1000, 0.0)
    begin_decoding(state, 0, int(state.ledger[DECODING].sequence), 0)
    state.replicas[0].prefill_head = NONE
    admit(state, 0, 20, 0.0)
    for row in (PREFILLING, QUEUED):
        limit_patience(state, row)
    state.ledger.first_token_s[DECODING] = 0.5
    waiting = state.ledger[QUEUED]
    waiting.resume_tok, waiting.cached_tok, waiting.pool, waiting.transferred = 107, 64, 0, 1
    waiting.start_s, waiting.first_token_s = 0.1, 0.5
    rep = state.replicas[0]
    rep.phase, rep.busy_since_s, rep.busy_s = DECODE, 1.0, 10.0
    state.wakes.key[0] = 7.0
    return state


def test_every_request_is_dispatched_again_at_once() -> None:
    state = serving()
    fail_replica(state, 0, 5.0)
    assert timers(state) == {DECODING: 5.0, PREFILLING: 5.0, QUEUED: 5.0}
    for row in state.ledger[:ELSEWHERE]:
        assert (row.awaits, row.outcome) == (ATTEMPT, IN_FLIGHT)
        assert (row.restarts, row.replica, row.sequence, row.pool) == (1, NONE, NONE, NONE)
        assert (row.resume_tok, row.cached_tok, row.transferred) == (0, 0, 0)
        assert math.isnan(row.start_s)
        assert math.isnan(row.first_token_s)
        assert row.first_replica == 0, "a session may still be bound to the replica"


def test_the_replica_is_off_and_empty() -> None:
    state = serving()
    fail_replica(state, 0, 5.0)
    rep = state.replicas[0]
    assert (rep.state, rep.stopped_s, rep.phase, rep.in_flight) == (OFF, 5.0, IDLE, 0)
    assert (rep.free_blocks, rep.cached_blocks, rep.reserved_blocks) == (BLOCKS, 0, 0)
    assert (rep.waiting_head, rep.prefill_head, rep.lru_head, rep.lru_tail) == (NONE,) * 4
    assert (rep.decoding, rep.context_tok) == (0, 0)
    assert running(state, 0) == []
    assert not rep.crossing.any()
    assert state.loads[0] == math.inf
    assert [kv_lookup(state, 0, node) for node in (0, 1)] == [(0, 0), (0, 0)]


def test_the_replica_does_nothing_more() -> None:
    """The other replica's event comes first now, although it is later than the lost one."""
    state = serving()
    state.wakes.key[1] = 9.0
    fail_replica(state, 0, 5.0)
    assert state.wakes[0].key == math.inf
    assert state.wakes.member.tolist() == [1, 0]
    assert state.wakes.position.tolist() == [1, 0]


def test_other_replicas_keep_their_requests_and_their_cache() -> None:
    state = serving()
    fail_replica(state, 0, 5.0)
    assert state.replicas[1].state == READY
    assert [int(state.sequences[s].row) for s in running(state, 1)] == [ELSEWHERE]
    assert kv_lookup(state, 1, 0) == (4, 0)
    assert kv_lookup(state, 1, 1) == (3, 3)
    assert all_blocks(state, 1) == BLOCKS


@pytest.mark.parametrize(("phase", "busy_s"), [(DECODE, 14.0), (IDLE, 10.0)])
def test_a_replica_is_busy_until_it_is_lost_unless_it_is_idle(phase: int, busy_s: float) -> None:
    state = serving()
    state.replicas[0].phase = phase
    fail_replica(state, 0, 5.0)
    assert state.replicas[0].busy_s == busy_s


def test_a_client_that_has_left_is_told_what_it_was_streamed_and_does_not_come_back() -> None:
    """The row that decodes has emitted one token; the other had not got its prompt computed."""
    state = serving()
    state.ledger.outcome[[DECODING, PREFILLING]] = TIMED_OUT
    fail_replica(state, 0, 5.0)
    assert state.ledger.completion_tok[[DECODING, PREFILLING]].tolist() == [1, 0]
    assert state.ledger.restarts[[DECODING, PREFILLING]].tolist() == [0, 0]
    assert DECODING not in timers(state)


def test_closed_rows_in_the_queue_are_dropped() -> None:
    table = calls(np.zeros(3), 100, 20, tree=TREE)
    state = own_state(FLEET_OF_TWO, table=table)
    put_on_replica(state, 0, 0, 1, 2)
    state.ledger[1].outcome = TIMED_OUT
    fail_replica(state, 0, 5.0)
    assert timers(state) == {0: 5.0, 2: 5.0}
    assert state.replicas[0].waiting_head == NONE


def test_all_sequences_can_be_used_again() -> None:
    state = serving()
    fail_replica(state, 0, 5.0)
    free, s = set(), int(state.replicas[0].free_sequence)
    for _ in range(FLEET_OF_TWO.max_sequences):
        free.add(s)
        s = int(state.sequences[s].next)
    assert free == set(range(FLEET_OF_TWO.max_sequences))
