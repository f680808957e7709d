"""Closed forms that ordinary plans must reproduce within their confidence interval.

The same through scenarios: ``test_theory_scenarios.py`` and ``test_theory_fleets.py``.
"""

from dataclasses import replace

import numpy as np
import pytest

from simulator.engine.records import layout
from simulator.engine.run import serve_table
from simulator.engine.spec.plan import Fleet, Overflow, Plan
from simulator.serving.capacity import KvCapacity
from simulator.serving.steptime import StepTime
from simulator.traffic.table import RequestTable
from tests.support.engine.plans import DIRECT, ENDPOINT
from tests.support.engine.theory import (
    batching_exact,
    batching_limit,
    check_batching,
    erlang_b,
    pollaczek_khinchine,
    sojourns_s,
    steady,
    waits_s,
)
from tests.support.traffic.traffic_samples import open_loop

pytestmark = pytest.mark.slow

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


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_m_d_1_wait(load: float) -> None:
    service_s = 5.0
    tokens = np.full(200_000, service_s)
    table = poisson_table(load / service_s, len(tokens), tokens, seed=1)
    # Pollaczek-Khinchine for constant service. An idle server starts at once, so no step waits.
    expected_s = load * service_s / (2 * (1 - load))
    wait_s = waits_s(serve_table(Plan((layout.OWN,), (ONE_BY_ONE,)), table, 1e12))
    steady(wait_s).check(expected_s, 0.08)


@pytest.mark.parametrize("mean_tok", [1.5, 4.0, 40.0])
def test_m_g_1_wait_with_geometric_lengths(mean_tok: float) -> None:
    load = 0.7
    tokens = np.random.default_rng(2).geometric(1 / mean_tok, 600_000)
    table = poisson_table(load / mean_tok, len(tokens), tokens, seed=3)
    wait_s = waits_s(serve_table(Plan((layout.OWN,), (ONE_BY_ONE,)), table, 1e12))
    second_moment = mean_tok**2 * (2 - 1 / mean_tok)
    steady(wait_s).check(pollaczek_khinchine(load / mean_tok, mean_tok, second_moment), 0.05)


def test_m_m_c_c_overflow_is_erlang_loss() -> None:
    """Blocked calls spill: the share that does is Erlang's B, whatever the law of service."""
    servers, offered_erlang, service_tok = 4, 3.0, 20.0
    tokens = np.random.default_rng(4).geometric(1 / service_tok, 200_000)
    table = poisson_table(offered_erlang / service_tok, len(tokens), tokens, seed=5)
    fleet = replace(ONE_BY_ONE, replicas=servers)
    plan = Plan((layout.OWN,), (fleet,), (ENDPOINT,), DIRECT, Overflow((0,), 1))
    spilled = serve_table(plan, table, 1e12).server != layout.OWN
    steady(spilled).check(erlang_b(servers, offered_erlang), 0.03)


@pytest.mark.parametrize(
    ("mean_tok", "rate"), [(400.0, 0.9), (5.0, 55.0), (2.0, 130.0)], ids=["long", "short", "tiny"]
)
def test_batching_is_the_exact_birth_death_chain(mean_tok: float, rate: float) -> None:
    """Step time a + b*n, geometric outputs, cap N, whatever the length of the outputs.

    At its step boundaries the number in the system is a Markov chain: of min(n, N) each ends with
    the same chance, and as many come as Poisson lets in that step's time.
    """
    cap, a, b = 8, 0.01, 0.001
    fleet = replace(
        ONE_BY_ONE,
        step_time=StepTime.linear(cap, fixed_s=a, sequence_s=b, prefill_token_s=b),
        max_batched_tok=cap,
        max_sequences=cap,
    )
    tokens = np.random.default_rng(6).geometric(1 / mean_tok, 300_000)
    table = poisson_table(rate, len(tokens), tokens, seed=7)
    ledger = serve_table(Plan((layout.OWN,), (fleet,)), table, 1e12)
    expected = batching_exact(rate, mean_tok, a, b, cap)
    check_batching(ledger, expected, rate, cap)
    # Of long outputs it is the chain of mean rates; of short ones far from it.
    limit_s = batching_limit(rate, mean_tok, a, b, cap).in_system / rate
    stay = steady(sojourns_s(ledger))
    assert (abs(stay.mean - limit_s) < stay.half) == (mean_tok > 100)
