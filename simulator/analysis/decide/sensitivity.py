"""What drives the answer: the effect of every uncertain number, alone and together."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.analysis.decide.monte_carlo import RATES, Mapped, Worlds, priced, world_costs
from simulator.analysis.decide.sobol import sobol_indices
from simulator.analysis.simulate.evaluate import Evaluator
from simulator.analysis.size.judging import Sized
from simulator.analysis.size.kinds.contract import KnownSizes
from simulator.analysis.size.options import size_near
from simulator.analysis.study.study import Study
from simulator.economics.interval import Z_90, UncertainNumber

NEGLIGIBLE_USD = 0.01
"""Monthly effects below a cent are rounding: costs that both options share."""

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
    """Advantage per month when the number is at its low end, all else likely."""
    high_usd: float
    first_order: float | None
    """Share of the advantage's variance over worlds that the number explains alone (Sobol)."""
    total: float | None
    """With all that it does together with others."""

    @property
    def swing_usd(self) -> float:
        """Width of the effect."""
        return abs(self.high_usd - self.low_usd)


@dataclass(frozen=True, slots=True)
class Contest:
    """The two options between which the decision lies, sized at the likely numbers."""

    winner: tuple[Sized, ...]
    """At slow, likely and fast hardware."""
    runner_up: tuple[Sized, ...]
    names: tuple[str, str]
    advantage_usd: NDArray[np.float64]
    """Of the winner, by world. (worlds,)"""


def drivers(
    study: Study, contest: Contest, worlds: Worlds, known: KnownSizes, mapped: Mapped = map
) -> tuple[Driver, ...]:
    """Vary one uncertain number at a time over its interval; the largest effect first.

    Searches for sizes begin around what is ``known`` of today's.
    """
    ends = [_rate_ends(study, contest, rate) for rate in RATES]
    asked = [(number, z) for number in study.numbers for z in (-Z_90, Z_90)]
    found = list(mapped(partial(_advantage_at, study, known, contest.names), asked))
    ends += list(zip(found[::2], found[1::2], strict=True))
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
    """Advantage at both ends of a rate, or of the serving speed [USD/month]."""
    ends = []
    for z in (-Z_90, Z_90):
        there: dict[str, Any] = {f"{rate}_z": np.array([z])}
        world = replace(Worlds.likely(), **there)
        usd = [world_costs(study, s, world)[0] for s in (contest.runner_up, contest.winner)]
        ends.append(float(usd[0] - usd[1]) if np.isfinite(usd).all() else np.nan)
    return ends[0], ends[1]


def _advantage_at(
    study: Study, known: KnownSizes, names: tuple[str, str], at: tuple[UncertainNumber, float]
) -> float:
    """Advantage with one number of the scenario at a score, all else likely [USD/month]."""
    number, z = at
    there = study.rebuilt({number.path: number.value(z)})
    evaluator = Evaluator(there, 1.0)
    options = {option.name: option for option in there.options}
    winner, runner_up = (size_near(evaluator, options[name], known) for name in names)
    usd = [priced(there, sized, Worlds.likely())[0] for sized in (runner_up, winner)]
    return float(usd[0] - usd[1]) if np.isfinite(usd).all() else np.nan
