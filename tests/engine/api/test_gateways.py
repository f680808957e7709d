"""Gateways: who is asked, what follows a failure, and that nothing is lost without need."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.engine.ledger import Ledger
from simulator.engine.records import layout
from simulator.engine.run import serve_table
from simulator.engine.spec.plan import Budget, Endpoint, Gateway, Limit, Target
from tests.support.pricing.api_samples import CARD, EXACT, among, calls, in_tiers, through
from tests.support.traffic.traffic_samples import random_table


def priced(usd_per_mtok: float, **changes: object) -> Endpoint:
    return replace(EXACT, card=CARD.scaled(usd_per_mtok), **changes)


def shares(ledger: Ledger, count: int) -> np.ndarray:
    done = ledger.outcome == layout.COMPLETED
    return np.bincount(ledger.server[done], minlength=count) / ledger.table.size


def down(begin_s: float = 0.0, end_s: float = math.inf) -> Endpoint:
    return replace(EXACT, outages_s=((begin_s, min(end_s, 1e9)),))


EVERY = np.arange(20_000.0)


def test_inverse_square_shares_are_those_of_the_documentation() -> None:
    """Prices 1, 2 and 3: 73.5, 18.4 and 8.2 %."""
    gateway = among(3, strategy="inverse-square")
    ledger = serve_table(through(gateway, priced(1), priced(2), priced(3)), calls(EVERY), 1e6)
    np.testing.assert_allclose(shares(ledger, 3), [0.735, 0.184, 0.082], atol=0.01)


def test_shuffle_follows_its_weights() -> None:
    gateway = Gateway(
        (Target(0, weight=3), Target(1, weight=1), Target(2, weight=0)), strategy="shuffle"
    )
    ledger = serve_table(through(gateway, EXACT, EXACT, EXACT), calls(EVERY), 1e6)
    np.testing.assert_allclose(shares(ledger, 3), [0.75, 0.25, 0.0], atol=0.01)


def test_cheapest_least_busy_and_fastest() -> None:
    cheap = serve_table(through(among(3, strategy="cheapest"), priced(2), priced(1), priced(3)),
                calls(EVERY[:100]), 1e6)  # fmt: skip
    np.testing.assert_array_equal(shares(cheap, 3), [0, 1, 0])
    # Arrivals every 0.1 s on endpoints that take 1.5 s: the load is spread evenly.
    busy = serve_table(through(among(3, strategy="least-busy"), EXACT, EXACT, EXACT),
               calls(np.arange(3000) * 0.1), 1e6)  # fmt: skip
    np.testing.assert_allclose(shares(busy, 3), 1 / 3, atol=0.02)
    slow = replace(EXACT, ttft_median_s=2.0)
    fast = serve_table(
        through(among(2, strategy="latency"), slow, EXACT), calls(EVERY[:1000] * 5), 1e6
    )
    # Each is tried at first, then the faster one serves.
    assert shares(fast, 2)[1] > 0.99
    both = serve_table(
        through(among(2, strategy="latency", latency_buffer=5.0), slow, EXACT),
        calls(EVERY * 5),
        1e6,
    )
    np.testing.assert_allclose(shares(both, 2), 0.5, atol=0.02)


def test_least_used_evens_out_tokens_not_requests() -> None:
    """One request in two is nine times as long; both targets carry the same tokens."""
    lengths = np.where(EVERY % 2 == 0, 900, 100)
    plan = through(among(2, strategy="least-used"), EXACT, EXACT)
    ledger = serve_table(plan, calls(EVERY * 3, input_tok=lengths), 1e6)
    tokens = np.bincount(ledger.server, weights=lengths)
    assert tokens[0] == pytest.approx(tokens[1], rel=0.05)


def test_outage_of_the_primary_loses_nothing_that_a_fallback_can_serve() -> None:
    plan = through(in_tiers(2, attempts=3), down(100.0, 5000.0), EXACT)
    ledger = serve_table(plan, calls(EVERY), 1e6)
    assert (ledger.outcome == layout.COMPLETED).all()
    out = (ledger.arrival_s >= 100.0) & (ledger.arrival_s < 4990.0)
    assert (ledger.server[out] == 1).all()
    assert (ledger.server[~out & (ledger.arrival_s >= 5000.0)] == 0).all()


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(["well", "down", "short", "small", "limited", "flaky"]),
             min_size=1, max_size=5),
    st.sampled_from(["ordered", "shuffle", "least-busy", "latency", "cheapest", "inverse-square",
                     "adjusted", "least-used"]),
    st.booleans(),
    st.integers(1, 3),
    st.booleans(),
    st.sampled_from([0.0, 5.0, 60.0]),
    st.integers(0, 10_000),
)  # fmt: skip
def test_nothing_is_lost_that_some_target_could_serve(
    kinds: list[str],
    strategy: str,
    tiered: bool,
    attempts: int,
    bypass: bool,
    cooldown_s: float,
    seed: int,
) -> None:
    """With one well target, in whatever tier, every request that fits there is answered."""
    endpoints = {
        "well": EXACT,
        "down": down(),
        "short": replace(EXACT, context_tok=120),
        "small": replace(EXACT, max_output_tok=5, refuses_long_outputs=True),
        "limited": replace(EXACT, limits=(Limit("requests", 1, 60.0, 60.0),)),
        "flaky": replace(EXACT, error_rate=0.5),
    }
    rules = {
        "strategy": strategy,
        "bypass": bypass,
        "cooldown_s": cooldown_s,
        "failure_share": 0.5,
        "cools_on_limit": cooldown_s > 0,
    }
    if tiered:
        gateway = in_tiers(len(kinds), attempts=attempts, **rules)
    else:
        gateway = among(len(kinds), attempts=len(kinds), repeats=False, **rules)
    table = random_table(seed, sessions=25)
    ledger = serve_table(through(gateway, *(endpoints[kind] for kind in kinds)), table, 1e7)
    assert (ledger.outcome != layout.IN_FLIGHT).all()
    if "well" in kinds:
        assert (ledger.outcome == layout.COMPLETED).all()
    done = ledger.outcome == layout.COMPLETED
    served = np.array(kinds)[ledger.server[done]]
    assert not np.isin(served, ["down"]).any()
    assert (table.input_tokens[done][served == "short"] < 120).all()
    assert (table.max_output_tokens[done][served == "small"] <= 5).all()
    assert (ledger.attempts[done] >= 1).all()


def test_failed_targets_cool_down_and_come_back() -> None:
    """Of two, one fails for a minute: it is asked again after each cooldown, never between."""
    gateway = among(2, cooldown_s=20.0, failure_share=0.5, repeats=False, attempts=2)
    ledger = serve_table(
        through(gateway, down(0.0, 60.0), EXACT), calls(np.arange(0.0, 100.0)), 1e5
    )
    assert (ledger.outcome == layout.COMPLETED).all()
    asked = np.flatnonzero(ledger.attempts == 2)
    np.testing.assert_array_equal(asked, [0, 20, 40])
    assert (ledger.server[60:] == 0).all()


def test_a_breaker_waits_for_enough_attempts() -> None:
    gateway = in_tiers(2, attempts=1, cooldown_s=30.0, failure_share=0.5, failures_counted=5)
    ledger = serve_table(through(gateway, down(0.0, 1e6), EXACT), calls(np.arange(0.0, 30.0)), 1e5)
    assert (ledger.attempts[:5] == 2).all()
    assert (ledger.attempts[5:] == 1).all()
    counted = in_tiers(2, attempts=1, cooldown_s=30.0, failures_allowed=3)
    ledger = serve_table(through(counted, down(0.0, 1e6), EXACT), calls(np.arange(0.0, 30.0)), 1e5)
    assert (ledger.attempts == 2).sum() == 4


def test_when_all_cool_down_the_bypass_asks_them_all_the_same() -> None:
    rules = {"cooldown_s": 1000.0, "attempts": 1}
    table = calls([0.0, 50.0])
    plan = through(among(1, failures_allowed=0, bypass=True, **rules), down(0.0, 10.0))
    assert serve_table(plan, table, 1e5).outcome[1] == layout.COMPLETED
    plan = through(among(1, failures_allowed=0, **rules), down(0.0, 10.0))
    assert serve_table(plan, table, 1e5).outcome[1] == layout.REJECTED


def test_a_limit_sends_the_rest_elsewhere() -> None:
    few = replace(EXACT, limits=(Limit("requests", 60, 60.0, 1.0),))
    for gateway in (
        in_tiers(2, attempts=1),
        in_tiers(2, attempts=3, knows_limits=True),
        in_tiers(2, attempts=1, cools_on_limit=True, cooldown_s=0.5),
    ):
        ledger = serve_table(through(gateway, few, EXACT), calls(np.arange(1000) * 0.1), 1e5)
        assert (ledger.outcome == layout.COMPLETED).all()
        assert shares(ledger, 2)[0] == pytest.approx(0.1, abs=0.02)


def test_long_waits_are_kept_or_given_up() -> None:
    few = replace(EXACT, limits=(Limit("requests", 1, 3600.0, 3600.0),))
    table = calls([0.0, 1.0])
    gives_up = in_tiers(2, attempts=3, gives_up_on_long_waits=True)
    ledger = serve_table(through(gives_up, few, EXACT), table, 1e5)
    assert ledger.start_s[1] == pytest.approx(1.0)
    tries_on = in_tiers(2, attempts=3, jitter=0.0)
    ledger = serve_table(through(tries_on, few, EXACT), table, 1e5)
    assert ledger.start_s[1] == pytest.approx(1.0 + 0.5 + 1.0)


def test_context_and_output_decide_who_is_asked() -> None:
    short = replace(EXACT, context_tok=800)
    ledger = serve_table(through(in_tiers(2), short, EXACT), calls([0.0, 1.0], [500, 1000]), 1e4)
    np.testing.assert_array_equal(ledger.server, [0, 1])
    np.testing.assert_array_equal(ledger.attempts, [1, 1])
    cuts = replace(EXACT, max_output_tok=50)
    for checks, server in ((False, 0), (True, 1)):
        ledger = serve_table(
            through(in_tiers(2, checks_output=checks), cuts, EXACT), calls([0.0]), 1e4
        )
        assert ledger.server[0] == server
    ledger = serve_table(through(in_tiers(2), short, short), calls([0.0]), 1e4)
    assert ledger.outcome[0] == layout.REJECTED


def test_price_ceiling_reroutes_while_a_price_spikes() -> None:
    from datetime import UTC, datetime

    def at(hour: int) -> datetime:
        return datetime(2026, 11, 23, hour, tzinfo=UTC)

    spiked = replace(EXACT, card=CARD.spiked(3.0, at(1), at(2)))
    table = calls(np.arange(0, 3 * 3600, 60.0))
    zero_s = at(0).timestamp()
    ceiling = in_tiers(2, max_prompt_usd_per_mtok=2.5)
    ledger = serve_table(through(ceiling, spiked, priced(2)), table, 1e5, zero_s)
    hour = (ledger.arrival_s // 3600).astype(int)
    np.testing.assert_array_equal(ledger.server, (hour == 1).astype(int))
    # The same by price alone, without a ceiling.
    cheapest = among(2, strategy="cheapest")
    ledger = serve_table(through(cheapest, spiked, priced(2)), table, 1e5, zero_s)
    np.testing.assert_array_equal(ledger.server, (hour == 1).astype(int))
    # Where everything is too dear, requests are refused.
    ledger = serve_table(
        through(in_tiers(1, max_prompt_usd_per_mtok=0.5), EXACT), table, 1e5, zero_s
    )
    assert (ledger.outcome == layout.REJECTED).all()


def test_budgets_of_targets_reroute_and_those_of_gateways_refuse() -> None:
    # An answer costs 1,505 micro-dollars.
    day = Budget(0.0151, 86400.0)
    table = calls(np.arange(40) * 3600.0)
    gateway = Gateway((Target(0, budget=day), Target(1, tier=1)))
    ledger = serve_table(through(gateway, EXACT, EXACT), table, 1e6)
    day_of = (ledger.arrival_s // 86400).astype(int)
    for k in (0, 1):
        np.testing.assert_array_equal(ledger.server[day_of == k][:11], 0)
        assert (ledger.server[day_of == k][11:] == 1).all()
    refusing = in_tiers(1, budget=day)
    ledger = serve_table(through(refusing, EXACT), table, 1e6)
    assert (ledger.outcome == layout.COMPLETED).sum() == 22


def test_sessions_stay_where_they_are_cached() -> None:
    gaps = np.tile([np.nan, 30.0, 30.0, 5000.0], 500)
    table = calls(np.repeat(np.arange(500) * 1e5, 4), gap_s=gaps)
    plan = through(among(3, strategy="shuffle", sticky_s=600.0), EXACT, EXACT, EXACT)
    server = serve_table(plan, table, 1e9).server.reshape(-1, 4)
    assert (server[:, :3] == server[:, :1]).all()
    # After a long pause the next one is drawn anew.
    assert (server[:, 3] == server[:, 0]).mean() == pytest.approx(1 / 3, abs=0.08)


def test_adjusted_prices_follow_what_was_really_paid() -> None:
    """A dearer list price with a cache that works draws more than its list price would."""
    from simulator.pricing.caching import PromptCache
    from simulator.traffic.table import PrefixTree

    tree = PrefixTree.numbered(np.array([-1], np.int32), np.array([950], np.int32))
    caching = priced(1.5, cache=PromptCache("prefix", 3600.0, 64, 1))
    plan = through(among(2, strategy="adjusted"), caching, EXACT)
    table = calls(EVERY[:5000], node=0, tree=tree, output_tok=10)
    learned = shares(serve_table(plan, table, 1e6), 2)[0]
    blind = shares(
        serve_table(through(among(2, strategy="inverse-square"), caching, EXACT), table, 1e6), 2
    )
    assert blind[0] == pytest.approx(1 / (1 + 1.5**2), abs=0.02)
    assert learned > 0.8
    # Exploration keeps asking the other one.
    assert learned < 0.995


def test_the_same_seed_gives_the_same_run() -> None:
    gateway = among(3, strategy="shuffle", cooldown_s=5.0, failure_share=0.3)
    flaky = replace(EXACT, error_rate=0.3, ttft_sigma=0.5)
    table = random_table(7, sessions=200)
    a, b = (serve_table(through(gateway, flaky, flaky, EXACT), table, 1e6) for _ in range(2))
    np.testing.assert_array_equal(a.finished_s, b.finished_s)
    np.testing.assert_array_equal(a.server, b.server)
