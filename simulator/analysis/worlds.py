"""Uncertainty: many worlds of rates and speeds, the same ones for every option and volume.

What a simulation must answer (replicas, spilled tokens) is simulated for three speeds of the
hardware; the rates of a world then price the answer of the world's speed.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.analysis.evaluate import Evaluator
from simulator.analysis.options import size_option
from simulator.analysis.sizing import Sized
from simulator.analysis.study import Option, Study, self_hosted_part, single_options
from simulator.rng import stream
from simulator.units import MONTH_HOURS

SLOW, LIKELY, FAST = 0, 1, 2
# The slowest and fastest quarter of worlds are represented by their medians, z = -1.15 and 1.15.
_CLASS_Z = (-1.15, 0.0, 1.15)
_QUARTER_Z = 0.6744897501960817


@dataclass(frozen=True, slots=True)
class Worlds:
    """Standard normal draws per world, (n,) each."""

    rent_z: NDArray[np.float64]
    fte_z: NDArray[np.float64]
    salary_z: NDArray[np.float64]
    tooling_z: NDArray[np.float64]
    speed_z: NDArray[np.float64]

    @staticmethod
    def draw(seed: int, count: int) -> "Worlds":
        """Draw worlds; every number has its own stream."""
        names = ("rent", "fte", "salary", "tooling", "speed")
        return Worlds(*(stream(seed, f"world/{n}").standard_normal(count) for n in names))

    @staticmethod
    def likely() -> "Worlds":
        """Return the one world in which everything is at its median."""
        return Worlds(*(np.zeros(1) for _ in range(5)))

    @property
    def speed_class(self) -> NDArray[np.int64]:
        """SLOW, LIKELY or FAST by world."""
        return np.where(
            self.speed_z < -_QUARTER_Z, SLOW, np.where(self.speed_z > _QUARTER_Z, FAST, LIKELY)
        )


def size_at_speeds(evaluator: Evaluator, option: Option, start: int = 1) -> tuple[Sized, ...]:
    """Size an option for slow, likely and fast hardware; an API has one speed only."""
    likely = size_option(evaluator, option, start=start)
    if not _has_band(option):
        return (likely,) * 3
    slow, _, fast = _CLASS_Z
    start = max(1, likely.evaluation.size.replicas)
    return (
        size_option(evaluator, option, slow, start),
        likely,
        size_option(evaluator, option, fast, start),
    )


def _has_band(option: Option) -> bool:
    """Whether it is uncertain how fast something within an option is."""
    bases = [self_hosted_part(single) for single in single_options(option)]
    return any(base is not None and base.speed.low < base.speed.high for base in bases)


def world_costs(study: Study, sized: tuple[Sized, ...], worlds: Worlds) -> NDArray[np.float64]:
    """Cost of an option in every world [USD/month], (n,); inf where it misses the SLO."""
    by_class = np.array([_class_cost(study, s, worlds) for s in sized])
    return by_class[worlds.speed_class, np.arange(len(worlds.speed_z))]


@dataclass(frozen=True, slots=True)
class Standing:
    """How an option does against all others over the worlds."""

    probability_best: float
    """Share of the worlds in which nothing is cheaper."""
    regret_usd: float
    """Mean cost above the cheapest of each world [USD/month]; inf where it may miss the SLO."""


def standings(world_usd: list[NDArray[np.float64]]) -> list[Standing]:
    """Return the standing of each option by its costs, (worlds,) each; inf misses the SLO.

    Worlds in which every option misses it say nothing.
    """
    usd = np.array(world_usd)
    cheapest = usd.min(axis=0)
    possible = np.isfinite(cheapest)
    if not possible.any():
        return [Standing(0.0, np.inf)] * len(usd)
    above = usd[:, possible] - cheapest[possible]
    return [Standing(float(np.mean(row <= 0)), float(row.mean())) for row in above]


def _class_cost(study: Study, sized: Sized, worlds: Worlds) -> NDArray[np.float64]:
    if not sized.feasible:
        return np.full(len(worlds.speed_z), np.inf)
    evaluation = sized.evaluation
    cost = np.full(len(worlds.speed_z), sum(evaluation.calls_usd.values()))
    if not evaluation.owned:
        return cost
    people = study.people
    for deployment, replicas in evaluation.owned:
        gpu_hours = replicas * deployment.gpus_per_replica * MONTH_HOURS
        cost = cost + gpu_hours * deployment.gpu_usd_per_hour.at(worlds.rent_z)
    salary = people.engineer_usd_per_year.at(worlds.salary_z)
    cost = cost + people.engineers_fte.at(worlds.fte_z) * salary / 12
    return cost + sum(usd.at(worlds.tooling_z) for usd in people.monthly_usd.values())
