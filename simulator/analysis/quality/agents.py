"""Chains of agent steps: the cost that retries and failed runs add to a correct run.

A run is K steps in a row, each of which succeeds with probability s. A failed step is detected, and
costs as much as a successful one (mini-SWE-agent runs on SWE-bench: 0.254 against 0.295 USD,
compiled 2026-11-23). Then either the step or the whole run is tried again. Steps are independent
given the task; tasks may differ in difficulty as in ``difficulty``, so that a task that failed once
is more likely to fail again.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from simulator.analysis.quality.difficulty import success_given, task_grid
from simulator.errors import InputError

_Column = NDArray[np.float64]


class Restart(StrEnum):
    """Unit of work that is tried again when a step fails."""

    STEP = "step"
    RUN = "run"


@dataclass(frozen=True, slots=True)
class AgentChain:
    """A run of steps, and what happens when a step fails."""

    steps: int
    """Number of steps of a run without failure."""
    step_success: float
    """Success rate of a step, such that ``step_success ** steps`` of all runs succeed without a
    retry."""
    restart: Restart = Restart.STEP
    """Unit of work that is tried again when a step fails."""
    attempts: int | None = None
    """Largest number of tries of each step, or of the run; None: no limit."""
    correlation: float = 0.0
    """Share of a run's latent variance that is due to the task."""

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise InputError(f"steps must be 1 or more, not {self.steps}")
        if not 0.0 < self.step_success <= 1.0:
            raise InputError(f"step success must be above 0, at most 1, not {self.step_success:g}")
        if self.attempts is not None and self.attempts < 1:
            raise InputError(f"attempts must be 1 or more, not {self.attempts}")
        if not 0.0 <= self.correlation <= 1.0:
            raise InputError(f"correlation must be in [0, 1], not {self.correlation:g}")
        if self.correlation > 0.0 and self.attempts is None:
            raise InputError(
                "tasks of unequal difficulty need a limit of attempts, or some never end"
            )


@dataclass(frozen=True, slots=True)
class ChainResult:
    """Expectations for each requested run, including its retries."""

    success: float
    """Share of requested runs that succeed in the end."""
    steps: float
    """Number of steps, whether the run succeeds in the end or not."""
    failed_steps: float
    """Number of steps that belong to runs that are given up."""
    least_steps: int
    """Number of steps of a run without failure."""

    @property
    def steps_per_correct(self) -> float:
        """Steps for each correct run."""
        return self.steps / self.success if self.success > 0.0 else math.inf

    @property
    def retry_steps_per_correct(self) -> float:
        """Steps beyond ``least_steps`` in runs that succeed, for each correct run."""
        if self.success <= 0.0:
            return math.inf
        return (self.steps - self.failed_steps) / self.success - self.least_steps

    @property
    def failed_steps_per_correct(self) -> float:
        """Steps in runs that are given up, for each correct run."""
        return self.failed_steps / self.success if self.success > 0.0 else math.inf

    def usd_per_correct(self, step_usd: float) -> float:
        """Return the cost of a correct run, given the mean cost of a step [USD]."""
        return self.steps_per_correct * step_usd


def expected_run(chain: AgentChain) -> ChainResult:
    """Return the expectations of a chain in closed form, averaged over tasks if these differ.

    With q = 1 - s, at most A tries, and G(x) = (1 - x^K) / (1 - x):

    * retried steps: success P^K with P = 1 - q^A, steps P / s G(P); K / s without a limit;
    * retried runs: success 1 - (1 - s^K)^A, steps success / s^K G(s) (Wald);
      (1 - s^K) / ((1 - s) s^K) without a limit.
    """
    success = np.array([chain.step_success])
    weights = np.ones(1)
    if chain.correlation > 0.0:
        run_success = chain.step_success**chain.steps
        difficulty, weights = task_grid((run_success,), chain.correlation)
        given_success = success_given(difficulty, run_success, chain.correlation)
        success = given_success ** (1.0 / chain.steps)
    limit = math.inf if chain.attempts is None else float(chain.attempts)
    closed_forms = _retry_steps if chain.restart is Restart.STEP else _retry_runs
    with np.errstate(divide="ignore", invalid="ignore"):
        solved, done, failed = (
            float(weights @ v) for v in closed_forms(success, chain.steps, limit)
        )
    return ChainResult(solved, done, max(failed, 0.0), chain.steps)


def _retry_steps(s: _Column, steps: int, limit: float) -> tuple[_Column, _Column, _Column]:
    """Return success, steps, and steps of failed runs, by the success rate of a step. (n,) each"""
    given_up = (1.0 - s) ** limit
    passed = 1.0 - given_up
    tries = np.where(s > 0.0, passed / s, limit)
    done = tries * _geometric(given_up, steps)
    # Tries of steps that pass: the mean over all steps, less those of steps that never pass.
    passing = tries - np.where(given_up > 0.0, limit * given_up, 0.0)
    return passed**steps, done, done - steps * passed ** (steps - 1) * passing


def _retry_runs(s: _Column, steps: int, limit: float) -> tuple[_Column, _Column, _Column]:
    """Return success, steps, and steps of failed runs, by the success rate of a step. (n,) each"""
    run_success = s**steps
    given_up = (1.0 - run_success) ** limit
    length = _geometric(1.0 - s, steps)
    tries = np.where(run_success > 0.0, (1.0 - given_up) / run_success, limit)
    failing = np.where(given_up > 0.0, limit * given_up, 0.0)
    per_failure = np.where(
        run_success < 1.0, (length - run_success * steps) / (1.0 - run_success), 0.0
    )
    return 1.0 - given_up, tries * length, failing * per_failure


def _geometric(failure: _Column, terms: int) -> _Column:
    """Return the sum of (1 - failure)^k over k = 0 ... terms - 1. (n,)"""
    return np.where(failure > 0.0, -np.expm1(terms * np.log1p(-failure)) / failure, float(terms))
