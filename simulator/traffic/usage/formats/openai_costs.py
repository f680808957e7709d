"""Reader of OpenAI's costs API, `GET /v1/organization/costs`, and of the dashboard's cost CSV.

Source: types of the costs API in openai-python (`types/admin/organization/
usage_completions_response.py`), and columns of `cost_*.csv` as tools read them; both read on
2026-11-28. A line item such as ``gpt-4o-2024-08-06, input`` is a model and a kind of tokens; one
without a comma is another service. There are no calls and no tokens; an empty bucket has a row
without an amount in the CSV.
"""

from collections.abc import Iterator

from simulator.files.numbers import must_be
from simulator.traffic.usage.buckets import Bucket, Group, Notices
from simulator.traffic.usage.export_format import Content, ExportFormat, has_all
from simulator.traffic.usage.fields import Fields, cost_without_credits
from simulator.traffic.usage.formats.openai import COSTS, kinds
from simulator.traffic.usage.pages import OPENAI_SPAN, begin_and_length, note_pages, results
from simulator.traffic.usage.rows import Rows

_CSV_COLUMNS = (*OPENAI_SPAN, "amount_value", "amount_currency")
_NOT_DISTINGUISHED = (
    *_CSV_COLUMNS, "start_time_iso", "end_time_iso", "quantity", "quantity_unit", "project_id",
    "project_name", "api_key_id", "object",
)  # fmt: skip


def _matches(content: Content) -> bool:
    if content.header is not None:
        return has_all(dict.fromkeys(content.header), _CSV_COLUMNS)
    return kinds(content) == {COSTS}


def _buckets(content: Content, notices: Notices) -> Iterator[Bucket]:
    note_pages(content, OPENAI_SPAN, notices)
    rows = Rows(notices)
    for span, result in results(content):
        spend_usd = _spend_usd(result, content.header is not None, notices)
        if spend_usd == spend_usd:
            begin_s, length_s = begin_and_length(span, OPENAI_SPAN)
            bucket = Bucket(begin_s, length_s, _group(result), spend_usd=spend_usd)
            rows.add(bucket, result, result.others(_NOT_DISTINGUISHED))
    yield from rows.buckets()


def _spend_usd(result: Fields, is_row: bool, notices: Notices) -> float:
    amount = result if is_row else result.mapping("amount")
    value, currency = ("amount_value", "amount_currency") if is_row else ("value", "currency")
    if not amount.text(value):
        return float("nan")
    if amount.text(currency).lower() != "usd":
        amount.fail(must_be(currency, "usd", amount.values.get(currency)))
    return cost_without_credits(amount, value, notices)


def _group(result: Fields) -> Group:
    model, *kinds_of_item = result.text("line_item").split(", ")
    return Group(
        model,
        "openai",
        result.text("project_id") or result.text("project_name"),
        result.text("api_key_id"),
        ", ".join(kinds_of_item[:-1]),
    )


OPENAI_COSTS = ExportFormat(
    "openai-costs",
    "OpenAI costs API: JSON pages, or CSV of the dashboard; amounts without tokens",
    _matches,
    _buckets,
)
