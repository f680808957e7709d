"""Work with a deadline fills idle capacity and is done in time."""

from dataclasses import replace

import numpy as np
import pytest

from simulator.engine.records import layout
from simulator.engine.run import serve_table
from simulator.engine.spec.plan import Fleet, Plan
from simulator.engine.spec.policies import Autoscaler
from simulator.traffic.table import RequestTable
from tests.support.engine.plans import FLEET, OWN, assert_invariants
from tests.support.traffic.traffic_samples import open_loop, random_table

DEFERS = replace(FLEET, replicas=1, deferred_in_flight=3, deferred_lead_s=20.0)


def mixture(deadline_s: float, batch_share: float = 0.5, seed: int = 51) -> RequestTable:
    table = random_table(seed, sessions=120, rate_per_s=2.5)
    alone = table.take(table.sessions())
    batch = np.random.default_rng(seed).random(alone.size) < batch_share
    return replace(alone, deadline_s=np.where(batch, deadline_s, np.inf))


def waits_s(fleet: Fleet, table: RequestTable, batch: bool) -> np.ndarray:
    ledger = serve_table(Plan(OWN, (fleet,)), table, 1e4)
    chosen = np.isfinite(table.deadline_s) == batch
    return (ledger.start_s - ledger.arrival_s)[chosen]


def test_interactive_requests_go_first() -> None:
    table = mixture(3000.0)
    deferring = replace(DEFERS, max_sequences=3, deferred_in_flight=2)
    plain = replace(deferring, deferred_in_flight=0)
    assert waits_s(deferring, table, False).mean() < 0.7 * waits_s(plain, table, False).mean()
    assert waits_s(deferring, table, True).mean() > waits_s(plain, table, True).mean()


def test_idle_capacity_is_used_at_once() -> None:
    table = open_loop(np.array([5.0]), np.array([100]), np.array([10]))
    table = replace(table, deadline_s=np.array([3600.0]))
    assert waits_s(DEFERS, table, True)[0] == pytest.approx(0.0)


def test_a_near_deadline_ends_the_waiting() -> None:
    """A replica that is never idle takes the row when its lead before the deadline begins."""
    arrivals = np.concatenate([[1.0], np.arange(0.0, 300.0, 0.5)])
    order = np.argsort(arrivals, kind="stable")
    table = open_loop(np.sort(arrivals), np.full(601, 200), np.full(601, 60))
    deadline_s = np.full(601, np.inf)
    row = int(np.flatnonzero(order == 0)[0])
    deadline_s[row] = 120.0
    busy = replace(DEFERS, max_sequences=4, deferred_in_flight=1)
    ledger = serve_table(Plan(OWN, (busy,)), replace(table, deadline_s=deadline_s), 1e4)
    due_s = ledger.arrival_s[row] + 120.0 - busy.deferred_lead_s
    # It is dispatched then, behind those that wait at the replica already.
    assert due_s <= ledger.start_s[row]
    ahead = ledger.start_s[(ledger.arrival_s < due_s) & np.isinf(deadline_s)]
    assert ledger.start_s[row] >= ahead.max() - 1.0


def test_the_nearest_deadline_goes_first() -> None:
    table = open_loop(np.arange(8.0) * 0.01, np.full(8, 50), np.full(8, 30))
    deadline_s = np.array([np.inf, 900.0, 400.0, 800.0, 300.0, 700.0, 600.0, 500.0])
    one = replace(DEFERS, max_sequences=1, deferred_in_flight=1)
    ledger = serve_table(Plan(OWN, (one,)), replace(table, deadline_s=deadline_s), 1e4)
    expected = [0, 4, 2, 7, 6, 5, 3, 1]
    np.testing.assert_array_equal(np.argsort(ledger.start_s), expected)


@pytest.mark.slow
def test_deferred_work_alone_starts_no_replica_until_it_is_due() -> None:
    scaler = Autoscaler(2.0, 3, 1.0, 5.0)
    fleet = replace(DEFERS, replicas=0, autoscaler=scaler, cold_start_s=4.0)
    table = open_loop(np.array([0.0, 10.5]), np.array([50, 50]), np.array([10, 10]))
    table = replace(table, deadline_s=np.array([200.0, np.inf]))
    ledger = serve_table(Plan(OWN, (fleet,)), table, 1e4)
    # The second wakes a replica; the first rides along.
    np.testing.assert_allclose(ledger.start_s, 15.0, atol=0.1)
    alone = serve_table(Plan(OWN, (fleet,)), table.take(np.array([0])), 1e4)
    assert 180.0 <= alone.start_s[0] <= 200.0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_everything_is_served_and_accounted_for(seed: int) -> None:
    table = mixture([15.0, 40.0, 500.0][seed % 3], 0.6, seed)
    patience_s = np.where(np.arange(table.size) % 4 == 0, 30.0, np.inf)
    table = replace(table, patience_s=patience_s)
    for horizon_s in (20.0, 1e4):
        plan = Plan(OWN, (replace(DEFERS, deferred_in_flight=1 + seed % 5),))
        ledger = serve_table(plan, table, horizon_s)
        assert ledger.offered.sum() == np.bincount(ledger.outcome, minlength=5)[1:].sum()
    assert (ledger.outcome != layout.IN_FLIGHT).all()


def test_idle_partners_take_what_they_may_serve() -> None:
    table = open_loop(np.arange(40) * 0.01, np.full(40, 100), np.full(40, 50))
    table = replace(table, deadline_s=np.full(40, 900.0))
    two = (replace(DEFERS, deferred_in_flight=1), replace(DEFERS, deferred_in_flight=1))
    ledger = serve_table(Plan(OWN, two), table, 1e4)
    assert (np.bincount(ledger.fleet, minlength=2) >= 15).all()


def test_deadlines_a_moment_apart_do_not_run_time_back() -> None:
    table = open_loop(np.arange(60) * 0.007, np.full(60, 100), np.full(60, 50))
    deadline_s = 30.0 + np.random.default_rng(53).uniform(0, 0.3, 60)
    fleet = replace(DEFERS, max_sequences=2, deferred_in_flight=1)
    ledger = serve_table(Plan(OWN, (fleet,)), replace(table, deadline_s=deadline_s), 1e4)
    assert ledger.completed.all()
    assert (np.diff(np.sort(ledger.start_s)) >= 0).all()
    assert (ledger.start_s >= ledger.arrival_s).all()


def test_deferral_keeps_the_invariants_with_sessions() -> None:
    table = random_table(52, sessions=80, rate_per_s=3.0)
    table = replace(table, deadline_s=np.where(table.session % 2 == 0, 100.0, np.inf))
    plan = Plan(OWN, (DEFERS,))
    ledger = serve_table(plan, table, 1e4)
    assert_invariants(ledger, plan)
    assert ledger.completed.all()
