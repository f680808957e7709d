"""Logs of gateways and observability tools: LiteLLM, Langfuse, Helicone, OpenTelemetry.

They count differently. LiteLLM and OpenTelemetry count cached tokens into the prompt; Langfuse and
Helicone keep them apart. All of them become the same partition of the prompt: uncached, read from
a cache, written to one. Calls that failed, or that the gateway answered from a cache of its own,
never reached a model and are left out. No prompt text is kept, wherever it stands in a record.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from simulator.traffic.log import UNKNOWN, Batch
from simulator.traffic.readers.chunks import Broken, Item, Record, RecordChunk, in_chunks
from simulator.traffic.readers.containers import json_document, json_items, records_of
from simulator.traffic.readers.reading import Format, Names
from simulator.traffic.readers.values import BadRecord, seconds, whole

Fields = dict[str, Any]


def batch_of(rows: list[Fields], names: Names) -> Batch:
    """Lay out rows with the keys at_s, end_s, input, output, cached, written, reasoning, limit.

    ``session`` and ``workload`` are names; everything but the times and counts may be missing.
    """

    def column(key: str, default: float) -> np.ndarray:
        return np.array([default if row.get(key) is None else row[key] for row in rows])

    def counts(key: str, default: int = UNKNOWN) -> np.ndarray:
        return column(key, default).astype(np.int64)

    return Batch.of(
        column("at_s", np.nan).astype(np.float64),
        counts("input"),
        counts("output"),
        end_s=column("end_s", np.nan).astype(np.float64),
        cached_tokens=counts("cached"),
        written_tokens=counts("written"),
        reasoning_tokens=counts("reasoning", 0),
        max_output_tokens=counts("limit"),
        session=names.session([row.get("session") for row in rows]),
        workload=names.workload([row.get("workload") for row in rows]),
    )


def _mapping(value: Any, field: str) -> Fields:
    """Return a mapping that may stand there as JSON text, empty for nothing."""
    if isinstance(value, str) and value.strip():
        try:
            value = json.loads(value)
        except json.JSONDecodeError as error:
            raise BadRecord(field, f"{field} is not valid JSON: {error.msg}") from None
    if value in (None, ""):
        return {}
    if not isinstance(value, dict):
        raise BadRecord(field, f"{field} must be a JSON object")
    return value


def _count(record: Fields, *names: str) -> int | None:
    """Return the first count that is told, from a number or from CSV text."""
    for name in names:
        value = record.get(name)
        if value in (None, ""):
            continue
        if isinstance(value, str):
            try:
                value = int(value)
            except ValueError:
                raise BadRecord(name, f"{name} must be a whole number, not {value!r}") from None
        return whole({name: value}, name)
    return None


def _needed(record: Fields, *names: str) -> int:
    found = _count(record, *names)
    if found is None:
        raise BadRecord(names[0], f"missing field {names[0]!r}")
    return found


def _time(record: Fields, *names: str) -> float | None:
    for name in names:
        if record.get(name) not in (None, ""):
            return seconds(name, record[name])
    return None


def _began(record: Fields, *names: str) -> float:
    found = _time(record, *names)
    if found is None:
        raise BadRecord(names[0], f"missing field {names[0]!r}")
    return found


def _visible(output: int, reasoning: int | None) -> int:
    """Take hidden tokens out of a count that includes them."""
    if (reasoning or 0) > output:
        raise BadRecord("reasoning_tokens", f"{reasoning} reasoning tokens of only {output} output")
    return output - (reasoning or 0)


def litellm_row(record: Fields) -> Fields | None:
    """Return the row of one SpendLogs record; its prompt includes cached and written tokens."""
    metadata = _mapping(record.get("metadata"), "metadata")
    status = str(record.get("status") or metadata.get("status") or "success").lower()
    if status == "failure" or str(record.get("cache_hit", "")).lower() == "true":
        return None
    usage = _mapping(metadata.get("usage_object"), "usage_object")
    extra = _mapping(metadata.get("additional_usage_values"), "additional_usage_values")
    details = _mapping(
        usage.get("prompt_tokens_details") or extra.get("prompt_tokens_details"),
        "prompt_tokens_details",
    )
    thought = _mapping(
        usage.get("completion_tokens_details") or extra.get("completion_tokens_details"),
        "completion_tokens_details",
    )
    everything = {**details, **extra, **usage}
    output = _needed(record, "completion_tokens")
    reasoning = _count(thought, "reasoning_tokens")
    return {
        "at_s": _began(record, "startTime"),
        "end_s": _time(record, "endTime"),
        "input": _needed(record, "prompt_tokens"),
        "cached": _count(everything, "cache_read_input_tokens", "cached_tokens"),
        "written": _count(everything, "cache_creation_input_tokens", "cache_creation_tokens"),
        "output": _visible(output, reasoning),
        "reasoning": reasoning,
        "session": record.get("session_id"),
        "workload": record.get("model_group") or record.get("model"),
    }


def _langfuse_row(record: Fields) -> Fields | None:
    """Return the row of one observation; usage is kept apart by kind and sums to the whole."""
    kind = str(record.get("type") or "GENERATION").upper()
    if kind != "GENERATION" or str(record.get("level") or "").upper() == "ERROR":
        return None
    usage = _mapping(record.get("usageDetails", record.get("usage_details")), "usageDetails")
    counts = {name: _count(usage, name) or 0 for name in usage if name != "total"}
    if not counts:
        raise BadRecord("usageDetails", "usageDetails must tell input and output tokens")
    read = [n for n in counts if "cache" in n and ("read" in n or "cached" in n)]
    written = [n for n in counts if "cache" in n and n not in read]
    hidden = [n for n in counts if "reasoning" in n]
    cached_known = bool(read or written)
    return {
        "at_s": _began(record, "startTime", "start_time"),
        "end_s": _time(record, "endTime", "end_time"),
        "input": sum(v for n, v in counts.items() if "input" in n or n in read + written),
        "cached": sum(counts[n] for n in read) if cached_known else None,
        "written": sum(counts[n] for n in written) if cached_known else None,
        "output": sum(v for n, v in counts.items() if "output" in n and n not in hidden),
        "reasoning": sum(counts[n] for n in hidden),
        "limit": _count(
            _mapping(record.get("modelParameters", record.get("model_parameters")), "parameters"),
            "max_tokens",
            "max_completion_tokens",
        ),
        "session": next(
            (
                record[n]
                for n in ("sessionId", "session_id", "traceId", "trace_id")
                if record.get(n)
            ),
            None,
        ),
        "workload": record.get("model") or record.get("providedModelName"),
    }


def _helicone_row(record: Fields) -> Fields | None:
    """Return the row of one request; its prompt leaves out cached and written tokens."""
    status = _count(record, "response_status", "status")
    if status is not None and not 200 <= status < 300:
        return None
    properties = _mapping(
        record.get("request_properties", record.get("properties")), "request_properties"
    )
    read = _count(record, "prompt_cache_read_tokens")
    written = _count(record, "prompt_cache_write_tokens")
    return {
        "at_s": _began(record, "request_created_at"),
        "end_s": _time(record, "response_created_at"),
        "input": _needed(record, "prompt_tokens") + (read or 0) + (written or 0),
        "cached": read,
        "written": written,
        "output": _needed(record, "completion_tokens"),
        "session": properties.get("Helicone-Session-Id"),
        "workload": record.get("request_model") or record.get("model"),
    }


def _otel_row(span: Fields) -> Fields | None:
    """Return the row of one span; its input includes cached tokens, by the conventions."""
    told = {}
    for attribute in span.get("attributes", []):
        value = attribute.get("value", {})
        told[attribute.get("key")] = next(iter(value.values()), None)
    input_names = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens")
    failed = span.get("status", {}).get("code") in (2, "STATUS_CODE_ERROR")
    if failed or not any(name in told for name in input_names):
        return None
    output = _needed(told, "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens")
    reasoning = _count(
        told, "gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens"
    )
    return {
        "at_s": _needed(span, "startTimeUnixNano") / 1e9,
        "end_s": _needed(span, "endTimeUnixNano") / 1e9,
        "input": _needed(told, *input_names),
        "cached": _count(
            told, "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens"
        ),
        "written": _count(
            told,
            "gen_ai.usage.cache_creation.input_tokens",
            "gen_ai.usage.cache_creation_input_tokens",
        ),
        "output": _visible(output, reasoning),
        "reasoning": reasoning,
        "limit": _count(told, "gen_ai.request.max_tokens"),
        "session": told.get("gen_ai.conversation.id"),
        "workload": told.get("gen_ai.request.model") or told.get("gen_ai.response.model"),
    }


def _spans(document: Fields) -> list[Any]:
    return [
        span
        for resource in document["resourceSpans"]
        for scope in resource.get("scopeSpans", [])
        for span in scope.get("spans", [])
    ]


def _items(document: Any) -> list[Any] | None:
    """Find the records of an export: a list, or under ``data``, ``observations`` or ``logs``."""
    if isinstance(document, list):
        return document
    return next((document[n] for n in ("data", "observations", "logs") if n in document), None)


def _otel_spans(path: Path) -> Iterator[RecordChunk]:
    """Yield spans: of one OTLP document, or of one to a line as collectors write them."""
    if ".jsonl" in path.suffixes or ".ndjson" in path.suffixes:
        return in_chunks(_spans_of_lines(path))
    return json_document(path, _spans)


def _spans_of_lines(path: Path) -> Iterator[Item]:
    for item in json_items(path):
        if isinstance(item, Broken):
            yield item
            continue
        try:
            yield from [Record(item.line, span) for span in _spans(item.value)]
        except (AttributeError, KeyError, TypeError):
            yield Broken(item.line, 1, "not a document of OTLP spans")


def rows_of(
    row: Callable[[Fields], Fields | None],
) -> Callable[[list[Fields], Names], Batch]:
    """Return the parser of a format whose records become one row each, or none."""

    def parse(records: list[Fields], names: Names) -> Batch:
        return batch_of([found for r in records if (found := row(r)) is not None], names)

    return parse


LITELLM = Format(
    "litellm",
    "LiteLLM SpendLogs: CSV, JSON or JSON lines, or postgresql:// of the proxy's database",
    ("startTime", "completion_tokens", "prompt_tokens"),
    lambda path: records_of(path, _items),
    rows_of(litellm_row),
    in_order=False,
)
LANGFUSE = Format(
    "langfuse",
    "Langfuse observations: CSV, JSON or JSON lines",
    ("traceId", "usageDetails"),
    lambda path: records_of(path, _items),
    rows_of(_langfuse_row),
    in_order=False,
)
HELICONE = Format(
    "helicone",
    "Helicone requests: CSV, JSON or JSON lines",
    ("request_created_at", "prompt_tokens"),
    lambda path: records_of(path, _items),
    rows_of(_helicone_row),
    in_order=False,
)
OTEL = Format(
    "otel",
    "OpenTelemetry GenAI spans as OTLP JSON, one document or one to a line",
    ("resourceSpans",),
    _otel_spans,
    rows_of(_otel_row),
    in_order=False,
)
