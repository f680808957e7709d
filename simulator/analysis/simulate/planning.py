"""Plans: what the engine runs for an option at a size."""

from dataclasses import dataclass, replace

from simulator.analysis.study.options import SingleOption, Size
from simulator.analysis.study.study import Study
from simulator.engine.spec.plan import Budget, Endpoint, Fleet, Gateway, Plan


@dataclass(frozen=True, slots=True)
class Scaled:
    """A plan for a share of the traffic, and the number of replicas that it represents."""

    plan: Plan
    """Plan that the engine runs."""
    represented: tuple[float, ...]
    """Replicas of each fleet that one simulated replica represents."""


def scaled_plan(study: Study, option: SingleOption, size: Size, scale: float) -> Scaled:
    """Lay out what the engine runs for a share of the traffic.

    Fleets, rate limits, concurrency and budgets get the same share. The number of replicas is
    rounded; their speed makes up for the difference.
    """
    plan = plan_of(study, option, size)
    if scale >= 1.0:
        return Scaled(plan, (1.0,) * len(plan.fleets))
    fleets, represented = [], []
    for fleet in plan.fleets:
        count = max(1, round(fleet.replicas * scale)) if fleet.replicas else 0
        speed = fleet.replicas * scale / count if count else 1.0
        fleets.append(_scaled_fleet(fleet, count, speed, scale))
        represented.append(fleet.replicas / count if count else 1.0)
    return Scaled(
        replace(
            plan,
            fleets=tuple(fleets),
            endpoints=tuple(_scaled_endpoint(endpoint, scale) for endpoint in plan.endpoints),
            gateways=tuple(_scaled_gateway(gateway, scale) for gateway in plan.gateways),
        ),
        tuple(represented),
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
    budget = gateway.budget and _scaled_budget(gateway.budget, scale)
    return replace(gateway, targets=tuple(targets), budget=budget)


def _scaled_budget(budget: Budget, scale: float) -> Budget:
    return replace(budget, usd=budget.usd * scale)


def plan_of(study: Study, option: SingleOption, size: Size) -> Plan:
    """Lay out what the engine runs for an option at a size."""
    plan = option.plan(size, len(study.traffic.workload_names))
    return replace(plan, priorities=study.priorities, seed=study.seed)
