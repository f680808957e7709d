"""Closed forms of one replica's steps: how long they take and which blocks they begin.

Between two changes of the batch every decode step adds one token to every sequence, so the time
of ``k`` steps is a sum of a constant and a linear term, and a sequence begins a block in every
``block_tok``-th step. Nothing here changes state.
"""

import math

from simulator.engine.kernels.shared.jit import compiled


@compiled
def blocks_for(tokens, block_tok):
    return (tokens + block_tok - 1) // block_tok


@compiled
def window_blocks(fleet, tokens):
    """Blocks that window layers take for a sequence that will hold ``tokens``."""
    kept_tok = min(tokens, fleet.kept_window_tok)
    return math.ceil(kept_tok * fleet.window_share / fleet.block_tok)


@compiled
def _decode_step_s(state, fleet, rep):
    """Duration of a decode step that reads the context as it is now, and what each step adds.

    Every sequence grows by a token, in window layers those that are shorter than the window; they
    are counted again in the step in which one reaches it, which ends a phase.
    """
    n = rep.decoding
    step_s = (
        state.token_s[fleet.first_time + n]
        + state.decoding_s[fleet.first_time + n]
        + fleet.context_token_s * rep.context_tok
        + fleet.window_token_s * rep.window_tok
    )
    return step_s, fleet.context_token_s * n + fleet.window_token_s * rep.growing


@compiled
def decode_s(state, r, steps):
    """Duration of the next ``steps`` decode steps, every sequence reading its whole context."""
    rep = state.replicas[r]
    step_s, growth_s = _decode_step_s(state, state.fleets[rep.fleet], rep)
    return steps * step_s + growth_s * (0.5 * steps * (steps + 1))


@compiled
def mixed_step_s(state, r, prompt_tok, admitted, attention_s):
    """Duration of a step with prompt tokens in which ``admitted`` requests begin."""
    rep = state.replicas[r]
    fleet = state.fleets[rep.fleet]
    n = rep.decoding
    return (
        state.mixed_s[fleet.first_time + n + prompt_tok]
        + state.decoding_s[fleet.first_time + n]
        + fleet.context_token_s * (rep.context_tok + n)
        + fleet.window_token_s * (rep.window_tok + rep.growing)
        + fleet.prefill_token_s * prompt_tok
        + fleet.admission_s * admitted
        + attention_s
    )


@compiled
def prompt_attention_s(fleet, known_tok, chunk):
    """Attention of a prompt's next ``chunk`` tokens behind ``known_tok``: the k-th of them attends
    to ``known_tok + k`` tokens, in window layers to no more than the window holds.
    """
    seen_tok = chunk * (known_tok + 0.5 * (chunk + 1))
    within = min(max(fleet.window_tok - known_tok, 0), chunk)
    window_tok = within * (known_tok + 0.5 * (within + 1)) + (chunk - within) * fleet.window_tok
    return fleet.attention_s * seen_tok + fleet.window_attention_s * window_tok


@compiled
def steps_until(state, r, elapsed_s):
    """Smallest number of decode steps that takes at least ``elapsed_s``."""
    rep = state.replicas[r]
    step_s, growth_s = _decode_step_s(state, state.fleets[rep.fleet], rep)
    half_s = 0.5 * growth_s
    linear_s = step_s + half_s
    steps = math.ceil(2 * elapsed_s / (linear_s + math.sqrt(linear_s**2 + 4 * half_s * elapsed_s)))
    steps = max(1, steps)
    # Rounding can leave the root one off either way.
    while steps > 1 and decode_s(state, r, steps - 1) >= elapsed_s:
        steps -= 1
    while decode_s(state, r, steps) < elapsed_s:
        steps += 1
    return steps


@compiled
def growth_blocks(state, r, steps):
    """Blocks that the decoding sequences begin in the next ``steps`` steps."""
    rep = state.replicas[r]
    block_tok = state.fleets[rep.fleet].block_tok
    rounds = steps // block_tok
    begun = rounds * rep.decoding
    for k in range(steps - rounds * block_tok):
        # In the k-th step from now a sequence with kv_tok + k = 0 (mod block) needs a block.
        begun += rep.crossing[(-(rep.step + k)) % block_tok]
    return begun


@compiled
def affordable_steps(state, r, wanted):
    """How many of the next ``wanted`` decode steps the free and evictable blocks allow."""
    rep = state.replicas[r]
    supply = rep.begun_blocks + rep.free_blocks + rep.cached_blocks
    block_tok = state.fleets[rep.fleet].block_tok
    if blocks_for(wanted, block_tok) * rep.decoding <= supply:
        return wanted
    rounds = supply // rep.decoding
    steps = rounds * block_tok
    supply -= rounds * rep.decoding
    while steps < wanted:
        supply -= rep.crossing[(-(rep.step + steps)) % block_tok]
        if supply < 0:
            break
        steps += 1
    return min(steps, wanted)
