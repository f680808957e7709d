"""The bill: boundaries, windows, inheritance, and agreement with exact arithmetic."""

from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pytest

from simulator.errors import InputError
from simulator.pricing.billing import Usage, bill
from simulator.pricing.book import snapshot_card, snapshot_offers
from simulator.pricing.rates import RateCard
from simulator.pricing.rows import CONTEXTS, RateRow
from simulator.scenario.catalog.price_book import PriceBook, known_offers

AS_OF = date(2026, 11, 23)


def card(*rows: RateRow) -> RateCard:
    return RateCard("test/model", rows, AS_OF, "test")


def usage(at: str = "2026-11-23T12:00:00", **tokens: int) -> Usage:
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp()
    names = ("uncached_input", "cache_read", "cache_write", "output", "reasoning")
    columns = {name: np.array([tokens.get(name, 0)], np.int64) for name in names}
    return Usage.of(np.array([moment]), **columns)


def total(rate_card: RateCard, use: Usage) -> float:
    return float(sum(cost.sum() for cost in bill(rate_card, use).values()))


def test_context_tier_is_strict_and_counts_cached_tokens() -> None:
    tiered = card(
        RateRow({"input": 1.0, "cache_read": 0.1, "output": 4.0}),
        RateRow({"input": 2.0, "cache_read": 0.2, "output": 6.0}, prompt_tokens_above=1000),
    )
    for prompt, rates in ((999, (1.0, 0.1, 4.0)), (1000, (1.0, 0.1, 4.0)), (1001, (2.0, 0.2, 6.0))):
        use = usage(uncached_input=prompt - 400, cache_read=400, output=100)
        expected = ((prompt - 400) * rates[0] + 400 * rates[1] + 100 * rates[2]) / 1e6
        assert total(tiered, use) == pytest.approx(expected, rel=1e-12)


def test_price_window_opens_and_closes_to_the_second_and_wraps() -> None:
    def priced(window: tuple[float, float], at: str) -> float:
        rows = (RateRow({"input": 1.0}), RateRow({"input": 2.0}, utc_window_s=window))
        return total(card(*rows), usage(at, uncached_input=1_000_000))

    day = (3600.0, 14400.0)
    for at, expected in (("00:59:59", 1), ("01:00:00", 2), ("03:59:59", 2), ("04:00:00", 1)):
        assert priced(day, f"2026-11-23T{at}") == expected
    night = (82800.0, 3600.0)
    for at, expected in (("22:59:59", 1), ("23:00:00", 2), ("00:30:00", 2), ("01:00:00", 1)):
        assert priced(night, f"2026-11-23T{at}") == expected


def test_inclusive_tier_weekdays_holidays_thinking_and_end_date() -> None:
    rows = (
        RateRow({"input": 1.0, "output": 1.0}),
        RateRow({"input": 2.0}, prompt_tokens_from=1000),
        RateRow({"input": 5.0}, utc_days=frozenset({0, 1}), not_on=frozenset({date(2026, 12, 1)})),
        RateRow({"output": 3.0, "reasoning": 3.0}, thinking=True),
        RateRow({"output": 7.0}, from_time=date(2027, 1, 1), until_time=date(2027, 1, 2)),
    )
    wednesday, monday, holiday = "2026-11-25", "2026-11-30", "2026-12-01"

    def per_mtok(at: str, **tokens: int) -> float:
        return total(card(*rows), usage(f"{at}T12:00:00", **tokens)) / sum(tokens.values()) * 1e6

    assert per_mtok(wednesday, uncached_input=999) == pytest.approx(1)
    assert per_mtok(wednesday, uncached_input=1000) == pytest.approx(2)
    assert per_mtok(monday, uncached_input=999) == pytest.approx(5)
    assert per_mtok(holiday, uncached_input=999) == pytest.approx(1)
    assert per_mtok(wednesday, output=10) == pytest.approx(1)
    # One token of reasoning re-rates the whole output where the provider says so.
    assert per_mtok(wednesday, output=9, reasoning=1) == pytest.approx(3)
    days = ("2026-12-31", "2027-01-01", "2027-01-02")
    assert [round(per_mtok(day, output=10)) for day in days] == [1, 7, 1]


def test_contexts_change_what_they_name_and_missing_ones_are_errors() -> None:
    offer = card(
        RateRow({"input": 2.0, "cache_read": 0.2, "output": 8.0}),
        RateRow({"input": 4.0}, prompt_tokens_above=100),
        RateRow({"input": 1.0, "output": 4.0}, context="batch", from_time=date(2026, 10, 1)),
    )
    assert offer.contexts == ("standard", "batch")
    batch = {"context": np.array([CONTEXTS.index("batch")], np.int8)}
    use = usage(uncached_input=50, cache_read=50, output=10)
    assert total(offer, use) == pytest.approx((50 * 2 + 50 * 0.2 + 10 * 8) / 1e6)
    assert total(offer, replace(use, **batch)) == pytest.approx((50 + 50 * 0.2 + 40) / 1e6)
    flex = {"context": np.array([CONTEXTS.index("flex")], np.int8)}
    with pytest.raises(InputError, match="no flex price; its contexts: standard, batch"):
        bill(offer, replace(use, **flex))
    early = replace(usage("2026-09-30T00:00:00", output=1), **batch)
    with pytest.raises(InputError, match="no batch price before 2026-10-01"):
        bill(offer, early)


def test_replacing_rows_forget_what_was_before() -> None:
    rows = (
        RateRow({"input": 2.0, "cache_read": 0.2}),
        RateRow({"input": 3.0}, from_time=date(2026, 11, 1), replaces=True),
    )
    assert total(card(*rows), usage("2026-10-31T00:00:00", cache_read=10**6)) == 0.2
    assert total(card(*rows), usage("2026-11-01T00:00:00", cache_read=10**6)) == 3.0


def test_prompts_above_the_window_are_errors() -> None:
    offer = replace(card(RateRow({"input": 1.0})), context_tok=1000)
    assert total(offer, usage(uncached_input=600, cache_read=400)) > 0
    with pytest.raises(InputError, match="longer than the context window of 1000 tokens"):
        bill(offer, usage(uncached_input=601, cache_read=400))


def test_dated_price_starts_at_utc_midnight() -> None:
    rows = (RateRow({"input": 2.0}), RateRow({"input": 4.0}, from_time=date(2026, 12, 1)))
    assert total(card(*rows), usage("2026-11-30T23:59:59", uncached_input=10**6)) == 2
    assert total(card(*rows), usage("2026-12-01T00:00:00", uncached_input=10**6)) == 4


def test_absent_buckets_inherit_and_unknown_is_an_error() -> None:
    plain = card(RateRow({"input": 3.0, "output": 5.0}))
    assert total(plain, usage(cache_read=10**6)) == 3
    assert total(plain, usage(cache_write=10**6)) == 3
    assert total(plain, usage(reasoning=10**6)) == 5
    embedding = card(RateRow({"input": 1.0}))
    assert total(embedding, usage(uncached_input=10**6)) == 1
    with pytest.raises(InputError, match="no price for output"):
        bill(embedding, usage(output=1))


def test_cards_refuse_guesses() -> None:
    with pytest.raises(InputError, match="unknown bucket 'inptu'"):
        card(RateRow({"inptu": 1.0}))
    with pytest.raises(InputError, match="0 or more"):
        card(RateRow({"input": -1.0}))
    with pytest.raises(InputError, match="must hold unconditionally"):
        card(RateRow({"input": 1.0}, prompt_tokens_above=5))


def test_scaling_prices_scales_the_bill() -> None:
    offer = PriceBook().card("openai/gpt-6.1-terra")
    use = usage(uncached_input=1200, cache_read=4000, cache_write=300, output=250)
    assert total(offer.scaled(2.0), use) == pytest.approx(2 * total(offer, use), rel=1e-12)


def test_every_simulated_offer_can_be_billed_completely() -> None:
    use = usage(uncached_input=10, cache_read=10, cache_write=10, output=10, reasoning=10)
    embedded = usage(uncached_input=10)
    for name in known_offers():
        offer, behaviour = PriceBook().card(name), PriceBook().simulated(name)
        assert total(offer, embedded if "embedding" in name else use) > 0
        assert behaviour.max_output_tok <= behaviour.context_tok
        assert behaviour.source


def test_the_whole_snapshot_can_be_read_or_says_why_not() -> None:
    readable = 0
    for name in snapshot_offers():
        try:
            readable += bool(snapshot_card(name).rows)
        except InputError as error:
            assert "no token price" in str(error)  # noqa: PT017
    assert readable > 1500


def test_unknown_offer_names_the_nearest() -> None:
    with pytest.raises(InputError, match=r"did you mean 'openai/gpt-6.1-terra'"):
        PriceBook().simulated("openai/gpt-6.1-tera")
    with pytest.raises(InputError, match="no known endpoint behaviour"):
        PriceBook().simulated("openai/o1")
