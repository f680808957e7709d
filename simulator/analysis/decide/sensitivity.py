"""Drivers: the effect of every uncertain number on the verdict, alone and together with others."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.analysis.decide.monte_carlo import (
    RATES,
    Worlds,
    price_in_worlds,
    world_costs,
)
from simulator.analysis.decide.sobol import sobol_indices
from simulator.analysis.simulate.evaluate import Evaluator
from simulator.analysis.size.judging import Sized
from simulator.analysis.size.kinds.contract import KnownSizes
from simulator.analysis.size.options import size_near
from simulator.analysis.study.study import Study
from simulator.callbacks import Mapped
from simulator.economics.interval import UncertainNumber
from simulator.normal import Z_90

NEGLIGIBLE_USD = 0.01
"""Monthly effect below which it is rounding, in costs that both options share."""

_NAMES = {
    "rent": "GPU rent",
    "fte": "engineers",
    "salary": "engineer's salary",
    "tooling": "tooling",
    "speed": "serving speed",
}


@dataclass(frozen=True, slots=True)
class Driver:
    """Effect of one uncertain number on the winner's advantage over the runner-up."""

    name: str
    low_usd: float
    """Advantage when the number is at its low end and all others are likely [USD/month]."""
    high_usd: float
    """Advantage when the number is at its high end and all others are likely [USD/month]."""
    first_order: float | None
    """Share of the advantage's variance over draws that the number explains alone (Sobol)."""
    total: float | None
    """Share of that variance that the number explains alone and together with others (Sobol)."""

    @property
    def swing_usd(self) -> float:
        """Width of the effect [USD/month]."""
        return abs(self.high_usd - self.low_usd)


@dataclass(frozen=True, slots=True)
class Contest:
    """The two options between which the decision lies, sized at the likely numbers."""

    winner: tuple[Sized, ...]
    """Cheapest option, sized for slow, likely and fast hardware."""
    runner_up: tuple[Sized, ...]
    """Second cheapest option, sized in the same way."""
    names: tuple[str, str]
    """Names of both options, the winner's first."""
    advantage_usd: NDArray[np.float64]
    """Advantage of the winner in every draw [USD/month]. (worlds,)"""


def find_drivers(
    study: Study, contest: Contest, worlds: Worlds, known: KnownSizes, mapped: Mapped = map
) -> tuple[Driver, ...]:
    """Vary one uncertain number at a time over its interval; return the largest effects first.

    Searches for sizes start from the ``known`` sizes at today's volume.
    """
    ends = [_rate_ends(study, contest, rate) for rate in RATES]
    points = [(number, z) for number in study.numbers for z in (-Z_90, Z_90)]
    advantages = list(mapped(partial(_advantage_at, study, known, contest.names), points))
    ends += list(zip(advantages[::2], advantages[1::2], strict=True))
    finite = np.isfinite(contest.advantage_usd)
    indices = sobol_indices(worlds.scores[:, finite], contest.advantage_usd[finite])
    names = [*_NAMES.values(), *(number.path for number in study.numbers)]
    drivers = [
        Driver(
            name,
            *end,
            None if indices is None else float(indices.first[k]),
            None if indices is None else float(indices.total[k]),
        )
        for k, (name, end) in enumerate(zip(names, ends, strict=True))
        if np.isfinite(end).all()
    ]
    drivers = [d for d in drivers if d.swing_usd > NEGLIGIBLE_USD]
    return tuple(sorted(drivers, key=lambda d: -d.swing_usd))


def _rate_ends(study: Study, contest: Contest, rate: str) -> tuple[float, float]:
    """Return the advantage at both ends of a rate, or of the serving speed [USD/month]."""
    ends = []
    for z in (-Z_90, Z_90):
        scores: dict[str, Any] = {f"{rate}_z": np.array([z])}
        world = replace(Worlds.likely(), **scores)
        usd = [world_costs(study, s, world)[0] for s in (contest.runner_up, contest.winner)]
        ends.append(float(usd[0] - usd[1]) if np.isfinite(usd).all() else np.nan)
    return ends[0], ends[1]


def _advantage_at(
    study: Study, known: KnownSizes, names: tuple[str, str], point: tuple[UncertainNumber, float]
) -> float:
    """Return the advantage with one number at a score and all else likely [USD/month]."""
    number, z = point
    varied = study.rebuilt({number.path: number.value(z)})
    evaluator = Evaluator(varied, 1.0)
    options = {option.name: option for option in varied.options}
    winner, runner_up = (size_near(evaluator, options[name], known) for name in names)
    usd = [price_in_worlds(varied, sized, Worlds.likely())[0] for sized in (runner_up, winner)]
    return float(usd[0] - usd[1]) if np.isfinite(usd).all() else np.nan
