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

from simulator.normal import Z_95


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
class Tasks:
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
        return [published_score(row) for row in results.rows]
    return [logged_score(name, tasks_of(results, k)) for k, name in enumerate(results.models)]


def published_score(row: SuccessRow) -> Score:
    """Return the score of a published row."""
    success = wilson(row.solved[-1] / row.tasks, row.tasks)
    first = row.solved[0] / row.tasks if len(row.solved) > 1 else np.nan
    # Costs of single tasks are unknown, so only the uncertainty of the rate can be propagated.
    ends = (ratio_of(row.usd, r) for r in (success.value, success.high, success.low))
    return Score(
        row.model, row.tasks, success, first, row.input_tok, row.output_tok, np.nan, np.nan,
        row.usd, row.seconds, Figure(*ends),
    )  # fmt: skip


def logged_score(name: str, tasks: Tasks) -> Score:
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


def _independent_trials(tasks: Tasks) -> float:
    """Return the number of independent trials that is as informative as all runs."""
    rate, count = float(tasks.solved.mean()), len(tasks.solved)
    spread = float(tasks.solved.var())
    if spread == 0.0:
        return float(count)
    return min(rate * (1 - rate) * count / spread, float(tasks.runs.sum()))


def _usd_per_correct(tasks: Tasks, usd: float, rate: float) -> Figure:
    """Return the cost of a correct answer, with its interval by the delta method."""
    value = ratio_of(usd, rate)
    if not (np.isfinite(value) and value > 0.0 and len(tasks.task) > 1):
        return Figure(value)
    influence = tasks.usd / usd - tasks.solved / rate
    half_width = Z_95 * float(influence.std(ddof=1)) / math.sqrt(len(influence))
    return Figure(value, value * math.exp(-half_width), value * math.exp(half_width))


def tasks_of(runs: TaskRuns, model: int) -> Tasks:
    """Return the means over a model's runs of each task."""
    rows = np.flatnonzero(runs.model == model)
    task, task_index, count = np.unique(runs.task[rows], return_inverse=True, return_counts=True)

    def mean(column: NDArray) -> NDArray[np.float64]:
        return np.bincount(task_index, column[rows].astype(np.float64)) / count

    first = np.where(np.isnan(runs.attempts), np.nan, runs.success & (runs.attempts <= 1))
    return Tasks(
        task, count, mean(runs.success), mean(first), mean(runs.input_tok), mean(runs.output_tok),
        mean(runs.reasoning_tok), mean(runs.cached_tok), mean(runs.usd), mean(runs.seconds),
    )  # fmt: skip


def take_tasks(tasks: Tasks, common: NDArray[np.int64]) -> Tasks:
    """Return some of the tasks."""
    rows = np.searchsorted(tasks.task, common)
    return Tasks(*(getattr(tasks, name)[rows] for name in Tasks.__slots__))


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


def ratio_of(one: float, other: float) -> float:
    """Return a ratio, NaN over zero."""
    return one / other if other > 0.0 else np.nan
