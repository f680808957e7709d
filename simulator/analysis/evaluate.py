"""One option at one size on one volume: simulate, measure, price."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from simulator.analysis.outcome import Outcome
from simulator.analysis.sampling import Sample, Slice, sample_traffic
from simulator.analysis.study import ApiOption, HybridOption, Option, SelfHostOption, Study
from simulator.analysis.tally import Tally
from simulator.economics.owning import OwningCost
from simulator.engine.layout import FLEET
from simulator.engine.ledger import Ledger
from simulator.engine.plan import Overflow, Plan
from simulator.engine.policies import Rebalancer
from simulator.engine.run import stream
from simulator.units import HOUR_S


@dataclass(frozen=True, slots=True)
class Size:
    """What sizing decides."""

    replicas: int = 0
    spill_in_flight: int = 0
    speed: float = 1.0
    """Throughput relative to the prediction."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """An option at a size, and what it did."""

    option: Option
    size: Size
    outcome: Outcome

    @property
    def owned(self) -> list[tuple[SelfHostOption, float]]:
        """Deployments with the mean number of replicas paid for, spares included."""
        base = self_hosted_part(self.option)
        if base is None:
            return []
        deployments = [base, *(partner.option for partner in base.partners)]
        means, most = self.outcome.owned_replicas, self.outcome.max_replicas
        return [
            (d, (most[k] if d.bought else means[k]) + d.spare_replicas)
            for k, d in enumerate(deployments)
        ]

    def cost_usd(self, study: Study) -> dict[str, float]:
        """Cost by component at the most likely rates [USD/month]."""
        usd = {f"api_{bucket}": cost for bucket, cost in self.outcome.api_usd.items()}
        api = api_part(self.option)
        if api is not None and api.fixed_usd_per_month:
            usd["api_fixed"] = api.fixed_usd_per_month
        base = self_hosted_part(self.option)
        if base is not None:
            owning = OwningCost(
                study.people.engineers_fte.mid,
                study.people.engineer_usd_per_year.mid,
                {name: usd.mid for name, usd in study.people.monthly_usd.items()},
            )
            gpus = [
                replicas * d.gpus_per_replica * d.gpu_usd_per_hour.mid for d, replicas in self.owned
            ]
            usd |= owning.per_month_usd(sum(gpus))
        return usd

    def total_usd(self, study: Study) -> float:
        """Total at the most likely rates [USD/month]."""
        return sum(self.cost_usd(study).values())


def self_hosted_part(option: Option) -> SelfHostOption | None:
    """Return the deployment that an option runs, if it runs one."""
    if isinstance(option, HybridOption):
        return option.base
    return option if isinstance(option, SelfHostOption) else None


def api_part(option: Option) -> ApiOption | None:
    """Return the API that an option may call, if any."""
    if isinstance(option, HybridOption):
        return option.overflow
    return option if isinstance(option, ApiOption) else None


class Evaluator:
    """Evaluates options on one volume; draws the traffic once and remembers every result."""

    def __init__(self, study: Study, volume: float) -> None:
        self.study = study
        self.volume = volume
        self._sample: Sample | None = None
        self._known: dict[tuple[str, Size], Evaluation] = {}

    @property
    def sample(self) -> Sample:
        """Simulated parts of the horizon."""
        if self._sample is None:
            self._sample = sample_traffic(self.study, self.volume)
        return self._sample

    def simulate(self, option: Option, size: Size) -> Iterator[tuple[Slice, Ledger]]:
        """Run an option at a size on every slice of the sample; pieces of its ledger."""
        plan = plan_of(self.study, option, size)
        for part in self.sample.slices:
            end_s = self.end_s(plan, part)
            for piece in stream(plan, part.chunks(0), end_s, self.study.epoch_s + part.offset_s):
                yield part, piece

    def end_s(self, plan: Plan, part: Slice) -> float:
        """End of a slice's simulation; where nothing is owned, deferred work is waited for."""
        waits_s = 0.0 if plan.fleets else self.study.traffic.longest_deadline_s
        return part.horizon_s + waits_s

    def evaluate(self, option: Option, size: Size) -> Evaluation:
        """Simulate an option at a size, measure and price it; once."""
        key = (option.name, size)
        if key not in self._known:
            tally = Tally(self.study.slo, api_part(option), self.study.epoch_s)
            for part, piece in self.simulate(option, size):
                tally.add(part, piece)
            self._known[key] = Evaluation(option, size, tally.outcome(self.sample))
        return self._known[key]


def plan_of(study: Study, option: Option, size: Size) -> Plan:
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
    rent_usd_per_s = base.gpus_per_replica * base.gpu_usd_per_hour.mid / HOUR_S
    return Rebalancer(0, 0, rule.interval_s, rent_usd_per_s, rule.margin, rule.max_replicas)
