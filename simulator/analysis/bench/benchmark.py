"""Predicted benchmark of a deployment: what a load generator would measure, by simulation."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.analysis.bench.loads import Load
from simulator.engine.ledger import Ledger
from simulator.engine.records import layout
from simulator.engine.run import serve_table
from simulator.engine.spec.plan import Fleet, Plan
from simulator.errors import InputError
from simulator.rng import stream
from simulator.serving.deployment import Deployment
from simulator.serving.engines import Engine, EngineLimits
from simulator.traffic.table import NO_NODE, PrefixTree, RequestTable

MOST_DRIFT = 0.2
"""Largest share by which outputs of a fixed length drift apart."""

ROUNDS = 10
"""Requests per client of a closed loop, as is usual for InferenceMAX."""

FOREVER_S = 1e9
"""Time by which every benchmark has ended [s]."""


@dataclass(frozen=True, slots=True)
class Serving:
    """Settings with which the engine is started; None: its default on the accelerator."""

    max_batched_tok: int | None = None
    max_sequences: int | None = None
    memory_utilization: float | None = None
    block_tok: int | None = None
    prefix_cache: bool = True
    """Whether prefixes are cached. Prompts of a benchmark share no prefixes, but a preempted
    request finds its own again."""

    def limits(self, engine: Engine) -> EngineLimits:
        """Return the limits that result."""
        return engine.limits.given(
            self.max_batched_tok, self.max_sequences, self.memory_utilization, self.block_tok
        )


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Measures of each request of one run, and totals, in seconds and tokens."""

    duration_s: float
    """Time from the first arrival to the last token [s]."""
    prompt_tok: int
    """Total number of prompt tokens."""
    output_tok: int
    """Total number of output tokens."""
    ttft_s: np.ndarray
    """Time to first token [s]. (n_requests,)"""
    tpot_s: np.ndarray
    """Time per output token, of requests with more than one [s]. (<= n_requests,)"""
    e2e_s: np.ndarray
    """Time to the complete answer [s]. (n_requests,)"""
    itl_mean_s: float
    """Mean time between two tokens of one answer [s]; NaN if no answer has two."""
    preemptions: int
    """Number of preemptions."""

    @property
    def output_tok_s(self) -> float:
        """Output throughput [tok/s]."""
        return self.output_tok / self.duration_s

    @property
    def total_tok_s(self) -> float:
        """Prompt and output throughput [tok/s]."""
        return (self.prompt_tok + self.output_tok) / self.duration_s

    @property
    def request_s(self) -> float:
        """Requests per second."""
        return len(self.ttft_s) / self.duration_s


def run_benchmark(
    deployment: Deployment, load: Load, serving: Serving, replicas: int = 1
) -> Benchmark:
    """Serve a load on one deployment, from an empty start to the last token.

    Replicas share a load evenly: one replica is simulated with its share, and counted ``replicas``
    times.

    Raises
    ------
    InputError
        When the weights, or one request, do not fit.
    """
    table = benchmark_requests(load, replicas, _drift(deployment, load))
    return replay(deployment, table, serving, replicas)


def replay(
    deployment: Deployment, table: RequestTable, serving: Serving, replicas: int = 1
) -> Benchmark:
    """Serve given requests on one replica, from an empty start to the last token.

    Raises
    ------
    InputError
        When the weights, or one request, do not fit.
    """
    limits = serving.limits(deployment.engine)
    kv = deployment.kv(serving.memory_utilization, serving.block_tok, serving.max_batched_tok)
    longest_tok = int((table.input_tokens + table.output_tokens).max())
    if longest_tok > kv.longest_tok:
        raise InputError(
            f"{deployment.label}: {kv.longest_tok} tokens of KV cache do not fit one "
            f"request of {longest_tok}"
        )
    fleet = Fleet(
        step_time=deployment.step_time(limits.max_batched_tok),
        kv=kv,
        max_batched_tok=limits.max_batched_tok,
        max_sequences=min(limits.max_sequences, limits.max_batched_tok, max(table.size, 1)),
        max_model_tok=longest_tok + 1,
        prefix_cache=serving.prefix_cache,
        request_overhead_s=deployment.engine.request_s,
        request_token_s=deployment.engine.request_token_s,
        replicas=1,
        cold_start_s=0.0,
        reserves_output=deployment.engine.reserves_output,
        schedules_ahead=deployment.engine.schedules_ahead,
    )
    ledger = serve_table(Plan(routes=(layout.OWN,), fleets=(fleet,)), table, FOREVER_S)
    return _measure(ledger, replicas)


def _measure(ledger: Ledger, replicas: int) -> Benchmark:
    """Return the measures of a finished run."""
    several = ledger.completion_tok > 1
    decoding_s = (ledger.finished_s - ledger.first_token_s)[several]
    gaps = ledger.completion_tok[several] - 1
    return Benchmark(
        duration_s=float(np.nanmax(ledger.finished_s)) - float(ledger.arrival_s[0]),
        prompt_tok=int(ledger.table.input_tokens.sum()) * replicas,
        output_tok=int(ledger.completion_tok.sum()) * replicas,
        ttft_s=ledger.first_token_s - ledger.arrival_s,
        tpot_s=decoding_s / gaps,
        e2e_s=ledger.finished_s - ledger.arrival_s,
        itl_mean_s=float(decoding_s.sum() / gaps.sum()) if several.any() else math.nan,
        preemptions=int(ledger.preemptions.sum()),
    )


def _drift(deployment: Deployment, load: Load) -> float:
    """Return the share by which outputs of a fixed length differ; see ``Engine.drift_tok``.

    Static batches end in the order in which they began.
    """
    if load.range_ratio < 1 or load.kind == "static-batch" or load.output_tok <= 1:
        return 0.0
    return min(deployment.engine.drift_tok / load.output_tok, MOST_DRIFT)


def benchmark_requests(load: Load, replicas: int = 1, drift: float = 0.0) -> RequestTable:
    """Return the requests of one of ``replicas`` replicas.

    In a closed loop, every client is a session that sends a request as soon as it has its previous
    answer. Output lengths are uniform within a share ``drift`` around the lengths of the load.
    """
    rng = stream(load.seed, "benchmark")
    turns = _turns(load, replicas)
    clients, size = len(turns), int(turns.sum())
    arrival_s = np.zeros(clients)
    if load.kind == "request-rate":
        gap_s = rng.exponential(1.0, clients)
        # As in `vllm bench serve`, gaps are scaled so that the last request arrives at n/rate.
        arrival_s = np.cumsum(gap_s) * (clients * replicas / load.value) / gap_s.sum()
    first_rows = np.cumsum(turns) - turns
    gap_s = np.zeros(size)
    gap_s[first_rows] = np.nan
    output_tok = _draw_lengths(load.output_tok, load.range_ratio, rng, size)
    if drift > 0:
        # Evenly spread rather than drawn, so that the mean length does not change.
        spread = (rng.permutation(size) + 0.5) / size
        drifted = load.output_tok * (1 - drift + 2 * drift * spread)
        output_tok = np.maximum(np.rint(drifted), 1).astype(np.int32)
    prompt_tok = np.maximum(_draw_lengths(load.prompt_tok, load.range_ratio, rng, size), 1)
    return _table(np.repeat(arrival_s, turns), gap_s, prompt_tok, output_tok, turns)


def logged_requests(
    arrival_s: NDArray[np.float64], prompt_tok: NDArray[np.int32], output_tok: NDArray[np.int32]
) -> RequestTable:
    """Return independent requests of a log; (n,) each, arrivals in order."""
    one_turn = np.ones(len(arrival_s), np.int64)
    return _table(arrival_s, np.full(len(arrival_s), np.nan), prompt_tok, output_tok, one_turn)


def _table(
    arrival_s: NDArray[np.float64],
    gap_s: NDArray[np.float64],
    prompt_tok: NDArray[np.int32],
    output_tok: NDArray[np.int32],
    turns: NDArray[np.int64],
) -> RequestTable:
    """Return requests in sessions of ``turns`` each; no two prompts share a prefix."""
    size, first = len(arrival_s), np.cumsum(turns) - turns
    zeros = np.zeros(size, np.int32)
    return RequestTable(
        arrival_s=arrival_s,
        gap_s=gap_s,
        workload=zeros,
        input_tokens=prompt_tok,
        output_tokens=output_tok,
        reasoning_tokens=zeros,
        max_output_tokens=output_tok,
        prefix_node=np.arange(size, dtype=np.int32),
        session=np.repeat(np.arange(len(turns), dtype=np.int32), turns),
        turn=(np.arange(size) - np.repeat(first, turns)).astype(np.int32),
        deadline_s=np.full(size, np.inf),
        patience_s=np.full(size, np.inf),
        difficulty=np.zeros(size),
        random_bits=np.zeros(size, np.uint64),
        earlier_node=np.full(size, NO_NODE, np.int32),
        earlier_s=np.zeros(size),
        since_volume=np.zeros(size),
        tree=PrefixTree.numbered(np.full(size, NO_NODE, np.int32), prompt_tok.astype(np.int32)),
        workloads=("benchmark",),
    )


def _turns(load: Load, replicas: int) -> NDArray[np.int64]:
    """Return the number of requests of each client of one replica; each client has at least one."""
    if load.kind == "static-batch":
        return np.ones(max(1, round(load.value / replicas)), np.int64)
    if load.kind != "concurrency":
        return np.ones(
            max(1, round((load.requests or _default_requests(load)) / replicas)), np.int64
        )
    requests = round((load.requests or ROUNDS * load.value) / replicas)
    clients = max(1, min(round(load.value / replicas), requests))
    each, remainder = divmod(max(requests, clients), clients)
    return each + (np.arange(clients) < remainder).astype(np.int64)


def _default_requests(load: Load) -> int:
    """Return the default number of requests."""
    tokens = load.prompt_tok + load.output_tok
    return 1500 if tokens > 2500 else round(3000 * max(1.0, 1000 / tokens))


def _draw_lengths(nominal: int, ratio: float, rng: np.random.Generator, size: int) -> np.ndarray:
    """Return lengths drawn from [ratio, 1] of a nominal length. (size,)"""
    return np.rint(nominal * rng.uniform(ratio, 1.0, size)).astype(np.int32)
