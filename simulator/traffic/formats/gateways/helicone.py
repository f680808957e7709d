"""Reader of Helicone requests; their counts exclude cached and written tokens and reasoning.

Helicone subtracts cached tokens from the prompt and reasoning from the completion, and its total is
prompt + completion + reasoning (packages/cost/usage and the request store of Helicone/helicone,
2025). Answers from Helicone's own cache name the request that they repeat.
"""

from simulator.traffic.formats.records.call_records import (
    CACHE_HITS,
    FAILED,
    Fields,
    call_row,
    count,
    export_items,
    mapping,
    moment,
    money,
    required_moment,
    row_parser,
)
from simulator.traffic.formats.records.containers import records_of
from simulator.traffic.formats.records.count_names import Part
from simulator.traffic.formats.records.reading import Format
from simulator.traffic.formats.records.repeats import REPEATED, is_repeat, mark_repeats
from simulator.traffic.formats.records.usage import SEPARATE, Counts

_NO_REFERENCE = "00000000-0000-0000-0000-000000000000"
_COUNTS = (
    "prompt_tokens", "completion_tokens", "total_tokens", "reasoning_tokens",
    "prompt_cache_read_tokens", "prompt_cache_write_tokens", "prompt_cache_write_5m",
    "prompt_cache_write_1h", "prompt_audio_tokens", "completion_audio_tokens",
)  # fmt: skip
_FIELDS = ("request_created_at", "prompt_tokens")
_COMPARED = (
    "request_created_at", "response_status", "status", "cache_reference_id", "prompt_tokens",
    "completion_tokens",
)  # fmt: skip
"""Fields in which two records of one identifier must agree to be the same call."""
_NAMES = {Part.INPUT: "prompt_tokens", Part.OUTPUT: "completion_tokens"}


def _row(record: Fields) -> Fields:
    left_out = _left_out(record)
    find = required_moment if left_out is None else moment
    properties = mapping(
        record.get("request_properties", record.get("properties")), "request_properties"
    )
    fields = {
        "at_s": find(record, "request_created_at"),
        "end_s": moment(record, "response_created_at"),
        "session": properties.get("Helicone-Session-Id"),
        "workload": record.get("request_model") or record.get("model"),
        "model": record.get("response_model") or record.get("request_model") or record.get("model"),
        "provider": record.get("provider"),
        "team": record.get("organization_id"),
        "key": record.get("helicone_proxy_key_id") or record.get("helicone_api_key_id"),
        "spend_usd": money(record, "cost", "cost_usd", "costUSD"),
    }
    return call_row(fields, lambda: _counts(record), SEPARATE, left_out, names=_NAMES)


def _left_out(record: Fields) -> str | None:
    if is_repeat(record):
        return REPEATED
    status = _status(record)
    if status is not None and not 200 <= status < 300:
        return FAILED
    if str(record.get("cache_reference_id") or _NO_REFERENCE) != _NO_REFERENCE:
        return CACHE_HITS
    return None


def _status(record: Fields) -> int | None:
    """Return the HTTP status of a request, -1 for the negative ones of Helicone's own failures."""
    value = record.get("response_status", record.get("status"))
    if isinstance(value, str) and value.startswith("-"):
        return -1
    if isinstance(value, int) and not isinstance(value, bool) and value < 0:
        return -1
    return count(record, "response_status", "status")


def _counts(record: Fields) -> Counts:
    counts = Counts.of((n, record[n]) for n in _known(record))
    total = counts.values.get(Part.TOTAL)
    told = counts.get(Part.INPUT) + counts.get(Part.OUTPUT) + counts.get(Part.REASONING)
    if total == told:  # Helicone's total leaves out cached and written tokens
        counts.values[Part.TOTAL] = total + counts.get(Part.READ) + counts.get(Part.WRITTEN)
    return counts


def _known(record: Fields) -> list[str]:
    """Return the names of the record's counts, and of whatever else counts tokens."""
    names = [name for name in record if name in _COUNTS or name.endswith("_tokens")]
    return [name for name in names if record[name] not in (None, "")]


HELICONE = Format(
    "helicone",
    "Helicone requests: CSV, JSON or JSON lines",
    lambda head: head.has(*_FIELDS),
    lambda path: mark_repeats(records_of(path, export_items), "request_id", _COMPARED),
    row_parser(_row),
    in_order=False,
    fields=(*_FIELDS, "completion_tokens"),
)
