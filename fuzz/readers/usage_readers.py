"""Readers of usage exports, by name and by recognition."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from fuzz.cases import Reader, Sample
from fuzz.samples import csv_sample, json_sample, lines_sample, spreadsheet_samples
from simulator.traffic.usage.catalog import read_usage

_DAY = {"start_time": 1793491200, "end_time": 1793577600}
_COMPLETIONS = {
    "object": "organization.usage.completions.result", "model": "m", "project_id": "p",
    "user_id": "u", "api_key_id": "k", "batch": False, "service_tier": "default",
    "num_model_requests": 7, "input_tokens": 1000, "input_cached_tokens": 300,
    "input_cache_write_tokens": 100, "input_uncached_tokens": 600, "input_audio_tokens": 20,
    "output_tokens": 90, "output_audio_tokens": 10,
}  # fmt: skip
_EMBEDDINGS = {
    "object": "organization.usage.embeddings.result", "model": "e", "input_tokens": 50,
    "num_model_requests": 2,
}  # fmt: skip
_COSTS = {
    "object": "organization.costs.result", "line_item": "m, input", "project_id": "p",
    "amount": {"value": "1.25", "currency": "usd"},
}  # fmt: skip
_REPORT_DAY = {"starting_at": "2026-11-01T00:00:00Z", "ending_at": "2026-11-02T00:00:00Z"}
_MESSAGES = {
    "model": "m", "workspace_id": "w", "api_key_id": None, "service_tier": "batch",
    "context_window": "0-200k", "inference_geo": "us", "speed": "fast", "requests": 4,
    "uncached_input_tokens": 100, "cache_read_input_tokens": 300, "output_tokens": 40,
    "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 10},
    "server_tool_use": {"web_search_requests": 1},
}  # fmt: skip
_REPORTED_COSTS = {
    "model": "m", "currency": "USD", "amount": "123.45", "cost_type": "tokens",
    "token_type": "output_tokens", "description": "d",
}  # fmt: skip
_CONSOLE = {
    "usage_date_utc": "2026-11-01", "model_version": "m", "api_key": "k", "workspace": "Default",
    "usage_type": "standard", "context_window": "≤ 200k", "usage_input_tokens_no_cache": 100,
    "usage_input_tokens_cache_write_5m": 20, "usage_input_tokens_cache_write_1h": 10,
    "usage_input_tokens_cache_read": 300, "usage_output_tokens": 40, "web_search_count": 0,
}  # fmt: skip
_CONSOLE_COSTS = {
    "usage_date_utc": "2026-11-01", "model": "M 5", "workspace": "w", "api_key": "k",
    "usage_type": "message", "context_window": "≤ 200k", "token_type": "output",
    "cost_usd": "0.13", "list_price_usd": "0.14", "cost_type": "token",
}  # fmt: skip
_ACTIVITY = {
    "date": "2026-11-01", "model": "v/m", "model_permaslug": "v/m-1", "endpoint_id": "e",
    "provider_name": "P", "usage": 0.015, "byok_usage_inference": 0.5, "requests": 5,
    "prompt_tokens": 50, "completion_tokens": 125, "reasoning_tokens": 25,
}  # fmt: skip
_METRICS = {
    "spend": 0.5, "prompt_tokens": 100, "completion_tokens": 40, "total_tokens": 140,
    "cache_read_input_tokens": 30, "cache_creation_input_tokens": 10, "api_requests": 6,
    "successful_requests": 5, "failed_requests": 1,
}  # fmt: skip
_TABLE = {
    "id": "i", "date": "2026-11-01", "user_id": "u", "api_key": "k", "model": "m",
    "custom_llm_provider": "v", **_METRICS,
}  # fmt: skip
_BY_KEY = {"k": {"metrics": _METRICS, "metadata": {"key_alias": "a", "team_id": "t"}}}
_DAILY = {
    "results": [{"date": "2026-11-01", "metrics": _METRICS, "breakdown": {
        "models": {"m": {"metrics": _METRICS, "api_key_breakdown": _BY_KEY}},
        "providers": {"v": {"metrics": _METRICS}}, "api_keys": _BY_KEY}}],
    "metadata": {"total_spend": 0.5, "total_prompt_tokens": 100, "page": 1, "has_more": False},
}  # fmt: skip
_LANGFUSE_DAILY = {"data": [{
    "date": "2026-11-01", "countTraces": 3, "countObservations": 9, "totalCost": 0.5,
    "usage": [{"model": "m", "inputUsage": 100, "outputUsage": 40, "totalUsage": 140,
               "totalCost": 0.5, "countObservations": 6, "countTraces": 3}],
}]}  # fmt: skip
_ROW = {
    "time_dimension": "2026-11-01T00:00:00Z", "providedModelName": "m", "count_count": "6",
    "sum_inputTokens": "100", "sum_outputTokens": 40, "sum_totalTokens": 140, "sum_totalCost": 0.5,
}  # fmt: skip
_PLAIN = {
    "hour": "2026-11-01T08:00:00Z", "model": "m", "requests": 6, "input_tokens": 100,
    "cached_tokens": 30, "output_tokens": 40, "reasoning_tokens": 10, "cost_usd": "0.5",
}  # fmt: skip


def _table(*rows: dict[str, Any]) -> Sample:
    return csv_sample("usage.csv", list(rows[0]), *(list(row.values()) for row in rows))


def _pages(span: dict[str, Any], *results: dict[str, Any]) -> tuple[Sample, ...]:
    """Return a page as a document and two of them as lines."""
    page = {"object": "page", "data": [{**span, "results": results}], "has_more": False}
    return json_sample("usage.json", page), lines_sample("usage.jsonl", page, page)


def samples() -> dict[str, Sequence[Sample]]:
    """Return samples of every format by its name."""
    later = {**_ROW, "time_dimension": "2026-11-01T01:00:00Z"}
    return {
        "openai-usage": (*_pages(_DAY, _COMPLETIONS, _EMBEDDINGS), _table(_DAY | _COMPLETIONS)),
        "openai-costs": (
            *_pages(_DAY, _COSTS),
            _table({**_DAY, "amount_value": "1.25", "amount_currency": "usd", "line_item": "m, x"}),
        ),
        "anthropic-usage": _pages(_REPORT_DAY, _MESSAGES),
        "anthropic-costs": _pages(_REPORT_DAY, _REPORTED_COSTS),
        "anthropic-console": (_table(_CONSOLE, {**_CONSOLE, "usage_date_utc": "2026-11-02"}),),
        "anthropic-console-costs": (_table(_CONSOLE_COSTS),),
        "openrouter-activity": (json_sample("usage.json", {"data": [_ACTIVITY]}),
                                _table(_ACTIVITY)),
        "litellm-daily": (json_sample("usage.json", [_TABLE]), lines_sample("u.jsonl", _TABLE),
                          _table(_TABLE, {**_TABLE, "date": "2026-11-02"})),
        "litellm-activity": (json_sample("usage.json", _DAILY),),
        "langfuse-daily": (json_sample("usage.json", _LANGFUSE_DAILY),),
        "langfuse-metrics": (json_sample("usage.json", {"data": [_ROW, later]}),),
        "plain": (
            _table(_PLAIN, {**_PLAIN, "hour": "2026-11-01T09:00:00Z"}),
            csv_sample("usage.csv", ["date", "bucket", "calls", "prompt_tokens", "tokens_out"],
                       ["2026-11-01", "1d", 5, 100, 50], ["2026-11-03", "1d", 5, 100, 50]),
            *spreadsheet_samples("usage.csv", ["day", "model", "requests", "input_tokens", "cost"],
                                 ["2026-11-01", "m", "1.250", "3.600.000", 9.75],
                                 ["2026-11-02", "m", "900", "2.100.000", 1.5]),
            csv_sample("usage.csv", ["time", "requests", "input_tokens"],
                       ["2026-11-01T00:00Z", 5, 100], ["2026-11-01T01:00Z", 5, 100]),
        ),
    }  # fmt: skip


def _read(name: str | None, path: Path, out: Path) -> None:
    read_usage(path, name)


def _fit(path: Path, out: Path) -> None:
    """Fit workloads to an export and build the traffic section that is written."""
    from simulator.files.yamltree import parse
    from simulator.scenario.starter.generator import section_workload
    from simulator.scenario.starter.sources import read_source
    from simulator.scenario.starter.traffic_text import traffic_text

    found = read_source(str(path), mean_input_tok=1000.0)
    for name, section in parse(traffic_text(found.workloads))["traffic"].items():
        section_workload(name, section)


def _bill(path: Path, out: Path) -> None:
    """Price an export or a log, and write the bill in every form."""
    from simulator.library.bills import reproduce_bill

    result = reproduce_bill(str(path))
    result.to_json()
    result.to_csv()


def readers() -> tuple[Reader, ...]:
    """Return the readers of all formats of usage exports, and what is made of them."""
    named = [
        Reader(f"usage-{name}", partial(tuple, found), partial(_read, name))
        for name, found in samples().items()
    ]
    everything = [sample for found in samples().values() for sample in found]
    return (
        *named,
        Reader("usage-unknown", partial(tuple, everything), partial(_read, None)),
        Reader("usage-fit", partial(tuple, everything), _fit),
        Reader("bill", partial(tuple, everything), _bill),
    )
