"""Series of samples in answers of Prometheus.

Source: Prometheus documentation, HTTP API, "Range queries" and "Range vectors", read on 2026-11-28.
``promtool query range -o json`` prints the list ``result`` of an answer alone.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.files.numbers import abbreviated, number_or_nan
from simulator.files.text import Source
from simulator.traffic.usage.buckets import Notices
from simulator.traffic.usage.export_format import has_all
from simulator.traffic.usage.metrics.points import refuse, shown_moment

_LAST_S = 1e11
"""Latest moment that is read [s since 1970]; a later one is probably in milliseconds."""
_TARGET = ("job", "cluster", "namespace", "pod", "instance")


@dataclass(frozen=True, slots=True)
class Series:
    """Samples of one metric with one set of labels, in the order of time."""

    name: str
    labels: dict[str, str]
    times_s: NDArray[np.float64]
    """Moments of the samples [s since 1970, UTC]. (n_samples,)"""
    values: NDArray[np.float64]
    """Values of the samples. (n_samples,)"""
    line: int

    @property
    def target(self) -> tuple[str, ...] | None:
        """Return the labels of the process that was scraped, or None if they were aggregated."""
        if "instance" not in self.labels:
            return None
        return tuple(self.labels.get(name, "") for name in _TARGET)

    @property
    def shown(self) -> str:
        """Return name and labels for a message."""
        inner = ", ".join(f'{name}="{value}"' for name, value in sorted(self.labels.items()))
        return f"{self.name}{{{inner}}}" if inner else self.name


def is_answer(document: Any) -> bool:
    """Return whether a document is an answer of Prometheus, or a list of its series."""
    if isinstance(document, list):
        return bool(document) and is_answer(document[0])
    if has_all(document, ["status"]):
        return has_all(document.get("data"), ["resultType", "result"]) or has_all(
            document, ["errorType", "error"]
        )
    return has_all(document, ["resultType", "result"]) or _is_series(document)


def _is_series(document: Any) -> bool:
    return (
        has_all(document, ["metric"])
        and isinstance(document["metric"], dict)
        and any(name in document for name in ("values", "value", "histograms"))
    )


def series_of(source: Source, answers: Iterable[tuple[int, Any]], notices: Notices) -> list[Series]:
    """Return the series of answers, each with its line; parts of one series are joined.

    Raises
    ------
    InputError
        If an answer is an error or has no range of samples, or a series has two values at a moment.
    """
    parts: dict[tuple[str, tuple[tuple[str, str], ...]], list[Series]] = {}
    for line, answer in answers:
        for record in _records(source, line, answer, notices):
            if "values" not in record:
                _refuse_without_values(source, line, record, notices)
                continue
            series = _series(source, line, record)
            key = (series.name, tuple(sorted(series.labels.items())))
            parts.setdefault(key, []).append(series)
    return [joined(source, same) for same in parts.values()]


def _records(source: Source, line: int, answer: Any, notices: Notices) -> Iterator[dict[str, Any]]:
    """Yield the series of an answer, as they are in it."""
    if isinstance(answer, list):
        for part in answer:
            yield from _records(source, line, part, notices)
    elif _is_series(answer):
        yield answer
    elif has_all(answer, ["resultType", "result"]):
        kind, result = answer["resultType"], answer["result"]
        if kind != "matrix" or not isinstance(result, list):
            message = f"the resultType must be matrix, not {abbreviated(kind)}"
            refuse(source, line, f"{message}; ask query_range")
        for record in result:
            if not _is_series(record):
                refuse(source, line, "a series must have metric and values")
            yield record
    elif has_all(answer, ["status", "data"]) and answer["status"] == "success":
        for text in _texts(answer.get("warnings")) + _texts(answer.get("infos")):
            notices.remark(f"Prometheus says: {text}")
        yield from _records(source, line, answer["data"], notices)
    elif has_all(answer, ["status", "error"]):
        refuse(source, line, f"Prometheus answered with an error: {answer['error']}")
    else:
        refuse(source, line, "expected an answer of query_range, or a list of series")


def _texts(value: Any) -> list[str]:
    return [str(text) for text in value] if isinstance(value, list) else []


def _refuse_without_values(
    source: Source, line: int, record: dict[str, Any], notices: Notices
) -> None:
    """Count a native histogram, and refuse a single moment."""
    if "histograms" not in record:
        refuse(source, line, "a series has one value and no range of them; ask query_range")
    notices.leave_out(f"native histograms of {record['metric'].get('__name__', 'no name')}")


def _series(source: Source, line: int, record: dict[str, Any]) -> Series:
    labels = {str(name): str(value) for name, value in record["metric"].items()}
    name = labels.pop("__name__", "")
    if not name:
        message = "a series has no name, as after rate(), increase() or sum()"
        refuse(source, line, f"{message}; query counters such as vllm:prompt_tokens_total")
    values = record["values"]
    if not isinstance(values, list) or not all(isinstance(v, list) and len(v) == 2 for v in values):
        refuse(source, line, f"{name}: values must be pairs of a moment and a value")
    samples = [(number_or_nan(time_s), _value(text)) for time_s, text in values]
    for (time_s, value), pair in zip(samples, values, strict=True):
        if not 0 <= time_s <= _LAST_S or value is None:
            refuse(source, line, f"{name}: {abbreviated(pair)} is no moment in seconds and value")
    # NaN marks a sample that is missing.
    kept = [(t, v) for t, v in samples if v is not None and not math.isnan(v)]
    columns = np.array(kept, np.float64).reshape(-1, 2)
    return Series(name, labels, columns[:, 0], columns[:, 1], line)


def _value(text: Any) -> float | None:
    """Return a value of 0 or more, NaN for one that is missing, and None for anything else."""
    if text == "NaN":
        return math.nan
    number = number_or_nan(text)
    return number if number >= 0 else None


def joined(source: Source, parts: list[Series]) -> Series:
    """Return a series from its parts, which may overlap."""
    first = parts[0]
    times_s = np.concatenate([part.times_s for part in parts])
    values = np.concatenate([part.values for part in parts])
    order = np.argsort(times_s, kind="stable")
    times_s, values = times_s[order], values[order]
    repeated = np.diff(times_s) == 0
    differing = np.flatnonzero(repeated & (np.diff(values) != 0))
    if len(differing):
        message = f"{first.shown} has two values at {shown_moment(times_s[differing[0]])}"
        refuse(source, first.line, message)
    kept = np.concatenate([[True], ~repeated]) if len(times_s) else np.ones(0, bool)
    return Series(first.name, first.labels, times_s[kept], values[kept], first.line)
