"""Build the records of providers from a plan: endpoints, prices, gateways, budgets, caches."""

import math
from typing import Any

import numpy as np

from simulator.engine.records import api_layout, layout
from simulator.engine.records.choices import STRATEGIES
from simulator.engine.records.layout import MANY, NONE, Records
from simulator.engine.spec.plan import Budget, Endpoint, Gateway, Plan
from simulator.engine.state.fleet_records import copy_fields, records
from simulator.errors import InputError
from simulator.pricing.caching import RULES
from simulator.pricing.schedule import PRICED, Schedule, schedule
from simulator.units import MTOK

_LIMITS = {
    "requests": layout.REQUESTS,
    "input_tok": layout.INPUT_TOK,
    "output_tok": layout.OUTPUT_TOK,
    "produced_tok": layout.PRODUCED_TOK,
    "tok": layout.TOK,
}
_KINDS = {"fixed": api_layout.FIXED, "rolling": api_layout.ROLLING, "month": api_layout.MONTHLY}
MAX_TARGETS = 62
"""Most targets of one gateway; those that were tried are bits of an integer."""


def endpoint_records(
    plan: Plan, zero_s: float, horizon_s: float
) -> tuple[Records, Records, Records]:
    """Return ENDPOINT records with their LIMIT and RATE records."""
    rows = records(api_layout.ENDPOINT, len(plan.endpoints))
    limits: list[tuple[float, float, int]] = []
    rates: list[Records] = []
    first_budget = 0
    for record, endpoint in zip(rows, plan.endpoints, strict=True):
        copy_fields(
            record, endpoint, "ttft_median_s", "ttft_sigma", "prefill_token_s", "prefill_token2_s",
            "output_tok_s", "speed_sigma", "context_tok", "max_output_tok", "refuses_long_outputs",
            "cached_counts", "queue", "error_rate", "error_s", "window_s",
        )  # fmt: skip
        _put_cache(record, endpoint)
        record.concurrency = endpoint.concurrency or MANY
        record.max_input_tok = endpoint.max_input_tok or MANY
        thinking = endpoint.thinking_budget_tok
        record.max_reasoning_tok = MANY if thinking is None else thinking
        record.waiting_head = NONE
        record.billed_at_completion = endpoint.card.billed_at == "completion"
        record.first_budget, record.budgets = first_budget, len(endpoint.budgets)
        first_budget += len(endpoint.budgets)
        record.first_limit, record.limits = len(limits), len(endpoint.limits)
        for limit in endpoint.limits:
            per_s = limit.amount / limit.period_s
            limits.append((per_s, per_s * limit.burst_s, _LIMITS[limit.of]))
        prices = schedule(
            endpoint.card, endpoint.context, endpoint.content, zero_s, zero_s + horizon_s
        )
        record.first_rate = sum(len(r) for r in rates)
        record.periods = len(prices.from_s)
        record.tiers, record.shares = len(prices.from_tok), len(prices.from_share)
        rates.append(_rates(prices, zero_s, endpoint.cache.long))
    buckets = records(api_layout.LIMIT, len(limits))
    for bucket, (per_s, most, of) in zip(buckets, limits, strict=True):
        bucket.per_s, bucket.most, bucket.level, bucket.of = per_s, most, most, of
    joined = np.concatenate(rates) if rates else records(api_layout.RATE, 0)
    return rows, buckets, joined.view(np.recarray)


def _put_cache(record: Any, endpoint: Endpoint) -> None:
    """Fill in the fields of an ENDPOINT record that describe its cache."""
    cache = endpoint.cache
    copy_fields(
        record, cache, "ttl_s", "min_tok", "step_tok", "max_age_s", "machine_per_min", "end_mark",
        "lookback", "stored", prefix="cache_",
    )  # fmt: skip
    record.cache_rule = RULES.index(cache.rule)
    record.cache_pays_from = endpoint.cache_pays_from
    record.cache_shared = cache.marks - cache.end_mark


def _rates(prices: Schedule, zero_s: float, long: bool) -> Records:
    """Return the RATE records of a schedule, with times from the run's zero."""
    rates = np.zeros(prices.usd.shape[:4], api_layout.RATE)
    rates["from_s"] = (prices.from_s - zero_s)[:, None, None, None]
    rates["from_tok"] = prices.from_tok[:, None]
    rates["from_share"] = prices.from_share
    usd = {bucket: prices.usd[..., index] for index, bucket in enumerate(PRICED)}
    for bucket in ("input", "cache_read", "output", "reasoning", "storage"):
        rates[f"{bucket}_usd"] = usd[bucket]
    rates["cache_write_usd"] = usd["cache_write_1h" if long else "cache_write"]
    rates["request_usd"] = usd["per_request"]
    return rates.reshape(-1).view(np.recarray)


def gateway_records(plan: Plan) -> tuple[Records, Records]:
    """Return GATEWAY and TARGET records."""
    rows = records(api_layout.GATEWAY, len(plan.gateways))
    targets = records(api_layout.TARGET, sum(len(g.targets) for g in plan.gateways))
    first = 0
    for record, gateway in zip(rows, plan.gateways, strict=True):
        _check_targets(gateway, len(plan.endpoints))
        copy_fields(
            record, gateway, "backoff_s", "backoff_max_s", "jitter", "retry_after_max_s",
            "cooldown_s", "failure_share", "latency_buffer", "sticky_s", "attempts",
            "failures_counted", "repeats", "backs_off_always", "gives_up_on_long_waits",
            "cools_on_limit", "bypass", "knows_limits", "checks_output",
        )  # fmt: skip
        allowed = gateway.failures_allowed
        record.failures_allowed = NONE if allowed is None else allowed
        record.max_prompt_usd = gateway.max_prompt_usd_per_mtok / MTOK
        record.max_output_usd = gateway.max_output_usd_per_mtok / MTOK
        record.strategy = STRATEGIES.index(gateway.strategy)
        record.first_target, record.targets = first, len(gateway.targets)
        record.tiers = 1 + max(target.tier for target in gateway.targets)
        for k, target in enumerate(gateway.targets):
            entry = targets[first + k]
            entry.endpoint, entry.tier, entry.weight = target.endpoint, target.tier, target.weight
            entry.cooling_until_s = -math.inf
            entry.success = 1.0
        first += len(gateway.targets)
    return rows, targets


def _check_targets(gateway: Gateway, n_endpoints: int) -> None:
    if not 1 <= len(gateway.targets) <= MAX_TARGETS:
        raise InputError(f"a gateway needs 1 to {MAX_TARGETS} targets")
    if any(target.endpoint >= n_endpoints for target in gateway.targets):
        raise InputError("a gateway's target must be one of the plan's endpoints")


def budget_records(plan: Plan) -> tuple[Records, np.ndarray]:
    """Return BUDGET records of endpoints, targets and gateways, and what rolling ones spent."""
    owners: list[Budget | None] = [b for endpoint in plan.endpoints for b in endpoint.budgets]
    owners += [target.budget for gateway in plan.gateways for target in gateway.targets]
    owners += [gateway.budget for gateway in plan.gateways]
    rows = records(api_layout.BUDGET, len(owners))
    rolling = 0
    for record, budget in zip(rows, owners, strict=True):
        record.usd, record.period_s, record.spends = math.inf, math.inf, NONE
        if budget is None:
            continue
        record.usd, record.period_s = budget.usd, budget.period_s
        record.kind = _KINDS[budget.kind]
        if budget.kind == "rolling":
            record.period_s = budget.period_s / api_layout.ROLLING_PARTS
            record.spends = rolling
            rolling += 1
    return rows, np.zeros((rolling, api_layout.ROLLING_PARTS + 1))


def prefix_records(endpoints: int, nodes: int) -> Records:
    """Return PREFIX records of empty caches. (endpoints, nodes)"""
    rows = np.zeros((endpoints, nodes), api_layout.PREFIX).view(np.recarray)
    rows.ready_s = math.inf
    rows.expiry_s = -math.inf
    rows.used_s = -math.inf
    return rows


def reuse_records(endpoints: int, workloads: int) -> Records:
    """Return zeroed REUSE records. (endpoints, workloads, 2)"""
    return np.zeros((endpoints, workloads, 2), api_layout.REUSE).view(np.recarray)
