"""Where self-hosting wins: costs over a grid of volumes or of any number, crossings, chances."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.analysis.decide.curve import VolumeCosts, axis_costs, priced_at, volume_costs
from simulator.analysis.decide.envelope import Polyline, winning_intervals
from simulator.analysis.decide.monte_carlo import standings
from simulator.analysis.decide.stairs import find_steps, stairs_of, steps_between
from simulator.analysis.sampling.sampler import Sampler
from simulator.analysis.simulate.evaluate import Evaluator
from simulator.analysis.size.carried import CapacityCurve, bracket_capacity, measure_capacity_curves
from simulator.analysis.size.judging import LIKELY, Sized
from simulator.analysis.size.kinds.contract import KnownSizes
from simulator.analysis.study.axis import Axis, midpoint
from simulator.analysis.study.options import SelfHostOption, Size
from simulator.analysis.study.study import Study

REFINEMENTS = 2
"""Volumes tried within a grid interval in which smooth costs cross, each where lines do."""
AXIS_REFINEMENTS = 6
"""Halvings of such an interval of another axis, where costs may jump anywhere."""
IMPOSSIBLE_USD = 1e30
"""Cost that is put in for a side that misses the SLO."""
ON_A_LINE = 0.01
"""Share of a cost by which it may be off the line between its neighbours."""


@dataclass(frozen=True, slots=True)
class BreakEven:
    """Where self-hosting alone beats the cheapest API alone."""

    axis: Axis | None
    """None: volumes, as multiples of today's."""
    curve: tuple[VolumeCosts, ...]
    first: float | None
    """Smallest multiple of the current volume from which it is cheaper."""
    permanent: float | None
    """Multiple from which it stays cheaper, within the grid."""
    first_interval: tuple[float | None, float | None]
    """Nine in ten worlds have their first crossing here; None: beyond the grid."""
    wins: tuple[tuple[float, float], ...]
    """Intervals of volume in which it wins."""
    probability: tuple[tuple[float, float], ...]
    """(volume, probability that self-hosting wins)."""
    probability_best: tuple[tuple[float, dict[str, float]], ...]
    """(volume, probability by option that nothing is cheaper)."""
    required_utilisation: float | None
    """Busy share of the fleet's time at the first crossing."""
    loads: tuple[float | None, float | None]
    """Today's load over what the cheapest fleet carries within its targets: the share from which
    it would pay, and the share that it is."""
    stairs: dict[str, Polyline]
    """Cost of each option that owns, with the steps of its fleet; (volume, USD/month) by row."""
    nearest_miss: tuple[float, float] | None
    """Where it never wins: at which point it comes nearest, and how much dearer it is there, as a
    share of the API's cost."""


def find_break_even(
    study: Study,
    sampler: Sampler,
    today: dict[str, tuple[Sized, ...]],
    executor: Executor | None = None,
    axis: Axis | None = None,
    effects: dict[str, NDArray[np.float64]] | None = None,
) -> BreakEven | None:
    """Scan volumes or an axis and find every crossing.

    Parameters
    ----------
    study, sampler
        What is asked, and what draws its traffic.
    today : dict
        Options as they were sized at today's volume, for slow, likely and fast hardware.
    executor, axis
        Those of ``verdict.decide``.
    effects : dict, optional
        Factors by option and world on what rates alone make of its cost.

    Returns
    -------
    BreakEven or None
        None unless both sides are among the options.
    """
    own = [o.name for o in study.options if o.kind == "selfhost"]
    api = [o.name for o in study.options if o.kind == "api"]
    if not own or not api:
        return None
    mapped = executor.map if executor else map
    known = replace(KnownSizes.of(today), call_cost_ratios=_calls(study, sampler, today))
    at: Callable[[float], VolumeCosts]
    if axis is None:
        known = replace(known, curves=_carried(study, sampler, known, mapped))
        at, volumes = partial(volume_costs, study, sampler, known), list(set(study.effort.volumes))
        ends = _ends_of_given(study, sampler, min(volumes), max(volumes), mapped)
    else:
        at, volumes, ends = partial(axis_costs, axis, known), axis.values, []
    # The largest volumes take longest: hand them out first.
    volumes = sorted(volumes, reverse=True)
    points = list(mapped(at, [v for v in [*volumes, *ends] if axis is not None or v != 1.0]))
    if axis is None and 1.0 in volumes:
        points.append(priced_at(study, today, 1.0))
    curve = sorted(points, key=lambda c: c.volume)

    def advantage(costs: VolumeCosts) -> float:
        return _gap(min(costs.likely_usd[n] for n in api), min(costs.likely_usd[n] for n in own))

    stairs = own if axis is None else []
    curve = _refine(curve, advantage, mapped, at, stairs)
    steps = find_steps(study, sampler, known, curve, own, api, mapped) if axis is None else {}
    lines = {name: stairs_of(curve, name, steps) for name in own}
    wins = winning_intervals(list(lines.values()), [_line(curve, name) for name in api])
    curve = [_with_effects(c, effects or {}) for c in curve]
    grid = [c for c in curve if c.volume in volumes]
    by_world = np.array([_world_advantage(c, own, api) for c in grid])
    first = wins[0][0] if wins else None
    permanent = wins[-1][0] if wins and wins[-1][1] >= curve[-1].volume else None
    return BreakEven(
        axis=axis,
        curve=tuple(curve),
        first=first,
        permanent=permanent,
        first_interval=_first_interval(np.array([c.volume for c in grid]), by_world),
        wins=wins,
        probability=tuple(
            (c.volume, float(np.mean(a > 0))) for c, a in zip(grid, by_world, strict=True)
        ),
        probability_best=tuple((c.volume, _chances(c)) for c in grid),
        required_utilisation=_utilisation_at(curve, own, first),
        loads=_loads(known, curve, own, api) if axis is None else (None, None),
        stairs=lines,
        nearest_miss=None if wins else _nearest_miss(curve, own, api),
    )


def _line(curve: list[VolumeCosts], option: str) -> Polyline:
    return np.array([(c.volume, c.likely_usd[option]) for c in curve])


def _calls(study: Study, sampler: Sampler, today: dict[str, tuple[Sized, ...]]) -> dict[str, float]:
    """What calls cost at today's volume by the larger sample, over what they do by the smaller.

    Points of the curve come from the smaller sample. Both take the same luck along, so that their
    ratio brings the curve to where the larger sample sees it.
    """
    evaluator = Evaluator(study, 1.0, sampler)
    found = {}
    for option in study.options:
        api = option.api
        if api is not None and option.calls_only and option.name in today:
            rough = evaluator.evaluate(api, Size()).total_usd(study)
            settled = today[option.name][LIKELY].evaluation.total_usd(study)
            found[option.name] = settled / rough if rough else 1.0
    return found


def _carried(
    study: Study, sampler: Sampler, known: KnownSizes, mapped: Any
) -> dict[str, CapacityCurve]:
    """What the fleets carry that are to be sized and of which as many as needed are there."""
    today = {
        own.name: (own, sized.evaluation.size.replicas)
        for own in _fleets(study)
        if (sized := known.sized[own.name]).feasible and own.replicas is None
    }
    return measure_capacity_curves(study, sampler, today, mapped)


def _fleets(study: Study) -> list[SelfHostOption]:
    """Return the self-hosted options whose replicas neither come nor go."""
    fleets = [option.own for option in study.options if option.owns_only]
    return [own for own in fleets if own is not None and own.is_constant]


def _ends_of_given(
    study: Study, sampler: Sampler, low: float, high: float, mapped: Any
) -> list[float]:
    """Volumes beside those up to which given replicas meet the targets, between two others.

    There the cost of an option ends that may be the cheapest just before.
    """
    given = [own for own in _fleets(study) if own.replicas]
    found = mapped(partial(bracket_capacity, study, sampler), given)
    return sorted({v for pair in found for v in pair if low < v < high})


def _loads(
    known: KnownSizes, curve: list[VolumeCosts], own: list[str], api: list[str]
) -> tuple[float | None, float | None]:
    """Load of today's cheapest fleet as a share of its capacity: that would pay, and that is."""
    today = next((c for c in curve if c.volume == 1.0), None)
    if today is None:
        return None, None
    own_usd, name = min((today.likely_usd[n], n) for n in own)
    api_usd, fleet = min(today.likely_usd[n] for n in api), known.curves.get(name)
    if fleet is None or not np.isfinite([own_usd, api_usd]).all():
        return None, None
    load = 1.0 / fleet.volume(today.replicas[name])
    # Calls cost in proportion to the load, the fleet whatever it is.
    return load * own_usd / api_usd, load


def _gap(api_usd: float, own_usd: float) -> float:
    """How much cheaper owning is; a side that misses the SLO loses, two such sides are level."""
    if np.isinf(api_usd) and np.isinf(own_usd):
        return 0.0
    return float(np.clip(api_usd - own_usd, -IMPOSSIBLE_USD, IMPOSSIBLE_USD))


def _world_advantage(costs: VolumeCosts, own: list[str], api: list[str]) -> NDArray[np.float64]:
    own_usd, api_usd = (np.min([costs.world_usd[n] for n in names], axis=0) for names in (own, api))
    return np.array([_gap(a, o) for a, o in zip(api_usd, own_usd, strict=True)])


def _with_effects(costs: VolumeCosts, effects: dict[str, NDArray[np.float64]]) -> VolumeCosts:
    """Costs over worlds with what uncertain numbers do to them."""
    usd = {name: usd * effects.get(name, 1.0) for name, usd in costs.world_usd.items()}
    return replace(costs, world_usd=usd)


def _chances(costs: VolumeCosts) -> dict[str, float]:
    """Probability by option that nothing is cheaper."""
    collapsed = [costs.collapsed[name] for name in costs.world_usd]
    found = standings(list(costs.world_usd.values()), collapsed)
    return dict(zip(costs.world_usd, (each.probability_best for each in found), strict=True))


def _refine(
    curve: list[VolumeCosts],
    advantage: Callable[[VolumeCosts], float],
    mapped: Any,
    at: Callable[[float], VolumeCosts],
    stairs: list[str],
) -> list[VolumeCosts]:
    """Try volumes where the costs of neighbours cross, or halve the intervals of another axis.

    Where one of some options adds replicas, its steps are looked for otherwise.
    """
    for _ in range(REFINEMENTS if stairs else AXIS_REFINEMENTS):
        wanted = [
            _crossing(a, b, advantage) if stairs else midpoint(a.volume, b.volume)
            for a, b in pairwise(curve)
            if not any(steps_between(a, b, name) for name in stairs)
            and (advantage(a) > 0) != (advantage(b) > 0)
            and not (stairs and min(_off(a, advantage), _off(b, advantage)) < ON_A_LINE)
        ]
        curve = sorted([*curve, *mapped(at, wanted)], key=lambda c: c.volume)
    return curve


def _off(costs: VolumeCosts, advantage: Callable[[VolumeCosts], float]) -> float:
    """How far the sides are apart, as a share of the cheapest option's cost."""
    least_usd = min(costs.likely_usd.values())
    return abs(advantage(costs)) / least_usd if 0 < least_usd < np.inf else np.inf


def _crossing(a: VolumeCosts, b: VolumeCosts, advantage: Callable[[VolumeCosts], float]) -> float:
    """Volume at which the line between two advantages crosses 0; midway if a side is impossible."""
    gaps = advantage(a), advantage(b)
    if max(abs(gap) for gap in gaps) > IMPOSSIBLE_USD / 2:
        return midpoint(a.volume, b.volume)
    share = gaps[0] / (gaps[0] - gaps[1])
    return a.volume + min(max(share, 0.02), 0.98) * (b.volume - a.volume)


def _nearest_miss(
    curve: list[VolumeCosts], own: list[str], api: list[str]
) -> tuple[float, float] | None:
    """Point at which owning is the least dearer, where it is feasible at all."""
    found = []
    for c in curve:
        own_usd, api_usd = (min(c.likely_usd[n] for n in names) for names in (own, api))
        if np.isfinite(own_usd) and np.isfinite(api_usd):
            found.append((own_usd / api_usd - 1, c.volume))
    if not found:
        return None
    share, at = min(found)
    return at, share


def _first_interval(
    volumes: NDArray[np.float64], by_world: NDArray[np.float64]
) -> tuple[float | None, float | None]:
    """5 % and 95 % quantiles of the first crossing over worlds. (volumes,), (volumes, worlds)"""
    firsts = []
    for gaps in by_world.T:
        level = np.stack([volumes, np.zeros(len(volumes))], axis=1)
        wins = winning_intervals([level], [np.stack([volumes, gaps], axis=1)])
        firsts.append(wins[0][0] if wins else np.inf)
    low, high = np.quantile(firsts, [0.05, 0.95], method="nearest")
    return (float(low) if np.isfinite(low) else None, float(high) if np.isfinite(high) else None)


def _utilisation_at(curve: list[VolumeCosts], own: list[str], volume: float | None) -> float | None:
    if volume is None:
        return None
    nearest = min(curve, key=lambda c: abs(c.volume - volume))
    cheapest = min(own, key=lambda name: nearest.likely_usd[name])
    return nearest.utilisation[cheapest]
