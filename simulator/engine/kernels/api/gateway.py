"""A gateway: where a request's next attempt goes, and what follows from one that failed.

``plan.Gateway`` tells the rules. One call makes one attempt; what comes after a failure waits for
its time like a new arrival does.
"""

import math

from simulator.engine.kernels.api.endpoint import attempt_at_endpoint, fits
from simulator.engine.kernels.api.limits import budget_wait_s, current_rate, limit_wait_s, spend
from simulator.engine.kernels.shared.hashing import EXPLORE, PAUSE, ROUTE, uniform
from simulator.engine.kernels.shared.jit import compiled
from simulator.engine.kernels.shared.requests import reject_row, wait_for
from simulator.engine.records.layout import (
    ACCEPTED,
    ADJUSTED,
    ATTEMPT,
    CHEAPEST,
    FASTEST,
    LATENCIES,
    LEAST_BUSY,
    LEAST_USED,
    LIMITED,
    NONE,
    ORDERED,
    QUEUED,
    REFUSED,
    SAMPLED,
    SHUFFLE,
)
from simulator.units import MINUTE_S

EXPLORED_SHARE = 0.02
"""Requests that ``adjusted`` sends anywhere, so that every endpoint stays known; assumed."""
_SMOOTHING = 0.05
_FAILURE_S = 1000.0
"""What a failure counts as among latencies (LiteLLM)."""


@compiled
def _target_budget(plane, t):
    return plane.budgets.size - plane.gateways.size - plane.targets.size + t


@compiled
def _gateway_budget(plane, g):
    return plane.budgets.size - plane.gateways.size + g


@compiled
def _renew_minute(plane, t, time_s):
    target = plane.targets[t]
    minute = math.floor(time_s / MINUTE_S)
    if minute != target.minute:
        target.minute = minute
        target.minute_attempts = 0
        target.minute_failures = 0
        target.minute_tok = 0


@compiled
def _allowed(plane, g, t, row, time_s):
    """Whether a gateway's rules let a request go to a target, if that is well and untried."""
    gateway = plane.gateways[g]
    e = plane.targets[t].endpoint
    if not fits(plane, e, row):
        return False
    short = plane.endpoints[e].max_output_tok < plane.requests[row].declared_tok
    if gateway.checks_output and short:
        return False
    prices = plane.rates[current_rate(plane, e, time_s)]
    if prices.input_usd > gateway.max_prompt_usd or prices.output_usd > gateway.max_output_usd:
        return False
    return budget_wait_s(plane, _target_budget(plane, t), time_s) == 0


@compiled
def _eligible(plane, g, t, row, tier, time_s, though_cooling):
    """Whether a request that has come to a tier may be tried at a target now."""
    gateway = plane.gateways[g]
    call = plane.calls[row]
    target = plane.targets[t]
    if target.tier != tier:
        return False
    if target.cooling_until_s > time_s and not though_cooling:
        return False
    tried = tier == call.tier and (call.tried >> (t - gateway.first_target)) & 1 == 1
    if tried and not gateway.repeats:
        return False
    if not _allowed(plane, g, t, row, time_s):
        return False
    return not (gateway.knows_limits and limit_wait_s(plane, target.endpoint, row, time_s) > 0)


@compiled
def _rank(plane, g, t, time_s):
    """What a strategy minimises, or the weight that it draws by."""
    strategy = plane.gateways[g].strategy
    target = plane.targets[t]
    e = target.endpoint
    if strategy == ORDERED:
        return float(t)
    if strategy == LEAST_BUSY:
        return float(plane.endpoints[e].in_flight + plane.endpoints[e].queued)
    if strategy == LEAST_USED:
        _renew_minute(plane, t, time_s)
        return float(target.minute_tok)
    if strategy == FASTEST:
        # What was never tried comes first.
        return target.latency_sum_s / max(1, min(LATENCIES, target.latencies))
    if strategy == SHUFFLE:
        return target.weight
    prices = plane.rates[current_rate(plane, e, time_s)]
    listed = prices.input_usd + prices.output_usd
    if strategy == CHEAPEST:
        return listed
    if strategy == ADJUSTED and target.usd_per_tok > 0:
        listed = target.usd_per_tok
    if strategy == ADJUSTED:
        listed /= max(0.01, target.success)
    return 1.0 / max(1e-15, listed * listed)


@compiled
def _choose_among(plane, g, row, tier, time_s, though_cooling):
    """Target of a tier by the gateway's strategy, or NONE."""
    gateway = plane.gateways[g]
    request = plane.requests[row]
    call = plane.calls[row]
    explores = gateway.strategy == ADJUSTED and (
        uniform(request.dice, call.attempts, EXPLORE) < EXPLORED_SHARE
    )
    least = math.inf
    if gateway.strategy < SAMPLED:
        for t in range(gateway.first_target, gateway.first_target + gateway.targets):
            if _eligible(plane, g, t, row, tier, time_s, though_cooling):
                least = min(least, _rank(plane, g, t, time_s))
        least *= 1.0 + gateway.latency_buffer
    # One uniform number is enough to draw by weight in one pass.
    u = uniform(request.dice, call.attempts, ROUTE)
    total = 0.0
    chosen = NONE
    for t in range(gateway.first_target, gateway.first_target + gateway.targets):
        if not _eligible(plane, g, t, row, tier, time_s, though_cooling):
            continue
        weight = _rank(plane, g, t, time_s)
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
def _session_target(plane, g, row, time_s):
    """Target that served the session's last turn, while the gateway keeps sessions there."""
    gateway = plane.gateways[g]
    if gateway.sticky_s == 0 or row == 0 or not plane.requests[row].gap_s >= 0:
        return NONE
    last = plane.ledger[row - 1]
    call = plane.calls[row - 1]
    known = last.gateway == g and call.attempts > 0
    if not known or time_s - last.finished_s > gateway.sticky_s:
        return NONE
    return call.target if _eligible(plane, g, call.target, row, 0, time_s, False) else NONE


@compiled
def _choose_target(plane, g, row, time_s):
    """Target of the row's next attempt, in its tier or the nearest behind it; or NONE.

    A row that goes on to another tier begins anew there.
    """
    gateway = plane.gateways[g]
    call = plane.calls[row]
    if call.attempts == 0:
        chosen = _session_target(plane, g, row, time_s)
        if chosen != NONE:
            return chosen
    # Twice through the tiers: with what is well, then with what cools down, where that is done.
    for turn in range(1 + gateway.bypass):
        for tier in range(call.tier, gateway.tiers):
            chosen = _choose_among(plane, g, row, tier, time_s, turn == 1)
            if chosen != NONE:
                _go_to_tier(plane, row, tier)
                return chosen
    return NONE


@compiled
def _go_to_tier(plane, row, tier):
    call = plane.calls[row]
    if tier != call.tier:
        call.tier = tier
        call.tier_attempts = 0
        call.tried = 0


@compiled
def _note_failure(plane, g, t, ended, time_s):
    gateway = plane.gateways[g]
    target = plane.targets[t]
    target.success *= 1.0 - _SMOOTHING
    _remember_latency(plane, t, _FAILURE_S)
    if ended == LIMITED:
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
def _remember_latency(plane, t, latency_s):
    target = plane.targets[t]
    place = target.latencies % LATENCIES
    target.latency_sum_s += latency_s - target.latency_s[place]
    target.latency_s[place] = latency_s
    target.latencies += 1


@compiled
def _other_is_well(plane, g, t, time_s):
    gateway = plane.gateways[g]
    for k in range(gateway.first_target, gateway.first_target + gateway.targets):
        other = plane.targets[k]
        if k != t and other.tier == plane.targets[t].tier and other.cooling_until_s <= time_s:
            return True
    return False


@compiled
def _pause_s(plane, g, row, failures):
    """Pause behind the given number of failures."""
    gateway = plane.gateways[g]
    pause_s = min(gateway.backoff_max_s, gateway.backoff_s * 2.0 ** (failures - 1))
    luck = uniform(plane.requests[row].dice, plane.calls[row].attempts, PAUSE)
    return pause_s * (1.0 - gateway.jitter * luck)


@compiled
def _wait_for_any(plane, g, row, time_s):
    """Nothing can be tried now: come back when something may have become well, or give up."""
    gateway = plane.gateways[g]
    call = plane.calls[row]
    until_s = math.inf
    for t in range(gateway.first_target, gateway.first_target + gateway.targets):
        if _allowed(plane, g, t, row, time_s):
            until_s = min(until_s, max(time_s, plane.targets[t].cooling_until_s))
    call.idle_attempts += 1
    exhausted = call.tried != 0 or call.idle_attempts >= gateway.attempts
    if exhausted or until_s == math.inf:
        reject_row(plane, row, time_s)
        return
    _go_to_tier(plane, row, 0)
    pause_s = _pause_s(plane, g, row, call.idle_attempts)
    wait_for(plane, row, ATTEMPT, max(until_s, time_s + pause_s))


@compiled
def _after_failure(plane, g, t, row, ended, time_s):
    """Try again within the tier, in the next one, or give up."""
    gateway = plane.gateways[g]
    call = plane.calls[row]
    told_s = time_s + plane.endpoints[plane.targets[t].endpoint].error_s
    pause_s = 0.0
    again = call.tier_attempts < gateway.attempts
    if ended != REFUSED and (gateway.backs_off_always or not _other_is_well(plane, g, t, time_s)):
        pause_s = _pause_s(plane, g, row, call.tier_attempts)
        asked_s = plane.clock[0].retry_after_s if ended == LIMITED else 0.0
        if asked_s > gateway.retry_after_max_s:
            again = again and not gateway.gives_up_on_long_waits
        elif asked_s > 0:
            pause_s = asked_s
    if ended == REFUSED and gateway.repeats:
        again = False
    if again:
        wait_for(plane, row, ATTEMPT, told_s + pause_s)
        return
    _go_to_tier(plane, row, call.tier + 1)
    if call.tier < gateway.tiers:
        wait_for(plane, row, ATTEMPT, told_s)
    else:
        reject_row(plane, row, told_s)


@compiled
def attempt_through_gateway(plane, row, time_s):
    """Make a row's next attempt; True when an endpoint begins to serve it now."""
    ledger = plane.ledger[row]
    call = plane.calls[row]
    g = ledger.gateway
    if budget_wait_s(plane, _gateway_budget(plane, g), time_s) > 0:
        reject_row(plane, row, time_s)
        return False
    t = _choose_target(plane, g, row, time_s)
    if t == NONE:
        _wait_for_any(plane, g, row, time_s)
        return False
    target = plane.targets[t]
    ledger.server = target.endpoint
    call.target = t
    _renew_minute(plane, t, time_s)
    target.minute_attempts += 1
    ended = attempt_at_endpoint(plane, target.endpoint, row, time_s)
    call.attempts += 1
    call.tier_attempts += 1
    if ended in (ACCEPTED, QUEUED):
        return ended == ACCEPTED
    if not plane.gateways[g].repeats:
        call.tried |= 1 << (t - plane.gateways[g].first_target)
    if ended != REFUSED:
        _note_failure(plane, g, t, ended, time_s)
    _after_failure(plane, g, t, row, ended, time_s)
    return False


@compiled
def learn_from_answer(plane, row, time_s):
    """Let the gateway of a completed row see how fast and how dear its target was."""
    ledger = plane.ledger[row]
    call = plane.calls[row]
    target = plane.targets[call.target]
    tokens = plane.requests[row].input_tok + ledger.output_tok
    _renew_minute(plane, call.target, time_s)
    target.minute_tok += tokens
    target.success += _SMOOTHING * (1.0 - target.success)
    _remember_latency(plane, call.target, ledger.first_token_s - ledger.start_s)
    per_tok = call.usd / tokens
    if target.usd_per_tok == 0:
        target.usd_per_tok = per_tok
    target.usd_per_tok += _SMOOTHING * (per_tok - target.usd_per_tok)
    spend(plane, _target_budget(plane, call.target), call.usd, time_s)
    spend(plane, _gateway_budget(plane, ledger.gateway), call.usd, time_s)
