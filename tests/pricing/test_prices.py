"""The price book against its sources: genai-prices itself, and a table of offers."""

import csv
import json
import random
import warnings
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from genai_prices import Usage as GenaiUsage
from genai_prices.data import providers

from simulator.errors import InputError
from simulator.pricing.billing import Usage, bill
from simulator.pricing.rates import RateCard
from simulator.pricing.rows import CONTEXTS
from simulator.scenario.catalog.price_book import PriceBook
from simulator.scenario.tables.usage import priced_columns
from tests.support.checkout import on_sample, on_whole
from tests.support.command import breakeven
from tests.support.pricing.price_samples import token_cards

pytestmark = pytest.mark.slow

THEIR_CONTEXT = {
    "standard": None,
    "batch": {"processing": "batch"},
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
}


def offer_total(card: RateCard, at: datetime, context: str = "standard", **tokens: int) -> float:
    usage = Usage.of(
        np.array([at.timestamp()]),
        context=np.array([CONTEXTS.index(context)], np.int8),
        **{name: np.array([count]) for name, count in tokens.items()},
    )
    return float(sum(cost.sum() for cost in bill(card, usage).values()))


def random_usage(rng: random.Random, card: RateCard) -> dict[str, int]:
    """A partition of a prompt and an output into the buckets that a card prices."""
    named = set(card.rows[0].rates)
    prompt = rng.randrange(1, (card.context_tok or 10**6) + 1)
    read = rng.randrange(prompt + 1) if "cache_read" in named else 0
    written = rng.randrange(prompt - read + 1) if "cache_write" in named else 0
    long = rng.randrange(written + 1) if "cache_write_1h" in named else 0
    output = rng.randrange(50_000) if "output" in named else 0
    apart = any("reasoning" in row.rates for row in card.rows)
    reasoning = rng.randrange(output + 1) if apart else 0
    return {
        "uncached_input": prompt - read - written,
        "cache_read": read,
        "cache_write": written - long,
        "cache_write_1h": long,
        "output": output - reasoning,
        "reasoning": reasoning,
    }


@cache
def snapshot_models() -> dict[str, tuple[Any, Any]]:
    return {f"{p.id}/{m.id}": (p, m) for p in providers for m in p.models}


def theirs(name: str, at: datetime, context: str, tokens: dict[str, int]) -> float:
    provider, model = snapshot_models()[name]
    written = tokens["cache_write"] + tokens["cache_write_1h"]
    usage: dict[str, Any] = {
        "input_tokens": tokens["uncached_input"] + tokens["cache_read"] + written,
        "cache_read_tokens": tokens["cache_read"] or None,
        "cache_write_tokens": written or None,
        "cache_write_1h_tokens": tokens["cache_write_1h"] or None,
        "output_tokens": (tokens["output"] + tokens["reasoning"]) or None,
        "output_reasoning_tokens": tokens["reasoning"] or None,
    }
    known = {key: value for key, value in usage.items() if value is not None}
    served = THEIR_CONTEXT[context]
    if context == "priority" and any(v.when == {"speed": "fast"} for v in model.price_variants):
        served = {"speed": "fast"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = model.calc_price(
            GenaiUsage(**known), provider, genai_request_timestamp=at, price_context=served
        )
    return float(found.total_price)


def test_ten_thousand_random_usages_agree_with_genai_prices() -> None:
    """Exactly, but for one reason: what has no price then is an error here, standard there."""
    rng = random.Random(4)
    cards = token_cards()
    names = sorted(cards)
    refused = 0
    for _ in range(10_000):
        name = rng.choice(names)
        card = cards[name]
        at = datetime(2026, 6, 1, tzinfo=UTC) + timedelta(seconds=rng.randrange(300 * 86400))
        context, tokens = rng.choice(card.contexts), random_usage(rng, card)
        try:
            ours = offer_total(card, at, context, **tokens)
        except InputError as error:
            assert f"has no {context} price before" in str(error)  # noqa: PT017
            dates = [row.from_time for row in card.rows if row.context == context]
            assert all(begin is not None and begin > at.date() for begin in dates)
            standard = theirs(name, at, "standard", tokens)
            assert theirs(name, at, context, tokens) == standard
            refused += 1
            continue
        assert ours == pytest.approx(theirs(name, at, context, tokens), rel=1e-9, abs=1e-15)
    assert 50 < refused < 500


@pytest.mark.parametrize(("data", "offers"), [on_sample(27), on_whole(51)])
def test_offers_of_the_table_come_out_exactly(data: Path, offers: int) -> None:
    """Base rates of all offers; two of them bear another name in the book.

    Together raised its price on 2026-10-19, which the table does not have.
    """
    old = datetime(2026, 10, 18, tzinfo=UTC)
    at = datetime(2026, 11, 23, 12, tzinfo=UTC)
    known = set(PriceBook().names())
    columns = {
        "input_per_mtok": "uncached_input",
        "cached_read": "cache_read",
        "cache_write": "cache_write",
        "cache_write_1h": "cache_write_1h",
        "output_per_mtok": "output",
    }
    with (data / "offers.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == offers
    for row in rows:
        plain = row["offer"].split("(")[0]
        names = (f"{row['provider']}/{row['model']}", plain, f"fireworks/{row['model']}")
        card = PriceBook().card(next(name for name in names if name in known))
        moment = old if card.offer.startswith("together/") else at
        for column, bucket in columns.items():
            if row[column]:
                price = offer_total(card, moment, **{bucket: 1000}) * 1000
                assert price == pytest.approx(float(row[column]), rel=1e-9), (plain, column)


@pytest.mark.parametrize(
    ("offer", "threshold", "base", "above"),
    [
        ("openai/gpt-6.1-terra", 272_000, 1.0, 2.0),
        ("anthropic/claude-haiku-5-5", 100_000, 0.1, 0.5),
        ("google/gemini-2.5-pro", 200_000, 1.25, 2.5),
        ("x-ai/grok-4.7", 199_999, 2.0, 4.0),  # the boundary of 200,000 is inclusive
        ("alibaba/qwen-plus", 256_000, 0.4, 1.2),
    ],
)
def test_tiers_begin_behind_their_threshold(
    offer: str, threshold: int, base: float, above: float
) -> None:
    card, at = PriceBook().card(offer), datetime(2026, 11, 23, tzinfo=UTC)
    for prompt, rate in ((threshold - 1, base), (threshold, base), (threshold + 1, above)):
        cost = offer_total(card, at, uncached_input=prompt - 1000, cache_read=1000)
        read = offer_total(card, at, uncached_input=prompt - 1000) / (prompt - 1000)
        assert cost < rate * prompt / 1e6
        if prompt != threshold + 1:
            assert read == pytest.approx(base / 1e6)


def test_qwen_rerates_all_output_of_thinking_calls() -> None:
    card, at = PriceBook().card("alibaba/qwen-plus"), datetime(2026, 11, 23, tzinfo=UTC)
    assert offer_total(card, at, output=10**6) == pytest.approx(1.2)
    assert offer_total(card, at, output=10**6 - 1, reasoning=1) == pytest.approx(4.0)


def test_deepseek_peaks_are_on_working_days() -> None:
    card = PriceBook().card("deepseek/deepseek-flash")
    assert card.billed_at == "completion"

    def rate(at: str) -> float:
        moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
        return offer_total(card, moment, uncached_input=10**6)

    opens = {"00:59:59": 0.15, "01:00:00": 0.3, "03:59:59": 0.3, "04:00:00": 0.15, "06:00:00": 0.3}
    for clock, expected in {**opens, "09:59:59": 0.3, "10:00:00": 0.15}.items():
        assert rate(f"2026-11-23T{clock}") == pytest.approx(expected)
        assert rate(f"2026-11-22T{clock}") == pytest.approx(0.15)  # a Sunday
        assert rate(f"2026-10-01T{clock}") == pytest.approx(0.15)  # National Day


HEADER = (
    "id,offer,at,context,input_total,cache_read,cache_write_5m,cache_write_1h,output_total,"
    "reasoning\n"
)
USAGE = (
    HEADER
    + """1,openai/gpt-6.1-terra,2026-11-23T10:00:00Z,standard,272000,1000,,,500,100
2,openai/gpt-6.1-terra,2026-11-23T10:00:00+00:00,,272001,1000,,,500,100
3,anthropic/claude-opus-5-5,2026-11-23,batch,1000,,100,100,50,
4,openai/gpt-6.1-tera,2026-11-23,,10,,,,5,
5,anthropic/claude-opus-5-5,2026-11-23,flex,1000,,100,100,50,
6,openai/text-embedding-3-small,2026-11-23,,1000,,,,50,
7,openai/text-embedding-3-small,2026-11-23,,1000,,,,0,
8,openai/gpt-4o,2026-11-23,,10,20,,,1,
9,openai/gpt-4o,soon,,10,,,,1,
10,openai/gpt-4o,2026-11-23,bulk,10,,,,1,
11,openai/gpt-4o,2026-11-23,,1.5,,,,1,
12,openai/gpt-4o,2026-11-23,,999999,,,,1,
13,openai/gpt-4o,2026-11-23,,10,,,,1,2
"""
)
COSTS = {
    "1": (271000 * 1 + 1000 * 0.05 + 500 * 5) / 1e6,
    "2": (271001 * 2 + 1000 * 0.1 + 500 * 7.5) / 1e6,
    "3": (800 * 2 + 100 * 2.5 + 100 * 4 + 50 * 10) / 1e6,
    "7": 1000 * 0.02 / 1e6,
}
REASONS = {
    "4": "unknown offer 'openai/gpt-6.1-tera' (did you mean 'openai/gpt-6.1-terra'?)",
    "5": "anthropic/claude-opus-5-5 has no flex price; its contexts: standard, batch, priority",
    "6": "openai/text-embedding-3-small has no price for output",
    "8": "more tokens read and written than input_total",
    "9": "at must be a date and time, not 'soon'",
    "10": "unknown context 'bulk'",
    "11": "input_total must be a whole number, 0 or more, not '1.5'",
    "12": "the prompt is longer than the context window of 128000 tokens",
    "13": "more reasoning tokens than output_total",
}


def test_prices_cost(tmp_path: Path) -> None:
    path = tmp_path / "usage.csv"
    path.write_text(USAGE)
    run = breakeven("prices", "cost", str(path))
    assert run.returncode == 0
    assert run.stderr.startswith("13 rows priced as of ")
    assert run.stderr.endswith(", 9 could not be priced\n")
    rows = {row["id"]: row for row in csv.DictReader(run.stdout.splitlines())}
    assert list(rows["1"])[:10] == USAGE.splitlines()[0].split(",")
    for name, cost in COSTS.items():
        assert float(rows[name]["cost_usd"]) == pytest.approx(cost, rel=1e-12)
        assert rows[name]["error"] == ""
    for name, reason in REASONS.items():
        assert rows[name]["cost_usd"] == ""
        assert rows[name]["error"].startswith(reason)


def test_parquet_is_priced_as_the_same_csv_is(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    rows = list(csv.DictReader(USAGE.splitlines()))
    counts = [name for name in rows[0] if name not in ("id", "offer", "at", "context")]
    rows = [row for row in rows if all((row[name] or "0").isdigit() for name in counts)]
    table = pa.table(
        {
            name: [int(row[name] or 0) if name in counts else row[name] for row in rows]
            for name in rows[0]
        }
    )
    path, out = tmp_path / "usage.parquet", tmp_path / "priced.parquet"
    pq.write_table(table, path)
    run = breakeven("prices", "cost", str(path), "--out", str(out))
    assert (run.returncode, run.stdout) == (0, "")
    priced = {row["id"]: row for row in pq.read_table(out).to_pylist()}
    assert set(priced) == {row["id"] for row in rows}
    for name, row in priced.items():
        if name in COSTS:
            assert row["cost_usd"] == pytest.approx(COSTS[name], rel=1e-12)
            assert row["error"] is None
        else:
            assert row["cost_usd"] is None
            assert row["error"].startswith(REASONS[name])
    moments = pa.array([datetime.fromisoformat("2026-11-23T00:00:00")], pa.timestamp("ms"))
    pq.write_table(
        pa.table({"offer": ["openai/gpt-4o"], "at": moments, "input_total": [1000],
                  "output_total": pa.array([None], pa.int64())}),
        path,
    )  # fmt: skip
    breakeven("prices", "cost", str(path), "--out", str(out))
    assert pq.read_table(out)["cost_usd"].to_pylist() == [pytest.approx(0.0025)]


def test_parquet_with_other_types_or_columns_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    path, out = tmp_path / "usage.parquet", tmp_path / "priced.parquet"
    columns = {"offer": ["openai/gpt-4o"], "at": ["2026-11-23"], "output_total": [1]}
    for change, reason in (
        ({"input": [1]}, "missing column 'input_total' (found"),
        ({"input_total": [1.5]}, "column 'input_total' must be whole numbers, not double"),
        ({"input_total": [1], "offer": [4]}, "column 'offer' must be text, not int64"),
    ):
        pq.write_table(pa.table({**columns, **change}), path)
        run = breakeven("prices", "cost", str(path), "--out", str(out))
        assert run.returncode == 3
        assert reason in run.stderr
    path.write_bytes(b"PAR1 no more")
    run = breakeven("prices", "cost", str(path), "--out", str(out))
    assert run.returncode == 3
    assert "not readable as Parquet" in run.stderr
    assert breakeven("prices", "cost", str(path)).returncode == 2
    assert [p.name for p in tmp_path.iterdir()] == ["usage.parquet"]


def test_prices_cost_of_a_table_without_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "usage.csv"
    path.write_text("offer,at,input,output_total\nopenai/gpt-4o,2026-11-23,5,5\n")
    run = breakeven("prices", "cost", str(path))
    assert (run.returncode, run.stdout) == (3, "")
    assert "missing column 'input_total' (found" in run.stderr


def test_many_rows_cost_what_each_costs_alone() -> None:
    rng = random.Random(2)
    offers = ["openai/gpt-5.4", "anthropic/claude-haiku-5-5", "x-ai/grok-4.7", "nowhere/none"]
    columns: dict[str, list[str]] = {name: [] for name in ("offer", "at", "input_total",
        "cache_read", "output_total", "reasoning")}  # fmt: skip
    for _ in range(500):
        prompt, output = rng.randrange(1, 600_000), rng.randrange(9000)
        columns["offer"].append(rng.choice(offers))
        columns["at"].append(f"2026-{rng.randrange(1, 13):02}-11T0{rng.randrange(10)}:00:00")
        columns["input_total"].append(str(prompt))
        columns["cache_read"].append(str(rng.randrange(prompt)))
        columns["output_total"].append(str(output))
        columns["reasoning"].append(str(rng.randrange(output + 1)))
    cost_usd, errors = priced_columns(columns)
    assert (np.isnan(cost_usd) == [bool(e) for e in errors]).all()
    for row in range(0, 500, 7):
        alone, reason = priced_columns(
            {name: [values[row]] for name, values in columns.items()}, PriceBook()
        )
        np.testing.assert_array_equal(alone, cost_usd[[row]])
        assert reason[0] == errors[row]


def test_list_and_show() -> None:
    listed = json.loads(breakeven("prices", "list", "gpt-6.1", "-o", "json").stdout)["offers"]
    assert {offer["offer"] for offer in listed} >= {"openai/gpt-6.1-terra", "openai/gpt-6.1-sol"}
    assert all(offer["as_of"] for offer in listed)
    screen = breakeven("prices", "show", "deepseek/deepseek-flash").stdout
    assert "01:00-04:00 UTC, Mon Tue Wed Thu Fri, not on holidays" in " ".join(screen.split())
    assert "book as of 2026-11-23" in screen
    missing = breakeven("prices", "show", "anthropic/claude-opus-5.6")
    assert missing.returncode == 3
    assert "did you mean 'anthropic/claude-opus-5'?" in missing.stderr
