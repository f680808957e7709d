"""One replica: continuous batching with chunked prefill, paged KV blocks and preemption.

The scheduler is that of vLLM V1: every step, running sequences first, in the order of admission,
then the waiting queue, first come first served, until the token budget, the sequence cap or the
blocks run out. At most one running prompt is unfinished, the last admitted.

Steps that carry prompt tokens are executed one by one. Between them nothing but the context
changes, so ``k`` decode steps take the closed form of ``decode_s`` and cost the same as one.
Such a phase is planned up to the next finish or block shortage and is cut short when a request
arrives that may be admitted; a queue whose head did not fit stays blocked until a finish, since
decoding only takes blocks.
"""

import math

from simulator.engine.kernels.own.batch_work import take_deferred
from simulator.engine.kernels.own.kv_cache import kv_lookup, kv_pin, kv_take, node_end_block
from simulator.engine.kernels.own.sequences import (
    begin_decoding,
    count_in_flight,
    finish_sequence,
    most_blocks,
    overhead_s,
    preempt,
    prompt_node,
    set_next_change,
    stop_decoding,
    stop_growing,
    takes,
)
from simulator.engine.kernels.own.steps import (
    affordable_steps,
    blocks_for,
    decode_s,
    growth_blocks,
    mixed_step_s,
    prompt_attention_s,
    steps_until,
    window_blocks,
)
from simulator.engine.kernels.shared.heap import heap_moved
from simulator.engine.kernels.shared.jit import compiled, entry
from simulator.engine.kernels.shared.queues import drop_closed, join_line, leave_line
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
def _wake_at(plane, r, time_s):
    plane.wakes[r].key = time_s
    heap_moved(plane.wakes, 0, plane.wakes.size, r)


@compiled
def _finish_due(plane, r, time_s):
    """Finish every decoding sequence whose last token was emitted in the step just executed."""
    rep = plane.replicas[r]
    while rep.decoding > 0:
        s = plane.finishes[rep.first_sequence].member
        if plane.finishes[s].key >> TIE_BITS > rep.step:
            break
        if plane.sequences[s].last_step > rep.step:
            stop_growing(plane, r, s)
            set_next_change(plane, s)
            heap_moved(plane.finishes, rep.first_sequence, rep.decoding, s)
            continue
        stop_decoding(plane, r, s)
        finish_sequence(plane, r, s, time_s)


@compiled
def _end_prefills(plane, r, time_s):
    """Prompts completed in the step just executed emit a token; the rest go on."""
    rep = plane.replicas[r]
    s = rep.prefill_head
    rep.prefill_head = NONE
    while s != NONE:
        seq = plane.sequences[s]
        after = seq.next
        ledger = plane.ledger[seq.row]
        left = ledger.outcome != IN_FLIGHT
        if seq.kv_tok < seq.prompt_tok and not left:
            rep.prefill_head = s  # the last one, unfinished
            break
        goes_on = plane.engine[rep.fleet].decode_fleet != NONE
        if math.isnan(ledger.first_token_s) and not left and not goes_on:
            ledger.first_token_s = time_s + overhead_s(plane, r, seq.row)
        generated = seq.prompt_tok - plane.requests[seq.row].input_tok + 1
        if left or goes_on or generated >= ledger.output_tok:
            finish_sequence(plane, r, s, time_s)
        else:
            begin_decoding(plane, r, s, rep.step)
        s = after


@compiled
def _begin_decode_blocks(plane, r):
    """Take the blocks that the next decode step begins, in the order of admission.

    Whoever comes first takes what there is; when nothing is left, the last admitted goes.
    """
    rep = plane.replicas[r]
    rep.begun_blocks = 0
    need = growth_blocks(plane, r, 1)
    while need > rep.begun_blocks + rep.free_blocks + rep.cached_blocks:
        supply = rep.free_blocks + rep.cached_blocks
        kv_take(plane, r, supply)
        rep.begun_blocks += supply
        preempt(plane, r, rep.running_tail)
        need = growth_blocks(plane, r, 1)
    kv_take(plane, r, need - rep.begun_blocks)
    rep.begun_blocks = need


@compiled
def _continue_prompt(plane, r, budget_tok):
    """Next chunk of the unfinished prompt; returns (tokens, attention [s])."""
    rep = plane.replicas[r]
    s = rep.prefill_head
    if s == NONE:
        return 0, 0.0
    seq = plane.sequences[s]
    block_tok = plane.engine[rep.fleet].block_tok
    chunk = min(seq.prompt_tok - seq.kv_tok, budget_tok)
    blocks = max(seq.blocks, blocks_for(seq.kv_tok + chunk, block_tok))
    if blocks - seq.blocks > rep.free_blocks + rep.cached_blocks:
        preempt(plane, r, s)
        return 0, 0.0
    return chunk, _compute_chunk(plane, r, s, chunk, blocks)


@compiled
def _compute_chunk(plane, r, s, chunk, blocks):
    """Account for ``chunk`` prompt tokens of a sequence that will hold ``blocks``."""
    rep = plane.replicas[r]
    seq = plane.sequences[s]
    node = prompt_node(plane, r, seq.row)
    attention_s = prompt_attention_s(plane.engine[rep.fleet], seq.kv_tok, chunk)
    seq.kv_tok += chunk
    kv_take(plane, r, blocks - seq.blocks)
    seq.blocks = blocks
    block_tok = plane.engine[rep.fleet].block_tok
    covered = min(seq.kv_tok // block_tok, node_end_block(plane, r, node))
    if covered > seq.pinned_blocks:
        kv_pin(plane, r, node, seq.pinned_blocks, covered)
        seq.pinned_blocks = covered
    return attention_s


@compiled
def _admit(plane, r, budget_tok, time_s):
    """Admit the queue's head if its first chunk fits; returns (tokens, attention [s])."""
    rep = plane.replicas[r]
    row = rep.waiting_head
    request = plane.requests[row]
    ledger = plane.ledger[row]
    engine = plane.engine[rep.fleet]
    block_tok = engine.block_tok
    prompt_tok = max(request.input_tok, ledger.resume_tok)
    node = prompt_node(plane, r, row)
    hit, evictable = kv_lookup(plane, r, node)
    # The last prompt token is always computed: it yields the first output token.
    cached_tok = max(0, min(hit, (prompt_tok - 1) // block_tok)) * block_tok
    known_tok = prompt_tok - 1 if ledger.transferred else cached_tok
    chunk = min(prompt_tok - known_tok, budget_tok)
    if not engine.chunked and chunk < prompt_tok - known_tok:
        return 0, 0.0
    blocks = max(hit, blocks_for(known_tok + chunk, block_tok))
    held_tok = request.input_tok + ledger.output_tok
    in_windows = window_blocks(engine, held_tok)
    if blocks + in_windows - hit > rep.free_blocks + rep.cached_blocks - evictable:
        return 0, 0.0
    promised_blocks = 0
    if engine.reserves_output:
        promised_blocks = most_blocks(plane, r, row) - hit
        if rep.promised_blocks + promised_blocks > engine.kv_blocks:
            return 0, 0.0
    leave_line(plane, rep)
    s = rep.free_sequence
    seq = plane.sequences[s]
    rep.free_sequence = seq.next
    seq.row = row
    ledger.sequence = s
    seq.prompt_tok = prompt_tok
    seq.kv_tok = known_tok
    seq.blocks = hit
    seq.pinned_blocks = hit
    seq.promised_blocks = promised_blocks
    rep.promised_blocks += promised_blocks
    seq.prev = rep.running_tail
    seq.next = NONE
    if rep.running_tail != NONE:
        plane.sequences[rep.running_tail].next = s
    rep.running_tail = s
    rep.running += 1
    if rep.prefill_head == NONE:
        rep.prefill_head = s
    plane.finishes[s].key = rep.admitted & ((1 << TIE_BITS) - 1)
    rep.admitted += 1
    if hit > 0:
        kv_pin(plane, r, node, 0, hit)
    kv_take(plane, r, in_windows)
    seq.window_blocks = in_windows
    if math.isnan(ledger.start_s):
        ledger.start_s = time_s
        ledger.cached_tok = cached_tok
    return chunk, _compute_chunk(plane, r, s, chunk, blocks)


@compiled
def _is_seen(plane, r):
    """Whether the queue's head was there when the step was scheduled that begins now: engines that
    schedule ahead do so while the step before it runs.
    """
    rep = plane.replicas[r]
    if not plane.engine[rep.fleet].schedules_ahead:
        return True
    return plane.ledger[rep.waiting_head].queued_s <= rep.began_s


@compiled
def begin_phase(plane, r, time_s):
    """Schedule at a step boundary: one step with prompt tokens, or decode steps, or idleness."""
    rep = plane.replicas[r]
    engine = plane.engine[rep.fleet]
    rep.t_s = time_s
    rep.preempted = 0
    _fill(plane, r, time_s)
    _begin_decode_blocks(plane, r)
    budget_tok = engine.max_batched_tok - rep.decoding
    tokens, attention_s = _continue_prompt(plane, r, budget_tok)
    admitted = 0
    idle = tokens == 0 and rep.decoding == 0
    while (
        rep.waiting_head != NONE
        and not rep.preempted
        and tokens < budget_tok
        and rep.running < engine.max_sequences
        and (idle or _is_seen(plane, r))
    ):
        chunk, chunk_s = _admit(plane, r, budget_tok - tokens, time_s)
        if chunk == 0:
            break
        tokens += chunk
        attention_s += chunk_s
        admitted += 1
    if tokens > 0:
        rep.phase = PREFILL
        rep.planned_steps = 1
        end_s = time_s + mixed_step_s(plane, r, tokens, admitted, attention_s)
    elif rep.decoding > 0:
        rep.phase = DECODE
        rep.planned_steps = _plan_decode(plane, r)
        end_s = time_s + decode_s(plane, r, rep.planned_steps)
    else:
        rep.busy_s += time_s - rep.busy_since_s
        rep.phase = IDLE
        end_s = math.inf
        if rep.state == DRAINING and rep.in_flight == 0:
            rep.state = OFF
            rep.stopped_s = time_s
    _wake_at(plane, r, end_s)


@compiled
def _fill(plane, r, time_s):
    """Take deferred work while there is capacity that nobody else asks for."""
    rep = plane.replicas[r]
    most = plane.engine[rep.fleet].deferred_in_flight
    for f in range(plane.deferred.size):
        line = plane.deferred[f]
        while (
            line.waiting_head != NONE
            and rep.waiting_head == NONE
            and rep.in_flight < most
            and rep.state == READY
            and takes(plane, rep.fleet, line.waiting_head)
        ):
            enqueue(plane, r, take_deferred(plane, f), time_s)


@compiled
def _plan_decode(plane, r):
    """Decode steps until the next change of the batch, or as many as the blocks allow."""
    rep = plane.replicas[r]
    if rep.waiting_head != NONE and (rep.preempted or not _is_seen(plane, r)):
        return 1  # the step behind this one admits again
    change_step = plane.finishes[plane.finishes[rep.first_sequence].member].key >> TIE_BITS
    return affordable_steps(plane, r, change_step - rep.step)


@compiled
def end_phase(plane, r):
    """Execute the planned steps and finish what is due; the next phase begins at the same time."""
    rep = plane.replicas[r]
    time_s = plane.wakes[r].key
    steps = rep.planned_steps
    if steps > 0:
        rep.began_s = rep.t_s
    if rep.phase == DECODE:
        rep.began_s += decode_s(plane, r, steps - 1)
        kv_take(plane, r, growth_blocks(plane, r, steps) - rep.begun_blocks)
    rep.step += steps
    rep.context_tok += steps * rep.decoding
    rep.window_tok += steps * rep.growing
    _finish_due(plane, r, time_s)
    _end_prefills(plane, r, time_s)
    rep.phase = BOUNDARY


@compiled
def evict_until_now(plane, r, time_s):
    """Bring the cache up to now in the middle of a phase, for whoever looks into it.

    Blocks are taken at the end of a phase, which is soon enough unless it means eviction.
    """
    rep = plane.replicas[r]
    if rep.phase != DECODE:
        return
    if growth_blocks(plane, r, rep.planned_steps) - rep.begun_blocks <= rep.free_blocks:
        return
    begun = growth_blocks(plane, r, steps_until(plane, r, time_s - rep.t_s))
    if begun > rep.begun_blocks:
        kv_take(plane, r, begun - rep.begun_blocks)
        rep.begun_blocks = begun


@compiled
def _look_again(plane, r, time_s, ahead):
    """End a phase of decoding at the next step boundary from now, or ``ahead`` steps behind it:
    something may be admitted.
    """
    rep = plane.replicas[r]
    if rep.phase != DECODE:
        return
    steps = steps_until(plane, r, time_s - rep.t_s) + ahead
    if steps < rep.planned_steps:
        rep.planned_steps = steps
        _wake_at(plane, r, max(time_s, rep.t_s + decode_s(plane, r, steps)))


@compiled
def _wake(plane, r, time_s):
    rep = plane.replicas[r]
    rep.phase = BOUNDARY
    rep.busy_since_s = time_s
    _wake_at(plane, r, time_s)


@entry
def offer_deferred(plane, r, time_s):
    """Let a replica that has become ready look for deferred work."""
    if plane.clock[0].due_s < math.inf:
        _wake(plane, r, time_s)


@compiled
def enqueue(plane, r, row, time_s):
    """Put a row into the replica's queue and wake the replica when it may be admitted."""
    rep = plane.replicas[r]
    engine = plane.engine[rep.fleet]
    request = plane.requests[row]
    ledger = plane.ledger[row]
    ledger.replica = r
    ledger.queued_s = time_s
    if ledger.home == NONE:
        ledger.home = r
    ledger.output_tok = min(request.output_tok, engine.max_model_tok - request.input_tok)
    ledger.reasoning_tok = min(request.reasoning_tok, ledger.output_tok)
    rank = 0
    if engine.order == SHORTEST:
        rank = request.declared_tok
    elif engine.order != FIRST_COME:
        rank = plane.priority[request.workload]
    join_line(plane, rep, row, rank)
    count_in_flight(plane, r, 1)
    if rep.phase == IDLE:
        _wake(plane, r, time_s)
    elif rep.waiting_head == row and rep.running < engine.max_sequences:
        _look_again(plane, r, time_s, engine.schedules_ahead)


@compiled
def abandon(plane, r, row, time_s):
    """Let go of a row that its client has left: from the queue now, else at the next step boundary.

    The row is closed already.
    """
    rep = plane.replicas[r]
    ledger = plane.ledger[row]
    s = ledger.sequence
    if s == NONE:
        ledger.output_tok = max(0, ledger.resume_tok - plane.requests[row].input_tok)
        ledger.reasoning_tok = min(ledger.reasoning_tok, ledger.output_tok)
        count_in_flight(plane, r, -1)
        if rep.waiting_head == row:
            drop_closed(plane, rep)
            _look_again(plane, r, time_s, 0)
        return
    _look_again(plane, r, time_s, 0)
    if rep.phase == BOUNDARY:
        # The phase that just ended, ends once more.
        rep.phase = PREFILL
        rep.planned_steps = 0
    if plane.sequences[s].decodes:
        plane.sequences[s].last_step = rep.step + rep.planned_steps
        set_next_change(plane, s)
        heap_moved(plane.finishes, rep.first_sequence, rep.decoding, s)
