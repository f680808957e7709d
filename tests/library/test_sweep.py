"""Sweeps: their points, their tables, what is kept of them, and where they are answered."""

import csv
import io
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

import simulator
from simulator.errors import InputError
from simulator.library import sweep as sweeps
from simulator.library.sweep import TAKEN
from simulator.scenario.building.study import load
from simulator.scenario.resolve.load import read_document
from simulator.scenario.variations.sweep import read_sweep, sweep_points
from tests.support.command import COMMAND
from tests.support.scenarios import write_scenario
from tests.support.tiny import invoke, quiet_environment, tiny, write_tiny

pytestmark = pytest.mark.slow


def coordinates(folder: Path, overrides: dict[str, Any] | None = None, **sweep: Any) -> list[dict]:
    """The coordinates of a sweep's points, in their order."""
    document = read_document(
        write_tiny(folder / "tiny.yaml", overrides=overrides or {}, sweep=sweep)
    )
    points = sweep_points(document, read_sweep(document), TAKEN)
    assert [point.index for point in points] == list(range(len(points)))
    return [point.coordinates for point in points]


def test_a_grid_is_all_combinations_the_last_axis_fastest(tmp_path: Path) -> None:
    found = coordinates(tmp_path, grid={"slo.ttft_s": [1, 2], "seed": [5, 6, 7]})
    assert found == [{"ttft_s": t, "seed": s} for t in (1, 2) for s in (5, 6, 7)]


def test_zipped_lists_change_together_within_a_grid(tmp_path: Path) -> None:
    found = coordinates(
        tmp_path,
        grid={"seed": [1, 2]},
        zip={"slo.ttft_s": ["1s", "500ms"], "options.own.accelerator": ["h100-sxm", "h200-sxm"]},
    )
    pairs = [(1, "h100-sxm"), (0.5, "h200-sxm")]
    assert found == [
        {"seed": s, "ttft_s": t, "accelerator": gpu} for s in (1, 2) for t, gpu in pairs
    ]


def test_points_are_taken_one_by_one(tmp_path: Path) -> None:
    found = coordinates(tmp_path, points=[{"seed": 4}, {"slo.ttft_s": "3s", "seed": 5}])
    assert found == [{"seed": 4}, {"ttft_s": 3, "seed": 5}]


def test_overrides_are_an_axis_of_names_and_come_first(tmp_path: Path) -> None:
    said = {"strict": {"slo.ttft_s": "1s"}, "loose": {"slo.ttft_s": "9s"}}
    document = read_document(
        write_tiny(
            tmp_path / "tiny.yaml",
            overrides=said,
            sweep={"overrides": ["none", "loose"], "grid": {"slo.tpot_s": [0.1, 0.2]}},
        )
    )
    points = sweep_points(document, read_sweep(document))
    assert [p.coordinates for p in points] == [
        {"overrides": name, "tpot_s": t} for name in ("none", "loose") for t in (0.1, 0.2)
    ]
    assert [load_ttft(p.document) for p in points] == [2, 2, 9, 9]
    # What varies is laid over an override, and wins.
    varied = sweep_points(
        document,
        read_sweep(
            read_document(
                write_tiny(
                    tmp_path / "tiny.yaml",
                    overrides=said,
                    sweep={"overrides": ["loose"], "grid": {"slo.ttft_s": [4]}},
                )
            )
        ),
    )
    assert [load_ttft(p.document) for p in varied] == [4]


def load_ttft(document: Any) -> float:
    from simulator.scenario.resolve.load import check_scenario

    return check_scenario(document)[0].slo.ttft_s


def test_spans_have_equal_factors_or_equal_steps(tmp_path: Path) -> None:
    path = "traffic.chat.requests_per_month"
    factors = coordinates(tmp_path, grid={path: {"first": "1k", "last": "1M", "count": 4}})
    assert [p["chat.requests_per_month"] for p in factors] == [1e3, 1e4, 1e5, 1e6]
    steps = coordinates(
        tmp_path,
        grid={"options.own.replicas": {"first": 1, "last": 4, "count": 4, "spacing": "steps"}},
    )
    assert [p["replicas"] for p in steps] == [1, 2, 3, 4]
    through_zero = {"first": 0, "last": "50%", "count": 3, "spacing": "steps"}
    found = coordinates(tmp_path, grid={"traffic.chat.stable_session_share": through_zero})
    assert [p["stable_session_share"] for p in found] == [0, 0.25, 0.5]


def test_names_of_columns_tell_paths_apart_and_are_never_taken(tmp_path: Path) -> None:
    (found,) = coordinates(
        tmp_path,
        grid={
            "traffic.chat.turns.mean": [2],
            "traffic.chat.gap_s.median": [20],
            "traffic.chat.message_tokens.median": [40],
            "options.own.replicas": [1],
            "options.hybrid.replicas": [1],
            "slo.attainment": [0.9],
        },
    )
    assert list(found) == [
        "turns.mean", "gap_s.median", "message_tokens.median", "own.replicas", "hybrid.replicas",
        "attainment",
    ]  # fmt: skip
    (found,) = coordinates(tmp_path, points=[{"seed": 1, "traffic.chat.kind": "sessions"}])
    assert list(found) == ["seed", "chat.kind"]
    assert not TAKEN & set(found)


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ({"grid": {"seed": []}}, "at least 1 item"),
        ({"grid": {"sede": [1], "slo.tftt": [2]}}, "point 0"),
        ({"grid": {"sol.ttft_s": [1]}}, "there is no 'sol' in the scenario (did you mean 'slo'?)"),
        ({"zip": {"seed": [1, 2], "slo.ttft_s": [1]}}, "zip: lists must be of one length"),
        ({"each": "run"}, "give grid, zip, points or overrides"),
        ({"grid": {"seed": [1]}, "eahc": "run"}, "unknown key 'eahc' (did you mean 'each'?)"),
        ({"each": "runs", "grid": {"seed": [1]}}, "each must be 'size', 'run' or 'simulate'"),
        ({"overrides": ["strikt"]}, "no override 'strikt' (did you mean 'strict'?)"),
        ({"grid": {"seed": {"first": 1, "last": 9, "count": 1}}}, "greater than or equal to 2"),
        ({"grid": {"seed": {"first": 0, "last": 9, "count": 3}}}, "equal factors need ends above"),
        ({"grid": {"seed": {"first": "a", "last": 9, "count": 3}}}, "first and last must be num"),
    ],
)
def test_what_cannot_be_swept_is_one_line_in_the_file(
    tmp_path: Path, sweep: dict[str, Any], message: str
) -> None:
    path = write_tiny(tmp_path / "t.yaml", overrides={"strict": {}}, sweep=sweep)
    if message == "point 0":  # a path to nothing is told as soon as the point is built
        message = "unknown key"
    with pytest.raises(InputError) as caught:
        simulator.sweep(path, no_cache=True)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{path}:")
    assert len(str(caught.value).splitlines()) == 1


def test_a_scenario_without_the_section_says_what_it_looks_like(tmp_path: Path) -> None:
    path = write_tiny(tmp_path / "tiny.yaml")
    result = invoke("sweep", path, code=3)
    assert str(result.exception) == (
        f"{path}: has no section sweep, such as sweep: {{grid: {{seed: [1, 2]}}}}"
    )
    assert result.stdout == ""
    assert len(simulator.sweep(path, {"seed": [1, 2]}, each="simulate", no_cache=True).rows) == 8


@pytest.mark.parametrize("each", ["size", "run", "simulate"])
def test_what_is_asked_at_each_point(tmp_path: Path, each: str) -> None:
    path = write_tiny(tmp_path / "tiny.yaml", sweep={"each": each, "grid": {"seed": [3]}})
    (point,) = simulator.sweep(path, no_cache=True).document["points"]
    options = {o["name"]: o for o in point["options"]}
    if each == "run":
        whole = simulator.find_break_even(path, views=False).document
        assert point["break_even"] == whole["break_even"]
        assert point["options"] == whole["options"]
    else:
        assert "break_even" not in point
    if each == "simulate":
        assert point["options"] == simulator.simulate(path).document["options"]
        assert all(o["probability_best"] is None for o in options.values())
    else:
        chances = [o["probability_best"] for o in options.values()]
        assert sum(chances) == pytest.approx(1)


def test_a_point_without_an_answer_says_why_and_the_others_have_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_tiny(
        tmp_path / "tiny.yaml",
        sweep={
            "each": "run",
            "points": [
                {"seed": 3},
                {"options.own.gpus_per_replica": 3},  # no way to share out heads
                {"slo.ttft_s": "0.1ms"},  # nothing meets it
                {"slo.ttft_s": "2k"},  # no time
                {"seed": 4},
            ],
        },
        analysis={"worlds": 8, "volumes": [1, 2], "sample_requests": 1000, "max_replicas": 2},
    )
    result = simulator.sweep(path, folder=tmp_path / "breakeven")
    errors = [point["error"] for point in result.document["points"]]
    assert errors[0] is errors[4] is None
    assert "3 GPUs cannot share the 64 attention heads" in errors[1]
    assert errors[2] == "no option meets the latency targets"
    assert "'2k' has the wrong unit" in errors[3]
    rows = list(csv.DictReader(io.StringIO(result.files()["sweep.csv"])))
    assert [row["point"] for row in rows] == [*"0000", "1", "2", "3", *"4444"]
    for row in rows:
        assert bool(row["error"]) != bool(row["option"])
    # The table tells it, too.
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    shown = invoke("sweep", path, "-j", "1", code=0).stdout
    for place in (1, 2, 3):
        assert f"point {place}: " in shown


def test_no_answer_at_any_point_is_an_error(tmp_path: Path) -> None:
    path = write_tiny(
        tmp_path / "t.yaml", sweep={"grid": {"options.own.gpus_per_replica": [3, "3"]}}
    )
    result = invoke("sweep", path, "--no-cache", "-j", "1", code=3)
    assert "3 GPUs cannot share the 64 attention heads" in str(result.exception)
    assert result.stdout == ""


# What is kept.

POINTS = 12
FORMS = ("sweep.csv", "sweep.json", "sweep.parquet")


def write_many(folder: Path) -> Path:
    """A sweep whose points take a quarter of a second each."""
    said = tiny(horizon_hours=48)
    said["traffic"]["chat"]["requests_per_month"] = 300_000
    said["analysis"]["sample_requests"] = 100_000
    said["sweep"] = {
        "grid": {"slo.ttft_s": [0.5, 1, "1500ms"], "seed": [1, 2]},
        "zip": {"traffic.chat.turns.mean": [2, 3], "traffic.chat.stable_session_share": ["50%", 1]},
    }
    return write_scenario(folder / "many.yaml", said)


def kept(cache_home: Path) -> dict[str, int]:
    """Times of the kept answers by name."""
    folder = cache_home / "breakeven" / "sweep"
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.json")}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a whole sweep, made in one process and in one go: scenario, files, answers."""
    folder = tmp_path_factory.mktemp("undisturbed")
    path = write_many(folder)
    simulator.sweep(path, folder=folder / "cache" / "breakeven").save(folder)
    assert len(kept(folder / "cache")) == POINTS
    return folder


def wait_until(holds: Callable[[], bool], process: subprocess.Popen | None = None) -> None:
    for _ in range(6000):
        if holds():
            return
        assert process is None or process.poll() is None, "ended before it was to be stopped"
        time.sleep(0.01)
    pytest.fail("it never came")


def test_a_killed_sweep_goes_on_and_ends_in_the_same_bytes(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "cache"
    path, out = undisturbed / "many.yaml", tmp_path / "out"
    command = ["sweep", str(path), "--out", str(out), "--jobs", "2"]
    process = subprocess.Popen(
        [*COMMAND, *command],
        env=quiet_environment(XDG_CACHE_HOME=str(home)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        wait_until(lambda: len(kept(home)) >= 3, process)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not out.exists()
    before = kept(home)
    assert 3 <= len(before) < POINTS
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    invoke(*command[:-1], "1", code=0)
    after = kept(home)
    assert set(after) == set(kept(undisturbed / "cache"))
    assert before.items() <= after.items(), "what was kept was asked again"
    for name in FORMS:
        assert (out / name).read_bytes() == (undisturbed / name).read_bytes(), name


def test_what_is_kept_is_not_asked_again_but_without_a_cache(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(undisturbed / "cache"))
    before = kept(undisturbed / "cache")
    asked, answer = [], {"error": "asked", "options": []}
    monkeypatch.setattr(
        "simulator.library.sweep.answer_study", lambda *a: asked.append(a) or answer
    )
    command = ("sweep", undisturbed / "many.yaml", "-j", "1")
    invoke(*command, "--out", tmp_path, code=0)
    assert (tmp_path / "sweep.csv").read_bytes() == (undisturbed / "sweep.csv").read_bytes()
    assert (kept(undisturbed / "cache"), asked) == (before, [])
    for flag in ("--no-cache", "--anew"):
        asked.clear()
        invoke(*command, flag, code=3)
        assert len(asked) == POINTS
    assert kept(undisturbed / "cache") == before


@pytest.fixture
def two(tmp_path: Path) -> Path:
    return write_tiny(tmp_path / "two.yaml", sweep={"each": "simulate", "grid": {"seed": [1, 2]}})


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", '"x"', "\xff", '{"error": null}'])
def test_a_broken_answer_is_found_anew(two: Path, tmp_path: Path, text: str) -> None:
    first = simulator.sweep(two, folder=tmp_path)
    paths = sorted((tmp_path / "sweep").iterdir())
    good = [path.read_bytes() for path in paths]
    paths[0].write_bytes(text.encode("latin-1"))
    again = simulator.sweep(two, folder=tmp_path)
    assert again.document == first.document
    assert [path.read_bytes() for path in sorted((tmp_path / "sweep").iterdir())] == good


def test_an_answer_cut_anywhere_is_found_anew(two: Path, tmp_path: Path) -> None:
    first = simulator.sweep(two, folder=tmp_path)
    path = min((tmp_path / "sweep").iterdir())
    good = path.read_bytes()
    for share in (0.1, 0.5, 0.999):
        path.write_bytes(good[: int(len(good) * share)])
        assert simulator.sweep(two, folder=tmp_path).document == first.document
        assert path.read_bytes() == good


def keys_of(path: Path, folder: Path, **changes: Any) -> set[str]:
    """Under which names the answers of a sweep are kept."""
    scenario = simulator.load_scenario(path, changes)
    simulator.sweep(scenario, folder=folder)
    return {p.name for p in (folder / "sweep").glob("*.json")}


@cache
def log_text(rows: int, tokens: int = 500) -> str:
    body = "".join(f"{k * 3600 / rows},{tokens},20\n" for k in range(rows))
    return "arrival_s,input_tokens,output_tokens\n" + body


def test_what_an_answer_depends_on_is_in_its_name(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(log_text(50))
    path = write_tiny(
        tmp_path / "log.yaml",
        traffic={"log": {"kind": "replay", "path": "log.csv"}},
        sweep={"each": "simulate", "grid": {"slo.ttft_s": [1, 2]}},
    )
    known = keys_of(path, tmp_path / "kept")
    assert len(known) == 2
    assert keys_of(path, tmp_path / "kept") == known
    # The same said otherwise is the same.
    assert keys_of(path, tmp_path / "kept", **{"slo.tpot_s": "200ms"}) == known
    for change in (
        {"seed": 9}, {"slo.tpot_s": 0.3}, {"options.own.rent_usd_per_gpu_hour": 3},
        {"sweep.each": "size"},
    ):  # fmt: skip
        more = keys_of(path, tmp_path / "kept", **change)
        assert len(more - known) == 2, change
        known = more
    # So is the content of a file, whatever its name.
    (tmp_path / "log.csv").write_text(log_text(50, tokens=501))
    assert len(keys_of(path, tmp_path / "kept") - known) == 2


def test_what_is_known_of_hardware_is_in_the_name_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tiny(tmp_path / "tiny.yaml", sweep={"grid": {"seed": [1]}})
    (point,) = (sweep_points(d, read_sweep(d)) for d in [read_document(tmp_path / "tiny.yaml")])
    _, before = sweeps._build(point[0], "size", tmp_path)
    profiles = tmp_path / "profiles"
    profiles.mkdir()
    (profiles / "accelerators.yaml").write_text("changed: 1\n")
    monkeypatch.setattr(sweeps, "profiles_dir", lambda: profiles)
    assert sweeps._build(point[0], "size", tmp_path)[1] != before


def test_one_more_value_asks_one_more_question(
    two: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from simulator.library import sweep as module

    simulator.sweep(two, folder=tmp_path)
    asked, answer = [], module.answer_study
    monkeypatch.setattr(module, "answer_study", lambda *a: asked.append(1) or answer(*a))
    told = []
    found = simulator.sweep(
        two, {"seed": [2, 1, 7]}, each="simulate", folder=tmp_path,
        tell=lambda done, of: told.append((done, of)),
    )  # fmt: skip
    assert [p["coordinates"]["seed"] for p in found.document["points"]] == [2, 1, 7]
    assert len(asked) == 1
    assert told == [(1, 3), (2, 3), (3, 3)]


# The tables.


def test_tidy_tables_can_be_queried_and_agree(undisturbed: Path) -> None:
    names = {form: str(undisturbed / f"sweep.{form}") for form in ("csv", "parquet")}
    columns = (
        "point, ttft_s, seed, stable_session_share, option, usd_per_month, feasible, is_cheapest"
    )
    rows = {
        form: duckdb.sql(f"SELECT {columns} FROM '{name}' ORDER BY point, option").fetchall()
        for form, name in names.items()
    }
    assert rows["csv"] == rows["parquet"]
    assert len(rows["csv"]) == 4 * POINTS
    cheapest = {
        form: duckdb.sql(
            f"SELECT point, arg_min(option, usd_per_month) FROM '{name}' WHERE feasible"
            " GROUP BY point ORDER BY point"
        ).fetchall()
        for form, name in names.items()
    }
    assert cheapest["csv"] == cheapest["parquet"]
    marked = [(row[0], row[4]) for row in rows["csv"] if row[7]]
    assert marked == cheapest["csv"]
    # And they say what the document does.
    document = json.loads((undisturbed / "sweep.json").read_text())
    for (point, ttft_s, seed, share, option, usd, *_), expected in zip(
        rows["csv"],
        [
            (place, p["coordinates"], o)
            for place, p in enumerate(document["points"])
            for o in sorted(p["options"], key=lambda o: o["name"])
        ],
        strict=True,
    ):
        place, at, o = expected
        assert (point, option) == (place, o["name"])
        assert {"ttft_s": ttft_s, "seed": seed, "stable_session_share": share}.items() <= at.items()
        assert usd == pytest.approx(sum(o["cost_breakdown_usd_per_month"].values()), rel=1e-12)


def test_numbers_are_numbers_in_parquet(undisturbed: Path) -> None:
    schema = pq.read_schema(undisturbed / "sweep.parquet")
    for name in ("ttft_s", "stable_session_share", "usd_per_month"):
        assert str(schema.field(name).type) == "double", name
    for name in ("point", "seed", "turns.mean"):
        assert str(schema.field(name).type) == "int64", name
    assert str(schema.field("is_cheapest").type) == "bool"


def test_json_and_csv_on_standard_output_are_the_files(undisturbed: Path) -> None:
    home = {"XDG_CACHE_HOME": str(undisturbed / "cache")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(*next(iter(home.items())))
        for form in ("json", "csv"):
            printed = invoke("sweep", undisturbed / "many.yaml", "-j", "1", "-o", form, code=0)
            assert printed.stdout == (undisturbed / f"sweep.{form}").read_text()
            assert printed.stderr == ""
        table = invoke("sweep", undisturbed / "many.yaml", "-j", "1", code=0).stdout
    assert "cheapest" in table
    assert "P(best)" in table
    assert len(table.splitlines()) >= POINTS + 1


def test_a_point_in_a_sweep_is_the_scenario_with_its_values(undisturbed: Path) -> None:
    document = json.loads((undisturbed / "sweep.json").read_text())
    point = document["points"][7]
    settings = [
        f"slo.ttft_s={point['coordinates']['ttft_s']}",
        f"seed={point['coordinates']['seed']}",
        f"traffic.chat.turns.mean={point['coordinates']['turns.mean']}",
        f"traffic.chat.stable_session_share={point['coordinates']['stable_session_share']}",
    ]
    study = load(undisturbed / "many.yaml", settings).study
    from simulator.analysis.decide.verdict import size_options

    totals = {r.name: r.total_usd for r in size_options(study).results}
    for option in point["options"]:
        assert sum(option["cost_breakdown_usd_per_month"].values()) == totals[option["name"]]


def test_a_point_with_several_faults_has_one_line(tmp_path: Path) -> None:
    wrong = {"options.own.gpus_per_replica": 3, "slo.ttft_s": -1}
    scenario = tiny(sweep={"points": [wrong, {"slo.ttft_s": 1}]})
    path = write_scenario(tmp_path / "s.yaml", scenario)
    row = simulator.sweep(path, no_cache=True).rows[0]
    assert "ttft_s must be greater than 0" in row["error"]
    assert "3 GPUs cannot share" in row["error"]
    assert "\n" not in row["error"]
