"""Admission: the next chunk of an unfinished prompt, and the first chunk of the queue's head.

A request is admitted when the blocks of its first chunk are free or can be evicted. A serving
engine that reserves output also needs room for the longest possible answer, in addition to those of
all running requests. No later request overtakes a head of the queue that does not fit.
"""

import math

from simulator.engine.kernels.own.kv_cache import kv_lookup, kv_pin, kv_take, node_end_block
from simulator.engine.kernels.own.sequences import most_blocks, preempt, prompt_node
from simulator.engine.kernels.own.steps import blocks_for, prompt_attention_s, window_blocks
from simulator.engine.kernels.shared.jit import compiled
from simulator.engine.kernels.shared.queues import leave_queue
from simulator.engine.records.layout import NONE, TIE_BITS


@compiled
def continue_prompt(state, r, budget_tok):
    """Compute the next chunk of the unfinished prompt; return (tokens, attention [s]).

    No tokens: there is no such prompt, or it was preempted for want of blocks.
    """
    rep = state.replicas[r]
    s = rep.prefill_head
    if s == NONE:
        return 0, 0.0
    seq = state.sequences[s]
    block_tok = state.fleets[rep.fleet].block_tok
    chunk = min(seq.prompt_tok - seq.kv_tok, budget_tok)
    blocks = max(seq.blocks, blocks_for(seq.kv_tok + chunk, block_tok))
    if blocks - seq.blocks > rep.free_blocks + rep.cached_blocks:
        preempt(state, r, s)
        return 0, 0.0
    return chunk, _compute_chunk(state, r, s, chunk, blocks)


@compiled
def _compute_chunk(state, r, s, chunk, blocks):
    """Account for ``chunk`` prompt tokens of a sequence that then holds ``blocks``.

    Returns the attention time of the chunk [s].
    """
    rep = state.replicas[r]
    seq = state.sequences[s]
    node = prompt_node(state, r, seq.row)
    attention_s = prompt_attention_s(state.fleets[rep.fleet], seq.kv_tok, chunk)
    seq.kv_tok += chunk
    kv_take(state, r, blocks - seq.blocks)
    seq.blocks = blocks
    block_tok = state.fleets[rep.fleet].block_tok
    covered = min(seq.kv_tok // block_tok, node_end_block(state, r, node))
    if covered > seq.pinned_blocks:
        kv_pin(state, r, node, seq.pinned_blocks, covered)
        seq.pinned_blocks = covered
    return attention_s


@compiled
def admit(state, r, budget_tok, time_s):
    """Admit the queue's head if its first chunk fits; return (tokens, attention [s])."""
    rep = state.replicas[r]
    row = rep.waiting_head
    request = state.requests[row]
    ledger = state.ledger[row]
    fleet = state.fleets[rep.fleet]
    block_tok = fleet.block_tok
    prompt_tok = max(request.input_tok, ledger.resume_tok)
    node = prompt_node(state, r, row)
    hit, evictable = kv_lookup(state, r, node)
    # The last prompt token is always computed: it yields the first output token.
    cached_tok = max(0, min(hit, (prompt_tok - 1) // block_tok)) * block_tok
    computed_tok = prompt_tok - 1 if ledger.transferred else cached_tok
    chunk = min(prompt_tok - computed_tok, budget_tok)
    if not fleet.chunked and chunk < prompt_tok - computed_tok:
        return 0, 0.0
    blocks = max(hit, blocks_for(computed_tok + chunk, block_tok))
    held_tok = request.input_tok + ledger.completion_tok
    new_window_blocks = window_blocks(fleet, held_tok)
    if blocks + new_window_blocks - hit > rep.free_blocks + rep.cached_blocks - evictable:
        return 0, 0.0
    reserved_blocks = 0
    if fleet.reserves_output:
        reserved_blocks = most_blocks(state, r, row) - hit
        if rep.reserved_blocks + reserved_blocks > fleet.kv_blocks:
            return 0, 0.0
    leave_queue(state, rep)
    s = rep.free_sequence
    seq = state.sequences[s]
    rep.free_sequence = seq.next
    seq.row = row
    ledger.sequence = s
    seq.prompt_tok = prompt_tok
    seq.kv_tok = computed_tok
    seq.blocks = hit
    seq.pinned_blocks = hit
    seq.reserved_blocks = reserved_blocks
    rep.reserved_blocks += reserved_blocks
    seq.prev = rep.running_tail
    seq.next = NONE
    if rep.running_tail != NONE:
        state.sequences[rep.running_tail].next = s
    rep.running_tail = s
    rep.running += 1
    if rep.prefill_head == NONE:
        rep.prefill_head = s
    state.finishes[s].key = rep.admitted & ((1 << TIE_BITS) - 1)
    rep.admitted += 1
    if hit > 0:
        kv_pin(state, r, node, 0, hit)
    kv_take(state, r, new_window_blocks)
    seq.window_blocks = new_window_blocks
    if math.isnan(ledger.start_s):
        ledger.start_s = time_s
        ledger.cached_tok = cached_tok
    return chunk, _compute_chunk(state, r, s, chunk, blocks)


@compiled
def was_queued_in_time(state, r):
    """Return whether the queue's head was queued when the step that begins now was scheduled.

    Serving engines that schedule ahead do so while the step before it runs.
    """
    rep = state.replicas[r]
    if not state.fleets[rep.fleet].schedules_ahead:
        return True
    return state.ledger[rep.waiting_head].queued_s <= rep.began_s
