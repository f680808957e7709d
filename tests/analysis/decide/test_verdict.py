"""Sampling, crossings and uncertainty: what the verdict is built from."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from simulator.analysis.decide.monte_carlo import compute_standings
from simulator.analysis.decide.stairs import Step, step_volume
from simulator.analysis.decide.verdict import decide
from simulator.analysis.sampling import sample
from simulator.analysis.sampling.sample import Need
from simulator.analysis.sampling.sampler import Sampler
from simulator.analysis.simulate.evaluate import Evaluator
from simulator.analysis.size.carried import STEP_TOLERANCE
from simulator.analysis.size.judging import meets
from simulator.analysis.size.kinds.contract import kind_of
from simulator.analysis.size.options import size_option
from simulator.analysis.study.effort import with_effort_level
from simulator.analysis.study.options import Size
from simulator.analysis.study.study import Study
from simulator.economics.interval import Interval
from simulator.economics.owning import OwningCost
from simulator.errors import InfeasibleError, InputError
from simulator.scenario.building.study import load_study
from tests.support.scenarios import SMALL, write_scenario

pytestmark = pytest.mark.slow

SETTINGS = [
    "traffic.support.requests_per_month=1500000",
    "analysis.worlds=32",
    "analysis.sample_requests=20000",
]


@pytest.fixture(scope="module")
def study() -> Study:
    return load_study("quickstart", SETTINGS)


def option(study: Study, name: str):
    return next(o for o in study.options if o.name == name)


def with_sample(study: Study, requests: int) -> Study:
    return replace(study, effort=replace(study.effort, sample_requests=requests))


def test_sampled_windows_stand_for_the_week(study: Study) -> None:
    whole = Evaluator(with_sample(study, 10**9), 1.0)
    sampled = Evaluator(with_sample(study, 40_000), 1.0)
    api = option(study, "hosted-llama")
    assert whole.sample(api).is_whole
    assert len(sampled.sample(api).weight) > 8
    expected, got = (e.evaluate(api, Size()).total_usd(study) for e in (whole, sampled))
    assert got == pytest.approx(expected, rel=0.03)
    own = option(study, "own-h100")
    expected, got = (e.evaluate(own, Size(1)) for e in (whole, sampled))
    assert got.outcome.attainment == pytest.approx(expected.outcome.attainment, abs=0.01)
    p95 = [e.outcome.tpot_s.quantile(0.95) for e in (expected, got)]
    assert p95[1] == pytest.approx(p95[0], rel=0.1)


REPLAY = {
    "traffic": {"log": {"kind": "replay", "path": "log.csv", "repeat_week": "azure-conversation"}},
    "horizon_hours": 168,
}


@pytest.mark.parametrize("said", [{}, REPLAY], ids=["generated", "replayed"])
def test_chunks_of_the_horizon_come_to_the_same(
    said: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = ["arrival_s,input_tokens,output_tokens,session"]
    log += [f"{40.0 * i},{400 + 37 * (i % 9)},{20 + i % 50},{i // 3}" for i in range(300)]
    (tmp_path / "log.csv").write_text("\n".join(log))
    asked = load_study(write_scenario(tmp_path / "s.yaml", SMALL | said))
    for name, size in (("frontier", Size()), ("own", Size(2)), ("hybrid", Size(1, 8))):
        found = []
        for most in (10**9, 2_000):
            monkeypatch.setattr(sample, "KEPT_REQUESTS", most)
            evaluator = Evaluator(with_sample(asked, 10**9), 1.5)
            pieces = list(evaluator.simulate(option(asked, name), size))
            assert (len(pieces) > 2) == (most == 2_000)
            found.append(evaluator.evaluate(option(asked, name), size).outcome)
        assert found[0].requests == found[1].requests
        assert found[0].tokens == found[1].tokens
        assert found[0].slo_met == found[1].slo_met
        np.testing.assert_array_equal(found[0].ttft_s.counts, found[1].ttft_s.counts)
        assert sum(found[0].api_usd.values()) == pytest.approx(sum(found[1].api_usd.values()))


@pytest.mark.parametrize("need", [Need(), Need(300.0, 2)], ids=["calls", "fleet"])
def test_spans_cover_quiet_and_busy_hours(study: Study, need: Need) -> None:
    sample = Sampler(with_sample(study, 20_000)).sample(1.0, need)
    load = study.traffic.hourly_load()
    hours = (sample.spans_s[:, 0] // 3600).astype(int)
    # Taken with a chance in proportion to their load, a few spans know all of it.
    horizon_s = study.traffic.horizon_s
    total = sample.weight @ (load[hours] * (sample.spans_s[:, 1] - sample.spans_s[:, 0]))
    assert total / horizon_s == pytest.approx(load.mean(), rel=0.1)
    assert sample.counted_s == pytest.approx(horizon_s, rel=0.25)
    assert load[hours].min() < np.quantile(load, 0.15)
    assert load[hours].max() > np.quantile(load, 0.85)


def test_month_is_the_asked_volume(study: Study) -> None:
    evaluation = Evaluator(with_sample(study, 20_000), 1.0).evaluate(
        option(study, "hosted-llama"), Size()
    )
    outcome = evaluation.outcome
    assert outcome.requests["offered"] * outcome.month_factor == pytest.approx(1_500_000)


def test_sizing_finds_the_smallest_fleet(study: Study) -> None:
    busy = load_study("quickstart", ["analysis.sample_requests=4000"])
    own = option(busy, "own-h100")
    evaluator = Evaluator(busy, 2.0)
    for start in (1, 3, 9):
        sized = kind_of(own).size(evaluator, own, start=start)
        replicas = sized.evaluation.size.replicas
        assert sized.feasible
        assert replicas > 1
        fewer = evaluator.evaluate(own, Size(replicas - 1))
        assert not meets(fewer, busy.slo)


def test_hybrid_is_at_least_as_cheap_as_its_base(study: Study) -> None:
    busy = load_study("quickstart", ["analysis.sample_requests=4000"])
    for volume in (0.5, 1.0, 2.0):
        evaluator = Evaluator(busy, volume)
        alone = size_option(evaluator, option(busy, "own-h100"))
        hybrid = size_option(evaluator, option(busy, "hybrid"))
        assert hybrid.feasible
        assert hybrid.evaluation.total_usd(busy) <= alone.evaluation.total_usd(busy) * (1 + 1e-9)


def test_infeasible_study_names_every_reason() -> None:
    impossible = load_study("quickstart", [*SETTINGS, "slo.tpot_s=0.0001"])
    with pytest.raises(InfeasibleError) as caught:
        decide(impossible)
    assert set(caught.value.excuses) == {o.name for o in impossible.options}
    assert all("TPOT <= 0.0001 s" in reason for reason in caught.value.excuses.values())


def test_owning_costs_add_up() -> None:
    owning = OwningCost(
        engineers_fte=0.5,
        engineer_usd_per_year=240_000,
        monthly_usd={"tooling": 100},
    )
    # Two accelerators at $3 for the month's 730 hours.
    usd = owning.per_month_usd(2 * 3.0)
    assert usd == {"gpus": 2 * 3.0 * 730, "engineers": 10_000, "tooling": 100}


def test_intervals_hold_nine_in_ten() -> None:
    values = Interval(1.0, 2.0, 5.0).at(np.random.default_rng(1).standard_normal(200_000))
    assert np.mean(values < 1.0) == pytest.approx(0.05, abs=0.003)
    assert np.mean(values > 5.0) == pytest.approx(0.05, abs=0.003)
    assert np.median(values) == pytest.approx(2.0, abs=0.02)
    assert (Interval(0.0, 0.1, 5.0).at(np.array([-4.0])) == 0).all()
    np.testing.assert_array_equal(Interval.certain(3.0).at(np.array([-2.0, 2.0])), 3.0)


def test_doubling_every_price_doubles_every_cost_and_keeps_the_break_even() -> None:
    base = ["analysis.sample_requests=3000", "analysis.volumes=[0.4,0.8]", "analysis.worlds=16"]
    doubled = [
        *base,
        "options.frontier-api.price_multiplier=2",
        "options.hosted-llama.price_multiplier=2",
        "options.own-h100.rent_usd_per_gpu_hour={low: 4, mid: 6, high: 12}",
        "people.engineer_usd_per_year=400000",
        "people.tooling_usd_per_month=1600",
    ]
    base += [
        "options.own-h100.rent_usd_per_gpu_hour={low: 2, mid: 3, high: 6}",
        "people.engineer_usd_per_year=200000",
        "people.tooling_usd_per_month=800",
    ]
    once, twice = (decide(with_effort_level(load_study("quickstart", s))) for s in (base, doubled))
    for a, b in zip(once.results, twice.results, strict=True):
        assert b.total_usd == pytest.approx(2 * a.total_usd)
    assert once.break_even is not None
    assert twice.break_even is not None
    assert twice.break_even.first == pytest.approx(once.break_even.first)
    pairs = zip(once.results, twice.results, strict=True)
    for a, b in ((a.standing, b.standing) for a, b in pairs):
        assert a is not None
        assert b is not None
        assert b.probability_best == a.probability_best
        assert b.regret_usd == pytest.approx(2 * a.regret_usd)


def test_warm_up_is_left_out_of_counts_and_costs(tmp_path: Path) -> None:
    path = write_scenario(tmp_path / "s.yaml", SMALL)
    plain, warm = (
        Evaluator(with_sample(load_study(path, said), 10**9), 1.0)
        for said in ([], ["analysis.warm_up_hours=6"])
    )
    outcomes = [e.evaluate(option(e.study, "own"), Size(2)).outcome for e in (plain, warm)]
    assert outcomes[1].counted_s == 18 * 3600
    assert outcomes[1].requests["offered"] < outcomes[0].requests["offered"]
    assert outcomes[1].owned_replicas == (2.0,)
    with pytest.raises(InputError, match="warm_up_hours: must be less than the 24 hours"):
        load_study(path, ["analysis.warm_up_hours=24"])


def test_a_step_is_where_the_replicas_no_longer_do() -> None:
    asked = load_study("quickstart", ["analysis.sample_requests=4000"])
    sampler = Sampler(asked)
    at = step_volume(asked, sampler, Step("own-h100", "own-h100", 1, 0.5, 4.0), 1.0)
    own = option(asked, "own-h100")
    fits, fails = (
        meets(Evaluator(asked, v, sampler).evaluate(own, Size(1)), asked.slo)
        for v in (at / (1 + STEP_TOLERANCE), (1 + STEP_TOLERANCE) * at)
    )
    assert fits
    assert not fails


def test_standings_count_wins_and_what_is_lost_elsewhere() -> None:
    inf = np.inf
    always, often, never = compute_standings(
        [
            np.array([5.0, 5.0, 5.0, inf]),
            np.array([1.0, 4.0, 6.0, inf]),
            np.array([9.0, inf, 7, inf]),
        ]
    )
    # The last world is beyond all three.
    assert often.probability_best == pytest.approx(2 / 3)
    assert always.probability_best == pytest.approx(1 / 3)
    assert never.probability_best == 0.0
    assert often.regret_usd == pytest.approx(1 / 3)
    assert always.regret_usd == pytest.approx(5 / 3)
    assert never.regret_usd == inf
    assert compute_standings([np.array([inf])])[0].regret_usd == inf


def test_least_regret_is_told_where_it_is_not_the_cheapest() -> None:
    verdict = decide(with_effort_level(load_study("quickstart", SETTINGS)))
    assert sum(r.standing.probability_best for r in verdict.results if r.standing) >= 1.0
    known = [r.standing.regret_usd for r in verdict.results if r.standing and not r.excuse]
    assert verdict.least_regret is not None
    assert verdict.least_regret.standing is not None
    assert verdict.least_regret.standing.regret_usd == min(known)


def test_options_that_are_wrong_too_often_are_out(tmp_path: Path) -> None:
    options = {
        "frontier": SMALL["options"]["frontier"] | {"success_rate": 0.9},
        "hosted": SMALL["options"]["hosted"] | {"success_rate": 0.6},
        "unknown": SMALL["options"]["hosted"],
        "both": {"kind": "cascade", "stages": ["hosted", "frontier"]},
    }
    slo = {"e2e_s": 120, "attainment": 0.9}
    said = SMALL | {"options": options, "slo": slo, "quality": {"least_right": 0.8}}
    study = load_study(write_scenario(tmp_path / "s.yaml", said), ["horizon_hours=2"])
    found = {r.name: r.excuse for r in decide(study).results}
    assert found["frontier"] is None
    assert found["both"] is None
    assert found["hosted"] is not None
    assert "60.0% of answers are right, 80.0% wanted" in found["hosted"].reason
    assert found["unknown"] is not None
    assert "no success_rate is known" in found["unknown"].reason
