"""Reader of Langfuse observations; usage is split by kind, and the kinds add up to the total."""

from simulator.traffic.formats.records.call_records import (
    Fields,
    count,
    export_items,
    mapping,
    moment,
    required_moment,
    row_parser,
)
from simulator.traffic.formats.records.containers import records_of
from simulator.traffic.formats.records.reading import Format
from simulator.traffic.formats.records.values import BadRecord


def _row(record: Fields) -> Fields | None:
    """Return the row of one observation, or None unless it is a successful generation.

    Usage is split by kind, so the kinds of input add up to the prompt.
    """
    kind = str(record.get("type") or "GENERATION").upper()
    if kind != "GENERATION" or str(record.get("level") or "").upper() == "ERROR":
        return None
    usage = mapping(record.get("usageDetails", record.get("usage_details")), "usageDetails")
    counts = {name: count(usage, name) or 0 for name in usage if name != "total"}
    if not counts:
        raise BadRecord("usageDetails", "usageDetails must contain input and output tokens")
    read = [n for n in counts if "cache" in n and ("read" in n or "cached" in n)]
    written = [n for n in counts if "cache" in n and n not in read]
    hidden = [n for n in counts if "reasoning" in n]
    cached_known = bool(read or written)
    return {
        "at_s": required_moment(record, "startTime", "start_time"),
        "end_s": moment(record, "endTime", "end_time"),
        "input": sum(v for n, v in counts.items() if "input" in n or n in read + written),
        "cached": sum(counts[n] for n in read) if cached_known else None,
        "written": sum(counts[n] for n in written) if cached_known else None,
        "output": sum(v for n, v in counts.items() if "output" in n and n not in hidden),
        "reasoning": sum(counts[n] for n in hidden),
        "limit": count(
            mapping(record.get("modelParameters", record.get("model_parameters")), "parameters"),
            "max_tokens",
            "max_completion_tokens",
        ),
        "session": next(
            (
                record[n]
                for n in ("sessionId", "session_id", "traceId", "trace_id")
                if record.get(n)
            ),
            None,
        ),
        "workload": record.get("model") or record.get("providedModelName"),
    }


LANGFUSE = Format(
    "langfuse",
    "Langfuse observations: CSV, JSON or JSON lines",
    ("traceId", "usageDetails"),
    lambda path: records_of(path, export_items),
    row_parser(_row),
    in_order=False,
)
