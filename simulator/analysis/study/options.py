"""Options: the ways to serve the traffic, as plain values.

``Option`` is the contract that every kind of option fulfils. The three kinds that the engine runs
as they are (API, self-hosted, hybrid) are defined here, because everything else is made of them;
kinds that combine them are defined in ``analysis.size.kinds``, one file each.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Self

from simulator.economics.interval import Interval
from simulator.economics.purchase import Purchase
from simulator.engine.records.layout import OWN
from simulator.engine.spec.plan import Endpoint, Fleet, Gateway, Overflow, Plan
from simulator.engine.spec.policies import Rebalancer
from simulator.errors import InputError
from simulator.units import HOUR_S


@dataclass(frozen=True, slots=True)
class Size:
    """What sizing decides."""

    replicas: int = 0
    spill_in_flight: int = 0
    """Requests in flight on every replica from which a hybrid calls its API."""
    speed: float = 1.0
    """Throughput relative to the prediction."""


class Option(ABC):
    """One way to serve the traffic: what it is made of, and what a scenario must state for it."""

    __slots__ = ()
    name: str
    kind: str
    """``api``, ``selfhost`` or ``hybrid``: who is paid."""

    @property
    @abstractmethod
    def parts(self) -> tuple[SingleOption, ...]:
        """Options that the engine runs one by one; an option without parts is its only part."""

    @property
    def own(self) -> SelfHostOption | None:
        """Deployment that the option itself runs, if any; None for options made of others."""
        return None

    @property
    def api(self) -> ApiOption | None:
        """API that the option itself calls, if any; None for options made of others."""
        return None

    @property
    def calls_only(self) -> bool:
        """Whether the option is an API and nothing else."""
        return self.api is not None and self.own is None

    @property
    def owns_only(self) -> bool:
        """Whether the option is a self-hosted deployment and nothing else."""
        return self.own is not None and self.api is None

    @property
    def owns_and_calls(self) -> bool:
        """Whether the option is a hybrid of one deployment and one API."""
        return self.own is not None and self.api is not None

    @property
    def deployments(self) -> tuple[SelfHostOption, ...]:
        """Deployments of the option's fleets, in the order of its plan."""
        base = self.own
        return () if base is None else (base, *(partner.option for partner in base.partners))

    @abstractmethod
    def faster(self, factor: float) -> Option:
        """Return the option with hardware of a certain speed, relative to the prediction."""

    @abstractmethod
    def require_sizes(self) -> None:
        """Raise InputError if the scenario leaves a size or a choice to be found."""


class SingleOption(Option):
    """An option that the engine runs as it is."""

    __slots__ = ()

    @property
    def parts(self) -> tuple[SingleOption, ...]:
        """The option itself."""
        return (self,)

    @property
    def rebalances(self) -> bool:
        """Whether the fleet follows what its work is worth at API prices."""
        return False

    @property
    @abstractmethod
    def given_size(self) -> Size:
        """Size that the scenario states; 0 where it leaves one to be found."""

    @abstractmethod
    def plan(self, size: Size, workloads: int) -> Plan:
        """Lay out what the engine runs for a number of workloads."""

    @abstractmethod
    def faster(self, factor: float) -> SingleOption:
        """Return the option with hardware of a certain speed, relative to the prediction."""


@dataclass(frozen=True, slots=True)
class Reshaping:
    """How an application asks otherwise than the traffic says; see ``prompt_transforms``."""

    output_factor: float = 1.0
    """Output tokens of this model over those of the traffic."""
    split_above_tok: int | None = None
    """Longer prompts are read in parts of this many tokens..."""
    part_output_tok: int = 0
    """...each of which is answered in so many, and the parts' answers together in one more call."""
    retrieve_tok: int | None = None
    """Longer prompts are replaced by passages of this many tokens, found by a search..."""
    retrieval_usd: float = 0.0
    """...that costs this much a request."""


@dataclass(frozen=True, slots=True)
class ApiOption(SingleOption):
    """Buy every token, from one offer or through a gateway to several."""

    name: str
    endpoints: tuple[Endpoint, ...]
    gateways: tuple[Gateway, ...]
    routes: tuple[int, ...]
    """Per workload, the gateway that its requests go through."""
    fee_share: float
    """Of the price, on top for the gateway."""
    fixed_usd_per_month: float
    """For capacity that is paid used or not."""
    success_rate: float | None
    reshaping: Reshaping | None = None
    fee_free_calls: float = 0.0
    """Of a month, which bear no fee."""
    kind: str = "api"

    def fee(self, calls_per_month: float) -> float:
        """Return the gateway's fee as a share of the price of all calls of a month."""
        if not self.fee_free_calls:
            return self.fee_share
        return self.fee_share * max(0.0, 1 - self.fee_free_calls / max(1.0, calls_per_month))

    @property
    def api(self) -> ApiOption:
        """The option itself."""
        return self

    @property
    def given_size(self) -> Size:
        """An API has no size."""
        return Size()

    def faster(self, factor: float) -> Self:
        """Return the option itself: an API does not depend on own hardware."""
        return self

    def require_sizes(self) -> None:
        """Accept the option: nothing is left to be found."""

    def plan(self, size: Size, workloads: int) -> Plan:
        """Lay out the endpoints and the gateways."""
        return Plan(self.routes, (), self.endpoints, self.gateways)


@dataclass(frozen=True, slots=True)
class SelfHostOption(SingleOption):
    """Serve everything on replicas of one's own."""

    name: str
    fleet: Fleet
    """At its smallest; sizing raises ``replicas``."""
    replicas: int | None
    """Fixed by the scenario, or None to be found."""
    spare_replicas: int
    gpus_per_replica: int
    gpu_usd_per_hour: Interval
    """Rent, or what owning comes to."""
    purchase: Purchase | None
    """Of hardware that is bought: it is paid for at its most, whatever the autoscaler does."""
    speed: Interval
    """True throughput over the predicted one."""
    label: str
    success_rate: float | None
    kv_bytes_per_tok: float
    """Of a prompt's cache when it is sent elsewhere."""
    partners: tuple[Partner, ...] = ()
    """Further fleets of fixed size; their places in a plan follow this one's."""
    reshaping: Reshaping | None = None
    kind: str = "selfhost"

    @property
    def is_constant(self) -> bool:
        """Whether its fleet is there as it is; what comes and goes has no capacity of its own."""
        fleet = self.fleet
        return fleet.autoscaler is None and not fleet.interruptions and fleet.rollout is None

    @property
    def replica_usd_per_hour(self) -> float:
        """Most likely cost of one replica's accelerators."""
        return self.gpus_per_replica * self.gpu_usd_per_hour.mid

    @property
    def own(self) -> SelfHostOption:
        """The option itself."""
        return self

    @property
    def given_size(self) -> Size:
        """Number of replicas that the scenario states."""
        return Size(self.replicas or 0)

    def faster(self, factor: float) -> Self:
        """Return the option with another certain speed."""
        return replace(self, speed=Interval.certain(factor))

    def require_sizes(self) -> None:
        """Raise InputError if the number of replicas is to be found."""
        require_number(self.name, "replicas", self.replicas)

    def plan(self, size: Size, workloads: int) -> Plan:
        """Lay out the fleets: the option's own one, then those of its partners."""
        return Plan((OWN,) * workloads, self.fleets(size))

    def fleets(self, size: Size) -> tuple[Fleet, ...]:
        """Return the option's fleet at a size, then those of its partners."""
        fleet = replace(
            self.fleet,
            replicas=size.replicas,
            step_time=self.fleet.step_time.scaled(1 / size.speed),
        )
        if fleet.autoscaler is not None:
            most = max(fleet.autoscaler.max_replicas, size.replicas)
            fleet = replace(fleet, autoscaler=replace(fleet.autoscaler, max_replicas=most))
        partners = (
            replace(p.fleet, step_time=p.fleet.step_time.scaled(1 / size.speed))
            for p in self.partners
        )
        return (fleet, *partners)


@dataclass(frozen=True, slots=True)
class Partner:
    """Replicas of another deployment that serve beside a fleet, or decode what it prefilled."""

    option: SelfHostOption
    fleet: Fleet


@dataclass(frozen=True, slots=True)
class Rebalancing:
    """How a hybrid's fleet follows what its work is worth; see ``policies.Rebalancer``."""

    interval_s: float
    margin: float
    max_replicas: int


@dataclass(frozen=True, slots=True)
class HybridOption(SingleOption):
    """A self-hosted base that spills to an API."""

    name: str
    base: SelfHostOption
    overflow: ApiOption
    replicas: int | None
    spill_in_flight: int | None
    rebalancing: Rebalancing | None = None
    kind: str = "hybrid"

    @property
    def own(self) -> SelfHostOption:
        """Deployment of the base."""
        return self.base

    @property
    def api(self) -> ApiOption:
        """API that takes the overflow."""
        return self.overflow

    @property
    def rebalances(self) -> bool:
        """Whether the base follows what its work is worth at API prices."""
        return self.rebalancing is not None

    @property
    def given_size(self) -> Size:
        """Replicas and spill threshold that the scenario states."""
        return Size(self.replicas or 0, self.spill_in_flight or 0)

    def faster(self, factor: float) -> Self:
        """Return the hybrid with a base of another certain speed."""
        return replace(self, base=self.base.faster(factor))

    def require_sizes(self) -> None:
        """Raise InputError if the replicas or the spill threshold are to be found."""
        require_number(self.name, "replicas", self.replicas)
        require_number(self.name, "spill_in_flight", self.spill_in_flight)

    def plan(self, size: Size, workloads: int) -> Plan:
        """Lay out the base's fleets, and the API to which they overflow."""
        return Plan(
            (OWN,) * workloads,
            self.base.fleets(size),
            self.overflow.endpoints,
            self.overflow.gateways,
            Overflow(self.overflow.routes, size.spill_in_flight),
            rebalancer=self._rebalancer(),
        )

    def _rebalancer(self) -> Rebalancer | None:
        """Rule by which the base's first fleet is valued at the API's first endpoint."""
        rule = self.rebalancing
        if rule is None:
            return None
        rent_usd_per_s = self.base.replica_usd_per_hour / HOUR_S
        return Rebalancer(0, 0, rule.interval_s, rent_usd_per_s, rule.margin, rule.max_replicas)


def require_number(option: str, field: str, value: int | None) -> None:
    """Raise InputError if a scenario leaves a number of an option to be found."""
    if value is None:
        raise InputError(
            f"options.{option}.{field}: simulate searches nothing, give a number "
            f"(for example --set options.{option}.{field}=2)"
        )
