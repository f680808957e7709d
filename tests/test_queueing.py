"""Closed forms that ordinary plans must reproduce within their confidence interval."""

from dataclasses import replace

import numpy as np
import pytest
from test_engine_invariants import DIRECT, ENDPOINT
from traffic_samples import open_loop

from simulator.engine import layout
from simulator.engine.ledger import Ledger
from simulator.engine.plan import Fleet, Overflow, Plan
from simulator.engine.run import run
from simulator.serving.capacity import KvCapacity
from simulator.serving.steptime import StepTime
from simulator.traffic.table import RequestTable

Z_999 = 3.29
"""Two-sided normal quantile: a correct engine fails one test in a thousand seeds, and the seeds
are fixed."""

# One request at a time, one second a token: service takes as many seconds as there are tokens.
ONE_BY_ONE = Fleet(
    step_time=StepTime.linear(1, fixed_s=1.0),
    kv=KvCapacity(10_000, 16, 0.5),
    max_batched_tok=1,
    max_sequences=1,
    max_model_tok=100_000,
    prefix_cache=False,
    request_overhead_s=0.0,
    replicas=1,
    cold_start_s=0.0,
)


def poisson_table(rate: float, count: int, tokens: np.ndarray, seed: int) -> RequestTable:
    rng = np.random.default_rng(seed)
    return open_loop(np.cumsum(rng.exponential(1 / rate, count)), np.ones(count), tokens)


def waits_s(ledger: Ledger) -> np.ndarray:
    return (ledger.start_s - ledger.arrival_s)[ledger.completed]


def batch_interval(values: np.ndarray, batches: int = 40) -> tuple[float, float]:
    """Mean and half width of its interval from batch means, warm-up dropped."""
    steady = values[len(values) // 20 :]
    means = steady[: len(steady) // batches * batches].reshape(batches, -1).mean(1)
    return float(means.mean()), float(Z_999 * means.std(ddof=1) / np.sqrt(batches))


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_m_d_1_wait(load: float) -> None:
    service_s = 5.0
    tokens = np.full(200_000, service_s)
    table = poisson_table(load / service_s, len(tokens), tokens, seed=1)
    mean, half = batch_interval(waits_s(run(Plan((layout.FLEET,), (ONE_BY_ONE,)), table, 1e12)))
    # Pollaczek-Khinchine for constant service. An idle server starts at once, so no step waits.
    assert mean == pytest.approx(load * service_s / (2 * (1 - load)), abs=half)
    assert half < 0.1 * mean


@pytest.mark.parametrize("mean_tok", [4.0, 40.0])
def test_m_g_1_wait_with_geometric_lengths(mean_tok: float) -> None:
    load = 0.7
    tokens = np.random.default_rng(2).geometric(1 / mean_tok, 300_000)
    table = poisson_table(load / mean_tok, len(tokens), tokens, seed=3)
    mean, half = batch_interval(waits_s(run(Plan((layout.FLEET,), (ONE_BY_ONE,)), table, 1e12)))
    second_moment = mean_tok**2 * (2 - 1 / mean_tok)
    rate = load / mean_tok
    assert mean == pytest.approx(rate * second_moment / (2 * (1 - load)), abs=half)
    assert half < 0.2 * mean


def test_m_m_c_c_overflow_is_erlang_loss() -> None:
    """Blocked calls spill: the share that does is Erlang's B, whatever the law of service."""
    servers, offered_erlang, service_tok = 4, 3.0, 20.0
    tokens = np.random.default_rng(4).geometric(1 / service_tok, 200_000)
    table = poisson_table(offered_erlang / service_tok, len(tokens), tokens, seed=5)
    fleet = replace(ONE_BY_ONE, replicas=servers)
    plan = Plan((layout.FLEET,), (fleet,), (ENDPOINT,), DIRECT, Overflow((0,), 1))
    spilled = (run(plan, table, 1e12).server != layout.FLEET).astype(float)
    mean, half = batch_interval(spilled)
    blocking = 1.0
    for n in range(1, servers + 1):
        blocking = offered_erlang * blocking / (n + offered_erlang * blocking)
    assert mean == pytest.approx(blocking, abs=half)
    assert half < 0.1 * mean


def test_batching_is_the_exact_birth_death_chain() -> None:
    """Step time a + b*n, geometric outputs, cap N: the mean number in the system is the chain's.

    With one-token prompts a step is short beside the outputs, so arrivals during a step and the
    chain of mean rates n / (mean tokens * t(n)) agree closely.
    """
    cap, mean_tok, rate = 8, 400.0, 0.9
    a, b = 0.01, 0.001
    fleet = replace(
        ONE_BY_ONE,
        step_time=StepTime.linear(cap, fixed_s=a, sequence_s=b, prefill_token_s=b),
        max_batched_tok=cap,
        max_sequences=cap,
    )
    tokens = np.random.default_rng(6).geometric(1 / mean_tok, 300_000)
    table = poisson_table(rate, len(tokens), tokens, seed=7)
    ledger = run(Plan((layout.FLEET,), (fleet,)), table, 1e12)
    mean, half = batch_interval((ledger.finished_s - ledger.arrival_s)[ledger.completed])
    weights = [1.0]
    for n in range(1, 2000):
        busy = min(n, cap)
        weights.append(weights[-1] * rate / (busy / (mean_tok * (a + b * busy))))
    share = np.array(weights) / sum(weights)
    sojourn_s = float((np.arange(len(share)) * share).sum()) / rate
    assert mean == pytest.approx(sojourn_s, abs=half + 0.01 * sojourn_s)
    assert half < 0.1 * mean
