"""Life of one sequence on a replica: decoding, preemption, its last token and what it leaves."""

from simulator.engine.kernels.own.kv_cache import kv_keep, kv_release, node_end_block
from simulator.engine.kernels.own.steps import blocks_for, window_blocks
from simulator.engine.kernels.shared.heap import heap_push, heap_remove
from simulator.engine.kernels.shared.jit import compiled
from simulator.engine.kernels.shared.queues import rejoin_line
from simulator.engine.kernels.shared.requests import complete_row, stop_waiting, wait_for
from simulator.engine.records.layout import ATTEMPT, FIRST_COME, IN_FLIGHT, NONE, READY, TIE_BITS


@compiled
def count_in_flight(plane, r, change):
    """Note that a replica holds a request more or less."""
    rep = plane.replicas[r]
    rep.in_flight += change
    if rep.state == READY:
        plane.loads[r] = rep.in_flight * plane.engine[rep.fleet].load


@compiled
def takes(plane, f, row):
    """Whether a fleet serves a row's workload, or goes on with the row, and could hold it."""
    pool = plane.ledger[row].pool
    request = plane.requests[row]
    if request.input_tok >= plane.engine[f].max_model_tok:
        return False
    return plane.serves[f, request.workload] if pool == NONE else pool == f


@compiled
def prompt_node(plane, r, row):
    prefix_cache = plane.engine[plane.replicas[r].fleet].prefix_cache
    return plane.requests[row].node if prefix_cache else NONE


@compiled
def overhead_s(plane, r, row):
    """What a row spends outside steps before its first token, and its client knows of the last."""
    engine = plane.engine[plane.replicas[r].fleet]
    return engine.request_overhead_s + engine.request_token_s * plane.requests[row].input_tok


@compiled
def most_blocks(plane, r, row):
    """Blocks that a row holds in the end if it writes all that it declared."""
    request = plane.requests[row]
    engine = plane.engine[plane.replicas[r].fleet]
    tokens = min(request.input_tok + request.declared_tok, engine.max_model_tok)
    return blocks_for(tokens, engine.block_tok) + window_blocks(engine, tokens)


@compiled
def set_next_change(plane, s):
    """Order ``s`` in the decoding set by the end of the step in which it leaves the set or reaches
    the window; ties leave as they were admitted.
    """
    seq = plane.sequences[s]
    step = min(seq.last_step, seq.window_step) if seq.grows else seq.last_step
    tie = plane.finishes[s].key & ((1 << TIE_BITS) - 1)
    plane.finishes[s].key = (step << TIE_BITS) | tie


@compiled
def stop_growing(plane, r, s):
    """Note that ``s`` has reached the window, or leaves the decoding set before."""
    seq = plane.sequences[s]
    plane.replicas[r].growing -= seq.grows
    seq.grows = 0


@compiled
def begin_decoding(plane, r, s, first_step):
    """``s`` emits its next token in ``first_step`` and one in every step after it."""
    rep = plane.replicas[r]
    seq = plane.sequences[s]
    row = plane.ledger[seq.row]
    generated = seq.prompt_tok - plane.requests[seq.row].input_tok + 1
    remaining = row.output_tok - generated
    seq.kv_offset = seq.kv_tok - first_step
    rep.crossing[seq.kv_offset % plane.engine[rep.fleet].block_tok] += 1
    window_tok = plane.engine[rep.fleet].window_tok
    seq.last_step = first_step + remaining
    seq.window_step = window_tok - seq.kv_offset
    seq.grows = seq.kv_tok < window_tok
    set_next_change(plane, s)
    heap_push(plane.finishes, rep.first_sequence, rep.decoding, s)
    seq.decodes = 1
    rep.decoding += 1
    rep.context_tok += seq.kv_tok
    rep.window_tok += min(seq.kv_tok, window_tok)
    rep.growing += seq.grows


@compiled
def stop_decoding(plane, r, s):
    """Take ``s`` out of the decoding set and settle the tokens and blocks it holds now."""
    rep = plane.replicas[r]
    seq = plane.sequences[s]
    block_tok = plane.engine[rep.fleet].block_tok
    seq.kv_tok = seq.kv_offset + rep.step
    seq.blocks = blocks_for(seq.kv_tok, block_tok)
    rep.crossing[seq.kv_offset % block_tok] -= 1
    heap_remove(plane.finishes, rep.first_sequence, rep.decoding, s)
    seq.decodes = 0
    rep.decoding -= 1
    rep.context_tok -= seq.kv_tok
    rep.window_tok -= min(seq.kv_tok, plane.engine[rep.fleet].window_tok)
    stop_growing(plane, r, s)


@compiled
def leave_running(plane, r, s):
    rep = plane.replicas[r]
    seq = plane.sequences[s]
    if seq.prev != NONE:
        plane.sequences[seq.prev].next = seq.next
    if seq.next != NONE:
        plane.sequences[seq.next].prev = seq.prev
    else:
        rep.running_tail = seq.prev
    if rep.prefill_head == s:
        rep.prefill_head = seq.next
    rep.running -= 1
    rep.promised_blocks -= seq.promised_blocks
    plane.ledger[seq.row].sequence = NONE
    seq.next = rep.free_sequence
    rep.free_sequence = s


@compiled
def preempt(plane, r, s):
    """Give up the blocks of a running sequence; it will prefill again from the queue's head."""
    rep = plane.replicas[r]
    seq = plane.sequences[s]
    if seq.decodes:
        stop_decoding(plane, r, s)
        # What was generated is prompt when the sequence comes back.
        seq.prompt_tok = seq.kv_tok + 1
    row = seq.row
    kv_release(plane, r, prompt_node(plane, r, row), seq.pinned_blocks)
    rep.free_blocks += seq.blocks - seq.pinned_blocks + seq.window_blocks
    ledger = plane.ledger[row]
    ledger.preemptions += 1
    ledger.resume_tok = seq.prompt_tok
    ledger.transferred = 0
    leave_running(plane, r, s)
    rejoin_line(plane, rep, row, plane.engine[rep.fleet].order == FIRST_COME)
    rep.preempted = 1
    rep.preemptions += 1


@compiled
def _keep_output(plane, r, s):
    """Leave the output's full blocks to the prefix of the session's next turn, if it is one."""
    seq = plane.sequences[s]
    row = seq.row
    request = plane.requests[row]
    following = row + 1
    if request.node == NONE or request.reasoning_tok > 0 or following >= plane.requests.size:
        return 0
    successor = plane.requests[following]
    if not successor.gap_s >= 0 or successor.node == NONE:
        return 0
    if plane.nodes[successor.node].parent != request.node:
        return 0
    if plane.nodes[request.node].depth_tok != request.input_tok:
        return 0
    block_tok = plane.engine[plane.replicas[r].fleet].block_tok
    end = min(seq.kv_tok // block_tok, node_end_block(plane, r, successor.node))
    blocks = end - seq.pinned_blocks
    if blocks > 0 and kv_keep(plane, r, successor.node, blocks):
        return blocks
    return 0


@compiled
def note_told(plane, r, s):
    """Note what a row that its client left was told; its sequence no longer decodes."""
    seq = plane.sequences[s]
    ledger = plane.ledger[seq.row]
    # KV tokens are those of the prompt and of all outputs but the last.
    silent = plane.engine[plane.replicas[r].fleet].decode_fleet != NONE
    silent = silent or seq.kv_tok < seq.prompt_tok
    told_tok = seq.prompt_tok if silent else seq.kv_tok + 1
    ledger.output_tok = told_tok - plane.requests[seq.row].input_tok
    ledger.reasoning_tok = min(ledger.reasoning_tok, ledger.output_tok)


@compiled
def finish_sequence(plane, r, s, time_s):
    """Free the blocks of a sequence that no longer decodes; its row is done, goes on, or was left.

    A row that its client left is closed already; what was computed for it counts all the same.
    """
    rep = plane.replicas[r]
    seq = plane.sequences[s]
    row = seq.row
    ledger = plane.ledger[row]
    decode_fleet = plane.engine[rep.fleet].decode_fleet
    kept = 0
    node = prompt_node(plane, r, row)
    if node != NONE:
        if ledger.outcome == IN_FLIGHT and decode_fleet == NONE:
            kept = _keep_output(plane, r, s)
        kv_release(plane, r, node, seq.pinned_blocks)
    rep.free_blocks += seq.blocks - seq.pinned_blocks - kept + seq.window_blocks
    if ledger.outcome != IN_FLIGHT:
        note_told(plane, r, s)
    leave_running(plane, r, s)
    count_in_flight(plane, r, -1)
    if ledger.outcome != IN_FLIGHT:
        return
    if decode_fleet != NONE:
        _transfer(plane, row, decode_fleet, plane.engine[rep.fleet], time_s)
    else:
        engine = plane.engine[rep.fleet]
        engine.served_tok += plane.requests[row].input_tok
        engine.served_cached_tok += ledger.cached_tok
        engine.told_tok += ledger.output_tok
        stop_waiting(plane, row)
        complete_row(plane, row, time_s + overhead_s(plane, r, row))


@compiled
def _transfer(plane, row, decode_fleet, engine, time_s):
    """Send a prompt's KV to the fleet that decodes it."""
    ledger = plane.ledger[row]
    ledger.pool = decode_fleet
    ledger.replica = NONE
    ledger.transferred = 1
    stop_waiting(plane, row)
    took_s = engine.transfer_s + engine.transfer_token_s * plane.requests[row].input_tok
    wait_for(plane, row, ATTEMPT, time_s + took_s)
