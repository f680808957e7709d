"""What the book says of offers' caches, limits and speeds, against their providers' words."""

from pathlib import Path
from typing import Any

import pytest

from simulator.analysis.study.options import ApiOption
from simulator.engine.spec.plan import Budget, Limit
from simulator.errors import InputError
from simulator.pricing.caching import CACHE_OFFERS
from simulator.scenario.building.endpoints import budget
from simulator.scenario.building.study import load_study
from simulator.scenario.catalog.offer_schema import SpendLimit
from simulator.scenario.catalog.price_book import PriceBook, known_offers
from simulator.units import MONTH_S
from tests.support.scenarios import SMALL, write_scenario

BOOK = PriceBook()


def option(tmp_path: Path, *settings: str, **said: Any) -> ApiOption:
    scenario = {**SMALL, "options": {"hosted": {"kind": "api", **said}}}
    study = load_study(write_scenario(tmp_path / "s.yaml", scenario), list(settings))
    (found,) = study.options
    assert isinstance(found, ApiOption)
    return found


@pytest.mark.parametrize(
    ("offer", "rule", "min_tok", "ttl_s", "long_ttl_s"),
    [
        ("openai/gpt-4o", "prefix", 1024, 600, None),  # not on the list of 24 hours
        ("openai/gpt-4o-mini", "prefix", 1024, 600, None),
        ("openai/gpt-4.1", "prefix", 1024, 600, 86400),
        ("openai/gpt-5-mini", "prefix", 1024, 600, 86400),
        ("openai/gpt-5.6-terra", "breakpoint", 1024, 1800, 43200),
        ("openai/gpt-6.1-sol", "breakpoint", 1024, 1800, 43200),
        ("anthropic/claude-haiku-4-5", "breakpoint", 4096, 300, 3600),
        ("anthropic/claude-sonnet-4-6", "breakpoint", 1024, 300, 3600),
        ("anthropic/claude-opus-5-5", "breakpoint", 512, 300, 3600),
        ("google/gemini-2.5-pro", "prefix", 2048, 3600, None),
        ("google/gemini-2.5-flash", "prefix", 2048, 3600, None),
        ("google/gemini-3.1-pro-preview", "prefix", 4096, 3600, None),
        ("google/gemini-4-argon", "prefix", 4096, 3600, None),
        ("deepseek/deepseek-flash", "unit", 0, 86400, None),
        ("groq/openai/gpt-oss-120b", "prefix", 128, 7200, None),
        ("x-ai/grok-4.7", "prefix", 128, 300, None),
    ],
)
def test_cache_rules_by_model(
    offer: str, rule: str, min_tok: int, ttl_s: float, long_ttl_s: float | None
) -> None:
    said = BOOK.simulated(offer).cache
    assert said is not None
    assert (said.rule, said.min_tok, said.ttl_s, said.long_ttl_s) == (
        rule, min_tok, ttl_s, long_ttl_s,
    )  # fmt: skip


def test_opt_in_and_isolation_are_said() -> None:
    mistral, claude = (
        BOOK.simulated(name).cache
        for name in ("mistral/mistral-large-4", "anthropic/claude-opus-5-5")
    )
    assert mistral is not None
    assert claude is not None
    assert mistral.opt_in == "prompt_cache_key"
    assert claude.isolation == "workspace"


def test_long_lifetimes_are_priced_where_they_are_sold(tmp_path: Path) -> None:
    """OpenAI's 12 hours at 2.5 times the input, in every tier and context."""
    for offer in ("openai/gpt-6.1-terra", "openai/gpt-6.1-sol", "openai/gpt-5.6-terra"):
        for row in BOOK.card(offer).rows:
            if "input" in row.rates:
                assert row.rates["cache_write_1h"] == pytest.approx(2.5 * row.rates["input"])
    long = option(tmp_path, offer="openai/gpt-6.1-terra", cache_lifetime="long")
    assert (long.endpoints[0].cache.ttl_s, long.endpoints[0].cache.long) == (43200, True)
    with pytest.raises(InputError, match="sells no long cache lifetime"):
        option(tmp_path, offer="openai/gpt-4o", cache_lifetime="long")
    rules = CACHE_OFFERS["openai-12h"], CACHE_OFFERS["anthropic-1h"]
    assert [(r.cache.ttl_s, r.cache.min_tok, r.write) for r in rules] == [
        (43200, 1024, 2.5), (3600, 512, 2.0),
    ]  # fmt: skip


CLAUDES = [name for name in known_offers() if name.startswith("anthropic/")]


@pytest.mark.parametrize("offer", CLAUDES)
def test_claude_counts_output_as_it_is_produced_and_has_monthly_caps(
    offer: str, tmp_path: Path
) -> None:
    fable = "fable" in offer
    scale = option(tmp_path, offer=offer, tier="scale").endpoints[0]
    amounts = {limit.of: limit.amount for limit in scale.limits}
    expected = (4000, 4e6, 8e5) if fable else (10_000, 1e7, 2e6)
    assert amounts == dict(zip(("requests", "input_tok", "produced_tok"), expected, strict=True))
    start = option(tmp_path, "horizon_hours=168", offer=offer, tier="start").endpoints[0]
    (cap,) = start.budgets
    # A week has its share of the month's 500 USD.
    assert cap.usd == pytest.approx(500 * 168 * 3600 / MONTH_S)
    assert not scale.cached_counts


def test_gemini_counts_spend_over_any_ten_minutes_and_by_month(tmp_path: Path) -> None:
    usd = {"tier-1": (10, 250), "tier-2": (50, 2000), "tier-3": (200, 20_000)}
    for offer in ("google/gemini-2.5-pro", "google/gemini-2.5-flash", "google/gemini-4-argon"):
        for tier, (short, month) in usd.items():
            budgets = option(tmp_path, offer=offer, tier=tier).endpoints[0].budgets
            assert budgets[0] == Budget(short, pytest.approx(600), "rolling")
            assert budgets[1].usd < month
    with pytest.raises(InputError, match="has no tier 'tier-4'; known: tier-1, tier-2, tier-3"):
        option(tmp_path, offer="google/gemini-2.5-pro", tier="tier-4")
    with pytest.raises(InputError, match="has no tier 'tier-1': give limits instead"):
        option(tmp_path, offer="openai/gpt-4o", tier="tier-1")


def test_spend_limits_have_one_kind_of_period(tmp_path: Path) -> None:
    month = SpendLimit(usd=100, per="month")
    assert budget(month, 40 * 86400.0) == Budget(100, MONTH_S, "month")
    week = budget(month, 7 * 86400.0)
    assert (week.kind, week.usd) == ("fixed", pytest.approx(100 * 7 * 86400 / MONTH_S))
    for said in (
        {"usd": 1}, {"usd": 1, "period_hours": 1, "per": "month"},
        {"usd": 1, "per": "month", "rolling": True},
    ):  # fmt: skip
        with pytest.raises(InputError, match=r"s.yaml:\d+:\d+: .*period_hours"):
            option(tmp_path, offer="openai/gpt-4o", spend_limit=said)


def test_limits_may_be_said_by_hand(tmp_path: Path) -> None:
    said = [{"of": "produced_tok", "amount": 5000}]
    (found,) = option(tmp_path, offer="openai/gpt-4o", limits=said).endpoints[0].limits
    assert found == Limit("produced_tok", 5000, 60.0, 60.0)


def test_the_greatest_input_reaches_the_engine(tmp_path: Path) -> None:
    endpoint = option(tmp_path, offer="openai/gpt-5-mini").endpoints[0]
    assert (endpoint.context_tok, endpoint.max_input_tok) == (400_000, 272_000)
    assert option(tmp_path, offer="mistral/mistral-large-4").endpoints[0].max_input_tok is None


@pytest.mark.parametrize(
    ("offer", "at_100k_s", "at_500k_s"),
    [  # Epoch AI, ttft-latency-scaling, sessions of 2026-08-13 and 14
        ("openai/gpt-5.6-terra", 1.29, 5.43),
        ("openai/gpt-6.1-sol", 1.85, 8.98),
        ("anthropic/claude-sonnet-5-5", 1.78, 6.96),
        ("anthropic/claude-opus-5-5", 3.78, 12.5),
    ],
)
def test_first_tokens_of_long_prompts_take_what_was_measured(
    offer: str, at_100k_s: float, at_500k_s: float
) -> None:
    said = BOOK.simulated(offer).endpoint
    assert said is not None
    assert any(reading.kind == "measured" and reading.prefill for reading in said.readings)
    for tokens, expected in ((100_000, at_100k_s), (500_000, at_500k_s)):
        squares = said.prefill_token2_s * tokens**2
        ttft_s = said.ttft_median_s + said.prefill_token_s * tokens + squares
        assert ttft_s == pytest.approx(expected, rel=0.005)


def test_speeds_lie_within_what_others_read() -> None:
    """But where a reading is of another model, which its name says."""
    for name in known_offers():
        said = BOOK.simulated(name).endpoint
        assert said is not None
        own = [
            r for r in said.readings if not any(w in r.by for w in (" on ", "Sonnet", "mean", ";"))
        ]
        for field, value in (("ttft_s", said.ttft_median_s), ("output_tok_s", said.output_tok_s)):
            read = [getattr(r, field) for r in own if getattr(r, field)]
            if read:
                assert min(read) * 0.99 <= value <= max(read) * 1.01, (name, field)


def test_gateways_do_as_they_are_documented(tmp_path: Path) -> None:
    """Portkey reads retry-after when told to; OpenRouter's fee with own keys spares a million."""

    def routed(**policy: Any) -> ApiOption:
        options = {
            "hosted": {"kind": "api", "offer": "openai/gpt-4o"},
            "router": {"kind": "gateway", "policy": policy, "targets": ["hosted"]},
        }
        study = load_study(write_scenario(tmp_path / "s.yaml", {**SMALL, "options": options}))
        found = study.options[1]
        assert isinstance(found, ApiOption)
        return found

    plain, told = routed(name="portkey"), routed(name="portkey", use_retry_after_headers=True)
    waits = [o.gateways[0].retry_after_max_s for o in (plain, told)]
    assert waits == [0.0, 60.0]
    assert [o.gateways[0].gives_up_on_long_waits for o in (plain, told)] == [False, True]
    credits, own = routed(name="openrouter"), routed(name="openrouter", own_keys=True)
    assert [credits.fee(calls) for calls in (1e5, 1e8)] == [0.055, 0.055]
    assert [own.fee(calls) for calls in (1e5, 1e6, 2e6)] == [0, 0, pytest.approx(0.025)]
    assert routed(name="openrouter", own_keys=True, fee_share=0.03).fee(4e6) == pytest.approx(
        0.0225
    )
