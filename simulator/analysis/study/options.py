"""Options: the ways to serve the traffic, as plain values.

``Option`` is the contract that every kind of option fulfils. The three kinds that the engine runs
directly (API, self-hosted, hybrid) are defined here, because all other kinds are made of them;
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
    """Size of an option, which sizing decides."""

    replicas: int = 0
    """Number of replicas."""
    spill_in_flight: int = 0
    """Requests in flight on every replica from which a hybrid calls its API."""
    speed: float = 1.0
    """Throughput of the hardware relative to the prediction."""


class Option(ABC):
    """One way to serve the traffic: its parts, and what a scenario must state for it."""

    __slots__ = ()
    name: str
    """Name of the option in the scenario."""
    kind: str
    """``api``, ``selfhost`` or ``hybrid``: whether calls, own hardware or both are paid for."""

    @property
    @abstractmethod
    def parts(self) -> tuple[SingleOption, ...]:
        """Options that the engine runs separately; an option without parts is its only part."""

    @property
    def own(self) -> SelfHostOption | None:
        """Deployment that the option itself runs; None if it runs none, or is made of options."""
        return None

    @property
    def api(self) -> ApiOption | None:
        """API that the option itself calls; None if it calls none, or is made of options."""
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
        """Return the option with hardware of a known speed, relative to the prediction."""

    @abstractmethod
    def require_sizes(self) -> None:
        """Raise InputError if the scenario leaves a size or a choice open."""


class SingleOption(Option):
    """An option that the engine runs directly."""

    __slots__ = ()

    @property
    def parts(self) -> tuple[SingleOption, ...]:
        """The option itself."""
        return (self,)

    @property
    def rebalances(self) -> bool:
        """Whether the fleet grows and shrinks with what its work is worth at API prices."""
        return False

    @property
    @abstractmethod
    def given_size(self) -> Size:
        """Size that the scenario states, with 0 for each number that it leaves open."""

    @abstractmethod
    def plan(self, size: Size, workloads: int) -> Plan:
        """Lay out what the engine runs for a number of workloads."""

    @abstractmethod
    def faster(self, factor: float) -> SingleOption:
        """Return the option with hardware of a known speed, relative to the prediction."""


@dataclass(frozen=True, slots=True)
class Reshaping:
    """Changes that an option makes to every request: output length, split prompts, retrieval.

    ``simulate.prompt_transforms`` applies them.
    """

    output_factor: float = 1.0
    """Output tokens of this model relative to those of the traffic."""
    split_above_tok: int | None = None
    """Prompt length above which a prompt is read in parts of this many tokens; None: prompts stay
    whole."""
    part_output_tok: int = 0
    """Output tokens of the answer to each part of a split prompt; one more call combines these
    answers."""
    retrieve_tok: int | None = None
    """Prompt length above which a search replaces the prompt by passages of this many tokens; None:
    no retrieval."""
    retrieval_usd: float = 0.0
    """Cost of the retrieval for each request [USD]."""


@dataclass(frozen=True, slots=True)
class ApiOption(SingleOption):
    """Every token is bought, from one offer or through a gateway from several."""

    name: str
    endpoints: tuple[Endpoint, ...]
    """Endpoints that may serve the calls."""
    gateways: tuple[Gateway, ...]
    """Gateways that choose among the endpoints."""
    routes: tuple[int, ...]
    """Gateway of each workload, as an index into ``gateways``."""
    fee_share: float
    """Fee of the gateway as a share of the price of the calls."""
    fixed_usd_per_month: float
    """Cost of dedicated capacity, used or not [USD/month]."""
    success_rate: float | None
    """Share of requests that one call answers correctly; None: unknown."""
    reshaping: Reshaping | None = None
    """Changes that the option makes to every request; None: requests stay as the traffic has
    them."""
    fee_free_calls: float = 0.0
    """Calls per month for which the gateway takes no fee."""
    kind: str = "api"

    def fee(self, calls_per_month: float) -> float:
        """Return the gateway's fee as a share of the price of a month's calls."""
        if not self.fee_free_calls:
            return self.fee_share
        return self.fee_share * max(0.0, 1 - self.fee_free_calls / max(1.0, calls_per_month))

    @property
    def api(self) -> ApiOption:
        """The option itself."""
        return self

    @property
    def given_size(self) -> Size:
        """An empty size: an API has no replicas."""
        return Size()

    def faster(self, factor: float) -> Self:
        """Return the option itself: an API does not depend on own hardware."""
        return self

    def require_sizes(self) -> None:
        """Accept the option: an API has no size to be found."""

    def plan(self, size: Size, workloads: int) -> Plan:
        """Lay out the endpoints and the gateways."""
        return Plan(self.routes, (), self.endpoints, self.gateways)


@dataclass(frozen=True, slots=True)
class SelfHostOption(SingleOption):
    """All requests are served by own replicas."""

    name: str
    fleet: Fleet
    """Fleet at its smallest size; sizing raises ``replicas``."""
    replicas: int | None
    """Number of replicas that the scenario states; None: to be found."""
    spare_replicas: int
    """Replicas that are paid for and serve no requests."""
    gpus_per_replica: int
    """Accelerators of one replica."""
    gpu_usd_per_hour: Interval
    """Rent of one accelerator, or the hourly cost of owning it [USD/hour]."""
    purchase: Purchase | None
    """Terms of hardware that is bought, and therefore paid for at the fleet's largest size at all
    times; None: the hardware is rented."""
    speed: Interval
    """True throughput relative to the predicted one."""
    label: str
    """Short description of the deployment."""
    success_rate: float | None
    """Share of requests that one call answers correctly; None: unknown."""
    kv_bytes_per_tok: float
    """Size of the KV cache per prompt token, for sending it to another fleet [bytes]."""
    partners: tuple[Partner, ...] = ()
    """Further fleets of fixed size; their indices in a plan follow this fleet's."""
    reshaping: Reshaping | None = None
    """Changes that the option makes to every request; None: requests stay as the traffic has
    them."""
    kind: str = "selfhost"

    @property
    def is_constant(self) -> bool:
        """Whether the number of replicas never changes; only then can capacity be measured."""
        fleet = self.fleet
        return fleet.autoscaler is None and not fleet.interruptions and fleet.rollout is None

    @property
    def replica_usd_per_hour(self) -> float:
        """Most likely cost of one replica's accelerators [USD/hour]."""
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
        """Return the option with a known speed."""
        return replace(self, speed=Interval.certain(factor))

    def require_sizes(self) -> None:
        """Raise InputError if the scenario leaves the number of replicas open."""
        require_number(self.name, "replicas", self.replicas)

    def plan(self, size: Size, workloads: int) -> Plan:
        """Lay out the fleets: the option's own fleet, then those of its partners."""
        return Plan((OWN,) * workloads, self.fleets(size))

    def fleets(self, size: Size) -> tuple[Fleet, ...]:
        """Return the option's fleet at a size, then those of its partners."""
        fleet = replace(
            self.fleet,
            replicas=size.replicas,
            step_time=self.fleet.step_time.scaled(1 / size.speed),
        )
        if fleet.autoscaler is not None:
            largest = max(fleet.autoscaler.max_replicas, size.replicas)
            fleet = replace(fleet, autoscaler=replace(fleet.autoscaler, max_replicas=largest))
        partners = (
            replace(p.fleet, step_time=p.fleet.step_time.scaled(1 / size.speed))
            for p in self.partners
        )
        return (fleet, *partners)


@dataclass(frozen=True, slots=True)
class Partner:
    """Replicas of another deployment that serve alongside a fleet, or decode what it prefilled."""

    option: SelfHostOption
    """Deployment of these replicas."""
    fleet: Fleet
    """Fleet of these replicas, at its fixed size."""


@dataclass(frozen=True, slots=True)
class Rebalancing:
    """Rule by which the size of a hybrid's fleet follows the value of its work.

    ``engine.spec.policies.Rebalancer`` is the same rule for the engine.
    """

    interval_s: float
    """Time between two decisions [s]."""
    margin: float
    """Share of the rent by which the value of the work must differ from it before the fleet
    changes."""
    max_replicas: int
    """Largest number of replicas."""


@dataclass(frozen=True, slots=True)
class HybridOption(SingleOption):
    """A self-hosted base that overflows to an API."""

    name: str
    base: SelfHostOption
    """Deployment of the own replicas."""
    overflow: ApiOption
    """API for the requests that the base cannot take."""
    replicas: int | None
    """Number of own replicas that the scenario states; None: to be found."""
    spill_in_flight: int | None
    """Overflow threshold that the scenario states, as ``Size`` has it; None: to be found."""
    rebalancing: Rebalancing | None = None
    """Rule by which the size of the base follows the value of its work; None: the size is
    constant."""
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
        """Whether the base grows and shrinks with what its work is worth at API prices."""
        return self.rebalancing is not None

    @property
    def given_size(self) -> Size:
        """Number of replicas and overflow threshold that the scenario states."""
        return Size(self.replicas or 0, self.spill_in_flight or 0)

    def faster(self, factor: float) -> Self:
        """Return the hybrid with a base of a known speed."""
        return replace(self, base=self.base.faster(factor))

    def require_sizes(self) -> None:
        """Raise InputError if the scenario leaves the replicas or the overflow threshold open."""
        require_number(self.name, "replicas", self.replicas)
        require_number(self.name, "spill_in_flight", self.spill_in_flight)

    def plan(self, size: Size, workloads: int) -> Plan:
        """Lay out the base's fleets, and the API for their overflow."""
        return Plan(
            (OWN,) * workloads,
            self.base.fleets(size),
            self.overflow.endpoints,
            self.overflow.gateways,
            Overflow(self.overflow.routes, size.spill_in_flight),
            rebalancer=self._rebalancer(),
        )

    def _rebalancer(self) -> Rebalancer | None:
        """Rule that compares the base's first fleet with the price of the API's first endpoint."""
        rule = self.rebalancing
        if rule is None:
            return None
        rent_usd_per_s = self.base.replica_usd_per_hour / HOUR_S
        return Rebalancer(0, 0, rule.interval_s, rent_usd_per_s, rule.margin, rule.max_replicas)


def require_number(option: str, field: str, value: int | None) -> None:
    """Raise InputError if a scenario leaves a number of an option open."""
    if value is None:
        raise InputError(
            f"options.{option}.{field}: simulate does not search for sizes, state a number "
            f"(for example --set options.{option}.{field}=2)"
        )
