"""Reader of GuideLLM's ``benchmarks.json``: the requests of all benchmarks of a run."""

from typing import Any

from simulator.traffic.formats.records.call_records import Fields, row_parser
from simulator.traffic.formats.records.containers import json_document
from simulator.traffic.formats.records.reading import Format
from simulator.traffic.formats.records.values import count_of, missing_field, number_of


def _items(document: Any) -> list[Any] | None:
    return [
        request
        for benchmark in document["benchmarks"]
        for request in benchmark["requests"]["successful"]
    ]


def _row(record: Fields) -> Fields:
    """Return the row of one request.

    Versions of GuideLLM store times and counts in different fields.
    """
    info = record.get("info") or record.get("scheduler_info") or {}
    timings = info.get("timings") or info.get("request_timings") or {}
    times = {**record, **timings}
    start_name = next(
        (n for n in ("request_start", "request_start_time", "start_time") if n in times), ""
    )
    end_name = next((n for n in ("request_end", "request_end_time", "end_time") if n in times), "")
    if not start_name:
        raise missing_field("request_start")
    return {
        "at_s": number_of(times, start_name),
        "end_s": number_of(times, end_name) if times.get(end_name) is not None else None,
        "input": _count(record, "prompt_tokens", "input_metrics"),
        "output": _count(record, "output_tokens", "output_metrics"),
    }


def _count(record: Fields, name: str, metrics: str) -> int:
    counts = record.get(metrics)
    if name not in record and isinstance(counts, dict):
        return count_of(counts, "total_tokens" if "total_tokens" in counts else "text_tokens")
    return count_of(record, name)


GUIDELLM = Format(
    "guidellm",
    "GuideLLM benchmarks.json",
    lambda head: head.has("benchmarks"),
    lambda path: json_document(path, _items),
    row_parser(_row),
    in_order=False,
)
