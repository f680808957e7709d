"""Exports of Anthropic: usage and cost reports, and the tables of the console."""

from pathlib import Path
from typing import Any

import pytest

from simulator.traffic.usage.buckets import Group
from tests.support.traffic.usage_exports import (
    DAY,
    columns,
    document,
    known,
    read,
    refusal,
    table,
)

HOUR = 3600
PROMPT = ("uncached_tok", "cached_tok", "written_5m_tok", "written_1h_tok", "completion_tok")


def span(*results: dict[str, Any], hour: int = 0) -> dict[str, Any]:
    return {
        "starting_at": f"2026-11-01T{hour:02}:00:00Z",
        "ending_at": f"2026-11-01T{hour + 1:02}:00:00Z",
        "results": list(results),
    }


def page(*spans: dict[str, Any]) -> dict[str, Any]:
    return {"data": list(spans), "has_more": False, "next_page": None}


def result(**change: object) -> dict[str, Any]:
    return {
        "uncached_input_tokens": 100, "cache_read_input_tokens": 900, "output_tokens": 50,
        "cache_creation": {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 20},
        "server_tool_use": {"web_search_requests": 0}, "model": "claude-x", "workspace_id": None,
        "api_key_id": None, "service_tier": None, "context_window": None, "inference_geo": None,
        **change,
    }  # fmt: skip


def cost(amount: object, **change: object) -> dict[str, Any]:
    return {
        "amount": amount, "currency": "USD", "model": "claude-x", "cost_type": "tokens",
        "token_type": "output_tokens", "workspace_id": None, "description": "d", **change,
    }  # fmt: skip


def row(**change: object) -> dict[str, Any]:
    return {
        "usage_date_utc": "2026-11-01", "model_version": "claude-x", "api_key": "key",
        "workspace": "Default", "usage_type": "standard", "context_window": "≤ 200k",
        "usage_input_tokens_no_cache": 100, "usage_input_tokens_cache_write_5m": 30,
        "usage_input_tokens_cache_write_1h": 20, "usage_input_tokens_cache_read": 900,
        "usage_output_tokens": 50, "web_search_count": 0, "inference_geo": "global", "speed": "",
        **change,
    }  # fmt: skip


def cost_row(**change: object) -> dict[str, Any]:
    return {
        "usage_date_utc": "2026-11-01", "model": "Claude X", "workspace": "Default",
        "api_key": "key", "usage_type": "message", "context_window": "≤ 200k",
        "token_type": "output", "cost_usd": "0.13", "list_price_usd": "0.15",
        "cost_type": "token", "inference_geo": "global", "speed": "", **change,
    }  # fmt: skip


def test_kinds_of_prompt_tokens(tmp_path: Path) -> None:
    usage, notices = read(document(tmp_path, page(span(result(), hour=3))), "anthropic-usage")
    assert columns(usage, "begin_s", "length_s", *PROMPT) == [
        (DAY + 3 * HOUR, HOUR, 100, 900, 30, 20, 50)
    ]
    assert usage.prompt_tok.tolist() == [1050]
    assert known(usage) == set(PROMPT)
    assert (notices.left_out, notices.remarks) == ({}, [])


def test_group_by_fields(tmp_path: Path) -> None:
    results = [
        result(workspace_id="w", api_key_id="k", service_tier="standard", inference_geo="global"),
        result(service_tier="batch", context_window="200k-1M", inference_geo="us"),
        result(service_tier="standard", speed="fast", inference_geo="not_available"),
        result(service_tier="priority", speed="standard"),
    ]
    usage, _ = read(document(tmp_path, page(span(*results))), "anthropic-usage")
    assert usage.groups == (
        Group("claude-x", "anthropic", tier="batch", context="200k-1M", region="us"),
        Group("claude-x", "anthropic", tier="fast"),
        Group("claude-x", "anthropic", tier="priority"),
        Group("claude-x", "anthropic", "w", "k"),
    )


def test_analytics_count_requests(tmp_path: Path) -> None:
    code = {"model": None, "uncached_input_tokens": 0, "cache_read_input_tokens": 0,
            "output_tokens": 0, "cache_creation": {}, "requests": 7}  # fmt: skip
    results = [
        result(requests=4, server_tool_use={"web_search_requests": 3}),
        result(requests=5, product="chat"),
        result(**code),
    ]
    usage, notices = read(document(tmp_path, page(span(*results))), "anthropic-usage")
    assert columns(usage, "requests", "completion_tok") == [(9, 100)]
    assert notices.left_out == {
        "web searches": 3, "results without tokens, such as code execution": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cache_creation": 5}, "cache_creation must be an object, not 5"),
        ({"cache_creation": {"ephemeral_1d_input_tokens": 5}}, "'ephemeral_1d_input_tokens' (5)"),
        ({"cache_creation_input_tokens": 5}, "unknown count of tokens 'cache_creation_input_token"),
        ({"thinking_tokens": {"all": 5}}, "unknown count of tokens 'thinking_tokens'"),
        ({"output_tokens": "-5"}, "output_tokens must be a number of 0 or more, not '-5'"),
        ({"rbac_group_id": "team"}, "teams (rbac_group_id) overlap"),
        ({"model": None}, "has no model, but others of the same time have"),
        ({"output_tokens": 51}, "is there twice with different values"),
    ],
)
def test_faults_are_refused(tmp_path: Path, change: dict, message: str) -> None:
    path = document(tmp_path, page(span(result(), result(**change))))
    assert message in refusal(path)


def test_hours_and_their_day_are_refused(tmp_path: Path) -> None:
    day = {**span(result()), "ending_at": "2026-11-02T00:00:00Z"}
    path = document(tmp_path, [page(day), page(span(result(), hour=7))])
    assert "overlaps one that begins 7 h earlier" in refusal(path)


def test_amounts_are_cents(tmp_path: Path) -> None:
    results = [
        cost("123.78912"), cost("0.21088", token_type="uncached_input_tokens"),
        cost("1000", model=None, cost_type="web_search", token_type=None),
        cost("50", service_tier="batch"), cost("-5", description="credit"),
    ]  # fmt: skip
    usage, notices = read(document(tmp_path, page(span(*results))), "anthropic-costs")
    assert columns(usage, "spend_usd") == [(10,), (pytest.approx(1.24),), (0.5,)]
    assert known(usage) == {"spend_usd"}
    assert notices.left_out == {"credits and refunds": 1}


def test_other_currencies_are_refused(tmp_path: Path) -> None:
    path = document(tmp_path, page(span(cost("1", currency="EUR"))))
    assert "currency must be USD, not 'EUR'" in refusal(path)


def test_table_of_the_console(tmp_path: Path) -> None:
    rows = [
        row(), row(api_key="other"), row(usage_date_utc="2026-11-02", usage_type="batch"),
        row(context_window="> 200k", inference_geo="us", web_search_count=2),
    ]  # fmt: skip
    usage, notices = read(table(tmp_path, *rows), "anthropic-console")
    assert usage.groups == (
        Group("claude-x", "anthropic", "Default", "key", "", "0-200k"),
        Group("claude-x", "anthropic", "Default", "key", "", "200k-1M", "us"),
        Group("claude-x", "anthropic", "Default", "key", "batch", "0-200k"),
        Group("claude-x", "anthropic", "Default", "other", "", "0-200k"),
    )
    assert columns(usage, "begin_s", "length_s", *PROMPT)[3] == (
        DAY + 24 * HOUR, 24 * HOUR, 100, 900, 30, 20, 50,
    )  # fmt: skip
    assert known(usage) == set(PROMPT)
    assert notices.left_out == {"web searches": 2}


def test_older_table_of_the_console(tmp_path: Path) -> None:
    both = table(tmp_path, row(usage_input_tokens_cache_write=50))
    assert columns(read(both, "anthropic-console")[0], *PROMPT) == [(100, 900, 30, 20, 50)]
    fields = row(usage_input_tokens_cache_write=70)
    del fields["usage_input_tokens_cache_write_5m"], fields["usage_input_tokens_cache_write_1h"]
    usage, _ = read(table(tmp_path, fields), "anthropic-console")
    assert columns(usage, *PROMPT) == [(100, 900, 70, None, 50)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"usage_output_tokens": "1,5"}, "usage_output_tokens must be a whole number, not '1.5'"),
        ({"usage_output_tokens": "-1"}, "usage_output_tokens must be a number of 0 or more"),
        ({"usage_thinking_tokens": 5}, "unknown count of tokens 'usage_thinking_tokens' ('5')"),
        ({"usage_input_tokens_cache_write": 51}, "is 50, but usage_input_tokens_cache_write is 51"),
        ({"usage_date_utc": "yesterday"}, "usage_date_utc must be a date and time"),
        ({"usage_date_utc": "20261101"}, "usage_date_utc must be a date, or seconds since 1970"),
        ({"usage_date_utc": ""}, "missing field 'usage_date_utc'"),
    ],
)
def test_faults_in_a_table_have_their_line(tmp_path: Path, change: dict, message: str) -> None:
    path = table(tmp_path, row(), row(api_key="b"), row(api_key="c", **change))
    text = refusal(path)
    assert text.startswith("4:1: ")
    assert message in text


def test_thousands_may_be_separated(tmp_path: Path) -> None:
    path = table(tmp_path, row(usage_output_tokens="1,234,567"))
    assert columns(read(path, "anthropic-console")[0], "completion_tok") == [(1234567,)]


def test_table_of_costs_of_the_console(tmp_path: Path) -> None:
    rows = [cost_row(), cost_row(token_type="input_no_cache", cost_usd="2.87"),
            cost_row(usage_date_utc="2026-11-02", cost_usd="$1,000.50")]  # fmt: skip
    usage, _ = read(table(tmp_path, *rows), "anthropic-console-costs")
    assert usage.groups == (Group("Claude X", "anthropic", "Default", "key", "", "0-200k"),)
    assert columns(usage, "spend_usd") == [(3.0,), (1000.5,)]
    assert known(usage) == {"spend_usd"}
