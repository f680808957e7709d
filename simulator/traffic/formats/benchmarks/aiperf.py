"""Reader of AIPerf's ``profile_export.jsonl``: each line has a request's metadata and metrics."""

from typing import Any

from simulator.traffic.formats.records.call_records import FAILED, Fields, row_parser
from simulator.traffic.formats.records.containers import json_lines
from simulator.traffic.formats.records.heads import Head
from simulator.traffic.formats.records.reading import Format
from simulator.traffic.formats.records.values import BadRecord, count_of, number_of


def _row(record: Fields) -> Fields:
    metadata, metrics = record.get("metadata"), record.get("metrics")
    if not isinstance(metadata, dict) or not isinstance(metrics, dict):
        raise BadRecord("metadata", "expected metadata and metrics")
    phase = metadata.get("benchmark_phase", "profiling")
    skipped = metadata.get("was_cancelled") or metadata.get("context_overflow_skip")
    if record.get("error") or skipped or phase != "profiling":
        return {"input": 0, "output": 0, "left_out": _left_out(phase)}

    def value(name: str) -> int | None:
        metric = metrics.get(name)
        return None if not isinstance(metric, dict) else count_of(metric, "value")

    prompt, answer = value("input_sequence_length"), value("output_sequence_length")
    if prompt is None or answer is None:
        raise BadRecord("metrics", "metrics must contain input_ and output_sequence_length")
    reasoning = value("reasoning_token_count") or 0
    if reasoning > answer:
        raise BadRecord("metrics", f"{reasoning} reasoning tokens of only {answer} output")
    return {
        "at_s": number_of(metadata, "request_start_ns") / 1e9,
        "end_s": number_of(metadata, "request_end_ns") / 1e9,
        "input": prompt,
        "cached": value("usage_prompt_cache_read_tokens"),
        "output": answer - reasoning,
        "reasoning": reasoning,
        "session": metadata.get("conversation_id"),
    }


def _left_out(phase: Any) -> str:
    if phase != "profiling":
        return f"calls of the {phase} phase"
    return FAILED


def _matches(head: Head) -> bool:
    return any(
        isinstance(record.get("metrics"), dict)
        and "request_start_ns" in (record.get("metadata") or {})
        for record in head.records()
    )


AIPERF = Format(
    "aiperf",
    "AIPerf profile_export.jsonl",
    _matches,
    json_lines,
    row_parser(_row),
    in_order=False,
)
