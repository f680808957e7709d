"""Reader of Google Cloud Monitoring time series of models on Vertex AI (Agent Platform).

Sources, read on 2026-11-28: Google Cloud metrics, ``aiplatform``; Cloud Monitoring API v3,
``projects.timeSeries.list``.

* ``publisher/online_serving/token_count`` and ``model_invocation_count`` are DELTA INT64 metrics of
  the resource ``aiplatform.googleapis.com/PublisherModel``, whose label ``model_user_id`` is the
  model. Values are decimal texts. ``type`` is ``input`` or ``output``, ``request_type`` is
  ``shared`` or ``dedicated`` (provisioned throughput), and a ``source`` with the prefix ``batch_``
  is a batch.
* Nothing tells which input tokens were read from a cache, or which output tokens are reasoning.
* The metrics of the Gemini Developer API (``generativelanguage.googleapis.com``) count towards
  quotas, the same tokens under several limits, and have no output of each request; they are left
  out.
"""

from collections.abc import Iterator
from typing import Any

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
    PROMPT,
    Key,
    Points,
    documents,
    first_document,
    list_of,
)

_FAMILY = "aiplatform.googleapis.com/publisher/online_serving/"
_TOKENS, _CALLS = f"{_FAMILY}token_count", f"{_FAMILY}model_invocation_count"
_TYPES = {"input": PROMPT, "output": "completion_tok"}
_MODALITIES = {
    ("audio", PROMPT): "audio_input_tok",
    ("audio", "completion_tok"): "audio_output_tok",
    ("image", PROMPT): "image_input_tok",
}


def _matches(content: Content) -> bool:
    document = first_document(content)
    if not has_all(document, ["timeSeries"]):
        return False
    series = document["timeSeries"]
    return isinstance(series, list) and all(has_all(s, ["metric", "resource"]) for s in series)


def _buckets(content: Content, notices: Notices) -> Iterator[Bucket]:
    points = Points(content.path)
    for line, document in documents(content):
        if not has_all(document, ["timeSeries"]):
            fail(content.path, line, 1, "expected timeSeries")
        if document.get("nextPageToken"):
            notices.remark("A page has a nextPageToken: make sure that all pages are in the file.")
        if document.get("executionErrors"):
            fail(content.path, line, 1, "the query had executionErrors, so series are missing")
        for series in list_of(content, line, document, "timeSeries"):
            _add(series, content, line, points, notices)
    if not points.sums:
        fail(content.path, 1, 1, f"no points of {_TOKENS} or {_CALLS}")
    notices.remark("How many prompt tokens were read from a cache is unknown.")
    yield from points.buckets()


def _add(
    series: dict[str, Any], content: Content, line: int, points: Points, notices: Notices
) -> None:
    """Add the points of a series, or count it as left out."""
    metric, labels = _named(series, "metric")
    resource, about = _named(series, "resource")
    if metric not in (_TOKENS, _CALLS):
        notices.leave_out(f"series of {metric}")
        return
    if series.get("metricKind", "DELTA") != "DELTA":
        fail(
            content.path, line, 1,
            f"{metric}: the metricKind is {series['metricKind']!r}; query the sums of periods, "
            "with the aligner ALIGN_DELTA",
        )  # fmt: skip
    columns = _columns(metric, labels, content, line)
    code = labels.get("response_code", "")
    group = Group(
        about.get("model_user_id") or labels.get("model_user_id", ""),
        "vertex",
        about.get("project_id") or about.get("resource_container", ""),
        tier=_tier(labels),
    )
    identity = f"{metric} {resource} {sorted(labels.items())} {sorted(about.items())}"
    for point in list_of(content, line, series, "points"):
        begin_s, length_s, value = _point(point, metric, content, line)
        points.once(identity, begin_s, line)
        if code and not code.startswith("2"):
            notices.leave_out(f"calls with response code {code}", round(value))
            continue
        key: Key = (begin_s, length_s, group)
        for column in columns:
            points.add(line, key, column, value)


def _named(series: dict[str, Any], name: str) -> tuple[str, dict[str, str]]:
    """Return type and labels of a metric or a resource."""
    part = series.get(name)
    part = part if isinstance(part, dict) else {}
    labels = part.get("labels")
    texts = labels if isinstance(labels, dict) else {}
    return str(part.get("type", "")), {k: str(v) for k, v in texts.items()}


def _columns(metric: str, labels: dict[str, str], content: Content, line: int) -> list[str]:
    """Return the columns to which a series counts."""
    if metric == _CALLS:
        return ["requests"]
    kind = labels.get("type", "")
    if kind not in _TYPES:
        fail(
            content.path, line, 1,
            f"{metric}: the label type must be input or output, not {kind!r}; group by "
            "metric.label.type",
        )  # fmt: skip
    column = _TYPES[kind]
    part = _MODALITIES.get((labels.get("modality", "").lower(), column))
    return [column, part] if part else [column]


def _tier(labels: dict[str, str]) -> str:
    if labels.get("source", "").startswith("batch_"):
        return "batch"
    kind = labels.get("request_type", "").lower()
    return "" if kind == "shared" else kind


def _point(
    point: dict[str, Any], metric: str, content: Content, line: int
) -> tuple[float, float, float]:
    """Return begin and length of the interval of a point [s], and its value."""
    interval, value = point.get("interval"), point.get("value")
    if not isinstance(interval, dict) or not isinstance(value, dict):
        fail(content.path, line, 1, f"{metric}: a point must have an interval and a value")
    name = "int64Value" if "int64Value" in value else "doubleValue"
    if name not in value:
        fail(content.path, line, 1, f"{metric}: a point must have an int64Value or a doubleValue")
    number = sum_of(value, name, content.path, line)
    if number != number:
        fail(content.path, line, 1, f"{metric}: a point has no value")
    # Intervals of DELTA metrics begin a fraction of a second after the previous one ended.
    begin_s = float(round(moment_of(interval, "startTime", content.path, line)))
    length_s = round(moment_of(interval, "endTime", content.path, line)) - begin_s
    if not length_s > 0:
        fail(content.path, line, 1, f"{metric}: endTime must be after startTime")
    return begin_s, length_s, number


GOOGLE_MONITORING = ExportFormat(
    "vertex-monitoring",
    "Cloud Monitoring time series of Vertex AI: JSON pages of projects.timeSeries.list",
    _matches,
    _buckets,
)
