"""Build the rules of a gateway for the engine, from the parameters that its documentation lists.

One function for each product. The sources of their rules are described in ``schema.api``.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from simulator.analysis.study.options import ApiOption
from simulator.engine.records.choices import Strategy
from simulator.engine.spec.plan import Endpoint, Gateway, Target
from simulator.errors import InputError
from simulator.scenario.building.endpoints import budget
from simulator.scenario.schema import api as api_schema

_CREDIT_SHARE = 0.055
_BYOK_SHARE = 0.05
_BYOK_FREE_CALLS = 1e6
"""OpenRouter's fees: a share of credits bought by card, and with own keys a share of the cost of
calls beyond a million a month (openrouter.ai FAQ, read 2026-11-27; published)."""
_STICKY_S = 600.0
"""Seconds after a request for which OpenRouter keeps a session at its provider."""


@dataclass(frozen=True, slots=True)
class _Rules:
    """A gateway whose targets are indices into its own list, not into the option's endpoints."""

    gateway: Gateway
    fee_share: float = 0.0
    fee_free_calls: float = 0.0
    price_multiplier: float = 1.0


def gateway_option(
    name: str,
    option: api_schema.Gateway,
    members: list[ApiOption],
    workloads: tuple[str, ...],
    span_s: float,
) -> ApiOption:
    """Build the option of a gateway to ``members``, in the order of its targets.

    ``span_s`` is the length of the simulated span.

    Raises
    ------
    InputError
        When every target is a fallback, or the targets transform prompts differently.
    """
    offsets = []
    endpoints: list[Endpoint] = []
    for member in members:
        offsets.append(len(endpoints))
        endpoints += member.endpoints
    cases = [_Case(option.targets, members, workload, span_s) for workload in workloads]
    rules = [_rules(option, case) for case in cases]
    gateways: list[Gateway] = []
    routes = []
    for workload, rule in enumerate(rules):
        gateway = replace(
            rule.gateway,
            targets=tuple(
                replace(
                    target,
                    endpoint=offsets[target.endpoint] + members[target.endpoint].routes[workload],
                )
                for target in rule.gateway.targets
            ),
        )
        if gateway not in gateways:
            gateways.append(gateway)
        routes.append(gateways.index(gateway))
    if any(member.reshaping != members[0].reshaping for member in members):
        raise InputError("targets must agree in output_factor, split_prompts and retrieve")
    factor = rules[0].price_multiplier
    return ApiOption(
        name=name,
        endpoints=tuple(replace(e, card=e.card.scaled(factor)) for e in endpoints),
        gateways=tuple(gateways),
        routes=tuple(routes),
        fee_share=rules[0].fee_share,
        fee_free_calls=rules[0].fee_free_calls,
        fixed_usd_per_month=sum(m.fixed_usd_per_month for m in members),
        success_rate=option.success_rate,
        reshaping=members[0].reshaping,
    )


@dataclass(frozen=True, slots=True)
class _Case:
    """One workload for which the rules of a policy are built."""

    targets: list[str]
    members: list[ApiOption]
    workload: str
    span_s: float
    """Length of the simulated span, see ``endpoints.budget``."""


def _rules(option: api_schema.Gateway, case: _Case) -> _Rules:
    policy = option.policy
    translate: dict[type, Callable[..., _Rules]] = {
        api_schema.OpenRouter: _openrouter,
        api_schema.LiteLlm: _litellm,
        api_schema.Portkey: _portkey,
        api_schema.TokenMix: _tokenmix,
    }
    return translate[type(policy)](policy, case)


def _target_weights(weights: dict[str, float], targets: list[str]) -> list[float]:
    """Return weights in the order of the targets; if any is given, the default is 0, else 1."""
    default = 1.0 if not weights else 0.0
    return [weights.get(name, default) for name in targets]


def _openrouter(policy: api_schema.OpenRouter, case: _Case) -> _Rules:
    """Weighted choice without repetition; a target that failed is left out for 30 s."""
    targets, members = case.targets, case.members
    first = [targets.index(name) for name in policy.order]
    indices = first + [k for k in range(len(targets)) if k not in first]
    if not policy.allow_fallbacks:
        indices = indices[: max(1, len(first))]
    strategy: Strategy = "inverse-square" if policy.weighting == "legacy" else "adjusted"
    key = _openrouter_sort(policy, members)
    if policy.sort == "price":
        strategy = "cheapest"
    elif policy.sort is not None or first:
        strategy = "ordered"
        indices = sorted(indices, key=key) if policy.sort else indices
    slow = {k for k in indices if not _is_preferred(policy, members[k].endpoints[0])}
    ceiling = policy.max_price
    gateway = Gateway(
        targets=tuple(
            Target(k, tier=int(0 < len(slow) < len(indices) and k in slow)) for k in indices
        ),
        strategy=strategy,
        attempts=len(indices),
        repeats=False,
        backoff_s=0.0,
        backs_off_always=False,
        cooldown_s=30.0,
        failure_share=0.5,
        bypass=True,
        sticky_s=0.0 if policy.order else _STICKY_S,
        checks_output=True,
        max_prompt_usd_per_mtok=ceiling.prompt or float("inf"),
        max_output_usd_per_mtok=ceiling.completion or float("inf"),
    )
    default = _BYOK_SHARE if policy.own_keys else _CREDIT_SHARE
    share = default if policy.fee_share is None else policy.fee_share
    return _Rules(gateway, share, _BYOK_FREE_CALLS if policy.own_keys else 0.0)


def _openrouter_sort(
    policy: api_schema.OpenRouter, members: list[ApiOption]
) -> Callable[[int], Any]:
    """Return the key by which targets are sorted: throughput, else latency."""
    if policy.sort == "throughput":
        return lambda k: -members[k].endpoints[0].output_tok_s
    return lambda k: members[k].endpoints[0].ttft_median_s


def _is_preferred(policy: api_schema.OpenRouter, endpoint: Endpoint) -> bool:
    min_tok_s, max_ttft_s = policy.preferred_min_throughput, policy.preferred_max_latency
    fast = min_tok_s is None or endpoint.output_tok_s >= min_tok_s
    return fast and (max_ttft_s is None or endpoint.ttft_median_s <= max_ttft_s)


_LITELLM_STRATEGIES: dict[str, Strategy] = {
    "simple-shuffle": "shuffle",
    "least-busy": "least-busy",
    "usage-based-routing-v2": "least-used",
    "latency-based-routing": "latency",
    "cost-based-routing": "cheapest",
}


def _litellm(policy: api_schema.LiteLlm, case: _Case) -> _Rules:
    """A group, followed by fallbacks; cooldown by the share of failures in a minute."""
    targets = case.targets
    fallbacks = [targets.index(name) for name in policy.fallbacks][: policy.max_fallbacks]
    group = [k for k in range(len(targets)) if targets[k] not in policy.fallbacks]
    if not group:
        raise InputError("every target is a fallback: the group needs at least one")
    budgets = {name: budget(limit, case.span_s) for name, limit in policy.budgets.items()}
    weights = _target_weights(policy.weights, targets)
    tiers = dict.fromkeys(group, 0) | {k: tier for tier, k in enumerate(fallbacks, start=1)}
    alone = len(group) == 1
    gateway = Gateway(
        targets=tuple(
            Target(k, tier, weights[k] if tier == 0 else 1.0, budgets.get(targets[k]))
            for k, tier in tiers.items()
        ),
        strategy=_LITELLM_STRATEGIES[policy.strategy],
        attempts=policy.num_retries + 1,
        jitter=0.75,
        backs_off_always=False,
        cooldown_s=policy.cooldown_s,
        cools_on_limit=not alone,
        # A single deployment cools down only when all of a thousand attempts failed.
        failure_share=1.0 - 1e-9 if alone else 0.5,
        failures_counted=1000 if alone else 5,
        failures_allowed=policy.allowed_fails,
        latency_buffer=policy.lowest_latency_buffer,
        sticky_s=policy.affinity.ttl_s if policy.affinity else 0.0,
        knows_limits=True,
    )
    return _Rules(gateway)


def _portkey(policy: api_schema.Portkey, case: _Case) -> _Rules:
    """Fallback in order, by weight, or by workload; exponential pauses without jitter."""
    targets = case.targets
    weights = _target_weights(policy.weights, targets)
    indices = list(range(len(targets)))
    if policy.mode == "conditional":
        by_workload = {w: targets.index(t) for w, t in policy.conditions.items()}
        indices = [by_workload.get(case.workload, 0)]
    balanced = policy.mode == "loadbalance"
    breaker = policy.breaker if policy.mode != "conditional" else None
    share = breaker.failure_threshold_percentage if breaker else None
    gateway = Gateway(
        targets=tuple(
            Target(k, tier=0 if balanced else tier, weight=weights[k])
            for tier, k in enumerate(indices)
        ),
        strategy="shuffle" if balanced else "ordered",
        attempts=policy.retries + 1,
        backoff_s=1.0,
        backoff_max_s=16.0,
        jitter=0.0,
        # Without the switch, Retry-After headers are ignored and the own pause is used.
        retry_after_max_s=60.0 if policy.use_retry_after_headers else 0.0,
        gives_up_on_long_waits=policy.use_retry_after_headers,
        cooldown_s=breaker.cooldown_s if breaker else 0.0,
        failure_share=1.0 if share is None else share / 100,
        failures_counted=breaker.minimum_requests if breaker else 1,
        failures_allowed=breaker.failure_threshold if breaker else None,
        bypass=True,
        budget=budget(policy.budget, case.span_s) if policy.budget else None,
    )
    return _Rules(gateway)


def _tokenmix(policy: api_schema.TokenMix, case: _Case) -> _Rules:
    """Failover in order, at a discount; the actual routing is not documented."""
    targets = case.targets
    gateway = Gateway(
        targets=tuple(Target(k, tier=k) for k in range(len(targets))),
        attempts=1,
        cooldown_s=30.0,
        failure_share=0.5,
        bypass=True,
    )
    return _Rules(gateway, price_multiplier=policy.price_multiplier)
