"""How the contest of owning and calling depends on volume and on how much of prompts is cached.

Cached shares are outcomes. What is varied is how many prompts keep their stable beginning: the rest
share nothing with any other, as if a date stood at their top.
"""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from simulator.analysis.decide.monte_carlo import Mapped
from simulator.analysis.sampling.sampler import Sampler
from simulator.analysis.simulate.evaluate import Evaluator
from simulator.analysis.size.kinds.contract import KnownSizes
from simulator.analysis.size.options import size_near
from simulator.analysis.study.study import Study
from simulator.rng import uniforms
from simulator.traffic.table import NO_NODE, RequestTable

KEPT = (0.0, 1 / 3, 2 / 3, 1.0)
"""Shares of prompts that keep their beginning."""
MOST_VOLUMES = 5


@dataclass(frozen=True, slots=True)
class CacheMap:
    """Cheapest cost of either side."""

    volumes: tuple[float, ...]
    """Multiples of today's."""
    kept: tuple[float, ...]
    cached_share: NDArray[np.float64]
    """Of prompt tokens that the cheapest API found in its cache, targets met or not.
    (kept, volumes)"""
    own_usd: NDArray[np.float64]
    """[USD/month], inf where the SLO is missed. (kept, volumes)"""
    api_usd: NDArray[np.float64]
    """[USD/month], inf where the SLO is missed. (kept, volumes)"""


def cache_map(
    study: Study, sampler: Sampler, known: KnownSizes, mapped: Mapped = map
) -> CacheMap | None:
    """Size and price both sides over volumes and kept shares; None unless there are both.

    Searches for sizes begin around what is ``known`` of today's volume.
    """
    kinds = {option.kind for option in study.options}
    if not {"selfhost", "api"} <= kinds:
        return None
    asked = sorted(set(study.effort.volumes))
    places = np.unique(np.linspace(0, len(asked) - 1, min(MOST_VOLUMES, len(asked))).round())
    volumes = [asked[int(place)] for place in places]
    cells = [(volume, kept) for kept in KEPT for volume in volumes]
    # The largest volumes take longest: hand them out first.
    order = sorted(range(len(cells)), key=lambda k: -cells[k][0])
    found = np.zeros((len(cells), 3))
    found[order] = list(mapped(partial(_cell, study, sampler, known), [cells[k] for k in order]))
    own_usd, api_usd, cached = found.T.reshape(3, len(KEPT), len(volumes))
    return CacheMap(tuple(volumes), KEPT, cached, own_usd, api_usd)


def _cell(
    study: Study, sampler: Sampler, known: KnownSizes, cell: tuple[float, float]
) -> tuple[float, float, float]:
    """Cheapest own and API cost of one volume and kept share, and the API's cached share."""
    volume, kept = cell
    evaluator = Evaluator(study, volume, sampler).through("unshared", partial(unshared, kept=kept))
    usd = {"selfhost": np.inf, "api": np.inf}
    calls = []
    for option in (each for each in study.options if each.kind in usd):
        sized = size_near(evaluator, option, known)
        total = sized.evaluation.total_usd(study)
        if sized.feasible:
            usd[option.kind] = min(usd[option.kind], total)
        if option.kind == "api":
            calls.append((total, sized.evaluation.outcome.cached_share))
    _, cached = min(calls)
    return usd["selfhost"], usd["api"], cached


def unshared(table: RequestTable, kept: float) -> RequestTable:
    """Return a table in which only a share of the prompts may share anything with others."""
    alone = uniforms(table.random_bits, "unshared") >= kept
    return replace(table, prefix_node=np.where(alone, np.int32(NO_NODE), table.prefix_node))
