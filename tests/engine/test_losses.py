"""Replicas that are lost: nothing else is, whatever was going on at that moment."""

import math
from dataclasses import replace

import numpy as np
import pytest

from simulator.engine.control.replica_lifecycle import FleetControl
from simulator.engine.ledger import Ledger
from simulator.engine.records import layout
from simulator.engine.run import Simulation, serve_table
from simulator.engine.spec.plan import Overflow, Plan
from simulator.engine.spec.policies import Autoscaler, Interruption, Rollout
from simulator.traffic.table import RequestTable
from tests.support.engine.plans import DIRECT, ENDPOINT, FLEET, OWN, assert_invariants
from tests.support.traffic.traffic_samples import open_loop, random_table

SMALL = replace(FLEET, cold_start_s=0.7)
POOLS = (
    replace(SMALL, decode_fleet=1, transfer_s=0.02),
    replace(SMALL, serves=frozenset(), chunked_prefill=True),
)
PLANS = {
    "one fleet": Plan(OWN, (SMALL,)),
    "one replica": Plan(OWN, (replace(SMALL, replicas=1),)),
    "pressure": Plan(OWN, (replace(SMALL, kv=replace(FLEET.kv, blocks=45)),)),
    "pools": Plan(OWN, POOLS),
    "overflow": Plan(OWN, (SMALL,), (ENDPOINT,), DIRECT, Overflow((0,), 2)),
}


def with_loss(plan: Plan, table: RequestTable, slot: int, at_s: float) -> Ledger:
    """Lose one replica at a time, and launch another at once."""
    simulation = Simulation(plan, table, 1e4, 0.0)
    simulation.advance(at_s)
    simulation.plane.advance_before(at_s)
    simulation.plane.lose(slot, at_s)
    place = int(simulation.plane.state.replicas[slot].fleet)
    fleets = [o for o in simulation.calendar.owners if isinstance(o, FleetControl)]
    fleets[place].launch(at_s)
    return simulation.finish()


def moments(ledger: Ledger) -> list[float]:
    """Every moment at which something happens, one ulp before and after it, and between."""
    names = ("arrival_s", "start_s", "first_token_s", "finished_s")
    times = np.unique(np.concatenate([getattr(ledger, name) for name in names]))
    times = times[np.isfinite(times) & (times > 0)]
    around = [f(t) for t in times.tolist() for f in (before, float, after)]
    return sorted({*around, *((times[1:] + times[:-1]) / 2).tolist()})


def before(time_s: float) -> float:
    return math.nextafter(time_s, -math.inf)


def after(time_s: float) -> float:
    return math.nextafter(time_s, math.inf)


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANS)
def test_a_failure_at_every_moment_of_a_small_run_loses_no_request(name: str) -> None:
    plan, table = PLANS[name], random_table(41, sessions=12, rate_per_s=5.0)
    whole = serve_table(plan, table, 1e4)
    restarted = 0
    for at_s in moments(whole):
        ledger = with_loss(plan, table, 0, at_s)
        assert_invariants(ledger, plan)
        np.testing.assert_array_equal(ledger.outcome, whole.outcome)
        if not plan.endpoints:  # which cuts answers elsewhere
            np.testing.assert_array_equal(ledger.completion_tok, whole.completion_tok)
        assert (ledger.finished_s >= ledger.arrival_s).all()
        restarted += int(ledger.restarts.sum())
    assert restarted > 20


def test_what_a_lost_replica_served_begins_anew() -> None:
    table = open_loop(np.array([0.0, 1.0]), np.array([500, 500]), np.array([200, 200]))
    plan = Plan(OWN, (replace(SMALL, replicas=1, cold_start_s=10.0),))
    whole = serve_table(plan, table, 1e4)
    lost = with_loss(plan, table, 0, 2.0)
    np.testing.assert_array_equal(lost.restarts, [1, 1])
    np.testing.assert_allclose(lost.start_s, 12.0, atol=0.5)
    assert (lost.first_token_s > 12.0).all()
    assert (whole.restarts == 0).all()
    account = lost.fleets[0]
    np.testing.assert_allclose(account.periods_s, [[0.0, 2.0], [2.0, 1e4]])
    assert account.busy_s < 2.0 + lost.finished_s.max() - 12.0 + 1e-6


def test_impatient_clients_are_told_what_they_had_when_their_replica_is_lost() -> None:
    table = open_loop(np.array([0.0]), np.array([100]), np.array([1000]))
    table = replace(table, patience_s=np.array([5.0]))
    ledger = with_loss(Plan(OWN, (replace(SMALL, replicas=1),)), table, 0, 5.0)
    assert ledger.outcome[0] == layout.TIMED_OUT
    assert ledger.finished_s[0] == 5.0


def test_spot_replicas_are_drained_within_their_notice() -> None:
    table = random_table(42, sessions=500, rate_per_s=1.0)
    mean_s, horizon_s = 60.0, 500.0
    restarts = []
    for notice_s in (0.0, 60.0):
        rule = Interruption("spot", mean_s, notice_s, 5.0)
        plan = Plan(OWN, (replace(SMALL, replicas=3, interruptions=(rule,)),), seed=5)
        ledger = serve_table(plan, table, horizon_s)
        assert_invariants(ledger, plan)
        restarts.append(int(ledger.restarts.sum()))
        periods = ledger.fleets[0].periods_s
        assert len(periods) == pytest.approx(3 + 3 * horizon_s / (mean_s + 6), rel=0.4)
    assert restarts[0] > 5
    assert restarts[1] == 0  # a minute is enough for all that is running


def test_luck_of_one_rule_does_not_depend_on_another() -> None:
    table = random_table(43, sessions=50)
    spot = Interruption("spot", 40.0, 0.0, 5.0)
    rare = Interruption("failure", 1e9, 0.0, 5.0)
    runs = [
        serve_table(Plan(OWN, (replace(SMALL, interruptions=rules),), seed=6), table, 300.0)
        for rules in ((spot,), (rare, spot))
    ]
    np.testing.assert_array_equal(runs[0].finished_s, runs[1].finished_s)
    assert runs[0].restarts.sum() > 0


@pytest.mark.parametrize("surge", [0, 1, 2, 5])
@pytest.mark.parametrize("every_s", [50.0, 4.0])
def test_a_rollout_replaces_every_replica_and_loses_nothing(surge: int, every_s: float) -> None:
    table = random_table(44, sessions=200, rate_per_s=2.0)
    rule = Rollout(tuple(np.arange(20.0, 90.0, every_s).tolist()), surge)
    fleet = replace(SMALL, replicas=3, rollout=rule)
    plan = Plan(OWN, (fleet,))
    ledger = serve_table(plan, table, 1e4)
    assert_invariants(ledger, plan)
    assert (ledger.outcome == layout.COMPLETED).all()
    assert ledger.restarts.sum() == 0
    periods = ledger.fleets[0].periods_s
    at_end = periods[:, 1] == ledger.horizon_s
    assert at_end.sum() == 3
    assert (periods[at_end, 0] >= 20.0).all()
    assert ledger.fleets[0].max_replicas <= 3 + max(1, surge) + 3
    if surge == 0:
        assert ledger.fleets[0].max_replicas == 3


@pytest.mark.slow
def test_rollouts_and_losses_together_leave_the_fleet_its_size() -> None:
    table = random_table(45, sessions=600, rate_per_s=1.0)
    for seed in range(10):
        fleet = replace(
            SMALL,
            replicas=3,
            rollout=Rollout(tuple(np.arange(20.0, 400.0, 30.0).tolist()), 1),
            interruptions=(Interruption("failure", 80.0, 0.0, 2.0),),
        )
        simulation = Simulation(Plan(OWN, (fleet,), seed=seed), table, 1e3, 0.0)
        (control,) = (o for o in simulation.calendar.owners if isinstance(o, FleetControl))
        sizes = []
        for at_s in np.arange(10.0, 600.0, 2.0):
            simulation.advance(at_s)
            sizes.append(control.present)
        assert max(sizes) <= 5
        assert np.mean(sizes) == pytest.approx(3.0, abs=0.35)
        simulation.finish()


@pytest.mark.slow
def test_notices_and_rollouts_together_leave_the_fleet_its_size() -> None:
    table = random_table(47, sessions=600, rate_per_s=1.0)
    for seed in range(10):
        fleet = replace(
            SMALL,
            replicas=4,
            rollout=Rollout(tuple(np.arange(20.0, 400.0, 40.0).tolist()), 1),
            interruptions=(Interruption("spot", 60.0, 15.0, 5.0),),
        )
        ledger = serve_table(Plan(OWN, (fleet,), seed=seed), table, 1e3)
        periods = ledger.fleets[0].periods_s
        assert (periods[:, 1] == 1e3).sum() <= 5  # one may be draining
        assert ledger.fleets[0].owned_s(500.0, 1000.0) / 500.0 <= 4.6


@pytest.mark.slow
def test_a_fleet_at_its_most_waits_for_machines_that_drain() -> None:
    scaler = Autoscaler(2.0, 4, 1.0, 0.0)
    fleet = replace(SMALL, replicas=1, cold_start_s=0.1, autoscaler=scaler)
    table = random_table(46, sessions=300, rate_per_s=8.0)
    plan = Plan(OWN, (replace(fleet, rollout=Rollout((5.0, 15.0, 25.0), 4)),))
    ledger = serve_table(plan, table, 1e4)
    assert_invariants(ledger, plan)
    assert (ledger.outcome == layout.COMPLETED).all()
