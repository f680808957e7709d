"""What the traffic of a scenario amounts to: volume, lengths, rates, reuse, and list prices.

A part of the horizon's requests is drawn, without any simulation. Means of lengths therefore have
a sampling error, which is stated.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.analysis.study.options import ApiOption
from simulator.analysis.study.study import Study
from simulator.normal import Z_90
from simulator.pricing.billing import Usage, priced
from simulator.traffic.logs.collect import collect
from simulator.traffic.logs.replay import recorded
from simulator.traffic.reuse.reuse import reuse
from simulator.traffic.spans import NOMINAL_S, NOMINAL_TOKEN_S
from simulator.traffic.table import RequestTable
from simulator.units import MONTH_S

SAMPLED_REQUESTS = 20_000
"""Requests that are drawn for a summary, about."""


@dataclass(frozen=True, slots=True)
class WorkloadSummary:
    """One workload, or all of them."""

    name: str
    requests_per_month: float
    requests_per_s: float
    """Mean rate over the horizon."""
    peak_requests_per_s: float | None
    """Expected rate of the horizon's busiest hour, None for one of several workloads."""
    input_tok: float
    """Mean tokens of a prompt."""
    completion_tok: float
    """Mean tokens of an answer, reasoning included."""
    input_error: float
    """Half-width of the 90 % interval of the mean prompt, as a share of it."""
    reused_share: float
    """Share of prompt tokens that a cache which forgets nothing would serve."""


@dataclass(frozen=True, slots=True)
class TrafficSummary:
    """What the traffic amounts to."""

    workloads: tuple[WorkloadSummary, ...]
    total: WorkloadSummary
    list_price_usd_per_month: dict[str, float]
    """Bill of each option that buys all calls from one offer, without any cache [USD/month]."""


def traffic_summary(study: Study) -> TrafficSummary:
    """Draw some of a study's requests and sum them up."""
    traffic = study.traffic
    requests = traffic.requests_per_s * traffic.horizon_s
    volume = min(1.0, SAMPLED_REQUESTS / max(1.0, requests))
    table = traffic.draw(study.seed, volume)
    shares = traffic.workload_shares()
    load = traffic.hourly_load()
    peak = float(load.max() / load.mean()) if len(load) and load.mean() > 0 else 1.0
    rows = []
    for index, name in enumerate(traffic.workload_names):
        own = np.flatnonzero(table.workload == index)
        per_s = traffic.requests_per_s * float(shares[index])
        own_peak = peak if len(shares) == 1 else None
        rows.append(_summary(name, per_s, own_peak, table, own))
    every = np.arange(table.size)
    total = _summary("all", traffic.requests_per_s, peak, table, every)
    return TrafficSummary(tuple(rows), total, _list_prices(study, table))


def _summary(
    name: str, per_s: float, peak: float | None, table: RequestTable, own: NDArray[np.int64]
) -> WorkloadSummary:
    prompt = table.input_tokens[own].astype(np.float64)
    count = max(1, len(own))
    mean = float(prompt.sum()) / count
    # Prompts of a session grow on one another, so that sessions are the independent parts.
    by_session = np.bincount(table.session[own], prompt - mean)
    error = Z_90 * float(np.sqrt((by_session**2).sum())) / max(float(prompt.sum()), 1e-300)
    return WorkloadSummary(
        name=name,
        requests_per_month=per_s * MONTH_S,
        requests_per_s=per_s,
        peak_requests_per_s=None if peak is None else per_s * peak,
        input_tok=mean,
        completion_tok=float(table.completion_tokens[own].sum()) / count,
        input_error=error,
        reused_share=_reused(table, own),
    )


def _reused(table: RequestTable, own: NDArray[np.int64]) -> float:
    """Return the share of the prompt tokens of whole sessions that a perfect cache would serve."""
    if not len(own):
        return 0.0
    log = collect([recorded(table.take(own), NOMINAL_S, NOMINAL_TOKEN_S)], list(table.workloads))
    return reuse(log.tree, log.prefix_node, log.rows.input_tokens, log.rows.at_s).share


def _list_prices(study: Study, table: RequestTable) -> dict[str, float]:
    """Return the bill of each option with one endpoint at its list prices, without a cache."""
    at_s = study.epoch_s + table.due_s(NOMINAL_S, NOMINAL_TOKEN_S)
    usage = Usage.of(
        at_s,
        uncached_input=table.input_tokens.astype(np.int64),
        output=table.output_tokens.astype(np.int64),
        reasoning=table.reasoning_tokens.astype(np.int64),
    )
    months = study.traffic.requests_per_s * MONTH_S / max(1, table.size)
    bills = {}
    for option in study.options:
        if isinstance(option, ApiOption) and len(option.endpoints) == 1:
            costs = priced(option.endpoints[0].card, usage).values()
            bills[option.name] = float(sum(cost.sum() for cost in costs)) * months
    return bills
