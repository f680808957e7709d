"""Contracts of the command line: streams, exit codes, bytes, one clear line for bad input."""

import json
import re
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import breakeven
from tests.support.scenarios import SMALL, write_scenario

pytestmark = pytest.mark.slow


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return write_scenario(tmp_path / "small.yaml")


def test_json_is_one_document_and_the_same_bytes_for_any_number_of_jobs(small: Path) -> None:
    runs = [
        breakeven("run", str(small), "--fast", "--output", "json", "--jobs", j)
        for j in ("1", "1", "2")
    ]
    assert [r.returncode for r in runs] == [0, 0, 0]
    assert runs[0].stdout == runs[1].stdout == runs[2].stdout
    assert all(r.stderr == "" for r in runs)
    document = json.loads(runs[0].stdout)
    assert runs[0].stdout == json.dumps(document, indent=2, sort_keys=True) + "\n"
    other = breakeven("run", str(small), "--fast", "--output", "json", "--seed", "4", "--jobs", "1")
    assert other.stdout != runs[0].stdout


def test_document_has_the_contract_keys(small: Path) -> None:
    document = json.loads(breakeven("run", str(small), "-o", "json", "-j", "1").stdout)
    assert set(document) >= {
        "schema_version",
        "scenario",
        "seed",
        "as_of",
        "options",
        "verdict",
        "break_even",
        "hybrid",
        "drivers",
        "flips",
        "provenance",
    }
    assert set(document["verdict"]) >= {"winner", "saving", "saving_interval", "probability_best"}
    assert set(document["break_even"]) >= {
        "axis",
        "unit",
        "current",
        "first",
        "permanent",
        "intervals",
        "probability_self_host_wins",
    }
    assert set(document["provenance"]) == {"prices", "hardware", "traffic", "versions"}
    for option in document["options"]:
        assert_option_contract(option)


def assert_option_contract(option: dict[str, Any]) -> None:
    assert set(option) >= {
        "name",
        "kind",
        "feasible",
        "excuse",
        "cost_usd_per_month",
        "cost_breakdown_usd_per_month",
        "usd_per_mtok",
        "usd_per_correct",
        "requests",
        "tokens",
        "slo_attainment",
        "ttft_s",
        "tpot_s",
        "e2e_s",
        "replicas",
        "utilisation",
        "self_hosted_share",
    }
    requests = option["requests"]
    assert requests["offered"] == sum(v for k, v in requests.items() if k != "offered")
    assert set(option["ttft_s"]) == {"mean", "p50", "p95", "p99"}
    cost = option["cost_usd_per_month"]
    assert cost["low"] <= cost["mean"] <= cost["high"] * (1 + 1e-12)


def test_simulate_prints_options_alone(small: Path) -> None:
    settings = ("options.own.replicas=2", "options.hybrid.replicas=1")
    arguments = [x for s in (*settings, "options.hybrid.spill_in_flight=32") for x in ("--set", s)]
    result = breakeven("simulate", str(small), "-o", "json", *arguments)
    assert result.returncode == 0
    document = json.loads(result.stdout)
    assert set(document) == {"options"}
    for option in document["options"]:
        assert_option_contract(option)
    assert document["options"][2]["replicas"] == {"mean": 2.0, "max": 2}
    searched = breakeven("simulate", str(small))
    assert searched.returncode == 3
    assert "options.own.replicas" in searched.stderr


def test_out_writes_complete_files(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = breakeven("run", str(small), "--out", str(out), "-j", "1")
    assert result.returncode == 0
    assert sorted(p.name for p in out.iterdir()) == [
        "focus.csv",
        "ledger.parquet",
        "options.csv",
        "plots",
        "report.html",
        "result.json",
        "scenario.resolved.yaml",
    ]
    assert {"cost.svg", "load-duration.svg"} <= {p.name for p in (out / "plots").iterdir()}
    assert json.loads((out / "result.json").read_text())["scenario"] == "small"
    again = breakeven("validate", str(out / "scenario.resolved.yaml"))
    assert again.returncode == 0, again.stderr


def test_screen_fits_80_columns_and_25_lines(small: Path) -> None:
    result = breakeven("run", str(small), "-j", "1")
    lines = result.stdout.splitlines()
    assert lines[0].startswith("VERDICT")
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 25
    assert "\x1b" not in result.stdout


def broken(path: list[str], value: Any, *, remove: bool = False) -> dict[str, Any]:
    scenario = deepcopy(SMALL)
    node = scenario
    for key in path[:-1]:
        node = node[key]
    if remove:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return scenario


BAD_VALUES = [
    (["slo", "tftt_s"], 1.0, "unknown key 'tftt_s' (did you mean 'ttft_s'?)"),
    (["traffic", "chat", "requests_per_month"], -5, "greater than 0, not -5"),
    (["options", "own", "gpus_per_replica"], 3, "3 GPUs cannot share the 64 attention heads"),
    (["options", "own", "model"], "llama-3.3-70", "did you mean 'llama-3.3-70b'?"),
    (["options", "hosted", "offer"], "fireworks/llama-v3p3-70b", "did you mean"),
    (["options", "hybrid", "base"], "owm", "'owm' is no selfhost option"),
    (["options", "own", "rent_usd_per_gpu_hour"], {"low": 3, "mid": 2, "high": 4}, "low <= mid"),
    (["traffic", "chat", "week"], "azure-conversatoin", "did you mean 'azure-conversation'?"),
    (["options", "own", "accelerator"], "mi325x", "no on-demand rent of mi325x is known"),
    (["start"], "2026-11-24", "start must be a Monday"),
    (["seed"], float("nan"), "seed must be"),
    (["traffic", "chat", "preset"], "chatt", "unknown preset 'chatt' (did you mean 'chat'?)"),
    (["traffic", "chat", "rate_cv"], {"7": 0.1}, "time scales are 1, 10, 60, 600, 3600"),
    (["traffic", "chat", "tenants"], {"count": 0}, "greater than or equal to 1, not 0"),
    (
        ["traffic", "chat", "output_tokens"],
        {"quantiles": {"p50": 30, "p90": 20}},
        "must not decrease",
    ),
    (["slo"], {"attainment": 0.9}, "at least one of ttft_s, tpot_s, e2e_s"),
]


@pytest.mark.parametrize(("path", "value", "expected"), BAD_VALUES)
def test_bad_value_is_one_line_with_its_place(
    tmp_path: Path, path: list[str], value: Any, expected: str
) -> None:
    file = write_scenario(tmp_path / "bad.yaml", broken(path, value))
    result = breakeven("validate", str(file))
    assert result.returncode == 3
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1, result.stderr
    match = re.match(rf"breakeven: {re.escape(str(file))}:(\d+):(\d+): (.*)", result.stderr)
    assert match, result.stderr
    assert expected in match[3]
    line = file.read_text().splitlines()[int(match[1]) - 1]
    named = line[int(match[2]) - 1 :].split(":")[0]
    assert named in path or (isinstance(value, dict) and named in value)


def test_missing_key_is_placed_at_its_section(tmp_path: Path) -> None:
    scenario = broken(["slo"], None, remove=True)
    result = breakeven("validate", str(write_scenario(tmp_path / "bad.yaml", scenario)))
    assert result.returncode == 3
    assert "missing key 'slo'" in result.stderr


def test_missing_file(tmp_path: Path) -> None:
    result = breakeven("run", str(tmp_path / "nothing.yaml"))
    assert (result.returncode, result.stdout) == (3, "")
    assert result.stderr.splitlines() == [f"breakeven: {tmp_path}/nothing.yaml: no such file"]
    near = breakeven("validate", "quickstrat")
    assert "did you mean 'quickstart'?" in near.stderr


def test_duplicate_key_and_broken_yaml(small: Path, tmp_path: Path) -> None:
    text = small.read_text()
    twice = tmp_path / "twice.yaml"
    twice.write_text(text + "seed: 9\n")
    result = breakeven("validate", str(twice))
    assert result.returncode == 3
    last = len(twice.read_text().splitlines())
    assert result.stderr.strip() == f"breakeven: {twice}:{last}:1: duplicate key 'seed'"
    twice.write_text("a: [1, 2\nb: 3\n")
    result = breakeven("validate", str(twice))
    assert result.returncode == 3
    assert re.match(rf"breakeven: {twice}:\d+:\d+: ", result.stderr)


def test_bad_setting_names_the_setting(small: Path) -> None:
    for setting, expected in (
        ("slo.ttft_s=-1", "--set slo.ttft_s: ttft_s must be greater than 0"),
        ("sol.ttft_s=1", "no 'sol' in the scenario (did you mean 'slo'?)"),
        ("slo.ttft_s", "expected path=value"),
        ("slo.tftt_s=1", "--set slo.tftt_s: unknown key"),
    ):
        result = breakeven("validate", str(small), "--set", setting)
        assert result.returncode == 3
        assert expected in result.stderr
        assert len(result.stderr.splitlines()) == 1


def test_nothing_meets_the_slo(small: Path) -> None:
    result = breakeven("run", str(small), "-j", "1", "--set", "slo.ttft_s=0.0001")
    assert result.returncode == 4
    assert result.stdout == ""
    for name in SMALL["options"]:
        assert re.search(rf"^  {name}: .*TTFT <= 0.0001 s", result.stderr, re.M)


def test_usage_errors_and_help() -> None:
    assert breakeven("run").returncode == 2
    assert breakeven("nonsense").returncode == 2
    assert breakeven("--help").returncode == 0
    version = breakeven("--version")
    assert re.fullmatch(r"breakeven \d+\.\d+\.\d+\n", version.stdout)


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['breakeven', '--help']\n"
        "from simulator.cli.main import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = {'numpy', 'numba', 'scipy', 'matplotlib', 'pydantic', 'simpy', 'genai_prices'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_profiles_are_listed_and_shown() -> None:
    listed = json.loads(breakeven("hardware", "list", "-o", "json").stdout)["accelerators"]
    assert listed["h100-sxm"]["memory_gb"] == 85
    assert "on-demand" not in listed["mi325x"]["rents_usd_per_gpu_hour"]
    for kind in ("hardware", "models"):
        screen = breakeven(kind, "list")
        assert screen.returncode == 0
        assert max(map(len, screen.stdout.splitlines())) <= 80
    shown = json.loads(breakeven("models", "show", "deepseek-r1", "-o", "json").stdout)
    assert shown["attention"] == "mla"
    assert "config.json" in breakeven("models", "show", "gpt-oss-120b").stdout
    missing = breakeven("hardware", "show", "h100-sxn")
    assert missing.returncode == 3
    assert "did you mean 'h100-sxm'?" in missing.stderr


def test_validate_counts_what_it_checked() -> None:
    counts = json.loads(breakeven("validate", "quickstart", "--output", "json").stdout)
    assert counts["options"] == 4
    assert counts["sweep_points"] == 0
