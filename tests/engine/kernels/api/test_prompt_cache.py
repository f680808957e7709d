"""Prompt caches: lifetimes, sizes, marks, machines and storage, node by node."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.engine.kernels.api.prompt_cache import (
    MACHINES,
    cached_prefix_tok,
    marks_pay,
    put_levels,
    touch,
    use_cache,
)
from simulator.engine.records.layout import NODE, NONE, EngineState
from simulator.engine.state.fleet_records import records
from simulator.pricing.caching import NO_CACHE, PromptCache
from simulator.traffic.table import PrefixTree
from tests.support.engine.kernel_states import engine_state
from tests.support.pricing.api_samples import EXACT, calls, direct

TTL_S, TTFT_S = 300.0, 0.5
PREFIX = PromptCache("prefix", TTL_S, min_tok=100, step_tok=1)
MARKS = PromptCache("breakpoint", TTL_S, min_tok=100, step_tok=1)
UNIT = PromptCache("unit", TTL_S, min_tok=100, step_tok=1)
# A shared prefix of 500 tokens, two prompts of 900 that begin with it, and a turn of 1,400 after
# the first of them. The prompts in the table, by row, end with these nodes.
TREE = PrefixTree.numbered(
    np.array([-1, 0, 0, 1], np.int32), np.array([500, 900, 900, 1400], np.int32)
)
SHARED, FIRST, SECOND, TURN = range(4)


def caching(cache: PromptCache, tree: PrefixTree = TREE, **rules: object) -> EngineState:
    """An endpoint, and for each node of the tree a row whose prompt ends with it."""
    table = calls(np.zeros(tree.size), 2000, 51, np.arange(tree.size), tree)
    return engine_state(direct(replace(EXACT, cache=cache, **rules)), table)


def found_tok(state: EngineState, node: int, time_s: float) -> int:
    """The cached tokens that a prompt would find now."""
    return int(cached_prefix_tok(state, 0, node, time_s))


def ask(state: EngineState, node: int, time_s: float) -> int:
    """Let a prompt be served from a time on; return what it found in the cache."""
    row = state.ledger[node]
    row.cached_tok, row.first_token_s = found_tok(state, node, time_s), time_s + TTFT_S
    state.calls[node].written_tok, state.calls[node].stored_tok_h = 0, 0.0
    use_cache(state, 0, node, time_s)
    return int(row.cached_tok)


def test_levels_are_the_numbers_of_nodes_above() -> None:
    nodes = records(NODE, 6)
    nodes.parent = [NONE, 0, 1, NONE, 0, 2]
    put_levels(nodes)
    assert nodes.level.tolist() == [0, 1, 2, 0, 1, 3]


# Lifetimes.


@pytest.mark.parametrize("cache", [PREFIX, MARKS, UNIT], ids=lambda cache: cache.rule)
@pytest.mark.parametrize(
    ("time_s", "tokens"),
    [
        (math.nextafter(10 + TTFT_S, 0), 0),
        (10 + TTFT_S, 900),
        (math.nextafter(10 + TTFT_S + TTL_S, 0), 900),
        (10 + TTFT_S + TTL_S, 0),
    ],
    ids=["before the first token", "at it", "at last", "after the lifetime"],
)
def test_an_entry_lives_from_the_first_token_for_its_lifetime(
    cache: PromptCache, time_s: float, tokens: int
) -> None:
    state = caching(cache)
    assert ask(state, FIRST, 10.0) == 0
    assert found_tok(state, FIRST, time_s) == tokens


@pytest.mark.parametrize("cache", [PREFIX, MARKS, UNIT], ids=lambda cache: cache.rule)
def test_a_use_begins_the_lifetime_anew(cache: PromptCache) -> None:
    state = caching(cache)
    ask(state, FIRST, 10.0)
    assert ask(state, FIRST, 200.0) == 900
    assert found_tok(state, FIRST, math.nextafter(200 + TTL_S, 0)) == 900
    assert found_tok(state, FIRST, 200 + TTL_S) < 900


def test_the_greatest_age_counts_from_the_first_token_that_wrote_the_entry() -> None:
    state = caching(replace(PREFIX, max_age_s=250.0))
    ask(state, FIRST, 0.0)
    ask(state, FIRST, 200.0)
    assert found_tok(state, FIRST, math.nextafter(TTFT_S + 250, 0)) == 900
    assert ask(state, FIRST, TTFT_S + 250) == 0
    assert found_tok(state, FIRST, TTFT_S + 250 + TTFT_S) == 900, "it was written once more"
    assert found_tok(state, FIRST, 2 * (TTFT_S + 250)) == 0


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([0.1, 0.5, 50.0, 299.0, 300.0, 400.0]), st.integers(0, 3)),
        min_size=4,
        max_size=12,
    ),
    st.sampled_from([math.inf, 500.0]),
)
def test_prefixes_equal_a_plain_model(gaps: list[tuple[float, int]], max_age_s: float) -> None:
    """The model has the times of the first token that wrote a node, and of its last use."""
    state = caching(replace(PREFIX, max_age_s=max_age_s))
    entries: dict[int, tuple[float, float]] = {}
    time_s = 0.0
    for gap_s, node in gaps:
        time_s += gap_s
        path, expected = node, 0
        while path != NONE:
            written_s, used_s = entries.get(path, (math.inf, -math.inf))
            alive = time_s < max(used_s, written_s) + TTL_S and time_s < written_s + max_age_s
            if alive and written_s <= time_s:
                expected = max(expected, int(TREE.depth_tok[path]))
            kept = path in entries and alive
            entries[path] = (written_s if kept else time_s + TTFT_S, time_s)
            path = int(TREE.parent[path])
        assert ask(state, node, time_s) == expected


# Sizes.


@pytest.mark.parametrize(("min_tok", "tokens"), [(900, 900), (901, 0)])
def test_prompts_below_the_minimum_are_neither_written_nor_read(min_tok: int, tokens: int) -> None:
    state = caching(replace(PREFIX, min_tok=min_tok))
    ask(state, FIRST, 0.0)
    assert found_tok(state, FIRST, 10.0) == tokens
    assert (state.prefixes.expiry_s[0, FIRST] > 0) == (tokens > 0)


@pytest.mark.parametrize(("step_tok", "tokens"), [(1, 900), (128, 896), (900, 900), (901, 0)])
def test_hits_are_whole_steps(step_tok: int, tokens: int) -> None:
    state = caching(replace(PREFIX, step_tok=step_tok))
    ask(state, FIRST, 0.0)
    assert found_tok(state, FIRST, 10.0) == tokens


def test_the_longest_cached_prefix_is_found() -> None:
    state = caching(PREFIX)
    ask(state, FIRST, 0.0)
    assert [found_tok(state, node, 10.0) for node in (SHARED, FIRST, SECOND, TURN)] == [
        500,
        900,
        500,
        900,
    ]


def test_without_a_rule_or_a_shared_prefix_nothing_is_cached() -> None:
    state = caching(NO_CACHE)
    ask(state, FIRST, 0.0)
    assert found_tok(state, FIRST, 10.0) == 0
    assert (state.prefixes.used_s == -math.inf).all()
    state = caching(PREFIX)
    state.requests[FIRST].node = NONE
    ask(state, FIRST, 0.0)
    assert found_tok(state, FIRST, 10.0) == 0
    assert (state.prefixes.used_s == -math.inf).all()


@pytest.mark.parametrize(
    ("lookback", "marks", "tokens"),
    [(2, 1, 500), (1, 1, 0), (1, 2, 500), (0, 2, 500), (0, 1, 0)],
    ids=["far enough", "too near", "marked", "marked, no look back", "no look back"],
)
def test_the_search_ends_after_the_look_back_except_for_marked_prefixes(
    lookback: int, marks: int, tokens: int
) -> None:
    """The turn is two nodes below the shared prefix."""
    state = caching(replace(MARKS, lookback=lookback, marks=marks))
    touch(state, 0, SHARED, 0.0, True)
    assert found_tok(state, TURN, 10.0) == tokens


# Marks.


def test_marks_write_what_is_new_and_renew_what_is_read() -> None:
    state = caching(replace(MARKS, marks=2))
    for node, time_s, read, written in (
        (FIRST, 0.0, 0, 900),
        (SECOND, 10.0, 500, 400),
        (TURN, 20.0, 900, 500),
        (TURN, 30.0, 1400, 0),
    ):
        assert ask(state, node, time_s) == read
        assert state.calls[node].written_tok == written
    # The first prompt was renewed by the turn that read it, and not by that which read more.
    expiry_s = state.prefixes.expiry_s[0].tolist()
    assert expiry_s == [30 + TTL_S, 20 + TTL_S, 10.5 + TTL_S, 30 + TTL_S]


def test_only_one_mark_at_the_end_leaves_the_shared_prefix_out() -> None:
    state = caching(replace(MARKS, marks=1))
    ask(state, FIRST, 0.0)
    assert ask(state, SECOND, 10.0) == 0
    assert state.calls[SECOND].written_tok == 900


def test_units_keep_a_shared_prefix_from_its_second_use_within_the_lifetime_on() -> None:
    state = caching(UNIT)
    assert [ask(state, FIRST, 0.0), ask(state, SECOND, TTL_S)] == [0, 0]
    assert found_tok(state, SHARED, TTL_S + TTFT_S) == 500
    state = caching(UNIT)
    assert [ask(state, FIRST, 0.0), ask(state, SECOND, math.nextafter(TTL_S, 999))] == [0, 0]
    assert found_tok(state, SHARED, TTL_S + 1) == 0


@pytest.mark.parametrize(("read_tok", "pays"), [(20_000, True), (19_999, False)])
def test_marks_pay_from_a_number_of_tokens_read_for_each_written(read_tok: int, pays: bool) -> None:
    """50,000 tokens are written on trial; a quarter of the other 80,000 must be read."""
    state = caching(MARKS, cache_pays_from=0.25)
    assert marks_pay(state, 0, 0) == (True, True)
    for place, expected in ((0, (pays, True)), (1, (True, pays))):
        state.reuse.written_tok[0, 0] = 0
        state.reuse.read_tok[0, 0] = 0
        state.reuse.written_tok[0, 0, place] = 130_000
        state.reuse.read_tok[0, 0, place] = read_tok
        assert marks_pay(state, 0, 0) == expected


@pytest.mark.parametrize(
    ("time_s", "read", "written"),
    [(TTL_S, [500, 400], [500, 400]), (math.nextafter(TTL_S, 999), [0, 0], [1000, 800])],
)
def test_marks_are_judged_by_what_would_have_been_read(
    time_s: float, read: list[int], written: list[int]
) -> None:
    """A use within the lifetime of the last one: of 500 shared tokens, and of 400 to the end."""
    state = caching(replace(MARKS, marks=2))
    ask(state, FIRST, 0.0)
    ask(state, FIRST, time_s)
    assert state.reuse.read_tok[0, 0].tolist() == read
    assert state.reuse.written_tok[0, 0].tolist() == written


def test_marks_that_do_not_pay_are_not_set() -> None:
    state = caching(replace(MARKS, marks=2), cache_pays_from=0.25)
    state.reuse.written_tok[0, 0] = 1e6
    ask(state, FIRST, 0.0)
    assert found_tok(state, FIRST, 10.0) == 0
    assert state.calls[FIRST].written_tok == 0


# Storage and machines.


def test_storage_is_bought_for_the_time_by_which_a_use_prolongs_it() -> None:
    state = caching(replace(MARKS, marks=1, stored=True, ttl_s=3600.0))
    ask(state, FIRST, 0.0)
    assert state.calls[FIRST].stored_tok_h == pytest.approx(900.0)
    ask(state, FIRST, 1800.5)
    assert state.calls[FIRST].stored_tok_h == pytest.approx(900.0 / 2)
    ask(state, FIRST, 9000.0)
    assert state.calls[FIRST].stored_tok_h == pytest.approx(900.0)
    unpaid = caching(MARKS)
    ask(unpaid, FIRST, 0.0)
    assert unpaid.calls[FIRST].stored_tok_h == 0


def test_requests_above_the_rate_of_a_machine_go_to_the_next() -> None:
    """Three a minute: the fourth finds nothing on the second machine, and the fifth does there."""
    state = caching(replace(PREFIX, machine_per_min=3.0))
    hits = [ask(state, FIRST, 60.0 + time_s) for time_s in (0, 1, 2, 3, 4, 5, 6)]
    assert hits == [0, 900, 900, 0, 900, 900, 0]
    assert state.prefixes.machines[0, FIRST] == 0b111
    assert found_tok(state, FIRST, 119.0) == 900
    assert found_tok(state, FIRST, 120.0) == 900, "a new minute begins with the first machine"
    state.prefixes.requests[0, SHARED] = 3 * 500
    assert found_tok(state, FIRST, 100.0) == 0
    state.prefixes.machines[0, FIRST] = 1 << MACHINES
    assert found_tok(state, FIRST, 100.0) == 900, "all further requests go to the last machine"


# Uses that were not simulated.


def test_a_use_that_was_not_simulated_counts_unless_a_later_one_is_known() -> None:
    state = caching(PREFIX)
    touch(state, 0, FIRST, 50.0, True)
    prefix = state.prefixes[0, FIRST]
    assert (prefix.used_s, prefix.ready_s, prefix.expiry_s) == (50.0, 50.5, 50.5 + TTL_S)
    touch(state, 0, FIRST, 50.0, True)
    touch(state, 0, FIRST, 20.0, True)
    assert (prefix.used_s, prefix.expiry_s) == (50.0, 50.5 + TTL_S)
    touch(state, 0, FIRST, 100.0, True)
    assert (prefix.used_s, prefix.ready_s, prefix.expiry_s) == (100.0, 50.5, 100.0 + TTL_S)
    touch(state, 0, FIRST, 200.0, False)
    assert (prefix.used_s, prefix.expiry_s) == (200.0, 100.0 + TTL_S)
    touch(state, 0, FIRST, 100.0 + TTL_S, True)
    assert (prefix.ready_s, prefix.expiry_s) == (400.5, 400.5 + TTL_S)
