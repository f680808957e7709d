"""LiteLLM SpendLogs as exported: prompts include cached and written tokens."""

from simulator.traffic.formats.records.call_records import (
    Fields,
    began,
    count,
    export_items,
    mapping,
    moment,
    needed,
    rows_of,
    visible,
)
from simulator.traffic.formats.records.containers import records_of
from simulator.traffic.formats.records.reading import Format


def litellm_row(record: Fields) -> Fields | None:
    """Return the row of one SpendLogs record; its prompt includes cached and written tokens."""
    metadata = mapping(record.get("metadata"), "metadata")
    status = str(record.get("status") or metadata.get("status") or "success").lower()
    if status == "failure" or str(record.get("cache_hit", "")).lower() == "true":
        return None
    usage = mapping(metadata.get("usage_object"), "usage_object")
    extra = mapping(metadata.get("additional_usage_values"), "additional_usage_values")
    details = mapping(
        usage.get("prompt_tokens_details") or extra.get("prompt_tokens_details"),
        "prompt_tokens_details",
    )
    thought = mapping(
        usage.get("completion_tokens_details") or extra.get("completion_tokens_details"),
        "completion_tokens_details",
    )
    everything = {**details, **extra, **usage}
    output = needed(record, "completion_tokens")
    reasoning = count(thought, "reasoning_tokens")
    return {
        "at_s": began(record, "startTime"),
        "end_s": moment(record, "endTime"),
        "input": needed(record, "prompt_tokens"),
        "cached": count(everything, "cache_read_input_tokens", "cached_tokens"),
        "written": count(everything, "cache_creation_input_tokens", "cache_creation_tokens"),
        "output": visible(output, reasoning),
        "reasoning": reasoning,
        "session": record.get("session_id"),
        "workload": record.get("model_group") or record.get("model"),
    }


LITELLM = Format(
    "litellm",
    "LiteLLM SpendLogs: CSV, JSON or JSON lines, or postgresql:// of the proxy's database",
    ("startTime", "completion_tokens", "prompt_tokens"),
    lambda path: records_of(path, export_items),
    rows_of(litellm_row),
    in_order=False,
)
