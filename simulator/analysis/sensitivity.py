"""What drives the answer and what would flip it."""

from dataclasses import dataclass, replace

import numpy as np

from simulator.analysis.evaluate import Evaluation
from simulator.analysis.sizing import Sized
from simulator.analysis.study import Study
from simulator.analysis.worlds import Worlds, world_costs
from simulator.economics.interval import Z_90

NEGLIGIBLE_USD = 0.01
"""Monthly effects below a cent are rounding: costs that both options share."""

_DRIVERS = {
    "rent_z": "GPU rent",
    "fte_z": "engineers",
    "salary_z": "engineer's salary",
    "tooling_z": "tooling",
    "speed_z": "serving speed",
}


@dataclass(frozen=True, slots=True)
class Driver:
    """Effect of one uncertain number on the winner's advantage over the runner-up."""

    name: str
    low_usd: float
    """Advantage per month when the number is at its low end, all else likely."""
    high_usd: float

    @property
    def swing_usd(self) -> float:
        """Width of the effect."""
        return abs(self.high_usd - self.low_usd)


@dataclass(frozen=True, slots=True)
class Flip:
    """Nearest change of one rate that makes another option the cheapest."""

    name: str
    factor: float
    """Of today's value."""
    value: float | None
    unit: str
    winner: str


def drivers(
    study: Study, winner: tuple[Sized, ...], runner_up: tuple[Sized, ...]
) -> tuple[Driver, ...]:
    """Vary one uncertain number at a time over its interval; the largest effect first."""
    found = []
    for field, name in _DRIVERS.items():
        advantage = []
        for z in (-Z_90, Z_90):
            world = replace(Worlds.likely(), **{field: np.array([z])})
            costs = [world_costs(study, sized, world)[0] for sized in (runner_up, winner)]
            advantage.append(float(costs[0] - costs[1]))
        if np.isfinite(advantage).all():
            found.append(Driver(name, *advantage))
    found = [d for d in found if d.swing_usd > NEGLIGIBLE_USD]
    return tuple(sorted(found, key=lambda d: -d.swing_usd))


def flips(study: Study, winner: Evaluation, others: list[Evaluation]) -> tuple[Flip, ...]:
    """Solve, for each rate, where the winner's cost meets another option's; costs are linear.

    Sizes stay what they are: the flips of prices need no new simulation.
    """
    found = []
    for name, unit, value in _rates(study, winner, others):
        candidates = []
        for other in others:
            own_part, own_rest = _split(study, winner, name)
            other_part, other_rest = _split(study, other, name)
            if own_part == other_part:
                continue
            factor = (other_rest - own_rest) / (own_part - other_part)
            # Beyond a hundredfold, or below nothing, it flips in no world worth naming.
            if 0 < factor < 100:
                candidates.append((abs(np.log(factor)), factor, other.option.name))
        if candidates:
            _, factor, other_name = min(candidates)
            found.append(Flip(name, factor, value and value * factor, unit, other_name))
    return tuple(sorted(found, key=lambda f: abs(np.log(f.factor))))


def _rates(
    study: Study, winner: Evaluation, others: list[Evaluation]
) -> list[tuple[str, str, float | None]]:
    rates: list[tuple[str, str, float | None]] = [("API prices", "x", None)]
    owned = [deployment for e in (winner, *others) for deployment, _ in e.owned]
    rents = [deployment.gpu_usd_per_hour.mid for deployment in owned]
    if rents:
        rates.append(("GPU rent", "USD/GPU-hour", rents[0]))
        rates.append(("engineers", "FTE", study.people.engineers_fte.mid))
    return rates


def _split(study: Study, evaluation: Evaluation, rate: str) -> tuple[float, float]:
    """Monthly cost that is proportional to a rate, and the rest."""
    usd = evaluation.cost_usd(study)
    if rate == "API prices":
        part = sum(cost for name, cost in usd.items() if name.startswith("api_"))
    else:
        part = usd.get({"GPU rent": "gpus", "engineers": "engineers"}[rate], 0.0)
    return part, sum(usd.values()) - part
