"""The event loop of the data plane: arrivals, timers and replica events in time order.

At one instant, what arrives comes before replica events, so that it is scheduled at a step
boundary on which it arrives; a replica therefore ends a phase and begins the next in two events.
"""

import math

from simulator.engine.kernels.api.endpoint import begin_at_endpoint, end_at_endpoint
from simulator.engine.kernels.api.gateway import attempt_through_gateway, learn_from_answer
from simulator.engine.kernels.own.batch_work import defer, forget_deferred, may_wait, take_due
from simulator.engine.kernels.own.kv_cache import kv_lookup
from simulator.engine.kernels.own.replica import (
    abandon,
    begin_phase,
    end_phase,
    enqueue,
    evict_until_now,
)
from simulator.engine.kernels.own.sequences import prompt_node, takes
from simulator.engine.kernels.shared.heap import heap_remove
from simulator.engine.kernels.shared.jit import compiled, entry
from simulator.engine.kernels.shared.queues import drop_closed, join_line, leave_line
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
    BY_NOTHING,
    BY_SESSION,
    COMPLETED,
    FIRST_COME,
    FLEET,
    IN_FLIGHT,
    MANY,
    NONE,
    NOTHING,
    NOWHERE,
    PATIENCE,
    READY,
)


@compiled
def _has_room(plane, r, row, most):
    """Whether a replica may hold one more, below ``most`` in flight; prompts that it shall decode
    were computed already, and have no way back.
    """
    if plane.ledger[row].pool != NONE:
        return True
    rep = plane.replicas[r]
    engine = plane.engine[rep.fleet]
    return rep.in_flight < min(engine.max_sequences + engine.max_waiting, most)


@compiled
def _least_loaded(plane, row, most):
    """Ready replica with room that takes a row, the least loaded, or NONE; ties go round."""
    clock = plane.clock[0]
    best = NONE
    least = math.inf
    r = clock.rotation
    for _ in range(plane.replicas.size):
        if (
            plane.loads[r] < least
            and takes(plane, plane.replicas[r].fleet, row)
            and _has_room(plane, r, row, most)
        ):
            best = r
            least = plane.loads[r]
        r += 1
        if r == plane.replicas.size:
            r = 0
    if best != NONE:
        clock.rotation = best + 1 if best + 1 < plane.replicas.size else 0
    return best


@compiled
def _is_any_ready(plane, row):
    for r in range(plane.replicas.size):
        if plane.loads[r] < math.inf and takes(plane, plane.replicas[r].fleet, row):
            return True
    return False


@compiled
def _bound_replica(plane, row, best):
    """Replica that a row is bound to by its session or its prefix, unless it is much busier."""
    if plane.ledger[row].pool != NONE:
        return best
    engine = plane.engine[plane.replicas[best].fleet]
    most = plane.replicas[best].in_flight + engine.affinity_slack
    if engine.affinity == BY_SESSION:
        if row == 0 or not plane.requests[row].gap_s >= 0:
            return best
        last = plane.ledger[row - 1].home
        if last == NONE:
            return best
        rep = plane.replicas[last]
        bound = rep.state == READY and rep.in_flight <= most and takes(plane, rep.fleet, row)
        return last if bound else best
    longest = 0
    node = prompt_node(plane, best, row)
    chosen = best
    for k in range(engine.slots):
        r = engine.first_slot + (best - engine.first_slot + k) % engine.slots
        rep = plane.replicas[r]
        if rep.state == READY and rep.in_flight <= most:
            evict_until_now(plane, r, plane.clock[0].now_s)
            hit, _ = kv_lookup(plane, r, node)
            if hit > longest:
                longest = hit
                chosen = r
    return chosen


@compiled
def _choose_replica(plane, row, most):
    """Replica with fewer than ``most`` in flight that a row goes to, or NONE."""
    best = _least_loaded(plane, row, most)
    if best == NONE or plane.engine[plane.replicas[best].fleet].affinity == BY_NOTHING:
        return best
    bound = _bound_replica(plane, row, best)
    return bound if _has_room(plane, bound, row, most) else best


@compiled
def _first_fleet(plane, row):
    """First fleet that takes a row, or NONE."""
    for f in range(plane.engine.size):
        if takes(plane, f, row):
            return f
    return NONE


@compiled
def _choose_server(plane, row):
    """Where a row goes: (FLEET, its replica or NONE while none is ready), a gateway or NOWHERE."""
    route = plane.route[plane.requests[row].workload]
    if route != FLEET:
        return route, NONE
    overflow = plane.overflow[plane.requests[row].workload]
    f = _first_fleet(plane, row)
    if f == NONE:
        return overflow if overflow != NONE else NOWHERE, NONE
    most = plane.clock[0].overflow_in_flight if overflow != NONE else MANY
    r = _choose_replica(plane, row, most)
    if r != NONE or plane.ledger[row].pool != NONE:
        return FLEET, r
    if overflow != NONE:
        return overflow, NONE
    full = plane.engine[f].waiting >= plane.engine[f].max_waiting
    return NOWHERE if full or _is_any_ready(plane, row) else FLEET, NONE


@compiled
def _dispatch(plane, row, time_s):
    """Send a row on its way; True when an endpoint begins to serve it now."""
    ledger = plane.ledger[row]
    if ledger.gateway == NONE:
        if _waits_for_capacity(plane, row, time_s):
            return False
        server, r = _choose_server(plane, row)
        ledger.server = server
        if server == NOWHERE:
            stop_waiting(plane, row)
            reject_row(plane, row, time_s)
            return False
        if server == FLEET:
            _send_to_fleet(plane, row, r, time_s)
            return False
        stop_waiting(plane, row)
        ledger.gateway = server
    return attempt_through_gateway(plane, row, time_s)


@compiled
def _send_to_fleet(plane, row, r, time_s):
    """Let a row wait at a replica, or for one to become ready."""
    if plane.ledger[row].awaits == NOTHING:
        limit_patience(plane, row)
    if r == NONE:
        engine = plane.engine[_first_fleet(plane, row)]
        engine.waiting += 1
        join_line(plane, engine, row, FIRST_COME)
        return
    enqueue(plane, r, row, time_s)


@compiled
def _waits_for_capacity(plane, row, time_s):
    """Send work that has time to where capacity is idle, or let it wait for some; else False."""
    f = _first_fleet(plane, row)
    if plane.route[plane.requests[row].workload] != FLEET or f == NONE:
        return False
    if not may_wait(plane, f, row, time_s):
        return False
    r = _choose_replica(plane, row, plane.engine[f].deferred_in_flight)
    plane.ledger[row].server = FLEET
    if r != NONE:
        _send_to_fleet(plane, row, r, time_s)
        return True
    if plane.ledger[row].awaits == NOTHING:
        limit_patience(plane, row)
    defer(plane, f, row)
    return True


@compiled
def _give_up(plane, row, time_s):
    """The client of a row leaves, wherever the row is; an answer that has begun ends by itself."""
    ledger = plane.ledger[row]
    in_line = ledger.awaits == PATIENCE
    ledger.awaits = NOTHING
    time_out_row(plane, row, time_s)
    if not in_line:
        ledger.output_tok = ledger.reasoning_tok = 0
        return
    if ledger.gateway != NONE:
        endpoint = plane.endpoints[ledger.server]
        endpoint.queued -= 1
        drop_closed(plane, endpoint)
    elif ledger.deferred:
        ledger.deferred = 0
        forget_deferred(plane, _first_fleet(plane, row))
    elif ledger.replica != NONE:
        abandon(plane, ledger.replica, row, time_s)
    else:
        engine = plane.engine[_first_fleet(plane, row)]
        engine.waiting -= 1
        drop_closed(plane, engine)


@compiled
def _leave_lobby(plane):
    """Take a row that waited for a replica to become ready and may go on now."""
    plane.clock[0].admitting -= 1
    for f in range(plane.engine.size):
        engine = plane.engine[f]
        if engine.admitting > 0:
            engine.admitting -= 1
            engine.waiting -= 1
            return leave_line(plane, engine)
    return NONE


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
    if plane.wakes.size == 0:
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
    ledger.awaits = NOTHING
    plane.clock[0].offered += 1


@entry
def advance(plane, until_s):
    """Process every event up to and including ``until_s``."""
    clock = plane.clock[0]
    while True:
        begins = NONE
        awaited = NOTHING
        if clock.admitting > 0:
            row = _leave_lobby(plane)
            now_s = clock.now_s
        else:
            head_s = _skip_to_next_arrival(plane)
            timer_s = _next_timer_s(plane)
            row_s = min(head_s, timer_s)
            replica_s = _next_replica_s(plane)
            # The line is in order to a tenth of a second: the next may have been due before now.
            due_s = max(clock.due_s, clock.now_s)
            now_s = min(min(row_s, replica_s), due_s)
            if now_s > until_s:
                break
            clock.now_s = now_s
            if replica_s < row_s and replica_s < due_s:
                r = plane.wakes[0].member
                if plane.replicas[r].phase == BOUNDARY:
                    begin_phase(plane, r, now_s)
                else:
                    end_phase(plane, r)
                continue
            if due_s <= row_s:
                row = take_due(plane)
            else:
                row = _take_row(plane, timer_s < head_s)
                awaited = plane.ledger[row].awaits
                if awaited == ARRIVAL:
                    _arrive(plane, row, now_s)
        if awaited == ANSWER:
            plane.ledger[row].awaits = NOTHING
            begins = end_at_endpoint(plane, row, now_s)
            if plane.ledger[row].outcome == COMPLETED:
                learn_from_answer(plane, row, now_s)
        elif awaited != NOTHING and now_s >= patient_until_s(plane, row):
            _give_up(plane, row, now_s)
        else:
            if awaited == ATTEMPT:
                plane.ledger[row].awaits = NOTHING
            if _dispatch(plane, row, now_s):
                begins = row
        if begins != NONE:
            begin_at_endpoint(plane, plane.ledger[begins].server, begins, now_s)
    clock.now_s = until_s
