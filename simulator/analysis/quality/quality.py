"""Cost of a correct answer: success, tokens and money of models on the same tasks.

A model's cost per correct answer is its mean cost divided by its success rate; failures are paid
for, too. A task counts once, however many runs it has. Intervals are of 95 %: Wilson's for rates,
the delta method on the logarithm for ratios, and for two models on the same tasks a bootstrap over
tasks, which keeps the pairs. A quantity that a log does not state for every run of a model is NaN,
never zero.
"""

import math
from collections.abc import Iterable
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
from simulator.errors import InputError
from simulator.normal import Z_95
from simulator.rng import stream

RESAMPLES = 2000
"""Number of bootstrap samples."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A number and its 95 % interval; NaN if it is not known."""

    value: float
    low: float = np.nan
    high: float = np.nan


@dataclass(frozen=True, slots=True)
class TaskRuns:
    """Runs of models on tasks, one row each; NaN if a run does not state a quantity."""

    models: tuple[str, ...]
    """Names of the models."""
    tasks: tuple[str, ...]
    """Names of the tasks."""
    model: NDArray[np.int64]
    """Index into ``models``. (n_runs,)"""
    task: NDArray[np.int64]
    """Index into ``tasks``. (n_runs,)"""
    success: NDArray[np.bool_]
    """Whether the run solved its task. (n_runs,)"""
    input_tok: NDArray[np.float64]
    """Input tokens of all attempts, including cached ones. (n_runs,)"""
    output_tok: NDArray[np.float64]
    """Output tokens of all attempts, including reasoning. (n_runs,)"""
    reasoning_tok: NDArray[np.float64]
    """Reasoning tokens of all attempts. (n_runs,)"""
    cached_tok: NDArray[np.float64]
    """Cached input tokens of all attempts. (n_runs,)"""
    attempts: NDArray[np.float64]
    """Number of attempts. (n_runs,)"""
    seconds: NDArray[np.float64]
    """Duration [s]. (n_runs,)"""
    usd: NDArray[np.float64]
    """Cost [USD]. (n_runs,)"""


@dataclass(frozen=True, slots=True)
class SuccessRow:
    """Published results of a model on a benchmark, without single tasks."""

    model: str
    """Name of the model."""
    tasks: int
    """Number of tasks."""
    solved: tuple[int, ...]
    """Tasks solved within one attempt, two attempts, and so on; the last is the result."""
    input_tok: float = np.nan
    """Input tokens per task."""
    output_tok: float = np.nan
    """Output tokens per task."""
    usd: float = np.nan
    """Cost per task [USD]."""
    seconds: float = np.nan
    """Duration per task [s]."""
    date: str = ""
    """Date of the measurement."""


@dataclass(frozen=True, slots=True)
class SuccessTable:
    """Aggregated results of several models on the same tasks."""

    rows: tuple[SuccessRow, ...]
    source: str = ""
    licence: str = ""
    as_of: str = ""

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models."""
        return tuple(row.model for row in self.rows)


@dataclass(frozen=True, slots=True)
class Score:
    """Success rate and mean consumption of one model."""

    model: str
    """Name of the model."""
    tasks: int
    """Number of tasks."""
    success: Figure
    """Share of tasks solved."""
    first_try: float
    """Share of tasks solved by the first attempt."""
    input_tok: float
    """Input tokens per task."""
    output_tok: float
    """Output tokens per task, including reasoning."""
    reasoning_tok: float
    """Reasoning tokens per task."""
    cached_tok: float
    """Cached input tokens per task."""
    usd: float
    """Cost per task [USD]."""
    seconds: float
    """Duration per task [s]."""
    usd_per_correct: Figure
    """Cost of a correct answer [USD]."""


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


@dataclass(frozen=True, slots=True)
class _Tasks:
    """Means over a model's runs of each task, (n_tasks,) each."""

    task: NDArray[np.int64]
    runs: NDArray[np.int64]
    solved: NDArray[np.float64]
    first_try: NDArray[np.float64]
    input_tok: NDArray[np.float64]
    output_tok: NDArray[np.float64]
    reasoning_tok: NDArray[np.float64]
    cached_tok: NDArray[np.float64]
    usd: NDArray[np.float64]
    seconds: NDArray[np.float64]


def wilson(rate: float, trials: float) -> Figure:
    """Return a success rate with Wilson's score interval.

    Parameters
    ----------
    rate : float
        Successes divided by trials.
    trials : float
        Number of independent trials; not a whole number if repeated runs of a task count for less.
    """
    spread = Z_95**2 / trials
    middle = (rate + spread / 2) / (1 + spread)
    half = Z_95 * math.sqrt(rate * (1 - rate) / trials + spread / (4 * trials)) / (1 + spread)
    # Rounding must not move the ends to the wrong side of rates of zero and one.
    return Figure(rate, min(rate, max(0.0, middle - half)), max(rate, min(1.0, middle + half)))


def scores(results: TaskRuns | SuccessTable) -> list[Score]:
    """Return the score of each model, in the order of the results."""
    if isinstance(results, SuccessTable):
        return [_published(row) for row in results.rows]
    return [_logged(name, _by_task(results, k)) for k, name in enumerate(results.models)]


def _published(row: SuccessRow) -> Score:
    """Return the score of a published row."""
    success = wilson(row.solved[-1] / row.tasks, row.tasks)
    first = row.solved[0] / row.tasks if len(row.solved) > 1 else np.nan
    # Costs of single tasks are unknown, so only the uncertainty of the rate can be propagated.
    ends = (_ratio(row.usd, r) for r in (success.value, success.high, success.low))
    return Score(
        row.model, row.tasks, success, first, row.input_tok, row.output_tok, np.nan, np.nan,
        row.usd, row.seconds, Figure(*ends),
    )  # fmt: skip


def _logged(name: str, tasks: _Tasks) -> Score:
    """Return the score of a model from the means of its tasks."""
    usd, rate = _mean(tasks.usd), _mean(tasks.solved)
    return Score(
        name,
        len(tasks.task),
        wilson(rate, _independent_trials(tasks)),
        _mean(tasks.first_try),
        _mean(tasks.input_tok),
        _mean(tasks.output_tok),
        _mean(tasks.reasoning_tok),
        _mean(tasks.cached_tok),
        usd,
        _mean(tasks.seconds),
        _usd_per_correct(tasks, usd, rate),
    )


def _independent_trials(tasks: _Tasks) -> float:
    """Return the number of independent trials that is as informative as all runs."""
    rate, count = float(tasks.solved.mean()), len(tasks.solved)
    spread = float(tasks.solved.var())
    if spread == 0.0:
        return float(count)
    return min(rate * (1 - rate) * count / spread, float(tasks.runs.sum()))


def _usd_per_correct(tasks: _Tasks, usd: float, rate: float) -> Figure:
    """Return the cost of a correct answer, with its interval by the delta method."""
    value = _ratio(usd, rate)
    if not (np.isfinite(value) and value > 0.0 and len(tasks.task) > 1):
        return Figure(value)
    influence = tasks.usd / usd - tasks.solved / rate
    half_width = Z_95 * float(influence.std(ddof=1)) / math.sqrt(len(influence))
    return Figure(value, value * math.exp(-half_width), value * math.exp(half_width))


def _by_task(runs: TaskRuns, model: int) -> _Tasks:
    """Return the means over a model's runs of each task."""
    rows = np.flatnonzero(runs.model == model)
    task, task_index, count = np.unique(runs.task[rows], return_inverse=True, return_counts=True)

    def mean(column: NDArray) -> NDArray[np.float64]:
        return np.bincount(task_index, column[rows].astype(np.float64)) / count

    first = np.where(np.isnan(runs.attempts), np.nan, runs.success & (runs.attempts <= 1))
    return _Tasks(
        task, count, mean(runs.success), mean(first), mean(runs.input_tok), mean(runs.output_tok),
        mean(runs.reasoning_tok), mean(runs.cached_tok), mean(runs.usd), mean(runs.seconds),
    )  # fmt: skip


def _take(tasks: _Tasks, common: NDArray[np.int64]) -> _Tasks:
    """Return some of the tasks."""
    rows = np.searchsorted(tasks.task, common)
    return _Tasks(*(getattr(tasks, name)[rows] for name in _Tasks.__slots__))


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
        return _unpaired(_published(by_name[first]), _published(by_name[second]))
    a, b = (_by_task(results, results.models.index(name)) for name in (first, second))
    common = np.intersect1d(a.task, b.task)
    if not len(common):
        raise InputError(f"{first!r} and {second!r} have no task in common")
    a, b = _take(a, common), _take(b, common)
    return _paired(_logged(first, a), _logged(second, b), a, b, seed)


def _unpaired(first: Score, second: Score) -> Comparison:
    """Compare published figures; intervals hold unless successes correlate negatively."""
    return Comparison(
        first,
        second,
        min(first.tasks, second.tasks),
        _difference(first.success, second.success),
        _difference(first.usd_per_correct, second.usd_per_correct),
        Figure(_ratio(second.output_tok, first.output_tok)),
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


def _paired(first: Score, second: Score, a: _Tasks, b: _Tasks, seed: int) -> Comparison:
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


def _bootstrap_differences(a: _Tasks, b: _Tasks, seed: int) -> tuple[Figure, Figure, Figure]:
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


def cheapest_first(scored: Iterable[Score]) -> list[Score]:
    """Return scores in the order of cost per correct answer.

    Scores without a cost follow, the best success rate first.
    """

    def key(score: Score) -> tuple[bool, float, float]:
        value = score.usd_per_correct.value
        is_known = bool(np.isfinite(value))
        return not is_known, value if is_known else 0.0, -score.success.value

    return sorted(scored, key=key)


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean())


def _ratio(one: float, other: float) -> float:
    return one / other if other > 0.0 else np.nan
