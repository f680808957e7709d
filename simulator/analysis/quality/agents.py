"""Chains of agent steps: what retries and failed runs add to a correct run.

A run is K steps in a row, each of which succeeds with probability s. A step that fails is seen to
fail, and costs as much as one that succeeds (mini-SWE-agent runs on SWE-bench: 0.254 against 0.295
USD, compiled 2026-11-23). Then either the step is tried again or the whole run is. Steps are
independent given the task; tasks may differ in difficulty as ``difficulty`` has it, so that what
failed once is the likelier to fail again.
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
    """What is tried again when a step fails."""

    STEP = "step"
    RUN = "run"


@dataclass(frozen=True, slots=True)
class AgentChain:
    """A run of steps and its rule for failures."""

    steps: int
    """Steps of a run without failure."""
    step_success: float
    """Of a step, such that ``step_success ** steps`` of all runs succeed without any retry."""
    restart: Restart = Restart.STEP
    attempts: int | None = None
    """At most so many tries of each step, or of the run, before giving up; None: no limit."""
    correlation: float = 0.0
    """Share of a run's latent variance that is the task's."""

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
            raise InputError("tasks of unequal difficulty need a limit of attempts: some never end")


@dataclass(frozen=True, slots=True)
class ChainResult:
    """Expectations per run asked for, retries of it included."""

    success: float
    steps: float
    """Steps done, whether the run succeeds in the end or not."""
    failed_steps: float
    """Those of them in runs that are given up."""
    least_steps: int
    """Steps of a run without failure."""

    @property
    def steps_per_correct(self) -> float:
        """Steps done for each correct run."""
        return self.steps / self.success if self.success > 0.0 else math.inf

    @property
    def retry_steps_per_correct(self) -> float:
        """Steps beyond the least in runs that succeed, for each of them."""
        if self.success <= 0.0:
            return math.inf
        return (self.steps - self.failed_steps) / self.success - self.least_steps

    @property
    def failed_steps_per_correct(self) -> float:
        """Steps in runs that are given up, for each correct one."""
        return self.failed_steps / self.success if self.success > 0.0 else math.inf

    def usd_per_correct(self, step_usd: float) -> float:
        """Return the cost of a correct run at a mean cost per step [USD]."""
        return self.steps_per_correct * step_usd


def expected(chain: AgentChain) -> ChainResult:
    """Return the closed forms, averaged over tasks where those differ.

    With q = 1 - s, at most A tries, and G(x) = (1 - x^K) / (1 - x):

    * the step again: success P^K with P = 1 - q^A, steps P / s G(P); K / s without a limit;
    * the run again: success 1 - (1 - s^K)^A, steps success / s^K G(s) (Wald);
      (1 - s^K) / ((1 - s) s^K) without a limit.
    """
    success = np.array([chain.step_success])
    weights = np.ones(1)
    if chain.correlation > 0.0:
        run_success = chain.step_success**chain.steps
        difficulty, weights = task_grid((run_success,), chain.correlation)
        given = success_given(difficulty, run_success, chain.correlation)
        success = given ** (1.0 / chain.steps)
    most = math.inf if chain.attempts is None else float(chain.attempts)
    forms = _step_again if chain.restart is Restart.STEP else _run_again
    with np.errstate(divide="ignore", invalid="ignore"):
        solved, done, failed = (float(weights @ v) for v in forms(success, chain.steps, most))
    return ChainResult(solved, done, max(failed, 0.0), chain.steps)


def _step_again(s: _Column, steps: int, most: float) -> tuple[_Column, _Column, _Column]:
    """Return success, steps, and steps of runs that fail, by success of a step. (n,) each"""
    exhausted = (1.0 - s) ** most
    passed = 1.0 - exhausted
    tries = np.where(s > 0.0, passed / s, most)
    done = tries * _geometric(exhausted, steps)
    # A step that passes has taken `tries` in the mean, less what those took that did not pass.
    passing = tries - np.where(exhausted > 0.0, most * exhausted, 0.0)
    return passed**steps, done, done - steps * passed ** (steps - 1) * passing


def _run_again(s: _Column, steps: int, most: float) -> tuple[_Column, _Column, _Column]:
    """Return success, steps, and steps of runs that fail, by success of a step. (n,) each"""
    once = s**steps
    exhausted = (1.0 - once) ** most
    length = _geometric(1.0 - s, steps)
    tries = np.where(once > 0.0, (1.0 - exhausted) / once, most)
    failing = np.where(exhausted > 0.0, most * exhausted, 0.0)
    per_failure = np.where(once < 1.0, (length - once * steps) / (1.0 - once), 0.0)
    return 1.0 - exhausted, tries * length, failing * per_failure


def _geometric(failure: _Column, terms: int) -> _Column:
    """Return the sum of (1 - failure)^k over k = 0 ... terms - 1. (n,)"""
    return np.where(failure > 0.0, -np.expm1(terms * np.log1p(-failure)) / failure, float(terms))
