"""Textbook queues as ordinary scenarios, their closed forms, and intervals of what was simulated.

Times are in mean services: an answer of ``MEAN_TOK`` tokens, one each step, takes one second.
"""

from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from simulator.analysis.simulate.planning import plan_of
from simulator.analysis.study.options import Size
from simulator.analysis.study.study import Study
from simulator.engine.ledger import Ledger
from simulator.engine.run import serve_table
from simulator.scenario.building.study import load_study
from tests.support.scenarios import SMALL, write_scenario

FALSE_ALARM = 1e-3
"""A correct engine fails one check in a thousand seeds, and the seeds are fixed."""
MEAN_TOK = 2000
"""Of geometric answers, so long that they are exponential but for one part in 2,000."""
STEP_S = 1 / MEAN_TOK
EXPONENTIAL = {"mean": MEAN_TOK}


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and the half width of its interval."""

    mean: float
    half: float

    def check(self, expected: float, within: float) -> None:
        """Fail unless the interval holds a value and is narrower than a share of it each side."""
        assert self.half < within * abs(expected), (self, expected)
        assert abs(self.mean - expected) < self.half, (self, expected)


def replicated(values: Any) -> Estimate:
    """Mean of independent values. (n,)"""
    values = np.asarray(values, np.float64)
    quantile = stats.t.ppf(1 - FALSE_ALARM / 2, len(values) - 1)
    return Estimate(
        float(values.mean()), float(quantile * values.std(ddof=1) / np.sqrt(len(values)))
    )


def steady(values: np.ndarray, batches: int = 40) -> Estimate:
    """Mean of a stationary sequence from batch means, warm-up dropped. (n,)"""
    return replicated(_batch_means(values, batches))


def steady_ratio(above: np.ndarray, below: np.ndarray, batches: int = 40) -> Estimate:
    """Mean over mean of two stationary sequences. (n,), (n,)"""
    a, b = _batch_means(above, batches), _batch_means(below, batches)
    ratio = a.mean() / b.mean()
    return Estimate(float(ratio), replicated((a - ratio * b) / b.mean()).half)


def _batch_means(values: np.ndarray, batches: int) -> np.ndarray:
    kept = np.asarray(values[len(values) // 20 :], np.float64)
    return kept[: len(kept) // batches * batches].reshape(batches, -1).mean(1)


def queue(
    rate_per_s: float, output_tokens: Any = EXPONENTIAL, requests: int = 600_000, **own: Any
) -> dict[str, Any]:
    """Return a scenario: Poisson arrivals, a token a step, a batch of one unless ``own`` says more.

    A prompt has one token, so an answer of ``n`` tokens takes ``n`` steps.
    """
    said = deepcopy(SMALL)
    said["seed"] = 1
    said["horizon_hours"] = round(requests / rate_per_s / 3600)
    said["traffic"] = {
        "calls": {
            "kind": "sessions",
            "requests_per_month": rate_per_s * 730 * 3600,
            "week": "flat",
            "turns": 1,
            "gap_s": 0,
            "system_prompt_tokens": 0,
            "message_tokens": 1,
            "output_tokens": output_tokens,
            "max_output_tokens": 131_000,
            "max_prompt_tokens": 1000,
            "stable_session_share": 0,
        }
    }
    said["options"]["own"] = {
        "kind": "selfhost",
        "model": "llama-3.1-8b",
        "accelerator": "h100-sxm",
        "gpus_per_replica": 1,
        "weight_precision": "fp8",
        "step_time": {"fixed_s": STEP_S},
        "max_batched_tokens": own.get("max_sequences", 1),
        "max_sequences": 1,
        "max_model_tokens": 131_072,
        "kv_tokens": 10_000_000,
        "prefix_cache": False,
    } | own
    return said


def study_of(tmp_path: Path, said: dict[str, Any], *settings: str) -> Study:
    """Read a scenario as the command line does."""
    return load_study(write_scenario(tmp_path / "theory.yaml", said), list(settings))


def served(
    study: Study, name: str = "own", seed: int = 0, horizon_s: float = 0.0, **size: int
) -> Ledger:
    """Let an option of a study serve all of its traffic; one replica unless ``size`` says more."""
    option = next(o for o in study.options if o.name == name)
    plan = plan_of(study, option, Size(**{"replicas": 1, **size}))
    table = study.traffic.draw(seed or study.seed, 1.0)
    return serve_table(plan, table, horizon_s or study.traffic.horizon_s, study.epoch_s)


def waits_s(ledger: Ledger) -> np.ndarray:
    return (ledger.start_s - ledger.arrival_s)[ledger.completed]


def sojourns_s(ledger: Ledger) -> np.ndarray:
    return (ledger.finished_s - ledger.arrival_s)[ledger.completed]


def seen_by_arrivals(ledger: Ledger) -> np.ndarray:
    """Requests in the system that each arrival finds, which is what is there at any time (PASTA).

    Those that were not served are not counted, but find others all the same.
    """
    came_s, done = ledger.arrival_s, ledger.completed
    before = np.searchsorted(came_s[done], came_s, "left")
    return before - np.searchsorted(np.sort(ledger.finished_s[done]), came_s, "right")


def erlang_b(servers: int, offered: float) -> float:
    """Share of calls lost by ``servers`` without a queue (Erlang 1917)."""
    lost = 1.0
    for n in range(1, servers + 1):
        lost = offered * lost / (n + offered * lost)
    return lost


def erlang_c(servers: int, offered: float) -> float:
    """Share of calls that wait for one of ``servers`` (Erlang 1917)."""
    lost = erlang_b(servers, offered)
    return lost / (1 - offered / servers * (1 - lost))


def birth_death(births: np.ndarray, deaths: np.ndarray) -> np.ndarray:
    """Stationary shares of states 0..n; births leave 0..n-1, deaths leave 1..n. (n,), (n,)"""
    weights = np.cumprod(np.append(1.0, births / deaths))
    return weights / weights.sum()


def finite_queue(servers: int, places: int, offered: float) -> np.ndarray:
    """Shares of states 0..places of M/M/c/K (Kleinrock 1975, section 3.8)."""
    busy = np.minimum(np.arange(1, places + 1), servers)
    return birth_death(np.full(places, offered), busy.astype(np.float64))


def stationary(moves: np.ndarray) -> np.ndarray:
    """Stationary shares of a chain by its transition matrix. (n, n)"""
    n = len(moves)
    system = np.vstack([moves.T - np.eye(n), np.ones(n)])
    return np.linalg.lstsq(system, np.append(np.zeros(n), 1.0), rcond=None)[0]


def constant_service_tail(load: float, services: float) -> float:
    """P(wait > so many services) of M/D/1 (Erlang 1909)."""
    j = np.arange(int(services) + 1)
    terms = (load * (j - services)) ** j * np.exp(-load * (j - services))
    factorials = np.cumprod(np.maximum(j, 1), dtype=np.float64)
    return float(1 - (1 - load) * (terms / factorials).sum())


@cache
def crommelin(servers: int, offered: float, states: int = 250) -> np.ndarray:
    """Shares of the numbers in M/D/c, constant service of one second (Crommelin 1932).

    Whoever is in service now is gone a second later, and nobody else is:
    ``N(t + 1) = max(0, N(t) - c) + Poisson``.
    """
    moves = np.zeros((states, states))
    for n in range(states):
        left = max(0, n - servers)
        moves[n, left:] = stats.poisson.pmf(np.arange(states - left), offered)
    moves[:, -1] += 1 - moves.sum(1)
    return stationary(moves)


def constant_service_waits(servers: int, offered: float, services: float) -> float:
    """P(wait > so many services) of M/D/c, from Crommelin's shares (Franx 2001)."""
    shares = crommelin(servers, offered)
    queue_up_to = np.cumsum(shares)[servers:]
    k = int(services) + 1
    j = np.arange(k * servers)
    return float(
        1
        - (queue_up_to[k * servers - 1 - j] * stats.poisson.pmf(j, offered * (k - services))).sum()
    )


@dataclass(frozen=True, slots=True)
class Batching:
    """What a batch does in the long run: means over time, and of each token."""

    in_system: float
    full: float
    token_s: float


def batching_limit(rate: float, mean_tok: float, a: float, b: float, cap: int) -> Batching:
    """Steps of ``a + b*n``, geometric answers, at most ``cap``: the birth-death chain of long ones.

    With n in the batch one ends at the rate ``n / (mean_tok * (a + b*n))``.
    """
    n = np.arange(1, 2000)
    busy = np.minimum(n, cap)
    shares = birth_death(np.full(len(n), rate), busy / (mean_tok * (a + b * busy)))
    n = np.arange(2000)
    running = float((np.minimum(n, cap) * shares).sum())
    # Little's law for the batch: tokens come at rate * mean_tok, each keeps a place for one step.
    return Batching(
        float((n * shares).sum()), float(shares[cap:].sum()), running / (rate * mean_tok)
    )


def batching_exact(
    rate: float, mean_tok: float, a: float, b: float, cap: int, states: int = 200
) -> Batching:
    """The same, step by step: ``N' = N - Binomial(min(N, cap), 1/mean_tok) + Poisson(rate*step)``.

    An idle replica begins with the next arrival. Within a step the number only grows. A sequence's
    first step yields its first token, and is none of decoding.
    """
    n = np.arange(states)
    running = np.minimum(n, cap)
    step_s = a + b * running
    moves, begun, begun_s = np.zeros((states, states)), np.zeros(states), np.zeros(states)
    moves[0, 1], begun[0], begun_s[0] = 1.0, 1.0, step_s[1]
    for k in n[1:]:
        come = stats.poisson.pmf(n, rate * step_s[k])
        for gone, chance in enumerate(
            stats.binom.pmf(n[: running[k] + 1], running[k], 1 / mean_tok)
        ):
            left = k - gone
            move = chance * come[: states - left]
            new = running[left:] - (running[k] - gone)
            moves[k, left:] += move
            begun[k] += (move * new).sum()
            begun_s[k] += (move * new * step_s[left:]).sum()
        moves[k, -1] += 1 - moves[k].sum()
    shares = stationary(moves)
    lasts = np.append(1 / rate, step_s[1:])
    area = np.append(0.0, (n * step_s + rate * step_s**2 / 2)[1:])
    lacking = [stats.poisson.sf(n[: max(0, cap - k)], rate * step_s[k]).sum() / rate for k in n]
    full = np.append(0.0, (step_s - lacking)[1:])
    span_s = (shares * lasts).sum()
    decoded_s = (shares * (running * step_s - begun_s)).sum()
    return Batching(
        float((shares * area).sum() / span_s),
        float((shares * full).sum() / span_s),
        float(decoded_s / (shares * (running - begun)).sum()),
    )


def check_batching(ledger: Ledger, expected: Batching, rate: float, cap: int) -> None:
    """Check number in system, P(full), sojourn, and the mean time of a decoded token (TPOT)."""
    seen = seen_by_arrivals(ledger)
    steady(seen).check(expected.in_system, 0.07)
    steady(seen >= cap).check(expected.full, 0.08)
    steady(sojourns_s(ledger)).check(expected.in_system / rate, 0.06)
    done = ledger.completed
    decode_s = (ledger.finished_s - ledger.first_token_s)[done]
    steady_ratio(decode_s, ledger.completion_tok[done] - 1).check(expected.token_s, 0.005)


def rounded_lognormal(median: float, sigma: float, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Token counts and their probabilities: a lognormal, rounded, from 1 to ``most``."""
    tokens = np.arange(1, most + 1)
    below = stats.norm.cdf(np.log((tokens[:-1] + 0.5) / median) / sigma)
    return tokens, np.diff(np.concatenate([[0.0], below, [1.0]]))


def pollaczek_khinchine(rate: float, mean_s: float, square_s2: float) -> float:
    """Mean wait of M/G/1 (Pollaczek 1930, Khinchine 1932)."""
    return rate * square_s2 / (2 * (1 - rate * mean_s))
