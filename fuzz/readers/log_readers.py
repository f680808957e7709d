"""Readers of request logs: for each format, one that stops at bad rows and one that skips them."""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from fuzz.cases import Reader, Sample, Unusable
from fuzz.commands import argument, command
from fuzz.otlp import otlp_request, with_lengths
from fuzz.samples import (
    compressed,
    csv_sample,
    json_sample,
    lines_sample,
    parquet_sample,
    spreadsheet_samples,
    text_samples,
)
from simulator.errors import InputError
from simulator.traffic.formats.catalog import FORMATS

_MOONCAKE = (
    {"timestamp": 0, "input_length": 1100, "output_length": 5, "hash_ids": [1, 2, 3]},
    {"timestamp": 10, "input_length": 1536, "output_length": 6, "hash_ids": [1, 2, 4]},
    {"timestamp": 2500.5, "input_length": 100, "output_length": 0, "hash_ids": [9]},
)
_DELAYED = (
    {"session_id": "s", "timestamp": 0, "input_length": 1100, "output_length": 5},
    {"session_id": "s", "delay": 500, "input_length": 1536, "output_length": 6},
)
_CHAT = {"type": "text", "output_length": 7, "turn": 1, "input_length": 33, "hash_ids": [7, 8, 9]}
_BAILIAN = (
    {**_CHAT, "chat_id": 3, "parent_chat_id": -1, "timestamp": 1.0},
    {**_CHAT, "chat_id": 9, "parent_chat_id": 3, "timestamp": 60.0},
)
_AGENT_CALL = {
    "t": 0.0, "type": "n", "model": "m", "in": 640, "out": 9, "api_time": 4.0, "think_time": 0.0,
    "hp": 0, "ht": [[1, 10]],
}  # fmt: skip
_AGENT = {
    "id": "c", "hash_id_scope": "local", "block_size": 64, "requests": [
        _AGENT_CALL,
        {"t": 5.0, "type": "subagent", "agent_id": "s", "requests": [{**_AGENT_CALL, "t": 1.0}]},
        {**_AGENT_CALL, "t": 20.0, "in": 900, "think_time": 16.0, "hp": 8, "ht": [[20, 6]]},
    ],
}  # fmt: skip
SERVED = {
    "input_lens": [10, 20, 30], "output_lens": [5, 6, 0], "ttfts": [0.5, 0.25, 0.0],
    "itls": [[0.1] * 4, [0.1] * 5, []], "start_times": [100.0, 100.5, 101.0],
    "errors": ["", "", "timeout"], "generated_texts": ["a", "b", "c"],
}  # fmt: skip
PROFILED = {
    "metadata": {"conversation_id": "c", "request_start_ns": 10**18, "turn_index": 0,
                 "request_end_ns": 10**18 + 3 * 10**9, "benchmark_phase": "profiling"},
    "metrics": {"input_sequence_length": {"value": 40, "unit": "tokens"},
                "output_sequence_length": {"value": 9, "unit": "tokens"},
                "reasoning_token_count": {"value": 4, "unit": "tokens"}},
}  # fmt: skip
_GUIDED = {"benchmarks": [{"requests": {"successful": [
    {"request_id": "x", "prompt_tokens": 7, "output_tokens": 3, "start_time": 5.0,
     "end_time": 6.0},
    {"prompt_tokens": 7, "output_tokens": 3,
     "info": {"timings": {"request_start": 7.0, "request_end": 8.5}}},
]}}]}  # fmt: skip
PERFED = {
    "start_time": 1393.25, "end_time": 1395.5, "request": '{"prompt": "SECRET"}', "error": None,
    "info": {"request_metrics": {"text": {"input_tokens": 40}},
             "response_metrics": {"output_tokens": 9, "output_token_times": [1393.5, 1395.5],
                                  "server_usage": {"prompt_tokens": 40, "prompt_tokens_details":
                                                   {"cached_tokens": 16}}}},
}  # fmt: skip
_USAGE = {"prompt_tokens": 40, "completion_tokens": 9}
PROFILE: dict[str, Any] = {"experiments": [{"experiment": {"mode": "concurrency"}, "requests": [
    {"timestamp": 10**18, "response_timestamps": [10**18 + 10**8, 10**18 + 10**9],
     "request_inputs": {"payload": "SECRET"},
     "response_outputs": [{"response": 'data: {"choices": [{"delta": {"content": "a"}}]}'},
                          {"response": "data: " + json.dumps({"choices": [], "usage": _USAGE})}]},
]}]}  # fmt: skip
_SPEND = {
    "request_id": "r1", "call_type": "acompletion", "startTime": "2026-11-02T08:00:00.250Z",
    "endTime": "2026-11-02T08:00:02.250Z", "prompt_tokens": 1000, "completion_tokens": 80,
    "model": "m", "model_group": "desk", "session_id": "s", "cache_hit": "False",
    "status": "success", "metadata": {"usage_object": {
        "prompt_tokens": 1000, "cache_read_input_tokens": 600, "cache_creation_input_tokens": 100,
        "completion_tokens_details": {"reasoning_tokens": 30}}},
}  # fmt: skip
_OBSERVATION = {
    "id": "o", "traceId": "t", "sessionId": "s", "type": "GENERATION", "model": "desk",
    "startTime": "2026-11-02T08:00:00.250Z", "endTime": "2026-11-02T08:00:02.250Z",
    "usageDetails": {
        "input": 300, "cache_read_input_tokens": 600, "cache_creation_input_tokens": 100,
        "output": 50, "output_reasoning_tokens": 30, "total": 1080},
}  # fmt: skip
_HELICONE = {
    "request_id": "r", "request_created_at": "2026-11-02T08:00:00.250Z", "response_status": 200,
    "response_created_at": "2026-11-02T08:00:02.250Z", "request_model": "desk",
    "prompt_tokens": 300, "prompt_cache_read_tokens": 600, "prompt_cache_write_tokens": 100,
    "completion_tokens": 80, "request_properties": {"Helicone-Session-Id": "s"},
}  # fmt: skip
_GENERATION = {
    "generation_id": "gen-1", "created_at": "2026-11-02 08:00:00.250", "cost_total": 0.0123,
    "cost_cache": -0.001, "byok_usage_inference": 0, "tokens_prompt": 1000,
    "tokens_completion": 80, "tokens_reasoning": 30, "tokens_cached": 600,
    "model_permaslug": "v/m", "provider_name": "P", "variant": "standard", "cancelled": "false",
    "finish_reason_normalized": "stop", "generation_time_ms": 2000, "time_to_first_token_ms": 300,
    "api_key_name": "k", "app_name": "a",
}  # fmt: skip
_GENERATED = {"data": {
    "id": "gen-1", "created_at": "2026-11-02T08:00:00.25Z", "total_cost": 0.0015, "is_byok": True,
    "upstream_inference_cost": 0.01, "model": "v/m", "tokens_prompt": 990, "session_id": "s",
    "tokens_completion": 70, "native_tokens_prompt": 1000, "native_tokens_completion": 80,
    "native_tokens_reasoning": 30, "native_tokens_cached": 600, "num_media_completion": 0,
    "native_tokens_completion_images": None, "api_type": "completions", "finish_reason": "stop",
}}  # fmt: skip
_ATTRIBUTES = {
    "gen_ai.usage.input_tokens": {"intValue": "1000"},
    "gen_ai.usage.cache_read.input_tokens": {"intValue": "600"},
    "gen_ai.usage.cache_creation.input_tokens": {"intValue": "100"},
    "gen_ai.usage.output_tokens": {"intValue": "80"},
    "gen_ai.usage.reasoning.output_tokens": {"intValue": "30"},
    "gen_ai.conversation.id": {"stringValue": "s"},
    "gen_ai.request.model": {"stringValue": "desk"},
}
_SPANS = {"resourceSpans": [{"scopeSpans": [{"spans": [{
    "name": "chat desk", "startTimeUnixNano": "1793606400250000000",
    "endTimeUnixNano": "1793606402250000000",
    "attributes": [{"key": key, "value": value} for key, value in _ATTRIBUTES.items()],
}]}]}]}  # fmt: skip
_GEMINI = {
    "id": "g", "traceId": "t", "type": "GENERATION", "startTime": "2026-11-02T08:00:00.250Z",
    "usageDetails": {
        "promptTokenCount": 40, "candidatesTokenCount": 9, "thoughtsTokenCount": 4,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 40}], "totalTokenCount": 53},
}  # fmt: skip
_TRACE = {"id": "t", "sessionId": "s", "timestamp": "2026-11-02T08:00:00Z", "observations": [
    {"id": "a", "type": "AGENT", "startTime": "2026-11-02T08:00:00Z"},
    {**_OBSERVATION, "parentObservationId": "a"},
    {**_GEMINI, "parentObservationId": "a"},
]}  # fmt: skip


def _spans(*values: dict[str, Any]) -> dict[str, Any]:
    """Return a document of spans, each of which is the parent of the next one."""
    kinds = {int: "intValue", float: "doubleValue", str: "stringValue"}
    spans = [
        {
            "traceId": "ab" * 16, "spanId": f"{i:016x}", "parentSpanId": f"{i - 1:016x}",
            "startTimeUnixNano": "1793606400250000000", "endTimeUnixNano": "1793606402250000000",
            "attributes": [{"key": k, "value": {kinds[type(v)]: v}} for k, v in named.items()],
        }
        for i, named in enumerate(values, start=1)
    ]  # fmt: skip
    return {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}


_TREE = _spans(
    {"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 100},
    {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 100,
     "gen_ai.usage.output_tokens": 20, "gen_ai.usage.details.cache_read_tokens": 64,
     "gen_ai.response.id": "r", "gen_ai.usage.cost": 0.5},
    {"gen_ai.usage.prompt_tokens": 100, "gen_ai.usage.completion_tokens": 20},
)  # fmt: skip
_OPEN_INFERENCE = _spans(
    {"openinference.span.kind": "LLM", "llm.token_count.prompt": 36,
     "llm.token_count.completion": 20, "llm.token_count.prompt_details.cache_read": 64,
     "llm.token_count.total": 120},
)  # fmt: skip
_VERCEL = _spans(
    {"ai.operationId": "ai.generateText", "ai.usage.promptTokens": 9,
     "ai.usage.completionTokens": 2},
    {"ai.operationId": "ai.generateText.doGenerate", "ai.usage.inputTokens": 9,
     "ai.usage.outputTokens": 2, "ai.usage.reasoningTokens": 1},
)  # fmt: skip
_AT = "2023-11-16 18:15:46.6805900", "2023-11-16 18:15:50.9951690"
_CANONICAL: dict[str, list[Any]] = {
    "arrival_s": [0.0, 1.5, 2.0], "input_tokens": [30, 40, 25], "output_tokens": [5, 6, 7],
    "reasoning_tokens": [0, 3, 0], "cached_tokens": [0, 20, 0], "written_tokens": [0, 5, 0],
    "max_output_tokens": [10, 10, 10], "workload": ["chat", "chat", "rag"],
    "session": ["a", "a", "b"], "end_s": [1.0, 2.0, 3.0], "gap_s": [0.0, 0.5, 0.0],
    "deadline_s": [60.0, 60.0, 60.0], "prefix": ["100+20 7+10", "^25 900+15", "100+25"],
    "model": ["m", "m", "n"], "provider": ["p", "p", "p"], "team": ["t", "t", "u"],
    "key": ["k", "k", "k"], "spend_usd": [0.1, 0.2, 0.3], "written_1h_tokens": [0, 5, 0],
}  # fmt: skip


def _canonical() -> tuple[Sample, ...]:
    names = list(_CANONICAL)
    rows = [list(row) for row in zip(*_CANONICAL.values(), strict=True)]
    lines = lines_sample("log.jsonl", *(dict(zip(names, row, strict=True)) for row in rows))
    return (
        csv_sample("log.csv", names, *rows),
        csv_sample("log.csv", names[:3], ["2026-11-02T08:00:00Z", 30, 5]),
        *spreadsheet_samples("log.csv", names, *rows),
        lines,
        compressed(lines),
    )


def _export(name: str, record: dict[str, Any]) -> tuple[Sample, ...]:
    """Return an export of a gateway in its three possible forms."""
    from json import dumps

    cells = [dumps(v) if isinstance(v, dict) else v for v in record.values()]
    return (
        csv_sample("log.csv", list(record), cells, cells),
        lines_sample("log.jsonl", record, record),
        json_sample("log.json", {"data": [record]} if name == "langfuse" else [record, record]),
    )


_SAMPLES: dict[str, Callable[[], tuple[Sample, ...]]] = {
    "canonical": _canonical,
    "mooncake": lambda: (
        lines_sample("log.jsonl", *_DELAYED),
        lines_sample("log.jsonl", *_MOONCAKE),
        compressed(lines_sample("log.jsonl", *_MOONCAKE)),
    ),
    "bailian": lambda: (lines_sample("log.jsonl", *_BAILIAN),),
    "azure": lambda: (
        csv_sample("log.csv", ["TIMESTAMP", "ContextTokens", "GeneratedTokens"],
                   [_AT[0], 374, 44], [_AT[1], 396, 109]),
        csv_sample("log.csv", ["TIMESTAMP", "NumImages", "ContextTokens", "GeneratedTokens"],
                   [_AT[0], 1, 374, 44], [_AT[1], 0, 396, 109]),
    ),
    "burstgpt": lambda: (
        csv_sample("log.csv", ["Timestamp", "Model", "Request tokens", "Response tokens",
                               "Total tokens", "Log Type"],
                   [5, "ChatGPT", 472, 18, 490, "Conversation log"],
                   [45, "GPT-4", 1087, 230, 1317, "API log"]),
        csv_sample("log.csv", ["Timestamp", "Session ID", "Elapsed time", "Model",
                               "Request tokens", "Response tokens", "Total tokens", "Log Type"],
                   [1.5, "a7", 2.5, "ChatGPT", 20, 30, 50, "Conversation log"],
                   [9, "a7", 3, "ChatGPT", 80, 10, 90, "Conversation log"]),
    ),
    "agent": lambda: (lines_sample("log.jsonl", _AGENT, {**_AGENT, "id": "d"}),),
    "vllm": lambda: (json_sample("log.json", SERVED), lines_sample("log.jsonl", SERVED)),
    "sglang": lambda: (lines_sample("log.jsonl", {**SERVED, "server_info": {}}),),
    "aiperf": lambda: (lines_sample("log.jsonl", PROFILED, {**PROFILED, "error": {"code": 5}}),),
    "guidellm": lambda: (json_sample("log.json", _GUIDED),),
    "genai-perf": lambda: (json_sample("log.json", PROFILE),),
    "inference-perf": lambda: (
        json_sample("log.json", [PERFED, {**PERFED, "error": {"error_type": "x"}}]),
        json_sample("log.json", [{"start_time": 1.0, "end_time": 2.5,
                                  "info": {"input_tokens": 7, "output_tokens": 3}}]),
    ),
    "litellm": partial(_export, "litellm", _SPEND),
    "langfuse": lambda: (
        *_export("langfuse", _OBSERVATION),
        json_sample("log.json", {"data": [_TRACE, _TRACE]}),
        json_sample("log.json", _TRACE),
        lines_sample("log.jsonl", _GEMINI),
    ),
    "helicone": partial(_export, "helicone", _HELICONE),
    "openrouter": lambda: (
        *_export("openrouter", _GENERATION),
        json_sample("log.json", _GENERATED),
        json_sample("log.json", [_GENERATED, _GENERATED]),
        lines_sample("log.jsonl", _GENERATED, _GENERATED["data"]),
    ),
    "otel": lambda: (
        json_sample("log.json", _SPANS),
        json_sample("log.json", [_TREE, _OPEN_INFERENCE, _VERCEL]),
        lines_sample("log.jsonl", _SPANS, _TREE),
        Sample("log.pb", otlp_request()),
        Sample("log.bin", with_lengths(otlp_request(), otlp_request())),
    ),
}  # fmt: skip


def _read(fmt: str, path: Path, out: Path) -> None:
    """Read a log with the commands that need a readable one."""
    command("traffic", "stats", path, "--format", fmt, "--output", "json")
    command("traffic", "convert", path, out / "log.jsonl", "--format", fmt)
    command("traffic", "cache", path, "--format", fmt, "--rule", "openai-5m")


def _read_skipping(fmt: str, path: Path, out: Path) -> None:
    # The log may be unreadable, but the other commands must be tried too.
    with suppress(InputError):
        command("traffic", "convert", path, out / "log.csv", "--format", fmt, "--skip-bad")
    command("traffic", "stats", path, "--format", fmt, "--skip-bad")
    command("traffic", "cache", path, "--format", fmt, "--skip-bad", "--capacity-blocks", "10")


def _read_parquet(path: Path, out: Path) -> None:
    command("traffic", "stats", path, "--output", "csv")
    command("traffic", "convert", path, out / "log.parquet")


def _read_unknown(path: Path, out: Path) -> None:
    """Read a log of unknown format."""
    command("traffic", "stats", path)


def _draw(path: Path, out: Path) -> None:
    """Plot the traffic of a log."""
    command("traffic", "stats", path, "--out", out)


def _read_address(path: Path, out: Path) -> None:
    """Read a log by its address, without opening a connection to a database."""
    import psycopg
    from psycopg.conninfo import make_conninfo

    def connect(address: str, **_: Any) -> None:
        make_conninfo(address)
        raise psycopg.OperationalError("no connection")

    address = argument(path)
    if address.startswith("-"):
        raise Unusable("an option")
    with patch.object(psycopg, "connect", connect):
        command("traffic", "stats", address)


def _all_samples() -> Sequence[Sample]:
    return [sample for make in _SAMPLES.values() for sample in make()]


def readers() -> tuple[Reader, ...]:
    """Return the readers of all formats of logs."""
    by_format = []
    for fmt in FORMATS:
        samples = _SAMPLES[fmt]
        by_format.append(Reader(f"log-{fmt}", samples, partial(_read, fmt)))
        by_format.append(Reader(f"log-{fmt}-skipping", samples, partial(_read_skipping, fmt)))
    addresses = (
        "postgresql://reader:secret@db.example:5432/litellm",
        "postgres://[::1]/litellm?sslmode=disable",
        "mysql://host/db",
        "log.csv",
    )
    return (
        *by_format,
        Reader("log-parquet", lambda: (parquet_sample("log.parquet", _CANONICAL),), _read_parquet),
        Reader("log-unknown", _all_samples, _read_unknown),
        Reader("log-drawn", _canonical, _draw, slow=True),
        Reader("log-address", lambda: text_samples(*addresses), _read_address),
    )
