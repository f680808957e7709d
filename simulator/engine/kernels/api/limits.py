"""Rate limits as continuously refilled token buckets, budgets per period, and prices of answers."""

import math

from simulator.engine.kernels.shared.jit import compiled
from simulator.engine.records.api_layout import FIXED, MONTHLY, ROLLING, ROLLING_PARTS
from simulator.engine.records.layout import INPUT_TOK, OUTPUT_TOK, PRODUCED_TOK, REQUESTS
from simulator.units import DAY_S


@compiled
def _demand(state, e, row, kind):
    """Return what a request takes from a limit when it starts."""
    request = state.requests[row]
    if kind == REQUESTS:
        return 1.0
    if kind == PRODUCED_TOK:
        return 1.0  # nothing is taken at the start, but the bucket must not be empty
    if kind == OUTPUT_TOK:
        return float(request.declared_tok)
    counted = request.input_tok
    if not state.endpoints[e].cached_counts:
        counted -= state.ledger[row].cached_tok
    if kind == INPUT_TOK:
        return float(counted)
    return float(counted + request.declared_tok)


@compiled
def _refill(limit, time_s):
    """Bring a limit up to now: add what was refilled, less what calls have produced meanwhile."""
    gain_s = limit.per_s - limit.producing_tok_s
    limit.level = min(limit.most, limit.level + gain_s * (time_s - limit.at_s))
    limit.at_s = time_s


@compiled
def limit_wait_s(state, e, row, time_s):
    """Return the time until an endpoint's limits let a request pass [s]: 0 now, inf never."""
    endpoint = state.endpoints[e]
    wait_s = 0.0
    for k in range(endpoint.first_limit, endpoint.first_limit + endpoint.limits):
        limit = state.limits[k]
        _refill(limit, time_s)
        demand = _demand(state, e, row, limit.of)
        # For rounding of capacity and refill. Output still to be produced is not foreseen.
        tolerance = 1e-9 * limit.most
        if demand > limit.most + tolerance:
            return math.inf
        if demand > limit.level + tolerance:
            wait_s = max(wait_s, (demand - limit.level) / limit.per_s)
    return wait_s


@compiled
def take_from_limits(state, e, row):
    """Take what a request needs from the limits, which have been brought up to now."""
    endpoint = state.endpoints[e]
    for k in range(endpoint.first_limit, endpoint.first_limit + endpoint.limits):
        limit = state.limits[k]
        if limit.of != PRODUCED_TOK:
            limit.level -= _demand(state, e, row, limit.of)


@compiled
def start_production(state, e, row, until_s, time_s):
    """Count the output of a request that begins evenly over the time until it ends."""
    endpoint = state.endpoints[e]
    call = state.calls[row]
    call.produces_tok_s = 0.0
    for k in range(endpoint.first_limit, endpoint.first_limit + endpoint.limits):
        limit = state.limits[k]
        if limit.of == PRODUCED_TOK and until_s > time_s:
            _refill(limit, time_s)
            call.produces_tok_s = state.ledger[row].completion_tok / (until_s - time_s)
            limit.producing_tok_s += call.produces_tok_s


@compiled
def settle_limits(state, e, row, time_s):
    """Give back output that was declared and not produced, and stop counting produced output."""
    endpoint = state.endpoints[e]
    unused = state.requests[row].declared_tok - state.ledger[row].completion_tok
    for k in range(endpoint.first_limit, endpoint.first_limit + endpoint.limits):
        limit = state.limits[k]
        if limit.of == OUTPUT_TOK:
            limit.level = min(limit.most, limit.level + max(0, unused))
        elif limit.of == PRODUCED_TOK:
            _refill(limit, time_s)
            others_tok_s = limit.producing_tok_s - state.calls[row].produces_tok_s
            limit.producing_tok_s = max(0.0, others_tok_s)


@compiled
def _month(unix_s):
    """Return the number of a month since the year 0, in the proleptic Gregorian calendar."""
    days = math.floor(unix_s / DAY_S) + 719468  # since 0000-03-01
    era = days // 146097
    day_of_era = days - era * 146097
    year = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year + year // 4 - year // 100)
    month_since_march = (5 * day_of_year + 2) // 153
    return (year + era * 400) * 12 + month_since_march + 2


@compiled
def _month_begin_s(month):
    """Return the Unix time at which a month begins, by its number [s]."""
    march = month - 2
    year = march // 12
    era = year // 400
    year_of_era = year - era * 400
    day_of_year = (153 * (march % 12) + 2) // 5
    days = (
        era * 146097
        + year_of_era * 365
        + year_of_era // 4
        - year_of_era // 100
        + day_of_year
        - 719468
    )
    return days * DAY_S


@compiled
def _renew(state, b, time_s):
    """Begin a new period of a budget if the last one is over.

    The periods of a rolling budget are its parts; a new part replaces the oldest.
    """
    budget = state.budgets[b]
    unix_s = state.clock[0].zero_s + time_s
    period = _month(unix_s) if budget.kind == MONTHLY else math.floor(unix_s / budget.period_s)
    if period == budget.period:
        return
    if budget.kind == ROLLING:
        spends = state.spends[budget.spends]
        for part in range(max(budget.period + 1, period - ROLLING_PARTS), period + 1):
            spends[part % (ROLLING_PARTS + 1)] = 0.0
        budget.spent_usd = spends.sum()
    else:
        budget.spent_usd = 0.0
    budget.period = period


@compiled
def budget_wait_s(state, b, time_s):
    """Return the time until a budget has money again [s]: 0 when it has some now."""
    budget = state.budgets[b]
    if budget.usd == math.inf:
        return 0.0
    _renew(state, b, time_s)
    if budget.spent_usd < budget.usd:
        return 0.0
    unix_s = state.clock[0].zero_s + time_s
    if budget.kind == MONTHLY:
        return _month_begin_s(budget.period + 1) - unix_s
    if budget.kind == FIXED:
        return (budget.period + 1) * budget.period_s - unix_s
    # Rolling: parts are forgotten one by one, the oldest first.
    left_usd = budget.spent_usd
    for part in range(budget.period - ROLLING_PARTS, budget.period + 1):
        left_usd -= state.spends[budget.spends][part % (ROLLING_PARTS + 1)]
        if left_usd < budget.usd:
            return (part + ROLLING_PARTS + 1) * budget.period_s - unix_s
    return (budget.period + ROLLING_PARTS + 1) * budget.period_s - unix_s


@compiled
def endpoint_wait_s(state, e, time_s):
    """Return the time until all budgets of an endpoint have money again [s]."""
    endpoint = state.endpoints[e]
    wait_s = 0.0
    for b in range(endpoint.first_budget, endpoint.first_budget + endpoint.budgets):
        wait_s = max(wait_s, budget_wait_s(state, b, time_s))
    return wait_s


@compiled
def spend(state, b, usd, time_s):
    """Charge an amount to a budget."""
    budget = state.budgets[b]
    if budget.usd < math.inf:
        _renew(state, b, time_s)
        budget.spent_usd += usd
        if budget.kind == ROLLING:
            state.spends[budget.spends][budget.period % (ROLLING_PARTS + 1)] += usd


@compiled
def spend_at_endpoint(state, e, usd, time_s):
    """Charge an amount to all budgets of an endpoint."""
    endpoint = state.endpoints[e]
    for b in range(endpoint.first_budget, endpoint.first_budget + endpoint.budgets):
        spend(state, b, usd, time_s)


@compiled
def current_rate(state, e, time_s):
    """Return the first rate record of an endpoint's current price period; time never runs back."""
    endpoint = state.endpoints[e]
    stride = 2 * endpoint.tiers * endpoint.shares
    while endpoint.period + 1 < endpoint.periods:
        if state.rates[endpoint.first_rate + (endpoint.period + 1) * stride].from_s > time_s:
            break
        endpoint.period += 1
    return endpoint.first_rate + endpoint.period * stride


@compiled
def answer_usd(state, e, row):
    """Return the price of a complete answer in the price period of ``call.rate`` [USD]."""
    endpoint = state.endpoints[e]
    request = state.requests[row]
    ledger = state.ledger[row]
    call = state.calls[row]
    reasoning = ledger.reasoning_tok
    rate = call.rate
    if reasoning > 0:
        rate += endpoint.tiers * endpoint.shares
    for _ in range(endpoint.tiers - 1):
        if request.input_tok < state.rates[rate + endpoint.shares].from_tok:
            break
        rate += endpoint.shares
    cached_share = ledger.cached_tok / request.input_tok
    for _ in range(endpoint.shares - 1):
        if cached_share < state.rates[rate + 1].from_share:
            break
        rate += 1
    prices = state.rates[rate]
    uncached = request.input_tok - ledger.cached_tok - call.written_tok
    usd = prices.request_usd + uncached * prices.input_usd
    # An unknown price is NaN and must not affect answers that do not use it.
    if ledger.cached_tok > 0:
        usd += ledger.cached_tok * prices.cache_read_usd
    if call.written_tok > 0:
        usd += call.written_tok * prices.cache_write_usd
    if call.stored_tok_h > 0:
        usd += call.stored_tok_h * prices.storage_usd
    if ledger.completion_tok > reasoning:
        usd += (ledger.completion_tok - reasoning) * prices.output_usd
    if reasoning > 0:
        usd += reasoning * prices.reasoning_usd
    return usd
