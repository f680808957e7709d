"""Figures that a report shows in addition to the verdict, and that need simulations."""

from dataclasses import dataclass
from functools import partial

from simulator.analysis.decide.verdict import Verdict
from simulator.analysis.sampling.sampler import Sampler
from simulator.analysis.simulate.evaluate import Evaluation
from simulator.analysis.study.effort import with_smaller_sample
from simulator.analysis.study.options import SingleOption, Size
from simulator.analysis.study.study import Study
from simulator.analysis.views.cachemap import CacheMap, simulate_cache_map
from simulator.analysis.views.timeline import Timeline, simulate_timeline
from simulator.callbacks import Mapped


@dataclass(frozen=True, slots=True)
class Views:
    """Timelines and the cache map of a report."""

    timelines: tuple[Timeline, ...]
    """Timelines of the cheapest option of each kind, the cheapest option included, if it is a
    single one."""
    cache_map: CacheMap | None
    """Costs by volume and cacheable share; None unless the study has both sides."""


def simulate_views(verdict: Verdict, mapped: Mapped = map) -> Views:
    """Simulate the figures for the report of a verdict."""
    plans = _plans_to_show(verdict)
    timelines = mapped(partial(_timeline, verdict.study), plans)
    sampler = Sampler(with_smaller_sample(verdict.study))
    cache_map = simulate_cache_map(verdict.study, sampler, verdict.today.known, mapped)
    return Views(tuple(timelines), cache_map)


def _timeline(study: Study, plan: tuple[SingleOption, Size]) -> Timeline:
    """Simulate the timeline of one option."""
    return simulate_timeline(study, *plan)


def _plans_to_show(verdict: Verdict) -> list[tuple[SingleOption, Size]]:
    """Return the cheapest feasible single option of each kind, with its size."""
    feasible = [r for r in verdict.results if r.excuse is None]
    feasible.sort(key=lambda r: (r.total_usd, r.name))
    best: dict[str, Evaluation] = {}
    for result in feasible:
        if not result.evaluation.parts:
            best.setdefault(result.option.kind, result.evaluation)
    return [evaluation.plan for evaluation in best.values()]
