"""Shipped scenarios: each says what to try and what to expect, and that is what comes out."""

from pathlib import Path

import pytest

from simulator.analysis.decide.verdict import decide, simulate_as_written
from simulator.analysis.simulate.evaluate import Evaluator
from simulator.analysis.size.kinds.contract import kind_of
from simulator.analysis.size.options import size_option
from simulator.analysis.study.effort import with_effort_level
from simulator.scenario.building.study import load_study
from tests.support.checkout import SHIPPED

pytestmark = pytest.mark.slow

Costs = dict[str, float]
"""USD/month by option."""
OTHER_NAMES = {"quickstart": "support-chat"}
"""Names that differ from those of the files; results contain them, so that they stay."""


def as_written(name: str, *settings: str) -> tuple[Costs, set[str]]:
    """Costs of all options at the sizes given, and those that meet the targets."""
    results = simulate_as_written(load_study(name, list(settings)))
    return {r.name: r.total_usd for r in results}, {r.name for r in results if r.excuse is None}


def at_best(name: str, *settings: str) -> tuple[Costs, set[str]]:
    """Costs of all options at their best sizes, found roughly, and those that are feasible."""
    study = with_effort_level(load_study(name, list(settings)))
    evaluator = Evaluator(study, 1.0)
    sized = {option.name: size_option(evaluator, option) for option in study.options}
    usd = {name: s.evaluation.total_usd(study) for name, s in sized.items()}
    return usd, {name for name, s in sized.items() if s.feasible}


def winner(found: tuple[Costs, set[str]]) -> str:
    usd, feasible = found
    return min(feasible, key=lambda name: usd[name])


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_header_says_what_to_try_and_to_expect(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    header = lines[: next(i for i, line in enumerate(lines) if not line.startswith("#"))]
    assert header[0] == "# yaml-language-server: $schema=./scenario.schema.json"
    assert any(line.startswith("# TRY IT    breakeven ") for line in header)
    assert any(line.startswith("# EXPECTED  ") for line in header)
    assert path.name in "".join(header)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_scenario_is_valid_and_named_as_its_file(path: Path) -> None:
    study = load_study(path)
    assert len(study.options) > 1
    assert study.name == OTHER_NAMES.get(path.stem, path.stem)


def test_idle_time_is_paid_or_a_cold_start_waited_for() -> None:
    usd, feasible = as_written("scale-to-zero")
    assert feasible == set(usd)
    assert usd["to-zero"] < usd["office-hours"] < usd["always-on"]
    assert winner(as_written("scale-to-zero", "slo.attainment=0.99")) == "always-on"
    api = "options.api={kind: api, offer: mistral/mistral-small-2603}"
    assert as_written("scale-to-zero", api)[0]["api"] < 20


def test_one_spot_replica_saves_and_two_are_too_few() -> None:
    usd, feasible = as_written("spot-fleet")
    assert feasible == {"two-on-demand", "one-and-one"}
    rent = {name: usd[name] - 9550 for name in usd}  # people and tooling
    assert 0.6 < rent["one-and-one"] / rent["two-on-demand"] < 0.8
    assert rent["two-spot"] / rent["two-on-demand"] < 0.45
    assert winner(as_written("spot-fleet", "slo.attainment=0.95")) == "two-spot"


def test_reserved_streams_pay_for_the_base_load_only() -> None:
    found = at_best("provisioned")
    usd, feasible = found
    assert winner(found) == "spill-over"
    assert "base-reserved" not in feasible
    assert usd["all-reserved"] > 1.5 * usd["pay-as-you-go"]
    twenty = "options.base-reserved.dedicated={usd_per_month: 16000, concurrency: 20, queue: 0}"
    assert winner(at_best("provisioned", twenty)) == "pay-as-you-go"


def test_buying_is_right_today_and_not_for_three_years() -> None:
    settings = ["analysis.volumes=[0.5, 1]", "analysis.worlds=128"]
    verdict = decide(with_effort_level(load_study("buy-or-rent", settings)))
    assert verdict.winner.name == "bought"
    assert verdict.horizon is not None
    best = max(verdict.horizon.options, key=lambda o: o.probability_best)
    assert best.name == "hosted"
    least = min(verdict.horizon.options, key=lambda o: float(o.npv_usd.mean()))
    assert least.name == "hosted"


def test_a_small_model_first_saves_per_right_answer() -> None:
    study = load_study("cascade", ["options.own-small.replicas=2"])
    results = {r.name: r for r in simulate_as_written(study)}
    right = {
        name: kind_of(r.evaluation.option).correctness(r.evaluation, study.quality)
        for name, r in results.items()
    }
    per_right = {
        name: r.total_usd / (share or 0.0)
        for (name, r), share in zip(results.items(), right.values(), strict=True)
    }
    assert right["small"] == pytest.approx(0.418)
    assert 0.75 < (right["small-first"] or 0) < (right["frontier"] or 0)
    assert 0.5 < per_right["small-first"] / per_right["frontier"] < 0.7
    assert per_right["small-first"] < per_right["own-first"] < per_right["frontier"]


def test_cached_tokens_count_in_a_blended_price() -> None:
    found = at_best("offers")
    usd = found[0]
    assert winner(found) == "oss-fireworks"
    assert usd["gpt"] < usd["claude"] < usd["gemini"]
    assert 3 < usd["oss-cerebras"] / usd["oss-fireworks"] < 7
    assert 2 * usd["oss-fireworks"] < usd["oss-own"] < usd["gpt"]
    uncached = at_best("offers", "options.gpt.caching=never", "options.oss-own.replicas=1")
    assert uncached[0]["gpt"] > 2 * usd["gpt"]


def test_steady_work_on_own_accelerators_and_bursts_from_the_api() -> None:
    found = at_best("pools")
    assert winner(found) == "split"
    assert found[0]["own"] < found[0]["api"]
    assert winner(at_best("pools", "people.engineers_fte=0.25")) == "api"


def test_which_accelerator_depends_on_for_how_long() -> None:
    usd, _ = at_best("which-gpu")
    assert usd["hybrid"] == pytest.approx(usd["own"], rel=0.02)
    assert usd["own"] < 0.85 * usd["hosted"]
    usd, _ = at_best("which-gpu", "options.own.choose.commitment=[on-demand]")
    assert usd["own"] == pytest.approx(usd["hosted"], rel=0.05)


def test_what_saves_on_long_prompts() -> None:
    usd, feasible = as_written("what-ifs")
    assert feasible == set(usd)
    share = {name: cost / usd["as-it-is"] for name, cost in usd.items()}
    assert share["never-cached"] > 1.2
    assert 0.9 < share["think-less"] < 1
    assert share["retrieve"] < 0.2 < share["split-prompts"] < 0.5
    assert share["split-prompts"] < share["batched"] < share["cached-if-pays"] < 1


def test_rebalancing_beats_every_split_that_stays() -> None:
    usd, feasible = as_written("rebalancing")
    assert feasible == set(usd)
    assert usd["moving"] < 0.92 * usd["static"]
    fewer, _ = as_written("rebalancing", "options.static.replicas=1")
    assert usd["moving"] < 0.92 * fewer["static"]


def test_work_with_a_deadline_waits_for_the_night() -> None:
    found = as_written("nightly")
    usd, feasible = found
    assert feasible == set(usd)
    assert winner(found) == "nights"
    assert usd["batch-api"] == pytest.approx(usd["api"] / 2, rel=0.02)
    assert usd["batch-api"] < usd["all-day"]
    more = as_written("nightly", "traffic.documents.requests_per_month=450000")
    assert "nights" not in more[1]


def test_caches_decide_what_agents_cost() -> None:
    found = as_written("agents", "options.own.replicas=1")
    usd = found[0]
    assert winner(found) == "sonnet-hour"
    assert usd["sonnet-hour"] < 0.9 * usd["sonnet"]
    assert usd["sonnet-uncached"] > 5 * usd["sonnet"]
    assert 2 * usd["sonnet"] < usd["own"] < usd["sonnet-uncached"]


def test_staying_in_a_region_costs_its_uplift() -> None:
    found = at_best("eu-region")
    usd = found[0]
    assert usd["regional"] == pytest.approx(1.1 * usd["anywhere"], rel=0.01)
    assert winner(found) == "european"
    more = at_best("eu-region", "traffic.support.requests_per_month=15000000")
    assert winner(more) == "own"


def test_a_fallback_behind_a_larger_account_survives_a_launch() -> None:
    found = as_written("bursty-launch")
    usd, feasible = found
    assert feasible == {"second", "new-and-second", "grown-and-second"}
    assert winner(found) == "grown-and-second"
    assert usd["new-and-second"] < usd["second"]


def test_what_rag_prompts_share_decides_what_a_cache_saves() -> None:
    found = at_best("rag-desk")
    usd, feasible = found
    assert feasible == set(usd)
    assert winner(found) == "gpt"
    assert 0.6 < usd["gpt"] / usd["gpt-uncached"] < 0.75
    assert usd["gpt"] == pytest.approx(usd["hosted"], rel=0.1)
    assert usd["hybrid"] > 0.85 * usd["hosted"]
    assert usd["own"] > 1.1 * usd["gpt"]
    one = at_best("rag-desk", "one-document")
    assert winner(one) == "gpt"
    assert one[0]["gpt"] < 0.75 * one[0]["hosted"]
    six = at_best("rag-desk", "six-passages")
    assert winner(six) == "hybrid"
    assert six[0]["gpt"] > 0.95 * six[0]["gpt-uncached"]


def test_rag_replicas_that_follow_the_load_cost_less_than_tokens() -> None:
    study = load_study("rag-desk", ["by-day", "horizon_hours=24"])
    results = {r.name: r for r in simulate_as_written(study)}
    usd = {name: r.total_usd for name, r in results.items()}
    assert all(r.excuse is None for r in results.values())
    assert usd["hybrid"] < usd["own"] < 0.9 * min(usd["gpt"], usd["hosted"])
    read = {name: r.evaluation.outcome.tokens["cache_read"] for name, r in results.items()}
    assert read["own"] < read["hosted"] < read["gpt"]


def test_embeddings_on_a_small_gpu_pay_at_a_large_models_price() -> None:
    settings = ["horizon_hours=6", "options.own.replicas=1"]
    usd, feasible = as_written("embeddings", *settings, "options.own-large.replicas=1")
    assert feasible >= {"api", "api-large", "own"}
    assert usd["api"] < 0.15 * usd["own"]
    assert usd["api-large"] == pytest.approx(6.5 * usd["api"])
    found = at_best("embeddings")
    assert winner(found) == "api"
    assert found[0]["own-large"] > 2 * found[0]["api-large"]
    assert found[0]["own-large"] - found[0]["own"] == pytest.approx(0.7 * 730)  # a second L4
    double = "traffic.documents.requests_per_month=45M"
    more, meets = as_written("embeddings", *settings, "options.own-large.replicas=2", double)
    assert "own" in meets
    assert more["api"] < more["own"] < 0.8 * more["api-large"]


def test_speed_has_its_price() -> None:
    found = at_best("speed")
    usd, feasible = found
    assert feasible == {"groq", "cerebras", "own-four"}
    assert winner(found) == "groq"
    assert 1.4 < usd["groq"] / usd["hosted"] < 1.7
    assert 4 < usd["cerebras"] / usd["hosted"] < 5
    assert usd["own-four"] > 30 * usd["groq"]
    patient = at_best("speed", "patient")
    assert patient[1] == set(patient[0])
    assert winner(patient) == "hosted"
    assert at_best("speed", "instant")[1] == {"cerebras"}
