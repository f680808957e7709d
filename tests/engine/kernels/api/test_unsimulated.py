"""Requests that are left out: when they last used a prefix, and what that leaves in a cache."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.engine.kernels.api.unsimulated import _interpolate, freshen
from simulator.engine.kernels.shared.hashing import EARLIER, UNSIMULATED, uniform
from simulator.engine.records.layout import NONE, EngineState
from simulator.pricing.caching import NO_CACHE, PromptCache
from simulator.traffic.table import PrefixTree
from tests.support.engine.kernel_states import engine_state, put_in_flight
from tests.support.pricing.api_samples import EXACT, calls, direct

TTL_S = 300.0
PREFIX = PromptCache("prefix", TTL_S, min_tok=100, step_tok=1)
UNIT = PromptCache("unit", TTL_S, min_tok=100, step_tok=1)
# A prefix that many requests share, the end of a session's turn, and that of its next turn.
TREE = PrefixTree.numbered(np.array([-1, 0, 1], np.int32), np.array([500, 900, 1400], np.int32))
SHARED, EARLIER_END, END = range(3)
LEFT_OUT = np.array([[0.0, 0.0], [1000.0, 2000.0], [2000.0, 3000.0]])
"""Two requests are left out in each second at first, then one."""


def sampled(
    cache: PromptCache = PREFIX, rows: int = 1, share: float = 0.1, left_out: np.ndarray = LEFT_OUT
) -> EngineState:
    """Rows that have arrived at 1,500 s, at an endpoint that gets all requests."""
    table = calls(np.zeros(rows), 2000, 51, END, TREE)
    state = engine_state(direct(replace(EXACT, cache=cache)), table, unsimulated=left_out)
    state.nodes.share[SHARED] = share
    put_in_flight(state, *range(rows), time_s=1500.0)
    state.endpoints[0].attempts = state.clock[0].offered = 1
    return state


def used_s(state: EngineState) -> list[float]:
    """The last known use of each node [s]."""
    return state.prefixes.used_s[0].tolist()


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.0, 50.0), st.floats(0.0, 50.0)), min_size=1, max_size=6),
    st.floats(-5.0, 320.0),
    st.integers(0, 1),
)
def test_interpolation_is_that_of_numpy(
    gaps: list[tuple[float, float]], value: float, column: int
) -> None:
    knots = np.cumsum([(0.0, 0.0), *gaps], axis=0)
    got = _interpolate(knots, column, value)
    if value < 0:
        assert got == -math.inf
    elif (np.diff(knots[:, column]) > 0).all():
        expected = np.interp(value, knots[:, column], knots[:, 1 - column])
        assert got == pytest.approx(expected, rel=1e-9, abs=1e-9)
    else:
        assert knots[0, 1 - column] <= got <= knots[-1, 1 - column] + 1e-9


def test_times_and_counts_invert_each_other() -> None:
    for time_s, count in ((0.0, 0.0), (500.0, 1000.0), (1000.0, 2000.0), (1500.0, 2500.0)):
        assert _interpolate(LEFT_OUT, 0, time_s) == count
        assert _interpolate(LEFT_OUT, 1, count) == time_s
    assert _interpolate(LEFT_OUT, 0, 9e9) == 3000.0


def test_the_last_use_is_one_exponential_draw_counted_in_requests() -> None:
    """2,500 requests are left out up to now, of which a tenth begin with the prefix."""
    state = sampled(rows=30)
    for row in range(30):
        state.prefixes.used_s = -math.inf
        freshen(state, 0, row, 1500.0)
        u = uniform(state.requests[row].random_bits, 0, UNSIMULATED)
        last = 2500.0 + math.log(1 - u) / np.float32(0.1)
        expected_s = -math.inf if last < 0 else np.interp(last, LEFT_OUT[:, 1], LEFT_OUT[:, 0])
        assert used_s(state)[SHARED] == pytest.approx(expected_s)
        assert used_s(state)[EARLIER_END:] == [-math.inf] * 2, "a session's nodes are its own"


@pytest.mark.parametrize("attempts", [1, 4])
def test_the_share_of_rows_with_a_recent_use_is_that_of_a_poisson_process(attempts: int) -> None:
    """Within the last 300 s at 1,500 s: 300 requests. The endpoint gets a part of them."""
    rows, share = 250, 0.004
    state = sampled(rows=rows, share=share)
    state.endpoints[0].attempts, state.clock[0].offered = attempts, 4
    recent = 0
    for row in range(rows):
        state.prefixes.used_s = -math.inf
        freshen(state, 0, row, 1500.0)
        recent += used_s(state)[SHARED] >= 1200.0
    expected = 1 - math.exp(-300 * share * attempts / 4)
    error = math.sqrt(expected * (1 - expected) / rows)
    assert abs(recent / rows - expected) < 4 * error


def test_a_recent_use_leaves_the_prefix_in_the_cache() -> None:
    state = sampled(share=1.0)
    freshen(state, 0, 0, 1500.0)
    prefix = state.prefixes[0, SHARED]
    assert 1400.0 < prefix.used_s < 1500.0
    assert prefix.ready_s == prefix.used_s + 0.5
    assert prefix.expiry_s == prefix.ready_s + TTL_S


def test_a_use_that_was_simulated_later_remains_the_last() -> None:
    state = sampled(share=1.0)
    state.prefixes.used_s[0, SHARED] = 1499.999999
    freshen(state, 0, 0, 1500.0)
    assert used_s(state)[SHARED] == 1499.999999
    assert state.prefixes[0, SHARED].expiry_s == -math.inf


def test_units_need_two_uses_that_were_not_simulated() -> None:
    """Rare uses: each draw is a last one, but few have another within 300 s before it."""
    often, rare = sampled(UNIT, share=1.0), sampled(UNIT, share=0.002, rows=40)
    freshen(often, 0, 0, 1500.0)
    assert often.prefixes[0, SHARED].expiry_s > 1500.0
    kept = used = 0
    for row in range(40):
        rare.prefixes.used_s, rare.prefixes.expiry_s = -math.inf, -math.inf
        freshen(rare, 0, row, 1500.0)
        used += used_s(rare)[SHARED] > -math.inf
        kept += rare.prefixes[0, SHARED].expiry_s > 0
    assert 0 < kept < used


@pytest.mark.parametrize(
    "change", ["no rule", "no node", "no share", "short", "no attempts", "all"]
)
def test_nothing_is_assumed_without_a_reason(change: str) -> None:
    state = sampled(NO_CACHE if change == "no rule" else PREFIX)
    if change == "no node":
        state.requests[0].node = NONE
    elif change == "no share":
        state.nodes.share[:] = 0.0
    elif change == "short":
        state.endpoints[0].cache_min_tok = 501
    elif change == "no attempts":
        state.endpoints[0].attempts = 0
    elif change == "all":
        state = sampled(left_out=np.zeros((0, 2)))
    freshen(state, 0, 0, 1500.0)
    assert used_s(state) == [-math.inf] * 3


def continued(cache: PromptCache = PREFIX, rows: int = 1) -> EngineState:
    """Rows whose previous turn, 200 s before, is not in the table."""
    state = sampled(cache, rows=rows, left_out=np.zeros((0, 2)))
    state.requests.earlier_node, state.requests.earlier_s = EARLIER_END, 200.0
    return state


@pytest.mark.parametrize(
    ("cache", "kept"),
    [
        (PREFIX, [True, True]),
        (UNIT, [False, True]),
        (replace(PREFIX, rule="breakpoint", marks=1), [False, True]),
        (replace(PREFIX, rule="breakpoint", marks=2), [True, True]),
    ],
    ids=["prefix", "unit", "one mark", "two marks"],
)
def test_the_previous_turn_left_what_its_rule_keeps(cache: PromptCache, kept: list[bool]) -> None:
    state = continued(cache)
    freshen(state, 0, 0, 1500.0)
    assert used_s(state) == [1300.0, 1300.0, -math.inf]
    assert (state.prefixes.expiry_s[0, :2] == 1300.5 + TTL_S).tolist() == kept


def test_the_previous_turn_was_at_this_endpoint_as_often_as_other_requests() -> None:
    state = continued(rows=200)
    state.endpoints[0].attempts, state.clock[0].offered = 1, 4
    here = 0
    for row in range(200):
        state.prefixes.used_s = -math.inf
        freshen(state, 0, row, 1500.0)
        is_here = uniform(state.requests[row].random_bits, 0, EARLIER) < 0.25
        assert (used_s(state)[EARLIER_END] == 1300.0) == is_here
        here += is_here
    assert abs(here / 200 - 0.25) < 4 * math.sqrt(0.25 * 0.75 / 200)
