"""The engine against a plain step-by-step simulation, request by request."""

import numpy as np
import pytest

from simulator.engine.records import layout
from simulator.engine.run import serve_table
from simulator.engine.spec.plan import Plan
from simulator.traffic.table import RequestTable
from tests.support.engine.random_plans import random_fleet, random_mixture, random_plan
from tests.support.engine.reference import Reference
from tests.support.traffic.traffic_samples import random_table

pytestmark = pytest.mark.slow


def assert_equals_reference(plan: Plan, table: RequestTable) -> None:
    horizon_s = 1e4
    ledger = serve_table(plan, table, horizon_s)
    reference = Reference(plan, table, horizon_s)
    np.testing.assert_array_equal(ledger.outcome, reference.outcome)
    served = ledger.outcome == layout.COMPLETED
    assert served.any()
    for name in ("arrival_s", "start_s", "first_token_s"):
        got, expected = getattr(ledger, name)[served], np.array(getattr(reference, name))[served]
        np.testing.assert_allclose(got, expected, rtol=1e-9, err_msg=name)
    np.testing.assert_allclose(ledger.finished_s, reference.finished_s, rtol=1e-9)
    np.testing.assert_array_equal(ledger.cached_tok, reference.cached_tok)
    np.testing.assert_array_equal(ledger.preemptions, reference.preemptions)
    np.testing.assert_array_equal(ledger.completion_tok, reference.streamed_tok)


@pytest.mark.parametrize("seed", range(200))
def test_engine_equals_reference(seed: int) -> None:
    table = random_table(seed, sessions=25, rate_per_s=float(1 + seed % 5))
    assert_equals_reference(Plan((layout.OWN,), (random_fleet(seed),)), table)


@pytest.mark.parametrize("seed", range(150))
def test_every_rule_of_scheduling_equals_reference(seed: int) -> None:
    assert_equals_reference(random_plan(seed), random_mixture(seed))


def test_samples_reach_every_mechanism() -> None:
    """The comparison above means something: preemption, cache hits, chunks and rejections occur."""
    preempted = cached = rejected = 0
    for seed in range(60):
        fleet = random_fleet(seed)
        table = random_table(seed, sessions=25, rate_per_s=float(1 + seed % 5))
        ledger = serve_table(Plan(routes=(layout.OWN,), fleets=(fleet,)), table, 1e4)
        preempted += int((ledger.preemptions > 0).sum())
        cached += int((ledger.cached_tok > 0).sum())
        rejected += int((ledger.outcome == layout.REJECTED).sum())
    assert min(preempted, cached, rejected) > 50
