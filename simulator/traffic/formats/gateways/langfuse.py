"""Reader of Langfuse observations, alone or in their traces.

Usage is split by kind, and the kinds add up to the total; but some senders put cached tokens both
into ``input`` and next to it, and others keep the names and the rules of the provider. A stated
total decides (langfuse.com/docs/model-usage-and-cost and the ingestion types of langfuse/langfuse,
2026).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from simulator.traffic.formats.records.call_records import (
    FAILED,
    Fields,
    call_row,
    count,
    export_items,
    mapping,
    moment,
    money,
    required_moment,
    row_parser,
)
from simulator.traffic.formats.records.chunks import Broken, Item, Record, RecordChunk, in_chunks
from simulator.traffic.formats.records.containers import container_of, csv_records, record_items
from simulator.traffic.formats.records.count_names import Part, flat_counts
from simulator.traffic.formats.records.heads import Container, Head
from simulator.traffic.formats.records.reading import Format
from simulator.traffic.formats.records.span_tree import TreeSpan, resolve_tree
from simulator.traffic.formats.records.usage import GEMINI, SEPARATE, Counts
from simulator.traffic.formats.records.values import BadRecord

_KINDS = {
    "AGENT": "agent spans", "TOOL": "tool spans", "CHAIN": "workflow spans",
    "RETRIEVER": "retrieval spans", "EVALUATOR": "evaluator spans",
    "GUARDRAIL": "guardrail spans", "SPAN": "other spans", "EVENT": "events",
}  # fmt: skip
"""Types of observations that are no calls of a model."""
_CALLS = ("GENERATION", "EMBEDDING")
_USAGE = ("usageDetails", "usage_details", "usage")
_TRACE = ("traceId", "trace_id")
_SPEND = ("calculatedTotalCost", "totalCost", "total_cost", "total")
_KEPT = (
    "type", "level", "startTime", "start_time", "endTime", "end_time", "modelParameters",
    "model_parameters", "sessionId", "session_id", *_TRACE, "model", "providedModelName",
    "provided_model_name", "costDetails", "cost_details", *_SPEND, *_USAGE,
)  # fmt: skip
_NAMES = {Part.INPUT: "input", Part.OUTPUT: "output"}


def _chunks(path: Path) -> Iterator[RecordChunk]:
    """Yield the observations of a file with what the tree of all of them says of each."""
    items: list[Item] = []
    spans = []
    remarks: list[str] = []
    for item in _observations(_items(path, remarks)):
        if isinstance(item, Record):
            record = {name: item.value[name] for name in _KEPT if name in item.value}
            record["tree"] = _tree_span(item.value)
            spans.append(record["tree"])
            item = item._replace(value=record)
        items.append(item)
    resolve_tree(spans)
    for number, chunk in enumerate(in_chunks(items)):
        if number == 0:
            chunk.remarks = (*chunk.remarks, *remarks)
        yield chunk


def _items(path: Path, remarks: list[str]) -> Iterator[Item]:
    """Yield the records of a file, and add to the remarks if it is one page of several."""

    def of_document(document: Any) -> list[Any] | None:
        remarks.extend(_missing_pages(document))
        return _trace_or_items(document)

    if container_of(path) is not Container.CSV:
        yield from record_items(path, of_document)
        return
    for chunk in csv_records(path):
        yield from chunk.broken
        for line, value in zip(chunk.lines, chunk.values, strict=True):
            yield Record(line, value)


def _missing_pages(document: Any) -> Iterator[str]:
    """Yield a remark if a document is one page of several, by the ``meta`` of Langfuse's API."""
    meta = document.get("meta") if isinstance(document, dict) else None
    pages = meta.get("totalPages") if isinstance(meta, dict) else None
    if isinstance(pages, int) and pages > 1:
        yield f"this is one page of {pages}"


def _trace_or_items(document: Any) -> list[Any] | None:
    return [document] if _is_trace(document) else export_items(document)


def _is_trace(value: Any) -> bool:
    return isinstance(value, dict) and "observations" in value and "id" in value


def _observations(items: Iterator[Item]) -> Iterator[Item]:
    """Yield the observations, also those inside of traces, with the session of the trace."""
    for item in items:
        if isinstance(item, Broken) or not _is_trace(item.value):
            yield item
            continue
        trace = item.value
        if not isinstance(trace["observations"], list):
            yield Broken(item.line, 1, "observations must be a list")
            continue
        of_trace = {"traceId": trace["id"], "sessionId": trace.get("sessionId")}
        for observation in trace["observations"]:
            if isinstance(observation, dict):
                yield Record(item.line, {**of_trace, **_stated(observation)})
            else:
                text = "the trace names its observations without their contents; export these"
                yield Broken(item.line, 1, text)


def _stated(observation: Fields) -> Fields:
    """Return an observation without the trace's fields that it leaves empty."""
    return {k: v for k, v in observation.items() if v is not None}


def _tree_span(record: Fields) -> TreeSpan:
    trace = str(_first(record, *_TRACE) or "")
    parent = _first(record, "parentObservationId", "parent_observation_id")
    kind = _KINDS.get(_type(record))
    model = _first(record, "model", "providedModelName", "provided_model_name")
    return TreeSpan(
        key=f"{trace} {record['id']}" if record.get("id") else "",
        parent=f"{trace} {parent}" if parent else "",
        usage=_tree_usage(record),
        left_out=kind,
        is_tool=kind == "tool spans",
        model=None if model is None else str(model),
    )


def _tree_usage(record: Fields) -> tuple[int, int] | None:
    try:
        counts = _counts(record)
    except BadRecord:  # its row says what is wrong
        return None
    return (counts.get(Part.INPUT), counts.get(Part.OUTPUT)) if not counts.is_empty() else None


def _type(record: Fields) -> str:
    return str(record.get("type") or "GENERATION").upper()


def _row(record: Fields) -> Fields:
    """Return the row of one observation."""
    tree, kind = record["tree"], _type(record)
    left_out = tree.left_out
    if left_out is None and str(record.get("level") or "").upper() == "ERROR":
        left_out = FAILED
    if left_out is None and kind not in _CALLS:
        raise BadRecord("type", f"unknown type of observation {kind!r}")
    if left_out is None and tree.problem:
        raise BadRecord("", tree.problem)
    if left_out is None:
        left_out = _unit(record)
    find = required_moment if left_out is None else moment
    parameters = mapping(_first(record, "modelParameters", "model_parameters"), "parameters")
    costs = mapping(_first(record, "costDetails", "cost_details"), "costDetails")
    fields = {
        "at_s": find(record, "startTime", "start_time"),
        "end_s": moment(record, "endTime", "end_time"),
        "limit": count(parameters, "max_tokens", "max_completion_tokens"),
        "session": _first(record, "sessionId", "session_id", *_TRACE),
        "workload": tree.model,
        "model": tree.model,
        "spend_usd": money({**costs, **record}, *_SPEND),
    }
    has_output = kind != "EMBEDDING"
    rule = GEMINI if _is_gemini(record) else SEPARATE
    return call_row(
        fields, lambda: _required_counts(record), rule, left_out, has_output=has_output,
        names=_NAMES,
    )  # fmt: skip


def _first(record: Fields, *names: str) -> Any:
    return next((record[name] for name in names if record.get(name) not in (None, "")), None)


def _usage(record: Fields) -> Fields:
    return mapping(next((record[n] for n in _USAGE if record.get(n)), None), "usageDetails")


def _unit(record: Fields) -> str | None:
    """Return the kind of a call whose usage is not in tokens."""
    unit = _usage(record).get("unit")
    known = unit in (None, "") or str(unit).upper() == "TOKENS"
    return None if known else f"calls in {str(unit).lower()}"


def _is_gemini(record: Fields) -> bool:
    return any(name in _usage(record) for name in ("promptTokenCount", "prompt_token_count"))


def _counts(record: Fields) -> Counts:
    usage = _usage(record)
    return Counts.of(named for named in flat_counts(usage) if named[0] != "unit")


def _required_counts(record: Fields) -> Counts:
    counts = _counts(record)
    if not counts.values:
        raise BadRecord("usageDetails", "usageDetails must contain input and output tokens")
    return counts


def _matches(head: Head) -> bool:
    is_observation = any(
        head.has(trace, start) for trace in _TRACE for start in ("startTime", "start_time")
    )
    return is_observation or any(map(_is_trace, (*head.values, *head.records())))


LANGFUSE = Format(
    "langfuse",
    "Langfuse observations or traces with them: CSV, JSON or JSON lines",
    _matches,
    _chunks,
    row_parser(_row),
    in_order=False,
    fields=("traceId", "startTime", "usageDetails"),
)
