"""The SimPy control plane: replicas follow the load and are paid for as long as they exist."""

from dataclasses import replace

import numpy as np
import pytest

from simulator.engine.records import layout
from simulator.engine.run import serve_table
from simulator.engine.spec.plan import Plan
from simulator.engine.spec.policies import Autoscaler
from tests.support.engine.plans import FLEET, OWN
from tests.support.traffic.traffic_samples import random_table

SCALER = Autoscaler(target=4.0, max_replicas=5, interval_s=1.0, scale_down_delay_s=20.0)


def burst(sessions: int = 400, rate_per_s: float = 6.0):
    """One request a session, for a minute or so: more than one replica can carry."""
    table = random_table(17, sessions=sessions, rate_per_s=rate_per_s)
    return table.take(np.flatnonzero(np.isnan(table.gap_s)))


def test_fleet_grows_with_a_burst_and_shrinks_after_it() -> None:
    fleet = replace(FLEET, replicas=1, autoscaler=SCALER)
    ledger = serve_table(Plan(OWN, (fleet,)), burst(), 600.0)
    account = ledger.fleets[0]
    assert account is not None
    assert 3 <= account.max_replicas <= 5
    assert account.owned_s(0, 600) < 0.8 * account.max_replicas * 600
    assert account.owned_s(500, 600) == pytest.approx(100.0)
    waits = (ledger.start_s - ledger.arrival_s)[ledger.completed]
    alone = serve_table(Plan(OWN, (replace(fleet, autoscaler=None),)), burst(), 600.0)
    assert waits.mean() < (alone.start_s - alone.arrival_s)[alone.completed].mean()


def test_nothing_serves_before_its_cold_start() -> None:
    fleet = replace(FLEET, replicas=0, cold_start_s=40.0, autoscaler=SCALER)
    ledger = serve_table(Plan(OWN, (fleet,)), burst(40), 600.0)
    assert np.nanmin(ledger.start_s) == pytest.approx(41.0)  # one interval, then the cold start
    assert ledger.completed.all()


def test_scale_to_zero_costs_nothing_when_idle() -> None:
    fleet = replace(FLEET, replicas=0, autoscaler=SCALER)
    ledger = serve_table(Plan(OWN, (fleet,)), burst(10), 3600.0)
    assert ledger.fleets
    assert ledger.completed.all()
    assert ledger.fleets[0].owned_s(600, 3600) == 0.0
    assert ledger.fleets[0].owned_s(0, 600) > 0.0


def test_drained_replicas_finish_their_work() -> None:
    impatient = replace(SCALER, scale_down_delay_s=0.0, target=8.0)
    fleet = replace(FLEET, replicas=1, autoscaler=impatient, cold_start_s=0.5)
    ledger = serve_table(Plan(OWN, (fleet,)), burst(), 2000.0)
    assert (ledger.outcome == layout.COMPLETED).all()
    periods = ledger.fleets[0].periods_s
    assert (periods[:, 1] >= periods[:, 0]).all()
    assert len(periods) > 3


@pytest.mark.slow
def test_slower_start_never_helps() -> None:
    waits = []
    for cold_start_s in (0.0, 20.0, 80.0):
        fleet = replace(FLEET, replicas=1, cold_start_s=cold_start_s, autoscaler=SCALER)
        ledger = serve_table(Plan(OWN, (fleet,)), burst(), 2000.0)
        waits.append(float((ledger.start_s - ledger.arrival_s).mean()))
    assert waits == sorted(waits)
