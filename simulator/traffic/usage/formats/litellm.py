"""Readers of LiteLLM's daily sums: the tables `LiteLLM_Daily...Spend`, and daily activity.

Source: `litellm/proxy/management_endpoints/common_daily_activity.py` and its types in
`litellm/types/proxy/management_endpoints/`, read on 2026-11-28. Prompts contain the tokens read
from and written to a cache. Failed calls are part of ``api_requests`` and not of
``successful_requests``. Dates are UTC days. A call with several tags is counted under each of them.
Tables of proxies that did not count calls yet have 0 of them.
"""

import math
from collections.abc import Iterator

from simulator.traffic.usage.buckets import Bucket, Group, Notices
from simulator.traffic.usage.export_format import Content, ExportFormat, has_all
from simulator.traffic.usage.fields import Fields, export_records, first_record, known_sum
from simulator.traffic.usage.rows import Rows, has_amount
from simulator.units import DAY_S

COUNTS = (
    "prompt_tokens", "completion_tokens", "cache_read_input_tokens", "cache_creation_input_tokens",
    "total_tokens", "compression_saved_tokens",
)  # fmt: skip
_REQUIRED = ("date", "prompt_tokens", "completion_tokens", "spend", "api_requests", "api_key")
_OWNERS = {
    "team_id": True, "tag": True, "organization_id": True,
    "user_id": False, "end_user_id": False, "agent_id": False,
}  # fmt: skip
"""Columns by which the tables differ, and whether they are a project."""
_NOT_DISTINGUISHED = (
    *COUNTS, "id", "request_id", "date", "model", "custom_llm_provider", "api_key", "spend",
    "api_requests", "successful_requests", "failed_requests", "created_at", "updated_at",
    "compression_savings_spend", "prompt_caching_savings_spend", "autorouter_savings_spend",
    "gateway_injected_caching_savings_spend", "total_response_time_ms", "timed_requests",
    "ptu_flat_cost", "flat_cost", *(name for name, is_project in _OWNERS.items() if is_project),
)  # fmt: skip


def sums(metrics: Fields, begin_s: float, group: Group, notices: Notices) -> Bucket:
    """Return the bucket of a row of a table, or of the metrics of daily activity.

    Raises
    ------
    InputError
        If its counts contradict one another.
    """
    metrics.refuse_unknown_tokens(COUNTS)
    metrics.refuse_other_total("total_tokens", ("prompt_tokens", "completion_tokens"))
    metrics.refuse_other_total("api_requests", ("successful_requests", "failed_requests"))
    read = metrics.count("cache_read_input_tokens")
    written = metrics.count("cache_creation_input_tokens")
    prompt, completion = metrics.count("prompt_tokens"), metrics.count("completion_tokens")
    if known_sum(read, written) > prompt:
        metrics.fail(
            f"{known_sum(read, written):,.0f} tokens read from and written to a cache, but "
            f"prompt_tokens, which contains them, is {prompt:,.0f}"
        )
    requests = metrics.count("api_requests") - known_sum(metrics.count("failed_requests"))
    if metrics.count("api_requests") == 0 < prompt + completion:
        requests = math.nan
        notices.remark("Some rows have tokens and no calls: the number of calls is unknown there.")
    return Bucket(
        begin_s,
        DAY_S,
        group,
        requests=requests,
        uncached_tok=prompt - known_sum(read, written),
        cached_tok=read,
        written_5m_tok=written,
        completion_tok=completion,
        spend_usd=metrics.amount("spend"),
    )


def failures(metrics: Fields) -> dict[str, float]:
    """Return the number of failed calls, which are left out."""
    return {"failed requests": metrics.count("failed_requests")}


def _matches(content: Content) -> bool:
    record = first_record(content, "data")
    return has_all(record, _REQUIRED) and any(name in record for name in _OWNERS)


def _buckets(content: Content, notices: Notices) -> Iterator[Bucket]:
    rows = Rows(notices)
    owners: dict[str, str] = {}
    for row in export_records(content, "data"):
        owner = next((name for name in _OWNERS if name in row.values), "")
        _refuse_double(row, owner, owners)
        group = Group(
            row.text("model") or row.text("model_group"),
            row.text("custom_llm_provider"),
            row.text(owner) if _OWNERS.get(owner) else "",
            row.text("api_key"),
        )
        bucket = sums(row, row.moment("date"), group, notices)
        if group.model or has_amount(bucket):
            rows.add(bucket, row, row.others(_NOT_DISTINGUISHED), failures(row))
        else:
            notices.leave_out("rows without model and tokens, such as calls of MCP tools")
    yield from rows.buckets()


def _refuse_double(row: Fields, owner: str, owners: dict[str, str]) -> None:
    """Raise InputError for rows of different tables, and of different tags."""
    known = next(iter(owners), owner)
    if owner != known:
        row.fail(f"rows with {owner} and rows with {known} count the same calls; export one table")
    if owners.setdefault(owner, row.text(owner)) != row.text(owner) and owner == "tag":
        row.fail(
            "a call with several tags is counted under each of them; export a single tag, or the "
            "table by user"
        )


LITELLM_DAILY = ExportFormat(
    "litellm-daily",
    "LiteLLM tables LiteLLM_Daily...Spend: CSV, JSON or JSON lines",
    _matches,
    _buckets,
    fields=_REQUIRED,
)
