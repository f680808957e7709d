"""Costs of owning and calling by volume and by the share of prompts that can be cached.

Cached shares are outcomes. The varied input is the share of prompts that keep their shared prefix;
the other prompts share nothing, for example because each starts with a timestamp.
"""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from simulator.analysis.sampling.sampler import Sampler
from simulator.analysis.simulate.evaluate import Evaluator
from simulator.analysis.size.kinds.contract import KnownSizes
from simulator.analysis.size.options import size_near
from simulator.analysis.study.study import Study
from simulator.callbacks import Mapped
from simulator.rng import uniforms
from simulator.traffic.table import NO_NODE, RequestTable

KEPT = (0.0, 1 / 3, 2 / 3, 1.0)
"""Shares of prompts that keep their shared prefix."""
MOST_VOLUMES = 5
"""Largest number of volumes."""


@dataclass(frozen=True, slots=True)
class CacheMap:
    """Cheapest cost of owning and of calling."""

    volumes: tuple[float, ...]
    """Volumes, as multiples of today's."""
    kept: tuple[float, ...]
    """Shares of prompts that keep their shared prefix."""
    cached_share: NDArray[np.float64]
    """Share of prompt tokens that the cheapest API, feasible or not, found in its cache. (kept,
    volumes)"""
    own_usd: NDArray[np.float64]
    """Cheapest cost of owning [USD/month], inf if the targets are missed. (kept, volumes)"""
    api_usd: NDArray[np.float64]
    """Cheapest cost of calling [USD/month], inf if the targets are missed. (kept, volumes)"""


def simulate_cache_map(
    study: Study, sampler: Sampler, known: KnownSizes, mapped: Mapped = map
) -> CacheMap | None:
    """Size and price both sides over volumes and kept shares; None unless there are both.

    Searches for sizes start from the ``known`` sizes at today's volume.
    """
    kinds = {option.kind for option in study.options}
    if not {"selfhost", "api"} <= kinds:
        return None
    all_volumes = sorted(set(study.effort.volumes))
    indices = np.unique(
        np.linspace(0, len(all_volumes) - 1, min(MOST_VOLUMES, len(all_volumes))).round()
    )
    volumes = [all_volumes[int(index)] for index in indices]
    cells = [(volume, kept) for kept in KEPT for volume in volumes]
    # The largest volumes take longest: hand them out first.
    order = sorted(range(len(cells)), key=lambda k: -cells[k][0])
    results = np.zeros((len(cells), 3))
    results[order] = list(mapped(partial(_cell, study, sampler, known), [cells[k] for k in order]))
    own_usd, api_usd, cached = results.T.reshape(3, len(KEPT), len(volumes))
    return CacheMap(tuple(volumes), KEPT, cached, own_usd, api_usd)


def _cell(
    study: Study, sampler: Sampler, known: KnownSizes, cell: tuple[float, float]
) -> tuple[float, float, float]:
    """Return the cheapest own and API cost of one cell, and the API's cached share."""
    volume, kept = cell
    evaluator = Evaluator(study, volume, sampler).through(
        "unshared", partial(without_shared_prefixes, kept=kept)
    )
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


def without_shared_prefixes(table: RequestTable, kept: float) -> RequestTable:
    """Return a table in which only a share of the prompts may share prefixes with others."""
    is_unshared = uniforms(table.random_bits, "unshared") >= kept
    return replace(table, prefix_node=np.where(is_unshared, np.int32(NO_NODE), table.prefix_node))
