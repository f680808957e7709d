"""API and gateway options of scenarios: what is written is what is simulated, or one clear line."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator.analysis.simulate.evaluate import Evaluator
from simulator.analysis.simulate.outcome import Outcome
from simulator.analysis.study.options import ApiOption, Size
from simulator.analysis.study.study import Study
from simulator.errors import InputError
from simulator.scenario.building.study import load_study
from tests.support.scenarios import SMALL, write_scenario

HOSTED = {"kind": "api", "offer": "fireworks/llama-v3p3-70b-instruct"}
TOGETHER = {"kind": "api", "offer": "together/meta-llama/Llama-3.3-70B-Instruct-Turbo"}
GROQ = {"kind": "api", "offer": "groq/llama-3.3-70b-versatile"}


def study(tmp_path: Path, options: dict[str, Any], *settings: str, **traffic: Any) -> Study:
    scenario = deepcopy(SMALL)
    scenario["options"] = options
    scenario["traffic"]["chat"] |= {"requests_per_month": 300_000, **traffic}
    return load_study(write_scenario(tmp_path / "s.yaml", scenario), list(settings))


def outcome(asked: Study, name: str) -> Outcome:
    option = next(o for o in asked.options if o.name == name)
    return Evaluator(asked, 1.0).evaluate(option, Size()).outcome


def api(asked: Study, name: str) -> ApiOption:
    option = next(o for o in asked.options if o.name == name)
    assert isinstance(option, ApiOption)
    return option


def gateway(policy: dict[str, Any], *targets: str) -> dict[str, Any]:
    return {"kind": "gateway", "policy": policy, "targets": list(targets)}


ALL = {"hosted": HOSTED, "together": TOGETHER, "groq": GROQ}
NAMES = ("hosted", "together", "groq")


def test_region_multiplies_and_must_be_known(tmp_path: Path) -> None:
    options = {name: {"kind": "api", "offer": "openai/gpt-5.4"} for name in ("plain", "eu")}
    options["eu"]["region"] = "eu"
    asked = study(tmp_path, options)
    plain, eu = (sum(outcome(asked, n).api_usd.values()) for n in ("plain", "eu"))
    assert eu == pytest.approx(1.1 * plain, rel=1e-9)
    with pytest.raises(InputError, match=r"no known price in region 'asia'; its regions: eu, us"):
        study(tmp_path, options, "options.eu.region=asia")
    with pytest.raises(InputError, match=r"s.yaml:\d+:\d+: .*no known price in region 'eu'"):
        study(tmp_path, {"hosted": {**HOSTED, "region": "eu"}})


def test_an_offer_by_another_name_is_the_same_option(tmp_path: Path) -> None:
    """Outages are drawn by provider, so that they show which one a name leads to."""
    common = {"kind": "api", "outages": "typical"}
    plain = study(tmp_path, {"hosted": {**common, "offer": "google/gemini-2.5-flash"}})
    named = study(tmp_path, {"hosted": {**common, "offer": "gemini/gemini-2-5-flash"}})
    assert api(named, "hosted").endpoints == api(plain, "hosted").endpoints
    assert outcome(named, "hosted").api_usd == outcome(plain, "hosted").api_usd
    assert named.provenance == plain.provenance
    with pytest.raises(
        InputError, match=r"s.yaml:\d+:\d+: .*azure has no gpt-4o in the price book"
    ):
        study(tmp_path, {"hosted": {"kind": "api", "offer": "azure/gpt-4o"}})
    with pytest.raises(
        InputError, match="of its family, these can be simulated: article/gpt-4-turbo"
    ):
        study(tmp_path, {"hosted": {"kind": "api", "offer": "gpt-5"}})


def test_batch_is_cheaper_slower_and_judged_by_its_deadline(tmp_path: Path) -> None:
    options = {
        name: {"kind": "api", "offer": "openai/gpt-5.4", "served_as": context}
        for name, context in (("standard", "standard"), ("batch", "batch"), ("fast", "priority"))
    }
    asked = study(tmp_path, options, deadline_hours=24)
    done = {name: outcome(asked, name) for name in options}
    usd = {name: sum(o.api_usd.values()) for name, o in done.items()}
    assert usd["batch"] < 0.62 * usd["standard"]
    assert usd["fast"] == pytest.approx(2 * usd["standard"], rel=0.05)
    assert done["batch"].slo_met["deadline"] > 0.9
    hurried = study(tmp_path, options, deadline_hours=0.05)
    assert outcome(hurried, "batch").attainment < 0.5
    assert outcome(hurried, "fast").attainment == 1.0


def test_contexts_by_workload(tmp_path: Path) -> None:
    scenario = deepcopy(SMALL)
    scenario["traffic"]["nightly"] = {**scenario["traffic"]["chat"], "deadline_hours": 24}
    for workload in scenario["traffic"].values():
        workload["requests_per_month"] = 200_000
    scenario["options"] = {
        "split": {"kind": "api", "offer": "openai/gpt-5.4", "served_as": {"nightly": "batch"}}
    }
    asked = load_study(write_scenario(tmp_path / "s.yaml", scenario))
    served = outcome(asked, "split").served_by
    assert set(served) == {"openai/gpt-5.4", "openai/gpt-5.4 (batch)"}
    assert min(served.values()) > 100
    scenario["options"]["split"]["served_as"] = {"nightl": "batch"}
    wrong = write_scenario(tmp_path / "s.yaml", scenario)
    with pytest.raises(
        InputError, match=r"no workload is called 'nightl' \(did you mean 'nightly'"
    ):
        load_study(wrong)


def test_contexts_without_price_or_behaviour_are_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no batch price; its contexts: standard"):
        study(tmp_path, {"hosted": {**HOSTED, "served_as": "batch"}})
    with pytest.raises(InputError, match="has no priority price"):
        study(tmp_path, {"hosted": {**HOSTED, "served_as": "priority"}})


@pytest.mark.slow
def test_tiers_limits_and_spend(tmp_path: Path) -> None:
    fable = {"kind": "api", "offer": "anthropic/claude-fable-5-2"}
    busy = {"requests_per_month": 80_000_000}
    asked = study(tmp_path, {"free": fable, "start": {**fable, "tier": "start"},
                             "scale": {**fable, "tier": "scale"}}, **busy)  # fmt: skip
    done = [outcome(asked, n).requests for n in ("start", "scale", "free")]
    rejected = [r["rejected"] / r["offered"] for r in done]
    assert rejected[0] > rejected[1] >= rejected[2] == 0
    with pytest.raises(InputError, match="has no tier 'huge'; known: start, scale"):
        study(tmp_path, {"a": {**fable, "tier": "huge"}})
    with pytest.raises(InputError, match="has no tier 'huge': give limits instead"):
        study(tmp_path, {"a": {**HOSTED, "tier": "huge"}})
    capped = {**HOSTED, "spend_limit": {"usd": 0.5, "period_hours": 24}}
    asked = study(tmp_path, {"capped": capped})
    spent = sum(outcome(asked, "capped").api_usd.values()) * 24 / 730
    # Bills are of the mean volume: the day brings some more or fewer requests.
    assert spent == pytest.approx(0.5, rel=0.2)


def test_price_spikes_and_dedicated_capacity(tmp_path: Path) -> None:
    spike = {"from_time": "2026-11-23T00:00:00", "hours": 24, "multiplier": 3}
    options = {
        "plain": HOSTED,
        "spiked": {**HOSTED, "price_spikes": [spike]},
        "quoted": {**GROQ, "dedicated": {"usd_per_month": 9000, "concurrency": 20}},
    }
    asked = study(tmp_path, options)
    plain, spiked = (sum(outcome(asked, n).api_usd.values()) for n in ("plain", "spiked"))
    assert spiked == pytest.approx(3 * plain, rel=1e-9)
    evaluation = Evaluator(asked, 1.0).evaluate(api(asked, "quoted"), Size())
    assert evaluation.total_usd(asked) == 9000
    assert evaluation.outcome.requests["rejected"] == 0


def test_caching_choices(tmp_path: Path) -> None:
    haiku = {"kind": "api", "offer": "anthropic/claude-haiku-5-5"}
    options = {name: {**haiku, "caching": name} for name in ("always", "auto", "never")}
    options["long"] = {**haiku, "cache_lifetime": "long"}
    asked = study(tmp_path, options)
    usd = {name: sum(outcome(asked, name).api_usd.values()) for name in options}
    assert usd["auto"] <= 1.01 * min(usd["always"], usd["never"])
    assert outcome(asked, "long").api_usd["cache_write_1h"] > 0
    assert "cache_write" not in outcome(asked, "long").api_usd
    with pytest.raises(InputError, match="sells no long cache lifetime"):
        study(tmp_path, {"a": {**HOSTED, "cache_lifetime": "long"}})


@pytest.mark.slow
def test_the_claims_of_the_article_can_be_tried(tmp_path: Path) -> None:
    def offer(name: str, **say: Any) -> dict[str, Any]:
        return {"kind": "api", "offer": f"article/{name}", **say}

    def usd(option: dict[str, Any], **traffic: Any) -> dict[str, float]:
        return outcome(study(tmp_path, {"a": option}, **traffic), "a").api_usd

    prose, code = (usd(offer("gpt-4o"), content=content) for content in ("prose", "code"))
    assert code["output"] == pytest.approx(1.2 * prose["output"], rel=1e-9)
    assert code["input"] == prose["input"]
    long = {"system_prompt_tokens": 70_000, "max_prompt_tokens": 120_000, "stable_session_share": 0}
    mild = {**long, "system_prompt_tokens": 50_000, "turns": 1}
    per_tok = [
        usd(offer("deepseek-v3"), **{**say, "turns": 1})["input"] / tokens
        for say, tokens in ((mild, 50_000), (long, 70_000))
    ]
    assert per_tok[1] == pytest.approx(2 * per_tok[0], rel=0.02)
    for tier, tokens in (("base", 4096), ("higher", 6000)):
        long_answers = {"output_tokens": 6000, "max_output_tokens": 8000}
        asked = study(tmp_path, {"a": offer("gpt-4-turbo", tier=tier)}, **long_answers)
        done = outcome(asked, "a")
        assert done.tokens["output"] == pytest.approx(tokens * done.requests["completed"], rel=1e-3)
    thinking = {"reasoning_share": 0.8, "output_tokens": 4000, "max_output_tokens": 8000}
    free, bounded = (
        outcome(study(tmp_path, {"a": offer("qwen3-72b", **say)}, **thinking), "a")
        for say in ({}, {"thinking_budget_tokens": 800})
    )
    assert bounded.tokens["reasoning"] == pytest.approx(free.tokens["reasoning"] / 4, rel=0.1)
    assert free.api_usd["reasoning"] / free.tokens["reasoning"] == pytest.approx(
        4 / 1.2 * free.api_usd["output"] / free.tokens["output"], rel=1e-6
    )
    few, many = (
        outcome(study(tmp_path, {"a": offer("mistral")}, turns=1, message_tokens=tokens), "a")
        for tokens in (3000, 20)
    )
    paid = [o.api_usd["cache_read"] / o.tokens["cache_read"] / o.month_factor for o in (few, many)]
    assert paid[0] > 1e-6 > paid[1] > 0.39e-6


@pytest.mark.slow
@pytest.mark.parametrize(
    "policy",
    [
        {"name": "openrouter"},
        {"name": "openrouter", "weighting": "legacy"},
        {"name": "openrouter", "sort": "throughput"},
        {"name": "openrouter", "order": ["groq", "hosted"]},
        {"name": "openrouter", "preferred_min_throughput": 200},
        {"name": "litellm"},
        {"name": "litellm", "strategy": "latency-based-routing"},
        {"name": "litellm", "strategy": "usage-based-routing-v2"},
        {"name": "litellm", "fallbacks": ["together"]},
        {"name": "portkey", "retries": 2},
        {"name": "portkey", "mode": "loadbalance", "weights": {"hosted": 3, "groq": 1}},
        {"name": "portkey", "breaker": {"failure_threshold": 3}},
        {"name": "tokenmix"},
    ],
    ids=str,
)
def test_an_outage_of_the_primary_loses_nothing(tmp_path: Path, policy: dict[str, Any]) -> None:
    """In every gateway that falls back, and in none that was told not to."""
    down = {"from_time": "2026-11-23T06:00:00", "minutes": 360}
    options = {**deepcopy(ALL), "router": gateway(policy, *NAMES)}
    for name in ("hosted", "groq") if "order" in policy else ("hosted",):
        options[name] = {**options[name], "outages": [down]}
    done = outcome(study(tmp_path, options), "router")
    lost = done.requests["rejected"] / done.requests["offered"]
    if policy.get("mode") == "loadbalance":
        assert 0.02 < lost < 0.9
    elif policy["name"] == "litellm" and policy.get("strategy") != "latency-based-routing":
        # Three draws among the group, in which the failing one stands while it is asked too rarely
        # to cool down; what has a fallback behind the group is never lost.
        assert lost == 0 if "fallbacks" in policy else 0 < lost < 1 / 27
    else:
        assert done.requests["rejected"] == 0
    assert sum(done.served_by.values()) == done.requests["completed"]


@pytest.mark.slow
def test_policies_choose_as_documented(tmp_path: Path) -> None:
    options = {
        **ALL,
        "throughput": gateway({"name": "openrouter", "sort": "throughput"}, *NAMES),
        "latency": gateway({"name": "openrouter", "sort": "latency"}, *NAMES),
        "price": gateway({"name": "openrouter", "sort": "price"}, *NAMES),
        "ordered": gateway({"name": "openrouter", "order": ["together"]}, *NAMES),
        "alone": gateway(
            {"name": "openrouter", "order": ["together"], "allow_fallbacks": False}, *NAMES
        ),
        "fast": gateway({"name": "openrouter", "preferred_min_throughput": 200}, *NAMES),
        "cheap": gateway({"name": "openrouter", "max_price": {"prompt": 0.6}}, *NAMES),
        "cost": gateway({"name": "litellm", "strategy": "cost-based-routing"}, *NAMES),
        "conditional": gateway(
            {"name": "portkey", "mode": "conditional", "conditions": {"chat": "together"}}, *NAMES
        ),
        "default": gateway({"name": "portkey", "mode": "conditional"}, *NAMES),
    }
    asked = study(tmp_path, options)
    expected = {"throughput": "groq", "latency": "groq", "price": "groq", "ordered": "together",
                "alone": "together", "fast": "groq", "cheap": "groq", "cost": "groq",
                "conditional": "together", "default": "hosted"}  # fmt: skip
    for name, target in expected.items():
        done = outcome(asked, name)
        assert done.served_by[ALL[target]["offer"]] == done.requests["completed"], name


def test_fees_and_discounts(tmp_path: Path) -> None:
    options = {
        "hosted": HOSTED,
        "router": gateway({"name": "openrouter"}, "hosted"),
        "mixed": gateway({"name": "tokenmix"}, "hosted"),
    }
    asked = study(tmp_path, options)
    usd = {name: outcome(asked, name).api_usd for name in options}
    plain = sum(usd["hosted"].values())
    assert usd["router"]["gateway_fee"] == pytest.approx(0.055 * plain, rel=1e-9)
    assert sum(usd["mixed"].values()) == pytest.approx(0.95 * plain, rel=1e-9)


def test_mistakes_are_told_where_they_stand(tmp_path: Path) -> None:
    def wrong(option: dict[str, Any]) -> str:
        with pytest.raises(InputError) as caught:
            study(tmp_path, {**ALL, "router": option})
        return str(caught.value)

    assert "'hostd' is no api option (did you mean 'hosted'?)" in wrong(
        gateway({"name": "litellm"}, "hostd")
    )
    assert "'grok' is not among the targets (did you mean 'groq'?)" in wrong(
        gateway({"name": "litellm", "weights": {"grok": 1}}, *NAMES)
    )
    assert "every target is a fallback" in wrong(
        gateway({"name": "litellm", "fallbacks": list(NAMES)}, *NAMES)
    )
    assert "unknown key 'num_retry' (did you mean 'num_retries'?)" in wrong(
        gateway({"name": "litellm", "num_retry": 1}, *NAMES)
    )
    assert "the availability of" in wrong({**HOSTED, "outages": "typical"})


def test_typical_outages_are_shared_by_a_provider(tmp_path: Path) -> None:
    options = {
        name: {"kind": "api", "offer": f"openai/{name}", "outages": "typical"}
        for name in ("gpt-4o", "gpt-5.4")
    }
    asked = study(tmp_path, options, "horizon_hours=8760")
    a, b = (api(asked, name).endpoints[0].outages_s for name in options)
    assert a == b
    assert len(a) > 10
    down_s = np.sum([end - begin for begin, end in a])
    assert down_s / (8760 * 3600) == pytest.approx(1 - 0.9971, rel=0.5)
