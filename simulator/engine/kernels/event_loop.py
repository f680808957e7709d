"""The event loop of the data plane: arrivals, timers and replica events in the order of time.

At one instant, rows come before replica events, so that a row that arrives at a step boundary is in
the queue when the step is scheduled. For the same reason a replica ends a phase and begins the next
in two events: turns that follow at once from the requests it finished arrive between them.
"""

import math

from simulator.engine.kernels.api.endpoint import begin_at_endpoint, end_at_endpoint
from simulator.engine.kernels.api.gateway import attempt_through_gateway, learn_from_answer
from simulator.engine.kernels.own.batch_work import defer, drop_deferred, may_wait, take_due
from simulator.engine.kernels.own.replica import (
    begin_phase,
    cancel,
    end_phase,
    enqueue,
)
from simulator.engine.kernels.routing import choose_replica, choose_server, first_fleet
from simulator.engine.kernels.shared.heap import heap_remove
from simulator.engine.kernels.shared.jit import compiled, entry
from simulator.engine.kernels.shared.queues import drop_closed, join_queue, leave_queue
from simulator.engine.kernels.shared.requests import (
    limit_patience,
    patient_until_s,
    reject_row,
    stop_waiting,
    time_out_row,
)
from simulator.engine.records.layout import (
    ANSWER,
    ARRIVAL,
    ATTEMPT,
    BOUNDARY,
    COMPLETED,
    FIRST_COME,
    IN_FLIGHT,
    NONE,
    NOTHING,
    NOWHERE,
    OWN,
    PATIENCE,
)


@compiled
def _dispatch(state, row, time_s):
    """Send a row to a server; True when an endpoint begins to serve it now."""
    ledger = state.ledger[row]
    if ledger.gateway == NONE:
        if _dispatch_batch_work(state, row, time_s):
            return False
        server, r = choose_server(state, row)
        ledger.server = server
        if server == NOWHERE:
            stop_waiting(state, row)
            reject_row(state, row, time_s)
            return False
        if server == OWN:
            _send_to_fleet(state, row, r, time_s)
            return False
        stop_waiting(state, row)
        ledger.gateway = server
    return attempt_through_gateway(state, row, time_s)


@compiled
def _send_to_fleet(state, row, r, time_s):
    """Queue a row at replica ``r``; if that is NONE, at its fleet until a replica is ready."""
    if state.ledger[row].awaits == NOTHING:
        limit_patience(state, row)
    if r == NONE:
        fleet = state.fleets[first_fleet(state, row)]
        fleet.waiting += 1
        join_queue(state, fleet, row, FIRST_COME)
        return
    enqueue(state, r, row, time_s)


@compiled
def _dispatch_batch_work(state, row, time_s):
    """Send batch work to idle capacity or let it wait for some; False if the row may not wait."""
    f = first_fleet(state, row)
    if state.route[state.requests[row].workload] != OWN or f == NONE:
        return False
    if not may_wait(state, f, row, time_s):
        return False
    r = choose_replica(state, row, state.fleets[f].deferred_in_flight)
    state.ledger[row].server = OWN
    if r != NONE:
        _send_to_fleet(state, row, r, time_s)
        return True
    if state.ledger[row].awaits == NOTHING:
        limit_patience(state, row)
    defer(state, f, row)
    return True


@compiled
def _end_patience(state, row, time_s):
    """Time out a row whose client gives up, wherever it waits or runs on a replica.

    An answer that an endpoint has begun is not concerned: its own timer ends it.
    """
    ledger = state.ledger[row]
    in_queue = ledger.awaits == PATIENCE
    ledger.awaits = NOTHING
    time_out_row(state, row, time_s)
    if not in_queue:
        ledger.completion_tok = ledger.reasoning_tok = 0
        return
    if ledger.gateway != NONE:
        endpoint = state.endpoints[ledger.server]
        endpoint.queued -= 1
        drop_closed(state, endpoint)
    elif ledger.deferred:
        ledger.deferred = 0
        drop_deferred(state, first_fleet(state, row))
    elif ledger.replica != NONE:
        cancel(state, ledger.replica, row, time_s)
    else:
        fleet = state.fleets[first_fleet(state, row)]
        fleet.waiting -= 1
        drop_closed(state, fleet)


@compiled
def _take_admitted(state):
    """Remove the next row that may be dispatched again since a replica has become ready."""
    state.clock[0].admitting -= 1
    for f in range(state.fleets.size):
        fleet = state.fleets[f]
        if fleet.admitting > 0:
            fleet.admitting -= 1
            fleet.waiting -= 1
            return leave_queue(state, fleet)
    return NONE


@compiled
def _skip_to_next_arrival(state):
    """Move the arrival pointer to the next row with a time of its own; return that time [s]."""
    clock = state.clock[0]
    while clock.next_row < state.requests.size:
        request = state.requests[clock.next_row]
        if not request.gap_s >= 0:
            return request.arrival_s
        clock.next_row += 1
    return math.inf


@compiled
def _next_timer_s(state):
    """Return the time of the first timer [s], inf without any."""
    if state.clock[0].pending == 0:
        return math.inf
    return state.timers[state.timers[0].member].key


@compiled
def _next_replica_s(state):
    """Return the time of the first replica event [s], inf without any."""
    if state.wakes.size == 0:
        return math.inf
    return state.wakes[state.wakes[0].member].key


@compiled
def _take_row(state, is_timer):
    """Take the row of the first timer, or the next row with an arrival time of its own."""
    clock = state.clock[0]
    if is_timer:
        row = state.timers[0].member
        heap_remove(state.timers, 0, clock.pending, row)
        clock.pending -= 1
        return row
    clock.next_row += 1
    return clock.next_row - 1


@compiled
def _arrive(state, row, time_s):
    ledger = state.ledger[row]
    ledger.arrival_s = time_s
    ledger.outcome = IN_FLIGHT
    ledger.awaits = NOTHING
    state.clock[0].offered += 1


@entry
def advance(state, until_s):
    """Process every event up to and including ``until_s``.

    At one instant the order is: rows released by a replica that became ready, batch work that is
    due, arrivals with a time of their own, timers in the order of their heap, replica events.
    """
    clock = state.clock[0]
    while True:
        # ``awaited`` is the purpose of the timer that brought the row here; a first arrival has
        # ARRIVAL, since that is how ledger rows begin. It stays NOTHING for a row taken from a
        # queue, whose timer of PATIENCE, if it has one, is not due and keeps running.
        # ``begins`` is the row that an endpoint begins to serve now: this one when it is accepted,
        # or the next in the endpoint's queue when an answer ends. Both are served at the end of
        # the loop, since compiled functions are inlined at each call.
        begins = NONE
        awaited = NOTHING
        if clock.admitting > 0:
            row = _take_admitted(state)
            now_s = clock.now_s
        else:
            arrival_s = _skip_to_next_arrival(state)
            timer_s = _next_timer_s(state)
            row_s = min(arrival_s, timer_s)
            replica_s = _next_replica_s(state)
            # Batch work is ordered to a tenth of a second: the next row may be overdue.
            due_s = max(clock.due_s, clock.now_s)
            now_s = min(min(row_s, replica_s), due_s)
            if now_s > until_s:
                break
            clock.now_s = now_s
            if replica_s < row_s and replica_s < due_s:
                r = state.wakes[0].member
                if state.replicas[r].phase == BOUNDARY:
                    begin_phase(state, r, now_s)
                else:
                    end_phase(state, r)
                continue
            if due_s <= row_s:
                row = take_due(state)
            else:
                row = _take_row(state, timer_s < arrival_s)
                awaited = state.ledger[row].awaits
                if awaited == ARRIVAL:
                    _arrive(state, row, now_s)
        if awaited == ANSWER:
            state.ledger[row].awaits = NOTHING
            begins = end_at_endpoint(state, row, now_s)
            if state.ledger[row].outcome == COMPLETED:
                learn_from_answer(state, row, now_s)
        elif awaited != NOTHING and now_s >= patient_until_s(state, row):
            _end_patience(state, row, now_s)
        else:
            if awaited == ATTEMPT:
                state.ledger[row].awaits = NOTHING
            if _dispatch(state, row, now_s):
                begins = row
        if begins != NONE:
            begin_at_endpoint(state, state.ledger[begins].server, begins, now_s)
    clock.now_s = until_s
