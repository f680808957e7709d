"""Exports of gateways and tools: OpenRouter, LiteLLM, Langfuse."""

import json
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

DAY_S = 86400
CALLS = ("requests", "uncached_tok", "cached_tok", "completion_tok", "spend_usd")


def activity(**change: object) -> dict[str, Any]:
    """Return an item of OpenRouter's activity."""
    return {
        "date": "2026-11-01", "model": "v/m", "model_permaslug": "v/m-1", "endpoint_id": "e",
        "provider_name": "P", "usage": 0.25, "byok_usage_inference": 0, "requests": 5,
        "prompt_tokens": 500, "completion_tokens": 125, "reasoning_tokens": 25, **change,
    }  # fmt: skip


def metrics(times: int = 1, **change: object) -> dict[str, Any]:
    """Return LiteLLM's metrics of a number of equal calls and as many failed ones."""
    return {
        "spend": 0.5 * times, "prompt_tokens": 100 * times, "completion_tokens": 40 * times,
        "total_tokens": 140 * times, "cache_read_input_tokens": 30 * times,
        "cache_creation_input_tokens": 10 * times, "api_requests": 2 * times,
        "successful_requests": times, "failed_requests": times, **change,
    }  # fmt: skip


def spend(**change: object) -> dict[str, Any]:
    """Return a row of LiteLLM's table by user."""
    return {
        "id": "i", "user_id": "u", "date": "2026-11-01", "api_key": "k", "model": "m",
        "custom_llm_provider": "v", **metrics(), **change,
    }  # fmt: skip


def part(times: int, **more: object) -> dict[str, Any]:
    return {"metrics": metrics(times), **more}


def keys(**times: int) -> dict[str, Any]:
    names = {"key_alias": None, "team_id": "t"}
    return {key: part(n, metadata=names) for key, n in times.items()}


def days(*parts: dict[str, Any], total: int = 5, **metadata: object) -> dict[str, Any]:
    """Return daily activity, one day for each breakdown, each with the metrics of ``total``."""
    return {
        "results": [
            {"date": f"2026-11-0{1 + n}", "metrics": metrics(total), "breakdown": breakdown}
            for n, breakdown in enumerate(parts)
        ],
        "metadata": {"total_spend": 0.5 * total * len(parts), "page": 1, **metadata},
    }


def daily(*usage: dict[str, Any]) -> dict[str, Any]:
    """Return a day of Langfuse's daily metrics."""
    return {"data": [{"date": "2026-11-01", "countTraces": 1, "countObservations": 9,
                      "totalCost": 1, "usage": list(usage)}]}  # fmt: skip


def model(**change: object) -> dict[str, Any]:
    return {
        "model": "m", "inputUsage": 100, "outputUsage": 40, "totalUsage": 140, "totalCost": 0.5,
        "countObservations": 6, "countTraces": 1, **change,
    }  # fmt: skip


def measured(hour: int, **change: object) -> dict[str, Any]:
    """Return a row of Langfuse's metrics API."""
    return {
        "time_dimension": f"2026-11-01T{hour:02}:00:00Z", "providedModelName": "m",
        "count_count": "6", "sum_inputTokens": "100", "sum_outputTokens": 40,
        "sum_totalTokens": 140, "sum_totalCost": 0.5, **change,
    }  # fmt: skip


def test_openrouter(tmp_path: Path) -> None:
    items = [
        activity(), activity(endpoint_id="f", requests=2, byok_usage_inference=0.5),
        activity(date="2026-11-03 00:00:00", cached_tokens=100),
    ]  # fmt: skip
    for path in (document(tmp_path, {"data": items}), table(tmp_path, *items)):
        usage, notices = read(path, "openrouter-activity")
        assert usage.groups == (Group("v/m", "openrouter"),)
        assert columns(usage, "begin_s", "length_s", *CALLS, "reasoning_tok") == [
            (DAY, DAY_S, 7, 1000, None, 250, 1.0, 50),
            (DAY + 2 * DAY_S, DAY_S, 5, 400, 100, 125, 0.25, 25),
        ]
        assert notices.remarks == [
            "Costs contain what was paid to providers with keys of one's own."
        ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reasoning_tokens": 126}, "reasoning_tokens (126) exceeds completion_tokens (125)"),
        ({"cached_tokens": 501}, "cached_tokens (501) exceeds prompt_tokens (500)"),
        ({"audio_tokens": 1}, "unknown count of tokens 'audio_tokens'"),
        ({"requests": 6}, "is there twice with different values"),
    ],
)
def test_openrouter_faults(tmp_path: Path, change: dict, message: str) -> None:
    path = document(tmp_path, {"data": [activity(), activity(**change)]})
    assert message in refusal(path)


def test_openrouter_generations_are_a_log(tmp_path: Path) -> None:
    generation = {"generation_id": "g", "created_at": "2026-11-01 02:37:51.271", "cost_total": 0.01,
                  "tokens_prompt": 100, "tokens_completion": 20, "requests": 1}  # fmt: skip
    assert "its rows are single calls, not sums" in refusal(table(tmp_path, generation))


@pytest.mark.parametrize("form", ["csv", "json", "lines"])
def test_litellm_tables(tmp_path: Path, form: str) -> None:
    rows = [spend(), spend(user_id="w"), spend(api_key="l", date="2026-11-02"),
            spend(model="", **metrics(0, api_requests=3, successful_requests=3))]  # fmt: skip
    path = tmp_path / "usage.jsonl"
    if form == "csv":
        path = table(tmp_path, *rows)
    elif form == "json":
        path = document(tmp_path, rows)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    usage, notices = read(path, "litellm-daily")
    assert usage.groups == (Group("m", "v", "", "k"), Group("m", "v", "", "l"))
    names = ("begin_s", *CALLS, "written_5m_tok")
    assert columns(usage, *names) == [
        (DAY, 2, 120, 60, 80, 1.0, 20),
        (DAY + DAY_S, 1, 60, 30, 40, 0.5, 10),
    ]
    assert notices.left_out == {
        "failed requests": 3, "rows without model and tokens, such as calls of MCP tools": 1,
    }  # fmt: skip


def test_litellm_teams_are_projects(tmp_path: Path) -> None:
    row = {"team_id": "t", **spend()}
    del row["user_id"]
    assert read(document(tmp_path, [row]), "litellm-daily")[0].groups[0].project == "t"


def test_litellm_tables_without_calls(tmp_path: Path) -> None:
    row = spend(api_requests=0, successful_requests=0, failed_requests=0)
    usage, notices = read(document(tmp_path, [row]), "litellm-daily")
    assert columns(usage, *CALLS) == [(None, 60, 30, 40, 0.5)]
    assert notices.remarks == [
        "Some rows have tokens and no calls: the number of calls is unknown there."
    ]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([spend(cache_read_input_tokens=91)], "101 tokens read from and written to a cache, but"),
        ([spend(total_tokens=150)], "is 140, but total_tokens is 150"),
        ([spend(failed_requests=2)], "is 3, but api_requests is 2"),
        ([spend(reasoning_tokens=2)], "unknown count of tokens 'reasoning_tokens' (2)"),
        ([spend(), spend(spend=0.6)], "is there twice with different values"),
        (
            [{"tag": tag, **spend(), "user_id": None} for tag in ("a", "b")],
            "a call with several tags is counted under each",
        ),
        ([spend(), {"team_id": "t", **spend()}], "count the same calls; export one table"),
    ],
)
def test_litellm_table_faults(tmp_path: Path, rows: list, message: str) -> None:
    assert message in refusal(document(tmp_path, rows))


def test_activity_counts_the_finest_breakdown_once(tmp_path: Path) -> None:
    by_model = {"a": part(2, api_key_breakdown=keys(k=2)),
                "b": part(3, api_key_breakdown=keys(k=1, l=2))}  # fmt: skip
    others = {
        "providers": {"v": part(5)},
        "api_keys": keys(k=3, l=2),
        "model_groups": {"g": part(5)},
    }
    path = document(tmp_path, days({"models": by_model, **others}))
    usage, notices = read(path, "litellm-activity")
    assert [(g.model, g.project, g.key) for g in usage.groups] == [
        ("a", "t", "k"), ("b", "t", "k"), ("b", "t", "l"),
    ]  # fmt: skip
    assert columns(usage, "length_s", *CALLS) == [
        (DAY_S, n, 60 * n, 30 * n, 40 * n, 0.5 * n) for n in (2, 1, 2)
    ]
    assert notices.left_out == {"failed requests": 5}


@pytest.mark.parametrize(
    ("breakdown", "expected"),
    [
        ({"models": {"a": part(5, api_key_breakdown=keys(k=4))}}, [("a", "")]),
        ({"models": {"a": part(4)}, "model_groups": {"g": part(5)}}, [("g", "")]),
        ({"providers": {"v": part(5)}, "api_keys": keys(k=5)}, [("", "")]),
        ({}, [("", "")]),
    ],
)
def test_activity_without_complete_breakdown(
    tmp_path: Path, breakdown: dict, expected: list
) -> None:
    usage, _ = read(document(tmp_path, days(breakdown)), "litellm-activity")
    assert [(g.model, g.key) for g in usage.groups] == expected
    assert columns(usage, *CALLS) == [(5, 300, 150, 200, 2.5)]


def test_activity_with_calls_of_tools(tmp_path: Path) -> None:
    page = days({"models": {"a": part(5)}})
    page["results"][0]["metrics"] |= {"api_requests": 17, "successful_requests": 12}
    usage, notices = read(document(tmp_path, page), "litellm-activity")
    assert columns(usage, *CALLS) == [(5, 300, 150, 200, 2.5)]
    assert notices.left_out == {
        "failed requests": 5, "calls without model and tokens, such as those of MCP tools": 7,
    }  # fmt: skip


def test_activity_pages_may_share_a_day(tmp_path: Path) -> None:
    first, second = (days({"models": {"a": part(5)}}, page=n, has_more=n == 1) for n in (1, 2))
    usage, notices = read(document(tmp_path, [first, second, second]), "litellm-activity")
    assert columns(usage, *CALLS) == [(10, 600, 300, 400, 5.0)]
    assert notices.remarks == ["A page says has_more: the export may not hold all its days."]
    assert notices.left_out == {"failed requests": 10, "rows that are there twice": 1}


@pytest.mark.parametrize(
    ("page", "message"),
    [
        (
            days({"models": {"a": part(4)}}),
            "models add up to other sums than those of the day 2026",
        ),
        (days({}, total_spend=2.0), "total_spend is 2, but the days add up to 2.5; days by tag"),
        (days({"models": 5}), "models must be an object, not 5"),
        (days({"models": {"a": {"metrics": 5}}}), "metrics must be an object, not 5"),
    ],
)
def test_activity_faults(tmp_path: Path, page: dict, message: str) -> None:
    assert message in refusal(document(tmp_path, page))


def test_langfuse_daily(tmp_path: Path) -> None:
    nothing = model(model=None, inputUsage=0, outputUsage=0, totalUsage=0, totalCost=0)
    path = document(tmp_path, daily(model(), nothing))
    usage, notices = read(path, "langfuse-daily")
    assert columns(usage, "begin_s", "length_s", *CALLS) == [(DAY, DAY_S, 6, 100, None, 40, 0.5)]
    assert notices.left_out == {"observations without model and tokens": 6}


def test_langfuse_daily_does_not_tell_cached_tokens(tmp_path: Path) -> None:
    text = refusal(document(tmp_path, daily(model(totalUsage=1140))))
    assert "totalUsage has 1,000 tokens that are neither inputUsage nor outputUsage" in text


def test_langfuse_rows(tmp_path: Path) -> None:
    nothing = measured(1, providedModelName=None, sum_inputTokens=0, sum_outputTokens=0,
                       sum_totalTokens=0, sum_totalCost=None, count_count=3)  # fmt: skip
    rows = [measured(0), measured(1, environment="a"), measured(1, environment="b"), measured(5)]
    usage, notices = read(document(tmp_path, {"data": [*rows, nothing]}), "langfuse-metrics")
    assert columns(usage, "begin_s", "length_s", *CALLS) == [
        (DAY, 3600, 6, 100, None, 40, 0.5),
        (DAY + 3600, 3600, 12, 200, None, 80, 1.0),
        (DAY + 5 * 3600, 3600, 6, 100, None, 40, 0.5),
    ]
    assert notices.left_out == {"observations without model and tokens": 3}


def test_langfuse_rows_without_model_do_not_count_calls(tmp_path: Path) -> None:
    rows = [measured(0), measured(1)]
    for row in rows:
        del row["providedModelName"]
    usage, notices = read(document(tmp_path, {"data": rows}), "langfuse-metrics")
    assert known(usage) == {"uncached_tok", "completion_tok", "spend_usd"}
    assert len(notices.remarks) == 2


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([measured(0)], "a single bucket does not show its length"),
        ([measured(0), measured(1, sum_totalTokens=150)], "is 140, but sum_totalTokens is 150"),
        (
            [measured(0), measured(1, sum_cachedTokens=1)],
            "unknown count of tokens 'sum_cachedToken",
        ),
        ([measured(0), measured(1), measured(1, count_count=7)], "twice with different values"),
    ],
)
def test_langfuse_rows_faults(tmp_path: Path, rows: list, message: str) -> None:
    assert message in refusal(document(tmp_path, {"data": rows}))
