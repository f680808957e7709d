"""What every row goes through, wherever it is served: waiting for its time, and being closed."""

import math

from simulator.engine.kernels.shared.heap import heap_push, heap_remove
from simulator.engine.kernels.shared.jit import compiled
from simulator.engine.records.layout import (
    ARRIVAL,
    COMPLETED,
    NOTHING,
    PATIENCE,
    REJECTED,
    TIMED_OUT,
)


@compiled
def patient_until_s(plane, row):
    """When the client of a row that has arrived gives up."""
    return plane.ledger[row].arrival_s + plane.requests[row].patience_s


@compiled
def _set_timer(plane, row, what, time_s):
    clock = plane.clock[0]
    plane.ledger[row].awaits = what
    plane.timers[row].key = time_s
    heap_push(plane.timers, 0, clock.pending, row)
    clock.pending += 1


@compiled
def wait_for(plane, row, what, time_s):
    """Let a row in flight, which awaits nothing, go on at a time, or be given up before."""
    _set_timer(plane, row, what, min(time_s, patient_until_s(plane, row)))


@compiled
def limit_patience(plane, row):
    """Let a row be given up in whatever line or on whatever replica it will be."""
    until_s = patient_until_s(plane, row)
    if until_s < math.inf:
        _set_timer(plane, row, PATIENCE, until_s)


@compiled
def stop_waiting(plane, row):
    """Take back a row's timer, if it has one."""
    ledger = plane.ledger[row]
    if ledger.awaits == PATIENCE:
        heap_remove(plane.timers, 0, plane.clock[0].pending, row)
        plane.clock[0].pending -= 1
        ledger.awaits = NOTHING


@compiled
def _close_row(plane, row, outcome, time_s):
    """Close a row and let the turn that follows it wait for its time."""
    ledger = plane.ledger[row]
    ledger.finished_s = time_s
    ledger.outcome = outcome
    following = row + 1
    if following < plane.requests.size and plane.requests[following].gap_s >= 0:
        _set_timer(plane, following, ARRIVAL, time_s + plane.requests[following].gap_s)


@compiled
def complete_row(plane, row, time_s):
    """Close a row as completed, or as left when its client did not wait so long."""
    until_s = patient_until_s(plane, row)
    if time_s >= until_s:
        time_out_row(plane, row, until_s)
        return
    _close_row(plane, row, COMPLETED, time_s)
    plane.clock[0].completed += 1


@compiled
def time_out_row(plane, row, time_s):
    """Close a row whose answer came too late for its client, or for its batch window."""
    _close_row(plane, row, TIMED_OUT, time_s)
    plane.clock[0].timed_out += 1


@compiled
def reject_row(plane, row, time_s):
    """Close a row unserved; its session goes on all the same."""
    ledger = plane.ledger[row]
    ledger.output_tok = 0
    ledger.cached_tok = 0
    _close_row(plane, row, REJECTED, time_s)
    plane.clock[0].rejected += 1
