"""Readers of Anthropic's usage reports and of the usage CSV of the Claude Console.

Source: API reference of `GET /v1/organizations/usage_report/messages`, types of `GET
/v1/organizations/analytics/usage` in anthropic-sdk-python (`types/beta/organization/
beta_analytics_usage_bucketed_result.py`), and headers of the console's CSV as tools read them; all
read on 2026-11-28. ``uncached_input_tokens`` excludes the tokens read from and written to a cache.
Only the analytics API counts requests; it counts code execution as rows without tokens.
"""

from collections.abc import Iterator

from simulator.traffic.usage.buckets import Bucket, Group, Notices
from simulator.traffic.usage.export_format import Content, ExportFormat, has_all
from simulator.traffic.usage.fields import Fields, records
from simulator.traffic.usage.pages import (
    ANTHROPIC_SPAN,
    has_pages,
    note_missing_pages,
    results,
    span_of,
)
from simulator.traffic.usage.rows import Rows, has_amount
from simulator.units import DAY_S

_COUNTS = ("uncached_input_tokens", "cache_read_input_tokens", "output_tokens", "requests")
_KNOWN = (
    *_COUNTS, "cache_creation", "server_tool_use", "model", "workspace_id", "api_key_id",
    "service_tier", "speed", "context_window", "inference_geo",
)  # fmt: skip
_CSV_COUNTS = (
    "usage_input_tokens_no_cache", "usage_input_tokens_cache_read", "usage_output_tokens",
    "usage_input_tokens_cache_write", "usage_input_tokens_cache_write_5m",
    "usage_input_tokens_cache_write_1h", "web_search_count",
)  # fmt: skip
CSV_GROUP = (
    "usage_date_utc", "model_version", "model", "workspace", "api_key", "usage_type",
    "context_window", "inference_geo", "speed",
)  # fmt: skip
_SEARCHES = "web searches"
_STANDARD = ("", "standard", "message", "not_available")
_CONTEXTS = {"≤ 200k": "0-200k", "> 200k": "200k-1M"}
_ANYWHERE = ("", "global", "not_available")


def matches_report(content: Content, name: str) -> bool:
    """Return whether a file has pages of reports whose results have a field of this name."""
    return has_pages(content, ANTHROPIC_SPAN) and any(
        name in result.values for _, result in results(content)
    )


def group_of(result: Fields, model: str, workspace: str, key: str, tier: str) -> Group:
    """Return the group of a result, whose fields are called differently in the reports."""
    context, region = result.text("context_window"), result.text("inference_geo")
    tiers = [name for name in (result.text(tier), result.text("speed")) if name not in _STANDARD]
    return Group(
        result.text(model),
        "anthropic",
        result.text(workspace),
        result.text(key),
        " ".join(tiers),
        _CONTEXTS.get(context, context).replace("not_available", ""),
        "" if region in _ANYWHERE else region,
    )


def refuse_overlapping_teams(result: Fields) -> None:
    """Raise InputError for a result by team, since a user may be in several teams."""
    if result.text("rbac_group_id"):
        result.fail("teams (rbac_group_id) overlap; export without grouping by them")


def _buckets(content: Content, notices: Notices) -> Iterator[Bucket]:
    note_missing_pages(content, notices)
    rows = Rows(notices, all_have_model=True)
    for span, result in results(content):
        refuse_overlapping_teams(result)
        result.refuse_unknown_tokens(_KNOWN)
        written, tools = result.mapping("cache_creation"), result.mapping("server_tool_use")
        written.refuse_unknown_tokens(("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"))
        searches = {_SEARCHES: tools.count("web_search_requests")}
        bucket = Bucket(
            *span_of(span, ANTHROPIC_SPAN),
            group_of(result, "model", "workspace_id", "api_key_id", "service_tier"),
            requests=result.count("requests"),
            uncached_tok=result.count("uncached_input_tokens"),
            cached_tok=result.count("cache_read_input_tokens"),
            written_5m_tok=written.count("ephemeral_5m_input_tokens"),
            written_1h_tok=written.count("ephemeral_1h_input_tokens"),
            completion_tok=result.count("output_tokens"),
        )
        if has_amount(bucket):
            rows.add(bucket, result, result.others(_KNOWN), searches)
        else:
            notices.leave_out("results without tokens, such as code execution")
    yield from rows.buckets()


def _matches_csv(content: Content) -> bool:
    columns = dict.fromkeys(content.header or ())
    return has_all(columns, ("usage_date_utc", "usage_input_tokens_no_cache"))


def _csv_buckets(content: Content, notices: Notices) -> Iterator[Bucket]:
    rows = Rows(notices, all_have_model=True)
    for row in records(content):
        row.refuse_unknown_tokens(_CSV_COUNTS)
        searches = {_SEARCHES: row.count("web_search_count")}
        # Older exports do not tell how long a cache is kept: it was five minutes.
        usual = "usage_input_tokens_cache_write"
        name = usual if usual in row.values else f"{usual}_5m"
        bucket = Bucket(
            row.moment("usage_date_utc"),
            DAY_S,
            group_of(row, "model_version", "workspace", "api_key", "usage_type"),
            uncached_tok=row.count("usage_input_tokens_no_cache"),
            cached_tok=row.count("usage_input_tokens_cache_read"),
            written_5m_tok=row.count(name),
            written_1h_tok=row.count(f"{usual}_1h"),
            completion_tok=row.count("usage_output_tokens"),
        )
        rows.add(bucket, row, row.others((*_CSV_COUNTS, *CSV_GROUP)), searches)
    yield from rows.buckets()


ANTHROPIC_USAGE = ExportFormat(
    "anthropic-usage",
    "Anthropic usage report (messages or analytics): JSON pages of buckets of 1m, 1h or 1d",
    lambda content: matches_report(content, "uncached_input_tokens"),
    _buckets,
)
ANTHROPIC_CONSOLE = ExportFormat(
    "anthropic-console",
    "usage CSV of the Claude Console, per day",
    _matches_csv,
    _csv_buckets,
)
