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
    """Latency limits of one request [s] and the share of offered requests that must meet them."""

    ttft_s: float | None
    tpot_s: float | None
    e2e_s: float | None
    attainment: float
    """Share that must meet all of them at once."""
    percentiles: dict[str, float] = field(default_factory=dict)
    """Share that must meet a single one, by its name: 0.99 holds its 99th percentile."""


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
