"""Reader of Helicone requests; their prompt counts exclude cached and written tokens."""

from simulator.traffic.formats.records.call_records import (
    Fields,
    count,
    export_items,
    mapping,
    moment,
    required_count,
    required_moment,
    row_parser,
)
from simulator.traffic.formats.records.containers import records_of
from simulator.traffic.formats.records.reading import Format


def _row(record: Fields) -> Fields | None:
    """Return the row of one request, or None for a failed one.

    Cached and written tokens are added to the prompt, whose count excludes them.
    """
    status = count(record, "response_status", "status")
    if status is not None and not 200 <= status < 300:
        return None
    properties = mapping(
        record.get("request_properties", record.get("properties")), "request_properties"
    )
    read = count(record, "prompt_cache_read_tokens")
    written = count(record, "prompt_cache_write_tokens")
    return {
        "at_s": required_moment(record, "request_created_at"),
        "end_s": moment(record, "response_created_at"),
        "input": required_count(record, "prompt_tokens") + (read or 0) + (written or 0),
        "cached": read,
        "written": written,
        "output": required_count(record, "completion_tokens"),
        "session": properties.get("Helicone-Session-Id"),
        "workload": record.get("request_model") or record.get("model"),
    }


HELICONE = Format(
    "helicone",
    "Helicone requests: CSV, JSON or JSON lines",
    ("request_created_at", "prompt_tokens"),
    lambda path: records_of(path, export_items),
    row_parser(_row),
    in_order=False,
)
