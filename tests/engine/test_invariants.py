"""What must hold in every run: conservation, causality, determinism, the oracle boundary."""

import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.engine.ledger import Ledger
from simulator.engine.records import layout
from simulator.engine.run import serve_table
from simulator.engine.spec.plan import Fleet, Overflow, Plan
from simulator.engine.spec.policies import Autoscaler, Interruption, Rollout
from simulator.errors import InputError
from simulator.pricing.caching import NO_CACHE, PromptCache
from simulator.serving.capacity import KvCapacity
from simulator.serving.steptime import StepTime
from simulator.traffic.table import PrefixTree, RequestTable
from tests.support.checkout import ROOT
from tests.support.engine.plans import DIRECT, ENDPOINT, FLEET, OWN, assert_invariants
from tests.support.traffic.traffic_samples import open_loop, random_table


def fleets() -> st.SearchStrategy[Fleet]:
    rules = (Interruption("failure", 30.0, 0.0, 3.0), Interruption("spot", 20.0, 4.0, 2.0))
    return st.builds(
        lambda replicas, blocks, sequences, metric, cached, **more: replace(
            FLEET,
            replicas=replicas,
            kv=KvCapacity(blocks, 16, 0.5),
            max_sequences=sequences,
            prefix_cache=cached,
            autoscaler=Autoscaler(*metric[:1], 6, 1.0, 4.0, metric[1])
            if metric
            else (Autoscaler(3.0, 6, 1.0, 4.0) if replicas == 0 else None),
            **more,
        ),
        st.integers(0, 4),
        st.sampled_from([45, 90, 400]),
        st.sampled_from([1, 3, 16]),
        st.sampled_from([None, (3.0, "in-flight"), (4.0, "queue"), (0.4, "kv")]),
        st.booleans(),
        interruptions=st.sampled_from([(), rules[:1], rules]),
        rollout=st.sampled_from([None, Rollout((10.0, 40.0), 1), Rollout((15.0,), 0)]),
        order=st.sampled_from(["first-come", "priority", "shortest"]),
        affinity=st.sampled_from(["none", "session", "prefix"]),
        max_waiting=st.sampled_from([None, 0, 5]),
        deferred_in_flight=st.sampled_from([0, 2]),
        deferred_lead_s=st.just(10.0),
    )


def plans() -> st.SearchStrategy[Plan]:
    spills = st.one_of(st.none(), st.builds(Overflow, st.just((0,)), st.integers(0, 6)))
    rules = st.sampled_from(["none", "prefix", "breakpoint"])
    endpoints = rules.map(lambda rule: replace(ENDPOINT, cache=replace(ENDPOINT.cache, rule=rule)))
    return st.builds(
        lambda fleet, spill, endpoint, api, seed: Plan(
            (0,) if api else OWN, (fleet,), (endpoint,), DIRECT, overflow=spill, seed=seed
        ),
        fleets(),
        spills,
        endpoints,
        st.booleans(),
        st.integers(0, 1000),
    )


def tables(sessions: int) -> st.SearchStrategy[RequestTable]:
    """Sessions of which some are batch work and some have impatient clients."""

    def build(seed: int, batch: bool, impatient: bool) -> RequestTable:
        table = random_table(seed, sessions=sessions)
        rng = np.random.default_rng([seed, 7])
        deadline_s = np.where(rng.random(table.size) < 0.3 * batch, 25.0, np.inf)
        patience_s = np.where(
            rng.random(table.size) < 0.3 * impatient, rng.exponential(8.0, table.size), np.inf
        )
        return replace(table, deadline_s=deadline_s, patience_s=patience_s + 1e-3)

    return st.builds(build, st.integers(0, 10_000), st.booleans(), st.booleans())


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(plans(), tables(30), st.sampled_from([15.0, 60.0, 1500.0]))
def test_invariants_over_random_plans(plan: Plan, table: RequestTable, horizon_s: float) -> None:
    ledger = serve_table(plan, table, horizon_s)
    assert_invariants(ledger, plan)
    assert_littles_law(ledger)
    again = serve_table(plan, table, horizon_s)
    np.testing.assert_array_equal(ledger.finished_s, again.finished_s)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(plans(), tables(20))
def test_everything_is_served_in_the_end(plan: Plan, table: RequestTable) -> None:
    ledger = serve_table(plan, table, 3000.0)
    assert (ledger.outcome != layout.IN_FLIGHT).all()
    assert ledger.offered.all()


def assert_littles_law(ledger: Ledger) -> None:
    """The time average of requests inside is the rate of arrivals times their mean stay.

    The left side is counted event by event, the right from the rows.
    """
    offered, horizon_s = ledger.offered, ledger.horizon_s
    end_s = np.where(np.isnan(ledger.finished_s), horizon_s, ledger.finished_s)[offered]
    end_s, begin_s = np.minimum(end_s, horizon_s), ledger.arrival_s[offered]
    moments = np.sort(np.concatenate([begin_s, end_s, [0.0, horizon_s]]))
    inside = np.searchsorted(np.sort(begin_s), moments[:-1], "right") - np.searchsorted(
        np.sort(end_s), moments[:-1], "right"
    )
    assert (inside >= 0).all()
    average = (inside * np.diff(moments)).sum() / horizon_s
    assert average == pytest.approx((end_s - begin_s).sum() / horizon_s, rel=1e-9, abs=1e-12)


def test_routing_never_uses_the_true_output_length() -> None:
    """Requests that differ only in their hidden output are sent to the same places at first."""
    table = random_table(11, sessions=60, rate_per_s=60.0)
    longer = replace(table, output_tokens=table.output_tokens * 7 + 3)
    plan = Plan(OWN, (FLEET,), (ENDPOINT,), DIRECT, Overflow((0,), 3))
    first = np.flatnonzero(np.isnan(table.gap_s))
    a, b = serve_table(plan, table, 1e5), serve_table(plan, longer, 1e5)
    early = min(np.nanmin(a.finished_s), np.nanmin(b.finished_s)) - FLEET.request_overhead_s
    rows = first[table.arrival_s[first] < early]
    assert len(rows) > 2
    np.testing.assert_array_equal(a.server[rows], b.server[rows])


@pytest.mark.slow
def test_compiled_and_plain_python_agree(tmp_path: Path) -> None:
    script = """
import sys
import numpy as np
from dataclasses import replace
from simulator.engine.spec.plan import Overflow, Plan
from simulator.engine.spec.policies import Autoscaler
from simulator.engine.run import serve_table
from tests.support.engine.plans import DIRECT, ENDPOINT, FLEET, OWN
from tests.support.traffic.traffic_samples import open_loop, random_table
fleet = replace(FLEET, autoscaler=Autoscaler(3.0, 6, 1.0, 4.0))
plan = Plan(OWN, (fleet,), (ENDPOINT,), DIRECT, Overflow((0,), 5))
ledger = serve_table(plan, random_table(3, sessions=25), 1e4)
np.save(sys.argv[1], np.stack([ledger.arrival_s, ledger.first_token_s, ledger.finished_s]))
"""
    results = []
    for disabled in ("0", "1"):
        out = tmp_path / f"{disabled}.npy"
        environment = {
            **os.environ,
            "NUMBA_DISABLE_JIT": disabled,
            "PYTHONPATH": str(ROOT),
        }
        subprocess.run([sys.executable, "-c", script, str(out)], check=True, env=environment)
        results.append(np.load(out))
    np.testing.assert_allclose(results[0], results[1], rtol=1e-12)


def test_overload_for_a_day_ends_with_everything_accounted_for() -> None:
    table = random_table(8, sessions=3000, rate_per_s=3000 / 86400)
    slow = replace(FLEET, step_time=StepTime.linear(256, fixed_s=30.0), replicas=1)
    ledger = serve_table(Plan(OWN, (slow,)), table, 86400.0)
    assert (ledger.outcome == layout.IN_FLIGHT).any()
    assert_invariants(ledger, Plan(OWN, (slow,)))


def test_no_replicas_and_nothing_else_keeps_everyone_waiting() -> None:
    table = random_table(9, sessions=10)
    ledger = serve_table(Plan(OWN, (replace(FLEET, replicas=0),)), table, 1e4)
    assert (ledger.outcome[np.isnan(table.gap_s)] == layout.IN_FLIGHT).all()


def test_empty_table() -> None:
    table = random_table(1, sessions=5).take(np.arange(0))
    ledger = serve_table(Plan(OWN, (FLEET,)), table, 100.0)
    assert not ledger.offered.any()
    assert ledger.fleets
    assert ledger.fleets[0].owned_s(0, 100) == 200.0


def test_budget_below_sequence_cap_is_refused() -> None:
    with pytest.raises(InputError, match="token budget"):
        serve_table(
            Plan(OWN, (replace(FLEET, max_batched_tok=4),)), random_table(1, sessions=2), 1.0
        )


# --- endpoints ---------------------------------------------------------------------------------


def served_by_api(cache: PromptCache, **columns: object) -> Ledger:
    table = random_table(4, sessions=6)
    rows = np.flatnonzero(np.isnan(table.gap_s))[:4]
    tree = PrefixTree.numbered(np.array([-1], np.int32), np.array([1000], np.int32))
    table = replace(
        table.take(rows),
        tree=tree,
        input_tokens=np.full(4, 1200, np.int32),
        output_tokens=np.full(4, 20, np.int32),
        reasoning_tokens=np.zeros(4, np.int32),
        prefix_node=np.zeros(4, np.int32),
        **columns,
    )
    exact = replace(ENDPOINT, cache=cache, ttft_sigma=0.0, speed_sigma=0.0)
    return serve_table(Plan((0,), (), (exact,), DIRECT), table, 1e5)


def test_cache_entry_exists_from_the_writers_first_token_until_idle_for_its_lifetime() -> None:
    rule = PromptCache("prefix", ttl_s=60.0, min_tok=64, step_tok=128)
    ledger = served_by_api(rule, arrival_s=np.array([0.0, 0.3, 50.0, 111.0]))
    # Second: before the first answer began. Third: hit, in steps of 128. Fourth: idle too long.
    np.testing.assert_array_equal(ledger.cached_tok, [0, 0, 896, 0])
    ledger = served_by_api(rule, arrival_s=np.array([0.0, 50.0, 105.0, 160.0]))
    np.testing.assert_array_equal(ledger.cached_tok, [0, 896, 896, 896])
    assert (ledger.written_tok == 0).all()


def test_breakpoint_cache_charges_for_writing_and_has_a_minimum() -> None:
    rule = PromptCache("breakpoint", ttl_s=60.0, min_tok=64, step_tok=1)
    ledger = served_by_api(rule, arrival_s=np.array([0.0, 50.0, 100.0, 200.0]))
    np.testing.assert_array_equal(ledger.cached_tok, [0, 1000, 1000, 0])
    np.testing.assert_array_equal(ledger.written_tok, [1000, 0, 0, 1000])
    short = served_by_api(replace(rule, min_tok=1024), arrival_s=np.array([0.0, 50.0, 60.0, 70.0]))
    assert not short.cached_tok.any()
    assert not short.written_tok.any()


def test_endpoint_times_and_limits() -> None:
    ledger = served_by_api(NO_CACHE, arrival_s=np.arange(4.0))
    ttft_s = 0.5 + 1e-4 * 1200
    np.testing.assert_allclose(ledger.first_token_s - ledger.arrival_s, ttft_s)
    np.testing.assert_allclose(ledger.finished_s - ledger.first_token_s, 19 / 80.0)
    cut = served_by_api(NO_CACHE, arrival_s=np.arange(4.0))
    assert (cut.completion_tok == 20).all()
    tight = replace(ENDPOINT, context_tok=1210, cache=NO_CACHE)
    table = cut.table
    ledger = serve_table(Plan((0,), (), (tight,), DIRECT), table, 1e5)
    assert (ledger.completion_tok == 10).all()
    ledger = serve_table(Plan((0,), (), (replace(tight, context_tok=1200),), DIRECT), table, 1e5)
    assert (ledger.outcome == layout.REJECTED).all()
    assert not math.isnan(ledger.finished_s[0])


def test_overflow_takes_what_every_replica_is_too_busy_for() -> None:
    table = random_table(21, sessions=200, rate_per_s=20.0)
    shares = []
    for limit in (1, 4, 16, 10_000):
        ledger = serve_table(
            Plan(OWN, (FLEET,), (ENDPOINT,), DIRECT, Overflow((0,), limit)), table, 1e5
        )
        fits = table.input_tokens < 1500
        shares.append(float((ledger.server[fits] == layout.OWN).mean()))
    assert shares == sorted(shares)
    assert shares[0] < 0.6
    assert shares[-1] == 1.0


def test_nothing_is_refused_or_spilled_while_a_replica_has_room() -> None:
    small = replace(FLEET, replicas=1, max_sequences=1, max_waiting=0)
    large = replace(small, max_sequences=64, weight=0.1)
    table = open_loop(np.arange(8) * 0.01, np.full(8, 100), np.full(8, 50))
    ledger = serve_table(Plan(OWN, (small, large)), table, 1e4)
    assert ledger.completed.all()
    plan = Plan(OWN, (small, large), (ENDPOINT,), DIRECT, Overflow((0,), 6))
    ledger = serve_table(plan, table, 1e4)
    assert (ledger.server == layout.OWN).sum() == 7


def test_a_replica_that_is_busy_for_months() -> None:
    """Steps are counted beyond 32 bits."""
    fleet = replace(
        FLEET,
        step_time=StepTime.linear(1, fixed_s=0.005),
        max_batched_tok=1,
        max_sequences=1,
        max_model_tok=200_000,
        kv=KvCapacity(20_000, 16, 0.5),
        replicas=1,
    )
    count = 21_600
    table = open_loop(np.arange(count) * 600.0, np.ones(count), np.full(count, 100_000))
    ledger = serve_table(Plan(OWN, (fleet,)), table, 1e12)
    assert ledger.fleets[0].steps > 2**31
    assert ledger.completed.all()
    np.testing.assert_allclose(ledger.finished_s - ledger.start_s, 500.03, rtol=1e-6)
