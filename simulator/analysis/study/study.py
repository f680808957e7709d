"""The study: a scenario as plain values, ready to simulate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from simulator.analysis.study.options import Option
from simulator.economics.future import Future
from simulator.economics.interval import Interval, UncertainNumber
from simulator.economics.owning import OwningCost
from simulator.traffic.source import TrafficSource


@dataclass(frozen=True, slots=True)
class Slo:
    """Limits on a request's latency [s], and the share of offered requests that must meet them."""

    ttft_s: float | None
    """Limit on the time to first token; None: no limit."""
    tpot_s: float | None
    """Limit on the time per output token after the first; None: no limit."""
    e2e_s: float | None
    """Limit on the time to the complete answer; None: no limit."""
    attainment: float
    """Share of offered requests that must meet all limits at once."""
    percentiles: dict[str, float] = field(default_factory=dict)
    """Share of offered requests that must meet a single limit, by the limit's name: 0.99 makes it a
    limit on the 99th percentile."""


@dataclass(frozen=True, slots=True)
class Quality:
    """Checking of answers, and the limits on wrong ones."""

    correlation: float
    """Correlation of the models' success that is due to the difficulty of a task, shared by all
    models."""
    attempts: int
    """Largest number of calls of one model for one request."""
    catches: float
    """Share of wrong answers that the check detects."""
    false_alarms: float
    """Share of right answers that the check rejects."""
    check_s: float
    """Duration of one check [s]."""
    least_right: float = 0.0
    """Share of requests that must have a right answer in the end; 0: no requirement."""


@dataclass(frozen=True, slots=True)
class People:
    """Engineers and other costs of self-hosting, in addition to hardware."""

    engineers_fte: Interval
    """Engineers who run the own hardware, in full-time equivalents."""
    engineer_usd_per_year: Interval
    """Cost of one engineer [USD/year]."""
    monthly_usd: dict[str, Interval]
    """Further costs by name [USD/month]."""

    @property
    def likely(self) -> OwningCost:
        """Cost of owning at the most likely rates."""
        return OwningCost(
            self.engineers_fte.mid,
            self.engineer_usd_per_year.mid,
            {name: usd.mid for name, usd in self.monthly_usd.items()},
        )


@dataclass(frozen=True, slots=True)
class Effort:
    """Amount of work that a verdict may take."""

    worlds: int
    """Number of draws of the uncertain numbers."""
    volumes: tuple[float, ...]
    """Volumes of the break-even curve, as multiples of today's."""
    sample_requests: int
    """Number of requests that one simulation of a sample may take."""
    max_replicas: int
    """Largest number of replicas that is tried."""
    warm_up_s: float
    """Time at the start of a horizon simulated as a whole that is not counted [s]."""
    careful: int = 4
    """Multiple of ``sample_requests`` with which size and cost at today's volume are settled."""
    spans: int = 16
    """Number of spans that a sample of the horizon has; twice as many where a size is settled."""
    simulated_switching_values: bool = True
    """Whether switching values that need simulation are searched."""
    level: int = 5
    """Level of effort, from 1 to ``effort.LEVELS``; the highest is what the scenario states."""


Rebuild = Callable[[dict[str, float]], "Study"]
"""Builds the study of the same scenario with other numbers, given by their paths; picklable."""


@dataclass(frozen=True, slots=True)
class Study:
    """One question, ready to be answered."""

    name: str
    """Name of the scenario."""
    seed: int
    """Seed of all random numbers."""
    epoch_s: float
    """Unix time at which the simulation starts [s]."""
    traffic: TrafficSource
    """Requests of the horizon."""
    slo: Slo
    """Targets that every option must meet."""
    options: tuple[Option, ...]
    """Options to compare."""
    people: People
    """Costs of self-hosting in addition to hardware."""
    effort: Effort
    """Amount of work that the verdict may take."""
    future: Future | None
    """Expected development of volume and prices; None: both stay as they are today."""
    provenance: dict[str, dict[str, str]]
    """Sources of the scenario's numbers, by group and name."""
    notes: tuple[str, ...]
    """Remarks for the reader about the quality of the inputs."""
    quality: Quality | None = None
    """Checking of answers; None: answers are not checked."""
    priorities: tuple[int, ...] = ()
    """Priority of each workload where queues are served by priority, the smallest first; empty: all
    workloads have the same priority."""
    numbers: tuple[UncertainNumber, ...] = ()
    """Uncertain numbers of the scenario; the study itself uses their medians."""
    rebuild: Rebuild | None = None
    """Builds the study for other values of the uncertain numbers; required if there are any."""

    def rebuilt(self, values: dict[str, float]) -> Study:
        """Return the study with some uncertain numbers changed and the others at their medians."""
        assert self.rebuild is not None, "a study with uncertain numbers can be rebuilt"
        return self.rebuild({n.path: n.value(0.0) for n in self.numbers} | values)
