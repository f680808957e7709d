"""Uncertainty: many worlds of rates and speeds, the same ones for every option and volume.

Where only rates and speeds are uncertain, what a simulation must answer (replicas, spilled tokens)
is simulated for three speeds of the hardware, and the rates of a world price the answer of the
world's speed. Where a number of the scenario is uncertain, every world is simulated by itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from simulator.analysis.sampling.precision import Error
from simulator.analysis.simulate.evaluate import Evaluator
from simulator.analysis.size.judging import CLASS_Z, FAST, LIKELY, SLOW, Sized
from simulator.analysis.size.kinds.contract import KnownSizes
from simulator.analysis.size.options import size_near
from simulator.analysis.study.options import Option
from simulator.analysis.study.study import People, Study
from simulator.rng import stream
from simulator.units import MONTH_HOURS

Mapped = Callable[..., Any]
"""``map``, or that of an executor."""

_QUARTER_Z = 0.6744897501960817


TIE = 1e-6
"""Share of a cost by which two options may differ and still cost the same."""
RATES = ("rent", "fte", "salary", "tooling", "speed")
"""What is uncertain besides numbers of the scenario."""


@dataclass(frozen=True, slots=True)
class Worlds:
    """Standard normal scores per world, (n,) each."""

    rent_z: NDArray[np.float64]
    fte_z: NDArray[np.float64]
    salary_z: NDArray[np.float64]
    tooling_z: NDArray[np.float64]
    speed_z: NDArray[np.float64]
    numbers_z: NDArray[np.float64]
    """Of the study's uncertain numbers. (numbers, n)"""
    seed: int | None = None
    """Of the luck of the traffic; None: none."""

    @staticmethod
    def draw(study: Study) -> "Worlds":
        """Draw a Latin hypercube; every number has its own stream."""
        count, seed = study.effort.worlds, study.seed
        rates: dict[str, Any] = {
            f"{name}_z": stratified(seed, f"world/{name}", count) for name in RATES
        }
        numbers = [stratified(seed, f"world/{n.path}", count) for n in study.numbers]
        return Worlds(**rates, numbers_z=np.array(numbers).reshape(len(numbers), count), seed=seed)

    @staticmethod
    def likely() -> "Worlds":
        """Return the one world in which everything is at its median."""
        none: dict[str, Any] = {f"{name}_z": np.zeros(1) for name in RATES}
        return Worlds(**none, numbers_z=np.zeros((0, 1)))

    def one(self, place: int) -> "Worlds":
        """Return one of the worlds alone."""
        rates: dict[str, Any] = {
            f"{n}_z": getattr(self, f"{n}_z")[place : place + 1] for n in RATES
        }
        return Worlds(**rates, numbers_z=self.numbers_z[:, place : place + 1])

    def luck(self, error: Error) -> NDArray[np.float64]:
        """Return how far a figure is off by the luck of the traffic, zero in the mean. (n,)

        Options that were judged by the same spans share their luck.
        """
        count = len(self.speed_z)
        found = np.zeros(count)
        for name, part in error.components.items():
            if self.seed is not None and count > 1 and len(part):
                z = stream(self.seed, f"world/luck/{name}").standard_normal((len(part), count))
                found += part @ z
        return found - found.mean()

    def engineers_usd(self, people: People) -> NDArray[np.float64]:
        """Pay of the engineers [USD/month]. (n,)"""
        salary = people.engineer_usd_per_year.at(self.salary_z)
        return people.engineers_fte.at(self.fte_z) * salary / 12

    def tooling_usd(self, people: People) -> NDArray[np.float64]:
        """What else owning takes beside hardware [USD/month]. (n,)"""
        none = np.zeros_like(self.tooling_z)
        return sum((usd.at(self.tooling_z) for usd in people.monthly_usd.values()), none)

    @property
    def scores(self) -> NDArray[np.float64]:
        """All scores, in the order of ``RATES`` and of the study's numbers. (scores, n)"""
        rates = [getattr(self, f"{name}_z") for name in RATES]
        return np.vstack([*rates, self.numbers_z])

    @property
    def speed_class(self) -> NDArray[np.int64]:
        """SLOW, LIKELY or FAST by world."""
        return np.where(
            self.speed_z < -_QUARTER_Z, SLOW, np.where(self.speed_z > _QUARTER_Z, FAST, LIKELY)
        )


def stratified(seed: int, name: str, count: int) -> NDArray[np.float64]:
    """Return standard normal scores, one from each of equally likely strata, in random order.

    A column of a Latin hypercube (McKay, Beckman and Conover 1979). (n,)
    """
    rng = stream(seed, name)
    found: NDArray[np.float64] = ndtri((rng.permutation(count) + rng.random(count)) / count)
    return found


def simulated_costs(
    study: Study, worlds: Worlds, known: KnownSizes | None = None, mapped: Mapped = map
) -> list[NDArray[np.float64]]:
    """Cost of every option in every world, each simulated [USD/month]; inf misses the SLO.

    (worlds,) by option, in the study's order. Searches for sizes begin around what is ``known``.
    """
    places = range(study.effort.worlds)
    return list(
        np.array(list(mapped(partial(_simulated, study, worlds, known or KnownSizes()), places))).T
    )


def _simulated(study: Study, worlds: Worlds, known: KnownSizes, place: int) -> NDArray[np.float64]:
    """Costs of all options in one world. (options,)"""
    world = worlds.one(place)
    z = zip(study.numbers, world.numbers_z[:, 0].tolist(), strict=True)
    there = study.rebuilt({number.path: number.value(score) for number, score in z})
    evaluator = Evaluator(there, 1.0)
    sized = [size_near(evaluator, o, known, float(world.speed_z[0])) for o in there.options]
    return np.array([priced(there, each, world)[0] for each in sized])


def size_at_speeds(
    evaluator: Evaluator, option: Option, known: KnownSizes | None = None
) -> tuple[Sized, ...]:
    """Size an option for slow, likely and fast hardware; an API has one speed only."""
    likely = size_near(evaluator, option, known or KnownSizes())
    if not _has_band(option):
        return (likely,) * 3
    slow, _, fast = CLASS_Z
    # Half as fast at one volume is much the same as twice the volume.
    here = replace(known or KnownSizes(), curves={}, volume=evaluator.volume)
    here = replace(here, sized={**here.sized, option.name: likely})
    return (
        size_near(evaluator, option, here, slow),
        likely,
        size_near(evaluator, option, here, fast),
    )


def _has_band(option: Option) -> bool:
    """Whether it is uncertain how fast something within an option is."""
    bases = [part.own for part in option.parts]
    return any(base is not None and base.speed.low < base.speed.high for base in bases)


def world_costs(study: Study, sized: tuple[Sized, ...], worlds: Worlds) -> NDArray[np.float64]:
    """Cost of an option in every world [USD/month], (n,); inf where it misses the SLO."""
    by_class = np.array([priced(study, s, worlds) for s in sized])
    return by_class[worlds.speed_class, np.arange(len(worlds.speed_z))]


@dataclass(frozen=True, slots=True)
class Standing:
    """How an option does against all others over the worlds."""

    probability_best: float
    """Share of the worlds in which nothing is cheaper; worlds with ties are shared."""
    regret_usd: float
    """Mean cost above the cheapest of each world [USD/month]; inf where it may miss the SLO."""


def standings(
    world_usd: list[NDArray[np.float64]], collapsed: Sequence[bool] | None = None
) -> list[Standing]:
    """Return the standing of each option by its costs, (worlds,) each; inf misses the SLO.

    Worlds in which every option misses it say nothing. Options that cost the same to a millionth
    share a world, so that probabilities add up to one; a ``collapsed`` hybrid is one of the others
    under another name, and has none.
    """
    usd = np.array(world_usd)
    real = ~np.array(collapsed if collapsed is not None else [False] * len(usd))
    cheapest = usd[real].min(axis=0) if real.any() else np.full(usd.shape[1], np.inf)
    possible = np.isfinite(cheapest)
    if not possible.any():
        return [Standing(0.0, np.inf)] * len(usd)
    above = np.maximum(0.0, usd[:, possible] - cheapest[possible])
    ties = (above <= TIE * cheapest[possible]) & real[:, None]
    chances = (ties / ties.sum(axis=0)).mean(axis=1)
    return [
        Standing(float(chance), float(row.mean()))
        for chance, row in zip(chances, above, strict=True)
    ]


def priced(study: Study, sized: Sized, worlds: Worlds) -> NDArray[np.float64]:
    """Cost of what was simulated at the rates of worlds [USD/month], (n,); inf misses the SLO."""
    if not sized.feasible:
        return np.full(len(worlds.speed_z), np.inf)
    evaluation = sized.evaluation
    calls_usd = sum(evaluation.outcome.api_usd.values())
    cost = np.full(len(worlds.speed_z), sum(evaluation.calls_usd.values()))
    cost = cost + calls_usd * np.maximum(-1.0, worlds.luck(evaluation.outcome.sampling.calls))
    if not evaluation.owned:
        return cost
    for deployment, replicas in evaluation.owned:
        gpu_hours = replicas * deployment.gpus_per_replica * MONTH_HOURS
        cost = cost + gpu_hours * deployment.gpu_usd_per_hour.at(worlds.rent_z)
    return cost + worlds.engineers_usd(study.people) + worlds.tooling_usd(study.people)
