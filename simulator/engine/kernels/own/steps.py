"""Closed forms for the steps of a replica: how long they take, and which blocks they begin.

Between two changes of the batch every decode step adds one token to every sequence. The duration of
a step is therefore linear in its number, that of ``k`` steps quadratic in ``k``, and a sequence
begins a block in every ``block_tok``-th step. Nothing here changes the engine state.
"""

import math

from simulator.engine.kernels.shared.jit import compiled


@compiled
def blocks_for(tokens, block_tok):
    """Return the number of blocks that hold ``tokens``."""
    return (tokens + block_tok - 1) // block_tok


@compiled
def window_blocks(fleet, tokens):
    """Return the blocks that window layers take for a sequence that will hold ``tokens``."""
    kept_tok = min(tokens, fleet.kept_window_tok)
    return math.ceil(kept_tok * fleet.window_share / fleet.block_tok)


@compiled
def _decode_step_s(state, fleet, rep):
    """Return the duration of a decode step that reads the context as it is now, and its increase
    with every further step [s].

    Every sequence grows by one token per step, in window layers only while it is shorter than the
    window. The number of those is constant within a phase, which ends when one fills the window.
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
    """Return the duration of the next ``steps`` decode steps [s]; the first already reads a token
    more of every sequence than its context has now.
    """
    rep = state.replicas[r]
    step_s, growth_s = _decode_step_s(state, state.fleets[rep.fleet], rep)
    return steps * step_s + growth_s * (0.5 * steps * (steps + 1))


@compiled
def mixed_step_s(state, r, prompt_tok, admitted, attention_s):
    """Return the duration of a step with prompt tokens in which ``admitted`` requests begin [s].

    The terms are those of ``_decode_step_s``; their order is kept, since it decides the last bit.
    """
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
def prompt_attention_s(fleet, computed_tok, chunk):
    """Return the attention time of a prompt's next ``chunk`` tokens after ``computed_tok`` [s].

    The k-th of these tokens attends to ``computed_tok + k`` tokens, in window layers to no more
    than the window holds.
    """
    seen_tok = chunk * (computed_tok + 0.5 * (chunk + 1))
    inside = min(max(fleet.window_tok - computed_tok, 0), chunk)
    window_tok = inside * (computed_tok + 0.5 * (inside + 1)) + (chunk - inside) * fleet.window_tok
    return fleet.attention_s * seen_tok + fleet.window_attention_s * window_tok


@compiled
def steps_until(state, r, elapsed_s):
    """Return the smallest number of decode steps that takes at least ``elapsed_s``.

    With step time a, growth g and h = g / 2, k steps take  a k + g k (k + 1) / 2 = h k^2 + b k,
    where b = a + h. This is t at  k = (-b + d) / (2 h) = 2 t / (b + d),  d = sqrt(b^2 + 4 h t).
    The second form loses no digits to the difference, and holds for h = 0 as well.
    """
    rep = state.replicas[r]
    step_s, growth_s = _decode_step_s(state, state.fleets[rep.fleet], rep)
    half_s = 0.5 * growth_s
    linear_s = step_s + half_s
    steps = math.ceil(2 * elapsed_s / (linear_s + math.sqrt(linear_s**2 + 4 * half_s * elapsed_s)))
    steps = max(1, steps)
    # Rounding may move the root across an integer in either direction.
    while steps > 1 and decode_s(state, r, steps - 1) >= elapsed_s:
        steps -= 1
    while decode_s(state, r, steps) < elapsed_s:
        steps += 1
    return steps


@compiled
def growth_blocks(state, r, steps):
    """Return the blocks that the decoding sequences begin in the next ``steps`` steps."""
    rep = state.replicas[r]
    block_tok = state.fleets[rep.fleet].block_tok
    # In ``block_tok`` successive steps every sequence begins exactly one block.
    cycles = steps // block_tok
    begun = cycles * rep.decoding
    for k in range(steps - cycles * block_tok):
        # In the k-th step from now a sequence with kv_tok + k = 0 (mod block) needs a block.
        begun += rep.crossing[(-(rep.step + k)) % block_tok]
    return begun


@compiled
def affordable_steps(state, r, wanted):
    """Return how many of the next ``wanted`` decode steps the free and evictable blocks allow."""
    rep = state.replicas[r]
    supply = rep.begun_blocks + rep.free_blocks + rep.cached_blocks
    block_tok = state.fleets[rep.fleet].block_tok
    if blocks_for(wanted, block_tok) * rep.decoding <= supply:
        return wanted
    cycles = supply // rep.decoding
    steps = cycles * block_tok
    supply -= cycles * rep.decoding
    while steps < wanted:
        supply -= rep.crossing[(-(rep.step + steps)) % block_tok]
        if supply < 0:
            break
        steps += 1
    return min(steps, wanted)
