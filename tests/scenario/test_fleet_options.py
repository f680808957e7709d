"""Rules of own fleets in scenarios: what is written is what the engine is told, or one clear line.

Reference: the text of the fields in ``scenario/schema/fleet.py`` and ``engine/spec/policies.py``.
"""

import re
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator.analysis.study.options import HybridOption, SelfHostOption
from simulator.analysis.study.study import Study
from simulator.economics.interval import Interval
from simulator.engine.ledger import Ledger
from simulator.engine.records.layout import OWN, REJECTED
from simulator.engine.run import serve_table
from simulator.engine.spec.plan import Fleet, Plan
from simulator.engine.spec.policies import Autoscaler, Interruption
from simulator.errors import InputError
from simulator.scenario.building.study import load_study
from tests.support.scenarios import SMALL, write_scenario

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
START_S = datetime(2026, 11, 23, tzinfo=UTC).timestamp()
QUIET = {"requests_per_month": 100_000}
LINEAR = {"fixed_s": 0.02, "sequence_s": 0.001, "context_token_s": 1e-7, "prefill_token_s": 1e-4}


def scenario(traffic: dict[str, Any] | None = None, **own: Any) -> dict[str, Any]:
    said = deepcopy(SMALL)
    said["options"]["own"] |= own
    said["traffic"]["chat"] |= traffic or QUIET
    return said


def study(tmp_path: Path, said: dict[str, Any], *settings: str) -> Study:
    return load_study(write_scenario(tmp_path / "s.yaml", said), list(settings))


def option(asked: Study) -> SelfHostOption:
    found = next(o for o in asked.options if o.name == "own")
    assert isinstance(found, SelfHostOption)
    return found


def built(tmp_path: Path, *settings: str, **own: Any) -> Fleet:
    return option(study(tmp_path, scenario(**own), *settings)).fleet


def served(asked: Study, replicas: int, seed: int = 1) -> Ledger:
    """What the study's own fleet does with all of its traffic."""
    fleet = replace(option(asked).fleet, replicas=replicas)
    workloads = len(asked.traffic.workload_names)
    plan = Plan((OWN,) * workloads, (fleet,), priorities=asked.priorities, seed=seed)
    table = asked.traffic.draw(asked.seed, 1.0)
    return serve_table(plan, table, asked.traffic.horizon_s, asked.epoch_s)


def test_silence_means_what_it_meant(tmp_path: Path) -> None:
    fleet = built(tmp_path)
    assert fleet.autoscaler is fleet.rollout is fleet.max_waiting is None
    assert fleet.interruptions == ()
    assert (fleet.order, fleet.affinity, fleet.affinity_slack) == ("first-come", "session", 8)
    assert fleet.chunked_prefill
    assert (fleet.deferred_in_flight, fleet.deferred_lead_s) == (128, 3600)
    assert built(tmp_path, max_sequences=1).deferred_in_flight == 1


def test_limits_are_those_of_the_engine_on_the_card(tmp_path: Path) -> None:
    """The same for scenarios and `bench`; a number that is given stands."""
    large = built(tmp_path)
    assert (large.max_sequences, large.max_batched_tok) == (1024, 8192)
    small = built(tmp_path, accelerator="a100-sxm-80")
    assert (small.max_sequences, small.max_batched_tok) == (256, 2048)
    assert built(tmp_path, max_batched_tokens=100).max_sequences == 100
    for fleet in (large, small):
        assert fleet.schedules_ahead
        assert fleet.max_model_tok == 32768


def test_what_an_engine_is_started_with_is_told_to_it(tmp_path: Path) -> None:
    plain = built(tmp_path)
    eager = built(tmp_path, enforce_eager=True).step_time
    assert eager.token_s[1] >= plain.step_time.token_s[1]
    assert (eager.token_s == eager.mixed_s).all()
    assert built(tmp_path, weights_gb=90).kv.blocks < plain.kv.blocks
    # 70B in 16 bits on one card does not fit, unless the engine says that it does.
    told = built(tmp_path, gpus_per_replica=1, weight_precision="bf16", kv_tokens=22_096)
    assert told.kv.blocks * told.kv.block_tok == 22_096


def test_autoscale_by_every_metric(tmp_path: Path) -> None:
    common = {"max_replicas": 6, "interval_s": 10, "scale_up_delay_s": 30}
    for metric, target in (("in-flight", 20), ("queue", 2.5), ("kv", 0.8)):
        said = {"metric": metric, "target": target, **common}
        rule = built(tmp_path, autoscale=said).autoscaler
        assert rule == Autoscaler(target, 6, 10, 300, metric, 30, ())  # type: ignore[arg-type]
    rule = built(tmp_path, autoscale={"target": 8, "max_replicas": 2}).autoscaler
    assert rule == Autoscaler(8, 2, 15, 300)


def test_hours_of_a_day_hold_for_every_day_of_the_week(tmp_path: Path) -> None:
    day, week = [1] * 8 + [3] * 16, list(range(168))
    for least, floors in ((day, day * 7), (week, week)):
        said = {"metric": "schedule", "max_replicas": 200, "least_by_hour": least}
        rule = built(tmp_path, autoscale=said).autoscaler
        assert rule is not None
        assert rule.metric == "schedule"
        assert rule.floors == tuple(floors)
    said = {"target": 4, "max_replicas": 3, "least_by_hour": day}
    rule = built(tmp_path, autoscale=said).autoscaler
    assert rule is not None
    assert (rule.metric, rule.floors) == ("in-flight", tuple(day * 7))


def test_failures_and_spot_are_interruptions(tmp_path: Path) -> None:
    failures = {"mean_days_between": 264, "repair_s": 7200}
    spot = {"mean_hours_between": 12, "away_s": 900}
    fails = Interruption("failure", 264 * DAY_S, 0, 7200)
    taken = Interruption("spot", 12 * HOUR_S, 120, 900)
    assert built(tmp_path, failures=failures).interruptions == (fails,)
    assert built(tmp_path, spot=spot).interruptions == (taken,)
    assert built(tmp_path, failures=failures, spot=spot).interruptions == (fails, taken)
    shorter = built(tmp_path, spot={**spot, "notice_s": 30}).interruptions
    assert shorter == (replace(taken, notice_s=30),)


def test_rollouts_lie_within_the_horizon(tmp_path: Path) -> None:
    def hours(rollouts: dict[str, Any]) -> list[float]:
        found = built(tmp_path, rollouts=rollouts).rollout
        assert found is not None
        return [(at_s - START_S) / HOUR_S for at_s in found.at_s]

    assert hours({"every_hours": 8}) == [8, 16]  # hour 24 is no longer simulated
    assert hours({"every_hours": 8, "first_hour": 0}) == [0, 8, 16]
    assert hours({"every_hours": 8, "first_hour": 23.5}) == [23.5]
    assert hours({"every_hours": 730}) == []
    found = built(tmp_path, rollouts={"every_hours": 12, "surge": 0}).rollout
    assert found is not None
    assert found.surge == 0


def test_queues_affinity_and_deferred_work(tmp_path: Path) -> None:
    fleet = built(
        tmp_path,
        queue_order="shortest",
        max_waiting=0,
        affinity="prefix",
        affinity_slack=2,
        chunked_prefill=False,
        max_batched_tokens=16384,
        max_model_tokens=16384,
        deferred={"in_flight": 40, "lead_s": 600},
    )
    assert (fleet.order, fleet.max_waiting) == ("shortest", 0)
    assert (fleet.affinity, fleet.affinity_slack) == ("prefix", 2)
    assert not fleet.chunked_prefill
    assert (fleet.deferred_in_flight, fleet.deferred_lead_s) == (40, 600)


def test_a_hybrid_runs_its_base_by_the_same_rules(tmp_path: Path) -> None:
    asked = study(tmp_path, scenario(queue_order="shortest", max_waiting=3))
    hybrid = next(o for o in asked.options if isinstance(o, HybridOption))
    assert (hybrid.base.fleet.order, hybrid.base.fleet.max_waiting) == ("shortest", 3)


def test_step_time_as_given(tmp_path: Path) -> None:
    asked = study(tmp_path, scenario(step_time=LINEAR))
    own = option(asked)
    step = own.fleet.step_time
    assert set(step.token_s) == set(step.mixed_s) == {0.02}
    assert step.decoding_s[7] == pytest.approx(0.007)
    assert (step.prefill_token_s, step.context_token_s, step.attention_s) == (1e-4, 1e-7, 0.0)
    assert own.speed == Interval(1, 1, 1)
    assert (own.fleet.request_overhead_s, own.fleet.request_token_s) == (0, 0)
    assert own.fleet.kv == built(tmp_path).kv
    assert own.label.endswith("step time: as given")
    assert asked.provenance["hardware"]["own"].endswith("step time: as given")
    paid = built(tmp_path, step_time=LINEAR, request_overhead_s=0.1)
    assert (paid.request_overhead_s, paid.request_token_s) == (0.1, 0)
    assert built(tmp_path).request_overhead_s > 0


def test_priorities_stand_in_the_order_of_workloads(tmp_path: Path) -> None:
    said = scenario()
    said["traffic"]["batch"] = {**said["traffic"]["chat"], "priority": 2}
    said["traffic"]["vip"] = {**said["traffic"]["chat"], "priority": 0}
    said["traffic"]["chat"]["priority"] = 1
    asked = study(tmp_path, said)
    assert asked.traffic.workload_names == ("chat", "batch", "vip")
    assert asked.priorities == (1, 2, 0)
    log = tmp_path / "log.csv"
    log.write_text("arrival_s,input_tokens,output_tokens\n0,100,10\n5,100,10\n")
    said["traffic"] = {"log": {"kind": "replay", "path": str(log), "priority": 4}}
    assert set(study(tmp_path, said).priorities) == {4}


SCHEDULE = {"metric": "schedule", "max_replicas": 2, "least_by_hour": [1] * 24}
BAD_VALUES: list[tuple[dict[str, Any], str, str]] = [
    ({"autoscale": {"max_replicas": 4}}, "autoscale", "in-flight needs a target"),
    (
        {"autoscale": {"metric": "queue", "max_replicas": 4}},
        "metric",
        "queue needs a target",
    ),
    (
        {"autoscale": {"metric": "schedule", "max_replicas": 4}},
        "metric",
        "schedule needs least_by_hour",
    ),
    (
        {"autoscale": {"metric": "kv", "target": 80, "max_replicas": 4}},
        "target",
        "target of kv is a share of the cache, at most 1, not 80",
    ),
    (
        {"autoscale": {**SCHEDULE, "least_by_hour": [1, 2, 3]}},
        "least_by_hour",
        "give 24 numbers, or 168 for a week; 3 given",
    ),
    (
        {"autoscale": {**SCHEDULE, "least_by_hour": [1] * 23 + [3]}},
        "least_by_hour",
        "needs 3 replicas, but max_replicas is 2",
    ),
    (
        {"autoscale": {"target_in_flight": 4, "max_replicas": 4}},
        "target_in_flight",
        "unknown key 'target_in_flight'",
    ),
    (
        {"chunked_prefill": False},
        "chunked_prefill",
        "must hold the longest prompt: max_batched_tokens is 8192, max_model_tokens 32768",
    ),
    (
        {"step_time": LINEAR, "speculation": {"draft_tokens": 3}},
        "speculation",
        "speculation has no effect on an explicit step_time",
    ),
    ({"step_time": {"fixed_s": 0}}, "fixed_s", "greater than 0"),
    (
        {"gpus_per_replica": 3},
        "gpus_per_replica",
        "3 GPUs cannot share the 64 attention heads of llama-3.3-70b: take 1 or 2",
    ),
    (
        {"max_model_tokens": 200_000},
        "max_model_tokens",
        "the context of llama-3.3-70b is 131072 tokens",
    ),
    ({"failures": {"mean_days_between": 264}}, "failures", "missing key 'repair_s'"),
    (
        {"spot": {"mean_hours_between": 0, "away_s": 1}},
        "mean_hours_between",
        "greater than 0, not 0",
    ),
    ({"rollouts": {"every_hours": 24, "surge": -1}}, "surge", "greater than or equal to 0"),
    ({"queue_order": "lifo"}, "queue_order", "'first-come', 'priority' or 'shortest'"),
    ({"deferred": {"in_flight": 0}}, "in_flight", "greater than or equal to 1"),
    ({"max_sequences": 2, "max_batched_tokens": 1}, "max_batched_tokens", "at least max_sequences"),
]


@pytest.mark.parametrize(("own", "named", "expected"), BAD_VALUES)
def test_mistakes_are_told_where_they_stand(
    tmp_path: Path, own: dict[str, Any], named: str, expected: str
) -> None:
    file = write_scenario(tmp_path / "bad.yaml", scenario(**own))
    with pytest.raises(InputError) as caught:
        load_study(file)
    match = re.fullmatch(rf"{re.escape(str(file))}:(\d+):(\d+): (.*)", str(caught.value))
    assert match, caught.value
    assert expected in match[3]
    line = file.read_text().splitlines()[int(match[1]) - 1]
    assert line[int(match[2]) - 1 :].startswith(f"{named}:")


def test_a_setting_is_named_as_the_place(tmp_path: Path) -> None:
    said = scenario(autoscale=SCHEDULE)
    with pytest.raises(InputError, match=r"--set options.own.autoscale.max_replicas: .* not 0"):
        study(tmp_path, said, "options.own.autoscale.max_replicas=0")
    with pytest.raises(InputError, match=r"autoscale.metric: kv needs a target"):
        study(tmp_path, said, "options.own.autoscale.metric=kv")


@pytest.mark.slow
def test_a_schedule_sets_the_number_of_replicas(tmp_path: Path) -> None:
    least = [1] * 8 + [3] * 8 + [2] * 8
    rule = {"metric": "schedule", "max_replicas": 3, "least_by_hour": least}
    ledger = served(study(tmp_path, scenario(autoscale=rule)), replicas=1)
    account = ledger.fleets[0]
    owned = [account.owned_s(h * HOUR_S, (h + 1) * HOUR_S) / HOUR_S for h in range(24)]
    # The looks are 15 s apart; fewer are drained when that has been wanted for five minutes.
    expected = np.array(least, float)
    expected[16] += 5 / 60
    assert owned == pytest.approx(expected, abs=0.06)


@pytest.mark.slow
def test_spot_interruptions_restart_what_outlives_the_notice(tmp_path: Path) -> None:
    busy = {"requests_per_month": 2_000_000}
    restarts, replicas = [], []
    for spot in (
        None,
        {"mean_hours_between": 1, "away_s": 60, "notice_s": 0},
        {"mean_hours_between": 1, "away_s": 60},
    ):
        own = {"cold_start_s": 60, **({"spot": spot} if spot else {})}
        ledger = served(study(tmp_path, scenario(busy, **own)), replicas=3)
        assert not (ledger.outcome == REJECTED).any()
        restarts.append(int(ledger.restarts.sum()))
        replicas.append(len(ledger.fleets[0].periods_s))
    # Answers take seconds: two minutes of notice are enough for all of them.
    assert restarts[0] == restarts[2] == 0
    assert restarts[1] > 20
    # About one interruption an hour for each of three replicas, but for the time away.
    assert replicas[0] == 3
    assert 40 < replicas[1] < 100


def test_a_rollout_replaces_every_replica(tmp_path: Path) -> None:
    said = scenario(rollouts={"every_hours": 8}, cold_start_s=300)
    ledger = served(study(tmp_path, said), replicas=2)
    account = ledger.fleets[0]
    assert len(account.periods_s) == 6
    assert account.max_replicas == 3
    begun_s = np.sort(account.periods_s[:, 0])
    assert begun_s[2:] / HOUR_S == pytest.approx([8, 8 + 1 / 12, 16, 16 + 1 / 12], abs=0.01)


def test_priorities_decide_who_waits(tmp_path: Path) -> None:
    said = scenario({"requests_per_month": 1_500_000}, queue_order="priority", max_sequences=4)
    said["traffic"]["vip"] = {**said["traffic"]["chat"], "requests_per_month": 300_000}
    said["traffic"]["chat"]["priority"] = 1
    ledger = served(study(tmp_path, said), replicas=1)
    wait_s = ledger.start_s - ledger.arrival_s
    chat, vip = (np.nanmean(wait_s[ledger.table.workload == w]) for w in (0, 1))
    assert chat > 3 * vip


def test_one_request_at_a_time_takes_as_long_as_said(tmp_path: Path) -> None:
    """A prompt token a step, then an answer token a step: a server that theory knows."""
    traffic = {"requests_per_month": 100_000, "turns": 1, "system_prompt_tokens": 10}
    own = {"max_sequences": 1, "max_batched_tokens": 1, "prefix_cache": False}
    said = scenario(traffic, step_time={"fixed_s": 0.01}, **own)
    ledger = served(study(tmp_path, said), replicas=1)
    done = ledger.completed
    tokens = (ledger.table.input_tokens + ledger.completion_tok - 1)[done]
    assert done.sum() > 1000
    assert (ledger.finished_s - ledger.start_s)[done] == pytest.approx(0.01 * tokens, abs=1e-6)


@pytest.mark.slow
def test_work_with_a_deadline_fills_idle_capacity(tmp_path: Path) -> None:
    said = scenario({"requests_per_month": 1_500_000}, max_sequences=4)
    said["traffic"]["nightly"] = {**said["traffic"]["chat"], "deadline_hours": 12}
    waits_s = []
    for lead_s in (3600, 12 * HOUR_S):  # a lead of the whole time: it never stands back
        said["options"]["own"]["deferred"] = {"lead_s": lead_s}
        ledger = served(study(tmp_path, said), replicas=1)
        wait_s = ledger.start_s - ledger.arrival_s
        waits_s.append([np.nanmean(wait_s[ledger.table.workload == w]) for w in (0, 1)])
    standing_back, alike = waits_s
    assert standing_back[0] < 0.5 * alike[0]
    assert standing_back[1] > alike[1]
