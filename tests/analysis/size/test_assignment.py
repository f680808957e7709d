"""Pools: which workload goes where, against every assignment there is."""

import json
from copy import deepcopy
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from simulator.analysis.decide.verdict import OptionResult, simulate_as_written
from simulator.analysis.sampling import sample
from simulator.analysis.simulate.evaluate import Evaluation, Evaluator
from simulator.analysis.size.judging import Sized
from simulator.analysis.size.kinds.pools import Pools, select_workloads
from simulator.analysis.size.options import size_option
from simulator.analysis.study.effort import whole_horizon
from simulator.analysis.study.options import ApiOption, Size
from simulator.analysis.study.study import Study
from simulator.errors import InputError
from simulator.report.documents.document import option_document
from simulator.scenario.building.study import load_study
from simulator.units import MONTH_S
from tests.support.scenarios import SMALL, write_scenario

pytestmark = pytest.mark.slow

CHAT = SMALL["traffic"]["chat"]
TRAFFIC: dict[str, Any] = {
    "chat": CHAT | {"requests_per_month": 600_000},
    "classify": CHAT
    | {
        "requests_per_month": 1_200_000,
        "turns": 1,
        "system_prompt_tokens": 400,
        "output_tokens": 60,
        "max_output_tokens": 80,
        "max_prompt_tokens": 1400,
    },
    "write": CHAT
    | {
        "requests_per_month": 150_000,
        "turns": 1,
        "system_prompt_tokens": 200,
        "output_tokens": {"median": 1200, "sigma": 0.5, "most": 3000},
        "max_output_tokens": 3000,
    },
}
OWN = SMALL["options"]["own"] | {
    "max_sequences": 2,
    "step_time": {"fixed_s": 0.03, "prefill_token_s": 1e-5},
}
SMALLER = {
    "kind": "selfhost",
    "model": "llama-3.1-8b",
    "accelerator": "l40s",
    "gpus_per_replica": 1,
    "weight_precision": "fp8",
    "max_model_tokens": 1500,
    "max_sequences": 2,
    "step_time": {"fixed_s": 0.015, "prefill_token_s": 1e-5},
}
"""Too small for the system prompt of chats."""


def scenario(**pools: Any) -> dict[str, Any]:
    made = deepcopy(SMALL)
    made["traffic"] = deepcopy(TRAFFIC)
    made["horizon_hours"] = 24
    made["slo"] = {"ttft_s": 10.0, "tpot_s": 0.06, "attainment": 0.95}
    made["options"] = {
        "hosted": SMALL["options"]["hosted"],
        "large": OWN,
        "small": SMALLER,
        "pools": {"kind": "pools", "pools": ["large", "small", "hosted"]} | deepcopy(pools),
    }
    made["analysis"] = {
        "worlds": 8,
        "volumes": [0.5, 1],
        "sample_requests": 3000,
        "max_replicas": 16,
    }
    return made


def asked(tmp_path: Path, said: dict[str, Any], settings: tuple[str, ...] = ()) -> Study:
    return load_study(write_scenario(tmp_path / "s.yaml", said), list(settings))


def pools_of(study: Study, name: str = "pools") -> Pools:
    found = next(o for o in study.options if o.name == name)
    assert isinstance(found, Pools)
    return found


def everywhere(evaluator: Evaluator, option: Pools) -> dict[tuple[int, ...], Sized]:
    """Every assignment, sized."""
    workloads = len(evaluator.study.traffic.workload_names)
    return {
        at: size_option(evaluator, replace(option, assigned=at))
        for at in product(range(len(option.pools)), repeat=workloads)
    }


def places(evaluation: Evaluation, study: Study) -> dict[str, str]:
    """Pool by workload."""
    return {w: part.option.name for part in evaluation.parts for w in part.workloads}


def costs(
    api_factor: float, large_usd: float, small_usd: float, people: bool = True
) -> tuple[str, ...]:
    paid = () if people else ("people.engineer_usd_per_year=0", "people.tooling_usd_per_month=0")
    return (
        f"options.hosted.price_multiplier={api_factor}",
        f"options.large.rent_usd_per_gpu_hour={large_usd}",
        f"options.small.rent_usd_per_gpu_hour={small_usd}",
        *paid,
    )


SETTINGS: dict[str, tuple[float, tuple[str, ...]]] = {
    "people for the whole": (1.0, costs(1, 2.5, 0.3)),
    "nobody is paid": (1.0, costs(1, 2.5, 0.3, people=False)),
    "small pool and API share": (1.0, costs(1, 2.5, 1.5, people=False)),
    "dear API": (1.0, costs(10, 2.5, 0.3)),
    "dear API, dear small pool": (1.0, costs(10, 0.5, 1.5)),
    "two share a small replica": (0.5, costs(1, 2.5, 0.3, people=False)),
    "two leave the large pool together": (0.5, costs(10, 0.5, 1.5, people=False)),
    "no first token in time at the API": (1.0, (*costs(1, 2.5, 0.3), "slo.ttft_s=0.5")),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_no_assignment_is_cheaper(name: str, tmp_path: Path) -> None:
    volume, settings = SETTINGS[name]
    study = asked(tmp_path, scenario(), settings)
    evaluator, option = Evaluator(study, volume), pools_of(study)
    found = size_option(evaluator, option)
    usd = found.evaluation.total_usd(study)
    every = everywhere(evaluator, option)
    feasible = {at: s.evaluation.total_usd(study) for at, s in every.items() if s.feasible}
    assert found.feasible == bool(feasible)
    pure = [size_option(Evaluator(study, volume), pool) for pool in option.pools]
    for place, alone in enumerate(pure):
        if alone.feasible:
            assert usd <= alone.evaluation.total_usd(study) * (1 + 1e-9)
            # All in one pool is that pool.
            assert feasible[(place,) * 3] == pytest.approx(alone.evaluation.total_usd(study))
    least = min(feasible, key=lambda at: feasible[at])
    assert usd <= 1.01 * feasible[least], f"cheaper: {least}"


def test_settings_lead_to_different_assignments(tmp_path: Path) -> None:
    """Else nothing above would be tried."""
    found = set()
    for name in ("nobody is paid", "people for the whole", "dear API", "dear API, dear small pool"):
        volume, settings = SETTINGS[name]
        study = asked(tmp_path, scenario(), settings)
        sized = size_option(Evaluator(study, volume), pools_of(study))
        found.add(tuple(places(sized.evaluation, study)[w] for w in TRAFFIC))
    assert len(found) >= 3
    assert any(len(set(at)) > 1 for at in found)


FIXED = {"chat": "large", "classify": "small", "write": "hosted"}


def test_parts_add_up(tmp_path: Path) -> None:
    study = asked(tmp_path, scenario(assign=FIXED))
    evaluator = Evaluator(study, 1.0)
    whole = size_option(evaluator, pools_of(study)).evaluation
    parts = whole.parts
    assert [(p.option.name, p.workloads) for p in parts] == [
        ("large", ("chat",)),
        ("small", ("classify",)),
        ("hosted", ("write",)),
    ]

    def month(evaluation: Evaluation, counts: dict[str, int]) -> np.ndarray:
        return np.array(list(counts.values())) * evaluation.outcome.month_factor

    for counts in ("requests", "tokens"):
        together = month(whole, getattr(whole.outcome, counts))
        summed = sum(month(p, getattr(p.outcome, counts)) for p in parts)
        np.testing.assert_allclose(together, summed, atol=whole.outcome.month_factor)
    assert whole.outcome.sampling.windows > 1
    volume = study.traffic.requests_per_s * MONTH_S
    per_month = whole.outcome.requests["offered"] * whole.outcome.month_factor
    assert per_month == pytest.approx(volume, rel=1e-4)
    everyone = whole.outcome.requests
    assert everyone["offered"] == pytest.approx(sum(everyone.values()) - everyone["offered"], abs=2)
    # Machines and calls of each, people once.
    costs = [p.cost_usd(study) for p in parts]
    usd = whole.cost_usd(study)
    assert usd["gpus"] == pytest.approx(costs[0]["gpus"] + costs[1]["gpus"])
    assert whole.calls_usd == pytest.approx(parts[2].calls_usd)
    for paid_once in ("engineers", "tooling"):
        assert usd[paid_once] == costs[0][paid_once] == costs[1][paid_once] > 0
        assert paid_once not in costs[2]
    assert whole.total_usd(study) == pytest.approx(sum(usd.values()))
    assert whole.size.replicas == sum(p.size.replicas for p in parts)
    assert [n for _, n in whole.owned] == [parts[0].size.replicas, parts[1].size.replicas]
    # What is served at home, and whose latencies are whose.
    tokens = [p.outcome.tokens_per_month for p in parts]
    home = (tokens[0] + tokens[1]) / sum(tokens)
    assert whole.outcome.self_hosted_share == pytest.approx(home, rel=1e-6)
    assert whole.outcome.ttft_s.size == sum(p.outcome.ttft_s.size for p in parts)


def test_attainment_is_the_mean_over_requests(tmp_path: Path) -> None:
    study = asked(tmp_path, scenario(assign=FIXED), ("slo.ttft_s=0.9", "slo.attainment=0.3"))
    whole = size_option(Evaluator(study, 1.0), pools_of(study)).evaluation
    for name in ("ttft_s", "tpot_s", "attainment"):
        shares = [p.outcome.slo_met[name] for p in whole.parts]
        month = [p.outcome.requests["offered"] * p.outcome.month_factor for p in whole.parts]
        assert whole.outcome.slo_met[name] == pytest.approx(np.average(shares, weights=month))
    assert len({round(p.outcome.attainment, 3) for p in whole.parts}) > 1


def test_each_pool_sees_its_workloads_as_they_are(tmp_path: Path) -> None:
    """Sessions whole, at their times, nobody else's."""
    study = asked(tmp_path, scenario())
    table = study.traffic.draw(3, 1.0)
    seen = 0
    for workloads in ({0}, {1, 2}):
        part = select_workloads(table, frozenset(workloads))
        part.check()
        rows = np.isin(table.workload, list(workloads))
        for column in ("arrival_s", "gap_s", "random_bits", "input_tokens", "turn", "workload"):
            np.testing.assert_array_equal(getattr(part, column), getattr(table, column)[rows])
        seen += part.size
    assert seen == table.size


@pytest.mark.parametrize(
    ("workload", "pool"), [("chat", "large"), ("chat", "small"), ("write", "hosted")]
)
def test_what_is_assigned_stays_there(workload: str, pool: str, tmp_path: Path) -> None:
    study = asked(tmp_path, scenario(assign={workload: pool}))
    evaluator, option = Evaluator(study, 1.0), pools_of(study)
    found = size_option(evaluator, option)
    assert places(found.evaluation, study)[workload] == pool
    assert set(places(found.evaluation, study)) == set(TRAFFIC)
    row, column = list(TRAFFIC).index(workload), ["large", "small", "hosted"].index(pool)
    usd = [
        s.evaluation.total_usd(study)
        for at, s in everywhere(evaluator, option).items()
        if s.feasible and at[row] == column
    ]
    assert found.feasible == bool(usd)
    if usd:
        assert found.evaluation.total_usd(study) <= 1.01 * min(usd)


def test_a_pool_that_cannot_serve_is_the_excuse(tmp_path: Path) -> None:
    study = asked(tmp_path, scenario(assign=FIXED), ("slo.tpot_s=1e-4",))
    found = size_option(Evaluator(study, 1.0), pools_of(study))
    assert found.excuse is not None
    assert found.excuse.option == "pools"
    assert "TPOT <= 0.0001 s" in found.excuse.reason


def given(**pools: Any) -> dict[str, Any]:
    """Everything at fixed sizes."""
    made = scenario(assign=FIXED, **pools)
    made["options"]["large"] = OWN | {"replicas": 2}
    made["options"]["small"] = SMALLER | {"replicas": 1}
    return made


def test_simulate_takes_sizes_and_assignment_as_they_are(tmp_path: Path) -> None:
    study = whole_horizon(asked(tmp_path, given()))
    results = {r.name: r for r in simulate_as_written(study)}
    pools = results["pools"]
    assert [(p.option.name, p.size.replicas) for p in pools.evaluation.parts] == [
        ("large", 2),
        ("small", 1),
        ("hosted", 0),
    ]
    offered = {name: r.evaluation.outcome.requests["offered"] for name, r in results.items()}
    assert pools.cost_usd["gpus"] == pytest.approx(
        sum(results[name].cost_usd["gpus"] for name in ("large", "small"))
    )
    # Turns behind slower answers may come too late to be offered, and pools are scaled to the mean
    # volumes of their workloads.
    assert offered["pools"] == pytest.approx(offered["hosted"], rel=0.02)
    document = option_document(pools, study)
    assert [p["requests"] for p in document["parts"]] == [
        p.outcome.requests["offered"] for p in pools.evaluation.parts
    ]
    assert document["kind"] == "hybrid"


def test_chunks_come_to_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = asked(tmp_path, given())
    found = []
    for most in (10**9, 2_000):
        monkeypatch.setattr(sample, "KEPT_REQUESTS", most)
        found.append(next(r for r in simulate_as_written(study) if r.name == "pools"))
    one, many = (r.evaluation.outcome for r in found)
    assert one.requests == many.requests
    assert one.tokens == many.tokens
    assert one.slo_met == many.slo_met
    np.testing.assert_allclose(one.e2e_s.counts, many.e2e_s.counts)
    assert found[0].total_usd == pytest.approx(found[1].total_usd)


def test_simulate_wants_every_workload_assigned(tmp_path: Path) -> None:
    made = given()
    del made["options"]["pools"]["assign"]["write"]
    with pytest.raises(InputError, match=r"options\.pools\.assign") as caught:
        simulate_as_written(asked(tmp_path, made))
    assert "=2" not in str(caught.value), "an assignment is no number"


@pytest.mark.parametrize(
    ("pools", "message"),
    [
        (
            {"pools": ["large", "smal"]},
            "'smal' is no api, selfhost or hybrid (did you mean 'small'",
        ),
        ({"pools": ["large", "pools"]}, "'pools' is no api, selfhost or hybrid"),
        ({"pools": ["large"]}, "at least 2"),
        ({"assign": {"chatt": "large"}}, "'chatt' is not a workload (did you mean 'chat'?)"),
        (
            {"assign": {"chat": "hostde"}},
            "'hostde' is no pool of this option (did you mean 'hosted'?)",
        ),
    ],
)
def test_unknown_names_have_places(pools: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"s\.yaml:\d+:\d+: ") as caught:
        asked(tmp_path, scenario(**pools))
    assert message in str(caught.value)
    assert caught.value.exit_code == 3


def test_people_are_paid_by_the_first_pool_of_one_s_own_only(tmp_path: Path) -> None:
    """A pure API assignment has no owning costs; one owned pool has them all."""
    study = asked(tmp_path, scenario())
    every = everywhere(Evaluator(study, 1.0), pools_of(study))
    for at, sized in every.items():
        assert ("engineers" in sized.evaluation.cost_usd(study)) == (at != (2, 2, 2))


def asking_again(study_of: Path) -> Study:
    """Everything at the API, which is asked until it is right."""
    made = given()
    made["quality"] = {"attempts": 3, "catches": 1.0}
    made["options"]["pools"]["assign"] = dict.fromkeys(TRAFFIC, "hosted")
    for name in ("large", "small", "hosted"):
        made["options"][name] = made["options"][name] | {"success_rate": 0.6}
    return asked(study_of, made)


def document_of(study: Study, evaluation: Evaluation) -> dict[str, Any]:
    costs = evaluation.cost_usd(study)
    usd = np.array([evaluation.total_usd(study)])
    result = OptionResult(evaluation.option, evaluation, None, (), costs, usd)
    return option_document(result, study)


def test_a_right_answer_costs_the_same_alone_and_in_pools(tmp_path: Path) -> None:
    """Answers are counted, not the calls that they take: all in one pool is that pool."""
    study = asking_again(tmp_path)
    hosted = next(o for o in study.options if o.name == "hosted")
    evaluator = Evaluator(study, 1.0)
    alone, pooled = (
        document_of(study, size_option(evaluator, o).evaluation) for o in (hosted, pools_of(study))
    )
    assert pooled["cost_usd_per_month"] == pytest.approx(alone["cost_usd_per_month"])
    assert pooled["success_rate"] == pytest.approx(alone["success_rate"])
    assert alone["calls_per_request"] > 1.1
    assert pooled["calls_per_request"] == pytest.approx(alone["calls_per_request"])
    assert pooled["usd_per_correct"] == pytest.approx(alone["usd_per_correct"])


def test_simulate_counts_answers_and_not_calls(tmp_path: Path) -> None:
    study = asking_again(tmp_path)
    whole = replace(study, effort=replace(study.effort, sample_requests=10**9))
    hosted = next(o for o in study.options if isinstance(o, ApiOption))
    found = document_of(study, Evaluator(whole, 1.0).evaluate(hosted, Size()))
    (simulated,) = (r for r in simulate_as_written(whole) if r.name == "hosted")
    said = option_document(simulated, study)
    assert said["requests"] == found["requests"]
    assert found["calls_per_request"] > 1.1
    assert said["calls_per_request"] == pytest.approx(found["calls_per_request"])
    assert said["usd_per_correct"] == pytest.approx(found["usd_per_correct"])


def test_the_command_line_shows_who_serves_what(tmp_path: Path) -> None:
    from simulator.cli.app import app

    path = write_scenario(tmp_path / "s.yaml", given())
    for command in (["run", "-j", "1"], ["simulate"]):
        result = CliRunner().invoke(app, [*command, str(path), "-o", "json"])
        assert result.exit_code == 0, result.output
        options = {o["name"]: o for o in json.loads(result.stdout)["options"]}
        parts = options["pools"]["parts"]
        assert {w: p["name"] for p in parts for w in p["workloads"]} == FIXED
    assert {o.name for o in pools_of(load_study(path)).parts} == set(FIXED.values())
