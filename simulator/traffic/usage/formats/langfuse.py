"""Readers of Langfuse's metrics: `GET /api/public/metrics/daily` and `GET /api/public/v2/metrics`.

Source: `web/src/features/public-api/server/dailyMetrics.ts`, and names of the rows of the metrics
API as clients read them; both read on 2026-11-28. ``inputUsage`` and ``outputUsage`` of the daily
metrics are the kinds ``input`` and ``output`` alone; what else ``totalUsage`` contains (cached,
reasoning and other tokens) is not told apart. Rows of the metrics API are named by aggregation and
measure; there ``inputTokens`` and ``outputTokens`` sum all kinds of input and output. Observations
without a model are no calls. Times are UTC.
"""

import math
from collections.abc import Iterator

from simulator.traffic.usage.buckets import Bucket, Group, Notices
from simulator.traffic.usage.export_format import Content, ExportFormat, has_all
from simulator.traffic.usage.fields import export_records, first_record
from simulator.traffic.usage.lengths import lengths_between
from simulator.traffic.usage.rows import Rows, has_amount
from simulator.units import DAY_S

_SUMS = ("sum_inputTokens", "sum_outputTokens", "sum_totalTokens")
_KNOWN = (*_SUMS, "count_count", "sum_totalCost", "time_dimension", "providedModelName")
_WITHOUT_MODEL = "observations without model and tokens"


def _matches_daily(content: Content) -> bool:
    return has_all(first_record(content, "data"), ("date", "countObservations", "usage"))


def _daily_buckets(content: Content, notices: Notices) -> Iterator[Bucket]:
    rows = Rows(notices)
    for day in export_records(content, "data"):
        begin_s = day.moment("date")
        for usage in day.mappings("usage"):
            rest = usage.count("totalUsage") - (
                usage.count("inputUsage") + usage.count("outputUsage")
            )
            if rest != 0:
                usage.fail(
                    f"totalUsage has {rest:,.0f} tokens that are neither inputUsage nor "
                    "outputUsage, such as cached ones; export observations, or rows of the metrics "
                    "API"
                )
            bucket = Bucket(
                begin_s,
                DAY_S,
                Group(usage.text("model")),
                requests=usage.count("countObservations"),
                uncached_tok=usage.count("inputUsage"),
                completion_tok=usage.count("outputUsage"),
                spend_usd=usage.amount("totalCost"),
            )
            if bucket.group.model or has_amount(bucket):
                rows.add(bucket, usage)
            else:
                notices.leave_out(_WITHOUT_MODEL, int(usage.count("countObservations")))
    yield from rows.buckets()


def _matches_rows(content: Content) -> bool:
    return has_all(first_record(content, "data"), ("time_dimension", *_SUMS[:2]))


def _row_buckets(content: Content, notices: Notices) -> Iterator[Bucket]:
    found = list(export_records(content, "data"))
    if not found:
        return
    begins_s = [row.moment("time_dimension") for row in found]
    lengths_s = lengths_between(begins_s, [math.nan] * len(found), found, notices)
    rows = Rows(notices)
    for begin_s, length_s, row in zip(begins_s, lengths_s, found, strict=True):
        row.refuse_other_total("sum_totalTokens", _SUMS[:2])
        named_sums = {name: v for name, v in row.values.items() if name.startswith("sum_")}
        row.replaced(named_sums).refuse_unknown_tokens(_SUMS)
        model, calls = row.text("providedModelName"), row.count("count_count")
        if "providedModelName" not in row.values:
            calls = math.nan
            notices.remark(
                "Rows without providedModelName may count other observations than calls."
            )
        bucket = Bucket(
            begin_s,
            length_s,
            Group(model),
            requests=calls,
            uncached_tok=row.count("sum_inputTokens"),
            completion_tok=row.count("sum_outputTokens"),
            spend_usd=row.amount("sum_totalCost"),
        )
        if model or has_amount(bucket):
            rows.add(bucket, row, row.others(_KNOWN))
        elif calls > 0:
            notices.leave_out(_WITHOUT_MODEL, int(calls))
    yield from rows.buckets()


LANGFUSE_DAILY = ExportFormat(
    "langfuse-daily",
    "Langfuse daily metrics: JSON",
    _matches_daily,
    _daily_buckets,
)
LANGFUSE_METRICS = ExportFormat(
    "langfuse-metrics",
    "Langfuse metrics API: rows by time and model with counts and sums of tokens",
    _matches_rows,
    _row_buckets,
)
