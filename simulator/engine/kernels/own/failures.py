"""A replica is lost with all that it holds: what it served begins anew elsewhere."""

import math

from simulator.engine.kernels.own.kv_cache import kv_drop_all, kv_release
from simulator.engine.kernels.own.sequences import (
    leave_running,
    note_told,
    prompt_node,
    stop_decoding,
)
from simulator.engine.kernels.shared.heap import heap_moved
from simulator.engine.kernels.shared.jit import compiled, entry
from simulator.engine.kernels.shared.queues import leave_line
from simulator.engine.kernels.shared.requests import stop_waiting, wait_for
from simulator.engine.records.layout import ATTEMPT, IDLE, IN_FLIGHT, NONE, OFF


@compiled
def _begin_anew(plane, row, time_s):
    """Send a row on its way again, as if nothing had been computed for it."""
    ledger = plane.ledger[row]
    ledger.restarts += 1
    ledger.replica = NONE
    ledger.pool = NONE
    ledger.resume_tok = 0
    ledger.transferred = 0
    ledger.cached_tok = 0
    ledger.start_s = ledger.first_token_s = math.nan
    stop_waiting(plane, row)
    wait_for(plane, row, ATTEMPT, time_s)


@entry
def lose_replica(plane, r, time_s):
    """Switch a replica off; its requests lose what they have and are dispatched again."""
    rep = plane.replicas[r]
    while rep.running_tail != NONE:
        s = rep.running_tail
        seq = plane.sequences[s]
        row = seq.row
        if seq.decodes:
            stop_decoding(plane, r, s)
        kv_release(plane, r, prompt_node(plane, r, row), seq.pinned_blocks)
        if plane.ledger[row].outcome == IN_FLIGHT:
            _begin_anew(plane, row, time_s)
        else:
            note_told(plane, r, s)
        leave_running(plane, r, s)
    while rep.waiting_head != NONE:
        _begin_anew(plane, leave_line(plane, rep), time_s)
    kv_drop_all(plane, r)
    # Private blocks, and those begun for the running phase, go with the rest.
    rep.free_blocks = plane.engine[rep.fleet].kv_blocks
    rep.prefill_head = NONE
    rep.in_flight = 0
    if rep.phase != IDLE:
        rep.busy_s += time_s - rep.busy_since_s
    rep.phase = IDLE
    plane.loads[r] = math.inf
    plane.wakes[r].key = math.inf
    heap_moved(plane.wakes, 0, plane.wakes.size, r)
    rep.state = OFF
    rep.stopped_s = time_s
