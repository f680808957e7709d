"""Reader of inference-perf's ``per_request_lifecycle_metrics.json``: one list of requests.

``inference_perf/reportgen/base.py`` of kubernetes-sigs/inference-perf (2026-11). In older versions,
``info`` has the token counts; in newer ones they are in its ``request_metrics`` and
``response_metrics``. Times are in seconds of a clock without a date.
"""

from typing import Any

from simulator.traffic.formats.records.call_records import (
    FAILED,
    Fields,
    count,
    mapping,
    row_parser,
)
from simulator.traffic.formats.records.containers import json_document
from simulator.traffic.formats.records.reading import Format
from simulator.traffic.formats.records.values import missing_field, number_of


def _items(document: Any) -> list[Any] | None:
    return document if isinstance(document, list) else None


def _row(record: Fields) -> Fields:
    if record.get("error"):
        return {"input": 0, "output": 0, "left_out": FAILED}
    info = mapping(record.get("info"), "info")
    answer = mapping(info.get("response_metrics"), "response_metrics")
    asked = mapping(mapping(info.get("request_metrics"), "request_metrics").get("text"), "text")
    usage = mapping(answer.get("server_usage"), "server_usage")
    details = mapping(usage.get("prompt_tokens_details"), "prompt_tokens_details")
    return {
        "at_s": number_of(record, "start_time"),
        "end_s": number_of(record, "end_time"),
        "input": _first(("input_tokens", asked, info), ("prompt_tokens", usage)),
        "output": _first(("output_tokens", answer, info), ("completion_tokens", usage)),
        "cached": count(details, "cached_tokens"),
        "session": record.get("session_id"),
    }


def _first(*places: tuple[Any, ...]) -> int:
    """Return the first count found, from tuples of a name and the records that may have it."""
    for name, *records in places:
        for record in records:
            if (value := count(record, name)) is not None:
                return value
    raise missing_field(places[0][0])


INFERENCE_PERF = Format(
    "inference-perf",
    "inference-perf per_request_lifecycle_metrics.json",
    lambda head: head.has("start_time", "end_time", "info"),
    lambda path: json_document(path, _items),
    row_parser(_row),
    in_order=False,
)
