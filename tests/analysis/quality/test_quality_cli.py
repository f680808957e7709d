"""``breakeven quality``: streams, exit codes, documents, names."""

import json
from pathlib import Path

import pytest

from simulator.analysis.quality.quality import TaskRuns
from tests.support.command import breakeven
from tests.support.evaluations import HEADER, logs, written

pytestmark = pytest.mark.slow


def log_file(path: Path, runs: TaskRuns) -> Path:
    rows = [
        f"{runs.tasks[t]},{runs.models[m]},{int(s)},{i:.0f},{o:.0f},{u:.6f}"
        for t, m, s, i, o, u in zip(
            runs.task, runs.model, runs.success, runs.input_tok, runs.output_tok, runs.usd,
            strict=True,
        )
    ]  # fmt: skip
    return written(path, "\n".join([f"{HEADER},cost_usd", *rows]) + "\n")


def test_show_lists_models_by_cost_per_correct() -> None:
    shown = breakeven("quality", "show")
    assert (shown.returncode, shown.stderr) == (0, "")
    lines = shown.stdout.splitlines()
    assert all(len(line) <= 80 for line in lines[:-1])
    assert "Apache-2.0" in lines[-1]
    assert any("gpt-5 (high)" in x and "88.0% 83-92%" in x and "0.147" in x for x in lines)
    document = json.loads(breakeven("quality", "show", "aider", "-o", "json").stdout)
    costs = [m["usd_per_correct"]["value"] for m in document["models"]]
    known = [c for c in costs if c is not None]
    assert known == sorted(known)
    assert costs[: len(known)] == known, "those without a cost stand behind"
    assert document["as_of"] == "2025-10-03"


def test_show_own_runs(tmp_path: Path) -> None:
    path = log_file(tmp_path / "runs.csv", logs(200))
    document = json.loads(breakeven("quality", "show", str(path), "-o", "json").stdout)
    assert [m["model"] for m in document["models"]] == ["cheap", "dear"]
    assert document["models"][0]["tasks"] == 200
    assert document["models"][0]["seconds_per_task"] is None
    assert "[" not in breakeven("quality", "show", str(path)).stderr


def test_compare_pairs(tmp_path: Path) -> None:
    path = log_file(tmp_path / "runs.csv", logs(300))
    command = ("quality", "compare", str(path), "cheap", "dear")
    runs = [breakeven(*command, "-o", "json") for _ in range(2)]
    assert runs[0].stdout == runs[1].stdout
    document = json.loads(runs[0].stdout)
    assert document["paired"]
    assert set(document["cascade"]) == {"independent", "shared difficulty", "as logged"}
    assert document["success_difference"]["low"] < document["success_difference"]["high"]
    other = json.loads(breakeven(*command, "--seed", "4", "-o", "json").stdout)
    assert other["success_difference"] != document["success_difference"]
    assert other["success_difference"]["value"] == document["success_difference"]["value"]
    table = breakeven(*command).stdout
    for text in ("paired", "McNemar", "correlation 0.", "as logged", "B minus A"):
        assert text in table


def test_compare_published_figures() -> None:
    result = breakeven("quality", "compare", "aider", "gpt-oss-120b", "gpt-5 low")
    assert result.returncode == 0
    assert "published figures, unpaired" in result.stdout
    assert "as logged" not in result.stdout
    assert "McNemar" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("compare", "aider", "gpt-5", "o3"), "model 'gpt-5' may be any of 'gpt-5 (high)'"),
        (("compare", "aider", "gpt-5 low", "kimmi k2"), "did you mean 'Kimi K2'?"),
        (("show", "nothing.csv"), "nothing.csv: no such file"),
        (("chain", "--steps", "3", "--step-success", "0"), "step success must be above 0"),
        (
            ("chain", "--steps", "3", "--step-success", ".8", "--correlation", ".5"),
            "need a limit of attempts",
        ),
    ],
)
def test_bad_input_is_one_line(arguments: tuple[str, ...], message: str) -> None:
    result = breakeven("quality", *arguments)
    assert result.returncode == 3
    assert result.stdout == ""
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_broken_row_names_file_and_line(tmp_path: Path) -> None:
    path = written(tmp_path / "runs.csv", f"{HEADER}\nt,m,1,2,3\nt,m,yes,2,3\n")
    result = breakeven("quality", "show", str(path))
    assert result.returncode == 3
    expected = "success must be 0, 1, true or false, not 'yes'"
    assert result.stderr == f"breakeven: {path}:3:1: {expected}\n"


@pytest.mark.parametrize(("restart", "steps"), [("step", 3.75), ("run", 4.765625)])
def test_chain_document(restart: str, steps: float) -> None:
    command = ("quality", "chain", "--steps", "3", "--step-success", "0.8", "--restart", restart)
    document = json.loads(breakeven(*command, "--step-usd", "0.02", "-o", "json").stdout)
    assert document["steps_per_correct"] == pytest.approx(steps)
    assert document["usd_per_correct"] == pytest.approx(0.02 * steps)
    assert document["overhead"] == pytest.approx(steps / 3 - 1)
    assert document["success_without_retries"] == pytest.approx(0.512)


def test_chain_table() -> None:
    command = ("quality", "chain", "--steps", "20", "--step-success", "0.95", "--restart", "run")
    shown = breakeven(*command, "--attempts", "1", "--step-usd", "0.02").stdout
    for text in (
        "35.8%",
        "attempts: at most 1",
        "+ retries               0 (+0%)",
        "+ failed runs",
        "$ per correct run",
    ):
        assert text in shown
    hopeless = breakeven(
        "quality", "chain", "--steps", "5000", "--step-success", ".5", "--attempts", "2",
        "--restart", "run",
    )  # fmt: skip
    assert hopeless.returncode == 0
    assert "unbounded" in hopeless.stdout
