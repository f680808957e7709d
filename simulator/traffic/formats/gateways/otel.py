"""Reader of OpenTelemetry spans of language models, as OTLP JSON or protobuf.

The attributes are those of the GenAI semantic conventions in all versions up to 1.41, of
OpenInference, of OpenLLMetry (Traceloop), of pydantic-ai and of the Vercel AI SDK, by their
documents of 2026. By the semantic conventions, input tokens include cached tokens and output tokens
include reasoning.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from simulator.traffic.formats.gateways import otel_names as named
from simulator.traffic.formats.gateways.otlp import otlp_spans
from simulator.traffic.formats.records.call_records import (
    FAILED,
    Fields,
    call_row,
    count,
    money,
    row_parser,
)
from simulator.traffic.formats.records.chunks import Broken, Item, Record, RecordChunk, in_chunks
from simulator.traffic.formats.records.count_names import Part
from simulator.traffic.formats.records.heads import Head
from simulator.traffic.formats.records.reading import Format
from simulator.traffic.formats.records.span_tree import TreeSpan, resolve_tree
from simulator.traffic.formats.records.usage import INCLUSIVE, Counts
from simulator.traffic.formats.records.values import BadRecord, missing_field, whole_count

WITHOUT_COUNTS = "calls without token counts"
OTHER_SPANS = "other spans"
_USUAL_NAMES = {
    Part.INPUT: "gen_ai.usage.input_tokens",
    Part.OUTPUT: "gen_ai.usage.output_tokens",
}


def _chunks(path: Path) -> Iterator[RecordChunk]:
    """Yield the spans of a file with what the tree of all spans says of each.

    Parents may follow their children, and spans of one trace may be in several documents, so that
    all spans are read first, without their texts.
    """
    items: list[Item] = []
    spans = []
    for item in otlp_spans(path):
        if isinstance(item, Record):
            try:
                record = _reduced(item.value)
            except (AttributeError, TypeError):
                item = Broken(item.line, 1, "not a span of OTLP")
            else:
                spans.append(record["tree"])
                item = Record(item.line, record)
        items.append(item)
    resolve_tree(spans)
    return in_chunks(items)


def _reduced(span: Fields) -> Fields:
    """Return what of a span is needed to read it."""
    values = {}
    for attribute in span.get("attributes") or []:
        key = attribute.get("key")
        if named.is_needed(key):
            value = attribute.get("value") or {}
            values[key] = next(iter(value.values()), None)
    status = (span.get("status") or {}).get("code")
    return {
        "values": values,
        "usage": list(named.usage_of(values)),
        "tree": _tree_span(span, values),
        "failed": status in (2, "STATUS_CODE_ERROR") or bool(values.get("error.type")),
        "startTimeUnixNano": span.get("startTimeUnixNano", span.get("start_time_unix_nano")),
        "endTimeUnixNano": span.get("endTimeUnixNano", span.get("end_time_unix_nano")),
    }


def _tree_span(span: Fields, values: Mapping[str, Any]) -> TreeSpan:
    trace = str(span.get("traceId", span.get("trace_id")) or "")
    own = span.get("spanId", span.get("span_id"))
    parent = span.get("parentSpanId", span.get("parent_span_id"))
    left_out = named.left_out_kind(values)
    return TreeSpan(
        key=f"{trace} {own}" if own else "",
        parent=f"{trace} {parent}" if parent else "",
        usage=_usage(values),
        left_out=left_out,
        is_call=named.is_call(values),
        is_root=named.is_framework_root(values),
        is_tool=left_out == named.TOOL,
        response=str(values.get("gen_ai.response.id") or ""),
        model=_text(values, *named.MODEL),
    )


def _usage(values: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return input and output tokens of a span for the comparison with others, None without any."""
    try:
        counts = Counts.of(named.usage_of(values))
    except BadRecord:  # its row says what is wrong
        return None
    if Part.INPUT not in counts.values and Part.OUTPUT not in counts.values:
        return None
    return counts.get(Part.INPUT), counts.get(Part.OUTPUT)


def _text(values: Mapping[str, Any], *names: str) -> str | None:
    return next((str(values[n]) for n in names if values.get(n) not in (None, "")), None)


def _row(record: Fields) -> Fields:
    values, tree = record["values"], record["tree"]
    left_out = tree.left_out
    if not record["usage"]:
        is_call = left_out is None and named.is_call(values)
        return {"input": 0, "output": 0, "left_out": _without_usage(record, left_out, is_call)}
    if left_out is None and record["failed"]:
        left_out = FAILED
    if left_out is None and tree.problem:
        raise BadRecord("", tree.problem)
    fields = {
        "at_s": _seconds(record, "startTimeUnixNano"),
        "end_s": _seconds(record, "endTimeUnixNano"),
        "limit": count(values, "gen_ai.request.max_tokens"),
        "session": _text(values, *named.SESSION),
        "workload": tree.model,
        "model": _text(values, *named.ANSWERED_BY) or tree.model,
        "provider": _text(values, *named.PROVIDER),
        "spend_usd": money(values, *named.SPEND),
    }
    return call_row(
        fields,
        lambda: Counts.of(record["usage"]),
        INCLUSIVE,
        left_out,
        has_output=named.has_output(values),
        names=_USUAL_NAMES,
    )


def _without_usage(record: Fields, left_out: str | None, is_call: bool) -> str:
    if left_out is not None:
        return left_out
    if not is_call:
        return OTHER_SPANS
    if record["failed"]:
        return FAILED
    return WITHOUT_COUNTS


def _seconds(record: Fields, name: str) -> float:
    if record[name] in (None, ""):
        raise missing_field(name)
    return whole_count(name, record[name]) / 1e9


def _matches(head: Head) -> bool:
    return head.has("resourceSpans") or head.has("resource_spans")


OTEL = Format(
    "otel",
    "OpenTelemetry spans of model calls as OTLP: JSON, JSON lines or protobuf",
    _matches,
    _chunks,
    row_parser(_row),
    in_order=False,
)
