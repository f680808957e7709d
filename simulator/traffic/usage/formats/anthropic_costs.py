"""Readers of Anthropic's cost reports and of the cost CSV of the Claude Console.

Source: API reference of `GET /v1/organizations/cost_report`, types of `GET
/v1/organizations/analytics/cost` in anthropic-sdk-python (`types/beta/organization/
beta_analytics_cost_bucketed_result.py`), and headers of the console's CSV as tools read them; all
read on 2026-11-28. Amounts of the reports are decimal texts in cents, those of the CSV are in USD.
Without grouping by description there is neither model nor kind of token. Costs have no tokens.
"""

from collections.abc import Iterator

from simulator.files.numbers import must_be
from simulator.traffic.usage.buckets import Bucket, Notices
from simulator.traffic.usage.export_format import Content, ExportFormat, has_all
from simulator.traffic.usage.fields import cost_without_credits, records
from simulator.traffic.usage.formats.anthropic import (
    CSV_GROUP,
    group_of,
    matches_report,
    refuse_overlapping_teams,
)
from simulator.traffic.usage.pages import ANTHROPIC_SPAN, note_missing_pages, results, span_of
from simulator.traffic.usage.rows import Rows
from simulator.units import DAY_S

_CENTS = 100.0
_NOT_DISTINGUISHED = (
    "amount", "list_amount", "currency", "model", "workspace_id", "api_key_id", "service_tier",
    "speed", "context_window", "inference_geo",
)  # fmt: skip
_CSV_AMOUNTS = ("cost_usd", "list_price_usd")


def _buckets(content: Content, notices: Notices) -> Iterator[Bucket]:
    note_missing_pages(content, notices)
    rows = Rows(notices)
    for span, result in results(content):
        refuse_overlapping_teams(result)
        if result.text("currency") not in ("USD", "usd"):
            result.fail(must_be("currency", "USD", result.values.get("currency")))
        cents = cost_without_credits(result, "amount", notices)
        if cents == cents:
            group = group_of(result, "model", "workspace_id", "api_key_id", "service_tier")
            bucket = Bucket(*span_of(span, ANTHROPIC_SPAN), group, spend_usd=cents / _CENTS)
            rows.add(bucket, result, result.others(_NOT_DISTINGUISHED))
    yield from rows.buckets()


def _matches_csv(content: Content) -> bool:
    return has_all(dict.fromkeys(content.header or ()), ("usage_date_utc", "cost_usd", "model"))


def _csv_buckets(content: Content, notices: Notices) -> Iterator[Bucket]:
    rows = Rows(notices)
    for row in records(content):
        spend_usd = cost_without_credits(row, "cost_usd", notices)
        if spend_usd == spend_usd:
            group = group_of(row, "model", "workspace", "api_key", "usage_type")
            bucket = Bucket(row.moment("usage_date_utc"), DAY_S, group, spend_usd=spend_usd)
            rows.add(bucket, row, row.others((*_CSV_AMOUNTS, *CSV_GROUP)))
    yield from rows.buckets()


ANTHROPIC_COSTS = ExportFormat(
    "anthropic-costs",
    "Anthropic cost report (legacy or analytics): JSON pages; amounts without tokens",
    lambda content: matches_report(content, "amount"),
    _buckets,
)
ANTHROPIC_CONSOLE_COSTS = ExportFormat(
    "anthropic-console-costs",
    "cost CSV of the Claude Console, per day; amounts without tokens",
    _matches_csv,
    _csv_buckets,
)
