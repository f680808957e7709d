"""Steps of a fleet's cost over volumes, where another replica is needed."""

from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

from simulator.analysis.decide.curve import VolumeCosts
from simulator.analysis.decide.envelope import Polyline
from simulator.analysis.sampling.sampler import Sampler
from simulator.analysis.simulate.evaluate import Evaluator
from simulator.analysis.size.carried import STEP_TOLERANCE, find_largest_volume, log_miss_ratio
from simulator.analysis.size.kinds.contract import KnownSizes
from simulator.analysis.study.axis import midpoint
from simulator.analysis.study.options import Size
from simulator.analysis.study.study import Study
from simulator.callbacks import Mapped


@dataclass(frozen=True, slots=True)
class Step:
    """A step between two volumes of the curve, at which another replica is needed."""

    option: str
    fleet: str
    """Deployment that grows: the option itself, or the candidate that it chose."""
    replicas: int
    """Number of replicas that suffices below the step."""
    above: float
    """Largest volume of the curve below the step."""
    below: float
    """Smallest volume of the curve above the step."""


def stairs_of(curve: list[VolumeCosts], option: str, step_volumes: dict[Step, float]) -> Polyline:
    """Return the cost of an option with its steps; plateaus cost in proportion to replicas."""
    points = [(curve[0].volume, curve[0].likely_usd[option])]
    for a, b in pairwise(curve):
        for step in (s for s in steps_between(a, b, option) if s in step_volumes):
            volume, next_usd = step_volumes[step], _plateau_usd(a, b, option, step.replicas + 1)
            points += [(volume, _plateau_usd(a, b, option, step.replicas)), (volume, next_usd)]
        points.append((b.volume, b.likely_usd[option]))
    line = np.array(points)
    # Guessed volumes may lie slightly beyond simulated ones.
    line[:, 0] = np.maximum.accumulate(line[:, 0])
    return line


def steps_between(a: VolumeCosts, b: VolumeCosts, option: str) -> list[Step]:
    """Return the steps between two volumes; none if an option is infeasible at one of them."""
    fleet = a.fleet[option]
    if not np.isfinite([a.likely_usd[option], b.likely_usd[option]]).all():
        return []
    if fleet is None or b.fleet[option] != fleet:
        return []
    counts = range(a.replicas[option], b.replicas[option])
    return [Step(option, fleet, n, a.volume, b.volume) for n in counts]


def _plateau_usd(a: VolumeCosts, b: VolumeCosts, option: str, replicas: int) -> float:
    """Return the cost with a number of replicas between those of two volumes."""
    share = (replicas - a.replicas[option]) / (b.replicas[option] - a.replicas[option])
    return a.likely_usd[option] + share * (b.likely_usd[option] - a.likely_usd[option])


def find_steps(
    study: Study,
    sampler: Sampler,
    known: KnownSizes,
    curve: list[VolumeCosts],
    own: list[str],
    api: list[str],
    mapped: Mapped,
) -> dict[Step, float]:
    """Find the volume of every step.

    A step that decides which side is cheaper is simulated, others are taken from the capacity
    curve.
    """
    step_volumes, decisive = {}, []
    for a, b in pairwise(curve):
        calls_usd = sorted(min(c.likely_usd[n] for n in api) for c in (a, b))
        for step in (s for name in own for s in steps_between(a, b, name)):
            before = _plateau_usd(a, b, step.option, step.replicas)
            after = _plateau_usd(a, b, step.option, step.replicas + 1)
            counts = [c.replicas[step.option] for c in (a, b)]
            share = (step.replicas + 1 - counts[0]) / (counts[1] - counts[0] + 1)
            fleet = known.curves.get(step.fleet)
            guess = (
                fleet.volume(step.replicas) if fleet else a.volume * (b.volume / a.volume) ** share
            )
            step_volumes[step] = min(max(guess, step.above), step.below)
            if before <= calls_usd[1] and after >= calls_usd[0]:
                decisive.append(step)
    volumes = mapped(
        partial(step_volume, study, sampler), decisive, [step_volumes[s] for s in decisive]
    )
    return step_volumes | dict(zip(decisive, volumes, strict=True))


def step_volume(study: Study, sampler: Sampler, step: Step, guess: float) -> float:
    """Return the largest volume that a number of replicas carries, starting from a guess.

    Misses are assumed to rise with the volume; see ``find_largest_volume``.
    """
    singles = [part for option in study.options for part in option.parts]
    option = next(single for single in singles if single.name == step.fleet)

    def excess(volume: float) -> float:
        evaluator = Evaluator(study, volume, sampler)
        return log_miss_ratio(evaluator.evaluate(option, Size(step.replicas)), study.slo)

    inside = step.above < guess < step.below
    first = guess if inside else midpoint(step.above, step.below)
    return find_largest_volume(excess, first, STEP_TOLERANCE, step.above, step.below)
