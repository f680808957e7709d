"""Reader of Anthropic's usage reports, and the groups of all exports of Anthropic.

Source: API reference of `GET /v1/organizations/usage_report/messages`, and types of `GET
/v1/organizations/analytics/usage` in anthropic-sdk-python (`types/beta/organization/
beta_analytics_usage_bucketed_result.py`); both read on 2026-11-28. ``uncached_input_tokens``
excludes the tokens read from and written to a cache. Only the analytics API counts requests; it
counts code execution as rows without tokens.
"""

from collections.abc import Iterator

from simulator.traffic.usage.buckets import Bucket, Group, Notices
from simulator.traffic.usage.export_format import Content, ExportFormat
from simulator.traffic.usage.fields import Fields
from simulator.traffic.usage.pages import (
    ANTHROPIC_SPAN,
    begin_and_length,
    has_pages,
    note_pages,
    results,
)
from simulator.traffic.usage.rows import Rows, has_amount

_COUNTS = ("uncached_input_tokens", "cache_read_input_tokens", "output_tokens", "requests")
_KNOWN = (
    *_COUNTS, "cache_creation", "server_tool_use", "model", "workspace_id", "api_key_id",
    "service_tier", "speed", "context_window", "inference_geo",
)  # fmt: skip
SEARCHES = "web searches"
"""Kind of what is left out with the searches that a model made."""
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
    note_pages(content, ANTHROPIC_SPAN, notices)
    rows = Rows(notices, all_have_model=True)
    for span, result in results(content):
        refuse_overlapping_teams(result)
        result.refuse_unknown_tokens(_KNOWN)
        written, tools = result.mapping("cache_creation"), result.mapping("server_tool_use")
        written.refuse_unknown_tokens(("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"))
        searches = {SEARCHES: tools.count("web_search_requests")}
        bucket = Bucket(
            *begin_and_length(span, ANTHROPIC_SPAN),
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


ANTHROPIC_USAGE = ExportFormat(
    "anthropic-usage",
    "Anthropic usage report (messages or analytics): JSON pages of buckets of 1m, 1h or 1d",
    lambda content: matches_report(content, "uncached_input_tokens"),
    _buckets,
)
