"""Reader of LiteLLM's daily activity, `GET /user/daily/activity` and the like.

Source: see `litellm.py`. Each day has its metrics and several breakdowns of the same calls. The
finest one that adds up to the day is read, and no other: models by key, models, model groups, the
day as a whole. Pages may share a day, whose parts then add up.
"""

from collections.abc import Iterator
from typing import NamedTuple

from simulator.traffic.usage.buckets import Bucket, Group, Notices
from simulator.traffic.usage.export_format import Content, ExportFormat, has_all
from simulator.traffic.usage.fields import Fields, export_records, first_record, is_same
from simulator.traffic.usage.formats.litellm import COUNTS, failures, sums
from simulator.traffic.usage.rows import Detail, Rows, has_amount

_ADDITIVE = (*COUNTS, "api_requests", "failed_requests", "spend")


class _Part(NamedTuple):
    """A part of a day."""

    group: Group
    detail: Detail
    metrics: Fields


def _matches(content: Content) -> bool:
    days = first_record(content).get("results")
    if content.header is not None or not isinstance(days, list):
        return False
    return all(has_all(day, ("date", "metrics")) for day in days)


def _buckets(content: Content, notices: Notices) -> Iterator[Bucket]:
    rows = Rows(notices)
    for page in export_records(content):
        metadata = page.mapping("metadata")
        days = list(page.mappings("results"))
        _refuse_other_totals(metadata, days)
        if metadata.values.get("has_more") is True:
            notices.remark("A page says has_more: the export may not hold all its days.")
        for day in days:
            parts = _parts(day)
            _note_without_model(day, parts, notices)
            for part in parts:
                bucket = sums(part.metrics, day.moment("date"), part.group, notices)
                if part.group.model or has_amount(bucket):
                    detail = (("page", metadata.text("page") or "1"), *part.detail)
                    rows.add(bucket, part.metrics, detail, failures(part.metrics))
    yield from rows.buckets()


def _note_without_model(day: Fields, parts: list[_Part], notices: Notices) -> None:
    name = "api_requests"
    rest = day.mapping("metrics").count(name) - sum(part.metrics.count(name) for part in parts)
    if rest > 0:
        notices.leave_out("calls without model and tokens, such as those of MCP tools", int(rest))


def _refuse_other_totals(metadata: Fields, days: list[Fields]) -> None:
    """Raise InputError if days do not add up to the total of the page, as those of tags do not."""
    for name in ("prompt_tokens", "completion_tokens", "spend"):
        stated = metadata.amount(f"total_{name}")
        found = sum(day.mapping("metrics").amount(name) for day in days)
        if stated == stated and not is_same(found, stated):
            metadata.fail(
                f"total_{name} is {stated:,.6g}, but the days add up to {found:,.6g}; days by tag "
                "count a call under each of its tags"
            )


def _parts(day: Fields) -> list[_Part]:
    """Return the finest parts that add up to the day."""
    breakdown = day.mapping("breakdown")
    by_model = _by_name(breakdown, "models")
    by_key = [part for name, model in by_model for part in _by_key(name, model)]
    models = [_Part(Group(name), (), model.mapping("metrics")) for name, model in by_model]
    names = _by_name(breakdown, "model_groups")
    groups = [_Part(Group(name), (), group.mapping("metrics")) for name, group in names]
    whole = _Part(Group(""), (), day.mapping("metrics"))
    for parts in (by_key, models, groups):
        if parts and _add_up(parts, whole.metrics):
            return parts
    if models or groups:
        day.fail(f"models add up to other sums than those of the day {day.text('date')}")
    return [whole]


def _by_name(breakdown: Fields, name: str) -> list[tuple[str, Fields]]:
    inner = breakdown.mapping(name)
    return [(key, inner.mapping(key)) for key in inner.values]


def _by_key(name: str, model: Fields) -> list[_Part]:
    parts = []
    for key, entry in _by_name(model, "api_key_breakdown"):
        metadata = entry.mapping("metadata")
        group = Group(name, "", metadata.text("team_id"), metadata.text("key_alias") or key)
        parts.append(_Part(group, (("api_key", key),), entry.mapping("metrics")))
    return parts


def _add_up(parts: list[_Part], whole: Fields) -> bool:
    """Return whether parts have all tokens, calls and costs of the whole.

    Calls without tokens and costs, such as those of MCP tools, have no model.
    """
    for name in _ADDITIVE:
        found, stated = sum(part.metrics.amount(name) for part in parts), whole.amount(name)
        if name.endswith("_requests") and found < stated:
            continue
        if stated == stated and not is_same(found, stated):
            return False
    return True


LITELLM_ACTIVITY = ExportFormat(
    "litellm-activity",
    "LiteLLM daily activity with its breakdown: JSON pages",
    _matches,
    _buckets,
)
