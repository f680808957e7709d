"""What a report shows beside the verdict, and what takes simulations of its own."""

from dataclasses import dataclass
from functools import partial

from simulator.analysis.decide.monte_carlo import Mapped
from simulator.analysis.decide.verdict import Verdict
from simulator.analysis.sampling.sampler import Sampler
from simulator.analysis.simulate.evaluate import Evaluation
from simulator.analysis.study.effort import with_smaller_sample
from simulator.analysis.study.options import SingleOption, Size
from simulator.analysis.study.study import Study
from simulator.analysis.views.cachemap import CacheMap, cache_map
from simulator.analysis.views.timeline import Timeline, timeline


@dataclass(frozen=True, slots=True)
class Views:
    """Timelines and maps."""

    timelines: tuple[Timeline, ...]
    """Of the cheapest option and of the cheapest of each kind, where they run by themselves."""
    cache_map: CacheMap | None


def views(verdict: Verdict, mapped: Mapped = map) -> Views:
    """Simulate what the report of a verdict shows."""
    shown = _shown(verdict)
    lines = mapped(partial(_timeline, verdict.study), shown)
    sampler = Sampler(with_smaller_sample(verdict.study))
    found = cache_map(verdict.study, sampler, verdict.today.known, mapped)
    return Views(tuple(lines), found)


def _timeline(study: Study, shown: tuple[SingleOption, Size]) -> Timeline:
    return timeline(study, *shown)


def _shown(verdict: Verdict) -> list[tuple[SingleOption, Size]]:
    feasible = [r for r in verdict.results if r.excuse is None]
    feasible.sort(key=lambda r: (r.total_usd, r.name))
    best: dict[str, Evaluation] = {}
    for result in feasible:
        if not result.evaluation.parts:
            best.setdefault(result.option.kind, result.evaluation)
    return [evaluation.plan for evaluation in best.values()]
