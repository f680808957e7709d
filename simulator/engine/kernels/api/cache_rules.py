"""Cache rules of providers: which nodes of a prompt an endpoint keeps.

One rule is one branch in each of three questions: what a simulated prompt leaves, what the previous
turn of its session left, and what requests left that are not simulated. ``pricing.caching`` names
and explains the rules.
"""

from simulator.engine.kernels.shared.jit import compiled
from simulator.pricing.caching import RULES

CACHE_NONE, CACHE_PREFIX, CACHE_BREAKPOINT, CACHE_UNIT = (
    RULES.index(rule) for rule in ("none", "prefix", "breakpoint", "unit")
)


@compiled
def keeps_prompt(endpoint, level, is_end, is_cached, is_recent, mark_shared, mark_end):
    """Return whether a simulated prompt writes one of its nodes, or renews it.

    ``level`` is the number of nodes above; ``is_recent`` whether the node was used within the
    lifetime; ``mark_shared`` and ``mark_end`` whether marks of either place are worth their price.
    """
    if endpoint.cache_rule == CACHE_UNIT:
        return is_end or is_cached or is_recent
    if endpoint.cache_rule == CACHE_BREAKPOINT:
        return _is_marked(endpoint, level, is_end, mark_shared, mark_end)
    return endpoint.cache_rule == CACHE_PREFIX


@compiled
def keeps_earlier(endpoint, level, is_end, mark_shared, mark_end):
    """Return whether the previous turn, which was not simulated, kept one of its nodes."""
    if endpoint.cache_rule == CACHE_UNIT:
        return is_end
    if endpoint.cache_rule == CACHE_BREAKPOINT:
        return _is_marked(endpoint, level, is_end, mark_shared, mark_end)
    return endpoint.cache_rule == CACHE_PREFIX


@compiled
def keeps_unsimulated(endpoint, level, is_recent, mark_shared):
    """Return whether a request that was not simulated kept a shared node.

    ``is_recent`` tells whether the use before it was within the lifetime.
    """
    if endpoint.cache_rule == CACHE_UNIT:
        return is_recent  # a prefix is kept from its second use on
    if endpoint.cache_rule == CACHE_BREAKPOINT:
        return level < endpoint.cache_shared and mark_shared
    return True


@compiled
def bills_writes(endpoint):
    """Return whether tokens are counted as written, and uses of what was read renew it."""
    return endpoint.cache_rule == CACHE_BREAKPOINT


@compiled
def needs_second_use(endpoint):
    """Return whether a shared node is kept only from its second use on."""
    return endpoint.cache_rule == CACHE_UNIT


@compiled
def _is_marked(endpoint, level, is_end, mark_shared, mark_end):
    if level < endpoint.cache_shared:
        return mark_shared
    return is_end and mark_end and endpoint.cache_end_mark == 1
