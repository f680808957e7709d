"""Costs of every option at one volume, or at one value of another axis."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from simulator.analysis.decide.monte_carlo import Worlds, size_at_speeds, world_costs
from simulator.analysis.sampling.sampler import Sampler
from simulator.analysis.simulate.evaluate import Evaluator
from simulator.analysis.size.judging import LIKELY, Sized
from simulator.analysis.size.kinds.contract import KnownSizes
from simulator.analysis.size.options import size_by_capacity_curve, size_near
from simulator.analysis.study.axis import Axis
from simulator.analysis.study.study import Study


@dataclass(frozen=True, slots=True)
class VolumeCosts:
    """Costs of every option at one volume, or at one value of another axis."""

    volume: float
    """Multiple of today's, or the value."""
    likely_usd: dict[str, float]
    """In the median world, inf where the SLO is missed."""
    world_usd: dict[str, NDArray[np.float64]]
    """By world, (worlds,)."""
    utilisation: dict[str, float | None]
    replicas: dict[str, int]
    fleet: dict[str, str | None]
    """Deployment whose replicas are counted, if an option is a fleet of one."""
    collapsed: dict[str, bool]
    """Whether an option is a hybrid that leaves everything to one of its sides."""


def volume_costs(study: Study, sampler: Sampler, known: KnownSizes, volume: float) -> VolumeCosts:
    """Size and price every option at a volume, from what is known of today's."""
    evaluator = Evaluator(study, volume, sampler)
    found: dict[str, tuple[Sized, ...]] = {}
    for option in study.options:
        curve = known.curves.get(option.name)
        if option.own is not None and curve is not None:
            found[option.name] = size_by_capacity_curve(evaluator, option.own, curve)
        elif option.kind == "hybrid":
            # Drawn beside the curve of pure options, where its most likely cost is enough.
            found[option.name] = (size_near(evaluator, option, known),) * 3
        else:
            found[option.name] = size_at_speeds(evaluator, option, known)
    return priced_at(study, found, volume, known.call_cost_ratios)


def priced_at(
    study: Study,
    sized: dict[str, tuple[Sized, ...]],
    volume: float,
    calls: Mapping[str, float] | None = None,
) -> VolumeCosts:
    """Price options that were sized at a volume, for slow, likely and fast hardware each."""
    worlds, factors = Worlds.draw(study), calls or {}
    likely = {name: each[LIKELY].evaluation for name, each in sized.items()}
    return VolumeCosts(
        volume,
        {
            n: float(world_costs(study, s, Worlds.likely())[0]) * factors.get(n, 1.0)
            for n, s in sized.items()
        },
        {n: world_costs(study, s, worlds) * factors.get(n, 1.0) for n, s in sized.items()},
        {n: found.outcome.utilisation for n, found in likely.items()},
        {n: found.size.replicas for n, found in likely.items()},
        {n: found.option.name if found.option.owns_only else None for n, found in likely.items()},
        {n: each[LIKELY].collapsed for n, each in sized.items()},
    )


def axis_costs(axis: Axis, known: KnownSizes, value: float) -> VolumeCosts:
    """Size and price every option of the study at a value, at today's volume."""
    there = axis.study(value)
    return replace(volume_costs(there, Sampler(there), known, 1.0), volume=value)
