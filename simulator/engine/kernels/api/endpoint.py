"""An API endpoint: whether it takes an attempt, how fast it answers, what the answer leaves behind.

An attempt that is accepted begins at once or waits in the endpoint's queue; its whole course is
drawn when it begins and ends in a timer.
"""

import math

from simulator.engine.kernels.api.limits import (
    answer_usd,
    current_rate,
    endpoint_wait_s,
    limit_wait_s,
    settle_limits,
    spend_at_endpoint,
    start_production,
    take_from_limits,
)
from simulator.engine.kernels.api.prompt_cache import cached_prefix_tok, use_cache
from simulator.engine.kernels.api.unsimulated import freshen
from simulator.engine.kernels.shared.hashing import FAILURE, LATENCY, SPEED, normal, uniform
from simulator.engine.kernels.shared.jit import compiled
from simulator.engine.kernels.shared.queues import join_line, leave_line
from simulator.engine.kernels.shared.requests import (
    complete_row,
    limit_patience,
    patient_until_s,
    stop_waiting,
    time_out_row,
    wait_for,
)
from simulator.engine.records.layout import (
    ACCEPTED,
    ANSWER,
    FAILED,
    FIRST_COME,
    LIMITED,
    NONE,
    QUEUED,
    REFUSED,
)


@compiled
def fits(plane, e, row):
    """Whether an endpoint could serve a request at all."""
    endpoint = plane.endpoints[e]
    request = plane.requests[row]
    if request.input_tok >= endpoint.context_tok or request.input_tok > endpoint.max_input_tok:
        return False
    return not (endpoint.refuses_long_outputs and request.declared_tok > endpoint.max_output_tok)


@compiled
def attempt_at_endpoint(plane, e, row, time_s):
    """Ask an endpoint to serve a row; how that ends, and in the clock what a limit's wait is."""
    endpoint = plane.endpoints[e]
    request = plane.requests[row]
    ledger = plane.ledger[row]
    call = plane.calls[row]
    if not fits(plane, e, row):
        return REFUSED
    if endpoint.down:
        return FAILED
    endpoint.asked += 1
    freshen(plane, e, row, time_s)
    ledger.cached_tok = cached_prefix_tok(plane, e, row, time_s)
    wait_s = max(limit_wait_s(plane, e, row, time_s), endpoint_wait_s(plane, e, time_s))
    if wait_s == math.inf:
        return REFUSED
    plane.clock[0].retry_after_s = wait_s
    if wait_s > 0:
        return LIMITED
    full = endpoint.in_flight >= endpoint.concurrency
    if full and endpoint.queued >= endpoint.queue:
        return LIMITED
    if uniform(request.dice, call.attempts, FAILURE) < endpoint.error_rate:
        return FAILED
    take_from_limits(plane, e, row)
    if not full:
        endpoint.in_flight += 1
        return ACCEPTED
    join_line(plane, endpoint, row, FIRST_COME)
    limit_patience(plane, row)
    endpoint.queued += 1
    return QUEUED


@compiled
def begin_at_endpoint(plane, e, row, time_s):
    """Serve a row from now on: draw its course and let it wait for its end."""
    endpoint = plane.endpoints[e]
    request = plane.requests[row]
    ledger = plane.ledger[row]
    call = plane.calls[row]
    stop_waiting(plane, row)
    most = min(endpoint.max_output_tok, endpoint.context_tok - request.input_tok)
    thought_tok = min(request.reasoning_tok, endpoint.max_reasoning_tok)
    ledger.output_tok = min(request.output_tok - request.reasoning_tok + thought_tok, most)
    # An output that is cut loses its visible end first.
    ledger.reasoning_tok = min(thought_tok, ledger.output_tok)
    ttft_s = endpoint.prefill_token_s * (request.input_tok - ledger.cached_tok)
    if endpoint.prefill_token2_s > 0:
        squares = float(request.input_tok) ** 2 - float(ledger.cached_tok) ** 2
        ttft_s += endpoint.prefill_token2_s * squares
    latency = normal(request.dice, call.attempts, LATENCY)
    ttft_s += endpoint.ttft_median_s * math.exp(endpoint.ttft_sigma * latency)
    speed = normal(request.dice, call.attempts, SPEED)
    output_tok_s = endpoint.output_tok_s * math.exp(endpoint.speed_sigma * speed)
    ledger.start_s = time_s
    ledger.first_token_s = time_s + ttft_s
    call.rate = current_rate(plane, e, time_s)
    use_cache(plane, e, row, time_s)
    end_s = ledger.first_token_s + max(0, ledger.output_tok - 1) / output_tok_s
    until_s = patient_until_s(plane, row)
    if end_s - time_s > endpoint.window_s:
        end_s = time_s + endpoint.window_s
        ledger.output_tok = ledger.reasoning_tok = 0
    elif end_s > until_s:
        # Whoever hangs up pays for what was written until then.
        told_s = until_s - ledger.first_token_s
        ledger.output_tok = 0 if told_s < 0 else 1 + math.floor(told_s * output_tok_s)
        ledger.reasoning_tok = min(ledger.reasoning_tok, ledger.output_tok)
    start_production(plane, e, row, min(end_s, until_s), time_s)
    wait_for(plane, row, ANSWER, end_s)


@compiled
def end_at_endpoint(plane, row, time_s):
    """Close a row that was served; returns the row that begins in its place, or NONE."""
    ledger = plane.ledger[row]
    call = plane.calls[row]
    e = ledger.server
    endpoint = plane.endpoints[e]
    settle_limits(plane, e, row, time_s)
    if time_s >= ledger.start_s + endpoint.window_s:  # as the end was set, to the last bit
        time_out_row(plane, row, time_s)
    else:
        if endpoint.billed_at_completion:
            call.rate = current_rate(plane, e, time_s)
        call.usd = answer_usd(plane, e, row)
        endpoint.spent_usd += call.usd
        spend_at_endpoint(plane, e, call.usd, time_s)
        complete_row(plane, row, time_s)
    following = endpoint.waiting_head
    if following == NONE:
        endpoint.in_flight -= 1
        return NONE
    leave_line(plane, endpoint)
    endpoint.queued -= 1
    return following
