"""Uncertainty: draws of rates, speeds and numbers, the same for every option and volume.

A world is one draw of all uncertain numbers. If only rates and speeds are uncertain, outcomes such
as replicas and overflow are simulated for three speeds of the hardware, and each world prices the
outcome of its speed class. If a number of the scenario is uncertain, every world is simulated.
"""

from collections.abc import Sequence
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
from simulator.callbacks import Mapped
from simulator.normal import Z_50
from simulator.rng import stream
from simulator.units import MONTH_HOURS

TIE = 1e-6
"""Share of a cost by which two options may differ and still count as equal."""
RATES = ("rent", "fte", "salary", "tooling", "speed")
"""Uncertain rates, in addition to the uncertain numbers of the scenario."""


@dataclass(frozen=True, slots=True)
class Worlds:
    """Worlds, each of them one draw of all uncertain numbers: standard normal scores, (n,) each."""

    rent_z: NDArray[np.float64]
    """Scores of the rent of accelerators."""
    fte_z: NDArray[np.float64]
    """Scores of the number of engineers."""
    salary_z: NDArray[np.float64]
    """Scores of the engineers' salary."""
    tooling_z: NDArray[np.float64]
    """Scores of the other monthly costs of owning."""
    speed_z: NDArray[np.float64]
    """Scores of the hardware's speed."""
    numbers_z: NDArray[np.float64]
    """Scores of the study's uncertain numbers. (numbers, n)"""
    seed: int | None = None
    """Seed of the sampling errors; None: no sampling errors."""

    @staticmethod
    def draw(study: Study) -> "Worlds":
        """Draw a Latin hypercube; every number has its own random stream."""
        count, seed = study.effort.worlds, study.seed
        rates: dict[str, Any] = {
            f"{name}_z": stratified_scores(seed, f"world/{name}", count) for name in RATES
        }
        numbers = [stratified_scores(seed, f"world/{n.path}", count) for n in study.numbers]
        return Worlds(**rates, numbers_z=np.array(numbers).reshape(len(numbers), count), seed=seed)

    @staticmethod
    def likely() -> "Worlds":
        """Return a single world with everything at its median."""
        zeros: dict[str, Any] = {f"{name}_z": np.zeros(1) for name in RATES}
        return Worlds(**zeros, numbers_z=np.zeros((0, 1)))

    def one(self, index: int) -> "Worlds":
        """Return a single one of the worlds."""
        rates: dict[str, Any] = {
            f"{n}_z": getattr(self, f"{n}_z")[index : index + 1] for n in RATES
        }
        return Worlds(**rates, numbers_z=self.numbers_z[:, index : index + 1])

    def sampling_error(self, error: Error) -> NDArray[np.float64]:
        """Draw the error that a figure has because of sampling, zero in the mean. (n,)

        Options judged by the same spans share their errors.
        """
        count = len(self.speed_z)
        error_by_world = np.zeros(count)
        for name, part in error.components.items():
            if self.seed is not None and count > 1 and len(part):
                z = stream(self.seed, f"world/luck/{name}").standard_normal((len(part), count))
                error_by_world += part @ z
        return error_by_world - error_by_world.mean()

    def engineers_usd(self, people: People) -> NDArray[np.float64]:
        """Return the pay of the engineers [USD/month]. (n,)"""
        salary = people.engineer_usd_per_year.at(self.salary_z)
        return people.engineers_fte.at(self.fte_z) * salary / 12

    def tooling_usd(self, people: People) -> NDArray[np.float64]:
        """Return the other costs of owning, without hardware and engineers [USD/month]. (n,)"""
        zeros = np.zeros_like(self.tooling_z)
        return sum((usd.at(self.tooling_z) for usd in people.monthly_usd.values()), zeros)

    @property
    def scores(self) -> NDArray[np.float64]:
        """All scores, in the order of ``RATES`` and of the study's numbers. (scores, n)"""
        rates = [getattr(self, f"{name}_z") for name in RATES]
        return np.vstack([*rates, self.numbers_z])

    @property
    def speed_class(self) -> NDArray[np.int64]:
        """Class of speed of each world: SLOW, LIKELY or FAST. (n,)"""
        return np.where(self.speed_z < -Z_50, SLOW, np.where(self.speed_z > Z_50, FAST, LIKELY))


def stratified_scores(seed: int, name: str, count: int) -> NDArray[np.float64]:
    """Return standard normal scores, one from each of equally likely strata, in random order. (n,)

    They are a column of a Latin hypercube (McKay, Beckman and Conover 1979).
    """
    rng = stream(seed, name)
    scores: NDArray[np.float64] = ndtri((rng.permutation(count) + rng.random(count)) / count)
    return scores


def simulate_costs(
    study: Study, worlds: Worlds, known: KnownSizes | None = None, mapped: Mapped = map
) -> list[NDArray[np.float64]]:
    """Simulate every option in every world; return the costs [USD/month], inf misses targets.

    One array (worlds,) for each option, in the study's order. Searches for sizes start from
    ``known``.
    """
    indices = range(study.effort.worlds)
    return list(
        np.array(
            list(mapped(partial(_simulate_world, study, worlds, known or KnownSizes()), indices))
        ).T
    )


def _simulate_world(
    study: Study, worlds: Worlds, known: KnownSizes, index: int
) -> NDArray[np.float64]:
    """Return the costs of all options in one world. (options,)"""
    world = worlds.one(index)
    z = zip(study.numbers, world.numbers_z[:, 0].tolist(), strict=True)
    world_study = study.rebuilt({number.path: number.value(score) for number, score in z})
    evaluator = Evaluator(world_study, 1.0)
    sized = [size_near(evaluator, o, known, float(world.speed_z[0])) for o in world_study.options]
    return np.array([price_in_worlds(world_study, each, world)[0] for each in sized])


def size_at_speeds(
    evaluator: Evaluator, option: Option, known: KnownSizes | None = None
) -> tuple[Sized, ...]:
    """Size an option for slow, likely and fast hardware; an API has only one speed."""
    likely = size_near(evaluator, option, known or KnownSizes())
    if not _has_band(option):
        return (likely,) * 3
    slow, _, fast = CLASS_Z
    # Half the speed at one volume needs about as many replicas as twice the volume.
    near_likely = replace(known or KnownSizes(), curves={}, volume=evaluator.volume)
    near_likely = replace(near_likely, sized={**near_likely.sized, option.name: likely})
    return (
        size_near(evaluator, option, near_likely, slow),
        likely,
        size_near(evaluator, option, near_likely, fast),
    )


def _has_band(option: Option) -> bool:
    """Return whether the speed of any hardware of an option is uncertain."""
    bases = [part.own for part in option.parts]
    return any(base is not None and base.speed.low < base.speed.high for base in bases)


def world_costs(study: Study, sized: tuple[Sized, ...], worlds: Worlds) -> NDArray[np.float64]:
    """Return the cost of an option in every world [USD/month], (n,); inf misses the targets."""
    by_class = np.array([price_in_worlds(study, s, worlds) for s in sized])
    return by_class[worlds.speed_class, np.arange(len(worlds.speed_z))]


@dataclass(frozen=True, slots=True)
class Standing:
    """Comparison of an option with all others over the worlds."""

    probability_best: float
    """Share of the worlds in which nothing is cheaper; tied options share a world."""
    regret_usd: float
    """Mean extra cost over the cheapest option of each world [USD/month]; inf if the option may
    miss the targets."""


def compute_standings(
    world_usd: list[NDArray[np.float64]], collapsed: Sequence[bool] | None = None
) -> list[Standing]:
    """Return the standing of each option from its costs, (worlds,) each; inf misses the targets.

    Worlds in which every option misses them are left out. Options whose costs differ by less than a
    millionth share a world, so that probabilities add up to one. A ``collapsed`` hybrid equals
    another option and has no probability of its own.
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


def price_in_worlds(study: Study, sized: Sized, worlds: Worlds) -> NDArray[np.float64]:
    """Price a simulated size in every world [USD/month], (n,); inf if it misses the targets."""
    if not sized.feasible:
        return np.full(len(worlds.speed_z), np.inf)
    evaluation = sized.evaluation
    calls_usd = sum(evaluation.outcome.api_usd.values())
    cost = np.full(len(worlds.speed_z), sum(evaluation.calls_usd.values()))
    cost = cost + calls_usd * np.maximum(
        -1.0, worlds.sampling_error(evaluation.outcome.sampling.calls)
    )
    if not evaluation.owned:
        return cost
    for deployment, replicas in evaluation.owned:
        gpu_hours = replicas * deployment.gpus_per_replica * MONTH_HOURS
        cost = cost + gpu_hours * deployment.gpu_usd_per_hour.at(worlds.rent_z)
    return cost + worlds.engineers_usd(study.people) + worlds.tooling_usd(study.people)
