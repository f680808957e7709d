"""Life of one sequence on a replica: decoding, preemption, its last token and what it leaves."""

from simulator.engine.kernels.own.kv_cache import kv_keep, kv_release, node_end_block
from simulator.engine.kernels.own.steps import blocks_for, window_blocks
from simulator.engine.kernels.shared.heap import heap_push, heap_remove
from simulator.engine.kernels.shared.jit import compiled
from simulator.engine.kernels.shared.queues import rejoin_queue
from simulator.engine.kernels.shared.requests import complete_row, stop_waiting, wait_for
from simulator.engine.records.layout import ATTEMPT, FIRST_COME, IN_FLIGHT, NONE, READY, TIE_BITS


@compiled
def count_in_flight(state, r, change):
    """Note that a replica holds a request more or less."""
    rep = state.replicas[r]
    rep.in_flight += change
    if rep.state == READY:
        state.loads[r] = rep.in_flight * state.fleets[rep.fleet].load


@compiled
def takes(state, f, row):
    """Whether a fleet serves a row's workload, or goes on with the row, and could hold it."""
    pool = state.ledger[row].pool
    request = state.requests[row]
    if request.input_tok >= state.fleets[f].max_model_tok:
        return False
    return state.serves[f, request.workload] if pool == NONE else pool == f


@compiled
def prompt_node(state, r, row):
    prefix_cache = state.fleets[state.replicas[r].fleet].prefix_cache
    return state.requests[row].node if prefix_cache else NONE


@compiled
def overhead_s(state, r, row):
    """What a row spends outside steps before its first token, and its client knows of the last."""
    fleet = state.fleets[state.replicas[r].fleet]
    return fleet.request_overhead_s + fleet.request_token_s * state.requests[row].input_tok


@compiled
def most_blocks(state, r, row):
    """Blocks that a row holds in the end if it writes all that it declared."""
    request = state.requests[row]
    fleet = state.fleets[state.replicas[r].fleet]
    tokens = min(request.input_tok + request.declared_tok, fleet.max_model_tok)
    return blocks_for(tokens, fleet.block_tok) + window_blocks(fleet, tokens)


@compiled
def set_next_change(state, s):
    """Order ``s`` in the decoding set by the end of the step in which it leaves the set or reaches
    the window; ties leave as they were admitted.
    """
    seq = state.sequences[s]
    step = min(seq.last_step, seq.window_step) if seq.grows else seq.last_step
    tie = state.finishes[s].key & ((1 << TIE_BITS) - 1)
    state.finishes[s].key = (step << TIE_BITS) | tie


@compiled
def stop_growing(state, r, s):
    """Note that ``s`` has reached the window, or leaves the decoding set before."""
    seq = state.sequences[s]
    state.replicas[r].growing -= seq.grows
    seq.grows = 0


@compiled
def begin_decoding(state, r, s, first_step):
    """``s`` emits its next token in ``first_step`` and one in every step after it."""
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
    """Take ``s`` out of the decoding set and settle the tokens and blocks it holds now."""
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
    """Give up the blocks of a running sequence; it will prefill again from the queue's head."""
    rep = state.replicas[r]
    seq = state.sequences[s]
    if seq.decodes:
        stop_decoding(state, r, s)
        # What was generated is prompt when the sequence comes back.
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
    """Leave the output's full blocks to the prefix of the session's next turn, if it is one."""
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
    """Note what a row that its client left was told; its sequence no longer decodes."""
    seq = state.sequences[s]
    ledger = state.ledger[seq.row]
    # KV tokens are those of the prompt and of all outputs but the last.
    silent = state.fleets[state.replicas[r].fleet].decode_fleet != NONE
    silent = silent or seq.kv_tok < seq.prompt_tok
    streamed_tok = seq.prompt_tok if silent else seq.kv_tok + 1
    ledger.completion_tok = streamed_tok - state.requests[seq.row].input_tok
    ledger.reasoning_tok = min(ledger.reasoning_tok, ledger.completion_tok)


@compiled
def finish_sequence(state, r, s, time_s):
    """Free the blocks of a sequence that no longer decodes; its row is done, goes on, or was left.

    A row that its client left is closed already; what was computed for it counts all the same.
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
    """Send a prompt's KV to the fleet that decodes it."""
    ledger = state.ledger[row]
    ledger.pool = decode_fleet
    ledger.replica = NONE
    ledger.transferred = 1
    stop_waiting(state, row)
    took_s = fleet.transfer_s + fleet.transfer_token_s * state.requests[row].input_tok
    wait_for(state, row, ATTEMPT, time_s + took_s)
