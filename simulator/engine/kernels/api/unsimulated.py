"""Effect of requests that are not simulated on prompt caches.

A sample is spans of the horizon, or a share of the traffic, but a shared prefix is kept in a
provider's cache by all requests. Those left out are assumed to use a prefix as a Poisson process,
at a rate given by the share of all requests that begin with it, so that the time of its last use is
one exponential draw. The turn before a session's first simulated one is known, and so is what it
left in the cache.
"""

import math

from simulator.engine.kernels.api.cache_rules import (
    CACHE_NONE,
    keeps_earlier,
    keeps_unsimulated,
    needs_second_use,
)
from simulator.engine.kernels.api.prompt_cache import marks_pay, touch
from simulator.engine.kernels.shared.hashing import EARLIER, UNSIMULATED, uniform
from simulator.engine.kernels.shared.jit import compiled
from simulator.engine.records.layout import NONE


@compiled
def _interpolate(knots, column, value):
    """Return the value of the other column where one of two rising columns has a value.

    -inf before the first knot, the last knot's value after the last one.
    """
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
    # This endpoint is assumed to get the same share of requests left out as of simulated ones.
    endpoint_share = min(1.0, endpoint.attempts / max(1, state.clock[0].offered))
    if request.earlier_node != NONE and uniform(request.random_bits, 0, EARLIER) < endpoint_share:
        _use_earlier(state, e, row, time_s)
    if state.unsimulated.shape[0] == 0:
        return
    until = _interpolate(state.unsimulated, 0, time_s)
    node = request.node
    while node != NONE:
        share = state.nodes[node].share * endpoint_share
        if share > 0:
            _apply_unsimulated(state, e, row, node, until, share)
        node = state.nodes[node].parent


@compiled
def _use_earlier(state, e, row, time_s):
    """Record the use of the previous turn's prompt: of its end and of all nodes above it."""
    endpoint = state.endpoints[e]
    request = state.requests[row]
    used_s = state.ledger[row].arrival_s - request.earlier_s
    shared_pays, end_pays = marks_pay(state, e, request.workload)
    node = request.earlier_node
    while node != NONE and state.nodes[node].depth_tok >= endpoint.cache_min_tok:
        is_end = node == request.earlier_node
        keeps = keeps_earlier(endpoint, state.nodes[node].level, is_end, shared_pays, end_pays)
        touch(state, e, node, used_s, keeps)
        node = state.nodes[node].parent


@compiled
def _apply_unsimulated(state, e, row, node, until, share):
    """Draw when requests left out last used a shared prefix, and record that use."""
    endpoint = state.endpoints[e]
    request = state.requests[row]
    level = state.nodes[node].level
    if state.nodes[node].depth_tok < endpoint.cache_min_tok:
        return
    last = until + math.log(1.0 - uniform(request.random_bits, level, UNSIMULATED)) / share
    used_s = _interpolate(state.unsimulated, 1, last)
    if used_s <= state.prefixes[e, node].used_s:
        return
    is_recent = True
    if needs_second_use(endpoint):
        before = last + math.log(1.0 - uniform(request.random_bits, level, EARLIER)) / share
        before_s = max(state.prefixes[e, node].used_s, _interpolate(state.unsimulated, 1, before))
        is_recent = used_s - before_s <= endpoint.cache_ttl_s
    mark_shared, _ = marks_pay(state, e, request.workload)
    touch(state, e, node, used_s, keeps_unsimulated(endpoint, level, is_recent, mark_shared))
