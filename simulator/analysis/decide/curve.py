"""Costs of all options at one volume, or at one value of another axis."""

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
    """Costs of all options at one volume, or at one value of another axis."""

    volume: float
    """Multiple of today's volume, or value of the axis."""
    likely_usd: dict[str, float]
    """Cost at the medians by option [USD/month]; inf if the targets are missed."""
    world_usd: dict[str, NDArray[np.float64]]
    """Cost in every draw by option [USD/month], (worlds,) each."""
    utilisation: dict[str, float | None]
    """Share of replica time that is busy, by option; None without replicas."""
    replicas: dict[str, int]
    """Number of replicas, by option."""
    fleet: dict[str, str | None]
    """Deployment whose replicas are counted; None if an option is not a single fleet."""
    collapsed: dict[str, bool]
    """Whether an option is a hybrid that leaves all requests to one of its sides."""


def volume_costs(study: Study, sampler: Sampler, known: KnownSizes, volume: float) -> VolumeCosts:
    """Size and price every option at a volume, starting from the sizes at today's."""
    evaluator = Evaluator(study, volume, sampler)
    sized: dict[str, tuple[Sized, ...]] = {}
    for option in study.options:
        curve = known.curves.get(option.name)
        if option.own is not None and curve is not None:
            sized[option.name] = size_by_capacity_curve(evaluator, option.own, curve)
        elif option.kind == "hybrid":
            # Hybrids are only plotted next to the pure options, so their likely size is enough.
            sized[option.name] = (size_near(evaluator, option, known),) * 3
        else:
            sized[option.name] = size_at_speeds(evaluator, option, known)
    return price_sized_options(study, sized, volume, known.call_cost_ratios)


def price_sized_options(
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
        {n: evaluation.outcome.utilisation for n, evaluation in likely.items()},
        {n: evaluation.size.replicas for n, evaluation in likely.items()},
        {
            n: evaluation.option.name if evaluation.option.owns_only else None
            for n, evaluation in likely.items()
        },
        {n: each[LIKELY].collapsed for n, each in sized.items()},
    )


def axis_costs(axis: Axis, known: KnownSizes, value: float) -> VolumeCosts:
    """Size and price every option of the study for a value of the axis, at today's volume."""
    study = axis.study(value)
    return replace(volume_costs(study, Sampler(study), known, 1.0), volume=value)
