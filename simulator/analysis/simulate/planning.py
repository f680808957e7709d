"""What the engine shall run for an option at a size."""

from dataclasses import dataclass, replace
from typing import Any

from simulator.analysis.study.study import (
    ApiOption,
    HybridOption,
    SelfHostOption,
    SingleOption,
    Study,
)
from simulator.engine.records.layout import OWN
from simulator.engine.spec.plan import Budget, Endpoint, Fleet, Gateway, Overflow, Plan
from simulator.engine.spec.policies import Rebalancer
from simulator.units import HOUR_S


@dataclass(frozen=True, slots=True)
class Size:
    """What sizing decides."""

    replicas: int = 0
    spill_in_flight: int = 0
    speed: float = 1.0
    """Throughput relative to the prediction."""


def given_size(option: SingleOption) -> Size:
    """Return the size that a scenario gives."""
    if isinstance(option, ApiOption):
        return Size()
    spill = (option.spill_in_flight or 0) if isinstance(option, HybridOption) else 0
    return Size(option.replicas or 0, spill)


@dataclass(frozen=True, slots=True)
class Scaled:
    """What the engine shall run, and what it stands for."""

    plan: Plan
    stands_for: tuple[float, ...]
    """Replicas of each fleet for every one that is simulated."""


def scaled_plan(study: Study, option: SingleOption, size: Size, scale: float) -> Scaled:
    """Lay out what the engine shall run for a share of the traffic.

    Fleets, rate limits, concurrency and budgets have the same share. Replicas are whole: what
    rounding adds or takes away, each one's speed makes up for.
    """
    plan = plan_of(study, option, size)
    if scale >= 1.0:
        return Scaled(plan, (1.0,) * len(plan.fleets))
    fleets, stands_for = [], []
    for fleet in plan.fleets:
        count = max(1, round(fleet.replicas * scale)) if fleet.replicas else 0
        speed = fleet.replicas * scale / count if count else 1.0
        fleets.append(_scaled_fleet(fleet, count, speed, scale))
        stands_for.append(fleet.replicas / count if count else 1.0)
    return Scaled(
        replace(
            plan,
            fleets=tuple(fleets),
            endpoints=tuple(_scaled_endpoint(endpoint, scale) for endpoint in plan.endpoints),
            gateways=tuple(_scaled_gateway(gateway, scale) for gateway in plan.gateways),
        ),
        tuple(stands_for),
    )


def _scaled_fleet(fleet: Fleet, replicas: int, speed: float, scale: float) -> Fleet:
    autoscaler = fleet.autoscaler
    if autoscaler is not None:
        autoscaler = replace(
            autoscaler,
            max_replicas=max(replicas, 1, round(autoscaler.max_replicas * scale)),
            floors=tuple(round(floor * scale) for floor in autoscaler.floors),
        )
    return replace(
        fleet,
        replicas=replicas,
        step_time=fleet.step_time.scaled(1 / speed),
        autoscaler=autoscaler,
    )


def _scaled_endpoint(endpoint: Endpoint, scale: float) -> Endpoint:
    cache = endpoint.cache
    return replace(
        endpoint,
        limits=tuple(replace(limit, amount=limit.amount * scale) for limit in endpoint.limits),
        concurrency=endpoint.concurrency and max(1, round(endpoint.concurrency * scale)),
        queue=round(endpoint.queue * scale),
        budgets=tuple(_scaled_budget(budget, scale) for budget in endpoint.budgets),
        cache=replace(cache, machine_per_min=cache.machine_per_min * scale),
    )


def _scaled_gateway(gateway: Gateway, scale: float) -> Gateway:
    targets = (
        replace(t, budget=t.budget and _scaled_budget(t.budget, scale)) for t in gateway.targets
    )
    whole = gateway.budget and _scaled_budget(gateway.budget, scale)
    return replace(gateway, targets=tuple(targets), budget=whole)


def _scaled_budget(budget: Budget, scale: float) -> Budget:
    return replace(budget, usd=budget.usd * scale)


def plan_of(study: Study, option: SingleOption, size: Size) -> Plan:
    """Lay out what the engine shall run."""
    workloads = len(study.traffic.workload_names)
    common: dict[str, Any] = {"priorities": study.priorities, "seed": study.seed}
    if isinstance(option, ApiOption):
        return Plan(option.routes, (), option.endpoints, option.gateways, **common)
    base = option.base if isinstance(option, HybridOption) else option
    fleet = replace(
        base.fleet,
        replicas=size.replicas,
        step_time=base.fleet.step_time.scaled(1 / size.speed),
    )
    if fleet.autoscaler is not None:
        most = max(fleet.autoscaler.max_replicas, size.replicas)
        fleet = replace(fleet, autoscaler=replace(fleet.autoscaler, max_replicas=most))
    partners = (
        replace(p.fleet, step_time=p.fleet.step_time.scaled(1 / size.speed)) for p in base.partners
    )
    fleets = (fleet, *partners)
    routes = (OWN,) * workloads
    if isinstance(option, SelfHostOption):
        return Plan(routes, fleets, **common)
    return Plan(
        routes,
        fleets,
        option.overflow.endpoints,
        option.overflow.gateways,
        Overflow(option.overflow.routes, size.spill_in_flight),
        rebalancer=_rebalancer(option),
        **common,
    )


def _rebalancer(option: HybridOption) -> Rebalancer | None:
    """The rule by which a hybrid's only fleet is valued at its overflow's first endpoint."""
    rule, base = option.rebalancing, option.base
    if rule is None:
        return None
    rent_usd_per_s = base.replica_usd_per_hour / HOUR_S
    return Rebalancer(0, 0, rule.interval_s, rent_usd_per_s, rule.margin, rule.max_replicas)
