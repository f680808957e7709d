"""Switching values: the smallest change of each number that makes another option the cheapest.

Costs are linear in rates, so rates are solved for at the sizes found. Outcomes depend on all other
numbers, for which every option is sized and simulated again.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from simulator.analysis.sampling.sampler import Sampler
from simulator.analysis.simulate.evaluate import Evaluation, Evaluator
from simulator.analysis.size.kinds.contract import KnownSizes
from simulator.analysis.size.options import size_near
from simulator.analysis.study.effort import with_smaller_sample
from simulator.analysis.study.study import Study
from simulator.bisection import bisect
from simulator.callbacks import Mapped
from simulator.errors import InputError

FURTHEST = 4.0
"""Largest factor, up and down, by which numbers that need simulation are varied."""
HALVINGS = 4
"""Number of halvings of the logarithm of the factor, around the point where the winner changes."""


@dataclass(frozen=True, slots=True)
class SwitchingValue:
    """The smallest change of one number that makes another option the cheapest."""

    name: str
    """Name of the number."""
    factor: float
    """New value relative to today's."""
    value: float | None
    """New value; None if the number is a relative one."""
    unit: str
    """Unit of the value, or ``x`` for a factor."""
    winner: str
    """Option that becomes the cheapest."""


def find_switching_values(
    study: Study,
    feasible: dict[str, Evaluation],
    known: KnownSizes,
    mapped: Mapped = map,
) -> tuple[SwitchingValue, ...]:
    """Return the switching values of all rates, of the serving speed and of all uncertain numbers.

    ``feasible`` contains the options that meet the targets, the winner first; searches for sizes
    start from ``known``.
    """
    if len(feasible) < 2:
        return ()
    switching_values = _solve_rates(study, feasible)
    if not study.effort.simulated_switching_values:
        return _nearest_first(switching_values)
    owned = any(evaluation.owned for evaluation in feasible.values())
    varied: list[_Varied] = [_Speed()] if owned else []
    varied += [_Number(number.path, float(number.value(0.0))) for number in study.numbers]
    winner = next(iter(feasible))
    search = partial(_search_value, study, Sampler(with_smaller_sample(study)), known, winner)
    switching_values += [value for value in mapped(search, varied) if value]
    return _nearest_first(switching_values)


def _nearest_first(switching_values: list[SwitchingValue]) -> tuple[SwitchingValue, ...]:
    """Return switching values in the order of their distance from today's value."""
    return tuple(sorted(switching_values, key=lambda f: abs(np.log(f.factor))))


def _solve_rates(study: Study, feasible: dict[str, Evaluation]) -> list[SwitchingValue]:
    """Solve, for each rate, where the winner's cost equals that of another option."""
    (_, winner), *others = feasible.items()
    switching_values = []
    for name, unit, value in _rates(study, feasible):
        candidates = []
        for other_name, other in others:
            own_part, own_rest = _split(study, winner, name)
            other_part, other_rest = _split(study, other, name)
            if own_part == other_part:
                continue
            factor = (other_rest - own_rest) / (own_part - other_part)
            # A change by more than a factor of a hundred is not worth naming.
            if 0.01 < factor < 100:
                candidates.append((abs(np.log(factor)), factor, other_name))
        if candidates:
            _, factor, other_name = min(candidates)
            switching_values.append(
                SwitchingValue(name, factor, value and value * factor, unit, other_name)
            )
    return switching_values


def _rates(study: Study, feasible: dict[str, Evaluation]) -> list[tuple[str, str, float | None]]:
    """Return name, unit and likely value of each rate that applies."""
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
    """Return the monthly cost that is proportional to a rate, and the rest."""
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
    """True throughput of all replicas relative to the predicted one."""

    name = "serving speed"
    value = None
    unit = "x"

    def study(self, study: Study, factor: float) -> Study:
        return replace(study, options=tuple(option.faster(factor) for option in study.options))


_Varied = _Number | _Speed


def _search_value(
    study: Study, sampler: Sampler, known: KnownSizes, winner: str, varied: _Varied
) -> SwitchingValue | None:
    """Search up and down for the nearest factor at which another option wins."""
    nearest: tuple[float, float, str] | None = None
    tried = {1.0: known}
    for end in (1 / FURTHEST, FURTHEST):
        change = _find_change(
            partial(_winner_at, study, sampler, tried, varied, winner), winner, end
        )
        if change is not None and (nearest is None or abs(np.log(change[0])) < nearest[0]):
            nearest = (abs(float(np.log(change[0]))), *change)
    if nearest is None:
        return None
    _, factor, other = nearest
    value = None if varied.value is None else varied.value * factor
    return SwitchingValue(varied.name, factor, value, varied.unit, other)


def _find_change(
    winner_at: Callable[[float], str | None], winner: str, end: float
) -> tuple[float, str] | None:
    """Return the factor between 1 and ``end`` at which the winner changes, and the new winner.

    The winner is looked at in the middle and at the end; it is assumed to change only once up to
    the first of these points at which it differs, so that halving the interval finds that change.
    """
    winners: dict[float, str] = {}

    def changes(factor: float) -> bool:
        winners[factor] = winner_at(factor) or ""
        return winners[factor] not in ("", winner)

    low = 1.0
    for high in (end**0.5, end):
        if changes(high):
            _, nearest = bisect(changes, low, high, HALVINGS, lambda a, b: (a * b) ** 0.5)
            return nearest, winners[nearest]
        if not winners[high]:
            return None  # no option is feasible there
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
    """Return the cheapest feasible option at a factor, the winner if tied; None if there is none.

    Searches for sizes start from those at the nearest factor in ``tried``.
    """
    try:
        varied_study = with_smaller_sample(varied.study(study, factor))
    except InputError:
        return None  # outside the valid range of the number
    # The traffic does not depend on the speed.
    same_traffic = isinstance(varied, _Speed)
    known = tried[min(tried, key=lambda other: abs(np.log(other / factor)))]
    evaluator = Evaluator(varied_study, 1.0, sampler if same_traffic else None)
    sized = {
        option.name: known.sized[option.name]
        if same_traffic and option.calls_only
        else size_near(evaluator, option, known)
        for option in varied_study.options
    }
    # Half the speed needs about as many replicas as twice the volume.
    tried[factor] = KnownSizes(sized, volume=1 / factor if same_traffic else 1.0)
    usd = {n: s.evaluation.total_usd(varied_study) for n, s in sized.items() if s.feasible}
    if not usd:
        return None
    cheapest = min(usd, key=lambda name: usd[name])
    # A hybrid that leaves everything to one side costs the same as that side; a tie is no change.
    return winner if usd.get(winner, np.inf) <= usd[cheapest] * (1 + 1e-9) else cheapest
