"""Life of one sequence on a replica: decoding, preemption, its last token and what it leaves."""

from simulator.engine.heap import heap_push, heap_remove
from simulator.engine.jit import compiled
from simulator.engine.kv import kv_keep, kv_release, node_end_block
from simulator.engine.layout import ARRIVAL, COMPLETED, NONE
from simulator.engine.queues import cut_line
from simulator.engine.steps import blocks_for


@compiled
def prompt_node(plane, row):
    return plane.requests[row].node if plane.engine[0].prefix_cache else NONE


@compiled
def overhead_s(plane, row):
    """What a row spends outside steps before its first token, and its client knows of the last."""
    engine = plane.engine[0]
    return engine.request_overhead_s + engine.request_token_s * plane.requests[row].input_tok


@compiled
def most_blocks(plane, row):
    """Blocks that a row holds in the end if it writes all that it declared."""
    request = plane.requests[row]
    engine = plane.engine[0]
    tokens = min(request.input_tok + request.declared_tok, engine.max_model_tok)
    return blocks_for(tokens, engine.block_tok)


@compiled
def wait_for(plane, row, what, time_s):
    """Let a row wait until a time, for its arrival, its next attempt or its answer's end."""
    clock = plane.clock[0]
    plane.ledger[row].awaits = what
    plane.timers[row].key = time_s
    heap_push(plane.timers, 0, clock.pending, row)
    clock.pending += 1


@compiled
def complete_row(plane, row, time_s):
    """Close a row as completed and let the turn that follows it wait for its time."""
    ledger = plane.ledger[row]
    ledger.finished_s = time_s
    ledger.outcome = COMPLETED
    plane.clock[0].completed += 1
    schedule_next_turn(plane, row, time_s)


@compiled
def schedule_next_turn(plane, row, time_s):
    """The row below, if it is the session's next turn, arrives its gap after ``time_s``."""
    following = row + 1
    if following < plane.requests.size and plane.requests[following].gap_s >= 0:
        wait_for(plane, following, ARRIVAL, time_s + plane.requests[following].gap_s)


@compiled
def begin_decoding(plane, r, s, first_step):
    """``s`` emits its next token in ``first_step`` and one in every step after it."""
    rep = plane.replicas[r]
    seq = plane.sequences[s]
    row = plane.ledger[seq.row]
    generated = seq.prompt_tok - plane.requests[seq.row].input_tok + 1
    remaining = row.output_tok - generated
    seq.kv_offset = seq.kv_tok - first_step
    rep.crossing[seq.kv_offset % plane.engine[0].block_tok] += 1
    plane.finishes[s].key = ((first_step + remaining) << 32) | (plane.finishes[s].key & 0xFFFFFFFF)
    base = r * plane.engine[0].max_sequences
    heap_push(plane.finishes, base, rep.decoding, s)
    rep.decoding += 1
    rep.context_tok += seq.kv_tok


@compiled
def stop_decoding(plane, r, s):
    """Take ``s`` out of the decoding set and settle the tokens and blocks it holds now."""
    rep = plane.replicas[r]
    seq = plane.sequences[s]
    block_tok = plane.engine[0].block_tok
    seq.kv_tok = seq.kv_offset + rep.step
    seq.blocks = blocks_for(seq.kv_tok, block_tok)
    rep.crossing[seq.kv_offset % block_tok] -= 1
    base = r * plane.engine[0].max_sequences
    heap_remove(plane.finishes, base, rep.decoding, s)
    rep.decoding -= 1
    rep.context_tok -= seq.kv_tok


@compiled
def _leave_running(plane, r, s):
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
    seq.next = rep.free_sequence
    rep.free_sequence = s


@compiled
def preempt(plane, r, s):
    """Give up the blocks of a running sequence; it will prefill again from the queue's head."""
    rep = plane.replicas[r]
    seq = plane.sequences[s]
    decoding = rep.prefill_head != s
    if decoding:
        stop_decoding(plane, r, s)
        # What was generated is prompt when the sequence comes back.
        seq.prompt_tok = seq.kv_tok + 1
    row = seq.row
    kv_release(plane, r, prompt_node(plane, row), seq.pinned_blocks)
    rep.free_blocks += seq.blocks - seq.pinned_blocks
    ledger = plane.ledger[row]
    ledger.preemptions += 1
    ledger.resume_tok = seq.prompt_tok
    _leave_running(plane, r, s)
    cut_line(plane, rep, row)
    rep.preempted = 1
    plane.clock[0].preemptions += 1


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
    end = min(seq.kv_tok // plane.engine[0].block_tok, node_end_block(plane, successor.node))
    blocks = end - seq.pinned_blocks
    if blocks > 0 and kv_keep(plane, r, successor.node, blocks):
        return blocks
    return 0


@compiled
def finish_sequence(plane, r, s, time_s):
    """Last token of a sequence that no longer decodes: free its blocks, close its row."""
    rep = plane.replicas[r]
    seq = plane.sequences[s]
    row = seq.row
    kept = 0
    node = prompt_node(plane, row)
    if node != NONE:
        kept = _keep_output(plane, r, s)
        kv_release(plane, r, node, seq.pinned_blocks)
    rep.free_blocks += seq.blocks - seq.pinned_blocks - kept
    _leave_running(plane, r, s)
    rep.in_flight -= 1
    complete_row(plane, row, time_s + overhead_s(plane, row))
