"""Random plans and traffic that reach every rule of the scheduler."""

from dataclasses import replace

import numpy as np

from simulator.engine.records import layout
from simulator.engine.spec.plan import Fleet, Plan
from simulator.serving.capacity import KvCapacity
from simulator.serving.steptime import StepTime
from simulator.traffic.table import RequestTable
from tests.support.traffic.traffic_samples import random_table

WORKLOADS = 3
MAX_MODEL_TOK = 1900


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
