"""Failures: a replica is lost with everything it holds, and its requests start again elsewhere."""

import math

from simulator.engine.kernels.own.kv_cache import kv_drop_all, kv_release
from simulator.engine.kernels.own.sequences import (
    leave_running,
    note_streamed,
    prompt_node,
    stop_decoding,
)
from simulator.engine.kernels.shared.heap import heap_moved
from simulator.engine.kernels.shared.jit import compiled, entry
from simulator.engine.kernels.shared.queues import leave_queue
from simulator.engine.kernels.shared.requests import stop_waiting, wait_for
from simulator.engine.records.layout import ATTEMPT, IDLE, IN_FLIGHT, NONE, OFF


@compiled
def _dispatch_again(state, row, time_s):
    """Dispatch a row again, as if nothing had been computed for it."""
    ledger = state.ledger[row]
    ledger.restarts += 1
    ledger.replica = NONE
    ledger.pool = NONE
    ledger.resume_tok = 0
    ledger.transferred = 0
    ledger.cached_tok = 0
    ledger.start_s = ledger.first_token_s = math.nan
    stop_waiting(state, row)
    wait_for(state, row, ATTEMPT, time_s)


@entry
def fail_replica(state, r, time_s):
    """Switch a replica off; its requests lose what was computed and are dispatched again."""
    rep = state.replicas[r]
    while rep.running_tail != NONE:
        s = rep.running_tail
        seq = state.sequences[s]
        row = seq.row
        if seq.decodes:
            stop_decoding(state, r, s)
        kv_release(state, r, prompt_node(state, r, row), seq.pinned_blocks)
        if state.ledger[row].outcome == IN_FLIGHT:
            _dispatch_again(state, row, time_s)
        else:
            note_streamed(state, r, s)
        leave_running(state, r, s)
    while rep.waiting_head != NONE:
        _dispatch_again(state, leave_queue(state, rep), time_s)
    kv_drop_all(state, r)
    # This also frees private blocks and those begun for the running phase.
    rep.free_blocks = state.fleets[rep.fleet].kv_blocks
    rep.prefill_head = NONE
    rep.in_flight = 0
    if rep.phase != IDLE:
        rep.busy_s += time_s - rep.busy_since_s
    rep.phase = IDLE
    state.loads[r] = math.inf
    state.wakes[r].key = math.inf
    heap_moved(state.wakes, 0, state.wakes.size, r)
    rep.state = OFF
    rep.stopped_s = time_s
