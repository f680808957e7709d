"""Reader of exported LiteLLM SpendLogs; their prompt counts include cached and written tokens."""

from simulator.traffic.formats.records.call_records import (
    Fields,
    count,
    export_items,
    mapping,
    moment,
    required_count,
    required_moment,
    row_parser,
    visible_tokens,
)
from simulator.traffic.formats.records.containers import records_of
from simulator.traffic.formats.records.reading import Format


def litellm_row(record: Fields) -> Fields | None:
    """Return the row of one SpendLogs record, whose prompt includes cached and written tokens.

    Failed calls, and calls that LiteLLM answered from its own cache, give None.
    """
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
    completion_details = mapping(
        usage.get("completion_tokens_details") or extra.get("completion_tokens_details"),
        "completion_tokens_details",
    )
    counts = {**details, **extra, **usage}
    output = required_count(record, "completion_tokens")
    reasoning = count(completion_details, "reasoning_tokens")
    return {
        "at_s": required_moment(record, "startTime"),
        "end_s": moment(record, "endTime"),
        "input": required_count(record, "prompt_tokens"),
        "cached": count(counts, "cache_read_input_tokens", "cached_tokens"),
        "written": count(counts, "cache_creation_input_tokens", "cache_creation_tokens"),
        "output": visible_tokens(output, reasoning),
        "reasoning": reasoning,
        "session": record.get("session_id"),
        "workload": record.get("model_group") or record.get("model"),
    }


LITELLM = Format(
    "litellm",
    "LiteLLM SpendLogs: CSV, JSON or JSON lines, or postgresql:// of the proxy's database",
    ("startTime", "completion_tokens", "prompt_tokens"),
    lambda path: records_of(path, export_items),
    row_parser(litellm_row),
    in_order=False,
)
