"""What the engine shall run for an option at a size."""

from dataclasses import dataclass, replace
from typing import Any

from simulator.analysis.study import (
    ApiOption,
    HybridOption,
    SelfHostOption,
    SingleOption,
    Study,
)
from simulator.engine.layout import FLEET
from simulator.engine.plan import Overflow, Plan
from simulator.engine.policies import Rebalancer
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
    routes = (FLEET,) * workloads
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
