"""Reader of GenAI-Perf's ``profile_export.json``: the responses of every request.

Structure of triton-inference-server/perf_analyzer (2026-11). GenAI-Perf counts tokens afterwards,
with a tokenizer; the file has counts only where the server reports the usage of a call.
"""

from typing import Any

from simulator.files.jsontext import NotJson, parse_json
from simulator.traffic.formats.records.call_records import Fields, call_row, row_parser
from simulator.traffic.formats.records.containers import json_document
from simulator.traffic.formats.records.count_names import flat_counts
from simulator.traffic.formats.records.heads import Head
from simulator.traffic.formats.records.reading import Format
from simulator.traffic.formats.records.usage import INCLUSIVE, Counts
from simulator.traffic.formats.records.values import BadRecord, number_of

_EVENT = "data:"


def _items(document: Any) -> list[Any] | None:
    return [request for run in document["experiments"] for request in run["requests"]]


def _row(record: Fields) -> Fields:
    times = record.get("response_timestamps")
    outputs = record.get("response_outputs")
    if not isinstance(times, list) or not times or not isinstance(outputs, list):
        raise BadRecord("response_timestamps", "expected response_timestamps and response_outputs")
    usage = _usage(outputs)
    fields = {
        "at_s": number_of(record, "timestamp") / 1e9,
        "end_s": number_of({"response_timestamps": times[-1]}, "response_timestamps") / 1e9,
    }
    has_output = "completion_tokens" in usage
    return call_row(fields, lambda: Counts.of(flat_counts(usage)), INCLUSIVE, has_output=has_output)


def _usage(outputs: list[Any]) -> Fields:
    """Return the usage of a call, which is in one of its last responses."""
    for output in reversed(outputs):
        text = output.get("response") if isinstance(output, dict) else output
        if not isinstance(text, str) or '"usage"' not in text:
            continue
        for line in reversed(text.splitlines()):
            try:
                event = parse_json(line.removeprefix(_EVENT))
            except NotJson:
                continue
            usage = event.get("usage") if isinstance(event, dict) else None
            if isinstance(usage, dict) and "prompt_tokens" in usage:
                return usage
    raise BadRecord(
        "response_outputs",
        "no response has a usage, and the file no other token counts; profile with "
        '--extra-inputs \'{"stream_options": {"include_usage": true}}\'',
    )


def _matches(head: Head) -> bool:
    runs = next((record.get("experiments") for record in head.records()), None)
    first = runs[0] if isinstance(runs, list) and runs else None
    return isinstance(first, dict) and "requests" in first


GENAI_PERF = Format(
    "genai-perf",
    "GenAI-Perf profile_export.json",
    _matches,
    lambda path: json_document(path, _items),
    row_parser(_row),
    in_order=False,
)
