"""What commands print: CSV with the rows of the JSON, quiet progress, reports drawn again."""

import csv
import io
import json
import os
import pty
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.cli.app import app
from simulator.cli.progress import PATIENCE_S, progress
from simulator.errors import InputError
from simulator.report.charts.plots import plots_of
from simulator.report.documents.document import SCHEMA_VERSION
from simulator.report.documents.focus import focus_rows
from simulator.report.documents.stored import read_result
from simulator.report.documents.tidy import csv_text, option_rows
from simulator.report.html import render_report
from tests.support.scenarios import write_scenario
from tests.support.tiny import exit_code, invoke, quiet_environment, tiny, write_tiny

pytestmark = pytest.mark.slow

Rows = list[dict[str, Any]]


def flattened(row: dict[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, dict):
            found |= flattened(value, f"{before}{key}.")
        else:
            found[before + key] = value
    return found


def cell(value: Any) -> str:
    if isinstance(value, list) and any(isinstance(each, dict | list) for each in value):
        return json.dumps(value, sort_keys=True)
    if isinstance(value, list):
        return "; ".join(str(each) for each in value)
    if value is None or isinstance(value, bool):
        return {None: "", True: "true", False: "false"}[value]
    return str(value)


def of_options(document: dict[str, Any]) -> Rows:
    """What rows of options have in common with their documents."""
    return [
        {
            "option": o["name"],
            "usd_per_month_low": o["cost_usd_per_month"]["low"],
            "ttft_p95_s": o["ttft_s"]["p95"],
            "cache_read_tok": o["tokens"]["cache_read"],
            "replicas_max": o["replicas"]["max"],
            **{k: o["requests"][k] for k in ("offered", "completed", "rejected")},
            **{k: o[k] for k in ("kind", "feasible", "excuse", "usd_per_mtok", "slo_attainment")},
            **{f"usd_{k}": v for k, v in o["cost_breakdown_usd_per_month"].items()},
        }
        for o in document["options"]
    ]


def of_points(document: dict[str, Any]) -> Rows:
    return [
        {"point": place, **point["coordinates"], **row}
        for place, point in enumerate(document["points"])
        for row in of_options(point)
    ]


def itself(document: dict[str, Any]) -> Rows:
    return [flattened(document)]


def listed(name: str) -> Callable[[dict[str, Any]], Rows]:
    return lambda document: [flattened(row) for row in document[name]]


def of_kinds(document: dict[str, Any]) -> Rows:
    return [
        flattened({"kind": kind, "name": name, **profile})
        for kind, profiles in document.items()
        for name, profile in profiles.items()
    ]


def of_rungs(document: dict[str, Any]) -> Rows:
    return [{"option": o["name"], **rung} for o in document["options"] for rung in o["rungs"]]


def of_rates(document: dict[str, Any]) -> Rows:
    return [flattened({"offer": document["offer"], **rate}) for rate in document["rows"]]


COMMANDS: dict[str, tuple[Callable[[dict[str, Any]], Rows], list[str]]] = {
    "run": (of_options, ["run", "{scenario}", "--fast", "-j", "1"]),
    "simulate": (of_options, ["simulate", "{scenario}"]),
    "sweep": (of_points, ["sweep", "{scenario}", "-j", "1"]),
    "capacity": (listed("capacities"), ["capacity", "{narrow}", "--precision", "0.4"]),
    "explain": (of_rungs, ["explain", "{narrow}"]),
    "bench": (
        itself,
        ["bench", "--model", "llama-3.1-8b", "--gpu", "h100-sxm", "--value", "2", "--osl", "8"],
    ),
    "bench table": (listed("points"), ["bench", "{points}"]),
    "calibrate": (
        itself,
        ["calibrate", "{measured}", "--model", "llama-3.1-8b", "--gpu", "h100-sxm"],
    ),
    "prices list": (listed("offers"), ["prices", "list", "openai/gpt-6.1"]),
    "prices find": (listed("offers"), ["prices", "find", "gpt-6.1"]),
    "prices show": (of_rates, ["prices", "show", "openai/gpt-6.1-terra"]),
    "prices diff": (listed("changes"), ["prices", "diff", "{prices}"]),
    "prices check": (listed("offers"), ["prices", "check", "{prices}"]),
    "validate": (itself, ["validate", "{scenario}"]),
    "traffic cache": (itself, ["traffic", "cache", "{log}", "--rule", "openai-5m"]),
    "traffic fit": (listed("workloads"), ["traffic", "fit", "{log}"]),
    "bill": (listed("lines"), ["bill", "{calls}"]),
    "quality show": (listed("models"), ["quality", "show"]),
    "quality compare": (itself, ["quality", "compare", "aider", "gpt-oss-120b", "gpt-5 low"]),
    "quality chain": (itself, ["quality", "chain", "--steps", "3", "--step-success", "0.8"]),
    "hardware list": (of_kinds, ["hardware", "list"]),
    "hardware show": (
        lambda d: [flattened({"name": "h100-sxm", **d})],
        ["hardware", "show", "h100-sxm"],
    ),
    "models list": (of_kinds, ["models", "list"]),
    "models show": (
        lambda d: [flattened({"name": "deepseek-r1", **d})],
        ["models", "show", "deepseek-r1"],
    ),
    "traffic stats": (itself, ["traffic", "stats", "{log}"]),
}
PARTLY = ("run", "simulate", "sweep")
"""Rows that tell less than the document, and are compared where both tell."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Small inputs of all commands."""
    folder = tmp_path_factory.mktemp("files")
    sweep = {"each": "simulate", "grid": {"seed": [1, 2]}}
    narrow = tiny(horizon_hours=1)
    narrow["options"]["own"] |= {"max_sequences": 1}
    texts = {
        "points": "gpu,n_gpus,engine,model,weight_precision,isl,osl,load_kind,load_value\n"
        "h100-sxm,1,vllm,llama-3.1-8b,fp8,256,8,concurrency,2\n"
        "voodoo 2,1,vllm,llama-3.1-8b,fp8,256,8,concurrency,2\n",
        "measured": "isl,osl,load_kind,load_value,output_tok_s,tpot_mean_ms,ttft_mean_ms\n"
        "1024,128,concurrency,8,256,20,120\n",
        "calls": "hour,model,requests,input_tokens,output_tokens,team,cost_usd\n"
        "2026-11-02T08:00Z,gpt-4o,90,90000,9000,desk,0.315\n"
        "2026-11-02T09:00Z,gpt-4o,80,80000,9000,desk,0.29\n",
        "log": "arrival_s,input_tokens,output_tokens\n"
        + "".join(f"{9 * k},{100 + k},{20 + k % 7}\n" for k in range(300)),
    }
    found = {
        "scenario": str(write_tiny(folder / "tiny.yaml", sweep=sweep)),
        "narrow": str(write_scenario(folder / "narrow.yaml", narrow)),
    }
    for name, text in texts.items():
        (folder / f"{name}.csv").write_text(text)
        found[name] = str(folder / f"{name}.csv")
    prices = {"gpt-4.1": {"litellm_provider": "openai", "mode": "chat",
                          "input_cost_per_token": 3e-6, "output_cost_per_token": 9e-6}}  # fmt: skip
    (folder / "prices.json").write_text(json.dumps(prices))
    return found | {"prices": str(folder / "prices.json"), "home": str(folder / "cache")}


def arguments(name: str, files: dict[str, str]) -> list[str]:
    return [text.format(**files) for text in COMMANDS[name][1]]


@pytest.mark.parametrize("name", COMMANDS)
def test_csv_has_the_rows_of_the_json(
    name: str, files: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", files["home"])
    command = arguments(name, files)
    document, table, screen = (
        invoke(*command, "--output", form, code=0) for form in ("json", "csv", "table")
    )
    expected = COMMANDS[name][0](json.loads(document.stdout))
    rows = list(csv.DictReader(io.StringIO(table.stdout), strict=True))
    assert len(rows) == len(expected) > 0
    for row, there in zip(rows, expected, strict=True):
        assert None not in row, "longer than the header"
        assert None not in row.values(), "shorter than the header"
        if name not in PARTLY:
            assert set(there) <= set(row)
            assert not any(row[column] for column in set(row) - set(there))
        assert {column: row[column] for column in there} == {
            column: cell(value) for column, value in there.items()
        }
    for result in (document, table, screen):
        assert "\x1b" not in result.output
        assert document.stderr == table.stderr == screen.stderr
    if name not in ("bench table", "calibrate"):  # which say how many they were
        assert document.stderr == ""


def commands(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{before}{name} ")
        else:
            yield before + name, command


def test_every_command_with_an_output_is_tried_here() -> None:
    known = dict(commands(typer.main.get_command(app)))
    having = {
        name
        for name, command in known.items()
        if any("--output" in parameter.opts for parameter in command.params)
    }
    assert having == {name for name in COMMANDS if name != "bench table"}


# Progress.


@contextmanager
def terminal() -> Iterator[tuple[Any, list[bytes]]]:
    """A stream that is a terminal, and what was written to it, all of it at the end."""
    here, there = pty.openpty()
    chunks: list[bytes] = []

    def drain() -> None:
        with suppress(OSError):  # the other side is closed
            while chunk := os.read(here, 65536):
                chunks.append(chunk)

    thread = Thread(target=drain)
    thread.start()
    try:
        with os.fdopen(there, "w") as stream:
            yield stream, chunks
    finally:
        thread.join()
        os.close(here)


def work(steps: int, step_s: float) -> None:
    with progress("pieces") as tell:
        for done in range(steps):
            tell(done + 1, steps)
            time.sleep(step_s)


def test_long_work_shows_a_bar_that_is_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    assert PATIENCE_S == 2.0
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("simulator.cli.progress.PATIENCE_S", 0.05)
    with terminal() as (stream, chunks):
        monkeypatch.setattr(sys, "stderr", stream)
        work(4, 0.1)
    shown = b"".join(chunks).decode()
    assert "pieces" in shown
    assert "4/4" in shown
    assert "/s" in shown
    assert shown.rstrip().endswith("\x1b[2K"), "the line is cleared"


def test_a_compilation_is_reported_above_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("simulator.cli.progress.PATIENCE_S", 0.05)
    stages = [(12, 40), (13, 40), None]
    stage = stages[0]
    monkeypatch.setattr("simulator.jit.compilation", lambda: stage)
    with terminal() as (stream, chunks):
        monkeypatch.setattr(sys, "stderr", stream)
        with progress("pieces") as tell:
            for stage in stages:
                tell(stages.index(stage) + 1, 3)
                time.sleep(0.4)
    shown = b"".join(chunks).decode()
    line = "compiling the engine, once per installation: {} of 40 functions"
    assert shown.index(line.format(12)) < shown.index(line.format(13)) < shown.index("3/3")
    assert "compiling" not in shown[shown.index("3/3") :], "the line goes, and the bar stays"


def test_short_work_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    with terminal() as (stream, chunks):
        monkeypatch.setattr(sys, "stderr", stream)
        work(2, 0.01)
    assert chunks == []


def test_nothing_is_shown_where_nobody_watches(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("simulator.cli.progress.PATIENCE_S", 0.0)
    work(2, 0.02)
    assert capsys.readouterr() == ("", "")


def test_a_bar_is_on_standard_error_alone(files: dict[str, str]) -> None:
    code = "from simulator.cli import main, progress; progress.PATIENCE_S = 0.05; main.main()"
    command = ["sweep", files["scenario"], "--no-cache", "-j", "1", "-o", "json",
               "--set", "sweep.grid={seed: [1, 2, 3, 4, 5, 6]}"]  # fmt: skip
    environment = quiet_environment(TERM="xterm")
    del environment["NO_COLOR"]
    with terminal() as (stream, chunks):
        process = subprocess.run(
            [sys.executable, "-c", code, *command],
            env=environment, stdout=subprocess.PIPE, stderr=stream, text=True, timeout=300,
        )  # fmt: skip
    shown = b"".join(chunks).decode()
    assert process.returncode == 0, shown
    assert "points" in shown
    assert "\x1b[" in shown
    assert "\x1b" not in process.stdout
    assert len(json.loads(process.stdout)["points"]) == 6


# Reports of finished runs.


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp("finished")
    path = write_tiny(folder / "tiny.yaml")
    invoke("run", path, "--fast", "-j", "1", "--out", folder / "out", code=0)
    return folder / "out"


DRAWN = ("report.html", "options.csv", "focus.csv")


def test_a_report_is_drawn_again_in_the_same_bytes(finished: Path, tmp_path: Path) -> None:
    result = invoke("report", finished, "--out", tmp_path / "again", code=0)
    assert (result.stdout, result.stderr) == ("", f"{tmp_path}/again/report.html\n")
    plots = sorted(path.relative_to(finished) for path in finished.glob("plots/*.svg"))
    assert len(plots) > 4
    for name in (*DRAWN, *plots):
        assert (tmp_path / "again" / name).read_bytes() == (finished / name).read_bytes(), name
    assert len(list((tmp_path / "again").rglob("*.*"))) == len(plots) + len(DRAWN)


def test_a_report_stands_beside_its_result(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "simulator.library.decisions.drawn_files", lambda d: {"report.html": d["scenario"]}
    )
    (tmp_path / "result.json").write_bytes((finished / "result.json").read_bytes())
    for named in (tmp_path, tmp_path / "result.json"):
        (tmp_path / "report.html").unlink(missing_ok=True)
        invoke("report", named, code=0)
        assert (tmp_path / "report.html").read_text() == "tiny"


def test_tables_of_costs_add_up(finished: Path) -> None:
    document = json.loads((finished / "result.json").read_text())
    with (finished / "options.csv").open(newline="") as file:
        options = {row["option"]: float(row["usd_per_month"]) for row in csv.DictReader(file)}
    with (finished / "focus.csv").open(newline="") as file:
        charges = list(csv.DictReader(file))
    assert set(options) == {o["name"] for o in document["options"]}
    for name, usd in options.items():
        mine = [row for row in charges if row["x_Option"] == name]
        assert sum(float(row["BilledCost"]) for row in mine) == pytest.approx(usd, rel=1e-12)
        (option,) = (o for o in document["options"] if o["name"] == name)
        assert len(mine) == len(option["cost_breakdown_usd_per_month"])
        assert usd == pytest.approx(sum(option["cost_breakdown_usd_per_month"].values()))
        cheapest = name == document["verdict"]["winner"]
        assert {row["x_Cheapest"] for row in mine} == {"true" if cheapest else "false"}
        for row in mine:
            assert row["BillingCurrency"] == "USD"
            assert (row["ChargePeriodStart"], row["ChargePeriodEnd"]) == (
                "2026-11-23T00:00:00Z", "2026-12-23T10:00:00Z"
            )  # fmt: skip
            assert (row["ProviderName"] == "self-hosted") == (
                not row["SkuMeter"].startswith("api_")
            )
    # Tokens of a month times their price are their cost.
    out = next(r for r in charges if (r["x_Option"], r["SkuMeter"]) == ("hosted", "api_output"))
    assert out["ConsumedUnit"] == "Tokens"
    per_mtok = float(out["BilledCost"]) / float(out["ConsumedQuantity"]) * 1e6
    card = json.loads(
        invoke("prices", "show", "fireworks/llama-v3p3-70b-instruct", "-o", "json").stdout
    )
    (rates,) = (r["rates"] for r in card["rows"] if "output" in r["rates"])
    assert per_mtok == pytest.approx(rates["output"], rel=1e-9)


FOREIGN = [
    ("", r":1:1: not valid JSON"),
    ("{", r":1:2: not valid JSON"),
    ('{"verdict":\n  {"winner": "own",}}', r":2:20: not valid JSON"),
    ("[]", "not a result of `breakeven run`"),
    ("3", "not a result of `breakeven run`"),
    ('"text"', "not a result of `breakeven run`"),
    ("null", "not a result of `breakeven run`"),
    ("{}", "not a result of `breakeven run`"),
    ('{"options": []}', "not a result of `breakeven run`"),
    ('{"verdict": {}}', "schema_version must be 1, not None"),
    ('{"verdict": {}, "schema_version": 2}', "schema_version must be 1, not 2"),
    ('{"verdict": {}, "schema_version": 1}', "not a complete result of `breakeven run`"),
    ('{"verdict": 1, "schema_version": 1, "options": 3}', "not a complete result of"),
    ("[" * 100_000, "not valid JSON: nested too deep"),
    ("\xff", "not UTF-8 text"),
    ("\xff\xfe{", "not UTF-16 text"),
]


@pytest.mark.parametrize(("text", "message"), FOREIGN, ids=range(len(FOREIGN)))
def test_what_is_no_result_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "result.json"
    path.write_bytes(text.encode("latin-1"))
    result = invoke("report", tmp_path)
    assert exit_code(result) == 3
    assert str(result.exception).startswith(str(path))
    assert message in str(result.exception)
    assert len(str(result.exception).splitlines()) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_no_result_at_all_is_one_line(tmp_path: Path) -> None:
    for named in (tmp_path, tmp_path / "result.json", tmp_path / "no" / "folder"):
        result = invoke("report", named)
        assert exit_code(result) == 3
        assert "no such file" in str(result.exception)


def test_a_cut_result_is_one_line(finished: Path, tmp_path: Path) -> None:
    whole = (finished / "result.json").read_bytes()
    for share in (0.001, 0.3, 0.7, 0.9999):
        (tmp_path / "result.json").write_bytes(whole[: int(len(whole) * share)])
        result = invoke("report", tmp_path)
        assert exit_code(result) == 3
        assert ": not valid JSON: " in str(result.exception)


def places(node: Any, path: tuple = ()) -> Iterator[tuple]:
    """Paths of everything within a document."""
    parts = node.items() if isinstance(node, dict) else enumerate(node)
    for key, part in parts:
        yield (*path, key)
        if isinstance(part, dict | list):
            yield from places(part, (*path, key))


STRANGE: list[Any] = [
    None, True, -1, 0, 0.5, 1e308, -1e308, 1e-320, 10**400, float("nan"), float("inf"), "", "x",
    [], {}, [1], [None], [[1, 2]], {"a": 1},
]  # fmt: skip
TAKEN_OUT = "taken out"


def mutated(document: dict[str, Any], path: tuple, value: Any) -> str:
    changed = deepcopy(document)
    node = changed
    for key in path[:-1]:
        node = node[key]
    if value is TAKEN_OUT:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return json.dumps(changed)


def outcome(path: Path, use: Callable[[dict[str, Any]], Any]) -> str:
    """What reading a result comes to: nothing, or the line of an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what plots think of strange numbers
        try:
            read_result(path, use)
        except InputError as error:
            return str(error)
    return ""


def told_in_a_line(text: str, path: Path, use: Callable[[dict[str, Any]], Any]) -> str:
    path.write_text(text)
    found = outcome(path, use)
    assert len(found.splitlines()) <= 1
    assert not found or found.startswith(str(path))
    return found


@pytest.fixture(scope="module")
def whole(finished: Path) -> dict[str, Any]:
    """The document of a run, with two of each of its long lists."""

    def shortened(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: shortened(value) for key, value in node.items()}
        return [shortened(each) for each in node[:5]] if isinstance(node, list) else node

    document = json.loads((finished / "result.json").read_text())
    return {k: v if k == "options" else shortened(v) for k, v in document.items()}


def texts_of(document: dict[str, Any]) -> None:
    """All that is drawn but plots."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("simulator.report.html.plots_of", lambda document: {})
        render_report(document)
    csv_text(option_rows(document))
    csv_text(focus_rows(document))


def test_a_whole_document_is_read(whole: dict[str, Any], tmp_path: Path) -> None:
    assert whole["schema_version"] == SCHEMA_VERSION
    for use in (texts_of, plots_of, render_report):
        assert told_in_a_line(json.dumps(whole), tmp_path / "r.json", use) == ""


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_mutated_documents_never_end_in_a_traceback(
    data: st.DataObject, whole: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = data.draw(st.sampled_from([p for p in places(whole) if len(p) <= 4]))
    value = data.draw(st.sampled_from([TAKEN_OUT, *STRANGE]))
    file = tmp_path_factory.getbasetemp() / "mutated.json"
    told_in_a_line(mutated(whole, path, value), file, texts_of)


@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_mutated_documents_never_end_in_a_traceback_of_plots(
    data: st.DataObject, whole: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    drawn = [
        p
        for p in places(whole)
        if p[0] in ("break_even", "timelines", "cache_map", "options", "drivers", "slo")
    ]
    path = data.draw(st.sampled_from(drawn))
    value = data.draw(st.sampled_from([TAKEN_OUT, *STRANGE]))
    file = tmp_path_factory.getbasetemp() / "mutated.json"
    told_in_a_line(mutated(whole, path, value), file, plots_of)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("options", 0, "ttft_s"), None),
        (("options", 0, "replicas", "mean"), 10**400),
        (("options", 1, "excuse"), TAKEN_OUT),
        (("provenance",), float("nan")),
        (("slo", "ttft_s"), "soon"),
    ],
)
def test_some_mutations_that_once_ended_in_tracebacks(
    whole: dict[str, Any], tmp_path: Path, path: tuple, value: Any
) -> None:
    text = mutated(whole, path, value)
    assert "not a complete result of" in told_in_a_line(text, tmp_path / "r.json", texts_of)
