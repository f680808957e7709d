"""An API endpoint: latency and speed drawn per request, and the provider's prompt cache.

Two rules cover the providers (see ``pricing.caching``). A *prefix* cache finds any earlier prompt
prefix, in steps of some tokens, and writes for free. A *breakpoint* cache holds whole prefixes up
to a marked end, here the end of every prefix-tree node, and charges for writing them. In both an
entry exists from the first token of the request that wrote it, and lives until it has not been
used for the rule's lifetime.
"""

import math

from simulator.engine.jit import compiled
from simulator.engine.layout import CACHE_BREAKPOINT, CACHE_NONE, NONE, REJECTED
from simulator.engine.sequences import complete_row, schedule_next_turn


@compiled
def reject_row(plane, row, time_s):
    """Close a row unserved; its session goes on all the same."""
    ledger = plane.ledger[row]
    ledger.outcome = REJECTED
    ledger.output_tok = 0
    ledger.finished_s = time_s
    plane.clock[0].rejected += 1
    schedule_next_turn(plane, row, time_s)


@compiled
def cached_prefix_tok(plane, e, node, time_s):
    """Tokens of the deepest live prefix of a path."""
    endpoint = plane.endpoints[e]
    while node != NONE and plane.nodes[node].depth_tok >= endpoint.cache_min_tok:
        if plane.prefixes[e, node].ready_s <= time_s < plane.prefixes[e, node].expiry_s:
            depth = plane.nodes[node].depth_tok
            return depth // endpoint.cache_step_tok * endpoint.cache_step_tok
        node = plane.nodes[node].parent
    return 0


@compiled
def touch_prefixes(plane, e, node, time_s, ready_s):
    """Write a path's prefixes that are not alive, and renew the lifetime of those that are."""
    endpoint = plane.endpoints[e]
    while node != NONE and plane.nodes[node].depth_tok >= endpoint.cache_min_tok:
        if time_s >= plane.prefixes[e, node].expiry_s:
            plane.prefixes[e, node].ready_s = ready_s
        plane.prefixes[e, node].expiry_s = max(time_s, plane.prefixes[e, node].ready_s) + (
            endpoint.cache_ttl_s
        )
        node = plane.nodes[node].parent


@compiled
def serve_at_endpoint(plane, e, row, time_s):
    """Serve a row that arrives now; its whole course is known at once."""
    endpoint = plane.endpoints[e]
    request = plane.requests[row]
    ledger = plane.ledger[row]
    if request.input_tok >= endpoint.context_tok:
        reject_row(plane, row, time_s)
        return
    ledger.output_tok = min(
        request.output_tok, endpoint.max_output_tok, endpoint.context_tok - request.input_tok
    )
    cached_tok = 0
    if endpoint.cache_rule != CACHE_NONE:
        cached_tok = cached_prefix_tok(plane, e, request.node, time_s)
    ttft_s = endpoint.ttft_median_s * math.exp(endpoint.ttft_sigma * request.ttft_z)
    ttft_s += endpoint.prefill_token_s * (request.input_tok - cached_tok)
    output_tok_s = endpoint.output_tok_s * math.exp(endpoint.speed_sigma * request.speed_z)
    ledger.start_s = time_s
    ledger.first_token_s = time_s + ttft_s
    ledger.cached_tok = cached_tok
    if endpoint.cache_rule != CACHE_NONE and request.node != NONE:
        if endpoint.cache_rule == CACHE_BREAKPOINT:
            depth = plane.nodes[request.node].depth_tok
            if depth >= endpoint.cache_min_tok:
                ledger.written_tok = depth - cached_tok
        touch_prefixes(plane, e, request.node, time_s, ledger.first_token_s)
    more_tok = max(0, ledger.output_tok - 1)
    complete_row(plane, row, ledger.first_token_s + more_tok / output_tok_s)
