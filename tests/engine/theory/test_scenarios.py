"""Queues with closed forms, written as scenarios, come out right through all of the simulator.

Every check is an interval that must hold the closed form's value and be narrow.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator.engine.records.layout import OWN, REJECTED
from tests.support.engine.theory import (
    EXPONENTIAL,
    MEAN_TOK,
    STEP_S,
    batching_limit,
    check_batching,
    constant_service_tail,
    constant_service_waits,
    crommelin,
    erlang_b,
    erlang_c,
    finite_queue,
    pollaczek_khinchine,
    queue,
    rounded_lognormal,
    seen_by_arrivals,
    served,
    sojourns_s,
    stationary,
    steady,
    study_of,
    waits_s,
)

pytestmark = pytest.mark.slow

CONSTANT = MEAN_TOK
"""Every answer takes one second."""


def test_arrivals_are_poisson(tmp_path: Path) -> None:
    """Gaps have mean and deviation 1/rate, counts in any window a variance like their mean."""
    arrival_s = served(study_of(tmp_path, queue(2.0))).arrival_s
    gaps_s = np.diff(arrival_s)
    steady(gaps_s).check(1 / 2.0, 0.02)
    steady(gaps_s**2).check(2 / 2.0**2, 0.04)
    steady(gaps_s > 1.0).check(np.exp(-2.0), 0.05)
    for window_s in (10.0, 100.0):
        counts = np.bincount((arrival_s // window_s).astype(int))[:-1]
        steady((counts - 2.0 * window_s) ** 2).check(2.0 * window_s, 0.12)


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_m_m_1(tmp_path: Path, load: float) -> None:
    """P(wait) = load, mean wait = load/(1-load), sojourns exponential (Kleinrock 1975, 3.2)."""
    ledger = served(study_of(tmp_path, queue(load)))
    wait_s, stay_s = waits_s(ledger), sojourns_s(ledger)
    steady(wait_s > STEP_S).check(load, 0.015)
    steady(wait_s).check(load / (1 - load), 0.08)
    steady(seen_by_arrivals(ledger)).check(load / (1 - load), 0.08)
    for above in (0.5, 0.05):
        quantile_s = -np.log(above) / (1 - load)
        steady(stay_s > quantile_s).check(above, 0.2)


@pytest.mark.parametrize(("servers", "offered"), [(2, 1.5), (8, 6.4)])
def test_m_m_c(tmp_path: Path, servers: int, offered: float) -> None:
    """P(wait) is Erlang's C; who waits, waits an exponential time of rate c-offered (Erlang 1917).

    A batch of c whose steps take no longer when it is full is c servers with one queue.
    """
    said = queue(offered, requests=1_200_000, max_sequences=servers)
    wait_s = waits_s(served(study_of(tmp_path, said)))
    waiting = erlang_c(servers, offered)
    steady(wait_s > STEP_S).check(waiting, 0.03)
    steady(wait_s).check(waiting / (servers - offered), 0.09)
    waited = wait_s > STEP_S
    steady(wait_s[waited]).check(1 / (servers - offered), 0.07)
    p95_s = np.log(waiting / 0.05) / (servers - offered)
    steady(wait_s > p95_s).check(0.05, 0.16)


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_m_d_1(tmp_path: Path, load: float) -> None:
    """Mean wait of constant service load/(2(1-load)), and Erlang's law of 1909 for its tail."""
    wait_s = waits_s(served(study_of(tmp_path, queue(load, CONSTANT))))
    steady(wait_s).check(pollaczek_khinchine(load, 1.0, 1.0), 0.05)
    for services in (0.5, 1.5, 3.25):
        tail = constant_service_tail(load, services)
        steady(wait_s > services).check(tail, 0.13)


def test_m_g_1_with_geometric_lengths(tmp_path: Path) -> None:
    """Pollaczek-Khinchine with E[n^2] = m^2 (2 - 1/m) of answers of m tokens in the mean."""
    mean_tok, load = 4.0, 0.7
    step_s = 1 / mean_tok
    said = queue(load, {"mean": mean_tok}, step_time={"fixed_s": step_s})
    ledger = served(study_of(tmp_path, said))
    steady(ledger.completion_tok).check(mean_tok, 0.02)
    steady(waits_s(ledger)).check(pollaczek_khinchine(load, 1.0, 2 - 1 / mean_tok), 0.1)


@pytest.mark.parametrize(("sigma", "most"), [(1.0, None), (1.0, 400), (1.5, 1200)])
def test_m_g_1_with_lognormal_lengths(tmp_path: Path, sigma: float, most: int | None) -> None:
    """Pollaczek-Khinchine with the moments of the rounded and clipped lognormal, summed up."""
    median, load = 150.0, 0.6
    tokens, shares = rounded_lognormal(median, sigma, most or 100_000)
    mean_tok, square_tok2 = (shares * tokens).sum(), (shares * tokens**2.0).sum()
    step_s = float(1 / mean_tok)
    lengths = {"median": median, "sigma": sigma} | ({"most": most} if most else {})
    ledger = served(study_of(tmp_path, queue(load, lengths, step_time={"fixed_s": step_s})))
    steady(ledger.completion_tok).check(mean_tok, 0.01)
    expected_s = pollaczek_khinchine(load, 1.0, square_tok2 * step_s**2)
    steady(waits_s(ledger)).check(expected_s, 0.09)


def test_a_declared_limit_clips_lengths_as_well(tmp_path: Path) -> None:
    """The same with ``max_output_tokens`` as the clip."""
    tokens, shares = rounded_lognormal(150.0, 1.0, 250)
    step_s = float(1 / (shares * tokens).sum())
    said = queue(0.6, {"median": 150, "sigma": 1.0}, step_time={"fixed_s": step_s})
    said["traffic"]["calls"]["max_output_tokens"] = 250
    expected_s = pollaczek_khinchine(0.6, 1.0, (shares * tokens**2.0).sum() * step_s**2)
    steady(waits_s(served(study_of(tmp_path, said)))).check(expected_s, 0.04)


@pytest.mark.parametrize(("servers", "offered"), [(2, 1.5), (5, 4.0)])
def test_m_d_c(tmp_path: Path, servers: int, offered: float) -> None:
    """Chance, mean and tail of waits for c servers of constant service (Crommelin 1932)."""
    said = queue(offered, CONSTANT, 1_200_000, max_sequences=servers)
    wait_s = waits_s(served(study_of(tmp_path, said)))
    shares = crommelin(servers, offered)
    queued = np.maximum(0, np.arange(len(shares)) - servers)
    steady(wait_s > STEP_S).check(shares[servers:].sum(), 0.02)
    steady(wait_s).check((queued * shares).sum() / offered, 0.05)
    tail = constant_service_waits(servers, offered, 0.8)
    steady(wait_s > 0.8).check(tail, 0.08)


@pytest.mark.parametrize(("servers", "places", "offered"), [(1, 5, 0.9), (3, 7, 3.0), (4, 4, 5.0)])
def test_m_m_c_k_refuses_what_finds_it_full(
    tmp_path: Path, servers: int, places: int, offered: float
) -> None:
    """Share refused, and mean wait of the others (Kleinrock 1975, 3.8; Erlang's B where K = c)."""
    own = {"max_sequences": servers, "max_waiting": places - servers}
    ledger = served(study_of(tmp_path, queue(offered, **own)))
    shares = finite_queue(servers, places, offered)
    refused = ledger.outcome == REJECTED
    steady(refused).check(shares[-1], 0.03)
    steady(seen_by_arrivals(ledger)).check((np.arange(places + 1) * shares).sum(), 0.015)
    queued = (np.maximum(0, np.arange(places + 1) - servers) * shares).sum()
    if places > servers:
        steady(waits_s(ledger)).check(queued / (offered * (1 - shares[-1])), 0.02)


@pytest.mark.parametrize(("servers", "spill_at"), [(1, 4), (3, 5)])
def test_m_m_c_k_spills_to_an_api(tmp_path: Path, servers: int, spill_at: int) -> None:
    """What a hybrid's base does not take is M/M/c/K's blocking, and nothing of it is lost."""
    offered = 0.95 * servers
    said = queue(offered, max_sequences=servers)
    ledger = served(study_of(tmp_path, said), "hybrid", spill_in_flight=spill_at)
    shares = finite_queue(servers, spill_at, offered)
    steady(ledger.server != OWN).check(shares[-1], 0.03)
    assert not (ledger.outcome == REJECTED).any()


@pytest.mark.parametrize("output_tokens", [EXPONENTIAL, CONSTANT], ids=["exponential", "constant"])
@pytest.mark.parametrize("own", [{"max_waiting": 0}, {}], ids=["no queue", "spill at one"])
def test_replicas_without_a_queue_are_erlang_loss(
    tmp_path: Path, output_tokens: Any, own: dict[str, Any]
) -> None:
    """c replicas of one sequence: Erlang's B, whatever the law of service (Sevastyanov 1957)."""
    study = study_of(tmp_path, queue(4.5, output_tokens, **own))
    ledger = served(study, "hybrid", replicas=6, spill_in_flight=100 if own else 1)
    steady(ledger.server != OWN).check(erlang_b(6, 4.5), 0.025)


def shortest_queues(offered: float, places: int) -> np.ndarray:
    """Shares of the states (n, m) of two servers whose shorter queue is joined, ties by turns."""

    def at(n: int, m: int) -> int:
        return n * (places + 1) + m

    rates = np.zeros(((places + 1) ** 2,) * 2)
    for n in range(places + 1):
        for m in range(places + 1):
            one = 0.5 if n == m else float(n < m)
            if min(n, m) < places:
                rates[at(n, m), at(min(n + 1, places), m)] += offered * one
                rates[at(n, m), at(n, min(m + 1, places))] += offered * (1 - one)
            if n:
                rates[at(n, m), at(n - 1, m)] += 1.0
            if m:
                rates[at(n, m), at(n, m - 1)] += 1.0
    moves = rates / (offered + 2.0)
    np.fill_diagonal(moves, moves.diagonal() + 1 - moves.sum(1))
    return stationary(moves).reshape(places + 1, places + 1)


def test_two_replicas_are_the_join_of_the_shorter_queue(tmp_path: Path) -> None:
    """Each arrival joins the replica with fewer in flight (Haight 1958), at most five each."""
    offered, places = 1.9, 5
    study = study_of(tmp_path, queue(offered, max_waiting=places - 1))
    ledger = served(study, replicas=2)
    shares = shortest_queues(offered, places)
    steady(ledger.outcome == REJECTED).check(shares[-1, -1], 0.06)
    numbers = np.add.outer(np.arange(places + 1), np.arange(places + 1))
    steady(seen_by_arrivals(ledger)).check((numbers * shares).sum(), 0.02)
    idle = shares[0].sum() + shares[:, 0].sum() - shares[0, 0]
    steady(waits_s(ledger) <= STEP_S).check(idle / (1 - shares[-1, -1]), 0.04)


@pytest.mark.parametrize("rate", [1.2, 1.9])
def test_continuous_batching(tmp_path: Path, rate: float) -> None:
    """Step a + b*n, geometric answers, cap N: number in system, sojourn, TPOT, P(full).

    The birth-death chain whose deaths come at n / (m * (a + b*n)); TPOT and the number in the
    batch are one by Little's law.
    """
    cap, a, b = 8, 1e-3, 1e-4
    own = {
        "max_sequences": cap,
        "step_time": {"fixed_s": a, "sequence_s": b, "prefill_token_s": b},
    }
    said = queue(rate, {"mean": 2000}, **own)
    ledger = served(study_of(tmp_path, said))
    check_batching(ledger, batching_limit(rate, 2000, a, b, cap), rate, cap)
