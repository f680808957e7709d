"""Plain values of result documents: numbers without NaN, latencies, targets, timelines, maps."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.analysis.simulate.sketch import Sketch
from simulator.analysis.study.study import Slo
from simulator.analysis.views.cachemap import CacheMap
from simulator.analysis.views.report_views import Views
from simulator.analysis.views.timeline import Timeline
from simulator.units import HOUR_S

QUANTILES = (0.01, 0.05, *(k / 20 for k in range(2, 19)), 0.95, 0.97, 0.98, 0.99, 0.995, 0.999)
"""Shares of requests at which latencies are stored."""


def finite_or_none(value: float | None) -> float | None:
    """Return a finite number, else None: documents contain neither NaN nor infinity."""
    if value is None or not math.isfinite(value):
        return None
    return float(value)


def percentiles(values: Sketch) -> dict[str, float | None]:
    """Return mean, p50, p95 and p99, each None without values."""
    if not values.size:
        return dict.fromkeys(("mean", "p50", "p95", "p99"))
    return {
        "mean": values.mean,
        "p50": values.quantile(0.5),
        "p95": values.quantile(0.95),
        "p99": values.quantile(0.99),
    }


def quantiles(values: Sketch) -> list[list[float]]:
    """Return pairs of a share and the latency it does not exceed [s]; empty without values."""
    return [[share, values.quantile(share)] for share in QUANTILES] if values.size else []


def slo_document(slo: Slo) -> dict[str, Any]:
    """Return the latency targets as plain values."""
    return {
        "ttft_s": slo.ttft_s,
        "tpot_s": slo.tpot_s,
        "e2e_s": slo.e2e_s,
        "attainment": slo.attainment,
        "percentiles": dict(slo.percentiles),
    }


def views_document(views: Views | None, today: float) -> dict[str, Any]:
    """Return timelines and cache map; ``today`` is the volume in requests per month."""
    if views is None:
        return {"timelines": [], "cache_map": None}
    cache_map = views.cache_map
    return {
        "timelines": [_timeline(timeline) for timeline in views.timelines],
        "cache_map": _cache_map(cache_map, today) if cache_map else None,
    }


def _timeline(timeline: Timeline) -> dict[str, Any]:
    columns = (
        "own_per_s", "called_per_s", "unserved_per_s", "waiting", "replicas", "calls_usd_per_h",
        "own_usd_per_h",
    )  # fmt: skip
    return {
        "option": timeline.option,
        "begin_hours": timeline.begin_s / HOUR_S,
        "bin_hours": timeline.bin_s / HOUR_S,
        # Thousands of numbers for charts, in which more digits are invisible.
        **{name: _rounded(getattr(timeline, name)) for name in columns},
    }


def _rounded(values: NDArray[np.float64]) -> list[float]:
    return [float(f"{value:.4g}") for value in values.tolist()]


def _cache_map(cache_map: CacheMap, today: float) -> dict[str, Any]:
    return {
        "volumes": [volume * today for volume in cache_map.volumes],
        "kept_shares": list(cache_map.kept),
        "cached_shares": cache_map.cached_share.tolist(),
        "own_usd_per_month": [
            [finite_or_none(usd) for usd in row] for row in cache_map.own_usd.tolist()
        ],
        "api_usd_per_month": [
            [finite_or_none(usd) for usd in row] for row in cache_map.api_usd.tolist()
        ],
    }
