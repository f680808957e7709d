"""Reader of exported LiteLLM SpendLogs; their prompt counts include cached and written tokens.

The fields are those of the proxy's schema and of its ``metadata`` as of 2026.
"""

from collections.abc import Iterator
from typing import Any

from simulator.traffic.formats.records.call_records import (
    CACHE_HITS,
    FAILED,
    Fields,
    call_row,
    export_items,
    mapping,
    moment,
    money,
    required_moment,
    row_parser,
)
from simulator.traffic.formats.records.containers import records_of
from simulator.traffic.formats.records.count_names import Part, flat_counts
from simulator.traffic.formats.records.reading import Format
from simulator.traffic.formats.records.repeats import REPEATED, is_repeat, mark_repeats
from simulator.traffic.formats.records.usage import INCLUSIVE, Counts
from simulator.traffic.formats.records.values import missing_field

_FIELDS = ("startTime", "completion_tokens", "prompt_tokens")
_NAMES = {Part.INPUT: "prompt_tokens", Part.OUTPUT: "completion_tokens"}
_COMPARED = (
    "startTime", "call_type", "status", "cache_hit", "prompt_tokens", "completion_tokens",
    "total_tokens", "spend",
)  # fmt: skip
"""Fields in which two records of one identifier must agree to be the same call."""
_OTHER_CALLS = {
    "batch": "batch summaries",
    "image": "image calls",
    "speech": "audio calls",
    "transcription": "audio calls",
    "video": "video calls",
}
"""Kinds of rows that are no calls of a language model, by a word in ``call_type``."""


def litellm_row(record: Fields) -> Fields:
    """Return the row of one SpendLogs record, whose prompt includes cached and written tokens."""
    metadata = mapping(record.get("metadata"), "metadata")
    left_out = _left_out(record, metadata)
    find = required_moment if left_out is None else moment
    fields = {
        "at_s": find(record, "startTime"),
        "end_s": moment(record, "endTime"),
        "session": record.get("session_id"),
        "workload": record.get("model_group") or record.get("model"),
        "model": record.get("model"),
        "provider": record.get("custom_llm_provider"),
        "team": metadata.get("user_api_key_team_alias")
        or record.get("team_id")
        or metadata.get("user_api_key_team_id"),
        "key": metadata.get("user_api_key_alias") or record.get("api_key"),
        "spend_usd": money(record, "spend"),
    }
    return call_row(
        fields, lambda: Counts.of(_counts(record, metadata)), INCLUSIVE, left_out, names=_NAMES
    )


def _left_out(record: Fields, metadata: Fields) -> str | None:
    if is_repeat(record):
        return REPEATED
    status = str(record.get("status") or metadata.get("status") or "success").lower()
    if status == "failure":
        return FAILED
    if str(record.get("cache_hit", "")).lower() == "true":
        return CACHE_HITS
    call_type = str(record.get("call_type") or "").lower()
    return next((kind for word, kind in _OTHER_CALLS.items() if word in call_type), None)


def _counts(record: Fields, metadata: Fields) -> Iterator[tuple[str, Any]]:
    """Yield the counts of the row, then those of the provider's usage in its metadata."""
    for name in ("prompt_tokens", "completion_tokens"):
        if record.get(name) in (None, ""):
            raise missing_field(name)
        yield name, record[name]
    if record.get("total_tokens") not in (None, "", 0):  # 0 is the default of the column
        yield "total_tokens", record["total_tokens"]
    for field in ("usage_object", "additional_usage_values"):
        yield from flat_counts(mapping(metadata.get(field), field), field)


LITELLM = Format(
    "litellm",
    "LiteLLM SpendLogs: CSV, JSON or JSON lines, or postgresql:// of the proxy's database",
    lambda head: head.has(*_FIELDS),
    lambda path: mark_repeats(records_of(path, export_items), "request_id", _COMPARED),
    row_parser(litellm_row),
    in_order=False,
    fields=_FIELDS,
)
