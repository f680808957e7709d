"""Comparison of two models on the same tasks, and cascades of the two."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

from simulator.analysis.quality.difficulty import (
    DEFAULT_CORRELATION,
    Fit,
    expected_chain,
    fit_outcomes,
)
from simulator.analysis.quality.quality import (
    Figure,
    Score,
    SuccessTable,
    TaskRuns,
    Tasks,
    logged_score,
    published_score,
    ratio_of,
    take_tasks,
    tasks_of,
)
from simulator.errors import InputError
from simulator.rng import stream

RESAMPLES = 2000
"""Number of bootstrap samples."""


@dataclass(frozen=True, slots=True)
class CascadeScore:
    """Two models in order: the second is called where a failure of the first is detected."""

    success: float
    """Share of tasks solved."""
    second_calls: float
    """Calls of the second model per task."""
    usd: float
    """Cost per task [USD]."""

    @property
    def usd_per_correct(self) -> float:
        """Cost of a correct answer [USD]."""
        return self.usd / self.success if self.success > 0.0 else np.inf


@dataclass(frozen=True, slots=True)
class Comparison:
    """Comparison of two models on the same tasks; differences are the second less the first."""

    first: Score
    second: Score
    tasks: int
    """Number of common tasks, if single tasks are known."""
    success_difference: Figure
    """Difference of the success rates."""
    usd_per_correct_difference: Figure
    """Difference of the costs of a correct answer [USD]."""
    verbosity: Figure
    """Output tokens per task of the second model, relative to the first."""
    discordant: tuple[int, int] | None
    """Number of tasks that only the first, and only the second model solves; None unless each task
    has one run of each model."""
    p_value: float
    """Probability of such a difference between equally good models (McNemar's exact test)."""
    correlation: Fit | None
    """Correlation due to difficulty, fitted to the pair."""
    cascades: dict[str, CascadeScore]
    """Cascade of the two models, by assumption: ``independent``, ``shared difficulty`` (at the
    shipped correlation), and ``as logged`` if single tasks are known."""


def compare(results: TaskRuns | SuccessTable, first: str, second: str, seed: int = 0) -> Comparison:
    """Compare two models; if single tasks are known, on the tasks that both of them ran.

    Parameters
    ----------
    results : Runs or SuccessTable
        Results that contain both models.
    first, second : str
        Names of the models in the results.
    seed : int
        Seed of the bootstrap.

    Raises
    ------
    InputError
        When the models have no task in common.
    """
    if isinstance(results, SuccessTable):
        by_name = {row.model: row for row in results.rows}
        return _unpaired(published_score(by_name[first]), published_score(by_name[second]))
    a, b = (tasks_of(results, results.models.index(name)) for name in (first, second))
    common = np.intersect1d(a.task, b.task)
    if not len(common):
        raise InputError(f"{first!r} and {second!r} have no task in common")
    a, b = take_tasks(a, common), take_tasks(b, common)
    return _paired(logged_score(first, a), logged_score(second, b), a, b, seed)


def _unpaired(first: Score, second: Score) -> Comparison:
    """Compare published figures; intervals hold unless successes correlate negatively."""
    return Comparison(
        first,
        second,
        min(first.tasks, second.tasks),
        _difference(first.success, second.success),
        _difference(first.usd_per_correct, second.usd_per_correct),
        Figure(ratio_of(second.output_tok, first.output_tok)),
        None,
        np.nan,
        None,
        _expected_cascades(first, second),
    )


def _difference(first: Figure, second: Figure) -> Figure:
    """Return the second figure less the first, with both intervals (Newcombe 1998, method 10)."""
    value = second.value - first.value
    below = np.hypot(second.value - second.low, first.high - first.value)
    above = np.hypot(second.high - second.value, first.value - first.low)
    return Figure(value, float(value - below), float(value + above))


def _paired(first: Score, second: Score, a: Tasks, b: Tasks, seed: int) -> Comparison:
    """Compare two models task by task."""
    success, cost, verbosity = _bootstrap_differences(a, b, seed)
    once = bool((a.runs == 1).all() and (b.runs == 1).all())
    only_first = int((a.solved > b.solved).sum())
    only_second = int((a.solved < b.solved).sum())
    fails = 1.0 - a.solved
    logged = CascadeScore(
        float((1.0 - fails * (1.0 - b.solved)).mean()),
        float(fails.mean()),
        float((a.usd + fails * b.usd).mean()),
    )
    return Comparison(
        first,
        second,
        len(a.task),
        success,
        cost,
        verbosity,
        (only_first, only_second) if once else None,
        _mcnemar(only_first, only_second) if once else np.nan,
        fit_outcomes(a.solved, b.solved),
        {**_expected_cascades(first, second), "as logged": logged},
    )


def _mcnemar(only_first: int, only_second: int) -> float:
    """Return the p-value of McNemar's exact test."""
    trials = only_first + only_second
    return min(1.0, 2.0 * float(bdtr(min(only_first, only_second), trials, 0.5)))


def _bootstrap_differences(a: Tasks, b: Tasks, seed: int) -> tuple[Figure, Figure, Figure]:
    """Return differences of success and cost per correct answer, and verbosity, by bootstrap."""
    columns = np.stack([a.solved, b.solved, a.usd, b.usd, a.output_tok, b.output_tok], axis=1)
    size = len(columns)
    rng = stream(seed, "quality/tasks")
    means = np.array([columns[rng.integers(0, size, size)].mean(0) for _ in range(RESAMPLES)])
    figures_at_means = _differences(columns.mean(0)[None, :])
    if size < 2:
        figures = [Figure(float(v[0])) for v in figures_at_means]
    else:
        resampled = _differences(means)
        figures = [
            _with_interval(float(v[0]), d) for v, d in zip(figures_at_means, resampled, strict=True)
        ]
    return figures[0], figures[1], figures[2]


def _differences(means: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Return these three figures for rows of mean columns. (n,) each"""
    solved1, solved2, usd1, usd2, output1, output2 = means.T
    with np.errstate(divide="ignore", invalid="ignore"):
        return solved2 - solved1, usd2 / solved2 - usd1 / solved1, output2 / output1


def _with_interval(value: float, drawn: NDArray[np.float64]) -> Figure:
    """Return a figure with its percentile interval; no interval if a draw is undefined."""
    if not np.isfinite(drawn).all():
        return Figure(value)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Figure(value, float(low), float(high))


def _expected_cascades(first: Score, second: Score) -> dict[str, CascadeScore]:
    """Return the expected cascade of two models, by assumption about difficulty, at mean costs."""
    correlations = {"independent": 0.0, "shared difficulty": DEFAULT_CORRELATION}
    cascades = {}
    for name, correlation in correlations.items():
        chain_result = expected_chain((first.success.value, second.success.value), correlation)
        usd = first.usd + chain_result.calls[1] * second.usd
        cascades[name] = CascadeScore(chain_result.success, chain_result.calls[1], usd)
    return cascades
