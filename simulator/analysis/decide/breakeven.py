"""Break-even: costs over volumes or another number, crossings, and the probability of winning."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from simulator.analysis.decide.curve import (
    VolumeCosts,
    axis_costs,
    price_sized_options,
    volume_costs,
)
from simulator.analysis.decide.envelope import Polyline, winning_intervals
from simulator.analysis.decide.monte_carlo import compute_standings
from simulator.analysis.decide.stairs import find_steps, stairs_of, steps_between
from simulator.analysis.sampling.sampler import Sampler
from simulator.analysis.simulate.evaluate import Evaluator
from simulator.analysis.size.carried import CapacityCurve, bracket_capacity, measure_capacity_curves
from simulator.analysis.size.judging import LIKELY, Sized
from simulator.analysis.size.kinds.contract import KnownSizes
from simulator.analysis.study.axis import Axis, midpoint
from simulator.analysis.study.options import SelfHostOption, Size
from simulator.analysis.study.study import Study
from simulator.callbacks import Mapped

REFINEMENTS = 2
"""Number of volumes tried within a grid interval in which costs cross, each where straight lines
do."""
AXIS_REFINEMENTS = 6
"""Number of halvings of such an interval of another axis, on which costs may jump anywhere."""
IMPOSSIBLE_USD = 1e30
"""Cost that replaces that of a side that misses the targets."""
ON_A_LINE = 0.01
"""Share of a cost by which it may differ from the line between its neighbours."""


@dataclass(frozen=True, slots=True)
class BreakEven:
    """Points of an axis at which self-hosting alone is cheaper than the cheapest API alone."""

    axis: Axis | None
    """Axis of the break-even; None: the volume, as a multiple of today's."""
    curve: tuple[VolumeCosts, ...]
    """Costs of all options at the points of the axis, in rising order."""
    first: float | None
    """Smallest point from which self-hosting is cheaper; None: it never is."""
    permanent: float | None
    """Point from which self-hosting stays cheaper, within the grid; None: there is none."""
    first_interval: tuple[float | None, float | None]
    """Interval that contains the first crossing of nine in ten draws; None: beyond the grid."""
    wins: tuple[tuple[float, float], ...]
    """Intervals of the axis in which self-hosting is cheaper."""
    probability: tuple[tuple[float, float], ...]
    """Pairs of a point and the probability that self-hosting is cheaper."""
    probability_best: tuple[tuple[float, dict[str, float]], ...]
    """Pairs of a point and the probability, by option, that nothing is cheaper."""
    required_utilisation: float | None
    """Share of the fleet's time that is busy at the first crossing."""
    loads: tuple[float | None, float | None]
    """Load relative to what the cheapest fleet carries within its targets: the load from which it
    would pay, and today's load."""
    stairs: dict[str, Polyline]
    """Cost of each option that owns hardware, with the steps of its fleet; rows of (volume,
    USD/month)."""
    nearest_miss: tuple[float, float] | None
    """Point at which self-hosting comes closest, and its extra cost there as a share of the API's
    cost; None if it wins somewhere."""


def find_break_even(
    study: Study,
    sampler: Sampler,
    today: dict[str, tuple[Sized, ...]],
    executor: Executor | None = None,
    axis: Axis | None = None,
    effects: dict[str, NDArray[np.float64]] | None = None,
) -> BreakEven | None:
    """Scan volumes or an axis, and find every crossing.

    Costs are taken as straight between neighbouring points, except for the steps of fleets, so two
    crossings within one interval may be missed.

    Parameters
    ----------
    study, sampler
        The question, and the sampler of its traffic.
    today : dict
        Options as they were sized at today's volume, for slow, likely and fast hardware.
    executor, axis
        As in ``verdict.decide``.
    effects : dict, optional
        Factors, by option and draw, on the cost that rates alone give.

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
    known = replace(KnownSizes.of(today), call_cost_ratios=_call_cost_ratios(study, sampler, today))
    costs_at: Callable[[float], VolumeCosts]
    if axis is None:
        known = replace(known, curves=_capacity_curves(study, sampler, known, mapped))
        costs_at, volumes = (
            partial(volume_costs, study, sampler, known),
            list(set(study.effort.volumes)),
        )
        ends = _volumes_around_capacity(study, sampler, min(volumes), max(volumes), mapped)
    else:
        costs_at, volumes, ends = partial(axis_costs, axis, known), axis.values, []
    # The largest volumes take longest: hand them out first.
    volumes = sorted(volumes, reverse=True)
    points = list(mapped(costs_at, [v for v in [*volumes, *ends] if axis is not None or v != 1.0]))
    if axis is None and 1.0 in volumes:
        points.append(price_sized_options(study, today, 1.0))
    curve = sorted(points, key=lambda c: c.volume)

    def advantage(costs: VolumeCosts) -> float:
        return _saving_usd(
            min(costs.likely_usd[n] for n in api), min(costs.likely_usd[n] for n in own)
        )

    stairs = own if axis is None else []
    curve = _refine(curve, advantage, mapped, costs_at, stairs)
    steps = find_steps(study, sampler, known, curve, own, api, mapped) if axis is None else {}
    cost_lines = {name: stairs_of(curve, name, steps) for name in own}
    wins = winning_intervals(list(cost_lines.values()), [_cost_line(curve, name) for name in api])
    curve = [_with_effects(c, effects or {}) for c in curve]
    grid = [c for c in curve if c.volume in volumes]
    world_advantages = np.array([_world_savings(c, own, api) for c in grid])
    first = wins[0][0] if wins else None
    permanent = wins[-1][0] if wins and wins[-1][1] >= curve[-1].volume else None
    return BreakEven(
        axis=axis,
        curve=tuple(curve),
        first=first,
        permanent=permanent,
        first_interval=_first_interval(np.array([c.volume for c in grid]), world_advantages),
        wins=wins,
        probability=tuple(
            (c.volume, float(np.mean(a > 0))) for c, a in zip(grid, world_advantages, strict=True)
        ),
        probability_best=tuple((c.volume, _probabilities_best(c)) for c in grid),
        required_utilisation=_utilisation_at(curve, own, first),
        loads=_loads(known, curve, own, api) if axis is None else (None, None),
        stairs=cost_lines,
        nearest_miss=None if wins else _nearest_miss(curve, own, api),
    )


def _cost_line(curve: list[VolumeCosts], option: str) -> Polyline:
    """Return an option's cost along the curve; rows of (volume, USD/month)."""
    return np.array([(c.volume, c.likely_usd[option]) for c in curve])


def _call_cost_ratios(
    study: Study, sampler: Sampler, today: dict[str, tuple[Sized, ...]]
) -> dict[str, float]:
    """Return the cost of calls at today's volume by the larger sample, relative to the smaller one.

    Points of the curve come from the smaller sample. Both samples share their random numbers, so
    that this ratio corrects the curve to what the larger sample would give.
    """
    evaluator = Evaluator(study, 1.0, sampler)
    ratios = {}
    for option in study.options:
        api = option.api
        if api is not None and option.calls_only and option.name in today:
            smaller_usd = evaluator.evaluate(api, Size()).total_usd(study)
            larger_usd = today[option.name][LIKELY].evaluation.total_usd(study)
            ratios[option.name] = larger_usd / smaller_usd if smaller_usd else 1.0
    return ratios


def _capacity_curves(
    study: Study, sampler: Sampler, known: KnownSizes, mapped: Mapped
) -> dict[str, CapacityCurve]:
    """Return the capacity curves of constant fleets whose size is to be found."""
    today = {
        own.name: (own, sized.evaluation.size.replicas)
        for own in _constant_fleets(study)
        if (sized := known.sized[own.name]).feasible and own.replicas is None
    }
    return measure_capacity_curves(study, sampler, today, mapped)


def _constant_fleets(study: Study) -> list[SelfHostOption]:
    """Return the self-hosted options whose number of replicas never changes."""
    fleets = [option.own for option in study.options if option.owns_only]
    return [own for own in fleets if own is not None and own.is_constant]


def _volumes_around_capacity(
    study: Study, sampler: Sampler, low: float, high: float, mapped: Mapped
) -> list[float]:
    """Return the volumes on both sides of the capacity of stated numbers of replicas.

    An option that may be the cheapest up to its capacity is infeasible from there on.
    """
    fleets = [own for own in _constant_fleets(study) if own.replicas]
    brackets = mapped(partial(bracket_capacity, study, sampler), fleets)
    return sorted({v for pair in brackets for v in pair if low < v < high})


def _loads(
    known: KnownSizes, curve: list[VolumeCosts], own: list[str], api: list[str]
) -> tuple[float | None, float | None]:
    """Return the load of today's cheapest fleet from which it would pay, and its load today.

    Both are relative to its capacity.
    """
    today = next((c for c in curve if c.volume == 1.0), None)
    if today is None:
        return None, None
    own_usd, name = min((today.likely_usd[n], n) for n in own)
    api_usd, fleet = min(today.likely_usd[n] for n in api), known.curves.get(name)
    if fleet is None or not np.isfinite([own_usd, api_usd]).all():
        return None, None
    load = 1.0 / fleet.volume(today.replicas[name])
    # Calls cost in proportion to the load, while the fleet costs the same at any load.
    return load * own_usd / api_usd, load


def _saving_usd(api_usd: float, own_usd: float) -> float:
    """Return the saving of owning; a side that misses the targets loses, two such are equal."""
    if np.isinf(api_usd) and np.isinf(own_usd):
        return 0.0
    return float(np.clip(api_usd - own_usd, -IMPOSSIBLE_USD, IMPOSSIBLE_USD))


def _world_savings(costs: VolumeCosts, own: list[str], api: list[str]) -> NDArray[np.float64]:
    """Return the saving of owning in every draw. (worlds,)"""
    own_usd, api_usd = (np.min([costs.world_usd[n] for n in names], axis=0) for names in (own, api))
    return np.array([_saving_usd(a, o) for a, o in zip(api_usd, own_usd, strict=True)])


def _with_effects(costs: VolumeCosts, effects: dict[str, NDArray[np.float64]]) -> VolumeCosts:
    """Return costs over draws with the effect of uncertain numbers on them."""
    usd = {name: usd * effects.get(name, 1.0) for name, usd in costs.world_usd.items()}
    return replace(costs, world_usd=usd)


def _probabilities_best(costs: VolumeCosts) -> dict[str, float]:
    """Return the probability, by option, that nothing is cheaper."""
    collapsed = [costs.collapsed[name] for name in costs.world_usd]
    option_standings = compute_standings(list(costs.world_usd.values()), collapsed)
    return dict(
        zip(
            costs.world_usd,
            (standing.probability_best for standing in option_standings),
            strict=True,
        )
    )


def _refine(
    curve: list[VolumeCosts],
    advantage: Callable[[VolumeCosts], float],
    mapped: Mapped,
    costs_at: Callable[[float], VolumeCosts],
    stairs: list[str],
) -> list[VolumeCosts]:
    """Try volumes at which the costs of neighbours cross, or halve the intervals of another axis.

    Intervals in which one of the options in ``stairs`` adds replicas are left to ``find_steps``.
    """
    for _ in range(REFINEMENTS if stairs else AXIS_REFINEMENTS):
        volumes = [
            _crossing(a, b, advantage) if stairs else midpoint(a.volume, b.volume)
            for a, b in pairwise(curve)
            if not any(steps_between(a, b, name) for name in stairs)
            and (advantage(a) > 0) != (advantage(b) > 0)
            and not (
                stairs and min(_relative_gap(a, advantage), _relative_gap(b, advantage)) < ON_A_LINE
            )
        ]
        curve = sorted([*curve, *mapped(costs_at, volumes)], key=lambda c: c.volume)
    return curve


def _relative_gap(costs: VolumeCosts, advantage: Callable[[VolumeCosts], float]) -> float:
    """Return the difference between the sides as a share of the cheapest option's cost."""
    least_usd = min(costs.likely_usd.values())
    return abs(advantage(costs)) / least_usd if 0 < least_usd < np.inf else np.inf


def _crossing(a: VolumeCosts, b: VolumeCosts, advantage: Callable[[VolumeCosts], float]) -> float:
    """Return where the line between two savings is 0; the middle if a side is impossible."""
    gaps = advantage(a), advantage(b)
    if max(abs(gap) for gap in gaps) > IMPOSSIBLE_USD / 2:
        return midpoint(a.volume, b.volume)
    share = gaps[0] / (gaps[0] - gaps[1])
    return a.volume + min(max(share, 0.02), 0.98) * (b.volume - a.volume)


def _nearest_miss(
    curve: list[VolumeCosts], own: list[str], api: list[str]
) -> tuple[float, float] | None:
    """Return the point at which owning costs the least more, where it is feasible at all."""
    misses = []
    for c in curve:
        own_usd, api_usd = (min(c.likely_usd[n] for n in names) for names in (own, api))
        if np.isfinite(own_usd) and np.isfinite(api_usd):
            misses.append((own_usd / api_usd - 1, c.volume))
    if not misses:
        return None
    share, volume = min(misses)
    return volume, share


def _first_interval(
    volumes: NDArray[np.float64], world_advantages: NDArray[np.float64]
) -> tuple[float | None, float | None]:
    """Return the 5 % and 95 % quantiles of the first crossing over draws.

    (volumes,), (volumes, worlds)
    """
    firsts = []
    for gaps in world_advantages.T:
        level = np.stack([volumes, np.zeros(len(volumes))], axis=1)
        wins = winning_intervals([level], [np.stack([volumes, gaps], axis=1)])
        firsts.append(wins[0][0] if wins else np.inf)
    low, high = np.quantile(firsts, [0.05, 0.95], method="nearest")
    return (float(low) if np.isfinite(low) else None, float(high) if np.isfinite(high) else None)


def _utilisation_at(curve: list[VolumeCosts], own: list[str], volume: float | None) -> float | None:
    """Return the utilisation of the cheapest owning option near a volume."""
    if volume is None:
        return None
    nearest = min(curve, key=lambda c: abs(c.volume - volume))
    cheapest = min(own, key=lambda name: nearest.likely_usd[name])
    return nearest.utilisation[cheapest]
