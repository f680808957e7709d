"""Provider prompt caches on the prefix tree: what each rule finds, writes and charges."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.engine.ledger import Ledger
from simulator.engine.records import layout
from simulator.engine.run import serve_table
from simulator.pricing.caching import PromptCache
from simulator.pricing.rows import RateRow
from simulator.traffic.table import PrefixTree
from tests.support.pricing.api_samples import CARD, EXACT, calls, direct
from tests.support.traffic.traffic_samples import random_table

PREFIX = PromptCache("prefix", ttl_s=300.0, min_tok=100, step_tok=1)
MARKS = PromptCache("breakpoint", ttl_s=300.0, min_tok=100, step_tok=1)
UNIT = PromptCache("unit", ttl_s=300.0, min_tok=1, step_tok=1)

# A shared beginning of 500 tokens, three prompts of 900 behind it, a turn of 1,400 behind the first
TREE = PrefixTree.numbered(
    np.array([-1, 0, 0, 0, 1], np.int32), np.array([500, 900, 900, 900, 1400], np.int32)
)
SHARED, B, C, D, TURN = range(5)


def cached(cache: PromptCache, nodes: list[int], times: list[float] | None = None, **say: object):
    arrival_s = np.arange(len(nodes)) * 10.0 if times is None else np.array(times)
    table = calls(arrival_s, 2000, 51, np.array(nodes), TREE)
    return serve_table(direct(replace(EXACT, cache=cache, **say)), table, 1e6)


def found(*given: object, **say: object) -> list[int]:
    return cached(*given, **say).cached_tok.tolist()


def test_prefix_cache_finds_any_shared_beginning() -> None:
    assert found(PREFIX, [B, C, D, TURN, TURN]) == [0, 500, 500, 900, 1400]


def test_greatest_age_ends_what_is_used_all_the_time() -> None:
    aged = replace(PREFIX, max_age_s=100.0)
    times = [0.0, 50.0, 99.0, 102.0, 150.0]
    assert found(aged, [B] * 5, times) == [0, 900, 900, 0, 900]


def test_one_mark_at_the_end_shares_nothing_with_another_prompt() -> None:
    """OpenAI's implicit breakpoint: exact at the end of a prompt, no shorter fallback."""
    one = replace(MARKS, marks=1)
    ledger = cached(one, [B, C, B, TURN])
    assert ledger.cached_tok.tolist() == [0, 0, 900, 900]
    assert ledger.written_tok.tolist() == [900, 900, 0, 500]
    two = cached(replace(MARKS, marks=2), [B, C, B, TURN])
    assert two.cached_tok.tolist() == [0, 500, 900, 900]
    assert two.written_tok.tolist() == [900, 400, 0, 500]


def test_look_back_ends_the_search_above_the_end() -> None:
    parent = np.array([-1, 0, 1, 2, 3], np.int32)
    chain = PrefixTree.numbered(parent, np.array([500, 900, 1200, 1500, 1800], np.int32))
    table = calls([0.0, 10.0], 2000, 51, np.array([1, 4]), chain)
    for lookback, expected in ((3, 900), (2, 0)):
        cache = replace(MARKS, marks=1, lookback=lookback)
        ledger = serve_table(direct(replace(EXACT, cache=cache)), table, 1e6)
        assert ledger.cached_tok[1] == expected


def test_a_hit_refreshes_what_was_read_and_no_more() -> None:
    times = [0.0, 250.0, 500.0, 1000.0]
    assert found(replace(MARKS, marks=1), [B] * 4, times) == [0, 900, 900, 0]


def test_units_are_whole_prompts_until_a_second_one_shares_their_beginning() -> None:
    """DeepSeek: A+B, then A+C finds nothing; A was then seen to be shared, and A+D finds it."""
    assert found(UNIT, [B, C, D, B]) == [0, 0, 500, 900]
    assert (cached(UNIT, [B, C, D]).written_tok == 0).all()


def test_explicit_contents_are_the_shared_beginning_and_are_paid_by_the_hour() -> None:
    explicit = replace(MARKS, ttl_s=3600.0, marks=1, end_mark=False, stored=True)
    ledger = cached(explicit, [B, C, TURN], [0.0, 1800.0, 9000.0])
    assert ledger.cached_tok.tolist() == [0, 500, 0]
    assert ledger.written_tok.tolist() == [500, 0, 500]
    # An hour from its first token on, prolonged by the second use, and a new one.
    hours = [1.0, (1800.0 - 0.5) / 3600, 1.0]
    np.testing.assert_allclose(ledger.stored_tok_h, 500 * np.array(hours))


def test_requests_before_the_writers_first_token_miss() -> None:
    assert found(PREFIX, [B, B, B], [0.0, 0.4, 0.5]) == [0, 0, 900]
    assert found(MARKS, [B, B, B], [0.0, 0.4, 0.5]) == [0, 0, 900]


def test_busy_beginnings_overflow_to_machines_with_caches_of_their_own() -> None:
    """Above fifteen a minute a second machine takes over, and misses once."""
    overflow = replace(PREFIX, machine_per_min=15.0)
    times = np.arange(30) * 2.0
    hits = np.array(found(overflow, [B] * 30, times.tolist())) > 0
    np.testing.assert_array_equal(np.flatnonzero(~hits), [0, 15])
    # The minute after, the first machine is asked again and still has it.
    later = np.array(found(overflow, [B] * 45, (np.arange(45) * 2.0).tolist())) > 0
    np.testing.assert_array_equal(np.flatnonzero(~later), [0, 15])


def test_marks_are_set_only_while_they_pay() -> None:
    """Prompts that come back after the lifetime are written in vain; auto stops doing so."""
    never_back = (np.arange(400) * 1000.0).tolist()
    always = cached(MARKS, [B] * 400, never_back)
    auto = cached(MARKS, [B] * 400, never_back, cache_pays_from=0.25 / 0.9)
    assert always.written_tok.sum() == 400 * 900
    assert auto.written_tok.sum() < 0.7 * always.written_tok.sum()
    assert (auto.written_tok[-100:] == 0).all()
    often = (np.arange(400) * 30.0).tolist()
    assert found(MARKS, [B] * 400, often) == found(
        MARKS, [B] * 400, often, cache_pays_from=0.25 / 0.9
    )


def test_auto_costs_no_more_than_always_or_never() -> None:
    for gap_s in (20.0, 200.0, 290.0, 400.0, 2000.0):
        table = calls(np.arange(600) * gap_s, 2000, 51, np.tile([B, C, D], 200), TREE)
        usd = {
            name: serve_table(direct(replace(EXACT, cache=cache, cache_pays_from=pays)), table, 1e9)
            .usd.sum()
            for name, cache, pays in (
                ("always", MARKS, 0.0),
                ("auto", MARKS, 0.25 / 0.9),
                ("never", PromptCache("none", 0.0, 0, 1), 0.0),
            )
        }  # fmt: skip
        assert usd["auto"] <= 1.03 * min(usd["always"], usd["never"])


def test_a_cached_beginning_saves_time_as_well() -> None:
    endpoint = replace(EXACT, cache=PREFIX, prefill_token_s=1e-4)
    table = calls([0.0, 10.0], 2000, 51, np.array([B, B]), TREE)
    ledger = serve_table(direct(endpoint), table, 1e6)
    np.testing.assert_allclose(ledger.first_token_s - ledger.start_s, [0.5 + 0.2, 0.5 + 0.11])


rules = st.builds(
    PromptCache,
    st.sampled_from(["none", "prefix", "breakpoint", "unit"]),
    st.sampled_from([5.0, 60.0, 1e6]),
    st.sampled_from([1, 64, 200]),
    st.sampled_from([1, 16]),
    max_age_s=st.sampled_from([30.0, np.inf]),
    machine_per_min=st.sampled_from([5.0, np.inf]),
    marks=st.integers(1, 4),
    end_mark=st.booleans(),
    lookback=st.sampled_from([0, 1, 1000]),
    stored=st.booleans(),
)


def bill_of(ledger: Ledger) -> float:
    return float(ledger.usd.sum())


@pytest.mark.slow
@settings(max_examples=120, deadline=None)
@given(rules, st.integers(0, 10_000))
def test_what_holds_under_every_rule(cache: PromptCache, seed: int) -> None:
    table = random_table(seed, sessions=40)
    rates = {"input": 1.0, "cache_read": 0.1, "cache_write": 1.0, "output": 5.0, "storage": 0.0}
    endpoint = replace(EXACT, cache=cache, card=replace(CARD, rows=(RateRow(rates),)))
    ledger = serve_table(direct(endpoint), table, 1e6)
    assert (ledger.outcome == layout.COMPLETED).all()
    assert (ledger.cached_tok >= 0).all()
    assert (ledger.written_tok >= 0).all()
    depth = np.where(table.prefix_node >= 0, table.tree.depth_tok[table.prefix_node], 0)
    assert (ledger.cached_tok + ledger.written_tok <= depth).all()
    assert (ledger.cached_tok[ledger.cached_tok > 0] >= cache.min_tok // 16 * 16).all()
    if cache.rule != "breakpoint":
        assert (ledger.written_tok == 0).all()
    if not (cache.stored and cache.rule != "none"):
        assert (ledger.stored_tok_h == 0).all()
    # Where writing is free, a cache never makes anything dearer.
    without = serve_table(
        direct(replace(endpoint, cache=PromptCache("none", 0.0, 0, 1))), table, 1e6
    )
    assert bill_of(ledger) <= bill_of(without) * (1 + 1e-12)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["prefix", "unit"]))
def test_a_longer_life_never_finds_less(seed: int, rule: str) -> None:
    table = random_table(seed, sessions=40)
    hits = [
        serve_table(direct(replace(EXACT, cache=PromptCache(rule, ttl_s, 1, 1))), table, 1e6)
        .cached_tok.sum()
        for ttl_s in (1.0, 10.0, 100.0, 1e6)
    ]  # fmt: skip
    assert hits == sorted(hits)


def test_prefix_rule_is_the_most_that_any_rule_finds() -> None:
    for seed in range(20):
        table = random_table(seed, sessions=60)
        most, *others = (
            serve_table(direct(replace(EXACT, cache=PromptCache(rule, 60.0, 1, 1))), table, 1e6)
            .cached_tok.sum()
            for rule in ("prefix", "breakpoint", "unit")
        )  # fmt: skip
        assert all(other <= most for other in others)
        assert max(others) > 0.3 * most


@pytest.mark.parametrize("rule", ["prefix", "breakpoint", "unit"])
def test_caching_depends_on_the_order_of_time_alone(rule: str) -> None:
    """Two workloads interleaved leave each other's entries alone."""
    cache = PromptCache(rule, 300.0, 1, 1)
    alone = found(cache, [B, C, B, C], [0, 10, 20, 30])
    parent = np.append(TREE.parent, [-1, 5]).astype(np.int32)
    both = PrefixTree.numbered(parent, np.append(TREE.depth_tok, [500, 900]).astype(np.int32))
    table = calls([0, 5, 10, 15, 20, 25, 30], 2000, 51, np.array([B, 6, C, 6, B, 6, C]), both)
    ledger = serve_table(direct(replace(EXACT, cache=cache)), table, 1e6)
    assert ledger.cached_tok[::2].tolist() == alone
