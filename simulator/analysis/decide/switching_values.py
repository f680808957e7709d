"""What would flip the answer: the nearest change of each driver that makes another option win.

Costs are linear in rates, which are solved for at the sizes found. What happens depends on all
other numbers, for which everything is sized and simulated again.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from simulator.analysis.decide.monte_carlo import Mapped
from simulator.analysis.sampling.sampler import Sampler
from simulator.analysis.simulate.evaluate import Evaluation, Evaluator
from simulator.analysis.size.kinds.contract import KnownSizes
from simulator.analysis.size.options import size_near
from simulator.analysis.study.effort import with_smaller_sample
from simulator.analysis.study.study import Study
from simulator.errors import InputError

FURTHEST = 4.0
"""Factor up and down to which numbers that need simulation are varied."""
HALVINGS = 4
"""Of the logarithm of that factor, around where the winner changes."""


@dataclass(frozen=True, slots=True)
class Flip:
    """Nearest change of one number that makes another option the cheapest."""

    name: str
    factor: float
    """Of today's value."""
    value: float | None
    unit: str
    winner: str


def flips(
    study: Study,
    feasible: dict[str, Evaluation],
    known: KnownSizes,
    mapped: Mapped = map,
) -> tuple[Flip, ...]:
    """Return the flips of all rates, of the serving speed and of all uncertain numbers.

    ``feasible`` are the options that meet the SLO, the winner first; searches for sizes begin
    around what is ``known``.
    """
    if len(feasible) < 2:
        return ()
    found = _rate_flips(study, feasible)
    if not study.effort.simulated_switching_values:
        return _nearest_first(found)
    owned = any(evaluation.owned for evaluation in feasible.values())
    varied: list[_Varied] = [_Speed()] if owned else []
    varied += [_Number(number.path, float(number.value(0.0))) for number in study.numbers]
    winner = next(iter(feasible))
    looked_for = partial(_simulated_flip, study, Sampler(with_smaller_sample(study)), known, winner)
    found += [flip for flip in mapped(looked_for, varied) if flip]
    return _nearest_first(found)


def _nearest_first(found: list[Flip]) -> tuple[Flip, ...]:
    return tuple(sorted(found, key=lambda f: abs(np.log(f.factor))))


def _rate_flips(study: Study, feasible: dict[str, Evaluation]) -> list[Flip]:
    """Solve, for each rate, where the winner's cost meets another option's."""
    (_, winner), *others = feasible.items()
    found = []
    for name, unit, value in _rates(study, feasible):
        candidates = []
        for other_name, other in others:
            own_part, own_rest = _split(study, winner, name)
            other_part, other_rest = _split(study, other, name)
            if own_part == other_part:
                continue
            factor = (other_rest - own_rest) / (own_part - other_part)
            # Beyond a hundredfold, or a hundredth, it flips in no world worth naming.
            if 0.01 < factor < 100:
                candidates.append((abs(np.log(factor)), factor, other_name))
        if candidates:
            _, factor, other_name = min(candidates)
            found.append(Flip(name, factor, value and value * factor, unit, other_name))
    return found


def _rates(study: Study, feasible: dict[str, Evaluation]) -> list[tuple[str, str, float | None]]:
    rates: list[tuple[str, str, float | None]] = [("API prices", "x", None)]
    owned = [deployment for e in feasible.values() for deployment, _ in e.owned]
    if owned:
        people = study.people
        rates.append(("GPU rent", "USD/GPU-hour", owned[0].gpu_usd_per_hour.mid))
        rates.append(("engineers", "FTE", people.engineers_fte.mid))
        tooling_usd = sum(usd.mid for usd in people.monthly_usd.values())
        rates.append(("tooling", "USD/month", tooling_usd))
    return rates


def _split(study: Study, evaluation: Evaluation, rate: str) -> tuple[float, float]:
    """Monthly cost that is proportional to a rate, and the rest."""
    usd = evaluation.cost_usd(study)
    match rate:
        case "API prices":
            names = [name for name in usd if name.startswith("api_")]
        case "GPU rent":
            names = ["gpus"]
        case "engineers":
            names = ["engineers"]
        case _:
            names = list(study.people.monthly_usd)
    part = sum(usd.get(name, 0.0) for name in names)
    return part, sum(usd.values()) - part


@dataclass(frozen=True, slots=True)
class _Number:
    """An uncertain number of the scenario."""

    path: str
    value: float

    unit = ""

    @property
    def name(self) -> str:
        return self.path

    def study(self, study: Study, factor: float) -> Study:
        whole = {n.path: n.is_whole for n in study.numbers}[self.path]
        value = round(self.value * factor) if whole else self.value * factor
        return study.rebuilt({self.path: value})


@dataclass(frozen=True, slots=True)
class _Speed:
    """True throughput of all replicas over the predicted one."""

    name = "serving speed"
    value = None
    unit = "x"

    def study(self, study: Study, factor: float) -> Study:
        return replace(study, options=tuple(option.faster(factor) for option in study.options))


_Varied = _Number | _Speed


def _simulated_flip(
    study: Study, sampler: Sampler, known: KnownSizes, winner: str, varied: _Varied
) -> Flip | None:
    """Look up and down for the nearest factor at which another option wins."""
    nearest: tuple[float, float, str] | None = None
    tried = {1.0: known}
    for end in (1 / FURTHEST, FURTHEST):
        found = _first_change(
            partial(_winner_at, study, sampler, tried, varied, winner), winner, end
        )
        if found is not None and (nearest is None or abs(np.log(found[0])) < nearest[0]):
            nearest = (abs(float(np.log(found[0]))), *found)
    if nearest is None:
        return None
    _, factor, other = nearest
    value = None if varied.value is None else varied.value * factor
    return Flip(varied.name, factor, value, varied.unit, other)


def _first_change(
    winner_at: Callable[[float], str | None], winner: str, end: float
) -> tuple[float, str] | None:
    """Factor between 1 and an end at which the winner changes, if it does at the end or midway."""
    low = 1.0
    for high in (end**0.5, end):
        other = winner_at(high)
        if other is None:
            return None
        if other != winner:
            for _ in range(HALVINGS):
                middle = (low * high) ** 0.5
                there = winner_at(middle)
                if there is None or there == winner:
                    low = middle
                else:
                    high, other = middle, there
            return high, other
        low = high
    return None


def _winner_at(
    study: Study,
    sampler: Sampler,
    tried: dict[float, KnownSizes],
    varied: _Varied,
    winner: str,
    factor: float,
) -> str | None:
    """Cheapest feasible option at a factor, the winner at a tie; None where nothing is.

    Searches for sizes begin around those of the nearest factor that was ``tried``.
    """
    try:
        there = with_smaller_sample(varied.study(study, factor))
    except InputError:
        return None  # beyond what the number may be, nothing flips
    # The traffic is the same whatever the speed.
    same = isinstance(varied, _Speed)
    known = tried[min(tried, key=lambda other: abs(np.log(other / factor)))]
    evaluator = Evaluator(there, 1.0, sampler if same else None)
    sized = {
        option.name: known.sized[option.name]
        if same and option.calls_only
        else size_near(evaluator, option, known)
        for option in there.options
    }
    # Half as fast is much the same as twice the volume.
    tried[factor] = KnownSizes(sized, volume=1 / factor if same else 1.0)
    usd = {n: s.evaluation.total_usd(there) for n, s in sized.items() if s.feasible}
    if not usd:
        return None
    cheapest = min(usd, key=lambda name: usd[name])
    # A hybrid that leaves everything to one side costs what that side does, and is not beaten.
    return winner if usd.get(winner, np.inf) <= usd[cheapest] * (1 + 1e-9) else cheapest
