"""Everything that is wrong in a scenario is reported at once, each with its place."""

import pickle
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

import simulator
from simulator.errors import Faults, InputError
from simulator.scenario.building.study import load
from tests.support.command import breakeven
from tests.support.scenarios import SMALL, write_scenario


def faults_of(path: Path, *settings: str) -> tuple[str, ...]:
    with pytest.raises(InputError) as caught:
        load(path, settings)
    assert str(caught.value) == "\n".join(caught.value.errors)
    return caught.value.errors


def places(path: Path, lines: tuple[str, ...]) -> dict[str, str]:
    """The message of each fault, by the text at its place in the file."""
    text = path.read_text().splitlines()
    found = {}
    for line in lines:
        match = re.fullmatch(rf"{re.escape(str(path))}:(\d+):(\d+): (.*)", line)
        assert match, line
        found[text[int(match[1]) - 1][int(match[2]) - 1 :]] = match[3]
    assert len(found) == len(lines), "every fault has its own place"
    return found


WRONG = """\
schema_version: 1
name: wrong
start: 2026-11-24
traffic:
  chat:
    kind: sessions
    preset: chatt
    requests_per_month: 3 parsecs
  rag:
    kind: sessions
    preset: rag
    requests_per_month: 1M
    week: azure-conversatoin
slo:
  tftt_s: 2s
options:
  bought:
    kind: api
    offer: openai/gpt-4.l
    retires: 3
  tiered:
    kind: api
    offer: openai/gpt-4.1
    tier: gold
    served_as: {chta: batch}
  own:
    kind: self-host
    model: lama-3.3-70b
    accelerator: a100
    gpus: 2
    weight_precision: fp8
  large:
    kind: selfhost
    model: llama-3.3-70b
    accelerator: H100
    gpus_per_replica: 1
    weight_precision: bf16
    max_model_tokens: 1M
  rented:
    kind: selfhost
    model: llama-3.1-8b
    accelerator: mi325x
    gpus_per_replica: 1
    weight_precision: fp8
  mixed:
    kind: hybrid
    base: lage
    overflow: bougth
  follows:
    kind: hybrid
    base: large
    overflow: bought
people:
  engineers_fte: {low: 3, mid: 2, high: 4}
  engineer_usd_per_year: 150k
  tooling_usd_per_month: 1k
"""

EXPECTED = {
    "start: 2026-11-24": "start must be a Monday, Tuesday given",
    "preset: chatt": "unknown preset 'chatt' (did you mean 'chat'?)",
    "requests_per_month: 3 parsecs": "requests_per_month: '3 parsecs' has the wrong unit",
    "week: azure-conversatoin": "(did you mean 'azure-conversation'?)",
    "tftt_s: 2s": "unknown key 'tftt_s' (did you mean 'ttft_s'?)",
    "offer: openai/gpt-4.l": "(did you mean 'openai/gpt-4.1'?)",
    "retires: 3": "unknown key 'retires' (did you mean 'retries'?)",
    "tier: gold": "openai/gpt-4.1 has no tier 'gold'",
    "served_as: {chta: batch}": "no workload is called 'chta' (did you mean 'chat'?)",
    "kind: self-host": "unknown kind 'self-host' (did you mean 'selfhost'?)",
    "model: lama-3.3-70b": "(did you mean 'llama-3.3-70b'?)",
    "accelerator: a100": "a100-pcie-40, a100-pcie-80, a100-sxm-40, a100-sxm-80",
    "gpus: 2": "unknown key 'gpus' (did you mean 'gpus_per_replica'?)",
    "gpus_per_replica: 1": "llama-3.3-70b in bf16 does not fit 1 x h100-sxm",
    "max_model_tokens: 1M": "the context of llama-3.3-70b is 131072 tokens",
    "accelerator: mi325x": "no on-demand rent of mi325x is known",
    "base: lage": "'lage' is no selfhost option (did you mean 'large'?)",
    "overflow: bougth": "'bougth' is no api option (did you mean 'bought'?)",
    "engineers_fte: {low: 3, mid: 2, high: 4}": "low <= mid",
}


def test_every_fault_is_one_line_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(WRONG)
    found = places(path, faults_of(path))
    assert list(found) == list(EXPECTED)
    for at, message in EXPECTED.items():
        assert message in found[at], at


@pytest.mark.parametrize("left_out", EXPECTED)
def test_no_fault_hides_another_one(tmp_path: Path, left_out: str) -> None:
    """With one fault mended, exactly the others are reported."""
    mended = {
        "start: 2026-11-24": "start: 2026-11-23",
        "preset: chatt": "preset: chat",
        "requests_per_month: 3 parsecs": "requests_per_month: 3M",
        "week: azure-conversatoin": "week: azure-code",
        "tftt_s: 2s": "ttft_s: 2s",
        "offer: openai/gpt-4.l": "offer: openai/gpt-4.1",
        "retires: 3": "retries: 3",
        "tier: gold": "region: null",
        "served_as: {chta: batch}": "served_as: {chat: batch}",
        "kind: self-host": "kind: selfhost",
        "model: lama-3.3-70b": "model: llama-3.3-70b",
        "accelerator: a100": "accelerator: a100-sxm-80",
        "gpus: 2": "gpus_per_replica: 2",
        "gpus_per_replica: 1": "gpus_per_replica: 4",
        "max_model_tokens: 1M": "max_model_tokens: 8k",
        "accelerator: mi325x": "accelerator: l40s",
        "base: lage": "base: large",
        "overflow: bougth": "overflow: bought",
        "engineers_fte: {low: 3, mid: 2, high: 4}": "engineers_fte: 1",
    }[left_out]
    path = tmp_path / "wrong.yaml"
    path.write_text(WRONG.replace(left_out, mended, 1))
    assert list(places(path, faults_of(path))) == [at for at in EXPECTED if at != left_out]


def test_the_command_prints_the_first_faults_and_counts_the_others(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(WRONG)
    result = breakeven("validate", str(path))
    assert (result.returncode, result.stdout) == (3, "")
    assert result.stderr.splitlines() == [f"breakeven: {line}" for line in faults_of(path)]
    keys = "".join(f"  wrong{k}: 1\n" for k in range(30))
    path.write_text(WRONG.replace("slo:\n", f"slo:\n{keys}"))
    lines = breakeven("run", str(path), "--out", str(tmp_path / "out")).stderr.splitlines()
    assert len(lines) == 21
    assert lines[-1] == f"breakeven: and {len(faults_of(path)) - 20} more"
    assert not (tmp_path / "out").exists()


def test_what_a_fault_makes_of_other_values_is_not_reported(tmp_path: Path) -> None:
    scenario = deepcopy(SMALL)
    scenario["options"]["own"]["accelerator"] = "voodoo-2"
    scenario["traffic"]["chat"] = {"kind": "sessions", "preset": "x", "requests_per_month": 5}
    path = write_scenario(tmp_path / "s.yaml", scenario)
    found = faults_of(path)
    assert len(found) == 2, found
    assert "unknown preset 'x'" in found[0]
    assert "unknown accelerator 'voodoo-2'" in found[1]


def test_names_of_workloads_are_not_wrong_while_the_log_cannot_be_read(tmp_path: Path) -> None:
    scenario = deepcopy(SMALL)
    scenario["traffic"] = {"log": {"kind": "replay", "path": "nothing.csv"}}
    scenario["options"]["own"]["serves"] = ["nightly"]
    scenario["options"]["hosted"]["served_as"] = {"nightly": "priority"}
    found = faults_of(write_scenario(tmp_path / "s.yaml", scenario))
    assert len(found) == 2, found
    assert "nothing.csv: no such file" in found[0]
    assert "has no priority price" in found[1]


def test_unknown_traffic_makes_no_names_of_workloads_wrong(tmp_path: Path) -> None:
    scenario = deepcopy(SMALL)
    scenario["options"]["own"] |= {"serves": ["nightly"], "gpus_per_replica": 3}
    scenario["options"]["both"] = {
        "kind": "pools", "pools": ["frontier", "hosted"], "assign": {"nightly": "hostd"},
    }  # fmt: skip
    for traffic in ({"log": {"kind": "replay"}}, 5, None):
        scenario["traffic"] = traffic
        if traffic is None:
            del scenario["traffic"]
        found = faults_of(write_scenario(tmp_path / "s.yaml", scenario))
        assert len(found) == 3, found
        for part in ("3 GPUs cannot share", "'hostd' is no pool of this option"):
            assert any(part in line for line in found), part


def test_a_fault_of_a_pool_does_not_hide_wrong_assignments(tmp_path: Path) -> None:
    scenario = deepcopy(SMALL)
    scenario["options"]["own"]["gpus_per_replica"] = 3
    scenario["options"]["both"] = {
        "kind": "pools", "pools": ["own", "hosted"], "assign": {"chatt": "hosted", "chat": "x"},
    }  # fmt: skip
    scenario["options"]["other"] = {"kind": "foo"}
    found = faults_of(write_scenario(tmp_path / "s.yaml", scenario))
    assert len(found) == 4, found
    for part in (
        "3 GPUs",
        "'chatt' is not a workload (did you mean 'chat'?)",
        "'x' is no pool of this option",
        "unknown kind 'foo'; expected api, gateway",
    ):
        assert any(part in line for line in found), part


def test_faults_of_settings_overrides_and_sweeps_are_collected(tmp_path: Path) -> None:
    path = write_scenario(
        tmp_path / "s.yaml",
        SMALL
        | {
            "overrides": {"a": {"slo.tftt_s": 1}, "b": {"options.own.accelerator": "l40x"}},
            "sweep": {"overrides": ["a", "c"]},
        },
    )
    assert len(faults_of(path, "sol.x=1", "nothing", "=3")) == 3
    result = breakeven("validate", str(path))
    assert result.returncode == 3
    messages = [line.split(": ", 2)[2] for line in result.stderr.splitlines()]
    assert messages == [
        "unknown key 'tftt_s' (did you mean 'ttft_s'?)",
        "unknown accelerator 'l40x' (did you mean 'l40'?)",
        "there is no override 'c'",
    ]


def test_faults_of_one_gateway_and_one_choice_are_collected(tmp_path: Path) -> None:
    scenario = deepcopy(SMALL)
    policy: dict[str, Any] = {"name": "litellm", "weights": {"hostd": 1}, "fallbacks": ["frontie"]}
    scenario["options"]["router"] = {
        "kind": "gateway", "policy": policy, "targets": ["hosted", "frontier", "frontir"],
    }  # fmt: skip
    scenario["options"]["own"]["choose"] = {"accelerator": ["h100", "v100"], "kv_precision": ["x"]}
    found = faults_of(write_scenario(tmp_path / "s.yaml", scenario))
    messages = [line.split(": ", 1)[1] for line in found]
    assert len(messages) == 5, messages
    for part in ("'frontir' is no api option", "'hostd' is not among the targets", "'v100'",
                 "'frontie' is not among the targets", "kv_precision must be"):  # fmt: skip
        assert sum(part in message for message in messages) == 1, part


def test_broken_yaml_is_a_single_fault(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    for text in (WRONG.replace("  chat:", "\tchat:"), WRONG + "name: again\n"):
        path.write_text(text)
        assert len(faults_of(path)) == 1


def test_an_error_of_several_faults_survives_a_process_boundary() -> None:
    faults = Faults()
    faults.add(InputError("b.yaml:10:1: one"))
    faults.add(InputError("b.yaml:9:1: two\nwith a break", "b.yaml:10:1: one"))
    with pytest.raises(InputError) as caught:
        faults.check()
    lines = ("b.yaml:9:1: two\\nwith a break", "b.yaml:10:1: one")
    assert caught.value.errors == lines
    assert pickle.loads(pickle.dumps(caught.value)).errors == lines


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        ("accelerator", "h100", "h100-sxm"),
        ("accelerator", "H100-SXM", "h100-sxm"),
        ("accelerator", "NVIDIA L40S", "l40s"),
        ("model", "meta-llama/Llama-3.3-70B-Instruct", "llama-3.3-70b"),
        ("engine", "vLLM", "vllm"),
    ],
)
def test_names_in_scenarios_are_those_of_bench(
    tmp_path: Path, key: str, text: str, expected: str
) -> None:
    path = write_scenario(tmp_path / "s.yaml")
    found = simulator.load_scenario(path, {f"options.own.{key}": text})
    assert getattr(found.scenario.options["own"], key) == expected
    same = simulator.load_scenario(path, {f"options.own.{key}": expected})
    labels = [loaded.study.options[2].own.label for loaded in (found, same)]  # type: ignore[union-attr]
    assert labels[0] == labels[1]
    chosen = simulator.load_scenario(path, {"options.own.choose": {key: [text]}})
    assert [part.name for part in chosen.study.options[2].parts] == [f"own: {expected}"]


@pytest.mark.parametrize(
    ("key", "text", "shown", "hidden"),
    [
        ("accelerator", "A100", ["a100-pcie-40", "a100-pcie-80", "a100-sxm-40", "a100-sxm-80"],
         "'a10'"),
        ("accelerator", "gaudi", ["gaudi2", "gaudi3"], "a10"),
        ("accelerator", "h100-pcei", ["'h100-pcie'"], "h100-sxm"),
        ("accelerator", "a101", ["unknown accelerator 'a101'"], "did you mean"),
        ("model", "llama-70b", ["llama-3.1-70b", "llama-3.3-70b"], "8b"),
        ("model", "llama-3.4-70b", ["of its family", "llama-3.3-70b"], "qwen"),
        ("model", "gpt-4o", ["gpt-oss-20b", "gpt-oss-120b"], "did you mean"),
    ],
)  # fmt: skip
def test_a_name_that_is_not_clear_is_refused_with_those_of_its_family(
    tmp_path: Path, key: str, text: str, shown: list[str], hidden: str
) -> None:
    path = write_scenario(tmp_path / "s.yaml")
    (fault,) = faults_of(path, f"options.own.{key}={text}")
    assert all(name in fault for name in shown), fault
    assert hidden not in fault
    names = {"model": "llama-3.3-70b", "accelerator": "h100-sxm"} | {key: text}
    with pytest.raises(InputError) as caught:
        simulator.predict_benchmark(**names)
    assert str(caught.value) == fault.removeprefix(f"--set options.own.{key}: ")


def test_options_that_are_all_mere_targets_are_one_fault(tmp_path: Path) -> None:
    option = {"kind": "api", "offer": "openai/gpt-6.1-terra", "compared": False}
    path = write_scenario(tmp_path / "s.yaml", {**SMALL, "options": {"target": option}})
    (fault,) = faults_of(path)
    assert fault.endswith("options: needs at least one option that is compared")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("prefix_share=0.5", "unknown key 'prefix_share' (its name is now 'stable_session_share')"),
        ("week={file: w.csv}", "unknown key 'file'"),
        ("months=[1, 2]", "months must have at least 12 items, not 2"),
        ("months=[1,1,1,1,1,1,1,1,1,1,1,1,1]", "months must have at most 12 items, not 13"),
        ("week=[0, -1]", "week[1] must be greater than or equal to 0, not -1"),
    ],
)
def test_faults_of_shapes_and_former_names(tmp_path: Path, setting: str, message: str) -> None:
    found = faults_of(write_scenario(tmp_path / "s.yaml"), f"traffic.chat.{setting}")
    assert message in [line.split(": ", 1)[1] for line in found]
