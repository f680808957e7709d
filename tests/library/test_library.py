"""The functions of the package: results say what the commands print, and show themselves."""

import csv
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import simulator
from simulator.errors import InfeasibleError, InputError
from simulator.library.parallel.workers import Watched, processes
from simulator.library.results import Result, SimulationResult
from tests.support.scenarios import write_scenario
from tests.support.tiny import invoke, printed, tiny, write_tiny


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("library") / "tiny.yaml")


@pytest.fixture(scope="module")
def simulated(path: Path) -> SimulationResult:
    return simulator.simulate(path)


def test_a_scenario_is_read_with_values_overrides_and_seed(tmp_path: Path) -> None:
    file = write_tiny(
        tmp_path / "t.yaml", overrides={"a": {"slo.ttft_s": 1}, "b": {"slo.tpot_s": "9ms"}}
    )
    found = simulator.load_scenario(
        str(file), {"slo.ttft_s": "500ms"}, overrides=["a", "b"], seed=11
    )
    assert (found.scenario.slo.ttft_s, found.scenario.slo.tpot_s) == (0.5, 0.009)
    assert found.scenario.seed == found.study.seed == 11
    assert simulator.load_scenario("quickstart").study.name == "support-chat"


def test_a_changed_scenario_leaves_the_first_alone(path: Path) -> None:
    first = simulator.load_scenario(path)
    other = simulator.changed(first, {"slo.ttft_s": "9s", "options.own.replicas": 2})
    assert other.scenario.slo.ttft_s == 9
    assert other.scenario.options["own"].replicas == 2  # type: ignore[union-attr]
    assert first.scenario.slo.ttft_s == 2
    again = simulator.changed(other, {"slo.ttft_s": 3})
    assert again.scenario.options["own"].replicas == 2  # type: ignore[union-attr]
    assert simulator.changed(path, {"seed": 4}).study.seed == 4


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"slo.ttft_s": -1}, "values: slo.ttft_s: ttft_s must be greater than 0, not -1"),
        ({"sol.ttft_s": 1}, "values: sol.ttft_s: there is no 'sol' in the scenario"),
        ({"slo.ttft_s": "2k"}, "values: slo.ttft_s: ttft_s: '2k' has the wrong unit"),
        ({"options.own.model": "hal-9000"}, "values: options.own.model: "),
        ({"slo": {"tftt_s": 1}}, "values: slo: unknown key 'tftt_s'"),
    ],
)
def test_bad_values_are_told_by_their_path(path: Path, values: dict, message: str) -> None:
    with pytest.raises(InputError) as caught:
        simulator.load_scenario(path, values)
    assert str(caught.value).startswith(message)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.slow
def test_a_simulation_is_what_the_command_prints(path: Path, simulated: SimulationResult) -> None:
    assert simulated.to_dict() == printed("simulate", path)
    assert simulator.simulate(simulator.load_scenario(path)).to_dict() == simulated.to_dict()
    table = simulated.to_dataframe()
    assert list(table.option) == ["frontier", "hosted", "own", "hybrid"]
    assert table.feasible.dtype == bool
    parts = [name for name in table if name.startswith("usd_") and name not in (
        "usd_per_month", "usd_per_month_mean", "usd_per_month_low", "usd_per_month_high",
        "usd_per_mtok", "usd_per_correct")]  # fmt: skip
    np.testing.assert_allclose(table[parts].sum(axis=1), table.usd_per_month)


def test_a_size_to_be_found_cannot_be_simulated(path: Path) -> None:
    with pytest.raises(InputError, match=r"options\.own\.replicas"):
        simulator.simulate(simulator.changed(path, {"options.own.replicas": "auto"}))


def test_results_are_saved_as_json_and_csv(simulated: SimulationResult, tmp_path: Path) -> None:
    simulated.save(tmp_path / "new" / "folder")
    folder = tmp_path / "new" / "folder"
    assert sorted(p.name for p in folder.iterdir()) == ["result.csv", "result.json"]
    assert json.loads((folder / "result.json").read_text()) == simulated.to_dict()
    with (folder / "result.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["option"] for row in rows] == list(simulated.to_dataframe().option)
    assert [float(row["usd_per_month"]) for row in rows] == [
        row["usd_per_month"] for row in simulated.rows
    ]


class Tags(HTMLParser):
    """Which elements a page has, and its texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())


NAME = "<script>alert('1')</script>&amp;"


@pytest.fixture(scope="module")
def awkward(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scenario with an option whose name is a program."""
    said = tiny(name=NAME)
    said["traffic"] = {NAME: said["traffic"]["chat"]}
    said["options"] = {NAME: said["options"]["own"], "hosted": said["options"]["hosted"]}
    return write_scenario(tmp_path_factory.mktemp("awkward") / "t.yaml", said)


@pytest.mark.slow
def test_names_are_no_elements_of_a_page(awkward: Path) -> None:
    shown = [
        simulator.simulate(awkward),
        simulator.sweep(awkward, {"seed": [1, 2]}, each="simulate", no_cache=True),
        simulator.find_break_even(awkward, fast=True, views=False),
        simulator.price_usage(
            {"offer": [NAME], "at": ["2026-11-23"], "input_total": [1], "output_total": [1]}
        ),
    ]
    for result in shown:
        page = Tags(result._repr_html_())
        assert "table" in page.tags
        assert "script" not in page.tags, type(result)
        assert any(NAME in text for text in page.texts), type(result)


def test_a_table_of_very_many_rows_shows_the_first() -> None:
    page = Tags(Result({}, [{"a": k, "b": None} for k in range(1000)])._repr_html_())
    assert page.tags.count("tr") == 201
    assert "and 800 more rows" in page.texts


@pytest.mark.slow
def test_a_verdict_is_what_the_command_prints(path: Path, tmp_path: Path) -> None:
    found = simulator.find_break_even(path, fast=True, views=False)
    assert found.to_dict() == printed("run", path, "--fast", "-j", "1")
    assert found.break_even == found.to_dict()["break_even"]
    assert found.verdict.winner.name == found.to_dict()["verdict"]["winner"]
    assert simulator.load_scenario(write(tmp_path, found.resolved_yaml)).study.name == "tiny"
    table = found.to_dataframe()
    assert table.probability_best.sum() == pytest.approx(1)
    # Workers change nothing, and can be watched.
    told: list[tuple[int, int]] = []
    with processes(1) as executor:
        watched = Watched(executor, lambda done, of: told.append((done, of)))
        again = simulator.find_break_even(path, fast=True, views=False, executor=watched)
    assert again.to_dict() == found.to_dict()
    assert len(told) > 1
    assert all(done <= of for done, of in told)
    assert max(told)[0] == max(of for _, of in told)


def write(folder: Path, text: str) -> Path:
    file = folder / "resolved.yaml"
    file.write_text(text)
    return file


@pytest.mark.slow
def test_an_axis_of_any_number(path: Path) -> None:
    found = simulator.find_break_even(
        path, "options.own.rent_usd_per_gpu_hour", (0.5, 4), fast=True, views=False
    )
    assert found.break_even is not None
    assert found.break_even["axis"] == "options.own.rent_usd_per_gpu_hour"
    document = printed(
        "run", path, "--fast", "-j", "1", "--axis", "options.own.rent_usd_per_gpu_hour",
        "--between", "0.5", "4",
    )  # fmt: skip
    assert found.to_dict() == document
    with pytest.raises(InputError, match="axis and between require each other"):
        simulator.find_break_even(path, "seed")
    with pytest.raises(InputError, match=r"options\.own\.rent"):
        simulator.find_break_even(path, "options.own.rent_usd_per_gpu_hours", (1, 2))


@pytest.mark.slow
def test_a_verdict_is_saved_as_the_command_writes_it(awkward: Path, tmp_path: Path) -> None:
    simulator.find_break_even(awkward, fast=True).save(tmp_path / "library")
    invoke("run", awkward, "--fast", "-j", "1", "--out", tmp_path / "command", code=0)
    files = [p.relative_to(tmp_path / "library") for p in (tmp_path / "library").rglob("*.*")]
    assert {p.name for p in files} >= {
        "report.html", "result.json", "options.csv", "focus.csv", "scenario.resolved.yaml",
        "ledger.parquet", "cost.svg",
    }  # fmt: skip
    for file in files:
        here, there = tmp_path / "library" / file, tmp_path / "command" / file
        assert here.read_bytes() == there.read_bytes(), file
    assert pq.read_table(tmp_path / "library" / "ledger.parquet").num_rows > 100
    assert not list((tmp_path / "library").rglob("*.partial"))
    # Nor are names elements of the report.
    text = (tmp_path / "library" / "report.html").read_text()
    page = Tags(text)
    assert page.tags.count("script") == 2  # the data of its charts, and what shows them
    assert any(NAME in text for text in page.texts)
    assert "alert('1')</script>" not in text


def test_nothing_within_the_targets_has_its_reasons(path: Path) -> None:
    with pytest.raises(InfeasibleError) as caught:
        simulator.find_break_even(simulator.changed(path, {"slo.ttft_s": "0.1ms"}), fast=True)
    assert set(caught.value.excuses) == set(tiny()["options"])


@pytest.mark.slow
def test_a_sweep_has_a_row_for_each_option_and_point(path: Path, tmp_path: Path) -> None:
    found = simulator.sweep(path, {"seed": [1, 2]}, each="simulate", folder=tmp_path)
    table = found.to_dataframe()
    assert list(table.point) == [0] * 4 + [1] * 4
    assert list(table.groupby("seed").is_cheapest.sum()) == [1, 1]
    found.save(tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "sweep.csv", "sweep.json", "sweep.parquet"
    ]  # fmt: skip
    one = simulator.simulate(simulator.changed(path, {"seed": 2})).to_dict()["options"]
    assert found.to_dict()["points"][1]["options"] == one


USAGE = {
    "offer": ["openai/gpt-6.1-terra", "openai/gpt-6.1-terra", "no/offer"],
    "at": ["2026-11-23", "2026-11-23T12:00:00", "2026-11-23"],
    "input_total": [100, 2000, 3],
    "cache_read": [None, 1000, None],
    "output_total": [10, 20, 30],
}


def usage_frame(**changes: Any) -> pd.DataFrame:
    return pd.DataFrame({**USAGE, **changes})


def test_usage_is_priced_as_the_command_prices_it(tmp_path: Path) -> None:
    found = simulator.price_usage(USAGE)
    file = tmp_path / "usage.csv"
    usage_frame(cache_read=["", 1000, ""]).to_csv(file, index=False)
    rows = list(csv.DictReader(invoke("prices", "cost", file, code=0).stdout.splitlines()))
    for k in range(2):
        assert float(rows[k]["cost_usd"]) == found.cost_usd[k]
    assert rows[2]["cost_usd"] == ""
    assert np.isnan(found.cost_usd[2])
    assert [row["error"] for row in rows] == found.errors == ["", "", "unknown offer 'no/offer'"]
    assert found.to_dict()["failed"] == 1
    assert found.to_dict()["cost_usd"] == pytest.approx(np.nansum(found.cost_usd))
    assert list(found.to_dataframe().columns) == [*USAGE, "cost_usd", "error"]


@pytest.mark.parametrize(
    "columns",
    [
        usage_frame(),  # where one is missing, whole numbers are no longer of a whole type
        usage_frame(cache_read=pd.array([None, 1000, None], dtype="Int64")),
        usage_frame(at=pd.to_datetime(USAGE["at"], format="ISO8601")),
        usage_frame().set_index(pd.Index([7, 8, 9])),
        {name: np.array(column, dtype=object) for name, column in USAGE.items()},
    ],
    ids=["missing", "Int64", "moments", "index", "arrays"],
)
def test_usage_may_come_from_pandas(columns: Any, tmp_path: Path) -> None:
    found, expected = simulator.price_usage(columns), simulator.price_usage(USAGE)
    assert found.errors == expected.errors
    np.testing.assert_array_equal(found.cost_usd, expected.cost_usd)
    found.save(tmp_path)
    saved = json.loads((tmp_path / "result.json").read_text())
    assert saved == found.to_dict()
    assert [row["input_total"] for row in saved["rows"]] == USAGE["input_total"]
    assert [row["cache_read"] for row in saved["rows"]] == USAGE["cache_read"]


def test_a_part_of_a_table_is_priced(tmp_path: Path) -> None:
    frame = usage_frame()
    found = simulator.price_usage(frame[frame.input_total > 100])
    assert found.errors == [""]
    assert found.cost_usd[0] == simulator.price_usage(USAGE).cost_usd[1]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({k: v for k, v in USAGE.items() if k != "offer"}, "usage: column 'offer' is missing"),
        (
            {k: v for k, v in USAGE.items() if k != "output_total"},
            "column 'output_total' is missing",
        ),
        (USAGE | {"at": ["2026-11-23"]}, "usage: columns must have equal lengths"),
    ],
)
def test_usage_that_is_no_table_is_refused(columns: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        simulator.price_usage(columns)


def test_rows_that_cannot_be_priced_say_why() -> None:
    found = simulator.price_usage(USAGE | {"input_total": ["many", -5, 2.5]})
    assert all("input_total must be a whole number" in error for error in found.errors[:2])
    assert np.isnan(found.cost_usd).all()


def test_a_benchmark_is_what_the_command_prints() -> None:
    found = simulator.predict_benchmark(
        "llama-3.1-8b", "h100-sxm", load_value=4, prompt_tok=256, output_tok=32,
        weight_precision="fp8",
    )  # fmt: skip
    document = printed(
        "bench", "--model", "llama-3.1-8b", "--gpu", "h100-sxm", "--weights", "fp8",
        "--value", "4", "--isl", "256", "--osl", "32",
    )  # fmt: skip
    assert found.to_dict() == document
    assert found.to_dataframe().output_throughput[0] == found.benchmark.output_tok_s
    assert "h100-sxm" in found.label
    assert "<table" in found._repr_html_()


@pytest.mark.parametrize(
    ("names", "asked", "message"),
    [
        (("hal-9000", "h100-sxm"), {}, "unknown model 'hal-9000'"),
        (("llama-3.1-8b", "voodoo-2"), {}, "voodoo-2"),
        (("llama-3.3-70b", "h100-sxm"), {"weight_precision": "bf16"}, "does not fit"),
        (("llama-3.1-8b", "h100-sxm"), {"prompt_tok": 10**7}, "do not fit one request"),
    ],
)
def test_a_benchmark_that_cannot_be(
    names: tuple[str, str], asked: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        simulator.predict_benchmark(*names, **asked)
    assert len(str(caught.value).splitlines()) == 1


def test_tables_say_what_they_need(
    simulated: SimulationResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulator.files.optional.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'breakeven\[pandas\]'"):
        simulated.to_dataframe()
