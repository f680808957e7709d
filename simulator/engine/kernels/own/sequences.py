"""The life of a sequence on a replica: decoding, preemption, its end and the blocks it leaves."""

from simulator.engine.kernels.own.kv_cache import kv_keep, kv_release, node_end_block
from simulator.engine.kernels.own.steps import blocks_for, window_blocks
from simulator.engine.kernels.shared.heap import heap_push, heap_remove
from simulator.engine.kernels.shared.jit import compiled
from simulator.engine.kernels.shared.queues import rejoin_queue
from simulator.engine.kernels.shared.requests import complete_row, stop_waiting, wait_for
from simulator.engine.records.layout import ATTEMPT, FIRST_COME, IN_FLIGHT, NONE, READY, TIE_BITS


@compiled
def count_in_flight(state, r, change):
    """Change the number of requests that a replica has in flight."""
    rep = state.replicas[r]
    rep.in_flight += change
    if rep.state == READY:
        state.loads[r] = rep.in_flight * state.fleets[rep.fleet].load


@compiled
def takes(state, f, row):
    """Return whether a fleet could hold a row, and serves its workload or must decode it."""
    pool = state.ledger[row].pool
    request = state.requests[row]
    if request.input_tok >= state.fleets[f].max_model_tok:
        return False
    return state.serves[f, request.workload] if pool == NONE else pool == f


@compiled
def prompt_node(state, r, row):
    """Return the prefix-tree node of a row's prompt, NONE on a replica without a prefix cache."""
    prefix_cache = state.fleets[state.replicas[r].fleet].prefix_cache
    return state.requests[row].node if prefix_cache else NONE


@compiled
def overhead_s(state, r, row):
    """Return what work outside steps adds to the times of a row's first and last token [s]."""
    fleet = state.fleets[state.replicas[r].fleet]
    return fleet.request_overhead_s + fleet.request_token_s * state.requests[row].input_tok


@compiled
def most_blocks(state, r, row):
    """Return the blocks that a row holds in the end if its output is as long as declared."""
    request = state.requests[row]
    fleet = state.fleets[state.replicas[r].fleet]
    tokens = min(request.input_tok + request.declared_tok, fleet.max_model_tok)
    return blocks_for(tokens, fleet.block_tok) + window_blocks(fleet, tokens)


@compiled
def set_next_change(state, s):
    """Set the key of ``s`` in the decoding set: the step in which it leaves the set or fills the
    window, then the order of admission.
    """
    seq = state.sequences[s]
    step = min(seq.last_step, seq.window_step) if seq.grows else seq.last_step
    tie = state.finishes[s].key & ((1 << TIE_BITS) - 1)
    state.finishes[s].key = (step << TIE_BITS) | tie


@compiled
def stop_growing(state, r, s):
    """Stop counting ``s`` as growing in window layers: it fills the window, or stops decoding."""
    seq = state.sequences[s]
    state.replicas[r].growing -= seq.grows
    seq.grows = 0


@compiled
def begin_decoding(state, r, s, first_step):
    """Put ``s`` into the decoding set; it emits a token in ``first_step`` and every step after."""
    rep = state.replicas[r]
    seq = state.sequences[s]
    row = state.ledger[seq.row]
    generated = seq.prompt_tok - state.requests[seq.row].input_tok + 1
    remaining = row.completion_tok - generated
    seq.kv_offset = seq.kv_tok - first_step
    rep.crossing[seq.kv_offset % state.fleets[rep.fleet].block_tok] += 1
    window_tok = state.fleets[rep.fleet].window_tok
    seq.last_step = first_step + remaining
    seq.window_step = window_tok - seq.kv_offset
    seq.grows = seq.kv_tok < window_tok
    set_next_change(state, s)
    heap_push(state.finishes, rep.first_sequence, rep.decoding, s)
    seq.decodes = 1
    rep.decoding += 1
    rep.context_tok += seq.kv_tok
    rep.window_tok += min(seq.kv_tok, window_tok)
    rep.growing += seq.grows


@compiled
def stop_decoding(state, r, s):
    """Take ``s`` out of the decoding set and work out the tokens and blocks that it holds now."""
    rep = state.replicas[r]
    seq = state.sequences[s]
    block_tok = state.fleets[rep.fleet].block_tok
    seq.kv_tok = seq.kv_offset + rep.step
    seq.blocks = blocks_for(seq.kv_tok, block_tok)
    rep.crossing[seq.kv_offset % block_tok] -= 1
    heap_remove(state.finishes, rep.first_sequence, rep.decoding, s)
    seq.decodes = 0
    rep.decoding -= 1
    rep.context_tok -= seq.kv_tok
    rep.window_tok -= min(seq.kv_tok, state.fleets[rep.fleet].window_tok)
    stop_growing(state, r, s)


@compiled
def leave_running(state, r, s):
    """Take a sequence out of the list of running ones and free its record."""
    rep = state.replicas[r]
    seq = state.sequences[s]
    if seq.prev != NONE:
        state.sequences[seq.prev].next = seq.next
    if seq.next != NONE:
        state.sequences[seq.next].prev = seq.prev
    else:
        rep.running_tail = seq.prev
    if rep.prefill_head == s:
        rep.prefill_head = seq.next
    rep.running -= 1
    rep.reserved_blocks -= seq.reserved_blocks
    state.ledger[seq.row].sequence = NONE
    seq.next = rep.free_sequence
    rep.free_sequence = s


@compiled
def preempt(state, r, s):
    """Give back the blocks of a running sequence; it returns to the queue and prefills again."""
    rep = state.replicas[r]
    seq = state.sequences[s]
    if seq.decodes:
        stop_decoding(state, r, s)
        # The tokens generated so far are part of the prompt when the sequence is admitted again.
        seq.prompt_tok = seq.kv_tok + 1
    row = seq.row
    kv_release(state, r, prompt_node(state, r, row), seq.pinned_blocks)
    rep.free_blocks += seq.blocks - seq.pinned_blocks + seq.window_blocks
    ledger = state.ledger[row]
    ledger.preemptions += 1
    ledger.resume_tok = seq.prompt_tok
    ledger.transferred = 0
    leave_running(state, r, s)
    rejoin_queue(state, rep, row, state.fleets[rep.fleet].order == FIRST_COME)
    rep.preempted = 1
    rep.preemptions += 1


@compiled
def _keep_output(state, r, s):
    """Give the output's full blocks to the prefix of the session's next turn; return how many.

    There are none unless that turn's prompt extends this one by the visible output.
    """
    seq = state.sequences[s]
    row = seq.row
    request = state.requests[row]
    following = row + 1
    if request.node == NONE or request.reasoning_tok > 0 or following >= state.requests.size:
        return 0
    successor = state.requests[following]
    if not successor.gap_s >= 0 or successor.node == NONE:
        return 0
    if state.nodes[successor.node].parent != request.node:
        return 0
    if state.nodes[request.node].depth_tok != request.input_tok:
        return 0
    block_tok = state.fleets[state.replicas[r].fleet].block_tok
    end = min(seq.kv_tok // block_tok, node_end_block(state, r, successor.node))
    blocks = end - seq.pinned_blocks
    if blocks > 0 and kv_keep(state, r, successor.node, blocks):
        return blocks
    return 0


@compiled
def note_streamed(state, r, s):
    """Record the tokens streamed before the client left; the sequence no longer decodes."""
    seq = state.sequences[s]
    ledger = state.ledger[seq.row]
    # The KV cache holds the prompt and all tokens of the output but the last.
    is_prefilling = state.fleets[state.replicas[r].fleet].decode_fleet != NONE
    is_prefilling = is_prefilling or seq.kv_tok < seq.prompt_tok
    streamed_tok = seq.prompt_tok if is_prefilling else seq.kv_tok + 1
    ledger.completion_tok = streamed_tok - state.requests[seq.row].input_tok
    ledger.reasoning_tok = min(ledger.reasoning_tok, ledger.completion_tok)


@compiled
def finish_sequence(state, r, s, time_s):
    """Free the blocks of a sequence that no longer decodes, and complete or transfer its row.

    A row whose client left is closed already; only the tokens streamed to it are recorded.
    """
    rep = state.replicas[r]
    seq = state.sequences[s]
    row = seq.row
    ledger = state.ledger[row]
    decode_fleet = state.fleets[rep.fleet].decode_fleet
    kept = 0
    node = prompt_node(state, r, row)
    if node != NONE:
        if ledger.outcome == IN_FLIGHT and decode_fleet == NONE:
            kept = _keep_output(state, r, s)
        kv_release(state, r, node, seq.pinned_blocks)
    rep.free_blocks += seq.blocks - seq.pinned_blocks - kept + seq.window_blocks
    if ledger.outcome != IN_FLIGHT:
        note_streamed(state, r, s)
    leave_running(state, r, s)
    count_in_flight(state, r, -1)
    if ledger.outcome != IN_FLIGHT:
        return
    if decode_fleet != NONE:
        _transfer(state, row, decode_fleet, state.fleets[rep.fleet], time_s)
    else:
        fleet = state.fleets[rep.fleet]
        fleet.served_prompt_tok += state.requests[row].input_tok
        fleet.served_cached_tok += ledger.cached_tok
        fleet.served_output_tok += ledger.completion_tok
        stop_waiting(state, row)
        complete_row(state, row, time_s + overhead_s(state, r, row))


@compiled
def _transfer(state, row, decode_fleet, fleet, time_s):
    """Send the KV cache of a prompt to the fleet that decodes it."""
    ledger = state.ledger[row]
    ledger.pool = decode_fleet
    ledger.replica = NONE
    ledger.transferred = 1
    stop_waiting(state, row)
    transfer_s = fleet.transfer_s + fleet.transfer_token_s * state.requests[row].input_tok
    wait_for(state, row, ATTEMPT, time_s + transfer_s)
