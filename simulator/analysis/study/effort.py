"""How much effort an answer takes: the same question with less, in five levels, or with all."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace

from simulator.analysis.study.axis import Axis
from simulator.analysis.study.study import Effort, Study

LEVELS = 5
"""The last is the effort that the scenario says."""
FAST = 3
LEAST_REQUESTS = 1000
LEAST_WORLDS = 16


@dataclass(frozen=True, slots=True)
class _Less:
    """What a level gives up."""

    fewer_requests: int
    """Times fewer in every simulation."""
    spans: int
    careful: int
    """Times as many requests where an option's size and cost are settled."""
    every: int
    """Of the volumes, besides the ends and today's."""
    fewer_worlds: int
    """Times fewer, where each is simulated."""


_GIVEN_UP = {
    1: _Less(20, 6, 2, 4, 16),
    2: _Less(10, 8, 2, 4, 8),
    3: _Less(5, 12, 2, 2, 4),
    4: _Less(2, 12, 2, 1, 2),
}


FEWER_REQUESTS, FEWER_SPANS = 4, 2
"""Times fewer where what matters is who is cheapest, not by how much."""


def rough(study: Study) -> Study:
    """Return a study of which every simulation takes fewer requests, out of fewer spans."""
    effort = study.effort
    requests, spans = effort.sample_requests // FEWER_REQUESTS, effort.spans // FEWER_SPANS
    return replace(study, effort=replace(effort, sample_requests=requests, spans=max(1, spans)))


@dataclass(frozen=True, slots=True)
class _Hastened:
    """Builds studies with the same haste: of other numbers, or along an axis."""

    build: Callable[..., Study]
    level: int

    def __call__(self, values: dict[str, float] | float) -> Study:
        return hastened(self.build(values), self.level)


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


def hastened_axis(axis: Axis, level: int = FAST) -> Axis:
    """Return an axis whose studies are answered with less effort."""
    return replace(axis, study=_Hastened(axis.study, level)) if level < LEVELS else axis


def hastened(study: Study, level: int = FAST) -> Study:
    """Return a study that is answered with less effort.

    Fewer requests in every simulation, fewer volumes, fewer worlds where each is simulated, and no
    flips that need simulation. Steps and crossings are still located.
    """
    if level >= LEVELS:
        return study
    effort, less = study.effort, _GIVEN_UP[level]
    volumes = sorted({*effort.volumes[:: less.every], effort.volumes[-1], 1.0})
    worlds = max(LEAST_WORLDS, effort.worlds // less.fewer_worlds)
    quick = Effort(
        worlds=min(effort.worlds, worlds) if study.numbers else effort.worlds,
        volumes=tuple(volumes),
        sample_requests=min(
            effort.sample_requests,
            max(LEAST_REQUESTS, effort.sample_requests // less.fewer_requests),
        ),
        max_replicas=effort.max_replicas,
        warm_up_s=effort.warm_up_s,
        careful=less.careful,
        spans=less.spans,
        flips_simulated=False,
        level=level,
    )
    return replace(study, effort=quick, rebuild=study.rebuild and _Hastened(study.rebuild, level))
