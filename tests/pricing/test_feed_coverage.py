"""Everything that a price file contains is read, or named as left out; nothing is half read."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from simulator.errors import InputError
from simulator.library.price_feeds import import_prices
from simulator.pricing.feeds.feed import Feed
from simulator.pricing.feeds.reading import read_feed
from simulator.scenario.catalog.price_book import PriceBook
from tests.support.command import breakeven
from tests.support.pricing.price_samples import costs_and_errors

DAY = date(2026, 11, 27)
PLAIN = {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}


def litellm(**entries: dict[str, Any]) -> Feed:
    shared = {"litellm_provider": "acme", "mode": "chat"}
    return read_feed({name: {**shared, **entry} for name, entry in entries.items()}, "f.json", DAY)


def usd(feed: Any, tmp_path: Path, offer: str, **columns: Any) -> float:
    (tmp_path / "feed.json").write_text(json.dumps(feed))
    import_prices(str(tmp_path / "feed.json"), tmp_path / "book.json")
    table = {"offer": offer, "at": "2026-11-27T09:00Z", "output_total": 0, **columns}
    book = PriceBook.with_file(tmp_path / "book.json")
    cost, errors = costs_and_errors({name: [str(v)] for name, v in table.items()}, book)
    if errors[0]:
        raise InputError(errors[0])
    return float(cost[0])


# LiteLLM's map.


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ({"mode": "image_generation", **PLAIN}, "mode image_generation"),
        ({"input_cost_per_second": 1}, "no price of tokens"),
        ({**PLAIN, "input_cost_per_second": 1}, "unknown key input_cost_per_second"),
        ({**PLAIN, "input_cost_per_token_nightly": 1e-7}, "unknown key input_cost_per_token_night"),
        ({**PLAIN, "output_cost_per_token_nightly": 0}, "unknown key output_cost_per_token_nightl"),
        ({**PLAIN, "citation_cost_per_token": 1e-6}, "unknown key citation_cost_per_token"),
        ({**PLAIN, "input_cost_per_token_above_1m_tokens": 1e-6}, "unknown key input_cost_per_tok"),
        (
            {**PLAIN, "cache_creation_input_token_cost_above_1hr": 2e-6,
             "cache_creation_input_token_cost_above_12hr": 3e-6},
            "two prices of cache_write_1h",
        ),
        ({"tiered_pricing": [{"range": [9, 99], **PLAIN}]}, "no price of tokens"),
        (
            {"tiered_pricing": [{"range": [0, 9], **PLAIN}, {"range": [10, 99], **PLAIN}]},
            "ranges of tiered_pricing that do not follow one another",
        ),
        (
            {"tiered_pricing": [{"range": [0, 9], **PLAIN, "cache_storage_token_cost": 1}]},
            "unknown key cache_storage_token_cost",
        ),
        (
            {**PLAIN, "off_peak_pricing": {"input_cost_per_token": 5e-7, "windows": []},
             "input_cost_per_token_batches": 5e-7},
            "prices by the hour together with tiers or contexts",
        ),
    ],
)  # fmt: skip
def test_an_entry_that_is_not_understood_has_no_card(entry: dict[str, Any], why: str) -> None:
    feed = litellm(whole=PLAIN, other=entry)
    assert set(feed.cards) == {"acme/whole"}
    ((reason, names),) = feed.left_out.offers.items()
    assert (reason[: len(why)], names) == (why, ["acme/other"])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("input_cost_per_token_balanced", 5e-7),
        ("cache_read_input_token_cost_above_272k_tokens_decisions", 5e-7),
        ("cache_creation_input_audio_token_cost", 5e-7),
        ("output_cost_per_image", 0.04),
        ("fedramp_uplift_multiplier", 1.1),
    ],
)
def test_a_price_of_other_calls_is_named_and_the_rest_is_read(key: str, value: float) -> None:
    feed = litellm(whole={**PLAIN, key: value})
    assert feed.cards["acme/whole"].rows[0].rates == pytest.approx({"input": 1, "output": 2})
    assert feed.left_out.prices == {f"key {key}": ["acme/whole"]}
    assert not litellm(whole={**PLAIN, "output_cost_per_image": 0}).left_out.counts()


def test_an_alias_and_an_entry_without_a_mode_are_read() -> None:
    raw = {
        "gpt-9": {"litellm_provider": "openai", "mode": None, **PLAIN},
        "gpt-latest": {"alias_of": "gpt-9"},
        "gpt-older": {"alias_of": "gpt-0"},
    }
    feed = read_feed(raw, "f.json", DAY)
    assert feed.cards["openai/gpt-latest"].rows == feed.cards["openai/gpt-9"].rows
    assert feed.left_out.offers == {"alias of an unknown entry": ["gpt-older"]}


def test_the_range_of_the_whole_prompt_prices_all_tokens(tmp_path: Path) -> None:
    tiers = [
        {"range": [32_000, 128_000], "input_cost_per_token": 5e-6, "output_cost_per_token": 5e-5},
        {"range": [0, 32_000], "input_cost_per_token": 3e-6, "output_cost_per_token": 3e-5,
         "cache_read_input_token_cost": 1e-6},
    ]  # fmt: skip
    raw = {
        "dashscope/q": {"litellm_provider": "dashscope", "mode": "chat", "tiered_pricing": tiers}
    }
    use = {"cache_read": 1000, "output_total": 1000}
    low = usd(raw, tmp_path, "alibaba/q", input_total=32_000, **use)
    assert low == pytest.approx((31_000 * 3 + 1000 * 1 + 1000 * 30) / 1e6)
    # The higher range names no price of reads: they cost as much as its input.
    high = usd(raw, tmp_path, "alibaba/q", input_total=32_001, **use)
    assert high == pytest.approx((32_001 * 5 + 1000 * 50) / 1e6)


def test_thresholds_in_tokens_and_realtime_models_are_read(tmp_path: Path) -> None:
    entry = {
        "litellm_provider": "openai", "mode": "realtime", **PLAIN,
        "input_cost_per_token_above_500_tokens": 4e-6, "input_cost_per_audio_token": 3e-5,
        "cache_read_input_audio_token_cost": 3e-7, "cache_read_input_image_token_cost": 5e-7,
        "input_cost_per_image_token": 5e-6, "output_cost_per_audio_token": 6e-5,
    }  # fmt: skip
    raw = {"gpt-voice": entry}
    assert usd(raw, tmp_path, "openai/gpt-voice", input_total=500) == pytest.approx(500e-6)
    assert usd(raw, tmp_path, "openai/gpt-voice", input_total=501) == pytest.approx(2004e-6)
    use = {"input_total": 100, "cache_read": 30, "output_total": 90, "input_audio_tokens": 50,
           "cached_audio_tokens": 20, "input_image_tokens": 40, "cached_image_tokens": 10,
           "output_audio_tokens": 70}  # fmt: skip
    total = usd(raw, tmp_path, "openai/gpt-voice", **use)
    parts = (10 * 1, 30 * 30, 20 * 0.3, 30 * 5, 10 * 0.5, 20 * 2, 70 * 60)
    assert total == pytest.approx(sum(parts) / 1e6)


def test_fireworks_reads_its_cache_at_half_the_price_of_input(tmp_path: Path) -> None:
    entry = {"litellm_provider": "fireworks_ai", "mode": "chat", **PLAIN}
    use = {"input_total": 1000, "cache_read": 400}
    raw = {"fireworks_ai/m": entry}
    assert usd(raw, tmp_path, "fireworks/m", **use) == pytest.approx((600 + 400 * 0.5) / 1e6)
    raw = {"fireworks_ai/m": {**entry, "cache_read_input_token_cost": 1e-7}}
    assert usd(raw, tmp_path, "fireworks/m", **use) == pytest.approx((600 + 400 * 0.1) / 1e6)


# genai-prices' data file and model-prices' snapshot.


def test_unknown_keys_of_genai_prices() -> None:
    def model(name: str, **prices: Any) -> dict[str, Any]:
        return {"id": name, "match": {"equals": name},
                "prices": {"input_mtok": 1, "output_mtok": 2, **prices}}  # fmt: skip

    models = [model("whole", input_image_pages=1), model("other", input_pdf_mtok=5)]
    models[0]["price_variants"] = [{"when": {"region": "eu"}, "prices": {"input_mtok": 3}}]
    provider = {"id": "acme", "name": "Acme", "api_pattern": "x", "models": models}
    feed = read_feed([provider], "f.json", DAY)
    assert set(feed.cards) == {"acme/whole"}
    assert feed.left_out.offers == {"unknown key input_pdf_mtok": ["acme/other"]}
    assert set(feed.left_out.prices) == {"key input_image_pages", "region=eu"}


def test_unknown_keys_and_thinking_calls_of_model_prices(tmp_path: Path) -> None:
    def entry(**rates: Any) -> list[dict[str, Any]]:
        return [{"start": None, "rates": {"input": 1.0, "output": 2.0, **rates}}]

    models = {
        "whole": {"standard": entry(), "thinking": entry(output=8.0), "night": entry()},
        "other": {"standard": entry(tiers=[{"above": 9, "input": 2.0, "input_pdf": 3.0}])},
    }
    raw = {"schema": 1, "prices": {"acme": models}, "schedules": {"schedule": []}}
    feed = read_feed(raw, "f.json", DAY)
    assert feed.left_out.offers == {"unknown key input_pdf": ["acme/other"]}
    assert feed.left_out.prices == {"mode night": ["acme/whole"]}
    use = {"input_total": 0, "output_total": 1000}
    assert usd(raw, tmp_path, "acme/whole", **use) == pytest.approx(2e-3)
    assert usd(raw, tmp_path, "acme/whole", **use, reasoning=10) == pytest.approx(8e-3)


def test_a_threshold_of_xai_is_inclusive_in_every_file(tmp_path: Path) -> None:
    tier = {"above": 200_000, "input": 2.0, "output": 2.0}
    history = {"standard": [{"start": None, "rates": {"input": 1.0, "output": 1.0,
                                                      "tiers": [tier]}}]}  # fmt: skip
    prices = {"schema": 1, "prices": {"x-ai": {"grok-9": history}}, "schedules": {"schedule": []}}
    dev = dev_file("xai", "grok-9", {"input": 1, "output": 1, "context_over_200k":
                                     {"input": 2, "output": 2}})  # fmt: skip
    for raw in (prices, dev):
        for prompt, rate in ((199_999, 1), (200_000, 2)):
            cost = usd(raw, tmp_path, "x-ai/grok-9", input_total=prompt)
            assert cost == pytest.approx(prompt * rate / 1e6)


# models.dev's api.json.


def dev_file(provider: str, model: str, cost: Any, **more: Any) -> dict[str, Any]:
    entry = {"id": model, "name": model, "cost": cost,
             "modalities": {"input": ["text"], "output": ["text"]},
             "limit": {"context": 1_000_000, "output": 8000}, **more}  # fmt: skip
    return {provider: {"id": provider, "env": [], "models": {model: entry}}}


def test_a_file_of_models_dev(tmp_path: Path) -> None:
    cost = {
        "input": 5, "output": 25, "cache_read": 0.5, "cache_write": 6.25,
        "input_audio": 40, "output_audio": 80,
        "context_over_200k": {"input": 10, "output": 37.5, "cache_read": 1, "cache_write": 12.5},
        "tiers": [{"input": 10, "output": 37.5, "cache_read": 1, "cache_write": 12.5,
                   "tier": {"type": "context", "size": 256_000}}],
    }  # fmt: skip
    modes = {"fast": {"cost": {"input": 30, "output": 150},
                      "provider": {"body": {"speed": "fast"}}},
             "night": {"cost": {"input": 1, "output": 1}}, "shown": {}}  # fmt: skip
    raw = dev_file("anthropic", "claude-9", cost, experimental={"modes": modes},
                   status="deprecated", limit={"context": 900_000, "input": 800_000})  # fmt: skip
    offer = "anthropic/claude-9"
    use = {"cache_read": 100, "cache_write_1h": 100, "output_total": 100}
    # The tiers have the true threshold. An hour's write costs twice the input price.
    for prompt, rates in ((256_000, (5, 0.5, 10, 25)), (256_001, (10, 1, 20, 37.5))):
        parts = (prompt - 200, 100, 100, 100)
        assert usd(raw, tmp_path, offer, input_total=prompt, **use) == pytest.approx(
            sum(count * rate for count, rate in zip(parts, rates, strict=True)) / 1e6
        )
    sound = {"input_audio": 10, "output_audio": 10, "output_total": 10}
    assert usd(raw, tmp_path, offer, input_total=10, **sound) == pytest.approx(1200e-6)
    fast = {"context": "fast", "output_total": 10}
    assert usd(raw, tmp_path, offer, input_total=10, **fast) == pytest.approx(1800e-6)
    # A mode without tiers has those of the standard price at its own multiple of it.
    high = usd(raw, tmp_path, offer, input_total=300_000, **fast)
    assert high == pytest.approx((300_000 * 60 + 10 * 225) / 1e6)
    with pytest.raises(InputError, match="maximum input of 800000"):
        usd(raw, tmp_path, offer, input_total=800_001)
    feed = read_feed(raw, "api.json", DAY)
    assert feed.left_out.prices == {"mode night": [offer]}
    assert feed.cards[offer].lifetime.deprecated


def test_reasoning_of_models_dev(tmp_path: Path) -> None:
    cost = {"input": 1, "output": 2, "reasoning": 8}
    use = {"input_total": 0, "output_total": 100, "reasoning": 10}
    some = usd(dev_file("acme", "m", cost), tmp_path, "acme/m", **use)
    assert some == pytest.approx((90 * 2 + 10 * 8) / 1e6)
    # Alibaba bills the whole output of a thinking call at the rate of reasoning.
    whole = usd(dev_file("alibaba", "m", cost), tmp_path, "alibaba/m", **use)
    assert whole == pytest.approx(100 * 8 / 1e6)


@pytest.mark.parametrize(
    ("cost", "more", "why"),
    [
        (None, {}, "no price of tokens"),
        ({"per_minute": 0.1}, {}, "unknown key per_minute"),
        ({"input": 1, "output": 2, "input_pdf": 5}, {}, "unknown key input_pdf"),
        ({"input": 1, "output": 2}, {"type": "image"}, "type image"),
        (
            {"input": 1, "output": 30},
            {"modalities": {"input": ["text"], "output": ["text", "image/png"]}},
            "output other than text",
        ),
        (
            {"input": 1, "output": 2, "tiers": [{"input": 2, "tier": {"type": "hour", "size": 9}}]},
            {},
            "a tier by something else than the prompt's length",
        ),
    ],
)
def test_a_model_of_models_dev_that_is_not_understood_has_no_card(
    cost: Any, more: dict[str, Any], why: str
) -> None:
    raw = dev_file("acme", "other", cost, **more) | dev_file(
        "b", "whole", {"input": 1, "output": 1}
    )
    feed = read_feed(raw, "api.json", DAY)
    assert set(feed.cards) == {"b/whole"}
    assert feed.left_out.offers == {why: ["acme/other"]}


@pytest.mark.parametrize(
    ("cost", "message"),
    [
        ({"input": -1}, r"cost.input must be a price, 0 or more, not -1"),
        ({"input": "free"}, "cost.input must be a price"),
        (7, "cost must be a mapping"),
        ({"input": 1, "tiers": 3}, "cost.tiers must be a list"),
        ({"input": 1, "tiers": [{"tier": {"size": -3}}]}, "size of a tier must be a number of tok"),
    ],
)
def test_broken_files_of_models_dev_are_refused(cost: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_feed(dev_file("acme", "m", cost), "api.json", DAY)


def test_long_writes_of_the_book_are_kept_where_a_file_has_short_ones_only(tmp_path: Path) -> None:
    raw = {"claude-sonnet-4-6": {
        "litellm_provider": "anthropic", "mode": "chat", "input_cost_per_token": 1e-5,
        "output_cost_per_token": 5e-5, "cache_creation_input_token_cost": 1.25e-5}}  # fmt: skip
    use = {"input_total": 100, "cache_write_1h": 100}
    written = usd(raw, tmp_path, "anthropic/claude-sonnet-4-6", **use)
    assert written == pytest.approx(100 * 20 / 1e6)


# What commands print.


def test_an_import_names_what_it_leaves_out(tmp_path: Path) -> None:
    shared = {"litellm_provider": "dashscope", "mode": "chat", **PLAIN}
    balanced = {**shared, "input_cost_per_token_balanced": 5e-7}
    raw = {f"q{k}": balanced for k in range(5)}
    raw["x"] = {**shared, "mode": "image_generation"}
    (tmp_path / "map.json").write_text(json.dumps(raw))
    result = import_prices(str(tmp_path / "map.json"), tmp_path / "book.json")
    notes = "\n".join(result.notes)
    assert "1 offer left out: dashscope/x (mode image_generation)" in notes
    key = "key input_cost_per_token_balanced is not read: 5 offers"
    assert f"{key} (alibaba/q0, alibaba/q1, alibaba/q2 and 2 more)" in notes
    document = result.to_dict()
    assert document["left_out"]["offers"] == {"mode image_generation": ["dashscope/x"]}
    assert document["skipped"]["key input_cost_per_token_balanced"] == 5


@pytest.mark.slow
def test_a_file_without_a_usable_offer_says_why(tmp_path: Path) -> None:
    raw = {"x": {"litellm_provider": "acme", "mode": "ocr"}}
    (tmp_path / "map.json").write_text(json.dumps(raw))
    run = breakeven("prices", "import", "map.json", "book.json", cwd=tmp_path)
    assert run.returncode == 3
    assert "map.json: contains no token prices (acme/x: mode ocr)" in run.stderr
    assert not (tmp_path / "book.json").exists()


@pytest.mark.slow
def test_a_diff_names_offer_field_values_and_percent(tmp_path: Path) -> None:
    raw = {
        "gpt-4o": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 3e-6,
                   "output_cost_per_token": 1e-5, "cache_read_input_token_cost": 1.25e-6},
        "gpt-4o-next": {"litellm_provider": "openai", "mode": "chat", **PLAIN},
    }  # fmt: skip
    (tmp_path / "map.json").write_text(json.dumps(raw))
    run = breakeven("prices", "diff", "map.json", "gpt-4o", "--at", "2026-11-27", cwd=tmp_path)
    lines = [" ".join(line.split()) for line in run.stdout.splitlines()]
    assert "openai/gpt-4o input, always 2.5 3 +20.0%" in lines
    assert "openai/gpt-4o batch gone" in lines
    assert "new: openai/gpt-4o-next (input 1, output 2)" in lines
