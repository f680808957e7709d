"""A scenario from a usage export has the export's month: calls, and tokens of every kind."""

from pathlib import Path

import pytest

from simulator.errors import InputError
from simulator.library.scenarios import load_scenario, new_scenario
from simulator.library.simulations import simulate
from tests.support.traffic.months import EXPORTS, WEEKS, Month, month

MONTHS = WEEKS * 168 / 730
WITHOUT_CALLS = ("anthropic-usage", "anthropic-console")


def new_from(folder: Path, name: str, calls: Month) -> tuple[Path, tuple[str, ...]]:
    """Write a scenario from an export with own replicas beside what serves the calls today."""
    target = folder / "scenario.yaml"
    mean = calls.prompt.sum() / calls.requests.sum() if name in WITHOUT_CALLS else None
    result = new_scenario(
        target, usage=str(EXPORTS[name][0](folder, calls)), mean_input_tokens=mean,
        model="llama-3.3-70b", gpu="h100-sxm", ttft="2s",
    )  # fmt: skip
    return target, result.notes


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPORTS)
def test_the_simulated_month_is_that_of_the_export(tmp_path: Path, name: str) -> None:
    parts = EXPORTS[name][1]
    has_written = "written" in parts
    calls = month(cached=0.6 if has_written else 0.3, written=0.15 if has_written else 0.0)
    target, _ = new_from(tmp_path, name, calls)
    scenario = load_scenario(target, {"analysis.sample_requests": 150_000})
    options = scenario.document.data["options"]
    api = next(key for key, option in options.items() if option["kind"] == "api")
    only = load_scenario(target, {
        **{f"options.{key}": None for key in options if key != api},
        "analysis.sample_requests": 150_000,
    })  # fmt: skip
    (option,) = simulate(only).to_dict()["options"]
    tokens, offered = option["tokens"], option["requests"]["offered"]
    per_month = option["requests_per_month"] / offered
    wanted = {name: total / MONTHS for name, total in calls.totals("requests", "output").items()}
    wanted["prompt"] = calls.prompt.sum() / MONTHS
    found = {
        "requests": option["requests_per_month"],
        "output": (tokens["output"] + tokens["reasoning"]) * per_month,
        "prompt": per_month
        * (tokens["uncached_input"] + tokens["cache_read"] + tokens["cache_write"]),
    }
    if "cached" in parts:
        wanted["cached"] = calls.cached.sum() / MONTHS
        found["cached"] = tokens["cache_read"] * per_month
    assert found == {key: pytest.approx(value, rel=0.015) for key, value in wanted.items()}
    if has_written:
        assert tokens["cache_write"] * per_month == pytest.approx(
            calls.written.sum() / MONTHS, rel=0.05
        )


def test_an_export_without_calls_asks_for_a_mean_prompt(tmp_path: Path) -> None:
    path = EXPORTS["anthropic-usage"][0](tmp_path, month(per_hour=20))
    with pytest.raises(
        InputError, match="does not count calls; give the mean prompt of a call by --mean"
    ):
        new_scenario(tmp_path / "x.yaml", usage=str(path), model="llama-3.3-70b", gpu="h100")
    assert not (tmp_path / "x.yaml").exists()


def test_a_model_without_known_behaviour_says_whose_is_assumed(tmp_path: Path) -> None:
    path = tmp_path / "usage.csv"
    path.write_text(
        "day,model,requests,input_tokens,output_tokens\n"
        "2026-11-02,claude-sonnet-4-5,1000,2000000,300000\n"
        "2026-11-03,claude-sonnet-4-5,1000,2000000,300000\n"
    )
    target = tmp_path / "scenario.yaml"
    new_scenario(target, usage=str(path), model="llama-3.3-70b", gpu="h100", ttft="2s")
    assert "behaves_like: anthropic/claude-sonnet-4-6 # assumed" in target.read_text()
    study = load_scenario(target).study
    assert any("assumed to be those of anthropic/claude-sonnet-4-6" in n for n in study.notes)


def test_models_are_served_by_their_own_offers(tmp_path: Path) -> None:
    path = tmp_path / "usage.csv"
    rows = [
        f"2026-11-02T{hour:02}:00Z,{model},{count},{1500 * count},{200 * count}"
        for hour in range(24)
        for model, count in (("gpt-4o", 90), ("gpt-4o-mini", 400), ("gpt-4o-mini batch", 10))
    ]
    text = "hour,model,requests,input_tokens,output_tokens,tier\n"
    path.write_text(text + "".join(
        f"{r.replace(' batch', '')},{'batch' if 'batch' in r else ''}\n" for r in rows
    ))  # fmt: skip
    target = tmp_path / "scenario.yaml"
    new_scenario(target, usage=str(path), model="llama-3.3-70b", gpu="h100", ttft="2s")
    loaded = load_scenario(target)
    assert next(option.name for option in loaded.study.options) == "today"
    traffic = loaded.document.data["traffic"]
    assert {name: w.get("deadline_hours") for name, w in traffic.items()} == {
        "gpt-4o": None, "gpt-4o-mini": None, "gpt-4o-mini-batch": 24,
    }  # fmt: skip
    gateway = loaded.document.data["options"]["today"]["policy"]["conditions"]
    assert gateway["gpt-4o-mini-batch"] == gateway["gpt-4o-mini"] != gateway["gpt-4o"]
    mini = loaded.document.data["options"]["gpt-4o-mini"]
    assert mini["served_as"] == {"gpt-4o-mini-batch": "batch"}
    assert mini["compared"] is False
