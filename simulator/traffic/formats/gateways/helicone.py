"""Helicone requests: prompts leave out cached and written tokens."""

from simulator.traffic.formats.records.call_records import (
    Fields,
    began,
    count,
    export_items,
    mapping,
    moment,
    needed,
    rows_of,
)
from simulator.traffic.formats.records.containers import records_of
from simulator.traffic.formats.records.reading import Format


def _row(record: Fields) -> Fields | None:
    """Return the row of one request; its prompt leaves out cached and written tokens."""
    status = count(record, "response_status", "status")
    if status is not None and not 200 <= status < 300:
        return None
    properties = mapping(
        record.get("request_properties", record.get("properties")), "request_properties"
    )
    read = count(record, "prompt_cache_read_tokens")
    written = count(record, "prompt_cache_write_tokens")
    return {
        "at_s": began(record, "request_created_at"),
        "end_s": moment(record, "response_created_at"),
        "input": needed(record, "prompt_tokens") + (read or 0) + (written or 0),
        "cached": read,
        "written": written,
        "output": needed(record, "completion_tokens"),
        "session": properties.get("Helicone-Session-Id"),
        "workload": record.get("request_model") or record.get("model"),
    }


HELICONE = Format(
    "helicone",
    "Helicone requests: CSV, JSON or JSON lines",
    ("request_created_at", "prompt_tokens"),
    lambda path: records_of(path, export_items),
    rows_of(_row),
    in_order=False,
)
