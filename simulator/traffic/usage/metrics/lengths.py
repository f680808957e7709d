"""Distributions of the lengths of prompts and completions, from histograms in Prometheus.

A histogram has a counter for each upper edge, ``le``, which counts all calls up to that length.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from simulator.files.numbers import number_or_nan
from simulator.files.text import Source
from simulator.traffic.usage.buckets import Group, LengthHistogram, Lengths, Notices
from simulator.traffic.usage.metrics.choosing import Chosen, chosen_from
from simulator.traffic.usage.metrics.counters import common_step_s, increases, moments_of_targets
from simulator.traffic.usage.metrics.points import PROMPT, refuse
from simulator.traffic.usage.metrics.series import Series, joined

_Process = dict[float, list[Series]]
"""Series of the histogram of one process, by upper edge."""


def lengths_of(series: Sequence[Series], source: Source, notices: Notices) -> dict[Group, Lengths]:
    """Return the distributions of lengths of each group that has any.

    Raises
    ------
    InputError
        If a histogram is incomplete or contradicts itself.
    """
    choice = chosen_from(series, source, notices)
    if not choice.lengths:
        return {}
    step_s = common_step_s([c.series for c in (*choice.sums, *choice.lengths)], source)
    targets = moments_of_targets(series)
    histograms: dict[tuple[Group, str], LengthHistogram] = {}
    for key, members in _by_histogram(choice.lengths).items():
        counted = [
            _cumulative(process, step_s, targets, source) for process in _processes(members, source)
        ]
        histogram = _histogram([c for c in counted if c], members[0].series, source)
        if histogram is not None:
            histograms[key] = histogram
    groups = sorted({group for group, _ in histograms})
    return {
        group: Lengths(histograms.get((group, PROMPT)), histograms.get((group, "completion_tok")))
        for group in groups
    }


def _by_histogram(members: Iterable[Chosen]) -> dict[tuple[Group, str], list[Chosen]]:
    found: dict[tuple[Group, str], list[Chosen]] = {}
    for member in members:
        found.setdefault((member.group, member.column), []).append(member)
    return found


def _processes(members: Iterable[Chosen], source: Source) -> list[_Process]:
    """Return the series of each process by upper edge."""
    found: dict[tuple[tuple[str, str], ...], _Process] = {}
    for member in members:
        one = member.series
        text = one.labels.get("le", "")
        edge = math.inf if text == "+Inf" else number_or_nan(text)
        if math.isnan(edge):
            refuse(source, one.line, f"{one.name}: le must be a number or +Inf, not {text!r}")
        rest = tuple(sorted((n, v) for n, v in one.labels.items() if n != "le"))
        # Versions of Prometheus write the same edge as 1 and as 1.0.
        found.setdefault(rest, {}).setdefault(edge, []).append(one)
    return list(found.values())


def _cumulative(
    process: _Process,
    step_s: float,
    targets: dict[tuple[str, ...], set[int]],
    source: Source,
) -> dict[float, float]:
    """Return the number of calls up to each edge in the histogram of one process."""
    edges = sorted(process)
    series = [joined(source, process[edge]) for edge in edges]
    if not math.isinf(edges[-1]):
        refuse(source, series[0].line, f'{series[0].name} has no series with le="+Inf"')
    times_s = series[0].times_s
    for one in series[1:]:
        times_s = np.intersect1d(times_s, one.times_s)
    values = np.array([one.values[np.isin(one.times_s, times_s)] for one in series])
    target = series[0].target
    found = increases(times_s, values, step_s, targets[target] if target is not None else None)
    if found is None:
        return {}
    return dict(zip(edges, found.amounts.sum(axis=1).tolist(), strict=True))


def _histogram(
    counted: Sequence[dict[float, float]], first: Series, source: Source
) -> LengthHistogram | None:
    """Return the sum of histograms, with the edges that all of them have; None if it is empty."""
    if not counted:
        return None
    edges = sorted(set.intersection(*(set(one) for one in counted)))
    cumulative: NDArray[np.float64] = np.array(
        [sum(one[edge] for one in counted) for edge in edges], np.float64
    )
    counts = np.diff(cumulative, prepend=0.0)
    if np.any(counts < 0):
        edge = edges[int(np.argmin(counts))]
        message = f"fewer calls up to {edge:g} tokens than up to the edge before"
        refuse(source, first.line, f"{first.name}: {message}")
    if len(edges) < 2 or not cumulative[-1] > 0:
        return None
    return LengthHistogram(np.array(edges, np.float64), counts)
