"""Autoscalers by every measure, and traffic that moves to where it is cheaper."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from simulator.engine.control.replica_lifecycle import FleetControl
from simulator.engine.records import layout
from simulator.engine.run import Simulation, serve_table
from simulator.engine.spec.plan import Endpoint, Fleet, Overflow, Plan
from simulator.engine.spec.policies import Autoscaler, Rebalancer
from simulator.pricing.rows import RateRow
from simulator.serving.steptime import StepTime
from simulator.traffic.table import RequestTable
from simulator.units import HOUR_S
from tests.support.engine.plans import DIRECT, ENDPOINT, FLEET, OWN, assert_invariants
from tests.support.pricing.api_samples import CARD
from tests.support.traffic.traffic_samples import open_loop, random_table

MONDAY_S = 4 * 86400.0
"""A Monday's midnight, Unix time."""


def sizes(plan: Plan, table: RequestTable, until_s: float, zero_s: float = 0.0) -> np.ndarray:
    """Replicas present by second."""
    simulation = Simulation(plan, table, until_s + 1.0, zero_s)
    control = next(o for o in simulation.calendar.owners if isinstance(o, FleetControl))
    found = []
    for second in np.arange(1.0, until_s):
        simulation.advance(second)
        found.append(control.present)
    assert_invariants(simulation.finish(), plan)
    return np.array(found)


def burst(fleet: Fleet, count: int = 80, output_tok: int = 300) -> RequestTable:
    return open_loop(np.arange(count) * 0.02, np.full(count, 100), np.full(count, output_tok))


@pytest.mark.parametrize(("metric", "target"), [("in-flight", 10.0), ("queue", 20.0), ("kv", 0.3)])
def test_every_measure_grows_the_fleet_and_lets_it_shrink(metric: str, target: float) -> None:
    scaler = Autoscaler(target, 6, 1.0, 5.0, metric)
    fleet = replace(FLEET, replicas=1, cold_start_s=2.0, autoscaler=scaler)
    present = sizes(Plan(OWN, (fleet,)), burst(fleet), 300.0)
    assert present[0] == 1
    assert 2 <= present.max() <= 6
    assert present[-1] == 1


def test_more_replicas_only_after_the_wish_has_lasted() -> None:
    scaler = Autoscaler(5.0, 6, 1.0, 5.0)
    first = []
    for delay_s in (0.0, 6.0):
        fleet = replace(FLEET, replicas=1, autoscaler=replace(scaler, scale_up_delay_s=delay_s))
        present = sizes(Plan(OWN, (fleet,)), burst(fleet), 60.0)
        first.append(int(np.argmax(present > 1)))
    assert first[1] - first[0] == 6


def test_a_schedule_follows_the_hours_of_the_week() -> None:
    floors = np.ones(168, int)
    floors[9:17] = 4  # Monday
    floors[24 * 6 + 23] = 2  # Sunday night
    scaler = Autoscaler(1.0, 5, 60.0, 0.0, "schedule", floors=tuple(floors.tolist()))
    fleet = replace(FLEET, replicas=1, cold_start_s=0.0, autoscaler=scaler)
    table = random_table(61, sessions=3)
    for zero_s in (MONDAY_S, MONDAY_S + 7 * 86400.0, MONDAY_S - 2 * HOUR_S):
        ledger = serve_table(Plan(OWN, (fleet,)), table, 30 * HOUR_S, zero_s)
        account = ledger.fleets[0]
        for hour in range(30):
            begin_s = hour * HOUR_S
            place = int((zero_s - MONDAY_S) // HOUR_S) + hour
            held = account.owned_s(begin_s + 120.0, begin_s + HOUR_S) / (HOUR_S - 120.0)
            assert held == pytest.approx(floors[place % 168])


def test_scaling_never_drains_the_last_that_serve() -> None:
    """What is away counts as present, but does not serve: the helper against a real defect."""
    scaler = Autoscaler(50.0, 6, 1.0, 0.0)
    fleet = replace(FLEET, replicas=1, autoscaler=scaler, cold_start_s=30.0)
    simulation = Simulation(Plan(OWN, (fleet,)), random_table(62, sessions=5), 100.0, 0.0)
    control = next(o for o in simulation.calendar.owners if isinstance(o, FleetControl))
    for _ in range(3):
        control.launch(0.0)
    simulation.advance(10.0)
    assert len(control.slots_in(layout.READY)) == 1
    assert len(control.slots_in(layout.STARTING)) == 3
    simulation.advance(40.0)
    assert len(control.slots_in(layout.READY)) == 1


PRICED = replace(ENDPOINT, cache=replace(ENDPOINT.cache, rule="none"))
STEADY = StepTime.linear(256, fixed_s=0.02, prefill_token_s=1e-4)


def at_prices(factor: float) -> Endpoint:
    """The endpoint with every price times a factor."""
    (row,) = CARD.rows
    dearer = replace(row, rates={name: price * factor for name, price in row.rates.items()})
    return replace(PRICED, card=replace(CARD, rows=(dearer,)))


def rebalancing(endpoint: Endpoint, replicas: int, horizon_s: float) -> tuple[Plan, RequestTable]:
    """A steady load on a fleet that may grow to four."""
    count = int(horizon_s * 4)
    table = open_loop(np.arange(count) / 4.0, np.full(count, 400), np.full(count, 49))
    fleet = replace(FLEET, step_time=STEADY, replicas=replicas, cold_start_s=5.0, max_sequences=3)
    # A request costs 400 x $1 + 49 x $5 per million: $ 0.000645; a replica carries about 2.5/s.
    rule = Rebalancer(0, 0, 60.0, 0.0008, 0.1, 4)
    return Plan(OWN, (fleet,), (endpoint,), DIRECT, Overflow((0,), 3), rebalancer=rule), table


def rebalanced(endpoint: Endpoint, replicas: int, horizon_s: float = 3000.0) -> tuple:
    """Replicas present, and share of requests served at home, in the last third."""
    plan, table = rebalancing(endpoint, replicas, horizon_s)
    present = sizes(plan, table, horizon_s)
    ledger = serve_table(plan, table, horizon_s)
    late = ledger.offered & (ledger.arrival_s > horizon_s * 2 / 3)
    return present[-int(horizon_s / 3) :], (ledger.server[late] == layout.OWN).mean()


@pytest.mark.slow
def test_replicas_that_earn_their_rent_are_launched_and_kept() -> None:
    present, share = rebalanced(at_prices(1.0), 0)
    assert present.min() >= 1
    assert share > 0.5
    many, _ = rebalanced(at_prices(1.0), 4)
    assert many.max() <= present.max() + 1  # idle ones are let go


def test_traffic_leaves_when_the_endpoint_is_cheap() -> None:
    present, share = rebalanced(at_prices(0.2), 3)
    assert present.max() == 0
    assert share == 0.0


def test_traffic_moves_when_prices_change() -> None:
    (row,) = CARD.rows
    cheap = {name: price * 0.2 for name, price in row.rates.items()}
    later = RateRow(rates=cheap, from_time=datetime.fromtimestamp(1500.0, UTC))
    endpoint = replace(PRICED, card=replace(CARD, rows=(row, later)))
    plan, table = rebalancing(endpoint, 1, 3000.0)
    ledger = serve_table(plan, table, 3000.0)
    home = ledger.server == layout.OWN
    assert home[(ledger.arrival_s > 800) & (ledger.arrival_s < 1500)].mean() > 0.3
    assert home[ledger.arrival_s > 2000].mean() == 0.0
