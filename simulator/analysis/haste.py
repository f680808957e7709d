"""A first answer in a few seconds: the same question with less effort."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace

from simulator.analysis.axis import Axis
from simulator.analysis.study import Effort, Study

FEWER = 5
"""Times fewer requests are simulated where windows are sampled."""
LEAST_REQUESTS = 5000
FEWER_SPANS = 12
LESS_CAREFUL = 2
"""Times as many requests where an option's size and cost are settled."""
LEAST_WORLDS = 16


@dataclass(frozen=True, slots=True)
class _Hastened:
    """Builds studies with the same haste: of other numbers, or along an axis."""

    build: Callable[..., Study]

    def __call__(self, values: dict[str, float] | float) -> Study:
        return hastened(self.build(values))


def whole_horizon(study: Study) -> Study:
    """Return a study in which nothing is sampled."""
    effort = replace(study.effort, sample_requests=sys.maxsize)
    return replace(study, effort=effort, rebuild=study.rebuild and _Whole(study.rebuild))


@dataclass(frozen=True, slots=True)
class _Whole:
    """Builds studies in which nothing is sampled."""

    build: Callable[..., Study]

    def __call__(self, values: dict[str, float] | float) -> Study:
        return whole_horizon(self.build(values))


def hastened_axis(axis: Axis) -> Axis:
    """Return an axis whose studies are answered roughly."""
    return replace(axis, study=_Hastened(axis.study))


def hastened(study: Study) -> Study:
    """Return a study that is answered roughly.

    Fewer windows of the week, every other volume, a quarter of the worlds where each is simulated,
    and no flips that need simulation. Steps and crossings are still located.
    """
    effort = study.effort
    volumes = sorted({*effort.volumes[::2], effort.volumes[-1], 1.0})
    worlds = max(LEAST_WORLDS, effort.worlds // 4) if study.numbers else effort.worlds
    quick = Effort(
        worlds=min(effort.worlds, worlds),
        volumes=tuple(volumes),
        sample_requests=min(
            effort.sample_requests, max(LEAST_REQUESTS, effort.sample_requests // FEWER)
        ),
        max_replicas=effort.max_replicas,
        warm_up_s=effort.warm_up_s,
        careful=LESS_CAREFUL,
        spans=FEWER_SPANS,
        flips_simulated=False,
    )
    return replace(study, effort=quick, rebuild=study.rebuild and _Hastened(study.rebuild))
