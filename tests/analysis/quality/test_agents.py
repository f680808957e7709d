"""Chains of agent steps: every closed form against a step-by-step draw of the same rule."""

import math

import numpy as np
import pytest

from simulator.analysis.quality.agents import AgentChain, ChainResult, Restart, expected_run
from simulator.analysis.quality.difficulty import success_given
from simulator.errors import InputError
from simulator.rng import stream

RUNS = 20_000


def drawn(chain: AgentChain) -> tuple[np.ndarray, np.ndarray]:
    """Whether each of many runs ends well, and the steps that it took, one by one."""
    rng = stream(5, "runs")
    most = chain.attempts or 10**9
    solved, steps = np.zeros(RUNS, bool), np.zeros(RUNS)
    whole = chain.step_success**chain.steps
    for run in range(RUNS):
        s = chain.step_success
        if chain.correlation:
            s = success_given(rng.random(1), whole, chain.correlation)[0] ** (1 / chain.steps)
        draw = _by_step if chain.restart is Restart.STEP else _by_run
        solved[run], steps[run] = draw(chain.steps, s, most, rng.random)
    return solved, steps


def _by_step(count: int, success: float, most: int, random) -> tuple[bool, int]:
    steps = 0
    for _ in range(count):
        tries = 1
        while random() >= success:
            if tries == most:
                return False, steps + tries
            tries += 1
        steps += tries
    return True, steps


def _by_run(count: int, success: float, most: int, random) -> tuple[bool, int]:
    steps = 0
    for _ in range(most):
        done = 0
        while done < count and random() < success:
            done += 1
        if done == count:
            return True, steps + count
        steps += done + 1
    return False, steps


@pytest.mark.slow
@pytest.mark.parametrize("restart", list(Restart))
@pytest.mark.parametrize(
    ("count", "success", "attempts", "correlation"),
    [
        (3, 0.8, None, 0.0),
        (1, 0.3, None, 0.0),
        (3, 0.8, 1, 0.0),
        (3, 0.8, 2, 0.0),
        (10, 0.9, 3, 0.0),
        (6, 0.6, 4, 0.0),
        (6, 0.9, 3, 0.5),
        (6, 0.9, 2, 0.95),
    ],
)
def test_closed_forms_are_what_draws_give(
    restart: Restart, count: int, success: float, attempts: int | None, correlation: float
) -> None:
    chain = AgentChain(count, success, restart, attempts, correlation)
    found = expected_run(chain)
    solved, steps = drawn(chain)
    for values, figure in (
        (solved.astype(float), found.success),
        (steps, found.steps),
        (steps * ~solved, found.failed_steps),
    ):
        error = 4.5 * values.std() / math.sqrt(RUNS) + 1e-12
        assert values.mean() == pytest.approx(figure, abs=error)
    assert found.steps_per_correct == pytest.approx(steps.sum() / solved.sum(), rel=0.05)


def test_twenty_steps_at_95_percent() -> None:
    once = expected_run(AgentChain(20, 0.95, Restart.RUN, 1))
    assert once.success == pytest.approx(0.358, abs=5e-4)
    assert expected_run(AgentChain(20, 0.95, Restart.STEP, 1)).steps == pytest.approx(once.steps)


@pytest.mark.parametrize(("restart", "factor"), [(Restart.STEP, 1.25), (Restart.RUN, 1.5885)])
def test_three_steps_that_fail_one_time_in_five(restart: Restart, factor: float) -> None:
    """Not the 1.7 to 1.9 times that a widely copied article has."""
    found = expected_run(AgentChain(3, 0.8, restart))
    assert found.success == 1.0
    assert found.steps / 3 == pytest.approx(factor, abs=5e-5)
    assert found.failed_steps == 0.0


@pytest.mark.parametrize("restart", list(Restart))
@pytest.mark.parametrize("attempts", [1, 2, 7, None])
def test_parts_of_a_correct_run_add_up(restart: Restart, attempts: int | None) -> None:
    found = expected_run(AgentChain(8, 0.85, restart, attempts))
    parts = (found.least_steps, found.retry_steps_per_correct, found.failed_steps_per_correct)
    assert sum(parts) == pytest.approx(found.steps_per_correct)
    assert min(parts) >= -1e-12
    assert found.usd_per_correct(0.02) == pytest.approx(0.02 * found.steps / found.success)


@pytest.mark.parametrize("restart", list(Restart))
def test_many_attempts_come_to_no_limit(restart: Restart) -> None:
    many, free = (expected_run(AgentChain(8, 0.9, restart, most)) for most in (400, None))
    assert many.steps == pytest.approx(free.steps)
    assert many.success == pytest.approx(1.0)


@pytest.mark.parametrize("restart", list(Restart))
def test_steps_that_never_fail(restart: Restart) -> None:
    assert expected_run(AgentChain(8, 1.0, restart)) == ChainResult(1.0, 8.0, 0.0, 8)
    assert expected_run(AgentChain(8, 1.0, restart, 3, 0.5)).steps == pytest.approx(8.0)


def test_shared_difficulty_makes_retries_help_less() -> None:
    chances = [
        expected_run(AgentChain(6, 0.9, Restart.RUN, 3, correlation)).success
        for correlation in (0.0, 0.4, 0.8, 1.0)
    ]
    assert (np.diff(chances) < 0).all()
    assert chances[-1] == pytest.approx(0.9**6), "what fails once fails always"


def test_a_run_that_cannot_succeed_costs_without_end() -> None:
    hopeless = expected_run(AgentChain(5000, 0.5, Restart.RUN, 2))
    assert hopeless.success == 0.0
    assert hopeless.steps == pytest.approx(4.0)
    assert hopeless.steps_per_correct == math.inf
    assert hopeless.retry_steps_per_correct == hopeless.failed_steps_per_correct == math.inf


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((0, 0.9), "steps must be 1 or more, not 0"),
        ((3, 0.0), "step success must be above 0, at most 1, not 0"),
        ((3, 1.5), "step success must be above 0, at most 1, not 1.5"),
        ((3, 0.9, Restart.RUN, 0), "attempts must be 1 or more, not 0"),
        ((3, 0.9, Restart.RUN, 2, 1.2), "correlation must be in [0, 1], not 1.2"),
        ((3, 0.9, Restart.RUN, None, 0.2), "need a limit of attempts"),
    ],
)
def test_impossible_chains_are_named(values: tuple, message: str) -> None:
    with pytest.raises(InputError) as caught:
        AgentChain(*values)
    assert message in str(caught.value)
