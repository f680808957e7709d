"""Routing: which server takes a request, and which replica of a fleet.

A request goes to the least loaded replica with room, unless its session or its prefix binds it to
another replica that has at most ``affinity_slack`` more requests in flight.
"""

import math

from simulator.engine.kernels.own.kv_cache import kv_lookup
from simulator.engine.kernels.own.replica import evict_until_now
from simulator.engine.kernels.own.sequences import prompt_node, takes
from simulator.engine.kernels.shared.jit import compiled
from simulator.engine.records.choices import AFFINITIES
from simulator.engine.records.layout import (
    MANY,
    NONE,
    NOWHERE,
    OWN,
    READY,
)

BY_NOTHING, BY_SESSION, BY_PREFIX = map(AFFINITIES.index, AFFINITIES)


@compiled
def _has_room(state, r, row, most):
    """Return whether a replica may hold one more request and has fewer than ``most`` in flight.

    It always has room for a row that it is to decode: the prompt is computed and cannot go back.
    """
    if state.ledger[row].pool != NONE:
        return True
    rep = state.replicas[r]
    fleet = state.fleets[rep.fleet]
    return rep.in_flight < min(fleet.max_sequences + fleet.max_waiting, most)


@compiled
def _least_loaded(state, row, most):
    """Return the least loaded ready replica with room that takes a row, or NONE.

    Ties are broken in turn: the search starts after the replica that was chosen last.
    """
    clock = state.clock[0]
    best = NONE
    least = math.inf
    r = clock.rotation
    for _ in range(state.replicas.size):
        if (
            state.loads[r] < least
            and takes(state, state.replicas[r].fleet, row)
            and _has_room(state, r, row, most)
        ):
            best = r
            least = state.loads[r]
        r += 1
        if r == state.replicas.size:
            r = 0
    if best != NONE:
        clock.rotation = best + 1 if best + 1 < state.replicas.size else 0
    return best


@compiled
def _is_any_ready(state, row):
    """Return whether any ready replica takes a row, with or without room."""
    for r in range(state.replicas.size):
        if state.loads[r] < math.inf and takes(state, state.replicas[r].fleet, row):
            return True
    return False


@compiled
def _bound_replica(state, row, best):
    """Return the replica to which its session or prefix binds a row, ``best`` if it is too busy."""
    if state.ledger[row].pool != NONE:
        return best
    fleet = state.fleets[state.replicas[best].fleet]
    most = state.replicas[best].in_flight + fleet.affinity_slack
    if fleet.affinity == BY_SESSION:
        if row == 0 or not state.requests[row].gap_s >= 0:
            return best
        last = state.ledger[row - 1].first_replica
        if last == NONE:
            return best
        rep = state.replicas[last]
        bound = rep.state == READY and rep.in_flight <= most and takes(state, rep.fleet, row)
        return last if bound else best
    longest = 0
    node = prompt_node(state, best, row)
    chosen = best
    for k in range(fleet.slots):
        r = fleet.first_slot + (best - fleet.first_slot + k) % fleet.slots
        rep = state.replicas[r]
        if rep.state == READY and rep.in_flight <= most:
            evict_until_now(state, r, state.clock[0].now_s)
            hit, _ = kv_lookup(state, r, node)
            if hit > longest:
                longest = hit
                chosen = r
    return chosen


@compiled
def choose_replica(state, row, most):
    """Return the replica to which a row goes, with fewer than ``most`` in flight, or NONE."""
    best = _least_loaded(state, row, most)
    if best == NONE or state.fleets[state.replicas[best].fleet].affinity == BY_NOTHING:
        return best
    bound = _bound_replica(state, row, best)
    return bound if _has_room(state, bound, row, most) else best


@compiled
def first_fleet(state, row):
    """Return the first fleet that takes a row, or NONE."""
    for f in range(state.fleets.size):
        if takes(state, f, row):
            return f
    return NONE


@compiled
def choose_server(state, row):
    """Return where a row goes: OWN, a gateway or NOWHERE, and its replica.

    The replica is NONE unless the server is OWN, and there while no replica is ready.
    """
    route = state.route[state.requests[row].workload]
    if route != OWN:
        return route, NONE
    overflow = state.overflow[state.requests[row].workload]
    f = first_fleet(state, row)
    if f == NONE:
        return overflow if overflow != NONE else NOWHERE, NONE
    most = state.clock[0].overflow_in_flight if overflow != NONE else MANY
    r = choose_replica(state, row, most)
    if r != NONE or state.ledger[row].pool != NONE:
        return OWN, r
    if overflow != NONE:
        return overflow, NONE
    full = state.fleets[f].waiting >= state.fleets[f].max_waiting
    return NOWHERE if full or _is_any_ready(state, row) else OWN, NONE
