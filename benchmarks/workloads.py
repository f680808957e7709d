"""Loads of the benchmarks: standard replicas, plain arrivals, traffic with shared prefixes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.engine.records.layout import OWN
from simulator.engine.run import Chunk, serve_table
from simulator.engine.spec.plan import Fleet, Plan
from simulator.engine.spec.policies import Autoscaler
from simulator.serving.capacity import KvCapacity
from simulator.serving.steptime import StepTime
from simulator.traffic import generate
from simulator.traffic.quantity import Quantity
from simulator.traffic.rate import Rate, Tenants
from simulator.traffic.sessions import Documents, SessionTraffic
from simulator.traffic.shapes import week_shape
from simulator.traffic.table import NO_NODE, PrefixTree, RequestTable
from simulator.units import DAY_S

INPUT_TOK, OUTPUT_TOK = 1000, 200
LOAD = 0.7
"""Share of the replicas' capacity, unless a case has another."""
FOREVER_S = 1e12

REPLICA = Fleet(
    step_time=StepTime.linear(
        8192, fixed_s=0.008, prefill_token_s=2.5e-5, sequence_s=5e-5, context_token_s=1e-8
    ),
    kv=KvCapacity(30000, 16, 0.9),
    max_batched_tok=8192,
    max_sequences=256,
    max_model_tok=32768,
    prefix_cache=True,
    request_overhead_s=0.02,
    replicas=1,
    cold_start_s=60.0,
)


@dataclass(frozen=True, slots=True)
class Load:
    """A plan and its traffic; every call of ``chunks`` draws the same traffic again."""

    plan: Plan
    chunks: Callable[[], Iterator[Chunk]]
    horizon_s: float = FOREVER_S


def plan(replicas: int, **changes: Any) -> Plan:
    """Return the plan of standard replicas with changed properties."""
    return Plan((OWN,), (replace(REPLICA, replicas=replicas, **changes),))


def table(arrival_s: NDArray[np.float64], output_tok: int, seed: int = 0) -> RequestTable:
    """Return requests of equal size that share no prefixes, without the detour of a log."""
    n = len(arrival_s)
    rng = np.random.default_rng(seed)

    def constant(value: int) -> NDArray[np.int32]:
        return np.full(n, value, np.int32)

    return RequestTable(
        arrival_s=arrival_s,
        gap_s=np.full(n, np.nan),
        workload=constant(0),
        input_tokens=constant(INPUT_TOK),
        output_tokens=constant(output_tok),
        reasoning_tokens=constant(0),
        max_output_tokens=constant(output_tok),
        prefix_node=constant(NO_NODE),
        session=np.arange(n, dtype=np.int32),
        turn=constant(0),
        deadline_s=np.full(n, np.inf),
        patience_s=np.full(n, np.inf),
        difficulty=rng.random(n),
        random_bits=rng.bit_generator.random_raw(n),
        earlier_node=constant(NO_NODE),
        earlier_s=np.zeros(n),
        since_volume=np.zeros(n),
        tree=PrefixTree.empty(),
        workloads=("plain",),
    )


def poisson(count: int, rate_per_s: float, output_tok: int, chunk: int) -> Iterator[Chunk]:
    """Yield Poisson arrivals in chunks of ``chunk`` requests that share no prefixes."""
    rng = np.random.default_rng(1)
    begin_s = 0.0
    for first in range(0, count, chunk):
        gaps_s = rng.exponential(1 / rate_per_s, min(chunk, count - first))
        arrival_s = begin_s + np.cumsum(gaps_s)
        begin_s = float(arrival_s[-1])
        yield table(arrival_s, output_tok, first), begin_s


def at_once(count: int, output_tok: int) -> Iterator[Chunk]:
    """Yield requests that all arrive at the beginning."""
    yield table(np.zeros(count), output_tok), FOREVER_S


def saturation_per_s(fleet: Plan, traffic: RequestTable) -> float:
    """Return the requests per second that a plan serves if all arrive at the beginning.

    They are counted over the middle of the run, since batches fill and empty at its ends.
    """
    sessions = np.arange(traffic.sessions().size)
    offline = traffic.arrange(sessions, np.zeros(sessions.size))
    offline = replace(offline, gap_s=np.where(np.isnan(offline.gap_s), np.nan, 0.0))
    ended_s = np.sort(serve_table(fleet, offline, FOREVER_S).finished_s)
    first, last = len(ended_s) // 10, len(ended_s) * 9 // 10
    return (last - first) / float(ended_s[last] - ended_s[first])


def plain(
    replicas: int,
    count: int,
    *,
    output_tok: int = OUTPUT_TOK,
    load: float = LOAD,
    loaded_by_tok: int | None = None,
    chunk: int | None = None,
    **changes: Any,
) -> Load:
    """Return standard Poisson traffic at a share of the capacity of the replicas.

    With ``loaded_by_tok``, the rate is that at which outputs of this length would cause the load.
    """
    offline = table(np.zeros(20_000), loaded_by_tok or output_tok)
    rate_per_s = load * replicas * saturation_per_s(plan(1, **changes), offline)
    chunks = (count, rate_per_s, output_tok, chunk or count)
    return Load(plan(replicas, **changes), lambda: poisson(*chunks))


def _spec(name: str, requests_per_s: float, turns: float, **changes: Any) -> SessionTraffic:
    spec = SessionTraffic(
        name=name,
        requests_per_s=requests_per_s,
        rate=Rate(name, requests_per_s / turns, week_shape("flat"), tenants=Tenants(4)),
        turns=Quantity.geometric(turns),
        gap_s=Quantity.lognormal(20.0, 0.8, 600.0),
        system_prompt_tok=Quantity.constant(1000),
        message_tok=Quantity.lognormal(100, 0.8, 2000),
        output_tok=Quantity.constant(OUTPUT_TOK),
        max_output_tok=OUTPUT_TOK,
        max_prompt_tok=16_000,
    )
    return replace(spec, **changes)


def sessions(requests_per_s: float) -> SessionTraffic:
    """Return conversations of five turns with one of four system prompts."""
    return _spec("sessions", requests_per_s, 5.0)


def documents(requests_per_s: float) -> SessionTraffic:
    """Return questions about three of 2,000 passages, drawn by their popularity."""
    passages = Documents(
        count=2000, zipf=1.0, per_request=3, share=1.0, tokens=Quantity.constant(500)
    )
    prompt_tok = Quantity.constant(300)
    return _spec("documents", requests_per_s, 1.0, documents=passages, system_prompt_tok=prompt_tok)


def shared(kind: Callable[[float], SessionTraffic], replicas: int, count: int) -> Load:
    """Return about ``count`` requests of generated traffic on a number of replicas.

    The capacity is measured with all sessions at once. Their later turns then have fewer cache hits
    than at 70 % load, so that conversations load the replicas slightly less than stated.
    """
    trial = generate.generate((kind(20_000 / 3600),), 1, end_s=3600.0)
    rate_per_s = LOAD * replicas * saturation_per_s(plan(1), trial)
    span_s = count / rate_per_s

    def chunks() -> Iterator[Chunk]:
        yield generate.generate((kind(rate_per_s),), 1, end_s=span_s), span_s

    return Load(plan(replicas), chunks)


def day(requests_per_s: float) -> Load:
    """Return a Monday of code assistants, in chunks of an hour, on an autoscaled fleet.

    The target is half of the requests in flight that a replica has at 70 % load. With all of them,
    the fleet would oscillate between too few and all replicas, since a backlog demands more than
    the load itself.
    """
    rate = Rate("day", requests_per_s, week_shape("azure-code"))
    spec = _spec("day", requests_per_s, 1.0, rate=rate, stable_session_share=0.0)
    rule = Autoscaler(target=32.0, max_replicas=32, interval_s=15.0, scale_down_delay_s=300.0)
    return Load(
        plan(2, autoscaler=rule),
        lambda: generate.chunks((spec,), 1, volume=1.0, end_s=DAY_S),
        DAY_S + 600.0,
    )
