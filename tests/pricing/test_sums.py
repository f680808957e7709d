"""Sums of requests: bounds that hold for every way to split a sum into calls, and exact costs."""

import csv
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator import price_usage
from simulator.pricing.billing import Usage, bill
from simulator.pricing.rates import RateCard
from simulator.pricing.rows import RateRow
from simulator.pricing.sums import NO_LIMIT_TOK, UNKNOWN, CallSums, bounds, sum_problems
from tests.support.command import breakeven
from tests.support.pricing.price_samples import costs_and_errors

BASE = RateRow({"input": 1.0, "cache_read": 0.5, "output": 4.0})
LONG = RateRow({"input": 2.0, "output": 6.0}, prompt_tokens_above=1000)
LONGER = RateRow({"input": 3.0, "cache_read": 1.5}, prompt_tokens_from=3000)
THINKING = RateRow({"output": 9.0}, thinking=True)
CACHED = RateRow({"input": 0.7}, cached_share_from=0.5)
NIGHT = RateRow({"input": 0.5}, utc_window_s=(0, 6 * 3600.0))
LATER = RateRow({"output": 5.0}, from_time=date(2026, 5, 2))
FEE = RateRow({"per_request": 0.01})
DAY_S = 86400
BEGIN_S = datetime(2026, 5, 1, tzinfo=UTC).timestamp()


def card(*rows: RateRow, most: int | None = 10_000) -> RateCard:
    return RateCard("acme/small", (BASE, *rows), date(2026, 5, 1), "test", most)


def summed(
    calls: int = UNKNOWN,
    until_s: float = BEGIN_S + DAY_S,
    least: int = 0,
    most: int = NO_LIMIT_TOK,
    audio: int = 0,
    **tokens: int,
) -> CallSums:
    counts = {name: np.array([count]) for name, count in tokens.items()}
    return CallSums(
        Usage.of(np.array([BEGIN_S]), **counts, more={"input_audio": np.array([audio])}),
        np.array([until_s]),
        np.array([calls]),
        np.array([least]),
        np.array([most]),
    )


def low_high(offer: RateCard, sums: CallSums) -> tuple[float, float, str]:
    assert sum_problems(offer, sums) == []
    found = bounds(offer, sums)
    return found.low_usd[0] * 1e6, found.high_usd[0] * 1e6, found.depends_on[0]


def refusal(offer: RateCard, sums: CallSums) -> str:
    return sum_problems(offer, sums)[0][1]


one_call = st.fixed_dictionaries(
    {
        "uncached_input": st.integers(0, 4000),
        "cache_read": st.integers(0, 4000),
        "output": st.integers(0, 500),
        "reasoning": st.integers(0, 500) | st.just(0),
        "at": st.integers(0, 2 * DAY_S - 1),
    }
)
some_rows = st.lists(
    st.sampled_from([LONG, LONGER, THINKING, CACHED, NIGHT, LATER, FEE]), unique_by=id
)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(st.lists(one_call, min_size=1, max_size=6), some_rows, st.booleans(), st.booleans())
def test_the_cost_of_the_calls_lies_within_the_bounds_of_their_sum(
    calls: list[dict[str, int]], rows: list[RateRow], is_limited: bool, is_counted: bool
) -> None:
    order = [LONG, LONGER, THINKING, CACHED, NIGHT, LATER, FEE]
    offer = card(*sorted(rows, key=order.index), most=8000 if is_limited else None)
    tokens = {name: np.array([call[name] for call in calls]) for name in calls[0] if name != "at"}
    usage = Usage.of(BEGIN_S + np.array([call["at"] for call in calls], float), **tokens)
    usd = sum(float(cost.sum()) for cost in bill(offer, usage).values())
    known = len(calls) if is_counted or FEE in rows else UNKNOWN
    totals = {name: int(counts.sum()) for name, counts in tokens.items()}
    low, high, depends_on = low_high(offer, summed(known, BEGIN_S + 2 * DAY_S, **totals))
    assert low <= usd * 1e6 * (1 + 1e-12) + 1e-9
    assert high >= usd * 1e6 * (1 - 1e-12) - 1e-9
    assert bool(depends_on) == (low < high)


def test_prices_that_do_not_depend_on_calls_are_exact() -> None:
    low, high, depends_on = low_high(card(), summed(uncached_input=900, cache_read=100, output=10))
    assert low == high == pytest.approx(900 + 50 + 40)
    assert depends_on == ""


@pytest.mark.parametrize(
    ("calls", "prompt", "low", "high"),
    [
        (1, 1000, 1000, 1000),
        (1, 1001, 2002, 2002),
        (5, 1000, 1000, 1000),  # no call can exceed the whole
        (5, 1001, 1001, 2002),
        (UNKNOWN, 1001, 1001, 2002),
        (2, 19_000, 38_000, 38_000),  # either call has at least 9,000 tokens
        (2, 11_000, 11_000, 22_000),
        (2, 11_001, 22_002, 22_002),
        (3, 11_001, 11_001, 22_002),
    ],
)
def test_a_threshold_decides_only_where_it_may_be_crossed(
    calls: int, prompt: int, low: float, high: float
) -> None:
    found = low_high(card(LONG), summed(calls, uncached_input=prompt))
    assert found[:2] == pytest.approx((low, high))
    expected = "length of each prompt (other price from 1001 tokens on)" if low < high else ""
    assert found[2] == expected


def test_a_context_window_decides_the_tier() -> None:
    use = {"uncached_input": 50_000, "output": 10}
    short = low_high(card(LONG), summed(least=0, most=1000, **use))
    long = low_high(card(LONG), summed(least=1001, most=10_000, **use))
    assert short == (pytest.approx(50_040), pytest.approx(50_040), "")
    assert long == (pytest.approx(100_060), pytest.approx(100_060), "")
    assert low_high(card(LONG, LONGER), summed(least=1001, **use))[2].startswith("length of each")


def test_each_property_that_decides_is_named() -> None:
    offer = card(NIGHT, LONG, THINKING, CACHED)
    use = {"uncached_input": 3000, "cache_read": 1000, "output": 10, "reasoning": 10}
    assert low_high(offer, summed(9, **use))[2].split(", ") == [
        "length of each prompt (other price from 1001 tokens on)",
        "which calls reason",
        "cached share of each prompt",
        "time of each call",
    ]
    assert low_high(card(THINKING), summed(9, output=10))[2] == ""
    assert low_high(card(CACHED), summed(9, uncached_input=10))[2] == ""
    in_the_night = summed(9, BEGIN_S + 3600, uncached_input=100)
    assert low_high(card(NIGHT), in_the_night) == (pytest.approx(50), pytest.approx(50), "")


def test_fees_of_requests_need_their_number() -> None:
    low, high, _ = low_high(card(FEE), summed(3, uncached_input=100))
    assert low == high == pytest.approx(3 * 10_000 + 100)
    assert "charges for each request" in refusal(card(FEE), summed(uncached_input=100))


@pytest.mark.parametrize(
    ("sums", "reason"),
    [
        (summed(0, uncached_input=1), "tokens of no requests"),
        (summed(2, uncached_input=20_001), "more input tokens than so many requests can have"),
        (summed(3, least=1000, uncached_input=2999), "fewer input tokens than requests of this"),
        (
            summed(3, uncached_input=10, audio=5),
            "no price for input_au",
        ),
    ],
)
def test_sums_that_cannot_be(sums: CallSums, reason: str) -> None:
    assert reason in refusal(card(), sums)


# Tables of sums.

HEADER = (
    "offer,at,requests,until,context_window,service_tier,batch,input_total,cache_read,output_total"
)
ROWS = """\
openai/gpt-5,2026-05-01,40,,,,,1000000,900000,1000
anthropic/claude-sonnet-4-5,2026-03-01,,,0-200k,,,5000000,0,1000
anthropic/claude-sonnet-4-5,2026-03-01,,,200k-1M,standard,,5000000,0,1000
anthropic/claude-sonnet-4-5,2026-03-01,100,,,,false,5000000,0,1000
openai/gpt-4o,2026-11-01,7,2026-12-01,,default,true,1000,0,0
deepseek/deepseek-flash,2026-11-25T09:00Z,7,2026-11-25T11:00Z,,,,1000000,0,0
openai/gpt-4o,2026-11-01,7,2026-11-01,,,,1000,0,0
openai/gpt-4o,2026-11-01,7,,,priority,true,1000,0,0
openai/gpt-4o,2026-11-01,7,,medium,,,1000,0,0
openai/gpt-4o,2026-11-01,x,,,,,1000,0,0
"""
COSTS = [
    ((100_000 * 1.25 + 900_000 * 0.125 + 10_000) / 1e6,) * 2,
    ((15e6 + 15_000) / 1e6,) * 2,
    ((30e6 + 22_500) / 1e6,) * 2,
    ((15e6 + 15_000) / 1e6, (30e6 + 22_500) / 1e6),
    (1000 * 1.25 / 1e6,) * 2,
    (0.15, 0.3),
]
REASONS = [
    "the end of the period is not after its start",
    "batch is true, and the context is priority",
    "context_window must be a range, such as 0-200k or 200k-1M, not 'medium'",
    "requests must be a whole number, 0 or more, not 'x'",
]


@pytest.mark.slow
def test_a_table_of_sums_has_bounds(tmp_path: Path) -> None:
    (tmp_path / "sums.csv").write_text(f"{HEADER}\n{ROWS}")
    run = breakeven("prices", "cost", "sums.csv", cwd=tmp_path)
    rows = list(csv.DictReader(run.stdout.splitlines()))
    for row, (low, high) in zip(rows, COSTS, strict=False):
        assert row["error"] == ""
        assert float(row["cost_low_usd"]) == pytest.approx(low, abs=1e-9)
        assert float(row["cost_high_usd"]) == pytest.approx(high, abs=1e-9)
        assert row["cost_usd"] == (row["cost_low_usd"] if low == high else "")
        assert bool(row["depends_on"]) == (low < high)
    for row, reason in zip(rows[len(COSTS) :], REASONS, strict=True):
        assert row["error"] == reason
        assert row["cost_low_usd"] == row["cost_high_usd"] == row["cost_usd"] == ""
    assert ", 4 could not be priced\n2 sums of requests have a lower and an upper" in run.stderr
    # A priced table can be priced again.
    (tmp_path / "again.csv").write_text(run.stdout)
    assert breakeven("prices", "cost", "again.csv", cwd=tmp_path).stdout == run.stdout


@pytest.mark.slow
def test_sums_in_parquet_and_in_scripts_are_those_of_the_csv(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    rows: list[dict[str, Any]] = list(csv.DictReader(f"{HEADER}\n{ROWS}".splitlines()))[:-1]
    result = price_usage({name: [row[name] for row in rows] for name in rows[0]})
    document = result.to_dict()
    lows, highs = zip(*COSTS, strict=True)
    assert document["cost_low_usd"] == pytest.approx(sum(lows))
    assert document["cost_high_usd"] == pytest.approx(sum(highs))
    assert document["cost_usd"] == pytest.approx(sum(a for a, b in COSTS if a == b))
    assert result.low_usd[: len(COSTS)] == pytest.approx(lows)
    assert result.high_usd[: len(COSTS)] == pytest.approx(highs)
    assert [bool(text) for text in result.depends_on[: len(COSTS)]] == [a < b for a, b in COSTS]
    json.dumps(document, allow_nan=False)
    for row in rows:
        for name in ("requests", "input_total", "cache_read", "output_total"):
            row[name] = int(row[name]) if row[name] else None
        row["batch"] = {"": None, "true": True, "false": False}[row["batch"]]
        row["until"] = datetime.fromisoformat(row["until"]) if row["until"] else None
        row["until"] = row["until"].replace(tzinfo=UTC) if row["until"] else None
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "sums.parquet")
    run = breakeven("prices", "cost", "sums.parquet", "--out", "out.parquet", cwd=tmp_path)
    assert ", 3 could not be priced\n2 sums of requests" in run.stderr
    priced = pq.read_table(tmp_path / "out.parquet").to_pylist()
    for row, alone in zip(priced, document["rows"], strict=True):
        assert row["cost_low_usd"] == alone["cost_low_usd"]
        assert row["cost_high_usd"] == alone["cost_high_usd"]
        assert (row["error"] or "") == alone["error"]
        assert (row["depends_on"] or "") == alone["depends_on"]


def test_a_context_window_alone_makes_a_row_a_sum() -> None:
    columns = {"offer": ["anthropic/claude-sonnet-4-5", "openai/gpt-4o"], "at": ["2026-03-01"] * 2,
               "context_window": ["0-200k", ""], "input_total": ["5000000"] * 2,
               "output_total": ["0"] * 2}  # fmt: skip
    usd, errors = costs_and_errors(columns)
    assert usd[0] == pytest.approx(15)
    assert "a sum of requests needs a column requests" in errors[1]


def test_counts_that_are_not_read_or_do_not_add_up_are_refused() -> None:
    base = {"offer": ["openai/gpt-4o"], "at": ["2026-09-15"], "input_total": ["100"],
            "output_total": ["10"]}  # fmt: skip
    for name in ("prompt_tokens", "completionTokens", "text_tok", "Accepted Tokens"):
        _, errors = costs_and_errors({**base, name: ["7"]})
        assert f"column {name!r} looks like a number of tokens and is not read" in errors[0]
        assert costs_and_errors({**base, name: ["0"]})[1] == [""]
    for name in ("max_tokens", "output_tokens_per_second", "input_cost_per_token", "token_id"):
        assert costs_and_errors({**base, name: ["7"]})[1] == [""]
    assert costs_and_errors({**base, "total_tokens": ["110"]})[1] == [""]
    _, errors = costs_and_errors({**base, "total_tokens": ["120"]})
    assert errors == ["total is not input_total + output_total"]
    _, errors = costs_and_errors({**base, "cached_tokens": ["101"]})
    assert "counted apart from input, as in Anthropic's usage, it is the sum of both" in errors[0]


def test_a_commitment_has_no_price_per_token() -> None:
    offers = ["anthropic/claude-opus-5-5", "anthropic/claude-opus-5-5", "openai/gpt-4o"]
    columns = {"offer": offers, "at": ["2026-11-20"] * 3, "input_total": ["1000"] * 3,
               "output_total": ["0"] * 3}  # fmt: skip
    tiers = ["priority", "standard", "priority"]
    usd, errors = costs_and_errors({**columns, "service_tier": tiers})
    assert "a commitment without a price per token" in errors[0]
    assert np.isnan(usd).tolist() == [True, False, False]
    # The book's context of that name is the fast mode.
    assert costs_and_errors({**columns, "context": tiers})[1] == ["", "", ""]
