"""Feeds are read whole, imports keep what the book knows better, and checks find what differs."""

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from simulator.errors import InputError
from simulator.library.prices import price_usage_file
from simulator.pricing.feeds.backdating import backdated
from simulator.pricing.feeds.checking import KnownDifference, check
from simulator.pricing.feeds.comparing import compared
from simulator.pricing.feeds.feed import Feed
from simulator.pricing.feeds.reading import read_feed
from simulator.pricing.lifetimes import Lifetime
from simulator.pricing.rates import RateCard
from simulator.pricing.rows import RateRow
from simulator.scenario.catalog.offer_cards import imported_entry
from simulator.scenario.catalog.price_book import PriceBook
from simulator.scenario.catalog.price_checks import (
    check_feeds,
    explanations,
    installed_sources,
    proposal,
)
from tests.support.command import breakeven
from tests.support.pricing.price_samples import costs_and_errors

DAY = date(2026, 11, 27)
AT_S = datetime(2026, 11, 27, 12, tzinfo=UTC).timestamp()


def litellm(name: str, provider: str, **prices: Any) -> Feed:
    entry = {"litellm_provider": provider, "mode": "chat", **prices}
    return read_feed({name: entry}, "map.json", DAY)


def book_of(feed: Feed, tmp_path: Path) -> PriceBook:
    path = tmp_path / "book.json"
    path.write_text(json.dumps({n: imported_entry(card) for n, card in feed.cards.items()}))
    return PriceBook.with_file(path)


def cost(book: PriceBook, offer: str, at: str = "2026-11-25T09:00Z", **counts: int) -> float:
    columns = {"offer": [offer], "at": [at], "input_total": ["0"], "output_total": ["0"]}
    context = counts.pop("context", "")
    columns |= {name: [str(count)] for name, count in counts.items()}
    usd, errors = costs_and_errors({**columns, "context": [str(context)]}, book)
    if errors[0]:
        raise InputError(errors[0])
    return float(usd[0]) * 1e6


# LiteLLM's map.


def test_long_writes_above_a_threshold_and_in_batch_have_their_price(tmp_path: Path) -> None:
    feed = litellm(
        "claude-9", "anthropic",
        input_cost_per_token=1e-7, input_cost_per_token_batches=5e-8,
        cache_creation_input_token_cost=1.25e-7, cache_creation_input_token_cost_batches=6.25e-8,
        cache_creation_input_token_cost_above_1hr=2e-7,
        input_cost_per_token_above_100k_tokens=5e-7,
        cache_creation_input_token_cost_above_100k_tokens=6.25e-7,
        cache_creation_input_token_cost_above_1hr_above_100k_tokens=1e-6,
        output_cost_per_token=5e-7,
    )  # fmt: skip
    book = book_of(feed, tmp_path)
    assert cost(book, "anthropic/claude-9", input_total=10, cache_write_1h=10) == pytest.approx(2)
    long = {"input_total": 100_001, "cache_write_1h": 100_001}
    assert cost(book, "anthropic/claude-9", **long) == pytest.approx(100_001)
    batch = {"input_total": 10, "cache_write_1h": 10, "context": "batch"}
    assert cost(book, "anthropic/claude-9", **batch) == pytest.approx(1)  # type: ignore[arg-type]


def test_twelve_hour_writes_in_any_order_of_the_keys_suffixes(tmp_path: Path) -> None:
    feed = litellm(
        "gpt-9", "openai", input_cost_per_token=2e-6, output_cost_per_token=1e-5,
        input_cost_per_token_flex=1e-6, input_cost_per_token_above_272k_tokens_flex=2e-6,
        cache_creation_input_token_cost_above_12hr_above_272k_tokens_flex=5e-6,
        cache_creation_input_token_cost_above_12hr_flex=2.5e-6,
    )  # fmt: skip
    book = book_of(feed, tmp_path)
    for prompt, rate in ((272_000, 2.5), (272_001, 5.0)):
        use = {"input_total": prompt, "cache_write_1h": prompt, "context": "flex"}
        assert cost(book, "openai/gpt-9", **use) == pytest.approx(prompt * rate)  # type: ignore[arg-type]


def test_a_threshold_of_xai_belongs_to_the_higher_tier(tmp_path: Path) -> None:
    prices = {
        "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6,
        "input_cost_per_token_above_200k_tokens": 2e-6,
    }  # fmt: skip
    grok = book_of(litellm("xai/grok-9", "xai", **prices), tmp_path)
    assert cost(grok, "x-ai/grok-9", input_total=199_999) == pytest.approx(199_999)
    assert cost(grok, "x-ai/grok-9", input_total=200_000) == pytest.approx(400_000)
    assert cost(grok, "xai/grok-9", input_total=200_000) == pytest.approx(400_000)
    gemini = book_of(litellm("gemini/gemini-9", "gemini", **prices), tmp_path)
    assert cost(gemini, "google/gemini-9", input_total=200_000) == pytest.approx(200_000)


@pytest.mark.parametrize(
    ("theirs", "provider", "ours"),
    [
        ("gemini/gemini-9", "gemini", "google/gemini-9"),
        ("xai/grok-9", "xai", "x-ai/grok-9"),
        ("dashscope/qwen9", "dashscope", "alibaba/qwen9"),
        ("moonshot/kimi-9", "moonshot", "moonshotai/kimi-9"),
        ("together_ai/meta/llama-9", "together_ai", "together/meta/llama-9"),
        ("fireworks_ai/accounts/fireworks/models/llama-9", "fireworks_ai", "fireworks/llama-9"),
        ("gpt-9", "openai", "openai/gpt-9"),
    ],
)
def test_providers_have_the_names_of_the_book(theirs: str, provider: str, ours: str) -> None:
    assert set(litellm(theirs, provider, input_cost_per_token=1e-6).cards) == {ours}


def test_ranges_are_tiers_and_thinking_rerates_the_output(tmp_path: Path) -> None:
    ranges = [
        {"range": [0, 32000.0], "input_cost_per_token": 3e-7, "output_cost_per_token": 1.5e-6},
        {"range": [32000.0, 128000], "input_cost_per_token": 5e-7, "output_cost_per_token": 2.5e-6},
    ]
    book = book_of(litellm("dashscope/qwen9", "dashscope", tiered_pricing=ranges), tmp_path)
    use = {"input_total": 40_000, "output_total": 1000}
    assert cost(book, "alibaba/qwen9", **use) == pytest.approx(22_500)
    assert cost(book, "alibaba/qwen9", input_total=32_000) == pytest.approx(32_000 * 0.3)
    prices = {
        "input_cost_per_token": 4e-7, "output_cost_per_token": 1.2e-6,
        "output_cost_per_reasoning_token": 4e-6,
    }  # fmt: skip
    thinking = book_of(litellm("dashscope/qwen8", "dashscope", **prices), tmp_path)
    use = {"output_total": 100, "reasoning": 1}
    assert cost(thinking, "alibaba/qwen8", **use) == pytest.approx(400)
    assert cost(thinking, "alibaba/qwen8", output_total=100) == pytest.approx(120)


OFF_PEAK = {
    "input_cost_per_token": 3e-7, "output_cost_per_token": 1.2e-6,
    "cache_read_input_token_cost": 6e-9,
    "off_peak_pricing": {
        "input_cost_per_token": 1.5e-7, "output_cost_per_token": 6e-7,
        "cache_read_input_token_cost": 3e-9,
        "windows": [
            {"hours_utc": ["00:00-01:00", "04:00-06:00", "10:00-00:00"],
             "weekdays": [1, 2, 3, 4, 5]},
            {"hours_utc": "00:00-00:00", "weekdays": [6, 7]},
        ],
    },
}  # fmt: skip


@pytest.mark.parametrize("offer", ["deepseek/deepseek-flash", "deepseek/other"])
def test_low_hours_become_peak_hours_and_holidays_stay(offer: str, tmp_path: Path) -> None:
    book = book_of(litellm(offer, "deepseek", **OFF_PEAK), tmp_path)
    for moment, rate in (
        ("2026-11-25T00:59Z", 0.15), ("2026-11-25T01:00Z", 0.3), ("2026-11-25T03:59Z", 0.3),
        ("2026-11-25T04:00Z", 0.15), ("2026-11-25T06:00Z", 0.3), ("2026-11-25T10:00Z", 0.15),
        ("2026-11-28T02:00Z", 0.15), ("2026-11-29T23:00Z", 0.15),
    ):  # fmt: skip
        assert cost(book, offer, moment, input_total=1000) == pytest.approx(rate * 1000)
    holiday = 0.15 if offer.endswith("flash") else 0.3  # the book alone knows the calendar
    use = cost(book, offer, "2026-10-01T02:00Z", input_total=1000)
    assert use == pytest.approx(1000 * holiday)


def test_a_flat_peak_price_does_not_take_the_place_of_hours(tmp_path: Path) -> None:
    """Older maps have DeepSeek's price of the peak hours alone."""
    flat = {key: value for key, value in OFF_PEAK.items() if key != "off_peak_pricing"}
    feed = litellm("deepseek/deepseek-flash", "deepseek", **flat)
    book, shipped = book_of(feed, tmp_path), PriceBook()
    assert book.card("deepseek/deepseek-flash").rows == shipped.card("deepseek/deepseek-flash").rows
    dearer = litellm(
        "deepseek/deepseek-flash", "deepseek", **{**flat, "input_cost_per_token": 1e-6}
    )
    told = cost(book_of(dearer, tmp_path), "deepseek/deepseek-flash", input_total=1000)
    assert told == pytest.approx(1000)


def test_an_import_that_says_the_same_keeps_dates_that_it_does_not_know(tmp_path: Path) -> None:
    """Argon doubles in December, and the map has no date."""
    now = {
        "input_cost_per_token": 2e-6, "output_cost_per_token": 1e-5,
        "cache_read_input_token_cost": 1e-7,
    }  # fmt: skip
    book = book_of(litellm("gemini/gemini-4-argon", "gemini", **now), tmp_path)
    assert cost(book, "google/gemini-4-argon", "2026-11-30", input_total=1000) == 2000
    assert cost(book, "google/gemini-4-argon", "2026-12-01", input_total=1000) == 4000
    dearer = litellm("gemini/gemini-4-argon", "gemini", **{**now, "input_cost_per_token": 3e-6})
    found = cost(book_of(dearer, tmp_path), "google/gemini-4-argon", "2026-12-01", input_total=1000)
    assert found == pytest.approx(3000)


def test_other_media_searches_and_sizes_are_taken_over(tmp_path: Path) -> None:
    feed = litellm(
        "gpt-4o-audio-preview", "openai", max_input_tokens=128000, deprecation_date="2026-12-31",
        successor_model="gpt-audio", input_cost_per_token=2.5e-6, output_cost_per_token=1e-5,
        input_cost_per_audio_token=1e-4, output_cost_per_audio_token=2e-4,
        search_context_cost_per_query=dict.fromkeys(("low", "medium", "high"), 0.01),
        code_interpreter_cost_per_session=0.03,
    )  # fmt: skip
    book = book_of(feed, tmp_path)
    name = "openai/gpt-4o-audio-preview"
    use = {"input_total": 150, "input_audio": 50, "output_total": 90, "output_audio": 70}
    assert cost(book, name, "2025-09-05T09:00Z", **use) == pytest.approx(19_450)
    use = {"web_search": 2, "code_session": 1}
    assert cost(book, name, **use) == pytest.approx(2 * 10_000 + 30_000)
    with pytest.raises(InputError, match="maximum input of 128000"):
        cost(book, name, input_total=128_001)
    with pytest.raises(InputError, match="no price for input_video"):
        cost(book, name, input_total=10, input_video=5)
    assert book.card(name).lifetime.ends == date(2026, 12, 31)


# model-prices' snapshot.


def snapshot(**modes: Any) -> dict[str, Any]:
    schedule = [{"provider": "deepseek", "valid_from": "2026-08-16T16:00:00Z",
                 "peak_multiplier": 2.0, "peak_hours_utc": [["01:00", "04:00"]],
                 "weekdays_only": True, "holidays": "cn"}]  # fmt: skip
    return {"schema": 1, "prices": {"deepseek": {"deepseek-flash": modes}},
            "status": {}, "schedules": {"schedule": schedule}}  # fmt: skip


def test_a_dated_history_with_modes_and_peak_hours(tmp_path: Path) -> None:
    first = {"rates": {"input": 1.0, "output": 2.0, "tiers": [{"above": 1000, "input": 3.0}]},
             "start": None}  # fmt: skip
    later = {"rates": {"input": 2.0, "output": 4.0}, "start": "2026-09-01T00:00:00Z"}
    batch = [{"rates": None, "start": None},
             {"rates": {"input": 0.5, "output": 1.0}, "start": "2026-10-01T00:00:00Z"}]  # fmt: skip
    feed = read_feed(snapshot(standard=[first, later], batch=batch, odd=[]), "s.json", DAY)
    assert feed.left_out.counts() == {"mode odd": 1}
    book, name = book_of(feed, tmp_path), "deepseek/deepseek-flash"
    for moment, prompt, rate in (
        ("2026-08-01T12:00Z", 1000, 1.0), ("2026-08-01T12:00Z", 1001, 3.0),
        ("2026-08-18T02:00Z", 1000, 2.0), ("2026-09-02T12:00Z", 1001, 2.0),
        ("2026-09-02T02:00Z", 1000, 4.0), ("2026-09-05T02:00Z", 1000, 2.0),
    ):  # fmt: skip
        assert cost(book, name, moment, input_total=prompt) == pytest.approx(prompt * rate)


def test_discounts_at_night_end_when_they_did(tmp_path: Path) -> None:
    standard = [{"rates": {"input": 1.0, "output": 2.0}, "start": None}]
    raw = snapshot(standard=standard)
    raw["schedules"]["schedule"] = [
        {"provider": "deepseek", "valid_from": "2025-02-26T16:30:00Z",
         "valid_until": "2025-09-05T16:00:00Z", "off_peak_hours_utc": [["16:30", "00:30"]],
         "off_peak_multiplier": {"deepseek-flash": 0.25}}
    ]  # fmt: skip
    book, name = book_of(read_feed(raw, "s.json", DAY), tmp_path), "deepseek/deepseek-flash"
    for moment, rate in (
        ("2025-02-26T16:29Z", 1.0), ("2025-03-01T20:00Z", 0.25), ("2025-03-01T00:29Z", 0.25),
        ("2025-03-01T12:00Z", 1.0), ("2025-09-06T20:00Z", 1.0),
    ):  # fmt: skip
        assert cost(book, name, moment, input_total=1000) == pytest.approx(1000 * rate)


def test_a_dated_file_that_says_the_same_takes_nothing_away(tmp_path: Path) -> None:
    """The book's doubling in 2027, its flex and its searches are not in the file."""
    rates = {"input": 0.75, "cache_read": 0.075, "output": 3.75}
    raw = snapshot()
    raw["prices"] = {"google": {"gemini-3.8-flash": {
        "standard": [{"rates": {**rates, "input": 1.0}, "start": None},
                     {"rates": rates, "start": "2026-09-01T00:00:00Z"}]}}}  # fmt: skip
    book = book_of(read_feed(raw, "s.json", DAY), tmp_path)
    name = "google/gemini-3.8-flash"
    assert cost(book, name, "2027-01-15", input_total=1000) == pytest.approx(1500)
    assert cost(book, name, input_total=1000, web_search=1) == pytest.approx(750 + 14_000)
    dearer = {"rates": {**rates, "input": 0.9}, "start": "2026-12-10T00:00:00Z"}
    modes = {"standard": [{"rates": rates, "start": None}, dearer]}
    later = {**raw, "prices": {"google": {"gemini-3.8-flash": modes}}}
    replaced = book_of(read_feed(later, "s.json", DAY), tmp_path)
    assert cost(replaced, name, "2027-01-15", input_total=1000) == pytest.approx(900)
    assert cost(replaced, name, input_total=1000, web_search=1) == pytest.approx(750 + 14_000)


def test_a_file_without_dates_says_so_of_earlier_calls(tmp_path: Path) -> None:
    feed = litellm("gpt-4o", "openai", input_cost_per_token=9e-6, output_cost_per_token=1e-5)
    found = book_of(feed, tmp_path).card("openai/gpt-4o")
    assert found.context_tok == 128_000
    (told,) = found.doubts(AT_S - 9 * 86400, AT_S - 8 * 86400)
    assert told.startswith("openai/gpt-4o is priced before 2026-11-27 by a file of that day")
    assert found.doubts(AT_S, AT_S + 1) == []


# Comparing, checking, proposing.


def card(*rows: RateRow, **known: Any) -> RateCard:
    return RateCard("test/model", rows, DAY, "test", **known)


def test_cards_are_compared_by_what_they_charge_at_a_moment() -> None:
    old = RateRow({"input": 10.0, "output": 40.0})
    now = RateRow({"input": 2.0, "output": 8.0}, from_time=date(2026, 1, 1), replaces=True)
    flat = card(RateRow({"input": 2.0, "output": 8.0}))
    assert compared(card(old, now), flat, AT_S, 0.0).differing == []
    before = datetime(2025, 6, 1, tzinfo=UTC).timestamp()
    assert len(compared(card(old, now), flat, before, 0.0).differing) == 2
    tier = card(
        RateRow({"input": 2.0, "output": 8.0}), RateRow({"input": 4.0}, prompt_tokens_above=9)
    )
    (found,) = compared(flat, tier, AT_S, 0.0).differing
    assert (found.bucket, found.when, found.before, found.after) == ("input", "prompt of 10", 2, 4)
    near = card(RateRow({"input": 2.01, "output": 8.0}))
    assert len(compared(flat, near, AT_S, 0.001).differing) == 1
    assert compared(flat, near, AT_S, 0.01).differing == []


def test_a_check_counts_explains_and_proposes() -> None:
    ours = card(RateRow({"input": 2.0, "output": 8.0}))
    theirs = card(
        RateRow({"input": 2.0, "output": 9.0, "cache_read": 0.2}),
        RateRow({"input": 1.0, "output": 4.5}, context="batch"),
    )
    feed = Feed("map", "litellm", {"test/model": theirs, "test/other": theirs})
    books = {"test/model": ours}
    bare = check(feed, books.get, [], AT_S, 0.0)
    assert (bare.offers, bare.same, len(bare.differing), bare.agreement) == (1, 1, 1, 0.5)
    assert {f.difference.bucket for f in bare.missing if f.difference.context == "standard"} == {
        "cache_read"
    }
    assert [row.context for row in bare.rows["test/model"]] == [None, "batch"]
    why = KnownDifference("litellm", "test/*", "theirs is old", bucket="output")
    told = check(feed, books.get, [why], AT_S, 0.0)
    assert (told.differing, told.explained[0].why, told.agreement) == ([], "theirs is old", 1.0)
    other = KnownDifference("model-prices", "test/*", "not about this source")
    assert len(check(feed, books.get, [other], AT_S, 0.0).differing) == 1


def test_every_explanation_is_about_an_offer_of_the_book() -> None:
    from fnmatch import fnmatchcase

    names = PriceBook().names()
    for told in explanations():
        assert any(fnmatchcase(name, told.offer) for name in names), told.offer
        assert len(told.why) > 20


@pytest.mark.slow
def test_the_book_agrees_with_the_snapshot_that_it_stands_on() -> None:
    feeds, absent = installed_sources()
    assert set(absent) <= {"litellm", "model-prices"}
    (found,) = check_feeds({n: f for n, f in feeds.items() if "genai" in n}, "", AT_S, 0.005)
    assert found.offers > 2000
    assert found.agreement >= 0.99
    assert len(found.differing) <= 0.01 * found.same
    assert 0 < len(found.explained) < 60


@pytest.mark.slow
def test_prices_check_of_a_file(tmp_path: Path) -> None:
    entries = {
        "gpt-4o": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 3e-6,
                   "output_cost_per_token": 1e-5, "input_cost_per_token_ultrafast": 9e-6,
                   "deprecation_date": "2027-03-01"},
    }  # fmt: skip
    (tmp_path / "map.json").write_text(json.dumps(entries))
    run = breakeven("prices", "check", "map.json", "-o", "json", cwd=tmp_path)
    (source,) = json.loads(run.stdout)["sources"]
    assert source["offers"] == 1
    assert [d["bucket"] for d in source["differing"]] == ["input"]
    assert source["differing"][0]["book"] == 2.5
    assert source["facts"] == [
        {"offer": "openai/gpt-4o", "fact": "ends 2027-03-01, the book has 2027-01-14"}
    ]
    run = breakeven("prices", "check", "map.json", "--propose", "new.yaml", cwd=tmp_path)
    assert run.returncode == 0
    assert "different: litellm" in run.stdout
    assert '"context": "ultrafast"' in (tmp_path / "new.yaml").read_text()
    table = breakeven("prices", "check", "map.json", "-o", "csv", cwd=tmp_path).stdout
    assert [row["offer"] for row in csv.DictReader(io.StringIO(table))] == ["openai/gpt-4o"]


def test_a_proposal_can_be_read_as_an_overlay() -> None:
    from simulator.files import yamltree
    from simulator.scenario.catalog.offer_schema import Offer

    ours, more = card(RateRow({"input": 2.0})), RateRow({"input": 1.0}, context="batch")
    feed = Feed("map", "litellm", {"test/model": card(RateRow({"input": 2.0}), more)})
    text = proposal([check(feed, {"test/model": ours}.get, [], AT_S, 0.0)])
    tree = yamltree.parse(text)
    offer = Offer.model_validate(yamltree.copied(tree)["test/model"])
    assert (offer.rows[0].when.context, offer.rows[0].rates) == ("batch", {"input": 1.0})


# Dates.


def test_a_context_holds_before_the_day_on_which_a_feed_looked_it_up() -> None:
    rows = (
        RateRow({"input": 10.0, "output": 40.0}),
        RateRow({"input": 2.0, "output": 8.0}, from_time=date(2025, 6, 10), replaces=True),
        RateRow({"input": 1.0, "output": 4.0}, context="batch", from_time=date(2026, 10, 14)),
    )
    found = backdated(card(*rows), {"batch": date(2024, 4, 15)})
    batch = [row for row in found.rows if row.context == "batch"]
    assert [(r.rates["input"], r.from_time, r.until_time, r.computed) for r in batch] == [
        (5.0, date(2024, 4, 15), date(2025, 6, 10), True),
        (1.0, date(2025, 6, 10), None, False),
    ]
    assert found.begins("batch") == date(2024, 4, 15)
    always = [row for row in backdated(card(*rows), {}).rows if row.context == "batch"]
    assert always[0].from_time is None
    dated = (*rows, RateRow({"input": 1.5}, context="batch", from_time=date(2027, 1, 1)))
    later = backdated(card(*dated), {}).rows[-1]
    assert (later.from_time, later.rates) == (date(2027, 1, 1), {"input": 1.5})


def test_states_of_a_life() -> None:
    life = Lifetime(since=date(2026, 2, 1), ends=date(2026, 12, 1), successor="test/next")

    def at(day: str) -> float:
        return datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()

    assert life.state(at("2026-01-31")) == "from 2026-02-01"
    assert life.state(at("2026-11-30")) == "ends 2026-12-01"
    assert life.state(at("2026-12-01")) == "retired 2026-12-01"
    assert life.doubts("x", at("2026-03-01"), at("2026-12-01")) == []
    (told,) = life.doubts("x", at("2026-03-01"), at("2026-12-02"))
    assert told == "x ends on 2026-12-01; the provider names test/next instead"
    promised = Lifetime(price_at_least_until=date(2026, 11, 21))
    assert promised.state(at("2026-11-22")) == "price was promised until 2026-11-21"
    assert replace(promised, ends=None).doubts("x", 0.0, at("2026-11-20")) == []


@pytest.mark.slow
def test_list_and_show_tell_the_price_of_a_moment() -> None:
    def listed(*options: str) -> dict[str, Any]:
        run = breakeven("prices", "list", "openai/o3", *options, "-o", "json")
        return {offer["offer"]: offer for offer in json.loads(run.stdout)["offers"]}

    then, now = listed("--at", "2025-06-09"), listed("--at", "2026-11-27")
    assert then["openai/o3"]["rates"]["input"] == 10
    assert now["openai/o3"]["rates"]["input"] == 2
    assert "ends 2026-12-11" in now["openai/o3"]["marks"]
    assert "retired 2026-12-11" in listed("--at", "2026-12-12T10:00Z")["openai/o3"]["marks"]
    show = ("prices", "show", "google/gemini-4-argon", "--at")
    argon = json.loads(breakeven(*show, "2026-11-27", "-o", "json").stdout)
    assert "changes 2026-12-01" in argon["marks"]
    assert {row["holds"] for row in argon["rows"]} == {"now", "later"}
    screen = breakeven(*show, "2026-12-02").stdout
    assert "earlier rows are hidden; --all shows them" in screen
    peak = breakeven("prices", "list", "deepseek/deepseek-flash").stdout
    assert "varies by hour" in peak


@pytest.mark.slow
def test_costs_after_an_end_are_priced_and_told(tmp_path: Path) -> None:
    (tmp_path / "usage.csv").write_text(
        "offer,at,input_total,output_total\n"
        "groq/llama-3.3-70b-versatile,2026-09-01,1000,10\n"
        "openai/gpt-6.1-terra,2026-11-25,1000,10\n"
    )
    run = breakeven("prices", "cost", "usage.csv", cwd=tmp_path)
    usd = float(run.stdout.splitlines()[1].split(",")[4])
    assert usd == pytest.approx((1000 * 0.59 + 10 * 0.79) / 1e6)
    notes = [line for line in run.stderr.splitlines() if line.startswith("note: ")]
    assert notes == [
        "note: groq/llama-3.3-70b-versatile was retired on 2026-08-16; the provider names "
        "groq/openai/gpt-oss-120b instead"
    ]


def test_a_column_that_may_be_billed_apart_is_not_passed_over(tmp_path: Path) -> None:
    columns = {"offer": ["openai/gpt-audio"] * 2, "at": ["2026-09-15"] * 2,
               "input_total": ["150"] * 2, "output_total": ["0"] * 2,
               "audio_in": ["50", "0"]}  # fmt: skip
    usd, errors = costs_and_errors(columns)
    assert "column 'audio_in' is unknown" in errors[0]
    assert errors[1] == ""
    assert usd[1] == pytest.approx(150 * 2.5e-6)
    suffixed = {**columns, "input_audio_tokens": ["50", "50"]}
    del suffixed["audio_in"]
    assert costs_and_errors(suffixed)[0] == pytest.approx((100 * 2.5 + 50 * 32) / 1e6)
    twice = {**suffixed, "input_audio": ["50", "50"]}
    with pytest.raises(InputError, match="both count input_audio"):
        costs_and_errors(twice)


def test_words_of_providers_logs_are_read_or_refused() -> None:
    base = {"offer": ["anthropic/claude-haiku-4-5"], "at": ["2026-09-15"],
            "input_total": ["20000"], "output_total": ["800"]}  # fmt: skip
    for name, micro_usd in (
        ("cache_write", 10_000 * 1 + 10_000 * 1.25 + 800 * 5),
        ("cache_creation_input_tokens", 10_000 * 1 + 10_000 * 1.25 + 800 * 5),
        ("cached_tokens", 10_000 * 1 + 10_000 * 0.1 + 800 * 5),
        ("Cache_Read", 10_000 * 1 + 10_000 * 0.1 + 800 * 5),
        ("reasoning_tokens", 20_000 + 800 * 5),
    ):
        count = "500" if name.startswith("reason") else "10000"
        assert costs_and_errors({**base, name: [count]})[0] * 1e6 == pytest.approx(micro_usd)
    batch = costs_and_errors({**base, "service_tier": ["batch"]})
    assert batch[0] * 1e6 == pytest.approx(10_000 + 800 * 2.5)
    for text in ("1e3", "1,000", "+4", "true", "7.0"):
        _, errors = costs_and_errors({**base, "audio_in_total": [text]})
        assert "may count something that is billed separately" in errors[0], text
    for text in ("", "0", "0.0", "none", "NaN", "https://host/a.png"):
        assert costs_and_errors({**base, "image_ref": [text]})[1] == [""]


@pytest.mark.slow
def test_a_priced_table_can_be_priced_again(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    (tmp_path / "u.csv").write_text(
        "offer,at,input_total,output_total\nopenai/gpt-4o,2026-09-15,9,1\n"
    )
    once = breakeven("prices", "cost", "u.csv", cwd=tmp_path).stdout
    (tmp_path / "v.csv").write_text(once)
    assert breakeven("prices", "cost", "v.csv", cwd=tmp_path).stdout == once
    table = pa.table({"offer": ["openai/gpt-4o"] * 2, "at": ["2026-09-15"] * 2,
                      "input_total": [9.0, None], "output_total": [1, 1],
                      "cache_read": pa.nulls(2), "cost_usd": [1.0, 2.0]})  # fmt: skip
    pq.write_table(table, tmp_path / "u.parquet")
    run = breakeven("prices", "cost", "u.parquet", "--out", "v.parquet", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    priced = pq.read_table(tmp_path / "v.parquet")
    assert priced.column_names.count("cost_usd") == 1
    assert priced["cost_usd"].to_pylist() == pytest.approx([32.5e-6, 10e-6])


def test_tables_with_other_separators_are_priced(tmp_path: Path) -> None:
    header = ("offer", "at", "input_total", "output_total")
    row = ("openai/gpt-4o", "2026-09-15", "9", "1")
    for sign in ",;\t|":
        (tmp_path / "u.csv").write_text("".join(f"{sign.join(line)}\n" for line in (header, row)))
        priced = io.StringIO()
        price_usage_file(tmp_path / "u.csv", priced)
        (line,) = csv.DictReader(priced.getvalue().splitlines())
        assert float(line["cost_usd"]) == pytest.approx(32.5e-6)
