"""Closed forms for steps against the same sums, step by step and sequence by sequence."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

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
from simulator.engine.records.layout import EngineState
from simulator.engine.spec.plan import Fleet
from simulator.serving.capacity import KvCapacity
from simulator.serving.steptime import StepTime
from tests.support.engine.kernel_states import own_state
from tests.support.engine.plans import FLEET

BLOCK_TOK = 16
WINDOW_TOK = 100
TOKENS = np.arange(257.0)
STEP_TIME = StepTime(
    token_s=0.01 + 1e-4 * TOKENS**0.7,
    mixed_s=0.02 + 1e-4 * TOKENS**0.8,
    decoding_s=1e-5 * TOKENS,
    prefill_token_s=3e-5,
    admission_s=2e-3,
    context_token_s=1e-7,
    window_token_s=4e-7,
    window_tok=WINDOW_TOK,
    attention_s=5e-9,
    window_attention_s=7e-9,
)
WINDOWED = replace(FLEET, step_time=STEP_TIME, kv=KvCapacity(200, BLOCK_TOK, 0.5, WINDOW_TOK, 0.5))
CONSTANT = replace(FLEET, step_time=StepTime.linear(256, fixed_s=0.02))


def decoding(*kv_tok: int, step: int = 0, fleet: Fleet = WINDOWED, supply: int = 0) -> EngineState:
    """A replica that decodes sequences with the given tokens in their KV cache."""
    # The step time of the second of two fleets is not at the beginning of the tables.
    state = own_state(replace(FLEET, replicas=0), replace(fleet, replicas=1))
    rep = state.replicas[0]
    rep.decoding, rep.step, rep.free_blocks = len(kv_tok), step, supply
    rep.context_tok = sum(kv_tok)
    rep.window_tok = sum(min(tokens, WINDOW_TOK) for tokens in kv_tok)
    rep.growing = sum(tokens < WINDOW_TOK for tokens in kv_tok)
    for tokens in kv_tok:
        rep.crossing[(tokens - step) % BLOCK_TOK] += 1
    return state


def step_by_step_s(kv_tok: list[int], steps: int) -> float:
    """The time of decode steps with all terms of ``StepTime``, each token of context counted."""
    n = len(kv_tok)
    total_s = 0.0
    for k in range(1, steps + 1):
        total_s += STEP_TIME.token_s[n] + STEP_TIME.decoding_s[n]
        total_s += STEP_TIME.context_token_s * sum(tokens + k for tokens in kv_tok)
        total_s += STEP_TIME.window_token_s * sum(min(tokens + k, WINDOW_TOK) for tokens in kv_tok)
    return total_s


def within_a_phase(kv_tok: list[int]) -> int:
    """The steps until the first sequence fills the window, which ends a phase."""
    return min([WINDOW_TOK - tokens for tokens in kv_tok if tokens < WINDOW_TOK], default=300)


def held_more(kv_tok: list[int], steps: int) -> int:
    """The blocks that hold all tokens after some steps, less those that hold them now."""
    return sum(
        math.ceil((tokens + steps) / BLOCK_TOK) - math.ceil(tokens / BLOCK_TOK) for tokens in kv_tok
    )


SEQUENCES = st.lists(st.integers(1, 300), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("tokens", "blocks"), [(0, 0), (1, 1), (15, 1), (16, 1), (17, 2), (32, 2), (33, 3)]
)
def test_blocks_hold_all_tokens(tokens: int, blocks: int) -> None:
    assert blocks_for(tokens, 16) == blocks


@pytest.mark.parametrize(
    ("tokens", "blocks"), [(0, 0), (1, 1), (32, 1), (33, 2), (96, 3), (99, 4), (100, 4), (9999, 4)]
)
def test_window_layers_take_blocks_up_to_the_window(tokens: int, blocks: int) -> None:
    """Half a block for every 16 tokens, at most for 100 of them."""
    assert window_blocks(decoding(1).fleets[1], tokens) == blocks


def test_layers_without_a_window_take_no_blocks_of_their_own() -> None:
    assert window_blocks(own_state(FLEET).fleets[0], 1000) == 0


@settings(max_examples=25, deadline=None)
@given(SEQUENCES, st.integers(0, 40), st.integers(0, 1000))
def test_time_of_steps_is_the_sum_over_steps(kv_tok: list[int], steps: int, step: int) -> None:
    steps = min(steps, within_a_phase(kv_tok))
    state = decoding(*kv_tok, step=step)
    assert decode_s(state, 0, steps) == pytest.approx(step_by_step_s(kv_tok, steps), rel=1e-12)


def test_a_step_with_a_prompt_has_the_terms_of_both() -> None:
    state = decoding(50, 99, 250)
    expected_s = (
        STEP_TIME.mixed_s[3 + 40]
        + STEP_TIME.decoding_s[3]
        + STEP_TIME.context_token_s * (51 + 100 + 251)
        + STEP_TIME.window_token_s * (51 + 100 + 100)
        + STEP_TIME.prefill_token_s * 40
        + STEP_TIME.admission_s * 2
        + 0.125
    )
    assert mixed_step_s(state, 0, 40, 2, 0.125) == pytest.approx(expected_s, rel=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 150), st.integers(0, 120))
def test_attention_of_a_chunk_is_the_sum_over_its_tokens(computed_tok: int, chunk: int) -> None:
    """Each token attends to all before it and to itself, in window layers to 100 at most."""
    fleet = decoding(1).fleets[1]
    seen = [computed_tok + k for k in range(1, chunk + 1)]
    expected_s = STEP_TIME.attention_s * sum(seen)
    expected_s += STEP_TIME.window_attention_s * sum(min(tokens, WINDOW_TOK) for tokens in seen)
    assert prompt_attention_s(fleet, computed_tok, chunk) == pytest.approx(expected_s, rel=1e-12)


@settings(max_examples=30, deadline=None)
@given(SEQUENCES, st.floats(0.0, 1.0))
def test_steps_until_a_time_equal_stepping_one_by_one(kv_tok: list[int], elapsed_s: float) -> None:
    state = decoding(*kv_tok)
    steps = 1
    while decode_s(state, 0, steps) < elapsed_s:
        steps += 1
    assert steps_until(state, 0, elapsed_s) == steps


@pytest.mark.parametrize("fleet", [WINDOWED, CONSTANT], ids=["growing", "constant"])
@pytest.mark.parametrize("steps", [1, 2, 3, 17, 200_000])
def test_steps_until_a_boundary_are_exact(fleet: Fleet, steps: int) -> None:
    """The end of a step belongs to that step; the next number after it to the following one."""
    state = decoding(120, 250, fleet=fleet)
    end_s = decode_s(state, 0, steps)
    assert steps_until(state, 0, end_s) == steps
    assert steps_until(state, 0, math.nextafter(end_s, math.inf)) == steps + 1
    assert steps_until(state, 0, math.nextafter(end_s, 0.0)) == steps


def test_a_phase_that_has_just_begun_ends_after_one_step() -> None:
    assert steps_until(decoding(5), 0, 0.0) == 1


@settings(max_examples=30, deadline=None)
@given(SEQUENCES, st.integers(0, 70), st.integers(0, 10**6))
def test_growth_is_the_blocks_that_sequences_need_more(
    kv_tok: list[int], steps: int, step: int
) -> None:
    state = decoding(*kv_tok, step=step)
    assert growth_blocks(state, 0, steps) == held_more(kv_tok, steps)


@settings(max_examples=30, deadline=None)
@given(SEQUENCES, st.integers(1, 70), st.integers(0, 30), st.integers(0, 99))
def test_affordable_steps_are_the_most_that_the_blocks_allow(
    kv_tok: list[int], wanted: int, supply: int, step: int
) -> None:
    state = decoding(*kv_tok, step=step, supply=supply)
    most = max(k for k in range(wanted + 1) if held_more(kv_tok, k) <= supply)
    assert affordable_steps(state, 0, wanted) == most


def test_begun_and_cached_blocks_are_supply_as_well() -> None:
    """One sequence whose block is full needs a block at once, and again after 16 steps."""
    state = decoding(32)
    rep = state.replicas[0]
    assert affordable_steps(state, 0, 40) == 0
    rep.begun_blocks = 1
    assert affordable_steps(state, 0, 40) == 16
    rep.cached_blocks = 1
    assert affordable_steps(state, 0, 40) == 32
    rep.free_blocks = 1
    assert affordable_steps(state, 0, 40) == 40


@settings(max_examples=20, deadline=None)
@given(SEQUENCES, st.integers(1, 40))
def test_steps_and_times_invert_each_other(kv_tok: list[int], steps: int) -> None:
    assume(steps <= within_a_phase(kv_tok))
    state = decoding(*kv_tok)
    assert steps_until(state, 0, decode_s(state, 0, steps)) == steps
    middle_s = (decode_s(state, 0, steps - 1) + decode_s(state, 0, steps)) / 2
    assert steps_until(state, 0, middle_s) == steps
