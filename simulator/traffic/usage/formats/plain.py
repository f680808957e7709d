"""Reader of a plain table of usage, CSV or JSON, for exports of any origin.

A row has the sums of a group of calls in a bucket of time. Columns, with the other names that are
understood, are those of ``SYNONYMS``; capitals, blanks and hyphens do not matter. ``input_tokens``
contains cached and written tokens, ``output_tokens`` contains reasoning tokens, ``requests`` does
not contain failed ones. A column ``day``, ``hour`` or ``month`` instead of ``time`` states the
length of buckets, as ``bucket`` and ``end`` do; else the differences of the times do. Other columns
distinguish rows, unless they look like counts of tokens, which are refused. Names of which the
providers' conventions differ, such as ``cache_read_input_tokens``, are no synonyms: Anthropic's
input excludes them, others' includes them.
"""

import re
from collections.abc import Iterator
from functools import cache

from simulator.traffic.usage.buckets import Bucket, Group, Notices
from simulator.traffic.usage.export_format import Content, ExportFormat
from simulator.traffic.usage.fields import Fields, export_records, first_record, known_sum
from simulator.traffic.usage.lengths import SPANS, lengths_between, named_length_s
from simulator.traffic.usage.rows import Rows

SYNONYMS = {
    "time": ("date", "timestamp", "start", "begin", "start_time", "bucket_start", "usage_date"),
    "end": ("end_time", "bucket_end"),
    "bucket": ("bucket_width", "granularity", "interval"),
    "model": ("model_name", "model_id"),
    "provider": ("vendor", "platform"),
    "project": ("team", "workspace", "department", "cost_center"),
    "key": ("api_key", "api_key_name"),
    "tier": ("service_tier",),
    "requests": ("calls", "request_count", "num_requests", "num_model_requests"),
    "failed_requests": ("failed", "errors"),
    "input_tokens": ("prompt_tokens", "tokens_in"),
    "uncached_tokens": ("uncached_input_tokens", "input_uncached_tokens"),
    "cached_tokens": ("cached_input_tokens", "input_cached_tokens"),
    "written_tokens": ("cache_write_tokens",),
    "written_1h_tokens": (),
    "output_tokens": ("completion_tokens", "tokens_out"),
    "reasoning_tokens": ("thinking_tokens",),
    "total_tokens": (),
    "cost_usd": ("cost", "spend", "spend_usd", "usd"),
}
"""Columns, each with other names for it."""

_DATE_CHARS = len("2026-11-28")
_COLUMN = {name: column for column, names in SYNONYMS.items() for name in (column, *names)}
_AMOUNTS = ("requests", "input_tokens", "uncached_tokens", "output_tokens", "cost_usd")


@cache
def _column(name: str) -> str:
    """Return the column that a name in a header means."""
    plain = name.strip().lower().replace(" ", "_").replace("-", "_")
    return _COLUMN.get(plain, plain)


_MONEY = re.compile(r"cost|price|spend|usd|amount|eur")


def _matches(content: Content) -> bool:
    row = {_column(name): value for name, value in first_record(content).items()}
    columns = row.keys() | {_column(name) for name in content.header or ()}
    is_date = isinstance(row.get("time"), str) and len(row["time"].strip()) == _DATE_CHARS
    # Rows with times and none of these may be single calls instead of sums.
    is_sum = is_date or columns & {"requests", "bucket", "end", *SPANS}
    return bool(is_sum and columns & {"time", *SPANS} and columns & set(_AMOUNTS))


def _renamed(row: Fields) -> Fields:
    """Return a row by the names of columns."""
    names: dict[str, str] = {}
    for name in row.values:
        other = names.setdefault(_column(name), name)
        if other != name:
            row.fail(f"{other!r} and {name!r} are names of the same column")
    return row.replaced({column: row.values[name] for column, name in names.items()})


def _buckets(content: Content, notices: Notices) -> Iterator[Bucket]:
    found = [_renamed(row) for row in export_records(content)]
    if not found:
        return
    begins_s = [_begin_s(row) for row in found]
    lengths_s = [_stated_length_s(row, begin) for row, begin in zip(found, begins_s, strict=True)]
    lengths_s = lengths_between(begins_s, lengths_s, found, notices)
    unread = sorted(
        {n for row in found for n in row.values if _MONEY.search(n.lower())} - {"cost_usd"}
    )
    if unread:
        notices.remark(f"Columns {', '.join(map(repr, unread))} are not read as costs in USD.")
    rows = Rows(notices)
    for row, begin_s, length_s in zip(found, begins_s, lengths_s, strict=True):
        failed = {"failed requests": row.count("failed_requests")}
        detail = row.others((*SYNONYMS, *SPANS))
        rows.add(_bucket(row, begin_s, length_s), row, detail, failed)
    yield from rows.buckets()


def _time_column(row: Fields) -> str:
    return next((name for name in ("time", *SPANS) if name in row.values), "time")


def _begin_s(row: Fields) -> float:
    name = _time_column(row)
    if name == "month" and len(row.text(name)) == len("2026-11"):
        row = row.replaced({name: f"{row.text(name)}-01"})
    return row.moment(name)


def _stated_length_s(row: Fields, begin_s: float) -> float:
    """Return the length that a row states, NaN if it states none."""
    if row.text("end"):
        return row.moment("end") - begin_s
    column = _time_column(row)
    return named_length_s(column if column in SPANS else row.text("bucket"), begin_s, row)


def _bucket(row: Fields, begin_s: float, length_s: float) -> Bucket:
    row.refuse_unknown_tokens(tuple(SYNONYMS))
    cached, written = row.count("cached_tokens"), row.count("written_tokens")
    written_1h = row.count("written_1h_tokens")
    prompt, uncached = row.count("input_tokens"), row.count("uncached_tokens")
    rest = prompt - known_sum(cached, written, written_1h)
    if rest < 0:
        row.fail("cached and written tokens exceed input_tokens, which contains them")
    if abs(uncached - rest) > 0:
        row.fail("uncached, cached and written tokens do not add up to input_tokens")
    row.refuse_excess("reasoning_tokens", "output_tokens")
    row.refuse_other_total("total_tokens", ("input_tokens", "output_tokens"))
    return Bucket(
        begin_s,
        length_s,
        Group(*(row.text(name) for name in ("model", "provider", "project", "key", "tier"))),
        requests=row.count("requests"),
        uncached_tok=rest if rest == rest else uncached,
        cached_tok=cached,
        written_5m_tok=written,
        written_1h_tok=written_1h,
        completion_tok=row.count("output_tokens"),
        reasoning_tok=row.count("reasoning_tokens"),
        spend_usd=row.amount("cost_usd"),
    )


PLAIN = ExportFormat(
    "plain",
    "a table of your own: time, model, requests, input_tokens, cached_tokens, output_tokens, ...",
    _matches,
    _buckets,
    is_general=True,
    fields=("time", "model", "requests", "input_tokens", "output_tokens"),
)
