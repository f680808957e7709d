"""Reader of OpenTelemetry GenAI spans as OTLP JSON.

By the semantic conventions, input tokens include cached tokens.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from simulator.traffic.formats.records.call_records import (
    Fields,
    count,
    required_count,
    row_parser,
    visible_tokens,
)
from simulator.traffic.formats.records.chunks import Broken, Item, Record, RecordChunk, in_chunks
from simulator.traffic.formats.records.containers import json_document, json_items
from simulator.traffic.formats.records.reading import Format


def _chunks(path: Path) -> Iterator[RecordChunk]:
    """Yield the spans of one OTLP document, or of one document a line, as collectors write them."""
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


def _spans(document: Fields) -> list[Any]:
    return [
        span
        for resource in document["resourceSpans"]
        for scope in resource.get("scopeSpans", [])
        for span in scope.get("spans", [])
    ]


def _row(span: Fields) -> Fields | None:
    """Return the row of one span, or None for failed calls and spans of other operations."""
    values = {}
    for attribute in span.get("attributes", []):
        value = attribute.get("value", {})
        values[attribute.get("key")] = next(iter(value.values()), None)
    input_names = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens")
    failed = span.get("status", {}).get("code") in (2, "STATUS_CODE_ERROR")
    if failed or not any(name in values for name in input_names):
        return None
    output = required_count(values, "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens")
    reasoning = count(
        values, "gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens"
    )
    return {
        "at_s": required_count(span, "startTimeUnixNano") / 1e9,
        "end_s": required_count(span, "endTimeUnixNano") / 1e9,
        "input": required_count(values, *input_names),
        "cached": count(
            values, "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens"
        ),
        "written": count(
            values,
            "gen_ai.usage.cache_creation.input_tokens",
            "gen_ai.usage.cache_creation_input_tokens",
        ),
        "output": visible_tokens(output, reasoning),
        "reasoning": reasoning,
        "limit": count(values, "gen_ai.request.max_tokens"),
        "session": values.get("gen_ai.conversation.id"),
        "workload": values.get("gen_ai.request.model") or values.get("gen_ai.response.model"),
    }


OTEL = Format(
    "otel",
    "OpenTelemetry GenAI spans as OTLP JSON, one document, or one a line",
    ("resourceSpans",),
    _chunks,
    row_parser(_row),
    in_order=False,
)
