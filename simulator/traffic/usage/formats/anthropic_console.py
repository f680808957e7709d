"""Readers of the usage CSV and the cost CSV of the Claude Console, per UTC day.

Source: headers of these files as tools read them, read on 2026-11-28. Tokens read from and written
to a cache are not part of ``usage_input_tokens_no_cache``. Amounts are in USD. Neither counts
requests; costs have no tokens.
"""

from collections.abc import Iterator

from simulator.traffic.usage.buckets import Bucket, Notices
from simulator.traffic.usage.export_format import Content, ExportFormat, has_all
from simulator.traffic.usage.fields import cost_without_credits, export_records
from simulator.traffic.usage.formats.anthropic import SEARCHES, group_of
from simulator.traffic.usage.rows import Rows
from simulator.units import DAY_S

_WRITTEN = "usage_input_tokens_cache_write"
_COUNTS = (
    "usage_input_tokens_no_cache", "usage_input_tokens_cache_read", "usage_output_tokens",
    _WRITTEN, f"{_WRITTEN}_5m", f"{_WRITTEN}_1h", "web_search_count",
)  # fmt: skip
_GROUP = (
    "usage_date_utc", "model_version", "model", "workspace", "api_key", "usage_type",
    "context_window", "inference_geo", "speed",
)  # fmt: skip
_COLUMNS = ("usage_date_utc", "usage_input_tokens_no_cache")
_AMOUNTS = ("cost_usd", "list_price_usd")


def _matches(content: Content) -> bool:
    columns = dict.fromkeys(content.header or ())
    return has_all(columns, _COLUMNS)


def _buckets(content: Content, notices: Notices) -> Iterator[Bucket]:
    rows = Rows(notices, all_have_model=True)
    for row in export_records(content):
        row.refuse_unknown_tokens(_COUNTS)
        searches = {SEARCHES: row.count("web_search_count")}
        row.refuse_other_total(_WRITTEN, (f"{_WRITTEN}_5m", f"{_WRITTEN}_1h"))
        # Older exports do not tell how long a cache is kept: it was five minutes.
        is_old = f"{_WRITTEN}_5m" not in row.values
        bucket = Bucket(
            row.moment("usage_date_utc"),
            DAY_S,
            group_of(row, "model_version", "workspace", "api_key", "usage_type"),
            uncached_tok=row.count("usage_input_tokens_no_cache"),
            cached_tok=row.count("usage_input_tokens_cache_read"),
            written_5m_tok=row.count(_WRITTEN if is_old else f"{_WRITTEN}_5m"),
            written_1h_tok=row.count(f"{_WRITTEN}_1h"),
            completion_tok=row.count("usage_output_tokens"),
        )
        rows.add(bucket, row, row.others((*_COUNTS, *_GROUP)), searches)
    yield from rows.buckets()


def _matches_costs(content: Content) -> bool:
    return has_all(dict.fromkeys(content.header or ()), ("usage_date_utc", "cost_usd", "model"))


def _cost_buckets(content: Content, notices: Notices) -> Iterator[Bucket]:
    rows = Rows(notices)
    for row in export_records(content):
        spend_usd = cost_without_credits(row, "cost_usd", notices)
        if spend_usd == spend_usd:
            group = group_of(row, "model", "workspace", "api_key", "usage_type")
            bucket = Bucket(row.moment("usage_date_utc"), DAY_S, group, spend_usd=spend_usd)
            rows.add(bucket, row, row.others((*_AMOUNTS, *_GROUP)))
    yield from rows.buckets()


ANTHROPIC_CONSOLE = ExportFormat(
    "anthropic-console",
    "usage CSV of the Claude Console, per day",
    _matches,
    _buckets,
    fields=_COLUMNS,
)
ANTHROPIC_CONSOLE_COSTS = ExportFormat(
    "anthropic-console-costs",
    "cost CSV of the Claude Console, per day; amounts without tokens",
    _matches_costs,
    _cost_buckets,
)
