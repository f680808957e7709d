"""Rate limits as continuously refilled token buckets, and money per period."""

import math

from simulator.engine.jit import compiled
from simulator.engine.layout import INPUT_TOK, OUTPUT_TOK, REQUESTS


@compiled
def _demand(plane, e, row, kind):
    """What a request takes from a limit at its start."""
    request = plane.requests[row]
    if kind == REQUESTS:
        return 1.0
    if kind == OUTPUT_TOK:
        return float(request.declared_tok)
    counted = request.input_tok
    if not plane.endpoints[e].cached_counts:
        counted -= plane.ledger[row].cached_tok
    if kind == INPUT_TOK:
        return float(counted)
    return float(counted + request.declared_tok)


@compiled
def limit_wait_s(plane, e, row, time_s):
    """Time until an endpoint's limits let a request pass: 0 now, inf never."""
    endpoint = plane.endpoints[e]
    wait_s = 0.0
    for k in range(endpoint.first_limit, endpoint.first_limit + endpoint.limits):
        limit = plane.limits[k]
        limit.level = min(limit.most, limit.level + limit.per_s * (time_s - limit.at_s))
        limit.at_s = time_s
        demand = _demand(plane, e, row, limit.of)
        if demand > limit.most:
            return math.inf
        # What refills up to rounding is there.
        if demand > limit.level + 1e-9 * limit.most:
            wait_s = max(wait_s, (demand - limit.level) / limit.per_s)
    return wait_s


@compiled
def take_from_limits(plane, e, row):
    """Let a request pass; the limits have been brought up to now."""
    endpoint = plane.endpoints[e]
    for k in range(endpoint.first_limit, endpoint.first_limit + endpoint.limits):
        limit = plane.limits[k]
        limit.level -= _demand(plane, e, row, limit.of)


@compiled
def settle_limits(plane, e, row):
    """Give back the output that was declared and not produced."""
    endpoint = plane.endpoints[e]
    unused = plane.requests[row].declared_tok - plane.ledger[row].output_tok
    for k in range(endpoint.first_limit, endpoint.first_limit + endpoint.limits):
        limit = plane.limits[k]
        if limit.of == OUTPUT_TOK:
            limit.level = min(limit.most, limit.level + max(0, unused))


@compiled
def _renew(plane, b, time_s):
    """Begin a new period of a budget when its time has come."""
    budget = plane.budgets[b]
    period = math.floor((plane.clock[0].zero_s + time_s) / budget.period_s)
    if period != budget.period:
        budget.period = period
        budget.spent_usd = 0.0


@compiled
def budget_wait_s(plane, b, time_s):
    """Time until a budget has money again: 0 when it has some now."""
    budget = plane.budgets[b]
    if budget.usd == math.inf:
        return 0.0
    _renew(plane, b, time_s)
    if budget.spent_usd < budget.usd:
        return 0.0
    return (budget.period + 1) * budget.period_s - (plane.clock[0].zero_s + time_s)


@compiled
def spend(plane, b, usd, time_s):
    if plane.budgets[b].usd < math.inf:
        _renew(plane, b, time_s)
        plane.budgets[b].spent_usd += usd


@compiled
def current_rate(plane, e, time_s):
    """First rate record of the period that an endpoint's prices are in; time never runs back."""
    endpoint = plane.endpoints[e]
    stride = 2 * endpoint.tiers * endpoint.shares
    while endpoint.period + 1 < endpoint.periods:
        if plane.rates[endpoint.first_rate + (endpoint.period + 1) * stride].from_s > time_s:
            break
        endpoint.period += 1
    return endpoint.first_rate + endpoint.period * stride


@compiled
def answer_usd(plane, e, row):
    """Price of a complete answer in the period of ``call.rate``."""
    endpoint = plane.endpoints[e]
    request = plane.requests[row]
    ledger = plane.ledger[row]
    call = plane.calls[row]
    reasoning = ledger.reasoning_tok
    rate = call.rate
    if reasoning > 0:
        rate += endpoint.tiers * endpoint.shares
    for _ in range(endpoint.tiers - 1):
        if request.input_tok < plane.rates[rate + endpoint.shares].from_tok:
            break
        rate += endpoint.shares
    cached_share = ledger.cached_tok / request.input_tok
    for _ in range(endpoint.shares - 1):
        if cached_share < plane.rates[rate + 1].from_share:
            break
        rate += 1
    prices = plane.rates[rate]
    uncached = request.input_tok - ledger.cached_tok - call.written_tok
    usd = prices.request_usd + uncached * prices.input_usd
    # A price that is not known is NaN and must not spoil what does not use it.
    if ledger.cached_tok > 0:
        usd += ledger.cached_tok * prices.cache_read_usd
    if call.written_tok > 0:
        usd += call.written_tok * prices.cache_write_usd
    if call.stored_tok_h > 0:
        usd += call.stored_tok_h * prices.storage_usd
    if ledger.output_tok > reasoning:
        usd += (ledger.output_tok - reasoning) * prices.output_usd
    if reasoning > 0:
        usd += reasoning * prices.reasoning_usd
    return usd
