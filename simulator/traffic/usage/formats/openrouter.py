"""Reader of OpenRouter's activity, `GET /api/v1/activity`, per day, as JSON or as a CSV of it.

Source: `ActivityItem` in OpenRouter's API reference and SDK documentation, read on 2026-11-28.
Prompts contain cached tokens and answers contain reasoning tokens; the API does not tell cached
tokens apart. ``usage`` is what OpenRouter charged, ``byok_usage_inference`` what was paid to
providers with keys of one's own. Dates are UTC days. The activity CSV with a row for each
generation is a log of single calls (``formats/gateways/openrouter.py``).
"""

from collections.abc import Iterator

from simulator.traffic.usage.buckets import Bucket, Group, Notices
from simulator.traffic.usage.export_format import Content, ExportFormat, has_all
from simulator.traffic.usage.fields import export_records, first_record, known_sum
from simulator.traffic.usage.rows import Rows
from simulator.units import DAY_S

_COUNTS = ("prompt_tokens", "completion_tokens", "reasoning_tokens", "cached_tokens")
_AMOUNTS = ("usage", "byok_usage_inference")
_KNOWN = (*_COUNTS, *_AMOUNTS, "requests", "date", "model")
_REQUIRED = ("date", "model", "requests", "prompt_tokens", "completion_tokens", *_AMOUNTS)


def _matches(content: Content) -> bool:
    return has_all(first_record(content, "data"), _REQUIRED)


def _buckets(content: Content, notices: Notices) -> Iterator[Bucket]:
    rows = Rows(notices, all_have_model=True)
    for item in export_records(content, "data"):
        item.refuse_unknown_tokens(_COUNTS)
        item.refuse_excess("reasoning_tokens", "completion_tokens")
        item.refuse_excess("cached_tokens", "prompt_tokens")
        own_keys_usd = item.amount("byok_usage_inference")
        if own_keys_usd > 0:
            notices.remark("Costs contain what was paid to providers with keys of one's own.")
        cached = item.count("cached_tokens")
        bucket = Bucket(
            item.moment("date"),
            DAY_S,
            Group(item.text("model"), "openrouter"),
            requests=item.count("requests"),
            uncached_tok=item.count("prompt_tokens") - known_sum(cached),
            cached_tok=cached,
            completion_tok=item.count("completion_tokens"),
            reasoning_tok=item.count("reasoning_tokens"),
            spend_usd=item.amount("usage") + known_sum(own_keys_usd),
        )
        rows.add(bucket, item, item.others(_KNOWN))
    yield from rows.buckets()


OPENROUTER = ExportFormat(
    "openrouter-activity",
    "OpenRouter activity per day: JSON of the API, or CSV with its names",
    _matches,
    _buckets,
    fields=_REQUIRED,
)
