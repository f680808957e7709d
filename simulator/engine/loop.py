"""The event loop of the data plane: arrivals, timers and replica events in time order.

At one instant, what arrives comes before replica events, so that it is scheduled at a step
boundary on which it arrives; a replica therefore ends a phase and begins the next in two events.
"""

import math

import numpy as np

from simulator.engine.endpoint import begin_at_endpoint, end_at_endpoint, reject_row
from simulator.engine.gateway import attempt_through_gateway, learn_from_answer
from simulator.engine.heap import heap_remove
from simulator.engine.jit import compiled, entry
from simulator.engine.layout import (
    ANSWER,
    ARRIVAL,
    BOUNDARY,
    COMPLETED,
    FLEET,
    IN_FLIGHT,
    NONE,
    NOWHERE,
    READY,
)
from simulator.engine.queues import join_line, leave_line
from simulator.engine.replica import begin_phase, end_phase, enqueue


@compiled
def least_loaded(plane):
    """Ready replica with the fewest requests in flight, or NONE; ties go round."""
    clock = plane.clock[0]
    best = NONE
    fewest = np.iinfo(np.int32).max
    for k in range(clock.replicas):
        r = (clock.rotation + k) % clock.replicas
        rep = plane.replicas[r]
        if rep.state == READY and rep.in_flight < fewest:
            best = r
            fewest = rep.in_flight
    if best != NONE:
        clock.rotation = (best + 1) % clock.replicas
    return best


@compiled
def choose_replica(plane, row):
    """The session's last replica unless it is much busier than the least loaded one."""
    best = least_loaded(plane)
    if best != NONE and row > 0 and plane.requests[row].gap_s >= 0:
        last = plane.ledger[row - 1].replica
        if last != NONE:
            rep = plane.replicas[last]
            if rep.state == READY:
                slack = rep.in_flight - plane.replicas[best].in_flight
                if slack <= plane.clock[0].sticky_slack:
                    return last
    return best


@compiled
def _choose_server(plane, row):
    """Where a row goes: (FLEET, its replica or NONE while none is ready), a gateway or NOWHERE."""
    clock = plane.clock[0]
    request = plane.requests[row]
    route = plane.route[request.workload]
    if route != FLEET:
        return route, NONE
    overflow = plane.overflow[request.workload]
    if request.input_tok >= plane.engine[0].max_model_tok:
        return overflow if overflow != NONE else NOWHERE, NONE
    r = choose_replica(plane, row)
    busy = r == NONE or plane.replicas[r].in_flight >= clock.overflow_in_flight
    if overflow != NONE and busy:
        return overflow, NONE
    return FLEET, r


@compiled
def _dispatch(plane, row, time_s):
    """Send a row on its way; True when an endpoint begins to serve it now."""
    ledger = plane.ledger[row]
    if ledger.gateway == NONE:
        server, r = _choose_server(plane, row)
        ledger.server = server
        ledger.replica = r
        if server == NOWHERE:
            reject_row(plane, row, time_s)
            return False
        if server == FLEET:
            room_tok = plane.engine[0].max_model_tok - plane.requests[row].input_tok
            ledger.output_tok = min(plane.requests[row].output_tok, room_tok)
            ledger.reasoning_tok = min(plane.requests[row].reasoning_tok, ledger.output_tok)
            if r == NONE:
                join_line(plane, plane.clock[0], row)
            else:
                enqueue(plane, r, row, time_s)
            return False
        ledger.gateway = server
    return attempt_through_gateway(plane, row, time_s)


@compiled
def _skip_to_next_arrival(plane):
    """Move the arrival pointer to the next row that arrives by itself; returns its time."""
    clock = plane.clock[0]
    while clock.next_row < plane.requests.size:
        request = plane.requests[clock.next_row]
        if not request.gap_s >= 0:
            return request.arrival_s
        clock.next_row += 1
    return math.inf


@compiled
def _next_timer_s(plane):
    if plane.clock[0].pending == 0:
        return math.inf
    return plane.timers[plane.timers[0].member].key


@compiled
def _next_replica_s(plane):
    if plane.clock[0].replicas == 0:
        return math.inf
    return plane.wakes[plane.wakes[0].member].key


@compiled
def _take_row(plane, is_timer):
    """Row whose time has come: the first of the waiting ones, or the next that arrives."""
    clock = plane.clock[0]
    if is_timer:
        row = plane.timers[0].member
        heap_remove(plane.timers, 0, clock.pending, row)
        clock.pending -= 1
        return row
    clock.next_row += 1
    return clock.next_row - 1


@compiled
def _arrive(plane, row, time_s):
    ledger = plane.ledger[row]
    ledger.arrival_s = time_s
    ledger.outcome = IN_FLIGHT
    plane.clock[0].offered += 1


@entry
def advance(plane, until_s):
    """Process every event up to and including ``until_s``."""
    clock = plane.clock[0]
    while True:
        begins = NONE
        if clock.admitting > 0:
            row = leave_line(plane, clock)
            clock.admitting -= 1
            now_s = clock.now_s
            moves = True
        else:
            head_s = _skip_to_next_arrival(plane)
            timer_s = _next_timer_s(plane)
            row_s = min(head_s, timer_s)
            replica_s = _next_replica_s(plane)
            now_s = min(row_s, replica_s)
            if now_s > until_s:
                break
            clock.now_s = now_s
            if row_s > replica_s:
                r = plane.wakes[0].member
                if plane.replicas[r].phase == BOUNDARY:
                    begin_phase(plane, r, now_s)
                else:
                    end_phase(plane, r)
                continue
            row = _take_row(plane, timer_s < head_s)
            awaited = plane.ledger[row].awaits
            moves = awaited != ANSWER
            if awaited == ARRIVAL:
                _arrive(plane, row, now_s)
        if moves:
            if _dispatch(plane, row, now_s):
                begins = row
        else:
            begins = end_at_endpoint(plane, row, now_s)
            if plane.ledger[row].outcome == COMPLETED:
                learn_from_answer(plane, row, now_s)
        if begins != NONE:
            begin_at_endpoint(plane, plane.ledger[begins].server, begins, now_s)
    clock.now_s = until_s
