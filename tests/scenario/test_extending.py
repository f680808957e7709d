"""Scenarios that extend others, their named overrides, and the schema that accepts them."""

import csv
import json
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from simulator.errors import InputError
from simulator.scenario.building.study import load
from simulator.scenario.document.shipped import shipped_scenarios
from simulator.scenario.resolve.json_schema import json_schema
from simulator.scenario.resolve.load import (
    apply_override,
    fingerprint,
    read_document,
    resolved_yaml,
)
from tests.support.scenarios import as_json, problems, write_scenario
from tests.support.tiny import invoke, tiny, write_tiny


def extending(folder: Path, text: str, **base: Any) -> Path:
    """A scenario that extends the tiny one in the folder above."""
    folder.mkdir(exist_ok=True)
    write_tiny(folder.parent / "base.yaml", **base)
    child = folder / "child.yaml"
    child.write_text(f"extends: ../base.yaml\n{text}")
    return child


def plain(document: Any) -> dict[str, Any]:
    """What a document says, as plain values."""
    return json.loads(json.dumps(document.data, default=str))


def test_mappings_are_joined_and_the_rest_replaced(tmp_path: Path) -> None:
    child = extending(
        tmp_path / "child",
        "name: child\n"
        "slo: {ttft_s: 5s}\n"
        "traffic: {chat: {message_tokens: {median: 99}}}\n"
        "analysis: {volumes: [1, 3]}\n"
        "options:\n"
        "  own: {max_sequences: 7}\n"
        "  second: {kind: api, offer: openai/gpt-6.1-terra}\n",
    )
    said, base = plain(read_document(child)), tiny()
    base["extends"] = "../base.yaml"
    base["name"] = "child"
    base["slo"]["ttft_s"] = "5s"
    base["traffic"]["chat"]["message_tokens"]["median"] = 99
    base["analysis"]["volumes"] = [1, 3]
    base["options"]["own"]["max_sequences"] = 7
    base["options"]["second"] = {"kind": "api", "offer": "openai/gpt-6.1-terra"}
    assert said == base
    # Options keep the base's order, what is new stands behind.
    assert list(said["options"]) == ["frontier", "hosted", "own", "hybrid", "second"]
    found = load(child)
    assert found.scenario.slo.ttft_s == 5
    assert found.study.name == "child"


def test_a_section_of_another_kind_replaces_what_is_there(tmp_path: Path) -> None:
    child = extending(
        tmp_path / "child", "options: {own: {kind: api, offer: openai/gpt-6.1-terra}, hybrid: null}"
    )
    said = plain(read_document(child))
    assert said["options"]["own"] == {"kind": "api", "offer": "openai/gpt-6.1-terra"}
    assert load(child).study.options[2].kind == "api"


def test_null_takes_out(tmp_path: Path) -> None:
    child = extending(
        tmp_path / "child",
        "options: {hybrid: null, nothing: null}\nslo: {tpot_s: null}\nanalysis: null\n",
    )
    found = load(child)
    assert [option.name for option in found.study.options] == ["frontier", "hosted", "own"]
    assert found.scenario.slo.tpot_s is None
    assert found.scenario.analysis.sample_requests == 50_000
    said = plain(read_document(child, ["slo.e2e_s=9", "options.frontier=null", "slo.ttft_s=null"]))
    assert list(said["options"]) == ["hosted", "own"]
    assert said["slo"] == {"attainment": 0.9, "e2e_s": 9}


def test_what_is_set_may_begin_a_section_that_may_be_left_out(tmp_path: Path) -> None:
    child = extending(tmp_path / "child", "analysis: null\noptions: {hybrid: null}\n")
    found = load(child, ["analysis.sample_requests=2k", "future.months=2y"]).scenario
    assert found.analysis.sample_requests == 2000
    assert found.future is not None
    assert found.future.months == 24
    assert load(child).scenario.future is None
    with pytest.raises(InputError, match="there is no 'sweep' in the scenario"):
        load(child, ["sweep.each=run"])


def test_a_number_said_in_another_way_replaces_what_is_there(tmp_path: Path) -> None:
    child = extending(
        tmp_path / "child",
        "traffic:\n  chat:\n    gap_s: {uniform: [30s, 1min]}\n    turns: {median: 3, sigma: 1}\n"
        "    message_tokens: {median: 99}\n"
        "people: {engineers_fte: {high: 2}, engineer_usd_per_year: {low: 1, mid: 2, high: 3}}\n",
    )
    said = plain(read_document(child))
    assert said["traffic"]["chat"]["gap_s"] == {"uniform": ["30s", "1min"]}
    assert said["traffic"]["chat"]["turns"] == {"median": 3, "sigma": 1}
    assert said["traffic"]["chat"]["message_tokens"] == {"median": 99, "sigma": 1.0, "most": 4000}
    assert said["people"]["engineers_fte"] == {"low": 0.25, "mid": 0.5, "high": 2}
    (number,) = load(child).study.numbers
    assert number.path == "traffic.chat.gap_s"


def test_extending_leaves_the_base_alone_and_goes_on_over_several(tmp_path: Path) -> None:
    write_tiny(tmp_path / "a.yaml")
    (tmp_path / "b.yaml").write_text("extends: a.yaml\nseed: 5\nslo: {ttft_s: 3}\n")
    (tmp_path / "c.yaml").write_text("extends: b.yaml\nslo: {tpot_s: 0.5}\n")
    slo = load(tmp_path / "c.yaml").scenario.slo
    assert (slo.ttft_s, slo.tpot_s, slo.attainment) == (3, 0.5, 0.9)
    assert load(tmp_path / "c.yaml").scenario.seed == 5
    assert load(tmp_path / "a.yaml").scenario.slo.ttft_s == 2


def test_a_shipped_scenario_is_extended_by_its_name(tmp_path: Path) -> None:
    child = tmp_path / "child.yaml"
    child.write_text("extends: quickstart\nname: mine\nslo: {ttft_s: 1s}\n")
    found, base = load(child), load("quickstart")
    assert found.scenario.slo.ttft_s == 1
    assert found.scenario.options == base.scenario.options
    # A file beside it comes first.
    write_tiny(tmp_path / "quickstart")
    assert list(load(child).scenario.options) == list(tiny()["options"])


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("slo: {ttft_s: -1}", "child/child.yaml:2:7", "ttft_s must be greater than 0, not -1"),
        ("slo:\n  tftt_s: 1", "child/child.yaml:3:3", "did you mean 'ttft_s'?"),
        ("options:\n  own:\n    model: llama-3.3-70", "child/child.yaml:4:5", "llama-3.3-70b"),
        ("slo: {ttft_s: 2 furlongs}", "child/child.yaml:2:7", "has the wrong unit"),
        ("start: 2026-11-24", "child/child.yaml:2:1", "start must be a Monday"),
        ("extends: x", "child/child.yaml:2:1", "duplicate key"),
    ],
)
def test_errors_of_the_child_are_in_the_child(
    tmp_path: Path, text: str, place: str, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        load(extending(tmp_path / "child", text))
    assert str(caught.value).startswith(f"{tmp_path}/{place}: ")
    assert message in str(caught.value)


def test_errors_of_the_base_are_in_the_base(tmp_path: Path) -> None:
    bad = tiny()
    bad["options"]["own"] |= {"gpus_per_replica": 1, "weight_precision": "bf16"}
    child = extending(tmp_path / "child", "seed: 4\noptions: {own: {max_sequences: 7}}\n", **bad)
    with pytest.raises(InputError) as caught:
        load(child)
    match = re.fullmatch(r"(.*):(\d+):(\d+): .*does not fit 1 x h100-sxm.*", str(caught.value))
    assert match
    base = Path(match[1]).resolve()
    assert base == tmp_path / "base.yaml"
    assert "gpus_per_replica" in base.read_text().splitlines()[int(match[2]) - 1]


def test_errors_of_what_is_set_over_both_name_the_setting(tmp_path: Path) -> None:
    child = extending(tmp_path / "child", "slo: {tpot_s: 1}\n")
    for setting in ("slo={ttft_s: -1}", "slo.ttft_s=-1"):
        with pytest.raises(InputError, match=r"^--set slo(\.ttft_s)?: ttft_s must be greater than"):
            load(child, [setting])


def test_a_circle_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("extends: b.yaml\n")
    (tmp_path / "b.yaml").write_text("name: b\nextends: a.yaml\n")
    with pytest.raises(InputError) as caught:
        load(tmp_path / "a.yaml")
    told = f"{tmp_path}/a.yaml:1:1: {tmp_path}/b.yaml:2:1: a.yaml extends this scenario"
    assert str(caught.value) == told
    (tmp_path / "a.yaml").write_text("extends: a.yaml\n")
    with pytest.raises(InputError, match=r"a\.yaml:1:1: a\.yaml extends this scenario"):
        load(tmp_path / "a.yaml")


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("quickstrat", r"did you mean 'quickstart'\?"),
        ("3", "extends must be a file or the name of a shipped scenario"),
        ("[a, b]", "extends must be a file or the name of a shipped scenario"),
        ("nothing/at/all.yaml", "no such file"),
    ],
)
def test_what_cannot_be_extended_is_one_line(tmp_path: Path, said: str, message: str) -> None:
    child = tmp_path / "child.yaml"
    child.write_text(f"name: child\nextends: {said}\n")
    with pytest.raises(InputError, match=rf"child\.yaml:2:1: .*{message}") as caught:
        load(child)
    assert len(str(caught.value).splitlines()) == 1


def write_log(path: Path, rows: int) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["arrival_s", "input_tokens", "output_tokens"])
        writer.writerows([k * 3600 / rows, 500, 20] for k in range(rows))


REPLAY = {"log": {"kind": "replay", "path": "log.csv"}}


def rows_of(path: Path, *settings: str) -> int:
    return load(path, settings).study.traffic.table.size  # type: ignore[union-attr]


def test_files_are_beside_the_file_that_names_them(tmp_path: Path) -> None:
    write_log(tmp_path / "log.csv", 100)
    write_log(tmp_path / "child" / "log.csv", 200)
    write_log(tmp_path / "child" / "other.csv", 300)
    child = extending(tmp_path / "child", "seed: 2\n", traffic=REPLAY)
    assert rows_of(child) == 100
    assert rows_of(child, "traffic.log.path=other.csv") == 300
    child.write_text("extends: ../base.yaml\ntraffic: {log: {path: log.csv}}\n")
    assert rows_of(child) == 200
    child.write_text(
        "extends: ../base.yaml\noverrides: {other: {traffic.log.path: other.csv}}\n"
        "sweep: {grid: {traffic.log.path: [log.csv, other.csv]}}\n"
    )
    assert rows_of(child) == 100
    assert rows_of(child, "other") == 300
    from simulator.scenario.building.study import load_document
    from simulator.scenario.variations.sweep import read_sweep, sweep_points

    document = read_document(child)
    points = sweep_points(document, read_sweep(document))
    sizes = [load_document(p.document).study.traffic.table.size for p in points]  # type: ignore[union-attr]
    assert sizes == [200, 300]


def test_overrides_of_the_base_find_its_files(tmp_path: Path) -> None:
    write_log(tmp_path / "log.csv", 100)
    write_log(tmp_path / "other.csv", 300)
    overrides = {"other": {"traffic.log.path": "other.csv"}}
    child = extending(tmp_path / "child", "seed: 2\n", traffic=REPLAY, overrides=overrides)
    assert rows_of(child, "other") == 300


def test_a_calibration_is_beside_the_file_that_names_it(tmp_path: Path) -> None:
    table = tmp_path / "points.csv"
    table.write_text(
        "isl,osl,load_kind,load_value,output_tok_s,tpot_mean_ms,ttft_mean_ms\n"
        "1024,128,concurrency,8,256,20,120\n"
    )
    invoke(
        "calibrate", table, "--model", "llama-3.3-70b", "--gpu", "h100-sxm", "--gpus", "2",
        "--weights", "fp8", "--out", tmp_path / "fit.yaml", code=0,
    )  # fmt: skip
    base = tiny()
    base["options"]["own"] |= {"calibration": "fit.yaml"}
    child = extending(tmp_path / "child", "seed: 2\n", **base)
    source = load(child).study.provenance["hardware"]["own"]
    assert source == load(tmp_path / "base.yaml").study.provenance["hardware"]["own"]
    assert (
        source != load(child, ["options.own.calibration=null"]).study.provenance["hardware"]["own"]
    )
    child.write_text("extends: ../base.yaml\noptions: {own: {calibration: fit.yaml}}\n")
    with pytest.raises(InputError, match=r"child\.yaml:2:\d+: .*child/fit\.yaml: no such file"):
        load(child)


OVERRIDES = {
    "strict": {"slo.ttft_s": "500ms", "slo.tpot_s": 0.05},
    "large": {"traffic.chat.requests_per_month": "2M"},
}


def test_overrides_are_taken_by_name_and_in_order(tmp_path: Path) -> None:
    path = write_tiny(tmp_path / "tiny.yaml", overrides=OVERRIDES)
    assert load(path).scenario.slo.ttft_s == 2
    found = load(path, ["strict", "large", "slo.tpot_s=0.07"]).scenario
    assert (found.slo.ttft_s, found.slo.tpot_s) == (0.5, 0.07)
    assert found.traffic["chat"].requests_per_month == 2_000_000
    assert load(path, ["slo.tpot_s=0.07", "strict"]).scenario.slo.tpot_s == 0.05


def test_overrides_of_base_and_child_are_joined(tmp_path: Path) -> None:
    child = extending(
        tmp_path / "child",
        "overrides: {strict: {slo.tpot_s: 0.01}, more: {seed: 9}, large: null}\n",
        overrides=OVERRIDES,
    )
    found = load(child, ["strict", "more"]).scenario
    assert (found.slo.ttft_s, found.slo.tpot_s, found.seed) == (0.5, 0.01, 9)
    with pytest.raises(InputError, match="--set large: expected"):
        load(child, ["large"])


@pytest.mark.parametrize(
    ("overrides", "setting", "message"),
    [
        (OVERRIDES, "strickt", "--set strickt: expected path=value or the name of an override "
                               "(did you mean 'strict'?)"),
        ({}, "strict", "--set strict: expected path=value or the name of an override"),
        ({"x": {"sol.ttft_s": 1}}, "x", "there is no 'sol' in the scenario (did you mean 'slo'?)"),
        ({"x": {"slo.ttft_s": -1}}, "x", "ttft_s must be greater than 0, not -1"),
        ({"x": {"slo.tftt_s": 1}}, "x", "unknown key 'tftt_s' (did you mean 'ttft_s'?)"),
    ],
)  # fmt: skip
def test_errors_of_overrides_are_one_line_with_their_place(
    tmp_path: Path, overrides: dict[str, Any], setting: str, message: str
) -> None:
    path = write_tiny(tmp_path / "tiny.yaml", overrides=overrides)
    with pytest.raises(InputError) as caught:
        load(path, [setting])
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    if "x" in overrides:
        match = re.match(rf"{re.escape(str(path))}:(\d+):(\d+): ", str(caught.value))
        assert match, str(caught.value)
        (key,) = overrides["x"]
        assert path.read_text().splitlines()[int(match[1]) - 1].strip().startswith(key)


def test_validation_tries_every_override(tmp_path: Path) -> None:
    good = write_tiny(tmp_path / "tiny.yaml", overrides=OVERRIDES)
    assert "2 overrides" in invoke("validate", good, code=0).stdout
    bad = write_tiny(tmp_path / "tiny.yaml", overrides={"x": {"slo.ttft_s": "2 furlongs"}})
    assert "has the wrong unit" in str(invoke("validate", bad, code=3).exception)


# The schema.


@pytest.mark.slow
def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize("path", shipped_scenarios().values(), ids=lambda path: path.stem)
def test_the_schema_accepts_shipped_scenarios(path: Path) -> None:
    assert problems(as_json(path)) == []


WRITTEN = {
    "extends": "quickstart",
    "slo": {"ttft_s": "500ms", "tpot_s": None, "attainment": "95%"},
    "traffic": {
        "support": {
            "requests_per_month": "3.2/s",
            "gap_s": {"median": "1min"},
            "stable_session_share": {"low": "80%", "mid": "90%", "high": "95%"},
        }
    },
    "options": {
        "hybrid": None,
        "own-h100": {"rent_usd_per_gpu_hour": {"low": "$1.80/h", "mid": 2.5, "high": "$4"}},
    },
    "people": {"engineer_usd_per_year": {"low": "150k", "mid": "210k", "high": "280k"}},
    "overrides": {"strict": {"slo.ttft_s": "200ms"}},
    "sweep": {"grid": {"slo.ttft_s": {"first": "200ms", "last": "2s", "count": 3}}},
}


def test_the_schema_accepts_what_extends_with_units(tmp_path: Path) -> None:
    assert problems(WRITTEN) == []
    path = write_scenario(tmp_path / "s.yaml", WRITTEN)
    assert len(load(path).study.options) == 3  # and it means something
    alone = {k: v for k, v in WRITTEN.items() if k != "extends"}
    assert any("is a required property" in p for p in problems(alone))


@pytest.mark.parametrize(
    "at",
    [(), ("slo",), ("options", "own-h100"), ("traffic", "support"), ("people",), ("sweep",)],
    ids=".".join,
)
@pytest.mark.parametrize("whole", [True, False])
def test_the_schema_refuses_unknown_keys(at: tuple[str, ...], whole: bool) -> None:
    said = as_json(shipped_scenarios()["quickstart"]) if whole else deepcopy(WRITTEN)
    said.setdefault("sweep", {"grid": {"seed": [1, 2]}})
    assert problems(said) == []
    node = said
    for key in at:
        node = node[key]
    node["tftt"] = 1
    assert problems(said) != []


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (("slo", "ttft_s"), "soon"),
        (("slo", "ttft_s"), True),
        (("slo", "ttft_s"), -1),
        (("schema_version",), 2),
        (("options", "own-h100", "kind"), "rented"),
        (("people", "engineers_fte"), {"low": 1, "high": 2}),
        (("analysis", "volumes"), 3),
    ],
)
def test_the_schema_refuses_wrong_values(at: tuple[str, ...], value: Any) -> None:
    said = as_json(shipped_scenarios()["quickstart"])
    node = said
    for key in at[:-1]:
        node = node[key]
    node[at[-1]] = value
    assert problems(said) != []


def test_the_resolved_scenario_says_the_same(tmp_path: Path) -> None:
    child = extending(
        tmp_path / "child",
        "name: child\nslo: {ttft_s: 1500ms}\n"
        "traffic: {chat: {system_prompt_tokens: {low: 1k, mid: 2k, high: 4k},"
        "    gap_s: {uniform: [0.5min, 1min]}}}\n"
        "people: {engineer_usd_per_year: {low: 150k, mid: 210k, high: 280k}}\n"
        "options: {own: {max_sequences: {one_of: [2, 4, 9]}}}\n"
        "overrides: {strict: {slo.ttft_s: 0.5s}}\nsweep: {grid: {seed: [1, 2]}}\n",
    )
    found = load(child)
    text = resolved_yaml(found.scenario, found.document)
    assert "extends" not in text
    resolved = tmp_path / "child" / "resolved.yaml"
    resolved.write_text(text)
    assert problems(as_json(resolved)) == []
    again = load(resolved)
    assert again.scenario == found.scenario.model_copy(
        update={"extends": None, "overrides": {}, "sweep": None}
    )
    assert again.study.numbers == found.study.numbers
    prints = [fingerprint(x.scenario, x.document, x.study.provenance) for x in (found, again)]
    assert prints[0] == prints[1]
    other = load(child, ["slo.ttft_s=1.6s"])
    assert fingerprint(other.scenario, other.document, other.study.provenance) != prints[0]
    assert resolved_yaml(again.scenario, again.document) == text


@pytest.mark.slow
def test_simulation_of_a_child_is_that_of_the_same_said_at_once(tmp_path: Path) -> None:
    child = extending(tmp_path / "child", "slo: {ttft_s: 1s}\nseed: 4\n")
    whole = write_tiny(tmp_path / "whole.yaml", seed=4, slo=tiny()["slo"] | {"ttft_s": 1})
    outputs = [invoke("simulate", path, "-o", "json", code=0).stdout for path in (child, whole)]
    assert outputs[0] == outputs[1]


def test_an_override_may_not_reach_through_a_value(tmp_path: Path) -> None:
    document = read_document(write_tiny(tmp_path / "t.yaml", overrides={"x": {"seed.a": 1}}))
    with pytest.raises(InputError, match=r"t\.yaml:\d+:\d+: seed is not a mapping"):
        apply_override(document, "x")


def test_two_ways_may_begin_with_the_same_key(tmp_path: Path) -> None:
    """A median with another spread is no half of either way of saying it."""
    child = tmp_path / "child.yaml"
    said = "traffic: {support: {output_tokens: {median: 90, log_sd: 0.2}}}"
    child.write_text(f"extends: quickstart\n{said}\n")
    found = read_document(child).data["traffic"]["support"]["output_tokens"]
    assert found == {"median": 90, "log_sd": 0.2}
