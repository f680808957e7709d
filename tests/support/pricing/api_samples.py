"""Endpoints without chance, and requests made to measure, for tests of the API side."""

from dataclasses import replace
from datetime import date

import numpy as np

from simulator.engine.spec.plan import Endpoint, Gateway, Plan, Target
from simulator.pricing.caching import NO_CACHE
from simulator.pricing.rates import RateCard
from simulator.pricing.rows import RateRow
from simulator.traffic.table import PrefixTree, RequestTable

CARD = RateCard(
    "test/model",
    (RateRow({"input": 1.0, "cache_read": 0.1, "cache_write": 1.25, "output": 5.0}),),
    date(2026, 11, 23),
    "test",
)
EXACT = Endpoint(
    name="exact",
    card=CARD,
    ttft_median_s=0.5,
    ttft_sigma=0.0,
    prefill_token_s=0.0,
    output_tok_s=100.0,
    speed_sigma=0.0,
    context_tok=100_000,
    max_output_tok=10_000,
    cache=NO_CACHE,
    error_s=0.0,
)
"""Answers 101 tokens in 1.5 s."""


def calls(
    arrival_s: np.ndarray | list[float],
    input_tok: int | np.ndarray = 1000,
    output_tok: int | np.ndarray = 101,
    node: int | np.ndarray = -1,
    tree: PrefixTree | None = None,
    gap_s: float | np.ndarray = np.nan,
    reasoning_tok: int = 0,
    declared_tok: int | None = None,
    workload: int | np.ndarray = 0,
    workloads: tuple[str, ...] = ("calls",),
) -> RequestTable:
    """Requests at given times; each alone unless it has a gap."""
    arrival_s = np.asarray(arrival_s, np.float64)
    n = len(arrival_s)

    def column(value: object, dtype: type = np.int32) -> np.ndarray:
        return np.broadcast_to(np.asarray(value, dtype), (n,)).copy()

    output = column(output_tok)
    return RequestTable(
        arrival_s=arrival_s,
        gap_s=column(gap_s, np.float64),
        workload=column(workload),
        input_tokens=column(input_tok),
        output_tokens=output - reasoning_tok,
        reasoning_tokens=column(reasoning_tok),
        max_output_tokens=output if declared_tok is None else column(declared_tok),
        prefix_node=column(node),
        session=np.arange(n, dtype=np.int32),
        turn=np.zeros(n, np.int32),
        deadline_s=np.full(n, np.inf),
        patience_s=np.full(n, np.inf),
        difficulty=np.zeros(n),
        random_bits=np.random.default_rng(1).bit_generator.random_raw(n),
        earlier_node=np.full(n, -1, np.int32),
        earlier_s=np.zeros(n),
        since_volume=np.zeros(n),
        tree=tree or PrefixTree.empty(),
        workloads=workloads,
    )


def direct(endpoint: Endpoint, **rules: object) -> Plan:
    """A client that asks one endpoint and takes no for an answer."""
    gateway = Gateway((Target(0),), **{"attempts": 1, **rules})
    return Plan((0,), (), (endpoint,), (gateway,))


def through(gateway: Gateway, *endpoints: Endpoint) -> Plan:
    """A gateway to endpoints, which are numbered in the order of the gateway's targets."""
    named = tuple(replace(e, name=f"e{k}") for k, e in enumerate(endpoints))
    return Plan((0,), (), named, (gateway,))


def among(count: int, **rules: object) -> Gateway:
    """A gateway whose targets are all of one tier."""
    return Gateway(tuple(Target(k) for k in range(count)), **rules)


def in_tiers(count: int, **rules: object) -> Gateway:
    """A gateway whose targets are tried one behind the other."""
    return Gateway(tuple(Target(k, tier=k) for k in range(count)), **rules)
