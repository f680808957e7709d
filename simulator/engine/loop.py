"""The event loop of the data plane: arrivals, turns and replica events in time order.

At one instant, arrivals come before replica events, so that what arrives on a step boundary is
scheduled at it; a replica therefore ends a phase and begins the next in two events.
"""

import math

import numpy as np

from simulator.engine.endpoint import reject_row, serve_at_endpoint
from simulator.engine.heap import heap_remove
from simulator.engine.jit import compiled
from simulator.engine.layout import BOUNDARY, FLEET, IN_FLIGHT, NONE, NOWHERE, READY
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
def choose_server(plane, row):
    """Where a row goes now: (route code, replica); a fleet without a ready replica: NONE."""
    clock = plane.clock[0]
    request = plane.requests[row]
    route = plane.route[request.workload]
    if route != FLEET:
        return route, NONE
    spills = clock.overflow_endpoint != NONE
    if request.input_tok >= plane.engine[0].max_model_tok:
        return clock.overflow_endpoint if spills else NOWHERE, NONE
    r = choose_replica(plane, row)
    if spills and (r == NONE or plane.replicas[r].in_flight >= clock.overflow_in_flight):
        return clock.overflow_endpoint, NONE
    return FLEET, r


@compiled
def dispatch(plane, row, time_s):
    """Send a row to an endpoint or a replica, or into the lobby while no replica is ready."""
    clock = plane.clock[0]
    ledger = plane.ledger[row]
    server, r = choose_server(plane, row)
    ledger.server = server
    ledger.replica = r
    if server >= 0:
        serve_at_endpoint(plane, server, row, time_s)
    elif server == NOWHERE:
        reject_row(plane, row, time_s)
    else:
        request = plane.requests[row]
        room_tok = plane.engine[0].max_model_tok - request.input_tok
        ledger.output_tok = min(request.output_tok, room_tok)
        if r != NONE:
            enqueue(plane, r, row, time_s)
        else:
            ledger.next_waiting = NONE
            if clock.lobby_head == NONE:
                clock.lobby_head = row
            else:
                plane.ledger[clock.lobby_tail].next_waiting = row
            clock.lobby_tail = row


@compiled
def admit_lobby(plane, time_s):
    """Send everything that waited for a replica on its way; called when one becomes ready."""
    clock = plane.clock[0]
    row = clock.lobby_head
    clock.lobby_head = NONE
    while row != NONE:
        after = plane.ledger[row].next_waiting
        dispatch(plane, row, time_s)
        row = after


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
def _next_turn_s(plane):
    if plane.clock[0].pending_turns == 0:
        return math.inf
    return plane.turns[plane.turns[0].member].key


@compiled
def _next_replica_s(plane):
    if plane.clock[0].replicas == 0:
        return math.inf
    return plane.wakes[plane.wakes[0].member].key


@compiled
def _take_arrival(plane, is_turn):
    """Row that arrives next: the first of the waiting turns, or the next one by itself."""
    clock = plane.clock[0]
    if is_turn:
        row = plane.turns[0].member
        heap_remove(plane.turns, 0, clock.pending_turns, row)
        clock.pending_turns -= 1
        return row
    clock.next_row += 1
    return clock.next_row - 1


@compiled
def advance(plane, until_s):
    """Process every event up to and including ``until_s``."""
    clock = plane.clock[0]
    while True:
        head_s = _skip_to_next_arrival(plane)
        turn_s = _next_turn_s(plane)
        arrival_s = min(head_s, turn_s)
        replica_s = _next_replica_s(plane)
        now_s = min(arrival_s, replica_s)
        if now_s > until_s:
            break
        clock.now_s = now_s
        if arrival_s <= now_s:
            row = _take_arrival(plane, turn_s < head_s)
            ledger = plane.ledger[row]
            ledger.arrival_s = now_s
            ledger.outcome = IN_FLIGHT
            clock.offered += 1
            dispatch(plane, row, now_s)
        else:
            r = plane.wakes[0].member
            if plane.replicas[r].phase == BOUNDARY:
                begin_phase(plane, r, now_s)
            else:
                end_phase(plane, r)
    clock.now_s = until_s
