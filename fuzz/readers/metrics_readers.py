"""Readers of metrics as aggregated usage."""

from itertools import pairwise
from pathlib import Path
from typing import Any

from fuzz.cases import Reader, Sample
from fuzz.samples import json_sample, lines_sample
from simulator.traffic.usage.catalog import read_usage

_TIMES = [f"2026-11-02T{hour:02}:00:00+00:00" for hour in range(3)]
_CLOUDWATCH = {"MetricDataResults": [
    {"Id": f"m{index}", "Label": f"{name} anthropic.claude-haiku", "Timestamps": _TIMES,
     "Values": [10.0, 20.0, 30.5], "StatusCode": "Complete"}
    for index, name in enumerate((
        "Invocations", "InputTokenCount", "OutputTokenCount", "CacheReadInputTokenCount",
        "InvocationClientErrors", "InvocationLatency"))
], "Messages": []}  # fmt: skip
_STATISTICS = [
    {"Label": name, "Datapoints": [{"Timestamp": t, "Sum": 5.0, "Unit": "Count"} for t in _TIMES]}
    for name in ("Invocations", "InputTokenCount")
]
_ACCOUNT = "/subscriptions/0/providers/Microsoft.CognitiveServices/accounts/desk/providers/x/"
_AZURE = {"interval": "PT1H", "timespan": "x/y", "value": [
    {"id": _ACCOUNT + name, "name": {"value": name}, "unit": "Count", "errorCode": "Success",
     "timeseries": [{
         "metadatavalues": [{"name": {"value": "modeldeploymentname"}, "value": "chat"}],
         "data": [{"timeStamp": t, "total": total} for t in _TIMES]}]}
    for name, total in {"AzureOpenAIRequests": 5.0, "ProcessedPromptTokens": 900.0,
                        "GeneratedTokens": 100.0, "TokenTransaction": 1000.0,
                        "ActiveTokens": 400.0, "Latency": None}.items()
]}  # fmt: skip


def _vertex(name: str, **labels: str) -> dict[str, Any]:
    spans = [{"startTime": a, "endTime": b} for a, b in pairwise(_TIMES)]
    return {
        "metric": {"type": f"aiplatform.googleapis.com/publisher/online_serving/{name}",
                   "labels": labels},
        "resource": {"type": "aiplatform.googleapis.com/PublisherModel",
                     "labels": {"model_user_id": "gemini", "project_id": "desk"}},
        "metricKind": "DELTA", "valueType": "INT64",
        "points": [{"interval": span, "value": {"int64Value": "7"}} for span in spans],
    }  # fmt: skip


_VERTEX = {"timeSeries": [
    _vertex("token_count", type="input", modality="AUDIO", request_type="dedicated"),
    _vertex("token_count", type="output", source="batch_eu"),
    _vertex("model_invocation_count", response_code="200"),
    _vertex("model_invocation_count", response_code="429"),
]}  # fmt: skip


def _series(name: str, *values: str, **labels: str) -> dict[str, Any]:
    samples = [[1_793_577_600 + 3600 * hour, value] for hour, value in enumerate(values)]
    return {"metric": {"__name__": name, **labels}, "values": samples}


_SERIES = [
    _series("vllm:prompt_tokens_total", "5", "900", "20", "NaN", "50", model_name="m"),
    _series("vllm:prefix_cache_hits_total", "0", "400", "5", "5", "9", model_name="m"),
    _series("vllm:request_success_total", "0", "2", "3", "4", "5", model_name="m",
            finished_reason="stop", instance="a:1", job="vllm"),
    *(_series("vllm:request_prompt_tokens_bucket", "0", "1", "2", last, "9", model_name="m", le=le)
      for le, last in (("100.0", "3"), ("+Inf", "5"))),
    _series("litellm_input_tokens_metric_total", "0", "9", "10", "20", "20", model="g",
            team_alias="t", api_key_alias="None"),
    _series("model:vllm_generation_tokens:rate1h", "1", "2.5", "0", "0", "1", model_name="m"),
    _series("up", "1", "1"),
]  # fmt: skip
_ANSWER = {"status": "success", "data": {"resultType": "matrix", "result": _SERIES}}


def _samples() -> tuple[Sample, ...]:
    return (
        json_sample("cloudwatch.json", _CLOUDWATCH),
        json_sample("statistics.json", _STATISTICS),
        json_sample("azure.json", _AZURE),
        json_sample("vertex.json", _VERTEX),
        json_sample("range.json", _ANSWER),
        json_sample("promtool.json", _SERIES),
        lines_sample("range.jsonl", _ANSWER, _SERIES[:1]),
    )


def _read(path: Path, out: Path) -> None:
    read_usage(path)


def readers() -> tuple[Reader, ...]:
    """Return the readers of metrics."""
    return (Reader("metrics", _samples, _read),)
