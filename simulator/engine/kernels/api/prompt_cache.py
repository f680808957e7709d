"""Prompt caches of providers on the prefix tree; see ``pricing.caching`` for their rules.

An endpoint caches a node of the tree from ``ready_s``, the time of the first token of the request
that wrote it, until ``expiry_s``, which every use postpones, and no longer than the rule's maximum
age.
"""

import math

from simulator.engine.kernels.api.cache_rules import CACHE_NONE, bills_writes, keeps_prompt
from simulator.engine.kernels.shared.jit import compiled, entry
from simulator.engine.records.layout import NONE
from simulator.units import HOUR_S, MINUTE_S

MACHINES = 62
"""Number of the last machine over which a prefix is spread; machines are bits of an integer."""
_TRIED_TOK = 50_000.0
"""Tokens that may be written before their use is judged; assumed."""
# Marks by where they are: at the end of a shared prefix, and at the end of a prompt.
_SHARED, _END = 0, 1


@entry
def put_levels(nodes):
    """Set the number of nodes above each node of a tree, in which parents precede children."""
    for node in range(nodes.size):
        parent = nodes[node].parent
        nodes[node].level = 0 if parent == NONE else nodes[parent].level + 1


@compiled
def _machine(state, e, node, time_s):
    """Return the bit of the machine that takes the next request with the root of ``node``."""
    per_min = state.endpoints[e].cache_machine_per_min
    if per_min == math.inf:
        return 1
    while state.nodes[node].parent != NONE:
        node = state.nodes[node].parent
    prefix = state.prefixes[e, node]
    if prefix.minute != math.floor(time_s / MINUTE_S):
        return 1
    return 1 << min(MACHINES, math.floor(prefix.requests / per_min))


@compiled
def _is_cached(state, e, node, machine, time_s):
    """Return whether a machine of an endpoint has a node in its cache now."""
    prefix = state.prefixes[e, node]
    return (
        prefix.ready_s <= time_s < prefix.expiry_s
        and time_s < prefix.ready_s + state.endpoints[e].cache_max_age_s
        and prefix.machines & machine != 0
    )


@compiled
def cached_prefix_tok(state, e, row, time_s):
    """Return the tokens of a prompt that the endpoint's cache holds now."""
    endpoint = state.endpoints[e]
    node = state.requests[row].node
    if endpoint.cache_rule == CACHE_NONE or node == NONE:
        return 0
    machine = _machine(state, e, node, time_s)
    steps = 0
    while node != NONE and state.nodes[node].depth_tok >= endpoint.cache_min_tok:
        is_looked_up = (
            steps <= endpoint.cache_lookback or state.nodes[node].level < endpoint.cache_shared
        )
        if is_looked_up and _is_cached(state, e, node, machine, time_s):
            depth = state.nodes[node].depth_tok
            return depth // endpoint.cache_step_tok * endpoint.cache_step_tok
        node = state.nodes[node].parent
        steps += 1
    return 0


@compiled
def _write(state, e, node, machine, time_s, ready_s):
    """Write a node or postpone its expiry; return the storage bought [tokens x hours]."""
    endpoint = state.endpoints[e]
    prefix = state.prefixes[e, node]
    paid_until_s = prefix.expiry_s
    expired = time_s >= prefix.expiry_s or time_s >= prefix.ready_s + endpoint.cache_max_age_s
    if expired:
        prefix.ready_s = ready_s
        prefix.machines = machine
        paid_until_s = ready_s
    prefix.machines |= machine
    prefix.expiry_s = max(time_s, prefix.ready_s) + endpoint.cache_ttl_s
    if not endpoint.cache_stored:
        return 0.0
    return max(0.0, prefix.expiry_s - paid_until_s) * state.nodes[node].depth_tok / HOUR_S


@compiled
def touch(state, e, node, used_s, keeps):
    """Record a use of a node that was not simulated, unless a later use is known.

    The node is kept in the cache from that use on where ``keeps``.
    """
    endpoint = state.endpoints[e]
    prefix = state.prefixes[e, node]
    if used_s <= prefix.used_s:
        return
    prefix.used_s = used_s
    if not keeps:
        return
    expired = used_s >= prefix.expiry_s or used_s >= prefix.ready_s + endpoint.cache_max_age_s
    if expired:
        prefix.ready_s = used_s + endpoint.ttft_median_s
        prefix.machines = 1
    prefix.expiry_s = max(used_s, prefix.ready_s) + endpoint.cache_ttl_s


@compiled
def marks_pay(state, e, workload):
    """Return whether marks on shared prefixes and on ends of prompts have paid so far."""
    pays = state.endpoints[e].cache_pays_from
    shared = state.reuse[e, workload, _SHARED]
    end = state.reuse[e, workload, _END]
    return (
        shared.read_tok >= pays * (shared.written_tok - _TRIED_TOK),
        end.read_tok >= pays * (end.written_tok - _TRIED_TOK),
    )


@compiled
def _update_marks(state, e, row, time_s):
    """Count what marks on a prompt would have read and written; return which marks pay.

    This is known of every prompt, marked or not: a use within the cache lifetime of the last one
    would have been a read. Marks pay from ``cache_pays_from`` tokens read for each token written.
    """
    endpoint = state.endpoints[e]
    node = state.requests[row].node
    end_tok = state.nodes[node].depth_tok
    shared_tok = 0
    read_tok = 0
    while node != NONE:
        prefix = state.prefixes[e, node]
        depth = state.nodes[node].depth_tok
        recent = time_s - prefix.used_s <= endpoint.cache_ttl_s
        if recent and read_tok == 0:
            read_tok = depth
        if shared_tok == 0 and state.nodes[node].level < endpoint.cache_shared:
            shared_tok = depth
        node = state.nodes[node].parent
    workload = state.requests[row].workload
    shared = state.reuse[e, workload, _SHARED]
    end = state.reuse[e, workload, _END]
    shared.read_tok += min(read_tok, shared_tok)
    shared.written_tok += shared_tok - min(read_tok, shared_tok)
    end.read_tok += max(0, read_tok - shared_tok)
    end.written_tok += end_tok - max(read_tok, shared_tok)
    return marks_pay(state, e, workload)


@compiled
def use_cache(state, e, row, time_s):
    """Write what a request's prompt leaves in the cache from its first token on."""
    endpoint = state.endpoints[e]
    request = state.requests[row]
    ledger = state.ledger[row]
    call = state.calls[row]
    end = request.node
    if endpoint.cache_rule == CACHE_NONE or end == NONE:
        return
    machine = _machine(state, e, end, time_s)
    mark_shared = mark_end = True
    if bills_writes(endpoint):
        mark_shared, mark_end = _update_marks(state, e, row, time_s)
    node = end
    while node != NONE and state.nodes[node].depth_tok >= endpoint.cache_min_tok:
        depth = state.nodes[node].depth_tok
        is_cached = _is_cached(state, e, node, machine, time_s)
        is_recent = time_s - state.prefixes[e, node].used_s <= endpoint.cache_ttl_s
        level = state.nodes[node].level
        keeps = keeps_prompt(
            endpoint, level, node == end, is_cached, is_recent, mark_shared, mark_end
        )
        if bills_writes(endpoint):
            if keeps and call.written_tok == 0 and depth > ledger.cached_tok:
                call.written_tok = depth - ledger.cached_tok
            keeps = keeps or (is_cached and depth == ledger.cached_tok)
        if keeps:
            call.stored_tok_h += _write(state, e, node, machine, time_s, ledger.first_token_s)
        state.prefixes[e, node].used_s = time_s
        root = node
        node = state.nodes[node].parent
    while node != NONE:
        state.prefixes[e, node].used_s = time_s
        root = node
        node = state.nodes[node].parent
    prefix = state.prefixes[e, root]
    minute = math.floor(time_s / MINUTE_S)
    if prefix.minute != minute:
        prefix.minute = minute
        prefix.requests = 0
    prefix.requests += 1
