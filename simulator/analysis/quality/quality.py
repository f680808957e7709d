"""What a correct answer costs: success, tokens and money of models on the same tasks.

A model's cost per correct answer is its mean cost over its success rate, failures paid like the
rest. A task counts once however many runs it has. Intervals are of 95 %: Wilson's for rates, the
delta method on the logarithm for ratios, and for two models on the same tasks a bootstrap over
tasks, which keeps the pairs. What a log does not tell of every run of a model is NaN, never zero.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

from simulator.analysis.quality.difficulty import (
    DEFAULT_CORRELATION,
    Z_95,
    Fit,
    chain,
    fit_outcomes,
)
from simulator.errors import InputError
from simulator.rng import stream

RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Figure:
    """A number and its 95 % interval; NaN where it is not known."""

    value: float
    low: float = np.nan
    high: float = np.nan


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs of models at tasks, one row each; NaN is what a run does not tell."""

    models: tuple[str, ...]
    tasks: tuple[str, ...]
    model: NDArray[np.int64]
    """Index into ``models``. (n_runs,)"""
    task: NDArray[np.int64]
    """Index into ``tasks``. (n_runs,)"""
    success: NDArray[np.bool_]
    """(n_runs,)"""
    input_tok: NDArray[np.float64]
    """Of all attempts, cached tokens included. (n_runs,)"""
    output_tok: NDArray[np.float64]
    """Of all attempts, reasoning included. (n_runs,)"""
    reasoning_tok: NDArray[np.float64]
    cached_tok: NDArray[np.float64]
    attempts: NDArray[np.float64]
    seconds: NDArray[np.float64]
    usd: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SuccessRow:
    """What a benchmark publishes of a model: no single tasks."""

    model: str
    tasks: int
    solved: tuple[int, ...]
    """Tasks solved within one attempt, two, ...; the last is the result."""
    input_tok: float = np.nan
    """Per task, as all that follow."""
    output_tok: float = np.nan
    usd: float = np.nan
    seconds: float = np.nan
    date: str = ""
    """Of the measurement."""


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
    """One model: how often it is right, and what for."""

    model: str
    tasks: int
    success: Figure
    first_try: float
    """Share solved by the first attempt."""
    input_tok: float
    """Per task, as all that follow but the last."""
    output_tok: float
    reasoning_tok: float
    cached_tok: float
    usd: float
    seconds: float
    usd_per_correct: Figure


@dataclass(frozen=True, slots=True)
class Cascade:
    """The first model, and the second where the first is seen to fail."""

    success: float
    second_calls: float
    """Calls of the second model per task."""
    usd: float
    """Per task."""

    @property
    def usd_per_correct(self) -> float:
        """Cost of a correct answer [USD]."""
        return self.usd / self.success if self.success > 0.0 else np.inf


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models on the same tasks; differences are the second less the first."""

    first: Score
    second: Score
    tasks: int
    """In common, where single tasks are known."""
    success_difference: Figure
    usd_per_correct_difference: Figure
    verbosity: Figure
    """Output tokens per task, the second's over the first's."""
    discordant: tuple[int, int] | None
    """Tasks that only the first, or only the second solves, with one run of each at each task."""
    p_value: float
    """McNemar's exact test of equal success."""
    correlation: Fit | None
    """Of difficulty, fitted to the pair."""
    cascades: dict[str, Cascade]
    """By how it is reckoned: ``independent``, ``shared difficulty`` (at the shipped correlation),
    and ``as logged`` where single tasks are known."""


@dataclass(frozen=True, slots=True)
class _Tasks:
    """Means over a model's runs at each task, (n_tasks,) each."""

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
        Successes over trials.
    trials : float
        Independent ones; no whole number where repeated runs of a task count for less.
    """
    spread = Z_95**2 / trials
    middle = (rate + spread / 2) / (1 + spread)
    half = Z_95 * math.sqrt(rate * (1 - rate) / trials + spread / (4 * trials)) / (1 + spread)
    # Rounding must not put the ends on the wrong side of rates of zero and one.
    return Figure(rate, min(rate, max(0.0, middle - half)), max(rate, min(1.0, middle + half)))


def scores(results: Runs | SuccessTable) -> list[Score]:
    """Return every model's score, in the order of the results."""
    if isinstance(results, SuccessTable):
        return [_published(row) for row in results.rows]
    return [_logged(name, _by_task(results, k)) for k, name in enumerate(results.models)]


def _published(row: SuccessRow) -> Score:
    success = wilson(row.solved[-1] / row.tasks, row.tasks)
    first = row.solved[0] / row.tasks if len(row.solved) > 1 else np.nan
    # Costs of single tasks are not known; only the rate's uncertainty can be passed on.
    ends = (_ratio(row.usd, r) for r in (success.value, success.high, success.low))
    return Score(
        row.model, row.tasks, success, first, row.input_tok, row.output_tok, np.nan, np.nan,
        row.usd, row.seconds, Figure(*ends),
    )  # fmt: skip


def _logged(name: str, tasks: _Tasks) -> Score:
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
    """Trials as informative as the runs, whose outcomes at one task hang together."""
    rate, count = float(tasks.solved.mean()), len(tasks.solved)
    spread = float(tasks.solved.var())
    if spread == 0.0:
        return float(count)
    return min(rate * (1 - rate) * count / spread, float(tasks.runs.sum()))


def _usd_per_correct(tasks: _Tasks, usd: float, rate: float) -> Figure:
    value = _ratio(usd, rate)
    if not (np.isfinite(value) and value > 0.0 and len(tasks.task) > 1):
        return Figure(value)
    pull = tasks.usd / usd - tasks.solved / rate
    half = Z_95 * float(pull.std(ddof=1)) / math.sqrt(len(pull))
    return Figure(value, value * math.exp(-half), value * math.exp(half))


def _by_task(runs: Runs, model: int) -> _Tasks:
    rows = np.flatnonzero(runs.model == model)
    task, place, count = np.unique(runs.task[rows], return_inverse=True, return_counts=True)

    def mean(column: NDArray) -> NDArray[np.float64]:
        return np.bincount(place, column[rows].astype(np.float64)) / count

    first = np.where(np.isnan(runs.attempts), np.nan, runs.success & (runs.attempts <= 1))
    return _Tasks(
        task, count, mean(runs.success), mean(first), mean(runs.input_tok), mean(runs.output_tok),
        mean(runs.reasoning_tok), mean(runs.cached_tok), mean(runs.usd), mean(runs.seconds),
    )  # fmt: skip


def _take(tasks: _Tasks, common: NDArray[np.int64]) -> _Tasks:
    rows = np.searchsorted(tasks.task, common)
    return _Tasks(*(getattr(tasks, name)[rows] for name in _Tasks.__slots__))


def compare(results: Runs | SuccessTable, first: str, second: str, seed: int = 0) -> Comparison:
    """Compare two models, on the tasks that both were given where single tasks are known.

    Parameters
    ----------
    results : Runs or SuccessTable
        That hold both.
    first, second : str
        Names as the results have them.
    seed : int
        Of the bootstrap.

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
    """Compare published figures; intervals hold for any pairing that is not contrary."""
    return Comparison(
        first,
        second,
        min(first.tasks, second.tasks),
        _apart(first.success, second.success),
        _apart(first.usd_per_correct, second.usd_per_correct),
        Figure(_ratio(second.output_tok, first.output_tok)),
        None,
        np.nan,
        None,
        _reckoned(first, second),
    )


def _apart(first: Figure, second: Figure) -> Figure:
    """Return second less first from both intervals (Newcombe 1998, method 10)."""
    value = second.value - first.value
    below = np.hypot(second.value - second.low, first.high - first.value)
    above = np.hypot(second.high - second.value, first.value - first.low)
    return Figure(value, float(value - below), float(value + above))


def _paired(first: Score, second: Score, a: _Tasks, b: _Tasks, seed: int) -> Comparison:
    success, cost, verbosity = _resampled(a, b, seed)
    once = bool((a.runs == 1).all() and (b.runs == 1).all())
    only_first = int((a.solved > b.solved).sum())
    only_second = int((a.solved < b.solved).sum())
    fails = 1.0 - a.solved
    logged = Cascade(
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
        {**_reckoned(first, second), "as logged": logged},
    )


def _mcnemar(only_first: int, only_second: int) -> float:
    trials = only_first + only_second
    return min(1.0, 2.0 * float(bdtr(min(only_first, only_second), trials, 0.5)))


def _resampled(a: _Tasks, b: _Tasks, seed: int) -> tuple[Figure, Figure, Figure]:
    """Return differences of success and of cost per correct, and verbosity, over drawn tasks."""
    columns = np.stack([a.solved, b.solved, a.usd, b.usd, a.output_tok, b.output_tok], axis=1)
    size = len(columns)
    rng = stream(seed, "quality/tasks")
    means = np.array([columns[rng.integers(0, size, size)].mean(0) for _ in range(RESAMPLES)])
    found = _differences(columns.mean(0)[None, :])
    if size < 2:
        figures = [Figure(float(v[0])) for v in found]
    else:
        drawn = _differences(means)
        figures = [_spread(float(v[0]), d) for v, d in zip(found, drawn, strict=True)]
    return figures[0], figures[1], figures[2]


def _differences(means: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Return what ``_resampled`` does, for rows of mean columns. (n,) each"""
    solved1, solved2, usd1, usd2, output1, output2 = means.T
    with np.errstate(divide="ignore", invalid="ignore"):
        return solved2 - solved1, usd2 / solved2 - usd1 / solved1, output2 / output1


def _spread(value: float, drawn: NDArray[np.float64]) -> Figure:
    """Return a figure with its percentile interval; none where a draw says nothing."""
    if not np.isfinite(drawn).all():
        return Figure(value)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Figure(value, float(low), float(high))


def _reckoned(first: Score, second: Score) -> dict[str, Cascade]:
    """Return what a cascade gives by two models of difficulty, at mean costs."""
    by = {"independent": 0.0, "shared difficulty": DEFAULT_CORRELATION}
    found = {}
    for name, correlation in by.items():
        both = chain((first.success.value, second.success.value), correlation)
        usd = first.usd + both.calls[1] * second.usd
        found[name] = Cascade(both.success, both.calls[1], usd)
    return found


def cheapest_first(found: Iterable[Score]) -> list[Score]:
    """Return scores by cost per correct answer; behind them those without one, the best first."""

    def key(score: Score) -> tuple[bool, float, float]:
        value = score.usd_per_correct.value
        known = bool(np.isfinite(value))
        return not known, value if known else 0.0, -score.success.value

    return sorted(found, key=key)


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean())


def _ratio(one: float, other: float) -> float:
    return one / other if other > 0.0 else np.nan
