"""A fitted log, and its hourly sums, cost what the replayed log costs."""

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator.library.logs import generate_log
from simulator.library.scenarios import load_scenario, new_scenario
from simulator.library.simulations import simulate
from simulator.traffic.formats.catalog import format_of, read_log

WEEKS = 4
OFFER = "openai/gpt-4o"
FLAGS: dict[str, Any] = {
    "offers": [OFFER], "model": "llama-3.3-70b", "gpu": "h100-sxm", "ttft": "2s",
}  # fmt: skip


def simulated(path: Path) -> dict[str, dict[str, Any]]:
    """Simulate the API of a new scenario and one replica of its own over the whole horizon."""
    options = load_scenario(path).document.data["options"]
    api = next(name for name, option in options.items() if option.get("offer") == OFFER)
    own = next(name for name, option in options.items() if option["kind"] == "selfhost")
    others = {f"options.{name}": None for name in options if name not in (api, own)}
    scenario = load_scenario(path, {**others, f"options.{own}.replicas": 1})
    found = {o["name"]: o for o in simulate(scenario, whole=True).to_dict()["options"]}
    return {"api": found[api], "own": found[own]}


def write_hours(log_path: Path, target: Path, cached_share: float) -> None:
    """Write the sums of each hour of a log, with the cached share that its provider reports."""
    rows = read_log(log_path, format_of(log_path)).rows
    hour = (rows.at_s // 3600).astype(np.int64)
    begin = datetime(2026, 10, 5, tzinfo=UTC)
    sums = [
        np.bincount(hour, weights).astype(np.int64)
        for weights in (None, rows.input_tokens, rows.output_tokens + rows.reasoning_tokens)
    ]
    with target.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(
            ["hour", "model", "requests", "input_tokens", "cached_tokens", "output_tokens"]
        )
        for n, (calls, prompt, output) in enumerate(zip(*sums, strict=True)):
            at = (begin + timedelta(hours=n)).isoformat()
            table.writerow([at, "gpt-4o", calls, prompt, int(prompt * cached_share), output])


@pytest.mark.slow
@pytest.mark.parametrize(("preset", "per_month"), [("rag", 60_000)])
def test_a_fit_costs_what_the_log_costs(tmp_path: Path, preset: str, per_month: int) -> None:
    log = tmp_path / "log.csv"
    generate_log(preset, log, hours=WEEKS * 168, requests_per_month=per_month, seed=5)
    new_scenario(tmp_path / "replay.yaml", trace=log, **FLAGS)
    replay = simulated(tmp_path / "replay.yaml")
    tokens = replay["api"]["tokens"]
    prompt = tokens["uncached_input"] + tokens["cache_read"] + tokens["cache_write"]
    write_hours(log, tmp_path / "hours.csv", tokens["cache_read"] / prompt)
    for source in ("log.csv", "hours.csv"):
        target = tmp_path / f"{source}.yaml"
        new_scenario(target, usage=str(tmp_path / source), **FLAGS)
        found = simulated(target)
        # Prompts of sessions vary widely, so that even another draw of the same traffic differs.
        assert found["api"]["cost_usd_per_month"]["mean"] == pytest.approx(
            replay["api"]["cost_usd_per_month"]["mean"], rel=0.03
        ), source
        assert found["own"]["cost_usd_per_month"]["mean"] == pytest.approx(
            replay["own"]["cost_usd_per_month"]["mean"], rel=0.03
        ), source
        assert found["own"]["slo_attainment"] == pytest.approx(
            replay["own"]["slo_attainment"], abs=0.02
        ), source
