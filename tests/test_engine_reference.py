"""The engine against a plain step-by-step simulation, request by request."""

import numpy as np
import pytest
from reference import ReferenceFleet
from traffic_samples import random_table

from simulator.engine import layout
from simulator.engine.plan import Fleet, Plan
from simulator.engine.run import run
from simulator.serving.capacity import KvCapacity
from simulator.serving.steptime import StepTime


def random_fleet(seed: int) -> Fleet:
    """Small replicas under pressure: few blocks, small budgets, few sequences."""
    rng = np.random.default_rng(seed)
    block_tok = int(rng.choice([1, 4, 16]))
    budget = int(rng.choice([16, 64, 256]))
    step = StepTime(
        token_s=0.01 + 1e-4 * np.arange(budget + 1) ** 0.9,
        mixed_s=0.012 + 1e-4 * np.arange(budget + 1) ** 0.9,
        decoding_s=float(rng.choice([0, 2e-4])) * np.arange(budget + 1),
        prefill_token_s=float(rng.choice([0, 3e-5])),
        context_token_s=float(rng.choice([0, 1e-6])),
        attention_s=float(rng.choice([0, 1e-8])),
    )
    kv_tok = int(rng.choice([700, 2000, 20000]))
    return Fleet(
        step_time=step,
        kv=KvCapacity(kv_tok // block_tok, block_tok, 0.5),
        max_batched_tok=budget,
        max_sequences=int(rng.choice([2, 5, 16])),
        max_model_tok=int(rng.choice([650, 1900])),
        prefix_cache=bool(rng.random() < 0.8),
        request_overhead_s=float(rng.choice([0, 0.03])),
        request_token_s=float(rng.choice([0, 1e-4])),
        replicas=int(rng.integers(1, 4)),
        cold_start_s=60.0,
        sticky_slack=int(rng.integers(0, 4)),
        reserves_output=bool(rng.random() < 0.3),
    )


@pytest.mark.parametrize("seed", range(200))
def test_engine_equals_reference(seed: int) -> None:
    fleet = random_fleet(seed)
    table = random_table(seed, sessions=25, rate_per_s=float(1 + seed % 5))
    horizon_s = 1e4
    ledger = run(Plan(routes=(layout.FLEET,), fleet=fleet), table, horizon_s)
    reference = ReferenceFleet(fleet, table, horizon_s)
    np.testing.assert_array_equal(ledger.outcome == layout.REJECTED, reference.rejected)
    served = ledger.outcome == layout.COMPLETED
    assert served.any()
    for name in ("arrival_s", "start_s", "first_token_s"):
        got, expected = getattr(ledger, name)[served], np.array(getattr(reference, name))[served]
        np.testing.assert_allclose(got, expected, rtol=1e-9, err_msg=name)
    np.testing.assert_allclose(
        ledger.finished_s[served], np.array(reference.finished_s)[served], rtol=1e-9
    )
    np.testing.assert_array_equal(ledger.cached_tok, reference.cached_tok)
    np.testing.assert_array_equal(ledger.preemptions, reference.preemptions)


def test_samples_reach_every_mechanism() -> None:
    """The comparison above means something: preemption, cache hits, chunks and rejections occur."""
    preempted = cached = rejected = 0
    for seed in range(60):
        fleet = random_fleet(seed)
        table = random_table(seed, sessions=25, rate_per_s=float(1 + seed % 5))
        ledger = run(Plan(routes=(layout.FLEET,), fleet=fleet), table, 1e4)
        preempted += int((ledger.preemptions > 0).sum())
        cached += int((ledger.cached_tok > 0).sum())
        rejected += int((ledger.outcome == layout.REJECTED).sum())
    assert min(preempted, cached, rejected) > 50
