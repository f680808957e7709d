"""The life of a row, wherever it is served: its timer, its patience, and how it is closed.

A row has at most one timer, the item with its number in the heap ``timers``; ``awaits`` in the
ledger states its purpose. This module sets the ``key``; ``position`` belongs to ``heap``.
"""

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
def patient_until_s(state, row):
    """Return when the client of a row that has arrived gives up [s]."""
    return state.ledger[row].arrival_s + state.requests[row].patience_s


@compiled
def _set_timer(state, row, purpose, time_s):
    clock = state.clock[0]
    state.ledger[row].awaits = purpose
    state.timers[row].key = time_s
    heap_push(state.timers, 0, clock.pending, row)
    clock.pending += 1


@compiled
def wait_for(state, row, purpose, time_s):
    """Let a row in flight that has no timer continue at a time, or time out before that."""
    _set_timer(state, row, purpose, min(time_s, patient_until_s(state, row)))


@compiled
def limit_patience(state, row):
    """Set the timer that ends the patience of a row's client, in a queue or on a replica."""
    until_s = patient_until_s(state, row)
    if until_s < math.inf:
        _set_timer(state, row, PATIENCE, until_s)


@compiled
def stop_waiting(state, row):
    """Remove the timer that ends the patience of a row's client, if there is one."""
    ledger = state.ledger[row]
    if ledger.awaits == PATIENCE:
        heap_remove(state.timers, 0, state.clock[0].pending, row)
        state.clock[0].pending -= 1
        ledger.awaits = NOTHING


@compiled
def _close_row(state, row, outcome, time_s):
    """Close a row and set the arrival of the turn that follows it."""
    ledger = state.ledger[row]
    ledger.finished_s = time_s
    ledger.outcome = outcome
    following = row + 1
    if following < state.requests.size and state.requests[following].gap_s >= 0:
        _set_timer(state, following, ARRIVAL, time_s + state.requests[following].gap_s)


@compiled
def complete_row(state, row, time_s):
    """Close a row as completed, or as timed out if its client has given up by then."""
    until_s = patient_until_s(state, row)
    if time_s >= until_s:
        time_out_row(state, row, until_s)
        return
    _close_row(state, row, COMPLETED, time_s)
    state.clock[0].completed += 1


@compiled
def time_out_row(state, row, time_s):
    """Close a row whose answer came too late for its client, or for its batch window."""
    _close_row(state, row, TIMED_OUT, time_s)
    state.clock[0].timed_out += 1


@compiled
def reject_row(state, row, time_s):
    """Close a row unserved; its session continues all the same."""
    ledger = state.ledger[row]
    ledger.completion_tok = 0
    ledger.cached_tok = 0
    _close_row(state, row, REJECTED, time_s)
    state.clock[0].rejected += 1
