"""Reader of Azure Monitor metrics of Azure OpenAI and Microsoft Foundry.

Sources, read on 2026-11-28: Azure Monitor reference, "Supported metrics for
Microsoft.CognitiveServices/accounts"; Microsoft Foundry documentation, "Monitor model deployments"
(category Models - Usage); Azure Monitor REST API, Metrics - List, which ``az monitor metrics list``
prints.

* Prompt tokens contain those that were read from a cache: active tokens are described as all tokens
  minus the cached ones. From them, and from nothing else, the number of cached tokens follows; they
  exist for provisioned deployments only. The cache match rate is a mean of percentages, each with
  the same weight whatever its number of tokens, from which no number of tokens follows.
* A point without ``total`` has no data; it is no zero.
* Token metrics of Azure OpenAI can be split by ``ModelDeploymentName`` but not by ``ModelName``.
"""

import re
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
    PROMPT,
    Key,
    Points,
    documents,
    first_document,
    list_of,
)

_TOTAL, _ACTIVE = "total_tok", "active_tok"
_NAMES: dict[str, tuple[str, ...]] = {
    "requests": ("ModelRequests", "AzureOpenAIRequests"),
    PROMPT: ("InputTokens", "ProcessedPromptTokens"),
    "completion_tok": ("OutputTokens", "GeneratedTokens"),
    _TOTAL: ("TotalTokens", "TokenTransaction"),
    _ACTIVE: ("ProvisionedConsumedTokens", "ActiveTokens"),
    "audio_input_tok": ("AudioInputTokens", "AudioPromptTokens"),
    "audio_output_tok": ("AudioOutputTokens", "AudioCompletionTokens"),
}
"""Metrics of each column, in Foundry and in Azure OpenAI; only the first that a file has is used,
since both count the same calls."""
_COLUMNS = {name.lower(): column for column, names in _NAMES.items() for name in names}
_RATES = ("azureopenaicontexttokenscachematchrate", "tokenscachematchrate")
_INTERVAL = re.compile(
    r"P(?:(?P<days>\d{1,6})D)?(?:T(?:(?P<hours>\d{1,6})H)?(?:(?P<minutes>\d{1,6})M)?"
    r"(?:(?P<seconds>\d{1,6})S)?)?"
)
_CLOCK = re.compile(
    r"(?:(?P<days>\d{1,6}) days?, )?(?P<hours>\d{1,2}):(?P<minutes>\d{2}):(?P<seconds>\d{2})"
)


class _Series(NamedTuple):
    line: int
    metric: str
    length_s: float
    account: str
    dimensions: dict[str, str]
    """Values by the names of the dimensions in lower case."""
    data: list[dict[str, Any]]


def _matches(content: Content) -> bool:
    document = first_document(content)
    if not has_all(document, ["value", "interval"]):
        return False
    metrics = document["value"]
    return isinstance(metrics, list) and all(has_all(m, ["name", "timeseries"]) for m in metrics)


def _buckets(content: Content, notices: Notices) -> Iterator[Bucket]:
    series = list(_all_series(content, notices))
    columns = _columns_of(series, notices)
    used = [s for s in series if s.metric in columns]
    if not used:
        known = ", ".join(name for names in _NAMES.values() for name in names)
        fail(content.path, 1, 1, f"no metric of {known}")
    names_of_models = _names_of_models(used, content)
    points = Points(content.path)
    for one in used:
        if not _succeeded(one, content, notices):
            continue
        model = names_of_models.get(_deployment(one), _deployment(one))
        group = Group(model, "azure", one.account, tier=_tier(one))
        label = f"{one.metric} {one.account} {sorted(one.dimensions.items())}"
        for point in one.data:
            value = sum_of(point, "total", content.path, one.line)
            begin_s = moment_of(point, "timeStamp", content.path, one.line)
            points.once(label, begin_s, one.line)
            if value == value:
                points.add(one.line, (begin_s, one.length_s, group), columns[one.metric], value)
    for key, sums in points.sums.items():
        _complete(key, sums, points)
    if not any("cached_tok" in sums for sums in points.sums.values()):
        notices.remark("How many prompt tokens were read from a cache is unknown.")
    yield from points.buckets()


def _columns_of(series: list[_Series], notices: Notices) -> dict[str, str]:
    """Return the column of each metric that is used; the others are counted."""
    found = {s.metric.lower() for s in series}
    chosen: dict[str, str] = {}
    for column, names in _NAMES.items():
        first = next((name.lower() for name in names if name.lower() in found), None)
        if first is not None:
            chosen[first] = column
    used = {}
    for one in series:
        metric = one.metric.lower()
        if metric in chosen:
            used[one.metric] = chosen[metric]
        elif metric in _COLUMNS:
            other = next(name for name, column in chosen.items() if column == _COLUMNS[metric])
            shown = next(s.metric for s in series if s.metric.lower() == other)
            notices.leave_out(f"series of {one.metric}, which {shown} counts as well")
        else:
            notices.leave_out(f"series of {one.metric}")
        if metric in _RATES:
            notices.remark(
                f"{one.metric} is a mean of percentages, from which no number of cached tokens "
                "follows; ActiveTokens of a provisioned deployment tells it."
            )
    return used


def _names_of_models(series: list[_Series], content: Content) -> dict[str, str]:
    """Return the models of deployments, as far as a metric is split by both.

    Raises
    ------
    InputError
        If some metrics are split by deployment or model, and others are not.
    """
    kinds = {bool(_deployment(s)): s for s in series if s.data}
    if len(kinds) > 1:
        fail(
            content.path, kinds[False].line, 1,
            f"{kinds[True].metric} is split by model or deployment and {kinds[False].metric} is "
            "not; query all metrics with --filter \"ModelDeploymentName eq '*'\"",
        )  # fmt: skip
    both = [s.dimensions for s in series if s.dimensions.get("modelname")]
    return {d["modeldeploymentname"]: d["modelname"] for d in both if d.get("modeldeploymentname")}


def _deployment(series: _Series) -> str:
    """Return the name of the deployment, or of the model if a series has no deployment."""
    return series.dimensions.get("modeldeploymentname") or series.dimensions.get("modelname", "")


def _tier(series: _Series) -> str:
    tier = series.dimensions.get("servicetierresponse", "").lower()
    return "" if tier in ("default", "standard") else tier


def _succeeded(series: _Series, content: Content, notices: Notices) -> bool:
    """Return whether a series counts successful calls; failed ones are counted in the notices."""
    status = series.dimensions.get("statuscode", "")
    if not status or status.startswith("2"):
        return True
    for point in series.data:
        count = sum_of(point, "total", content.path, series.line)
        if count > 0:
            notices.leave_out(f"calls with status {status}", round(count))
    return False


def _complete(key: Key, sums: dict[str, float], points: Points) -> None:
    """Replace the totals of a bucket by what follows from them."""
    total, active = sums.pop(_TOTAL, None), sums.pop(_ACTIVE, None)
    prompt, completion = sums.get(PROMPT), sums.get("completion_tok")
    if total is not None and prompt is not None and completion is not None:
        if abs(prompt + completion - total) > 0.5:
            message = f"{total:,.0f} tokens are not {prompt:,.0f} + {completion:,.0f}"
            points.refuse_bucket(key, message)
    elif total is not None and prompt is not None:
        completion = sums["completion_tok"] = _rest(key, total, prompt, "prompt", points)
    elif total is not None and completion is not None:
        prompt = sums[PROMPT] = _rest(key, total, completion, "completion", points)
    if active is not None and prompt is not None and completion is not None:
        sums["cached_tok"] = _rest(key, prompt + completion, active, "active", points)


def _rest(key: Key, total: float, part: float, name: str, points: Points) -> float:
    if part > total:
        points.refuse_bucket(key, f"{part:,.0f} {name} tokens exceed {total:,.0f} tokens in total")
    return total - part


def _all_series(content: Content, notices: Notices) -> Iterator[_Series]:
    for line, document in documents(content):
        if not has_all(document, ["value", "interval"]):
            fail(content.path, line, 1, "expected value and interval")
        length_s = _interval_s(document["interval"], content, line)
        for metric in list_of(content, line, document, "value"):
            named = metric.get("name")
            name = str(named.get("value") if isinstance(named, dict) else named)
            status = metric.get("errorCode") or "Success"
            if status != "Success":
                problem = metric.get("errorMessage") or status
                fail(content.path, line, 1, f"{name}: Azure Monitor reports {str(problem)!r}")
            account = _account(str(metric.get("id", "")))
            for series in list_of(content, line, metric, "timeseries"):
                dimensions = _dimensions(content, line, series)
                data = list_of(content, line, series, "data")
                if name.lower() in _COLUMNS and data and not any("total" in p for p in data):
                    notices.leave_out(f"series of {name} without totals")
                    continue
                yield _Series(line, name, length_s, account, dimensions, data)


def _dimensions(content: Content, line: int, series: dict[str, Any]) -> dict[str, str]:
    found = {}
    for entry in list_of(content, line, {"metadatavalues": [], **series}, "metadatavalues"):
        named = entry.get("name")
        name = str(named.get("value") if isinstance(named, dict) else named)
        found[name.lower()] = str(entry.get("value") or "")
    return found


def _account(identifier: str) -> str:
    """Return the account in the identifier of a metric, or an empty text."""
    match = re.search(r"/Microsoft\.CognitiveServices/accounts/([^/]+)", identifier, re.IGNORECASE)
    return match[1] if match else ""


def _interval_s(value: Any, content: Content, line: int) -> float:
    """Return the length of an interval [s] such as ``PT1H`` or ``1:00:00``."""
    text = str(value)
    match = _INTERVAL.fullmatch(text) or _CLOCK.fullmatch(text)
    parts = {name: int(part or 0) for name, part in match.groupdict().items()} if match else {}
    seconds = 60 * (60 * (24 * parts.get("days", 0) + parts.get("hours", 0)))
    seconds += 60 * parts.get("minutes", 0) + parts.get("seconds", 0)
    if not seconds:
        fail(content.path, line, 1, f"interval must be a duration such as PT1H, not {text[:40]!r}")
    return float(seconds)


AZURE_METRICS = ExportFormat(
    "azure-metrics",
    "Azure Monitor metrics of Azure OpenAI and Foundry: JSON of az monitor metrics list",
    _matches,
    _buckets,
)
