"""Reader of Amazon CloudWatch metrics of Amazon Bedrock (namespace ``AWS/Bedrock``).

Sources, read on 2026-11-28: Amazon Bedrock user guide, "Monitor bedrock-runtime inference using
CloudWatch metrics", and its page on the token burndown of quotas as public repositories quote it;
CloudWatch API reference, ``MetricDataResult``; Amazon CloudWatch user guide, "Use dynamic labels".

* ``InputTokenCount`` has neither the tokens that were read from a cache nor those that were written
  to one: the user guide computes the tokens of a request as ``InputTokenCount`` plus
  ``CacheReadInputTokens`` plus ``CacheWriteInputTokens``. CloudWatch calls the latter two
  ``CacheReadInputTokenCount`` and ``CacheWriteInputTokenCount``; both spellings are read.
* The lifetime of what was written is not told; five minutes are Bedrock's usual one.
* The user guide has described ``Invocations`` both as successful requests only and as requests that
  may have failed later. Errors are therefore counted in the notices and subtracted from nothing.
* Neither answer has dimensions, and only the label of ``get-metric-data`` can name the model.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from simulator.files.text import fail
from simulator.traffic.usage.buckets import Bucket, Group, Notices
from simulator.traffic.usage.export_format import (
    Content,
    ExportFormat,
    has_all,
    moment_of,
    sum_of,
)
from simulator.traffic.usage.metrics.points import (
    Points,
    documents,
    first_document,
    list_of,
    period_s,
    shown_moment,
)

_COLUMNS = {
    "Invocations": "requests",
    "InputTokenCount": "uncached_tok",
    "OutputTokenCount": "completion_tok",
    "CacheReadInputTokenCount": "cached_tok",
    "CacheReadInputTokens": "cached_tok",
    "CacheWriteInputTokenCount": "written_5m_tok",
    "CacheWriteInputTokens": "written_5m_tok",
}
_FAILURES = ("InvocationClientErrors", "InvocationServerErrors", "InvocationThrottles")
_NAMES = {name.lower(): name for name in (*_COLUMNS, *_FAILURES)}
_OTHER_STATISTICS = ("average", "minimum", "maximum")
_NO_MODEL = ("aws/bedrock", "modelid", "sum")
"""Words of a label that are part of no model's name."""


class _Series(NamedTuple):
    line: int
    label: str
    metric: str
    model: str
    points: list[tuple[float, float]]
    """Moments [s since 1970, UTC] and values."""


def _matches(content: Content) -> bool:
    document = first_document(content)
    if has_all(document, ["MetricDataResults"]):
        return isinstance(document["MetricDataResults"], list)
    return has_all(document, ["Label", "Datapoints"]) and isinstance(document["Datapoints"], list)


def _buckets(content: Content, notices: Notices) -> Iterator[Bucket]:
    series = list(_all_series(content, notices))
    if not series:
        fail(content.path, 1, 1, f"no series of {', '.join(_COLUMNS)}")
    length_s = _length_s(series, content)
    notices.remark(
        f"CloudWatch does not tell the period of its points, which is taken to be {length_s:g} s, "
        "the longest one that fits all of them."
    )
    points = Points(content.path)
    for line, _, metric, model, values in series:
        if metric in _FAILURES:
            _count_failures(metric, sum(value for _, value in values), notices)
            continue
        column = _COLUMNS[metric]
        for begin_s, value in values:
            points.once(f"{metric} {model}".strip(), begin_s, line)
            points.add(line, (begin_s, length_s, Group(model, "bedrock")), column, value)
    _remark_on_columns({_COLUMNS.get(s.metric) for s in series}, notices)
    yield from points.buckets()


def _length_s(series: list[_Series], content: Content) -> float:
    length_s = period_s([time_s for time_s, _ in s.points] for s in series)
    if not length_s > 0:
        fail(content.path, 1, 1, "the period is unknown, since no series has two points")
    origin_s = next(time_s for s in series for time_s, _ in s.points)
    for line, label, _, _, points in series:
        for time_s, _ in points:
            if round((time_s - origin_s) * 1000) % round(length_s * 1000):
                fail(
                    content.path, line, 1,
                    f"{label}: {shown_moment(time_s)} is no multiple of {length_s:g} s after "
                    f"{shown_moment(origin_s)}; query all metrics with one period",
                )  # fmt: skip
    return length_s


def _count_failures(metric: str, count: float, notices: Notices) -> None:
    if not count:
        return
    notices.leave_out(f"calls of {metric}", round(count))
    if metric != "InvocationThrottles":
        notices.remark(
            "Invocations may contain the calls of InvocationClientErrors and "
            "InvocationServerErrors: the documentation of Bedrock is not unanimous."
        )


def _remark_on_columns(columns: set[str | None], notices: Notices) -> None:
    if "cached_tok" not in columns:
        notices.remark(
            "CacheReadInputTokenCount is missing: tokens that were read from a cache are not in "
            "InputTokenCount, and so unknown."
        )
    if "written_5m_tok" in columns:
        notices.remark("Bedrock does not tell for how long prompts are cached: five minutes.")


def _all_series(content: Content, notices: Notices) -> Iterator[_Series]:
    """Yield the known series with points; others are counted."""
    for line, document in documents(content):
        if has_all(document, ["MetricDataResults"]):
            yield from _metric_data(content, line, document, notices)
        elif has_all(document, ["Label", "Datapoints"]):
            yield from _statistics(content, line, document, notices)
        else:
            fail(content.path, line, 1, "expected MetricDataResults, or Label and Datapoints")


def _metric_data(
    content: Content, line: int, document: dict[str, Any], notices: Notices
) -> Iterator[_Series]:
    """Yield the series of an answer of ``get-metric-data``."""
    if document.get("NextToken"):
        notices.remark("An answer has a NextToken: the export does not hold all its points.")
    for result in list_of(content, line, document, "MetricDataResults"):
        label = str(result.get("Label") or result.get("Id") or "")
        status = result.get("StatusCode", "Complete")
        if status == "PartialData":
            notices.remark("A result has the status PartialData: some of its points are missing.")
        elif status != "Complete":
            fail(content.path, line, 1, f"{label}: the status is {status!r}, so points are missing")
        metric, model = _metric_of(label, content, line)
        if not metric:
            notices.leave_out(f"series {label!r}")
            continue
        times, values = result.get("Timestamps"), result.get("Values")
        if not isinstance(times, list) or not isinstance(values, list) or len(times) != len(values):
            fail(content.path, line, 1, f"{label}: Timestamps and Values must be lists of one size")
        rows = [
            {"Timestamps": time, "Values": value} for time, value in zip(times, values, strict=True)
        ]
        yield _series(content, line, label, (metric, model), rows, ("Timestamps", "Values"))


def _statistics(
    content: Content, line: int, document: dict[str, Any], notices: Notices
) -> Iterator[_Series]:
    """Yield the series of an answer of ``get-metric-statistics``."""
    label = str(document["Label"])
    metric, model = _metric_of(label, content, line)
    if not metric:
        notices.leave_out(f"series {label!r}")
        return
    if not model:
        notices.remark("Answers of get-metric-statistics do not name the model.")
    rows = list_of(content, line, document, "Datapoints")
    if not all("Sum" in row for row in rows):
        fail(content.path, line, 1, f"{label}: a datapoint has no Sum; query --statistics Sum")
    yield _series(content, line, label, (metric, model), rows, ("Timestamp", "Sum"))


def _metric_of(label: str, content: Content, line: int) -> tuple[str, str]:
    """Return metric and model of a label such as ``InputTokenCount anthropic.claude-haiku``."""
    words = label.split()
    metrics = [_NAMES[word.lower()] for word in words if word.lower() in _NAMES]
    if len(metrics) > 1:
        fail(content.path, line, 1, f"label {label!r} names several metrics")
    if not metrics:
        return "", ""
    rest = [w for w in words if w.lower() not in _NAMES and w.lower() not in _NO_MODEL]
    if any(word.lower() in _OTHER_STATISTICS for word in rest):
        fail(content.path, line, 1, f"label {label!r}: only sums can be used; query the stat Sum")
    return metrics[0], " ".join(rest)


def _series(
    content: Content,
    line: int,
    label: str,
    metric_model: tuple[str, str],
    rows: list[dict[str, Any]],
    names: tuple[str, str],
) -> _Series:
    """Return a series from rows with a moment and a value under these names."""
    points = [
        (moment_of(row, names[0], content.path, line), sum_of(row, names[1], content.path, line))
        for row in rows
    ]
    if any(value != value for _, value in points):
        fail(content.path, line, 1, f"{label}: a point has no value")
    return _Series(line, label, *metric_model, points)


CLOUDWATCH = ExportFormat(
    "bedrock-cloudwatch",
    "CloudWatch metrics of Amazon Bedrock: JSON of aws cloudwatch get-metric-data or "
    "get-metric-statistics",
    _matches,
    _buckets,
)
