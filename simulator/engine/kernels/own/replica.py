"""One replica: continuous batching with chunked prefill, paged KV blocks and preemption.

The scheduler is that of vLLM V1. Every step takes running sequences first, in the order of
admission, then the head of the queue, until the token budget, the limit on sequences or the blocks
are used up. At most one running prompt is unfinished: the last admitted.

A phase is what a replica does in one event. A step with prompt tokens is a phase of its own. In
decode steps nothing changes but the context, by one token per sequence, so that the duration of
``k`` steps and the blocks that they begin have closed forms (``decode_s``, ``growth_blocks``):
simulating ``k`` steps as one phase costs no more than simulating one step.

A phase of decode steps is planned up to the next finish or block shortage. When a request arrives
that may be admitted, it is cut short at the next step boundary, which is exact: tokens are counted
and blocks taken at the end of a phase, for the steps that were executed. A queue whose head did not
fit stays blocked until a sequence finishes, since decoding only takes blocks.
"""

import math

import numpy as np

from simulator.engine.kernels.own.admission import admit, continue_prompt, was_queued_in_time
from simulator.engine.kernels.own.batch_work import take_deferred
from simulator.engine.kernels.own.kv_cache import kv_take
from simulator.engine.kernels.own.sequences import (
    begin_decoding,
    count_in_flight,
    finish_sequence,
    overhead_s,
    preempt,
    set_next_change,
    stop_decoding,
    stop_growing,
    takes,
)
from simulator.engine.kernels.own.steps import (
    affordable_steps,
    decode_s,
    growth_blocks,
    mixed_step_s,
    steps_until,
)
from simulator.engine.kernels.shared.heap import heap_moved
from simulator.engine.kernels.shared.jit import compiled, entry
from simulator.engine.kernels.shared.queues import drop_closed, join_queue
from simulator.engine.records.layout import (
    BOUNDARY,
    DECODE,
    DRAINING,
    FIRST_COME,
    IDLE,
    IN_FLIGHT,
    NONE,
    OFF,
    PREFILL,
    READY,
    SHORTEST,
    TIE_BITS,
)


@compiled
def _wake_at(state, r, time_s):
    """Set the time of a replica's next event; inf for none."""
    state.wakes[r].key = time_s
    heap_moved(state.wakes, 0, state.wakes.size, r)


@compiled
def _finish_due(state, r, time_s):
    """Finish every decoding sequence whose last token was emitted in the step just executed.

    A sequence that is due because it fills the window keeps decoding, and stops growing there.
    """
    rep = state.replicas[r]
    while rep.decoding > 0:
        s = state.finishes[rep.first_sequence].member
        if state.finishes[s].key >> TIE_BITS > rep.step:
            break
        if state.sequences[s].last_step > rep.step:
            stop_growing(state, r, s)
            set_next_change(state, s)
            heap_moved(state.finishes, rep.first_sequence, rep.decoding, s)
            continue
        stop_decoding(state, r, s)
        finish_sequence(state, r, s, time_s)


@compiled
def _end_prefills(state, r, time_s):
    """Emit a token for each prompt completed in the step just executed; the last may continue."""
    rep = state.replicas[r]
    s = rep.prefill_head
    rep.prefill_head = NONE
    while s != NONE:
        seq = state.sequences[s]
        following = seq.next
        ledger = state.ledger[seq.row]
        abandoned = ledger.outcome != IN_FLIGHT
        if seq.kv_tok < seq.prompt_tok and not abandoned:
            rep.prefill_head = s  # the last of them, unfinished
            break
        decodes_elsewhere = state.fleets[rep.fleet].decode_fleet != NONE
        if math.isnan(ledger.first_token_s) and not abandoned and not decodes_elsewhere:
            ledger.first_token_s = time_s + overhead_s(state, r, seq.row)
        generated = seq.prompt_tok - state.requests[seq.row].input_tok + 1
        if abandoned or decodes_elsewhere or generated >= ledger.completion_tok:
            finish_sequence(state, r, s, time_s)
        else:
            begin_decoding(state, r, s, rep.step)
        s = following


@compiled
def _begin_decode_blocks(state, r):
    """Take the blocks that the next decode step begins, in the order of admission.

    Earlier sequences take the blocks that are left; when there are none, the last admitted sequence
    is preempted.
    """
    rep = state.replicas[r]
    rep.begun_blocks = 0
    need = growth_blocks(state, r, 1)
    while need > rep.begun_blocks + rep.free_blocks + rep.cached_blocks:
        supply = rep.free_blocks + rep.cached_blocks
        kv_take(state, r, supply)
        rep.begun_blocks += supply
        preempt(state, r, rep.running_tail)
        need = growth_blocks(state, r, 1)
    kv_take(state, r, need - rep.begun_blocks)
    rep.begun_blocks = need


@compiled
def begin_phase(state, r, time_s):
    """Schedule at a step boundary: one step with prompt tokens, or decode steps, or idleness."""
    rep = state.replicas[r]
    fleet = state.fleets[rep.fleet]
    rep.t_s = time_s
    rep.preempted = 0
    _take_batch_work(state, r, time_s)
    _begin_decode_blocks(state, r)
    budget_tok = fleet.max_batched_tok - rep.decoding
    tokens, attention_s = continue_prompt(state, r, budget_tok)
    admitted = 0
    idle = tokens == 0 and rep.decoding == 0
    while (
        rep.waiting_head != NONE
        and not rep.preempted
        and tokens < budget_tok
        and rep.running < fleet.max_sequences
        and (idle or was_queued_in_time(state, r))
    ):
        chunk, chunk_s = admit(state, r, budget_tok - tokens, time_s)
        if chunk == 0:
            break
        tokens += chunk
        attention_s += chunk_s
        admitted += 1
    if tokens > 0:
        rep.phase = PREFILL
        rep.planned_steps = 1
        end_s = time_s + mixed_step_s(state, r, tokens, admitted, attention_s)
    elif rep.decoding > 0:
        rep.phase = DECODE
        rep.planned_steps = _plan_decode(state, r)
        end_s = time_s + decode_s(state, r, rep.planned_steps)
    else:
        rep.busy_s += time_s - rep.busy_since_s
        rep.phase = IDLE
        end_s = math.inf
        if rep.state == DRAINING and rep.in_flight == 0:
            rep.state = OFF
            rep.stopped_s = time_s
    _wake_at(state, r, end_s)


@compiled
def _take_batch_work(state, r, time_s):
    """Take batch work while a ready replica has idle capacity and an empty queue."""
    rep = state.replicas[r]
    most = state.fleets[rep.fleet].deferred_in_flight
    for f in range(state.deferred.size):
        queue = state.deferred[f]
        while (
            queue.waiting_head != NONE
            and rep.waiting_head == NONE
            and rep.in_flight < most
            and rep.state == READY
            and takes(state, rep.fleet, queue.waiting_head)
        ):
            enqueue(state, r, take_deferred(state, f), time_s)


@compiled
def _plan_decode(state, r):
    """Return the decode steps until the batch changes, or as many as the blocks allow."""
    rep = state.replicas[r]
    if rep.waiting_head != NONE and (rep.preempted or not was_queued_in_time(state, r)):
        return 1  # the step after this one admits again
    change_step = state.finishes[state.finishes[rep.first_sequence].member].key >> TIE_BITS
    return affordable_steps(state, r, change_step - rep.step)


@compiled
def end_phase(state, r):
    """Execute the planned steps and finish what is due; the next phase begins at the same time."""
    rep = state.replicas[r]
    time_s = state.wakes[r].key
    steps = rep.planned_steps
    if steps > 0:
        rep.began_s = rep.t_s
    if rep.phase == DECODE:
        rep.began_s += decode_s(state, r, steps - 1)
        kv_take(state, r, growth_blocks(state, r, steps) - rep.begun_blocks)
    rep.step += steps
    rep.context_tok += steps * rep.decoding
    rep.window_tok += steps * rep.growing
    _finish_due(state, r, time_s)
    _end_prefills(state, r, time_s)
    rep.phase = BOUNDARY


@compiled
def evict_until_now(state, r, time_s):
    """Bring the cache up to now in the middle of a phase, before it is looked up.

    Blocks are taken at the end of a phase, which is early enough unless that evicts cached ones.
    """
    rep = state.replicas[r]
    if rep.phase != DECODE:
        return
    if growth_blocks(state, r, rep.planned_steps) - rep.begun_blocks <= rep.free_blocks:
        return
    begun = growth_blocks(state, r, steps_until(state, r, time_s - rep.t_s))
    if begun > rep.begun_blocks:
        kv_take(state, r, begun - rep.begun_blocks)
        rep.begun_blocks = begun


@compiled
def _end_phase_early(state, r, time_s, ahead):
    """End a phase of decode steps at the next step boundary, or ``ahead`` steps after it.

    The plan is only ever shortened. Steps that are no longer executed have left no trace yet.
    """
    rep = state.replicas[r]
    if rep.phase != DECODE:
        return
    steps = steps_until(state, r, time_s - rep.t_s) + ahead
    if steps < rep.planned_steps:
        rep.planned_steps = steps
        _wake_at(state, r, max(time_s, rep.t_s + decode_s(state, r, steps)))


@compiled
def _wake(state, r, time_s):
    """Let an idle replica begin a phase now."""
    rep = state.replicas[r]
    rep.phase = BOUNDARY
    rep.busy_since_s = time_s
    _wake_at(state, r, time_s)


@entry
def offer_deferred(state, r, time_s):
    """Let a replica that has become ready look for batch work."""
    if state.clock[0].due_s < math.inf:
        _wake(state, r, time_s)


@compiled
def enqueue(state, r, row, time_s):
    """Put a row into a replica's queue; wake the replica, or end its phase if the row may start."""
    rep = state.replicas[r]
    fleet = state.fleets[rep.fleet]
    request = state.requests[row]
    ledger = state.ledger[row]
    ledger.replica = r
    ledger.queued_s = time_s
    if ledger.first_replica == NONE:
        ledger.first_replica = r
    ledger.completion_tok = min(request.completion_tok, fleet.max_model_tok - request.input_tok)
    ledger.reasoning_tok = min(request.reasoning_tok, ledger.completion_tok)
    rank = 0
    if fleet.order == SHORTEST:
        rank = np.int64(request.declared_tok)  # of 64 bits in plain Python, too
    elif fleet.order != FIRST_COME:
        rank = state.priority[request.workload]
    join_queue(state, rep, row, rank)
    count_in_flight(state, r, 1)
    if rep.phase == IDLE:
        _wake(state, r, time_s)
    elif rep.waiting_head == row and rep.running < fleet.max_sequences:
        _end_phase_early(state, r, time_s, fleet.schedules_ahead)


@compiled
def cancel(state, r, row, time_s):
    """Drop a closed row whose client has left: now if it is queued, else at the next step."""
    rep = state.replicas[r]
    ledger = state.ledger[row]
    s = ledger.sequence
    if s == NONE:
        ledger.completion_tok = max(0, ledger.resume_tok - state.requests[row].input_tok)
        ledger.reasoning_tok = min(ledger.reasoning_tok, ledger.completion_tok)
        count_in_flight(state, r, -1)
        if rep.waiting_head == row:
            drop_closed(state, rep)
            _end_phase_early(state, r, time_s, 0)
        return
    _end_phase_early(state, r, time_s, 0)
    if rep.phase == BOUNDARY:
        # A phase ended at this instant. Let it end again, without steps, to drop the sequence.
        rep.phase = PREFILL
        rep.planned_steps = 0
    if state.sequences[s].decodes:
        state.sequences[s].last_step = rep.step + rep.planned_steps
        set_next_change(state, s)
        heap_moved(state.finishes, rep.first_sequence, rep.decoding, s)
