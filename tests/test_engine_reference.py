"""The engine against a plain step-by-step simulation, request by request."""

from dataclasses import replace

import numpy as np
import pytest
from reference import Reference
from traffic_samples import random_table

from simulator.engine.records import layout
from simulator.engine.run import serve_table
from simulator.engine.spec.plan import Fleet, Plan
from simulator.serving.capacity import KvCapacity
from simulator.serving.steptime import StepTime
from simulator.traffic.table import RequestTable

WORKLOADS = 3
MAX_MODEL_TOK = 1900


def irregular(budget: int) -> StepTime:
    """Steps whose sums meet no other times by chance; rounding decides about ties."""
    return StepTime.linear(budget, fixed_s=0.0117 + 1e-5 * np.pi, sequence_s=1e-4 / np.e)


def random_fleet(seed: int) -> Fleet:
    """Small replicas under pressure: few blocks, small budgets, few sequences."""
    rng = np.random.default_rng(seed)
    block_tok = int(rng.choice([1, 4, 16]))
    windows, share = {}, 0.0
    if np.random.default_rng([seed, 2]).random() < 0.5:
        share = 1.5
        windows = {"window_tok": 150, "window_token_s": 2e-6, "window_attention_s": 3e-8}
    budget = int(rng.choice([16, 64, 256]))
    step = StepTime(
        token_s=0.01 + 1e-4 * np.arange(budget + 1) ** 0.9,
        mixed_s=0.012 + 1e-4 * np.arange(budget + 1) ** 0.9,
        decoding_s=float(rng.choice([0, 2e-4])) * np.arange(budget + 1),
        prefill_token_s=float(rng.choice([0, 3e-5])),
        context_token_s=float(rng.choice([0, 1e-6])),
        attention_s=float(rng.choice([0, 1e-8])),
        admission_s=1e-3 * np.e if seed % 3 == 0 else 0.0,
        **windows,
    )
    kv_tok = int(rng.choice([700, 2000, 20000]))
    return Fleet(
        step_time=step,
        kv=KvCapacity(kv_tok // block_tok, block_tok, 0.5, windows.get("window_tok", 0), share),
        max_batched_tok=budget,
        max_sequences=int(rng.choice([2, 5, 16])),
        max_model_tok=int(rng.choice([650, 1900])),
        prefix_cache=bool(rng.random() < 0.8),
        request_overhead_s=float(rng.choice([0, 0.03])),
        request_token_s=float(rng.choice([0, 1e-4])),
        replicas=int(rng.integers(1, 4)),
        cold_start_s=60.0,
        affinity_slack=int(rng.integers(0, 4)),
        reserves_output=bool(rng.random() < 0.3),
        schedules_ahead=seed % 4 < 2,
    )


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


def random_plan(seed: int) -> Plan:
    """One to three fleets, one of which may decode for another, with every rule of scheduling."""
    rng = np.random.default_rng([seed, 1])
    fleets = [random_fleet(1000 * seed + k) for k in range(int(rng.integers(1, 4)))]
    for k, fleet in enumerate(fleets):
        chunked = bool(rng.random() < 0.6)
        budget = fleet.max_batched_tok if chunked else MAX_MODEL_TOK
        fleets[k] = replace(
            fleet,
            chunked_prefill=chunked,
            max_batched_tok=budget,
            step_time=fleet.step_time if chunked else irregular(budget),
            max_model_tok=MAX_MODEL_TOK,
            order=str(rng.choice(["first-come", "priority", "shortest"])),
            max_waiting=int(rng.integers(0, 9)) if rng.random() < 0.4 else None,
            affinity=str(rng.choice(["none", "session", "prefix"])),
            serves=frozenset(np.flatnonzero(rng.random(WORKLOADS) < 0.8).tolist()),
            weight=float(rng.choice([0.5, 1.0, 2.0])),
        )
    if len(fleets) > 1 and rng.random() < 0.6:
        fleets[-1] = replace(fleets[-1], serves=frozenset(), max_waiting=None)
        fleets[0] = replace(
            fleets[0],
            decode_fleet=len(fleets) - 1,
            transfer_s=0.01,
            # Two prompts of one step should not come at one instant: rounding decides about ties.
            transfer_token_s=float(rng.choice([1e-6, 1e-4])) * np.pi,
            serves=None,
        )
    else:
        fleets[0] = replace(fleets[0], serves=None)
    return Plan((layout.OWN,) * WORKLOADS, tuple(fleets), priorities=(2, 0, 1))


def random_mixture(seed: int) -> RequestTable:
    """Sessions of several workloads, whose clients may be impatient."""
    rng = np.random.default_rng([seed, 2])
    table = random_table(seed, sessions=30, rate_per_s=float(2 + seed % 7))
    patience_s = np.where(rng.random(table.size) < 0.3, rng.exponential(6.0, table.size), np.inf)
    workload = rng.integers(0, WORKLOADS, table.sessions().size)[table.session]
    return replace(
        table,
        patience_s=patience_s + 1e-3,
        workload=workload.astype(np.int32),
        workloads=tuple(map(str, range(WORKLOADS))),
    )


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
