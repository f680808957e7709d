"""Cascades: every request is answered once, every stage is paid, the next meets what is wrong."""

import json
import math
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm
from typer.testing import CliRunner

from simulator.analysis.decide.verdict import OptionResult, simulate_as_written
from simulator.analysis.quality.difficulty import (
    expected_chain,
    joint_failure,
    success_given,
    task_grid,
)
from simulator.analysis.sampling import sample
from simulator.analysis.simulate.evaluate import Evaluation, Evaluator
from simulator.analysis.size.correctness import checked_success
from simulator.analysis.size.kinds.cascade import Cascade, evaluate_cascade
from simulator.analysis.size.kinds.contract import kind_of
from simulator.analysis.size.options import size_option
from simulator.analysis.study.options import Size
from simulator.analysis.study.study import Quality, Study
from simulator.errors import InputError
from simulator.report.documents.document import option_document
from simulator.scenario.building.study import load_study
from tests.support.scenarios import SMALL, write_scenario

OWN = SMALL["options"]["own"] | {
    "success_rate": 0.6,
    "replicas": 3,
    "step_time": {"fixed_s": 0.02, "prefill_token_s": 1e-5},
}
FIRST = SMALL["options"]["hosted"] | {"success_rate": 0.5}
LAST = SMALL["options"]["frontier"] | {"success_rate": 0.8}
CHECK: dict[str, Any] = {"catches": 0.9, "false_alarms": 0.05, "check_s": 1.5, "correlation": 0.7}
WHOLE = ("analysis.sample_requests=100000000",)
WINDOWS = ("analysis.sample_requests=3000",)


def scenario(stages: tuple[str, ...] = ("first", "last"), **check: Any) -> dict[str, Any]:
    made = deepcopy(SMALL)
    made["traffic"]["chat"]["requests_per_month"] = 600_000
    made["slo"] = {"ttft_s": 60.0, "attainment": 0.9}
    made["options"] = {
        "first": FIRST,
        "last": LAST,
        "own": OWN,
        "cascade": {"kind": "cascade", "stages": list(stages)},
    }
    made["quality"] = CHECK | check
    made["analysis"]["volumes"] = [0.5, 1]
    made["analysis"]["worlds"] = 8
    return made


def asked(tmp_path: Path, said: dict[str, Any], settings: tuple[str, ...] = WHOLE) -> Study:
    return load_study(write_scenario(tmp_path / "s.yaml", said), list(settings))


def option(study: Study, name: str) -> Any:
    return next(o for o in study.options if o.name == name)


def quality(study: Study) -> Quality:
    assert study.quality is not None
    return study.quality


def evaluated(study: Study, name: str = "cascade", volume: float = 1.0) -> Evaluation:
    """An option at the sizes that it has been given."""
    evaluator, found = Evaluator(study, volume), option(study, name)
    if isinstance(found, Cascade):
        return evaluate_cascade(evaluator, found, tuple(stage.given_size for stage in found.stages))
    return evaluator.evaluate(found, found.given_size)


def month(evaluation: Evaluation, name: str = "offered") -> float:
    return evaluation.outcome.requests[name] * evaluation.outcome.month_factor


def turned_away(rate: float, q: Quality) -> float:
    """Share of a model's answers that a check turns away, at any correlation."""
    return rate * q.false_alarms + (1 - rate) * q.catches


def assert_share(part: float, whole: float, expected: float) -> None:
    """A share of independent requests, within an interval that one of 100,000 misses."""
    half = norm.ppf(1 - 0.5e-5) * math.sqrt(expected * (1 - expected) / whole)
    assert part / whole == pytest.approx(expected, abs=half)


STAGES = pytest.mark.parametrize(
    "stages", [("first", "last"), ("own", "last"), ("first", "own"), ("own", "first", "last")]
)


@pytest.mark.slow
@STAGES
@pytest.mark.parametrize("settings", [WHOLE, WINDOWS], ids=["whole", "windows"])
def test_every_request_is_answered_once(
    stages: tuple[str, ...], settings: tuple[str, ...], tmp_path: Path
) -> None:
    study = asked(tmp_path, scenario(stages), settings)
    found = evaluated(study)
    assert [p.option.name for p in found.parts] == list(stages)
    alone = evaluated(study, stages[0])
    for each in (found, *found.parts):
        counts = dict(each.outcome.requests)
        assert counts.pop("offered") == sum(counts.values())
    offered = alone.outcome.requests["offered"]
    assert found.outcome.requests["offered"] == pytest.approx(offered, rel=0.01)
    assert month(found) == pytest.approx(month(alone), rel=1e-4)
    # Every stage does what is asked of it, whatever becomes of the answer.
    completed = found.parts[0].outcome.requests["completed"]
    assert completed == pytest.approx(alone.outcome.requests["completed"], rel=0.01)
    done = found.outcome.requests
    assert done["completed"] > 0.98 * done["offered"]
    assert found.outcome.e2e_s.size == pytest.approx(done["completed"], rel=0.01)


@pytest.mark.slow
@STAGES
@pytest.mark.parametrize("correlation", [0.0, 0.7, 1.0])
def test_each_stage_sees_what_is_turned_away_before(
    stages: tuple[str, ...], correlation: float, tmp_path: Path
) -> None:
    study = asked(tmp_path, scenario(stages, correlation=correlation))
    found, q = evaluated(study), quality(study)
    rates = [option(study, name).success_rate for name in stages]
    difficulty, weights = task_grid(rates, correlation)
    on = np.ones(len(difficulty))
    expected = []
    for rate in rates[:-1]:
        p = success_given(difficulty, rate, correlation)
        on = on * (p * q.false_alarms + (1 - p) * q.catches)
        expected.append(float(weights @ on))
    assert expected[0] == pytest.approx(turned_away(rates[0], q))
    completed = found.parts[0].outcome.requests["completed"]
    for part, share in zip(found.parts[1:], expected, strict=True):
        assert_share(part.outcome.requests["offered"], completed, share)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("traffic", "outcome"), [({"patience_s": 4.0}, "timed_out"), ({"deadline_hours": 2}, None)]
)
def test_impatient_and_deferred_requests_are_answered_once(
    traffic: dict[str, Any], outcome: str | None, tmp_path: Path
) -> None:
    said = scenario(("own", "last"))
    said["traffic"]["chat"] |= traffic
    study = asked(tmp_path, said)
    found, alone = evaluated(study), evaluated(study, "own")
    counts = dict(found.outcome.requests)
    assert counts["offered"] == alone.outcome.requests["offered"]
    assert counts["offered"] == sum(counts.values()) - counts["offered"]
    if outcome is not None:
        # Whoever has left before the first answer is not asked for again.
        assert counts[outcome] > alone.outcome.requests[outcome] > 0
        passed_on = found.parts[1].outcome.requests["offered"]
        assert_share(
            passed_on, alone.outcome.requests["completed"], turned_away(0.6, quality(study))
        )
    else:
        assert found.outcome.slo_met["deadline"] > 0.99


def test_a_perfect_check_asks_as_often_as_the_chain(tmp_path: Path) -> None:
    study = asked(tmp_path, scenario(("own", "first", "last"), catches=1.0, false_alarms=0.0))
    found = evaluated(study)
    calls = expected_chain([0.6, 0.5, 0.8], 0.7).calls
    completed = found.parts[0].outcome.requests["completed"]
    for part, share in zip(found.parts[1:], calls[1:], strict=True):
        assert_share(part.outcome.requests["offered"], completed, share)


def test_the_next_stage_is_asked_the_requests_that_were_turned_away(tmp_path: Path) -> None:
    """Row by row, by their dice: the same prompts, one check after they were answered."""
    study = asked(tmp_path, scenario(("own", "last")))
    found = evaluated(study)
    first, second = (list(part.simulate_again())[-1] for part in found.parts)
    rows = {int(random_bits): row for row, random_bits in enumerate(first.table.random_bits)}
    before = np.array([rows[int(random_bits)] for random_bits in second.table.random_bits])
    assert len(set(before)) == second.table.size > 1000
    assert first.completed[before].all()
    for column in ("input_tokens", "output_tokens", "workload", "difficulty", "patience_s"):
        np.testing.assert_array_equal(
            getattr(second.table, column), getattr(first.table, column)[before]
        )
    np.testing.assert_allclose(second.table.arrival_s, first.finished_s[before] + 1.5)
    depth = [
        table.tree.depth_tok[table.prefix_node[kept]]
        for table, kept in ((second.table, slice(None)), (first.table, before))
    ]
    np.testing.assert_array_equal(depth[0], depth[1])


@pytest.mark.slow
@STAGES
@pytest.mark.parametrize("settings", [WHOLE, WINDOWS], ids=["whole", "windows"])
def test_every_stage_is_paid_for(
    stages: tuple[str, ...], settings: tuple[str, ...], tmp_path: Path
) -> None:
    study = asked(tmp_path, scenario(stages), settings)
    found = evaluated(study)
    calls = [sum(p.calls_usd.values()) for p in found.parts]
    machines = [p.hardware_usd for p in found.parts]
    for part, bought, rented in zip(found.parts, calls, machines, strict=True):
        assert (bought > 0) == (part.option.kind == "api")
        assert (rented > 0) == (part.option.kind == "selfhost")
    usd = found.cost_usd(study)
    people = usd.get("engineers", 0.0) + usd.get("tooling", 0.0)
    assert (people > 0) == ("own" in stages)
    assert found.total_usd(study) == pytest.approx(sum(calls) + sum(machines) + people)
    assert usd.get("gpus", 0.0) == pytest.approx(sum(machines))
    if "own" in stages:
        rent = option(study, "own").gpu_usd_per_hour.mid
        assert usd["gpus"] == pytest.approx(3 * 2 * 730 * rent)
    # The first is paid as it is alone; the next for its share of a month.
    alone = evaluated(study, stages[0])
    assert calls[0] == pytest.approx(sum(alone.calls_usd.values()), rel=0.01)
    assert month(found.parts[1]) / month(found.parts[0], "completed") == pytest.approx(
        turned_away(option(study, stages[0]).success_rate, quality(study)), abs=0.03
    )


@pytest.mark.slow
@pytest.mark.parametrize("first", ["first", "own"])
@pytest.mark.parametrize("settings", [WHOLE, WINDOWS], ids=["whole", "windows"])
def test_a_check_that_turns_nothing_away_leaves_the_first_stage(
    first: str, settings: tuple[str, ...], tmp_path: Path
) -> None:
    blind = scenario((first, "last"), catches=0.0, false_alarms=0.0)
    study = asked(tmp_path, blind, settings)
    found, alone = evaluated(study), evaluated(study, first)
    assert found.parts[1].outcome.requests["offered"] == 0
    assert found.total_usd(study) == pytest.approx(alone.total_usd(study))
    assert found.outcome.requests == alone.outcome.requests
    assert found.outcome.tokens == alone.outcome.tokens
    assert kind_of(found.option).correctness(found, study.quality) == pytest.approx(
        kind_of(alone.option).correctness(alone, study.quality)
    )
    assert found.outcome.e2e_s.mean == pytest.approx(alone.outcome.e2e_s.mean + 1.5, rel=1e-6)
    # Nobody sees a token before it is checked.
    assert found.outcome.ttft_s.mean == pytest.approx(found.outcome.e2e_s.mean)


def test_sized_cascades_that_turn_nothing_away_cost_what_the_first_costs(tmp_path: Path) -> None:
    blind = scenario(("own", "last"), catches=0.0, false_alarms=0.0, check_s=0.0)
    blind["options"]["own"] = blind["options"]["own"] | {"replicas": "auto"}
    study = asked(tmp_path, blind, WINDOWS)
    sized = [size_option(Evaluator(study, 2.0), option(study, n)) for n in ("cascade", "own")]
    assert all(s.feasible for s in sized)
    usd = [s.evaluation.total_usd(study) for s in sized]
    assert usd[0] == pytest.approx(usd[1])


def test_who_is_passed_on_waits_for_both(tmp_path: Path) -> None:
    """In all, an answer takes the first's time, its check, and the next's."""
    study = asked(tmp_path, scenario(("own", "last"), catches=1.0, false_alarms=1.0))
    found = evaluated(study)
    first, last = found.parts
    done = last.outcome.requests["completed"]
    assert found.outcome.requests["completed"] == done
    assert found.outcome.e2e_s.size == done
    # Everything is turned away, so that means add up, but for what is on its way at the end.
    expected = first.outcome.e2e_s.mean + 1.5 + last.outcome.e2e_s.mean
    assert found.outcome.e2e_s.mean == pytest.approx(expected, rel=5e-3)
    fastest = [e.outcome.e2e_s.quantile(1e-9) for e in (found, first)]
    assert fastest[0] >= fastest[1] + 1.5
    ttft = first.outcome.e2e_s.mean + 1.5 + last.outcome.ttft_s.mean
    assert found.outcome.ttft_s.mean == pytest.approx(ttft, rel=5e-3)


@pytest.mark.slow
@pytest.mark.parametrize("check_s", [0.0, 20.0])
def test_a_check_takes_its_time_for_everyone(check_s: float, tmp_path: Path) -> None:
    study = asked(tmp_path, scenario(check_s=check_s))
    found = evaluated(study)
    alone = evaluated(study, "first")
    assert found.outcome.e2e_s.quantile(0.0) >= alone.outcome.e2e_s.quantile(0.0) + check_s * 0.98
    counts = found.outcome.requests
    assert counts["offered"] == alone.outcome.requests["offered"]
    # What is checked behind the end has no answer yet.
    assert (counts["in_flight"] > alone.outcome.requests["in_flight"]) or check_s == 0.0


def test_limits_hold_for_what_users_see(tmp_path: Path) -> None:
    """Each stage is fast; both, and a check, are not."""
    said = scenario(("first", "last"), check_s=8.0)
    said["slo"] = {"e2e_s": 12.0, "attainment": 0.9}
    study = asked(tmp_path, said)
    found = evaluated(study)
    assert all(p.outcome.attainment > 0.95 for p in found.parts)
    seen = found.outcome.attainment
    done = found.outcome.requests["completed"] / found.outcome.requests["offered"]
    assert seen < 0.8 * done
    sized = size_option(Evaluator(study, 1.0), option(study, "cascade"))
    assert sized.excuse is not None
    assert "E2E <= 12 s" in sized.excuse.reason


def right_by_draws(study: Study, found: Evaluation) -> float:
    """Share of first-stage requests that the stages answer rightly, from their dice."""
    from simulator.rng import uniforms

    q = quality(study)
    (part,) = found.parts[0].simulate_again()
    table = part.table.take(np.flatnonzero(part.completed))
    open_, right = np.ones(table.size, bool), np.zeros(table.size, bool)
    for place, stage in enumerate(p.option for p in found.parts):
        rate = option(study, stage.name).success_rate
        p = success_given(table.difficulty, rate, q.correlation)
        correct = uniforms(table.random_bits, f"success/{stage.name}") < p
        seen = uniforms(table.random_bits, f"check/{stage.name}")
        stays = ~np.where(correct, seen < q.false_alarms, seen < q.catches)
        stays |= place == len(found.parts) - 1
        right |= open_ & stays & correct
        open_ &= ~stays
    return float(right.mean())


@pytest.mark.slow
@STAGES
def test_right_answers_are_counted(stages: tuple[str, ...], tmp_path: Path) -> None:
    study = asked(tmp_path, scenario(stages))
    found = evaluated(study)
    rates = [option(study, name).success_rate for name in stages]
    share = checked_success(rates, quality(study))
    assert kind_of(found.option).correctness(found, study.quality) == pytest.approx(share)
    completed = found.outcome.requests["completed"]
    drawn = right_by_draws(study, found)
    assert_share(drawn * completed, completed, share)
    usd = found.total_usd(study)
    costs = found.cost_usd(study)
    result = OptionResult(option(study, "cascade"), found, None, (), costs, np.array([usd]))
    document = option_document(result, study)
    assert document["success_rate"] == pytest.approx(share)
    assert document["usd_per_correct"] == pytest.approx(usd / (month(found, "completed") * share))
    assert document["kind"] == ("api" if "own" not in stages else "hybrid")


def test_what_a_cascade_solves_is_what_not_all_fail_at(tmp_path: Path) -> None:
    study = asked(tmp_path, scenario(("first", "last"), catches=1.0, false_alarms=0.0))
    found = evaluated(study)
    share = kind_of(found.option).correctness(found, study.quality)
    assert share == pytest.approx(1 - joint_failure([0.5, 0.8], 0.7))


def documents(study: Study) -> dict[str, dict[str, Any]]:
    return {r.name: option_document(r, study) for r in simulate_as_written(study)}


@pytest.mark.slow
def test_simulate_is_what_the_parts_do(tmp_path: Path) -> None:
    study = asked(tmp_path, scenario(("own", "last")), WINDOWS)
    said = documents(study)["cascade"]
    found = evaluated(asked(tmp_path, scenario(("own", "last"))))
    assert said["requests"] == found.outcome.requests
    assert [(p["name"], p["replicas"]) for p in said["parts"]] == [("own", 3), ("last", 0)]
    assert said["replicas"]["mean"] == pytest.approx(3)


@pytest.mark.slow
def test_run_and_simulate_on_the_command_line(tmp_path: Path) -> None:
    """A small model of one's own, then an API."""
    from simulator.cli.app import app

    path = write_scenario(tmp_path / "s.yaml", scenario(("own", "last")))
    for command in (["run", "-j", "1"], ["simulate"]):
        settings = ["--set", "analysis.sample_requests=3000"]
        if command[0] == "run":
            settings += ["--set", "options.own.replicas=auto"]
        result = CliRunner().invoke(app, [*command, str(path), "-o", "json", *settings])
        assert result.exit_code == 0, result.output
        options = {o["name"]: o for o in json.loads(result.stdout)["options"]}
        cascade = options["cascade"]
        assert cascade["feasible"]
        assert [p["name"] for p in cascade["parts"]] == ["own", "last"]
        assert cascade["parts"][0]["replicas"] >= 1
        assert 0 < cascade["self_hosted_share"] < 1
        assert cascade["usd_per_correct"] > 0
        share = cascade["parts"][1]["requests"] / cascade["parts"][0]["requests"]
        assert share == pytest.approx(0.6 * 0.05 + 0.4 * 0.9, abs=0.05)


@pytest.mark.slow
@STAGES
def test_chunks_of_the_horizon_come_to_the_same(
    stages: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for most in (10**9, 2_000):
        monkeypatch.setattr(sample, "KEPT_REQUESTS", most)
        study = asked(tmp_path, scenario(stages))
        drawn = Evaluator(study, 1.0).sample_for(study.options[0])
        chunks = len(list(drawn.chunks(0)))
        assert (chunks > 2) == (most == 2_000)
        found.append(evaluated(study))
    for one, many in zip(*((f, *f.parts) for f in found), strict=True):
        assert one.outcome.requests == many.outcome.requests
        assert one.outcome.tokens == many.outcome.tokens
        assert one.outcome.slo_met == many.outcome.slo_met
        np.testing.assert_array_equal(one.outcome.e2e_s.counts, many.outcome.e2e_s.counts)
        np.testing.assert_array_equal(one.outcome.ttft_s.counts, many.outcome.ttft_s.counts)
        assert one.total_usd(study) == pytest.approx(many.total_usd(study))


@pytest.mark.slow
@pytest.mark.parametrize("first", [{"output_factor": 3.0}, {"retrieve": {"tokens": 1900}}])
def test_every_stage_asks_in_its_own_way(first: dict[str, Any], tmp_path: Path) -> None:
    """What one model's application does to prompts and answers is not done to the next one's."""
    said = scenario(("first", "last"), catches=1.0, false_alarms=1.0)
    plain = asked(tmp_path, said)
    said["options"]["first"] = FIRST | first
    changed = asked(tmp_path, said)
    tokens = []
    for study in (plain, changed):
        last = evaluated(study).parts[1].outcome
        tokens.append(sum(last.tokens.values()) / last.requests["completed"])
    assert tokens[1] == pytest.approx(tokens[0], rel=0.02)


SPLIT = {"split_prompts": {"above_tokens": 1000, "part_output_tokens": 50}}


@pytest.mark.parametrize("place", ["first", "last"])
def test_a_stage_that_splits_prompts_is_refused(place: str, tmp_path: Path) -> None:
    """Parts of a prompt are no answers that could be checked."""
    said = scenario(("first", "last"))
    said["options"][place] = said["options"][place] | SPLIT
    with pytest.raises(InputError, match="splits prompts"):
        asked(tmp_path, said)


@pytest.mark.slow
def test_a_hybrid_stage_whose_split_does_not_pay_answers_as_it_is_sized(tmp_path: Path) -> None:
    """All at home, in a queue where all spills cost: answers must be those that are paid for."""
    said = scenario(("both", "last"), check_s=0.0, catches=0.0, false_alarms=0.0)
    said["traffic"]["chat"]["requests_per_month"] = 2_000_000
    said["options"]["own"] = OWN | {"replicas": "auto", "max_sequences": 4, "success_rate": 0.5}
    said["options"]["first"] = FIRST | {"price_multiplier": 1000}
    said["options"]["both"] = {"kind": "hybrid", "base": "own", "overflow": "first"}
    study = asked(tmp_path, said, WINDOWS)
    alone = size_option(Evaluator(study, 1.0), option(study, "both")).evaluation
    assert [p.option.name for p in alone.parts] == ["own"], "no split pays"
    found = size_option(Evaluator(study, 1.0), option(study, "cascade")).evaluation
    assert found.total_usd(study) == pytest.approx(alone.total_usd(study))
    assert found.outcome.self_hosted_share == pytest.approx(1.0)
    np.testing.assert_array_equal(found.outcome.e2e_s.counts, alone.outcome.e2e_s.counts)


@pytest.mark.slow
def test_replicas_are_added_where_stages_are_too_slow_together(tmp_path: Path) -> None:
    said = scenario(("own", "late"), check_s=0.0)
    said["options"]["own"] = OWN | {"replicas": "auto", "max_sequences": 4}
    said["options"]["late"] = OWN | {"replicas": "auto", "max_sequences": 4, "success_rate": 0.9}
    said["slo"] = {"e2e_s": 10.0, "attainment": 0.87}
    study = asked(tmp_path, said, WINDOWS)
    evaluator = Evaluator(study, 6.0)
    found = size_option(evaluator, option(study, "cascade"))
    assert found.feasible
    cascade = option(study, "cascade")
    replicas = [p.size.replicas for p in found.evaluation.parts]
    fewer = tuple(Size(max(1, n - 1)) for n in replicas)
    less = evaluate_cascade(evaluator, cascade, fewer)
    assert less.outcome.attainment < 0.87, "no more is paid than is needed"
    alone = size_option(Evaluator(study, 6.0), option(study, "own")).evaluation.size.replicas
    assert replicas[0] > alone, "one model alone needs fewer"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stages": ["own"]}, "at least 2"),
        (
            {"stages": ["own", "lats"]},
            "'lats' is no api, selfhost or hybrid (did you mean 'last'",
        ),
        ({"stages": ["own", "cascade"]}, "'cascade' is no api, selfhost or hybrid"),
        ({"stages": ["own", "plain"]}, "'plain' has no success_rate to check answers by"),
    ],
)
def test_what_cannot_be_a_stage_is_refused(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    said = scenario()
    said["options"]["plain"] = SMALL["options"]["hosted"]
    said["options"]["cascade"] |= change
    with pytest.raises(InputError, match=r"s\.yaml:\d+:\d+: ") as caught:
        asked(tmp_path, said)
    assert message in str(caught.value)
    assert caught.value.exit_code == 3


def test_simulate_wants_sizes_of_stages(tmp_path: Path) -> None:
    said = scenario(("own", "last"))
    said["options"]["own"] = said["options"]["own"] | {"replicas": "auto"}
    with pytest.raises(InputError, match=r"options\.own\.replicas: simulate does not search"):
        simulate_as_written(asked(tmp_path, said))
