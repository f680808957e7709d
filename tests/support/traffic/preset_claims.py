"""Measures what a preset's traffic is like, the way in which its sources measured theirs."""

from dataclasses import replace
from typing import Any

import numpy as np

from simulator.scenario.resolve.presets import load_preset
from simulator.scenario.starter.generator import preset_workload
from simulator.traffic.generate import generate
from simulator.traffic.logs.collect import collect
from simulator.traffic.logs.replay import recorded
from simulator.traffic.logs.stats import dispersion, statistics, summary
from simulator.units import HOUR_S

HOURS_AVERAGED = 10


def measured(name: str, seed: int = 5) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return claims and findings by statistic; traces of an hour are compared with hours."""
    claims = dict(load_preset(name).data["claims"])
    spec = preset_workload(name)
    # The streams under which the claims were taken.
    spec = replace(spec, rate=replace(spec.rate, stream=name))
    after, hours = claims.pop("after_hours"), claims.pop("hours")
    claims.pop("requests_per_month")
    # A trace has no memory of what was before it, but sessions that are under way in it.
    table = generate(
        (spec,), seed, begin_s=max(0, after - 3) * HOUR_S, end_s=(after + hours) * HOUR_S
    )
    rows = recorded(table, 0.5, 0.02)
    begin_s = min(after, 3) * HOUR_S
    inside = (rows.at_s >= begin_s) & (rows.at_s < begin_s + hours * HOUR_S)
    found = statistics(collect([rows.take(np.flatnonzero(inside))], [name])).to_dict()
    found["turns"] = statistics(collect([recorded(table, 0.5, 0.02)], [name])).to_dict()["turns"]
    total = table.completion_tokens
    found["pause_s"] = summary(table.gap_s[~np.isnan(table.gap_s)])
    found["output_and_reasoning_tokens"] = {
        "mean": total.mean(),
        **{f"p{q}": np.quantile(total, q / 100) for q in (50, 90, 99)},
    }
    if found["reasoning_tokens"]:
        found["reasoning_share_p50"] = float(np.median(table.reasoning_tokens / total))
    if "dispersion" in claims and hours == 1:
        found["dispersion"] = mean_dispersion(name, seed, after)
    return claims, found


def mean_dispersion(name: str, seed: int, after: int) -> dict[str, float | None]:
    """Average over hours at the claimed rate: one alone says little about a varying rate."""
    spec = preset_workload(name, settings=["week=flat"])
    spec = replace(spec, rate=replace(spec.rate, stream=name))
    table = generate(
        (spec,), seed, begin_s=(after - 3) * HOUR_S, end_s=(after + HOURS_AVERAGED) * HOUR_S
    )
    at_s = recorded(table, 0.5, 0.02).at_s
    return {
        f"{window}s": float(
            np.mean(
                [
                    dispersion(at_s[(at_s >= b) & (at_s < b + HOUR_S)] - b, window, HOUR_S)
                    for b in (3 + np.arange(HOURS_AVERAGED)) * HOUR_S
                ]
            )
        )
        for window in (1, 10, 60)
    }
