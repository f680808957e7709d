"""A month of calls whose sums are known, in every format of usage exports."""

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from simulator.traffic.shapes import week_shape

BEGIN = datetime(2026, 10, 5, tzinfo=UTC)
"""A Monday."""
WEEKS = 4
HOUR_S = 3600.0


@dataclass(frozen=True)
class Month:
    """Sums of calls by the hour. (n_hours,) each"""

    requests: np.ndarray
    uncached: np.ndarray
    cached: np.ndarray
    written: np.ndarray
    output: np.ndarray

    @property
    def prompt(self) -> np.ndarray:
        return self.uncached + self.cached + self.written

    def days(self) -> "Month":
        return Month(*(column.reshape(-1, 24).sum(axis=1) for column in vars(self).values()))

    def totals(self, *names: str) -> dict[str, int]:
        return {name: int(getattr(self, name).sum()) for name in names}


def month(
    per_hour: float = 1500.0, prompt: int = 3000, cached: float = 0.3, written: float = 0.0,
    output: int = 250,
) -> Month:  # fmt: skip
    """A month in the shape of office hours, with noise from hour to hour."""
    rng = np.random.default_rng(4)
    rate = per_hour * np.tile(week_shape("azure-code"), WEEKS)
    requests = rng.poisson(rate * rng.lognormal(-0.02, 0.2, len(rate)))
    total = np.rint(requests * prompt * rng.normal(1, 0.02, len(rate))).astype(np.int64)
    read = (total * cached).astype(np.int64)
    wrote = (total * written).astype(np.int64)
    answers = np.rint(requests * output * rng.normal(1, 0.02, len(rate))).astype(np.int64)
    return Month(requests, total - read - wrote, read, wrote, answers)


def _hour(n: int) -> datetime:
    return BEGIN + timedelta(hours=n)


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _day(n: int) -> str:
    return (BEGIN + timedelta(days=n)).strftime("%Y-%m-%d")


def _hours(m: Month) -> Any:
    names = vars(m)
    for n in range(len(m.requests)):
        yield n, {name: int(column[n]) for name, column in names.items()}


def _dumped(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value))
    return path


def _table(path: Path, rows: list[dict[str, Any]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def openai(folder: Path, m: Month) -> Path:
    spans = [
        {"object": "bucket", "start_time": int(_hour(n).timestamp()),
         "end_time": int(_hour(n + 1).timestamp()),
         "results": [{
             "object": "organization.usage.completions.result", "model": "gpt-4o-2024-08-06",
             "input_tokens": v["uncached"] + v["cached"], "input_cached_tokens": v["cached"],
             "output_tokens": v["output"], "input_audio_tokens": 0, "output_audio_tokens": 0,
             "num_model_requests": v["requests"], "project_id": "proj_a", "user_id": None,
             "api_key_id": None, "batch": False}] if v["requests"] else []}
        for n, v in _hours(m)
    ]  # fmt: skip
    page = {"object": "page", "data": spans, "has_more": False, "next_page": None}
    return _dumped(folder / "openai.json", page)


def anthropic(folder: Path, m: Month) -> Path:
    spans = [
        {"starting_at": _text(_hour(n)), "ending_at": _text(_hour(n + 1)),
         "results": [{
             "uncached_input_tokens": v["uncached"], "cache_read_input_tokens": v["cached"],
             "cache_creation": {"ephemeral_5m_input_tokens": v["written"],
                                "ephemeral_1h_input_tokens": 0},
             "output_tokens": v["output"], "server_tool_use": {"web_search_requests": 0},
             "model": "claude-sonnet-4-6", "workspace_id": "w", "api_key_id": None,
             "service_tier": "standard", "context_window": None, "inference_geo": None}]}
        for n, v in _hours(m)
    ]  # fmt: skip
    page = {"data": spans, "has_more": False, "next_page": None}
    return _dumped(folder / "anthropic.json", page)


def anthropic_console(folder: Path, m: Month) -> Path:
    rows = [
        {"usage_date_utc": _day(n), "model_version": "claude-sonnet-4-6", "api_key": "key",
         "workspace": "Default", "usage_type": "standard", "context_window": "≤ 200k",
         "usage_input_tokens_no_cache": v["uncached"],
         "usage_input_tokens_cache_write_5m": v["written"],
         "usage_input_tokens_cache_write_1h": 0, "usage_input_tokens_cache_read": v["cached"],
         "usage_output_tokens": v["output"], "web_search_count": 0, "inference_geo": "global",
         "speed": ""}
        for n, v in _hours(m.days())
    ]  # fmt: skip
    return _table(folder / "console.csv", rows)


def openrouter(folder: Path, m: Month) -> Path:
    rows = [
        {"date": _day(n), "model": "openai/gpt-4o", "model_permaslug": "openai/gpt-4o",
         "endpoint_id": "e", "provider_name": "OpenAI", "usage": 1.0, "byok_usage_inference": 0,
         "requests": v["requests"], "prompt_tokens": v["uncached"] + v["cached"],
         "completion_tokens": v["output"], "reasoning_tokens": 0}
        for n, v in _hours(m.days())
    ]  # fmt: skip
    return _dumped(folder / "activity.json", {"data": rows})


def _litellm_metrics(v: dict[str, int]) -> dict[str, Any]:
    prompt = v["uncached"] + v["cached"] + v["written"]
    return {
        "spend": 1.0, "prompt_tokens": prompt, "completion_tokens": v["output"],
        "total_tokens": prompt + v["output"], "cache_read_input_tokens": v["cached"],
        "cache_creation_input_tokens": v["written"], "api_requests": v["requests"] + 3,
        "successful_requests": v["requests"], "failed_requests": 3,
    }  # fmt: skip


def litellm_daily(folder: Path, m: Month) -> Path:
    rows = [
        {"id": n, "user_id": "u", "date": _day(n), "api_key": "k", "model": "gpt-4o",
         "custom_llm_provider": "openai", **{
             k: x for k, x in _litellm_metrics(v).items() if k != "total_tokens"}}
        for n, v in _hours(m.days())
    ]  # fmt: skip
    return _table(folder / "spend.csv", rows)


def litellm_activity(folder: Path, m: Month) -> Path:
    days = [
        {"date": _day(n), "metrics": _litellm_metrics(v),
         "breakdown": {"models": {"gpt-4o": {"metrics": _litellm_metrics(v)}}}}
        for n, v in _hours(m.days())
    ]  # fmt: skip
    value = {"results": days, "metadata": {"page": 1, "has_more": False}}
    return _dumped(folder / "activity.json", value)


def langfuse_daily(folder: Path, m: Month) -> Path:
    days = [
        {"date": _day(n), "countTraces": 1, "countObservations": v["requests"], "totalCost": 1,
         "usage": [{"model": "gpt-4o", "inputUsage": v["uncached"] + v["cached"],
                    "outputUsage": v["output"],
                    "totalUsage": v["uncached"] + v["cached"] + v["output"], "totalCost": 1.0,
                    "countTraces": 1, "countObservations": v["requests"]}]}
        for n, v in _hours(m.days())
    ]  # fmt: skip
    return _dumped(folder / "daily.json", {"data": days})


def langfuse_metrics(folder: Path, m: Month) -> Path:
    rows = [
        {"time_dimension": _text(_hour(n)), "providedModelName": "gpt-4o",
         "count_count": v["requests"], "sum_inputTokens": v["uncached"] + v["cached"],
         "sum_outputTokens": v["output"]}
        for n, v in _hours(m)
    ]  # fmt: skip
    return _dumped(folder / "metrics.json", {"data": rows})


def plain(folder: Path, m: Month) -> Path:
    rows = [
        {"hour": _text(_hour(n)), "model": "gpt-4o", "requests": v["requests"],
         "input_tokens": v["uncached"] + v["cached"], "cached_tokens": v["cached"],
         "output_tokens": v["output"]}
        for n, v in _hours(m)
    ]  # fmt: skip
    return _table(folder / "usage.csv", rows)


def bedrock(folder: Path, m: Month) -> Path:
    times = [_text(_hour(n)) for n in range(len(m.requests))]
    columns = {
        "Invocations": m.requests, "InputTokenCount": m.uncached, "OutputTokenCount": m.output,
        "CacheReadInputTokenCount": m.cached, "CacheWriteInputTokenCount": m.written,
    }  # fmt: skip
    results = [
        {"Id": f"m{k}", "Label": f"{name} us.anthropic.claude-sonnet-4-6", "Timestamps": times,
         "Values": column.tolist(), "StatusCode": "Complete"}
        for k, (name, column) in enumerate(columns.items())
    ]  # fmt: skip
    return _dumped(folder / "bedrock.json", {"MetricDataResults": results, "Messages": []})


def azure(folder: Path, m: Month) -> Path:
    columns = {
        "AzureOpenAIRequests": m.requests, "ProcessedPromptTokens": m.uncached + m.cached,
        "GeneratedTokens": m.output,
    }  # fmt: skip
    metrics = [
        {"id": f"/subscriptions/0/accounts/desk/metrics/{name}",
         "name": {"value": name, "localizedValue": name}, "unit": "Count", "errorCode": "Success",
         "timeseries": [{
             "metadatavalues": [{"name": {"value": "modelname"}, "value": "gpt-4o"}],
             "data": [{"timeStamp": _text(_hour(n)), "total": float(value)}
                      for n, value in enumerate(column.tolist())]}]}
        for name, column in columns.items()
    ]  # fmt: skip
    value = {"cost": 0, "interval": "PT1H", "timespan": "x/y", "value": metrics}
    return _dumped(folder / "azure.json", value)


def vertex(folder: Path, m: Month) -> Path:
    def series(name: str, column: np.ndarray, **labels: str) -> dict[str, Any]:
        points = [
            {"interval": {"startTime": _text(_hour(n)), "endTime": _text(_hour(n + 1))},
             "value": {"int64Value": str(value)}}
            for n, value in enumerate(column.tolist())
        ]  # fmt: skip
        return {
            "metric": {
                "type": f"aiplatform.googleapis.com/publisher/online_serving/{name}",
                "labels": labels,
            },
            "resource": {"type": "aiplatform.googleapis.com/PublisherModel", "labels": {
                "model_user_id": "gemini-2.5-pro", "publisher": "google", "project_id": "desk"}},
            "metricKind": "DELTA", "valueType": "INT64", "points": points[::-1],
        }  # fmt: skip

    page = {
        "timeSeries": [
            series("token_count", m.uncached + m.cached, type="input", request_type="shared"),
            series("token_count", m.output, type="output", request_type="shared"),
            series("model_invocation_count", m.requests, response_code="200", method="Predict"),
        ],
        "unit": "1",
    }
    return _dumped(folder / "vertex.json", page)


def prometheus(folder: Path, m: Month) -> Path:
    columns = {
        "vllm:prompt_tokens_total": m.uncached + m.cached,
        "vllm:prompt_tokens_cached_total": m.cached,
        "vllm:generation_tokens_total": m.output,
        "vllm:request_success_total": m.requests,
    }
    result = [
        {"metric": {"__name__": name, "model_name": "gpt-4o"},
         "values": [[_hour(n).timestamp(), str(value)]
                    for n, value in enumerate([0, *np.cumsum(column).tolist()])]}
        for name, column in columns.items()
    ]  # fmt: skip
    value = {"status": "success", "data": {"resultType": "matrix", "result": result}}
    return _dumped(folder / "range.json", value)


EXPORTS: dict[str, tuple[Callable[[Path, Month], Path], tuple[str, ...]]] = {
    "openai-usage": (openai, ("cached",)),
    "anthropic-usage": (anthropic, ("cached", "written")),
    "anthropic-console": (anthropic_console, ("cached", "written")),
    "openrouter-activity": (openrouter, ()),
    "litellm-daily": (litellm_daily, ("cached",)),
    "litellm-activity": (litellm_activity, ("cached",)),
    "langfuse-daily": (langfuse_daily, ()),
    "langfuse-metrics": (langfuse_metrics, ()),
    "plain": (plain, ("cached",)),
    "bedrock-cloudwatch": (bedrock, ("cached", "written")),
    "azure-metrics": (azure, ()),
    "vertex-monitoring": (vertex, ()),
    "prometheus": (prometheus, ("cached",)),
}
"""Writer of each format, and the parts of a prompt that it tells apart."""
