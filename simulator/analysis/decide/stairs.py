"""The steps of a fleet's cost over volumes: where another replica is needed."""

from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

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


@dataclass(frozen=True, slots=True)
class Step:
    """Another replica is needed somewhere between two volumes of the curve."""

    option: str
    fleet: str
    """The deployment that it is of: the option itself, or the candidate that it chose."""
    replicas: int
    """That do up to there."""
    above: float
    below: float
    """Bounds of the volume."""


def stairs_of(curve: list[VolumeCosts], option: str, found: dict[Step, float]) -> Polyline:
    """Cost of an option with its steps; a plateau costs in proportion to its replicas."""
    points = [(curve[0].volume, curve[0].likely_usd[option])]
    for a, b in pairwise(curve):
        for step in (s for s in steps_between(a, b, option) if s in found):
            at, more = found[step], _plateau_usd(a, b, option, step.replicas + 1)
            points += [(at, _plateau_usd(a, b, option, step.replicas)), (at, more)]
        points.append((b.volume, b.likely_usd[option]))
    line = np.array(points)
    # Volumes that were guessed may lie a little beyond those that were found.
    line[:, 0] = np.maximum.accumulate(line[:, 0])
    return line


def steps_between(a: VolumeCosts, b: VolumeCosts, option: str) -> list[Step]:
    """Steps between two volumes, unless one of them is beyond the option's reach."""
    fleet = a.fleet[option]
    if not np.isfinite([a.likely_usd[option], b.likely_usd[option]]).all():
        return []
    if fleet is None or b.fleet[option] != fleet:
        return []
    counts = range(a.replicas[option], b.replicas[option])
    return [Step(option, fleet, n, a.volume, b.volume) for n in counts]


def _plateau_usd(a: VolumeCosts, b: VolumeCosts, option: str, replicas: int) -> float:
    """Cost with some number of replicas between those of two volumes."""
    share = (replicas - a.replicas[option]) / (b.replicas[option] - a.replicas[option])
    return a.likely_usd[option] + share * (b.likely_usd[option] - a.likely_usd[option])


def find_steps(
    study: Study,
    sampler: Sampler,
    known: KnownSizes,
    curve: list[VolumeCosts],
    own: list[str],
    api: list[str],
    mapped: Any,
) -> dict[Step, float]:
    """Volume of every step: by simulation where it decides who wins, as the fleet carries else."""
    found, wanted = {}, []
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
            found[step] = min(max(guess, step.above), step.below)
            if before <= calls_usd[1] and after >= calls_usd[0]:
                wanted.append(step)
    volumes = mapped(partial(step_volume, study, sampler), wanted, [found[s] for s in wanted])
    return found | dict(zip(wanted, volumes, strict=True))


def step_volume(study: Study, sampler: Sampler, step: Step, guess: float) -> float:
    """Return the largest volume that a number of replicas carries, by bisection from a guess."""
    singles = [part for option in study.options for part in option.parts]
    option = next(single for single in singles if single.name == step.fleet)

    def excess(volume: float) -> float:
        evaluator = Evaluator(study, volume, sampler)
        return log_miss_ratio(evaluator.evaluate(option, Size(step.replicas)), study.slo)

    inside = step.above < guess < step.below
    first = guess if inside else midpoint(step.above, step.below)
    return find_largest_volume(excess, first, STEP_TOLERANCE, step.above, step.below)
