"""A gateway: where a request's next attempt goes, and what follows from a failed one.

The rules are those of ``spec.plan.Gateway``. One call of ``attempt_through_gateway`` makes one
attempt; the attempt after a failure waits on a timer, as an arrival does.
"""

import math

import numpy as np

from simulator.engine.kernels.api.endpoint import attempt_at_endpoint, fits
from simulator.engine.kernels.api.limits import budget_wait_s, current_rate, limit_wait_s, spend
from simulator.engine.kernels.shared.hashing import EXPLORE, PAUSE, ROUTE, uniform
from simulator.engine.kernels.shared.jit import compiled
from simulator.engine.kernels.shared.requests import reject_row, wait_for
from simulator.engine.records.choices import STRATEGIES
from simulator.engine.records.layout import (
    ACCEPTED,
    ATTEMPT,
    LATENCIES,
    LIMITED,
    NONE,
    QUEUED,
    REFUSED,
)
from simulator.units import MINUTE_S

ORDERED, LEAST_BUSY, LEAST_USED, FASTEST, CHEAPEST, SHUFFLE, _, ADJUSTED = map(
    STRATEGIES.index, STRATEGIES
)
SAMPLED = SHUFFLE
"""Strategies from this one on draw a target by weight."""
EXPLORED_SHARE = 0.02
"""Share of requests for which ``adjusted`` draws any target, so that it learns of all; assumed."""
_SMOOTHING = 0.05
"""Weight of a new observation in exponentially smoothed figures."""
_FAILURE_S = 1000.0
"""Latency recorded for a failed attempt (LiteLLM)."""


@compiled
def _target_budget(state, t):
    """Return the index of a target's budget."""
    return state.budgets.size - state.gateways.size - state.targets.size + t


@compiled
def _gateway_budget(state, g):
    """Return the index of a gateway's budget."""
    return state.budgets.size - state.gateways.size + g


@compiled
def _renew_minute(state, t, time_s):
    """Reset the counts of a target when a new minute has begun."""
    target = state.targets[t]
    minute = math.floor(time_s / MINUTE_S)
    if minute != target.minute:
        target.minute = minute
        target.minute_attempts = 0
        target.minute_failures = 0
        target.minute_tok = 0


@compiled
def _is_allowed(state, g, t, row, time_s):
    """Return whether a gateway's rules allow a request at a target that is healthy and untried."""
    gateway = state.gateways[g]
    e = state.targets[t].endpoint
    if not fits(state, e, row):
        return False
    short = state.endpoints[e].max_output_tok < state.requests[row].declared_tok
    if gateway.checks_output and short:
        return False
    prices = state.rates[current_rate(state, e, time_s)]
    if prices.input_usd > gateway.max_prompt_usd or prices.output_usd > gateway.max_output_usd:
        return False
    return budget_wait_s(state, _target_budget(state, t), time_s) == 0


@compiled
def _is_eligible(state, g, t, row, tier, time_s, ignores_cooldown):
    """Return whether a request may be tried now at a target, which must be of the given tier."""
    gateway = state.gateways[g]
    call = state.calls[row]
    target = state.targets[t]
    if target.tier != tier:
        return False
    if target.cooling_until_s > time_s and not ignores_cooldown:
        return False
    tried = tier == call.tier and (call.tried >> (t - gateway.first_target)) & 1 == 1
    if tried and not gateway.repeats:
        return False
    if not _is_allowed(state, g, t, row, time_s):
        return False
    return not (gateway.knows_limits and limit_wait_s(state, target.endpoint, row, time_s) > 0)


@compiled
def _rank(state, g, t, time_s):
    """Return what the gateway's strategy minimises or, from SAMPLED on, draws by as a weight."""
    strategy = state.gateways[g].strategy
    target = state.targets[t]
    e = target.endpoint
    if strategy == ORDERED:
        return float(t)
    if strategy == LEAST_BUSY:
        return float(state.endpoints[e].in_flight + state.endpoints[e].queued)
    if strategy == LEAST_USED:
        _renew_minute(state, t, time_s)
        return float(target.minute_tok)
    if strategy == FASTEST:
        # A target without latencies has a sum of 0 and comes first.
        return target.latency_sum_s / max(1, min(LATENCIES, target.latencies))
    if strategy == SHUFFLE:
        return target.weight
    prices = state.rates[current_rate(state, e, time_s)]
    price_usd = prices.input_usd + prices.output_usd
    if strategy == CHEAPEST:
        return price_usd
    if strategy == ADJUSTED and target.usd_per_tok > 0:
        price_usd = target.usd_per_tok
    if strategy == ADJUSTED:
        price_usd /= max(0.01, target.success)
    return 1.0 / max(1e-15, price_usd * price_usd)


@compiled
def _choose_among(state, g, row, tier, time_s, ignores_cooldown):
    """Choose a target of a tier by the gateway's strategy; NONE if none is eligible."""
    gateway = state.gateways[g]
    request = state.requests[row]
    call = state.calls[row]
    explores = gateway.strategy == ADJUSTED and (
        uniform(request.random_bits, call.attempts, EXPLORE) < EXPLORED_SHARE
    )
    least = math.inf
    if gateway.strategy < SAMPLED:
        for t in range(gateway.first_target, gateway.first_target + gateway.targets):
            if _is_eligible(state, g, t, row, tier, time_s, ignores_cooldown):
                least = min(least, _rank(state, g, t, time_s))
        least *= 1.0 + gateway.latency_buffer
    # One uniform number draws by weight in a single pass: each target replaces the choice with the
    # probability of its share of the total so far, then the number is rescaled to [0, 1).
    u = uniform(request.random_bits, call.attempts, ROUTE)
    total = 0.0
    chosen = NONE
    for t in range(gateway.first_target, gateway.first_target + gateway.targets):
        if not _is_eligible(state, g, t, row, tier, time_s, ignores_cooldown):
            continue
        weight = _rank(state, g, t, time_s)
        if gateway.strategy < SAMPLED:
            weight = 1.0 if weight <= least else 0.0
        elif explores:
            weight = 1.0
        total += weight
        if weight > 0:
            share = weight / total
            if u < share:
                chosen = t
                u /= share
            else:
                u = (u - share) / (1.0 - share)
    return chosen


@compiled
def _session_target(state, g, row, time_s):
    """Return the target of the session's last turn while the gateway stays with it, else NONE."""
    gateway = state.gateways[g]
    if gateway.sticky_s == 0 or row == 0 or not state.requests[row].gap_s >= 0:
        return NONE
    last = state.ledger[row - 1]
    call = state.calls[row - 1]
    same_gateway = last.gateway == g and call.attempts > 0
    if not same_gateway or time_s - last.finished_s > gateway.sticky_s:
        return NONE
    return call.target if _is_eligible(state, g, call.target, row, 0, time_s, False) else NONE


@compiled
def _choose_target(state, g, row, time_s):
    """Choose the target of a row's next attempt in its tier or the nearest later one, or NONE.

    A row that moves to another tier starts with fresh counts there.
    """
    gateway = state.gateways[g]
    call = state.calls[row]
    if call.attempts == 0:
        chosen = _session_target(state, g, row, time_s)
        if chosen != NONE:
            return chosen
    # All tiers are searched for healthy targets first, then, with ``bypass``, for any.
    for search in range(1 + gateway.bypass):
        for tier in range(call.tier, gateway.tiers):
            chosen = _choose_among(state, g, row, tier, time_s, search == 1)
            if chosen != NONE:
                _go_to_tier(state, row, tier)
                return chosen
    return NONE


@compiled
def _go_to_tier(state, row, tier):
    """Move a row to a tier; its attempts there are counted from zero."""
    call = state.calls[row]
    if tier != call.tier:
        call.tier = tier
        call.tier_attempts = 0
        call.tried = 0


@compiled
def _record_failure(state, g, t, result, time_s):
    """Count a failed attempt, and cool its target down where the gateway's rules require it."""
    gateway = state.gateways[g]
    target = state.targets[t]
    target.success *= 1.0 - _SMOOTHING
    _record_latency(state, t, _FAILURE_S)
    if result == LIMITED:
        cools = gateway.cools_on_limit == 1
    else:
        target.minute_failures += 1
        enough = target.minute_attempts >= gateway.failures_counted
        cools = enough and (target.minute_failures > gateway.failure_share * target.minute_attempts)
        if gateway.failures_allowed != NONE:
            cools = cools or target.minute_failures > gateway.failures_allowed
    if cools:
        target.cooling_until_s = time_s + gateway.cooldown_s


@compiled
def _record_latency(state, t, latency_s):
    """Put a latency in place of the oldest of a target."""
    target = state.targets[t]
    index = target.latencies % LATENCIES
    target.latency_sum_s += latency_s - target.latency_s[index]
    target.latency_s[index] = latency_s
    target.latencies += 1


@compiled
def _is_other_healthy(state, g, t, time_s):
    """Return whether another target of the same tier is not cooling down."""
    gateway = state.gateways[g]
    for k in range(gateway.first_target, gateway.first_target + gateway.targets):
        other = state.targets[k]
        if k != t and other.tier == state.targets[t].tier and other.cooling_until_s <= time_s:
            return True
    return False


@compiled
def _pause_s(state, g, row, failures):
    """Return the pause after the given number of failures [s]."""
    gateway = state.gateways[g]
    pause_s = min(gateway.backoff_max_s, gateway.backoff_s * 2.0 ** (failures - 1))
    draw = uniform(state.requests[row].random_bits, state.calls[row].attempts, PAUSE)
    return pause_s * (1.0 - gateway.jitter * draw)


@compiled
def _wait_for_any(state, g, row, time_s):
    """Let a row that no target can take now wait until one may be healthy again, or reject it."""
    gateway = state.gateways[g]
    call = state.calls[row]
    until_s = math.inf
    for t in range(gateway.first_target, gateway.first_target + gateway.targets):
        if _is_allowed(state, g, t, row, time_s):
            until_s = min(until_s, max(time_s, state.targets[t].cooling_until_s))
    call.idle_attempts += 1
    exhausted = call.tried != 0 or call.idle_attempts >= gateway.attempts
    if exhausted or until_s == math.inf:
        reject_row(state, row, time_s)
        return
    _go_to_tier(state, row, 0)
    pause_s = _pause_s(state, g, row, call.idle_attempts)
    wait_for(state, row, ATTEMPT, max(until_s, time_s + pause_s))


@compiled
def _retry_or_reject(state, g, t, row, result, time_s):
    """Let a row wait for another attempt in its tier or the next one, or reject it."""
    gateway = state.gateways[g]
    call = state.calls[row]
    reported_s = time_s + state.endpoints[state.targets[t].endpoint].error_s
    pause_s = 0.0
    again = call.tier_attempts < gateway.attempts
    if result != REFUSED and (
        gateway.backs_off_always or not _is_other_healthy(state, g, t, time_s)
    ):
        pause_s = _pause_s(state, g, row, call.tier_attempts)
        retry_after_s = state.clock[0].retry_after_s if result == LIMITED else 0.0
        if retry_after_s > gateway.retry_after_max_s:
            again = again and not gateway.gives_up_on_long_waits
        elif retry_after_s > 0:
            pause_s = retry_after_s
    if result == REFUSED and gateway.repeats:
        again = False
    if again:
        wait_for(state, row, ATTEMPT, reported_s + pause_s)
        return
    _go_to_tier(state, row, call.tier + 1)
    if call.tier < gateway.tiers:
        wait_for(state, row, ATTEMPT, reported_s)
    else:
        reject_row(state, row, reported_s)


@compiled
def attempt_through_gateway(state, row, time_s):
    """Make the next attempt of a row; True when an endpoint begins to serve it now."""
    ledger = state.ledger[row]
    call = state.calls[row]
    g = ledger.gateway
    if budget_wait_s(state, _gateway_budget(state, g), time_s) > 0:
        reject_row(state, row, time_s)
        return False
    t = _choose_target(state, g, row, time_s)
    if t == NONE:
        _wait_for_any(state, g, row, time_s)
        return False
    target = state.targets[t]
    ledger.server = target.endpoint
    call.target = t
    _renew_minute(state, t, time_s)
    target.minute_attempts += 1
    result = attempt_at_endpoint(state, target.endpoint, row, time_s)
    call.attempts += 1
    call.tier_attempts += 1
    if result in (ACCEPTED, QUEUED):
        return result == ACCEPTED
    if not state.gateways[g].repeats:
        call.tried |= np.int64(1) << (t - state.gateways[g].first_target)
    if result != REFUSED:
        _record_failure(state, g, t, result, time_s)
    _retry_or_reject(state, g, t, row, result, time_s)
    return False


@compiled
def learn_from_answer(state, row, time_s):
    """Record how fast the target of a completed row was and what it cost, for its gateway."""
    ledger = state.ledger[row]
    call = state.calls[row]
    target = state.targets[call.target]
    tokens = state.requests[row].input_tok + ledger.completion_tok
    _renew_minute(state, call.target, time_s)
    target.minute_tok += tokens
    target.success += _SMOOTHING * (1.0 - target.success)
    _record_latency(state, call.target, ledger.first_token_s - ledger.start_s)
    per_tok = call.usd / tokens
    if target.usd_per_tok == 0:
        target.usd_per_tok = per_tok
    target.usd_per_tok += _SMOOTHING * (per_tok - target.usd_per_tok)
    spend(state, _target_budget(state, call.target), call.usd, time_s)
    spend(state, _gateway_budget(state, ledger.gateway), call.usd, time_s)
