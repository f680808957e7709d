"""Batch work that waits for idle capacity, the nearest deadline first.

Each fleet has one queue of batch work. A replica takes from it at a step boundary while no other
request waits at the replica and it has fewer requests in flight than the fleet's limit. A row whose
deadline is near leaves the queue for good and is served like any other. Rows that wait cost nothing
until then.
"""

import math

from simulator.engine.kernels.shared.jit import compiled
from simulator.engine.kernels.shared.queues import drop_closed, join_queue, leave_queue
from simulator.engine.records.layout import NONE

_RANKS_PER_S = 10.0
"""Resolution of the order by deadline."""
_MOST_RANK = 2.0**31 - 1


@compiled
def latest_start_s(state, f, row):
    """Return when a row stops waiting for idle capacity [s]."""
    deadline_s = state.ledger[row].arrival_s + state.requests[row].deadline_s
    return deadline_s - state.fleets[f].deferred_lead_s


@compiled
def may_wait(state, f, row, time_s):
    """Return whether a row bound for a fleet has time to wait for idle capacity there."""
    if state.fleets[f].deferred_in_flight == 0 or state.ledger[row].pool != NONE:
        return False
    return time_s < latest_start_s(state, f, row) < math.inf


@compiled
def _update_due(state, f):
    """Update when the first row of a fleet's queue is due, and the first of all queues."""
    queue = state.deferred[f]
    queue.due_s = math.inf
    if queue.waiting_head != NONE:
        queue.due_s = latest_start_s(state, f, queue.waiting_head)
    due_s = math.inf
    for k in range(state.deferred.size):
        due_s = min(due_s, state.deferred[k].due_s)
    state.clock[0].due_s = due_s


@compiled
def defer(state, f, row):
    """Let a row wait for idle capacity in a fleet."""
    rank = math.floor(min(_MOST_RANK, _RANKS_PER_S * latest_start_s(state, f, row)))
    state.ledger[row].deferred = 1
    state.deferred[f].waiting += 1
    join_queue(state, state.deferred[f], row, rank)
    _update_due(state, f)


@compiled
def take_deferred(state, f):
    """Remove and return a fleet's row with the nearest deadline."""
    row = leave_queue(state, state.deferred[f])
    state.ledger[row].deferred = 0
    state.deferred[f].waiting -= 1
    _update_due(state, f)
    return row


@compiled
def take_due(state):
    """Remove and return the row that is due first, of any fleet; there must be one."""
    f = 0
    while state.deferred[f].due_s > state.clock[0].due_s:
        f += 1
    return take_deferred(state, f)


@compiled
def drop_deferred(state, f):
    """Account for a waiting row that was closed because its client has left."""
    state.deferred[f].waiting -= 1
    drop_closed(state, state.deferred[f])
    _update_due(state, f)
