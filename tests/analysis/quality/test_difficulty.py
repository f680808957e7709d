"""Difficulty that models share: closed forms, draws, fits."""

import itertools

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from simulator.analysis.quality.difficulty import (
    DEFAULT_CORRELATION,
    expected_chain,
    fit_correlation,
    fit_outcomes,
    joint_failure,
    succeeds,
    success_given,
    task_grid,
)
from simulator.errors import InputError
from simulator.rng import stream

DRAWS = 400_000
PAIR = (0.6, 0.706)
"""gpt-5-mini and sonnet-4.5 on SWE-bench Verified."""


def draws(name: str, size: int = DRAWS) -> np.ndarray:
    return stream(3, name).random(size)


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.802, 0.999, 1.0])
@pytest.mark.parametrize("rate", [0.0, 0.02, 0.6, 0.97, 1.0])
def test_success_over_all_tasks_is_the_rate(rate: float, correlation: float) -> None:
    difficulty, weights = task_grid((rate,), correlation)
    given = success_given(difficulty, rate, correlation)
    assert weights @ given == pytest.approx(rate, abs=1e-9)
    assert (np.diff(given) <= 1e-15).all(), "what is harder is never solved more often"


@pytest.mark.parametrize("correlation", [0.0, 0.5, 1.0])
def test_the_easiest_request_has_a_difficulty_too(correlation: float) -> None:
    easiest = success_given(np.zeros(1), 0.3, correlation)
    assert easiest[0] == pytest.approx(0.3 if correlation == 0 else 1.0)


@pytest.mark.parametrize("correlation", [0.0, 0.4, 0.8, 0.95])
def test_joint_failure_is_the_bivariate_normal(correlation: float) -> None:
    covariance = [[1.0, correlation], [correlation, 1.0]]
    for rates in itertools.product([0.05, 0.6, 0.9], repeat=2):
        limits = norm.ppf(1 - np.array(rates))
        expected = multivariate_normal([0, 0], covariance).cdf(limits)
        assert joint_failure(rates, correlation) == pytest.approx(expected, abs=1e-7)


def test_joint_failure_at_the_ends() -> None:
    rates = (0.6, 0.706, 0.2)
    assert joint_failure(rates, 0.0) == pytest.approx(0.4 * 0.294 * 0.8)
    assert joint_failure(rates, 1.0) == pytest.approx(0.294)
    assert joint_failure(rates, 1 - 1e-9) == pytest.approx(0.294, abs=1e-4)
    failures = [joint_failure(rates, c) for c in np.linspace(0, 1, 21)]
    assert (np.diff(failures) > 0).all()


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_draws_agree_with_the_closed_forms(correlation: float) -> None:
    """Four stages, two of them of one model, each with random numbers of its own."""
    difficulty = draws("difficulty")
    rates = (0.5, 0.4, 0.4, 0.8)
    open_, calls = np.ones(DRAWS, bool), []
    for k, rate in enumerate(rates):
        calls.append(open_.mean())
        open_ &= ~succeeds(difficulty, draws(f"luck/{k}"), rate, correlation)
    found = expected_chain(rates, correlation)
    error = 5 / np.sqrt(DRAWS)
    assert 1 - open_.mean() == pytest.approx(found.success, abs=error)
    np.testing.assert_allclose(calls, found.calls, atol=error)


def test_draws_have_the_model_s_marginal_rate() -> None:
    solved = succeeds(draws("difficulty"), draws("luck"), 0.706, DEFAULT_CORRELATION)
    assert solved.dtype == np.bool_
    assert solved.mean() == pytest.approx(0.706, abs=4 / np.sqrt(DRAWS))


def test_swe_bench_cascade() -> None:
    """The second model solves 39 % of what the first does not, though 70.6 % of all."""
    first = 1 - (1 - 0.756) / (1 - 0.39)
    assert first == pytest.approx(PAIR[0], abs=1e-3)
    assert fit_correlation(*PAIR, 0.756) == pytest.approx(DEFAULT_CORRELATION, abs=5e-4)
    found = expected_chain(PAIR, DEFAULT_CORRELATION)
    assert found.success == pytest.approx(0.756, abs=5e-4)
    assert found.calls == pytest.approx((1.0, 0.4))
    rescued = (found.success - PAIR[0]) / found.calls[1]
    assert rescued == pytest.approx(0.39, abs=2e-3)
    assert expected_chain(PAIR, 0.0).success == pytest.approx(0.882, abs=5e-4)


@pytest.mark.parametrize("correlation", [0.0, 0.25, 0.802, 0.99])
def test_fit_finds_the_correlation_again(correlation: float) -> None:
    either = 1 - joint_failure((0.45, 0.5), correlation)
    assert fit_correlation(0.45, 0.5, either) == pytest.approx(correlation, abs=1e-4)


def test_fit_of_models_that_complement_each_other_is_zero() -> None:
    assert fit_correlation(0.5, 0.5, 0.9) == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("correlation", [0.2, 0.6, 0.85])
def test_fit_of_logs_covers_the_truth(correlation: float) -> None:
    """The stated interval holds the truth in about 95 of 100 repetitions."""
    covered = 0
    for k in range(100):
        rng = stream(k, "covered")
        difficulty = rng.random(500)
        one, other = (succeeds(difficulty, rng.random(500), p, correlation) for p in PAIR)
        fit = fit_outcomes(one.astype(float), other.astype(float))
        assert fit is not None
        covered += fit.low <= correlation <= fit.high
    assert covered >= 88


def test_fit_of_logs_with_repeated_runs() -> None:
    rng = stream(1, "repeated")
    difficulty = rng.random(3000)
    shares = [
        np.mean([succeeds(difficulty, rng.random(3000), p, 0.6) for _ in range(4)], axis=0)
        for p in PAIR
    ]
    fit = fit_outcomes(*shares)
    assert fit is not None
    assert fit.correlation == pytest.approx(0.6, abs=0.05)
    assert fit.low < fit.correlation < fit.high


def test_logs_that_cannot_tell() -> None:
    assert fit_outcomes(np.ones(9), np.array([1, 0, 1, 0, 1, 0, 1, 0, 1.0])) is None
    assert fit_outcomes(np.array([1.0]), np.array([0.0])) is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: joint_failure((0.5, 1.5), 0.5), "success rate must be in [0, 1], not 1.5"),
        (lambda: joint_failure((0.5,), -0.1), "correlation must be in [0, 1], not -0.1"),
        (lambda: joint_failure((0.5,), float("nan")), "correlation must be in"),
        (lambda: fit_correlation(0.6, 0.7, 0.65), "either model solves 0.65, less than one alone"),
        (lambda: fit_correlation(0.0, 0.7, 0.7), "shows nothing about difficulty"),
        (lambda: expected_chain((0.5, 1.6), 0.1), "success rate must be in [0, 1], not 1.6"),
    ],
)
def test_impossible_numbers_are_named(call, message: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert message in str(caught.value)
