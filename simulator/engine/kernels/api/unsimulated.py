"""What requests that are not simulated did to prompt caches.

A sample simulates spans of the horizon, or a share of the traffic. Caches of providers know no
such limits: a shared prompt is kept alive by everybody's requests. Requests that are left out are
taken to use the beginning of a prompt as a Poisson process does, at the rate of the share of all
requests that begin with it, so that the time of its last use is one exponential draw. The turn
before a session's first simulated one is known, and so is what it left behind.
"""

import math

from simulator.engine.kernels.api.prompt_cache import marks_pay, touch
from simulator.engine.kernels.shared.hashing import EARLIER, UNSIMULATED, uniform
from simulator.engine.kernels.shared.jit import compiled
from simulator.engine.records.layout import (
    CACHE_BREAKPOINT,
    CACHE_NONE,
    CACHE_PREFIX,
    CACHE_UNIT,
    NONE,
)


@compiled
def _interpolated(knots, column, value):
    """Value of the other column where one of the rising columns has a value; -inf before both."""
    low = 0
    high = knots.shape[0] - 1
    if value < knots[low, column]:
        return -math.inf
    while high - low > 1:
        middle = (low + high) // 2
        if knots[middle, column] <= value:
            low = middle
        else:
            high = middle
    width = knots[high, column] - knots[low, column]
    share = min(1.0, (value - knots[low, column]) / width) if width > 0 else 0.0
    other = 1 - column
    return knots[low, other] + share * (knots[high, other] - knots[low, other])


@compiled
def freshen(state, e, row, time_s):
    """Bring an endpoint's cache up to date for a prompt that is about to be looked up."""
    endpoint = state.endpoints[e]
    request = state.requests[row]
    if endpoint.cache_rule == CACHE_NONE or request.node == NONE:
        return
    # Of the requests that are left out, as many came here as of those that were simulated.
    here = min(1.0, endpoint.asked / max(1, state.clock[0].offered))
    if request.earlier_node != NONE and uniform(request.random_bits, 0, EARLIER) < here:
        _use_earlier(state, e, row, time_s)
    if state.unsimulated.shape[0] == 0:
        return
    until = _interpolated(state.unsimulated, 0, time_s)
    node = request.node
    while node != NONE:
        share = state.nodes[node].share * here
        if share > 0:
            _apply_unsimulated(state, e, row, node, until, share)
        node = state.nodes[node].parent


@compiled
def _use_earlier(state, e, row, time_s):
    """Leave what the turn before left: its own end, and all above it."""
    endpoint = state.endpoints[e]
    request = state.requests[row]
    used_s = state.ledger[row].arrival_s - request.earlier_s
    shared_pays, end_pays = marks_pay(state, e, request.workload)
    node = request.earlier_node
    while node != NONE and state.nodes[node].depth_tok >= endpoint.cache_min_tok:
        keeps = endpoint.cache_rule == CACHE_PREFIX
        if endpoint.cache_rule == CACHE_UNIT:
            keeps = node == request.earlier_node
        elif endpoint.cache_rule == CACHE_BREAKPOINT:
            if state.nodes[node].level < endpoint.cache_shared:
                keeps = shared_pays
            else:
                keeps = node == request.earlier_node and end_pays and endpoint.cache_end_mark == 1
        touch(state, e, node, used_s, keeps)
        node = state.nodes[node].parent


@compiled
def _apply_unsimulated(state, e, row, node, until, share):
    """Draw when a shared beginning was last used by requests that are left out."""
    endpoint = state.endpoints[e]
    request = state.requests[row]
    level = state.nodes[node].level
    if state.nodes[node].depth_tok < endpoint.cache_min_tok:
        return
    last = until + math.log(1.0 - uniform(request.random_bits, level, UNSIMULATED)) / share
    used_s = _interpolated(state.unsimulated, 1, last)
    if used_s <= state.prefixes[e, node].used_s:
        return
    keeps = True
    if endpoint.cache_rule == CACHE_UNIT:
        # Kept from the second use on: the one before the last must have been recent.
        before = last + math.log(1.0 - uniform(request.random_bits, level, EARLIER)) / share
        before_s = max(state.prefixes[e, node].used_s, _interpolated(state.unsimulated, 1, before))
        keeps = used_s - before_s <= endpoint.cache_ttl_s
    elif endpoint.cache_rule == CACHE_BREAKPOINT:
        keeps = level < endpoint.cache_shared and marks_pay(state, e, request.workload)[0]
    touch(state, e, node, used_s, keeps)
