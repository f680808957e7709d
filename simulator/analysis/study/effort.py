"""Levels of effort: the same question answered with fewer requests, volumes and draws."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace

from simulator.analysis.study.axis import Axis
from simulator.analysis.study.study import Effort, Study

LEVELS = 5
"""Number of levels; the highest is the effort that the scenario states."""
FAST = 3
"""Level of ``--fast``."""
LEAST_REQUESTS = 1000
"""Fewest requests of a simulation at any level, unless the scenario states fewer."""
LEAST_WORLDS = 16
"""Fewest draws at any level, unless the scenario states fewer."""


@dataclass(frozen=True, slots=True)
class _Reduction:
    """Reductions of one level of effort."""

    fewer_requests: int
    """Divisor of the requests of every simulation."""
    spans: int
    """Number of spans of the horizon."""
    careful: int
    """Multiple of the requests with which an option's size and cost are settled."""
    every: int
    """Step through the volumes: 2 keeps every other one. The last one and today's always stay."""
    fewer_worlds: int
    """Divisor of the draws, where each draw is simulated."""


_REDUCTIONS = {
    1: _Reduction(20, 6, 2, 4, 16),
    2: _Reduction(10, 8, 2, 4, 8),
    3: _Reduction(5, 12, 2, 2, 4),
    4: _Reduction(2, 12, 2, 1, 2),
}


FEWER_REQUESTS, FEWER_SPANS = 4, 2
"""Divisors of the requests and spans where only the order of the options matters, not the
margin."""


def with_smaller_sample(study: Study) -> Study:
    """Return a study that simulates fewer requests, from fewer spans."""
    effort = study.effort
    requests, spans = effort.sample_requests // FEWER_REQUESTS, effort.spans // FEWER_SPANS
    return replace(study, effort=replace(effort, sample_requests=requests, spans=max(1, spans)))


@dataclass(frozen=True, slots=True)
class _RebuildAtLevel:
    """Rebuilds studies at a level of effort, for other numbers or along an axis."""

    build: Callable[..., Study]
    level: int

    def __call__(self, values: dict[str, float] | float) -> Study:
        return with_effort_level(self.build(values), self.level)


def whole_horizon(study: Study) -> Study:
    """Return a study whose whole horizon is simulated."""
    effort = replace(study.effort, sample_requests=sys.maxsize)
    return replace(study, effort=effort, rebuild=study.rebuild and _RebuildWhole(study.rebuild))


@dataclass(frozen=True, slots=True)
class _RebuildWhole:
    """Rebuilds studies whose whole horizon is simulated."""

    build: Callable[..., Study]

    def __call__(self, values: dict[str, float] | float) -> Study:
        return whole_horizon(self.build(values))


def axis_with_effort_level(axis: Axis, level: int = FAST) -> Axis:
    """Return an axis whose studies have a level of effort."""
    return replace(axis, study=_RebuildAtLevel(axis.study, level)) if level < LEVELS else axis


def with_effort_level(study: Study, level: int = FAST) -> Study:
    """Return a study with a level of effort.

    Lower levels simulate fewer requests, volumes and draws, and search no switching values that
    need simulation. Steps and crossings are located at every level.
    """
    if level >= LEVELS:
        return study
    effort, reduction = study.effort, _REDUCTIONS[level]
    volumes = sorted({*effort.volumes[:: reduction.every], effort.volumes[-1], 1.0})
    worlds = max(LEAST_WORLDS, effort.worlds // reduction.fewer_worlds)
    reduced = Effort(
        worlds=min(effort.worlds, worlds) if study.numbers else effort.worlds,
        volumes=tuple(volumes),
        sample_requests=min(
            effort.sample_requests,
            max(LEAST_REQUESTS, effort.sample_requests // reduction.fewer_requests),
        ),
        max_replicas=effort.max_replicas,
        warm_up_s=effort.warm_up_s,
        careful=reduction.careful,
        spans=reduction.spans,
        simulated_switching_values=False,
        level=level,
    )
    return replace(
        study, effort=reduced, rebuild=study.rebuild and _RebuildAtLevel(study.rebuild, level)
    )
