"""Reader of Anthropic's cost reports.

Source: API reference of `GET /v1/organizations/cost_report`, and types of `GET
/v1/organizations/analytics/cost` in anthropic-sdk-python (`types/beta/organization/
beta_analytics_cost_bucketed_result.py`); both read on 2026-11-28. Amounts are decimal texts in
cents. Without grouping by description there is neither model nor kind of token. Costs have no
tokens.
"""

from collections.abc import Iterator

from simulator.files.numbers import must_be
from simulator.traffic.usage.buckets import Bucket, Notices
from simulator.traffic.usage.export_format import Content, ExportFormat
from simulator.traffic.usage.fields import cost_without_credits
from simulator.traffic.usage.formats.anthropic import (
    group_of,
    matches_report,
    refuse_overlapping_teams,
)
from simulator.traffic.usage.pages import (
    ANTHROPIC_SPAN,
    begin_and_length,
    note_pages,
    results,
)
from simulator.traffic.usage.rows import Rows

_CENTS = 100.0
_NOT_DISTINGUISHED = (
    "amount", "list_amount", "currency", "model", "workspace_id", "api_key_id", "service_tier",
    "speed", "context_window", "inference_geo",
)  # fmt: skip


def _buckets(content: Content, notices: Notices) -> Iterator[Bucket]:
    note_pages(content, ANTHROPIC_SPAN, notices)
    rows = Rows(notices)
    for span, result in results(content):
        refuse_overlapping_teams(result)
        if result.text("currency") not in ("USD", "usd"):
            result.fail(must_be("currency", "USD", result.values.get("currency")))
        cents = cost_without_credits(result, "amount", notices)
        if cents == cents:
            group = group_of(result, "model", "workspace_id", "api_key_id", "service_tier")
            bucket = Bucket(
                *begin_and_length(span, ANTHROPIC_SPAN), group, spend_usd=cents / _CENTS
            )
            rows.add(bucket, result, result.others(_NOT_DISTINGUISHED))
    yield from rows.buckets()


ANTHROPIC_COSTS = ExportFormat(
    "anthropic-costs",
    "Anthropic cost report (legacy or analytics): JSON pages; amounts without tokens",
    lambda content: matches_report(content, "amount"),
    _buckets,
)
