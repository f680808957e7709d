"""Work with a deadline that waits for idle capacity, the nearest deadline first.

A fleet has one line of it. A replica takes from it at a step boundary while nobody else waits there
and it has fewer requests in flight than the fleet's limit; a row whose deadline has come near
leaves it for good and is served like all other. What replicas never look at costs nothing.
"""

import math

from simulator.engine.kernels.shared.jit import compiled
from simulator.engine.kernels.shared.queues import drop_closed, join_line, leave_line
from simulator.engine.records.layout import NONE

_RANKS_PER_S = 10.0
_MOST_RANK = 2.0**31 - 1


@compiled
def latest_start_s(plane, f, row):
    """When a row stops waiting for idle capacity."""
    deadline_s = plane.ledger[row].arrival_s + plane.requests[row].deadline_s
    return deadline_s - plane.engine[f].deferred_lead_s


@compiled
def may_wait(plane, f, row, time_s):
    """Whether a row on its way to a fleet has time to wait for idle capacity there."""
    if plane.engine[f].deferred_in_flight == 0 or plane.ledger[row].pool != NONE:
        return False
    return time_s < latest_start_s(plane, f, row) < math.inf


@compiled
def _note_due(plane, f):
    """Keep the time at which the first row of any line is due."""
    line = plane.deferred[f]
    line.due_s = math.inf
    if line.waiting_head != NONE:
        line.due_s = latest_start_s(plane, f, line.waiting_head)
    due_s = math.inf
    for k in range(plane.deferred.size):
        due_s = min(due_s, plane.deferred[k].due_s)
    plane.clock[0].due_s = due_s


@compiled
def defer(plane, f, row):
    """Let a row wait for idle capacity."""
    rank = math.floor(min(_MOST_RANK, _RANKS_PER_S * latest_start_s(plane, f, row)))
    plane.ledger[row].deferred = 1
    plane.deferred[f].waiting += 1
    join_line(plane, plane.deferred[f], row, rank)
    _note_due(plane, f)


@compiled
def take_deferred(plane, f):
    """Take the row with the nearest deadline."""
    row = leave_line(plane, plane.deferred[f])
    plane.ledger[row].deferred = 0
    plane.deferred[f].waiting -= 1
    _note_due(plane, f)
    return row


@compiled
def take_due(plane):
    """Take the row whose deadline has come near; there is one."""
    f = 0
    while plane.deferred[f].due_s > plane.clock[0].due_s:
        f += 1
    return take_deferred(plane, f)


@compiled
def forget_deferred(plane, f):
    """Account for a row that its client has left, which is closed already."""
    plane.deferred[f].waiting -= 1
    drop_closed(plane, plane.deferred[f])
    _note_due(plane, f)
