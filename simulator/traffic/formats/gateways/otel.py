"""OpenTelemetry GenAI spans as OTLP JSON: input includes cached tokens, by the conventions."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from simulator.traffic.formats.records.call_records import Fields, count, needed, rows_of, visible
from simulator.traffic.formats.records.chunks import Broken, Item, Record, RecordChunk, in_chunks
from simulator.traffic.formats.records.containers import json_document, json_items
from simulator.traffic.formats.records.reading import Format


def _chunks(path: Path) -> Iterator[RecordChunk]:
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


def _spans(document: Fields) -> list[Any]:
    return [
        span
        for resource in document["resourceSpans"]
        for scope in resource.get("scopeSpans", [])
        for span in scope.get("spans", [])
    ]


def _row(span: Fields) -> Fields | None:
    """Return the row of one span; its input includes cached tokens, by the conventions."""
    told = {}
    for attribute in span.get("attributes", []):
        value = attribute.get("value", {})
        told[attribute.get("key")] = next(iter(value.values()), None)
    input_names = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens")
    failed = span.get("status", {}).get("code") in (2, "STATUS_CODE_ERROR")
    if failed or not any(name in told for name in input_names):
        return None
    output = needed(told, "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens")
    reasoning = count(told, "gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens")
    return {
        "at_s": needed(span, "startTimeUnixNano") / 1e9,
        "end_s": needed(span, "endTimeUnixNano") / 1e9,
        "input": needed(told, *input_names),
        "cached": count(
            told, "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens"
        ),
        "written": count(
            told,
            "gen_ai.usage.cache_creation.input_tokens",
            "gen_ai.usage.cache_creation_input_tokens",
        ),
        "output": visible(output, reasoning),
        "reasoning": reasoning,
        "limit": count(told, "gen_ai.request.max_tokens"),
        "session": told.get("gen_ai.conversation.id"),
        "workload": told.get("gen_ai.request.model") or told.get("gen_ai.response.model"),
    }


OTEL = Format(
    "otel",
    "OpenTelemetry GenAI spans as OTLP JSON, one document or one to a line",
    ("resourceSpans",),
    _chunks,
    rows_of(_row),
    in_order=False,
)
