"""What is asked, behind the scenario file: plain values, ready to simulate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from simulator.economics.future import Future
from simulator.economics.interval import Interval, UncertainNumber
from simulator.economics.owning import OwningCost
from simulator.economics.purchase import Purchase
from simulator.engine.spec.plan import Endpoint, Fleet, Gateway
from simulator.traffic.source import TrafficSource


@dataclass(frozen=True, slots=True)
class Slo:
    """Latency limits of one request [s] and the share of offered requests that must meet them."""

    ttft_s: float | None
    tpot_s: float | None
    e2e_s: float | None
    attainment: float
    """Share that must meet all of them at once."""
    percentiles: dict[str, float] = field(default_factory=dict)
    """Share that must meet a single one, by its name: 0.99 holds its 99th percentile."""


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
class Quality:
    """What happens to wrong answers."""

    correlation: float
    """Of the models' success, by the difficulty that a task has for all of them."""
    attempts: int
    """How often one model is asked at most."""
    catches: float
    """Share of wrong answers that the check finds."""
    false_alarms: float
    """Share of right answers that it takes for wrong."""
    check_s: float
    """How long it takes."""
    least_right: float = 0.0
    """Share of requests that must be answered rightly in the end; 0: no matter."""


@dataclass(frozen=True, slots=True)
class ApiOption:
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


@dataclass(frozen=True, slots=True)
class SelfHostOption:
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
class HybridOption:
    """A self-hosted base that spills to an API."""

    name: str
    base: SelfHostOption
    overflow: ApiOption
    replicas: int | None
    spill_in_flight: int | None
    rebalancing: Rebalancing | None = None
    kind: str = "hybrid"


@dataclass(frozen=True, slots=True)
class Choice:
    """Several ways to do the same, of which the cheapest that meets the SLO is to be found."""

    name: str
    candidates: tuple[SelfHostOption | HybridOption, ...]
    """Their names tell them apart."""
    impossible: tuple[tuple[str, str], ...]
    """Candidates that cannot be built, such as a model that does not fit, and why."""
    kind: str


@dataclass(frozen=True, slots=True)
class Pools:
    """Workloads shared out among options that serve them beside one another."""

    name: str
    pools: tuple[SingleOption, ...]
    assigned: tuple[int | None, ...]
    """Per workload, its pool; None: to be found."""
    kind: str = "hybrid"


@dataclass(frozen=True, slots=True)
class Cascade:
    """Ask the first; when a check finds the answer wrong, ask the next."""

    name: str
    stages: tuple[SingleOption, ...]
    kind: str


SingleOption = ApiOption | SelfHostOption | HybridOption
Option = SingleOption | Choice | Pools | Cascade


def single_options(option: Option) -> tuple[SingleOption, ...]:
    """Return all that may run by themselves within an option."""
    if isinstance(option, Choice):
        return option.candidates
    if isinstance(option, Pools):
        return option.pools
    return option.stages if isinstance(option, Cascade) else (option,)


def self_hosted_part(option: Option) -> SelfHostOption | None:
    """Return the deployment that an option runs by itself, if it runs one."""
    if isinstance(option, HybridOption):
        return option.base
    return option if isinstance(option, SelfHostOption) else None


def deployments(option: Option) -> list[SelfHostOption]:
    """Return the deployments of an option's fleets, in their order; those of partners last."""
    base = self_hosted_part(option)
    return [] if base is None else [base, *(partner.option for partner in base.partners)]


def api_part(option: Option) -> ApiOption | None:
    """Return the API that an option may call by itself, if any."""
    if isinstance(option, HybridOption):
        return option.overflow
    return option if isinstance(option, ApiOption) else None


@dataclass(frozen=True, slots=True)
class People:
    """What self-hosting takes beside hardware."""

    engineers_fte: Interval
    engineer_usd_per_year: Interval
    monthly_usd: dict[str, Interval]
    """Further costs by name."""

    @property
    def likely(self) -> OwningCost:
        """At the most likely rates."""
        return OwningCost(
            self.engineers_fte.mid,
            self.engineer_usd_per_year.mid,
            {name: usd.mid for name, usd in self.monthly_usd.items()},
        )


@dataclass(frozen=True, slots=True)
class Effort:
    """How much work the verdict may take."""

    worlds: int
    volumes: tuple[float, ...]
    sample_requests: int
    max_replicas: int
    warm_up_s: float
    """Left out at the beginning of a horizon that is simulated as a whole."""
    careful: int = 4
    """Times as many requests where an option's size and cost at today's volume are settled."""
    spans: int = 16
    """Of the horizon, where it is sampled; twice as many where a size is settled."""
    flips_simulated: bool = True
    """Whether flips are looked for that need simulation."""
    level: int = 5
    """Which of ``haste.LEVELS`` this is; the last is what the scenario says."""


Rebuild = Callable[[dict[str, float]], "Study"]
"""Builds the study of the same scenario with other numbers, by their paths; picklable."""


@dataclass(frozen=True, slots=True)
class Study:
    """One question, ready to be answered."""

    name: str
    seed: int
    epoch_s: float
    """Unix time of the simulation's zero [s]."""
    traffic: TrafficSource
    slo: Slo
    options: tuple[Option, ...]
    people: People
    effort: Effort
    future: Future | None
    """None: today's volume and prices for ever."""
    provenance: dict[str, dict[str, str]]
    notes: tuple[str, ...]
    """What a reader should know about the quality of the inputs."""
    quality: Quality | None = None
    """None: nobody checks answers."""
    priorities: tuple[int, ...] = ()
    """Per workload, the least goes first where queues are served by priority; empty: all alike."""
    numbers: tuple[UncertainNumber, ...] = ()
    """At their medians here."""
    rebuild: Rebuild | None = None
    """Needed where there are uncertain numbers."""

    def rebuilt(self, values: dict[str, float]) -> Study:
        """Return the study with other values of uncertain numbers, the rest at their medians."""
        assert self.rebuild is not None, "a study with uncertain numbers can be rebuilt"
        return self.rebuild({n.path: n.value(0.0) for n in self.numbers} | values)
