"""SLO capacity: closed forms, the stopping rule, the memory on disk; from figure to figure."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator.analysis.commands import result_cache as remembered
from simulator.analysis.commands.capacity import slo_capacity
from simulator.analysis.commands.explain import explain_options
from simulator.analysis.simulate.evaluate import Evaluator
from simulator.analysis.size.judging import meets
from simulator.analysis.study.options import SelfHostOption, Size
from simulator.analysis.study.study import Study
from simulator.errors import InputError
from simulator.scenario.building.study import load_study
from tests.support.command import breakeven
from tests.support.scenarios import SMALL, write_scenario
from tests.support.tiny import invoke

pytestmark = pytest.mark.slow

# A server without batching: one token per request after a fixed service time, so M/D/1.
SERVICE_S = 1.0
QUEUE = [
    "traffic.chat.week=flat",
    "traffic.chat.turns=1",
    "traffic.chat.requests_per_month=1000000",
    "traffic.chat.system_prompt_tokens=1",
    "traffic.chat.message_tokens=10",
    "traffic.chat.output_tokens=1",
    "options.own.prefix_cache=false",
    "options.own.max_sequences=1",
    "options.own.max_batched_tokens=64",
    "options.own.max_model_tokens=64",
    f"options.own.step_time={{fixed_s: {SERVICE_S}}}",
    "horizon_hours=168",
]


def study_with(path: Path, *settings: str) -> Study:
    return load_study(write_scenario(path / "small.yaml", SMALL), list(settings))


def own(study: Study) -> SelfHostOption:
    return next(o for o in study.options if isinstance(o, SelfHostOption))


def test_capacity_of_a_queue_is_that_of_theory(tmp_path: Path) -> None:
    # P(wait = 0) of M/D/1 is 1 - rho: half of all are served at once up to half the load.
    study = study_with(tmp_path, *QUEUE, f"slo={{ttft_s: {1.0001 * SERVICE_S}, attainment: 0.5}}")
    found = slo_capacity(study, own(study), 1, precision=0.02)
    load = found.requests_per_month / (730 * 3600) * SERVICE_S
    assert load == pytest.approx(0.5, rel=0.05)
    assert found.high / found.low < 1.021
    assert found.binding == "ttft_s"


def test_what_capacity_says_holds_and_a_little_more_does_not(tmp_path: Path) -> None:
    study = study_with(tmp_path, "analysis.sample_requests=3000")
    found = slo_capacity(study, own(study), 1, precision=0.05)
    holds = [
        np.mean(
            [
                meets(Evaluator(replace(study, seed=s), v).evaluate(own(study), Size(1)), study.slo)
                for s in (101, 102, 103, 104)
            ]
        )
        for v in (0.9 * found.low, 1.1 * found.high)
    ]
    assert holds[0] > 0.7
    assert holds[1] < 0.3


def test_pooled_replicas_carry_more_than_their_number(tmp_path: Path) -> None:
    study = study_with(tmp_path, *QUEUE, "slo={ttft_s: 3, attainment: 0.9}")
    one, four = (slo_capacity(study, own(study), n, precision=0.05) for n in (1, 4))
    assert four.requests_per_month > 4.2 * one.requests_per_month


def test_nothing_holds_where_no_request_is_fast_enough(tmp_path: Path) -> None:
    study = study_with(tmp_path, "slo={tpot_s: 0.0001, attainment: 0.95}")
    found = slo_capacity(study, own(study), 1)
    assert found.low == 0
    assert found.requests_per_month == 0


def test_a_percentile_alone_may_be_the_target(tmp_path: Path) -> None:
    jointly = study_with(tmp_path, *QUEUE, "slo={ttft_s: 3, attainment: 0.9}")
    single = study_with(tmp_path, *QUEUE, "slo={ttft_s: 3, percentiles: {ttft_s: p90}}")
    found = [slo_capacity(s, own(s), 1, precision=0.05).low for s in (jointly, single)]
    assert found[0] == found[1]
    stricter = study_with(tmp_path, *QUEUE, "slo={ttft_s: 3, percentiles: {ttft_s: p99}}")
    assert slo_capacity(stricter, own(stricter), 1, precision=0.05).low < found[0]


def test_capacity_is_remembered_by_all_that_it_depends_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = study_with(tmp_path, "analysis.sample_requests=2000")
    found = remembered.cached_capacity(study, own(study), 1, 0.2, tmp_path)
    monkeypatch.setattr(remembered, "slo_capacity", lambda *a: pytest.fail("found before"))
    assert remembered.cached_capacity(study, own(study), 1, 0.2, tmp_path) == found
    dearer = study_with(
        tmp_path, "analysis.sample_requests=2000", "options.own.rent_usd_per_gpu_hour=9"
    )
    assert remembered.cached_capacity(dearer, own(dearer), 1, 0.2, tmp_path) == found
    monkeypatch.setattr(remembered, "slo_capacity", lambda *a: replace(found, low=7.0))
    others = ["slo.ttft_s=3", "traffic.chat.turns.mean=4", "options.own.max_sequences=64", "seed=9"]
    for change in others:
        other = study_with(tmp_path, "analysis.sample_requests=2000", change)
        assert remembered.cached_capacity(other, own(other), 1, 0.2, tmp_path).low == 7.0
    (broken,) = [p for p in (tmp_path / "capacity").iterdir() if '"low": 7.0' not in p.read_text()]
    broken.write_text(broken.read_text()[:40])
    assert remembered.cached_capacity(study, own(study), 1, 0.2, tmp_path).low == 7.0


def test_the_command_prints_one_document(tmp_path: Path) -> None:
    file = write_scenario(tmp_path / "small.yaml", SMALL)
    arguments = ("capacity", str(file), "-n", "1", "--precision", "0.3", "--no-cache", "-o", "json")
    result = breakeven(*arguments, "--set", "analysis.sample_requests=2000")
    assert result.returncode == 0, result.stderr
    (row,) = json.loads(result.stdout)["capacities"]
    assert row["volume_interval"][0] < row["volume_interval"][1]
    unknown = breakeven("capacity", str(file), "--option", "hostde")
    assert unknown.returncode == 3


def test_without_a_cache_another_folder_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = []

    def cached_capacity(*arguments: Any) -> None:
        folders.append(arguments[-1])
        raise InputError("stop")

    monkeypatch.setattr(remembered, "cached_capacity", cached_capacity)
    file = write_scenario(tmp_path / "small.yaml", SMALL)
    for flags in ([], ["--no-cache"], ["--anew"]):
        invoke("capacity", file, *flags, code=3)
    cached, *others = folders
    assert cached == remembered.cache_dir()
    assert len(others) == 2
    assert cached not in others


def test_rungs_lead_from_the_bound_to_the_bill(tmp_path: Path) -> None:
    study = study_with(tmp_path, "analysis.sample_requests=3000", "options.own.spare_replicas=1")
    evaluator = Evaluator(study, 1.0)
    found = {e.option: [r.usd_per_mtok for r in e.rungs] for e in explain_options(evaluator)}
    steps = found["own"]
    assert steps[1:] == sorted(steps[1:])  # nothing that a calculator leaves out makes it cheaper
    assert steps[3] == pytest.approx(steps[2] * 3 / 2) or steps[3] > steps[2]
    names = {o.name: o for o in study.options}
    for name in ("frontier", "hosted"):
        evaluation = evaluator.evaluate(names[name], Size())  # type: ignore[arg-type]
        per_mtok = evaluation.total_usd(study) / evaluation.outcome.tokens_per_month * 1e6
        assert found[name][-1] == pytest.approx(per_mtok)
        assert found[name][2] < found[name][0]  # the cache saves
