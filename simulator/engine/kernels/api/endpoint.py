"""An API endpoint: whether it takes an attempt, how fast it answers, and what an answer changes.

An attempt that is accepted begins at once or waits in the endpoint's queue. When it begins, its
latency, speed and length are settled, and a timer is set to its end.
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
from simulator.engine.kernels.shared.queues import join_queue, leave_queue
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
def fits(state, e, row):
    """Return whether an endpoint could serve a request at all."""
    endpoint = state.endpoints[e]
    request = state.requests[row]
    if request.input_tok >= endpoint.context_tok or request.input_tok > endpoint.max_input_tok:
        return False
    return not (endpoint.refuses_long_outputs and request.declared_tok > endpoint.max_output_tok)


@compiled
def attempt_at_endpoint(state, e, row, time_s):
    """Try to have a row served by an endpoint; return ACCEPTED, QUEUED, LIMITED, FAILED or REFUSED.

    The wait that a limit or budget requires is left in the clock's ``retry_after_s``.
    """
    endpoint = state.endpoints[e]
    request = state.requests[row]
    ledger = state.ledger[row]
    call = state.calls[row]
    if not fits(state, e, row):
        return REFUSED
    if endpoint.down:
        return FAILED
    endpoint.attempts += 1
    freshen(state, e, row, time_s)
    ledger.cached_tok = cached_prefix_tok(state, e, row, time_s)
    wait_s = max(limit_wait_s(state, e, row, time_s), endpoint_wait_s(state, e, time_s))
    if wait_s == math.inf:
        return REFUSED
    state.clock[0].retry_after_s = wait_s
    if wait_s > 0:
        return LIMITED
    full = endpoint.in_flight >= endpoint.concurrency
    if full and endpoint.queued >= endpoint.queue:
        return LIMITED
    if uniform(request.random_bits, call.attempts, FAILURE) < endpoint.error_rate:
        return FAILED
    take_from_limits(state, e, row)
    if not full:
        endpoint.in_flight += 1
        return ACCEPTED
    join_queue(state, endpoint, row, FIRST_COME)
    limit_patience(state, row)
    endpoint.queued += 1
    return QUEUED


@compiled
def begin_at_endpoint(state, e, row, time_s):
    """Begin to serve a row: settle how its answer proceeds, and set a timer to the end of it."""
    endpoint = state.endpoints[e]
    request = state.requests[row]
    ledger = state.ledger[row]
    call = state.calls[row]
    stop_waiting(state, row)
    most = min(endpoint.max_output_tok, endpoint.context_tok - request.input_tok)
    reasoning_tok = min(request.reasoning_tok, endpoint.max_reasoning_tok)
    ledger.completion_tok = min(
        request.completion_tok - request.reasoning_tok + reasoning_tok, most
    )
    # An answer that is cut loses visible output first.
    ledger.reasoning_tok = min(reasoning_tok, ledger.completion_tok)
    ttft_s = endpoint.prefill_token_s * (request.input_tok - ledger.cached_tok)
    if endpoint.prefill_token2_s > 0:
        squares = float(request.input_tok) ** 2 - float(ledger.cached_tok) ** 2
        ttft_s += endpoint.prefill_token2_s * squares
    latency = normal(request.random_bits, call.attempts, LATENCY)
    ttft_s += endpoint.ttft_median_s * math.exp(endpoint.ttft_sigma * latency)
    speed = normal(request.random_bits, call.attempts, SPEED)
    output_tok_s = endpoint.output_tok_s * math.exp(endpoint.speed_sigma * speed)
    ledger.start_s = time_s
    ledger.first_token_s = time_s + ttft_s
    call.rate = current_rate(state, e, time_s)
    use_cache(state, e, row, time_s)
    end_s = ledger.first_token_s + max(0, ledger.completion_tok - 1) / output_tok_s
    until_s = patient_until_s(state, row)
    if end_s - time_s > endpoint.window_s:
        end_s = time_s + endpoint.window_s
        ledger.completion_tok = ledger.reasoning_tok = 0
    elif end_s > until_s:
        # A client that gives up pays for the tokens written until then.
        streamed_s = until_s - ledger.first_token_s
        ledger.completion_tok = 0 if streamed_s < 0 else 1 + math.floor(streamed_s * output_tok_s)
        ledger.reasoning_tok = min(ledger.reasoning_tok, ledger.completion_tok)
    start_production(state, e, row, min(end_s, until_s), time_s)
    wait_for(state, row, ANSWER, end_s)


@compiled
def end_at_endpoint(state, row, time_s):
    """Close a row that was served; return the queued row that begins in its place, or NONE."""
    ledger = state.ledger[row]
    call = state.calls[row]
    e = ledger.server
    endpoint = state.endpoints[e]
    settle_limits(state, e, row, time_s)
    if (
        time_s >= ledger.start_s + endpoint.window_s
    ):  # the expression that set the timer, bit by bit
        time_out_row(state, row, time_s)
    else:
        if endpoint.billed_at_completion:
            call.rate = current_rate(state, e, time_s)
        call.usd = answer_usd(state, e, row)
        endpoint.spent_usd += call.usd
        spend_at_endpoint(state, e, call.usd, time_s)
        complete_row(state, row, time_s)
    following = endpoint.waiting_head
    if following == NONE:
        endpoint.in_flight -= 1
        return NONE
    leave_queue(state, endpoint)
    endpoint.queued -= 1
    return following
