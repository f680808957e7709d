"""Increases of counters between samples.

A counter only grows; a value below the one before means that the process restarted, and so counted
from zero. Nothing is inferred for spans without samples.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.files.text import Source
from simulator.traffic.usage.metrics.points import period_s, refuse
from simulator.traffic.usage.metrics.series import Series

_LEAST_DROPS = 4
_DROPPING_SHARE = 1 / 3
"""Share of steps at which a series may decrease; one that does so more often is no counter."""
_RECORDED = re.compile(r"(?P<metric>.+):(?P<kind>rate|increase)(?P<count>\d{1,6})(?P<unit>[smhdw])")
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


@dataclass(frozen=True, slots=True)
class Increases:
    """Increases of one counter, or of several of one process, in steps of equal length."""

    begin_s: NDArray[np.float64]
    """Begins of the steps [s since 1970, UTC]. (n_steps,)"""
    amounts: NDArray[np.float64]
    """Increase in each step. (n_steps,) or (n_counters, n_steps)"""
    missing: int
    """Number of steps between the first and the last sample that lack a sample."""
    restarts: int
    """Number of steps in which the process restarted, so that what it counted before that in the
    step is unknown."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A recording rule that holds rates or increases, as its name tells."""

    metric: str
    """Name of the counter, perhaps after a level of aggregation."""
    is_rate: bool
    window_s: float


def rule_of(name: str) -> Recorded | None:
    """Return what a name such as ``vllm:prompt_tokens_total:increase1h`` tells, or None."""
    match = _RECORDED.fullmatch(name)
    if match is None:
        return None
    window_s = float(int(match["count"]) * _UNITS_S[match["unit"]])
    return Recorded(match["metric"], match["kind"] == "rate", window_s)


def common_step_s(series: Sequence[Series], source: Source) -> float:
    """Return the distance of samples, which is the same in all series [s].

    Raises
    ------
    InputError
        If no series has two samples, or the samples of some are at other moments.
    """
    sampled = [one for one in series if len(one.times_s)]
    step_s = period_s(one.times_s for one in sampled)
    if not step_s > 0:
        line = sampled[0].line if sampled else 1
        refuse(source, line, "no series has two samples, so that nothing can be counted")
    origin_s = sampled[0].times_s[0]
    shortest_s: dict[str, tuple[float, Series]] = {}
    for one in sampled:
        offsets_ms = np.round((one.times_s - origin_s) * 1000) % round(step_s * 1000)
        if np.any(offsets_ms):
            message = f"{one.shown} has samples at other moments than {sampled[0].shown}"
            refuse(source, one.line, f"{message}; ask for all metrics with one start and step")
        if len(one.times_s) > 1:
            distance_s = float(np.min(np.diff(one.times_s)))
            shortest_s[one.name] = min(
                shortest_s.get(one.name, (np.inf, one)), (distance_s, one), key=lambda pair: pair[0]
            )
    for name, (distance_s, one) in shortest_s.items():
        if round(distance_s * 1000) != round(step_s * 1000):
            message = f"{name} has samples every {distance_s:g} s, others every {step_s:g} s"
            refuse(source, one.line, f"{message}; ask for all metrics with one step")
    return step_s


def check_counter(series: Series, source: Source) -> None:
    """Raise InputError for a series that decreases too often for a counter."""
    drops = int(np.sum(np.diff(series.values) < 0))
    if drops >= _LEAST_DROPS and drops > _DROPPING_SHARE * (len(series.values) - 1):
        steps = len(series.values) - 1
        message = f"{series.shown} decreases at {drops} of {steps} steps, and so is no counter"
        refuse(source, series.line, f"{message}; query it without rate() or increase()")


def increases(
    times_s: NDArray[np.float64],
    values: NDArray[np.float64],
    step_s: float,
    before_ms: set[int] | None,
) -> Increases | None:
    """Return the increases of counters of one process, sampled at the same moments.

    Parameters
    ----------
    times_s : ndarray
        Moments of the samples [s since 1970, UTC]. (n_samples,)
    values : ndarray
        Values of one counter, or of several that start together. (n_samples,) or
        (n_counters, n_samples)
    step_s : float
        Distance of samples [s].
    before_ms : set of int, optional
        Moments at which the process had samples of any metric [ms since 1970, UTC], or None if the
        process is unknown. A counter that appears in a process that had samples one step earlier
        has counted from zero since then.

    Returns
    -------
    Increases or None
        None if there are no samples.
    """
    if not len(times_s):
        return None
    differences = np.diff(values, axis=-1)
    restarts = differences < 0 if values.ndim == 1 else np.any(differences < 0, axis=0)
    amounts = np.where(restarts, values[..., 1:], differences)
    steps = np.round(np.diff(times_s) / step_s)
    kept = steps == 1
    restarted = int(np.sum(restarts & kept))
    begin_s, amounts = times_s[:-1][kept], amounts[..., kept]
    if before_ms is not None and round((times_s[0] - step_s) * 1000) in before_ms:
        begin_s = np.concatenate([[times_s[0] - step_s], begin_s])
        amounts = np.concatenate([values[..., :1], amounts], axis=-1)
    return Increases(begin_s, amounts, int(np.sum(steps[~kept])), restarted)


def moments_of_targets(series: Iterable[Series]) -> dict[tuple[str, ...], set[int]]:
    """Return the moments at which each process has samples of any metric [ms since 1970, UTC]."""
    found: dict[tuple[str, ...], set[int]] = {}
    for one in series:
        if one.target is not None:
            moments_ms = np.round(one.times_s * 1000).astype(np.int64).tolist()
            found.setdefault(one.target, set()).update(moments_ms)
    return found
