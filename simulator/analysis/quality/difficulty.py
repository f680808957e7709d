"""Difficulty that models share: tasks that are hard for one model are hard for the next.

A one-factor probit. A request has a difficulty u, uniform in [0, 1). A model that solves a share p
of all requests solves this one when

    sqrt(rho) ndtri(u) + sqrt(1 - rho) e < ndtri(p),    e ~ N(0, 1) for each request and attempt,

where rho is the share of the latent variance that is due to the task. At rho = 0 models fail
independently; at rho = 1 the better model solves all that the worse one does. Two models' latent
variables are bivariate normal with correlation rho (Vasicek's portfolio model, tetrachoric
correlation). Attempts of one model at one task are assumed to be as similar as attempts of two
models, which overstates the value of retries of the same model.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from simulator.bisection import bisect
from simulator.errors import InputError
from simulator.normal import Z_95

DEFAULT_CORRELATION = 0.802
"""Computed by ``fit_correlation(0.6, 0.706, 0.756)``: SWE-bench Verified, gpt-5-mini, then
sonnet-4.5, by task (compiled 2026-11-23). Together they solve 75.6 %; the second solves 70.6 % of
all and 39 % of what the first does not, hence the first solves 60.0 %. Independent models would
solve 88.2 %."""

_FURTHEST = 8.25
"""Largest latent difficulty considered; less than 2e-16 of all are further out."""
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)
_PRECISION = 1e-9
"""Precision of a fitted correlation."""


@dataclass(frozen=True, slots=True)
class Chain:
    """Stages tried one after another until one succeeds; success is detected at once."""

    success: float
    """Share of requests that some stage solves."""
    calls: tuple[float, ...]
    """Expected calls of each stage per request."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A correlation and its 95 % interval."""

    correlation: float
    low: float
    high: float


def success_given(
    difficulty: NDArray[np.float64], rate: float, correlation: float
) -> NDArray[np.float64]:
    """Return the probability of success at given difficulties.

    Parameters
    ----------
    difficulty : ndarray
        Difficulties in [0, 1). (n,)
    rate : float
        Success rate over all tasks.
    correlation : float
        Share of the latent variance that is due to the task.

    Returns
    -------
    ndarray
        Probabilities, whose mean over uniform difficulties is ``rate``. (n,)

    Raises
    ------
    InputError
        When a rate or the correlation is not in [0, 1].
    """
    _check((rate,), correlation)
    if correlation == 1.0:
        return (difficulty < rate).astype(np.float64)
    # Difficulty 0 has the latent value -inf, whose product with a correlation of 0 would be NaN.
    latent = ndtri(np.maximum(difficulty, np.finfo(np.float64).tiny))
    probability: NDArray[np.float64] = ndtr(
        (ndtri(rate) - math.sqrt(correlation) * latent) / math.sqrt(1.0 - correlation)
    )
    return probability


def succeeds(
    difficulty: NDArray[np.float64],
    uniform_draw: NDArray[np.float64],
    success_rate: float,
    correlation: float,
) -> NDArray[np.bool_]:
    """Return which requests a model solves. (n,)

    Parameters
    ----------
    difficulty : ndarray
        Difficulties in [0, 1), the same for every model. (n,)
    luck : ndarray
        Uniform draws in (0, 1) of this model and attempt. (n,)
    success_rate, correlation : float
        As ``rate`` and ``correlation`` of ``success_given``.
    """
    return uniform_draw < success_given(difficulty, success_rate, correlation)


def task_grid(
    rates: Sequence[float], correlation: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return difficulties and weights for averages over tasks. (n,), (n,)

    Gauss-Legendre quadrature on panels of the latent difficulty. Panels are narrow where a rate's
    success falls from one to zero, so that correlations near one are integrated as exactly as small
    ones.
    """
    edges = [np.linspace(-_FURTHEST, _FURTHEST, 18)]
    if correlation > 0.0:
        width = math.sqrt((1.0 - correlation) / correlation)
        thresholds = ndtri(np.clip(list(rates), 1e-16, 1.0 - 1e-16)) / math.sqrt(correlation)
        edges += [threshold + width * np.linspace(-8.0, 8.0, 17) for threshold in thresholds]
    panels = np.unique(np.clip(np.concatenate(edges), -_FURTHEST, _FURTHEST))
    half, middle = np.diff(panels) / 2, (panels[1:] + panels[:-1]) / 2
    latent = (middle[:, None] + half[:, None] * _NODES).ravel()
    weights = (half[:, None] * _WEIGHTS).ravel() * np.exp(-(latent**2) / 2)
    return ndtr(latent), weights / weights.sum()


def joint_failure(rates: Sequence[float], correlation: float) -> float:
    """Return the probability that all of some models, or attempts, fail at a request."""
    difficulty, weights = task_grid(rates, correlation)
    failing = np.ones(len(difficulty))
    for rate in rates:
        failing *= 1.0 - success_given(difficulty, rate, correlation)
    return float(weights @ failing)


def expected_chain(rates: Sequence[float], correlation: float) -> Chain:
    """Return the success of a cascade and the expected calls of each stage.

    Parameters
    ----------
    rates : sequence of float
        Success rate of each stage over all tasks, in the order in which stages are tried.
    correlation : float
        Share of the latent variance that is due to the task.

    Raises
    ------
    InputError
        When a rate or the correlation is not in [0, 1].
    """
    difficulty, weights = task_grid(rates, correlation)
    failing = np.ones(len(difficulty))
    calls = []
    for rate in rates:
        calls.append(float(weights @ failing))
        failing = failing * (1.0 - success_given(difficulty, rate, correlation))
    return Chain(1.0 - float(weights @ failing), tuple(calls))


def fit_correlation(p1: float, p2: float, p_either: float) -> float:
    """Return the correlation at which at least one of two models solves a given share of tasks.

    Found by bisection, since joint failure rises with the correlation. The result is zero if the
    models complement each other more than independent ones.

    Raises
    ------
    InputError
        When no correlation gives that share, which cannot be less than the better model's, or when
        a model solves nothing or everything.
    """
    _check((p1, p2, p_either), 0.0)
    if min(p1, p2) <= 0.0 or max(p1, p2) >= 1.0:
        raise InputError("a model that solves nothing or everything shows nothing about difficulty")
    if not max(p1, p2) <= p_either + _PRECISION:
        raise InputError(f"either model solves {p_either:g}, less than one alone ({max(p1, p2):g})")
    low, high = bisect(
        lambda correlation: joint_failure((p1, p2), correlation) >= 1.0 - p_either,
        0.0,
        1.0,
        math.ceil(-math.log2(_PRECISION)),
    )
    return 0.0 if high <= 2 * _PRECISION else (low + high) / 2


def fit_outcomes(first: NDArray[np.float64], second: NDArray[np.float64]) -> Fit | None:
    """Return the correlation of two models' outcomes on the same tasks; None if it is undefined.

    Parameters
    ----------
    first, second : ndarray
        Share of a model's runs of each task that succeeded, 0 or 1 for a single run. (n_tasks,)

    Notes
    -----
    The tetrachoric correlation by moments, with its interval by the delta method: the derivatives
    of a bivariate normal probability are its density, by the correlation, and its conditional
    probabilities, by the margins.
    """
    fail1, fail2 = 1.0 - np.asarray(first, np.float64), 1.0 - np.asarray(second, np.float64)
    q1, q2, joint = (float(np.mean(v)) for v in (fail1, fail2, fail1 * fail2))
    if len(fail1) < 2 or not (0.0 < q1 < 1.0 and 0.0 < q2 < 1.0):
        return None
    correlation = fit_correlation(1.0 - q1, 1.0 - q2, 1.0 - min(joint, q1, q2))
    rho = min(correlation, 0.999)
    a1, a2, residual_variance = float(ndtri(q1)), float(ndtri(q2)), 1.0 - rho**2
    density = math.exp(-(a1**2 - 2 * rho * a1 * a2 + a2**2) / (2 * residual_variance))
    density /= 2 * math.pi * math.sqrt(residual_variance)
    by_q1, by_q2 = ndtr(np.array([a2 - rho * a1, a1 - rho * a2]) / math.sqrt(residual_variance))
    influence = fail1 * fail2 - joint - by_q1 * (fail1 - q1) - by_q2 * (fail2 - q2)
    half = Z_95 * float(np.std(influence)) / max(density, 1e-12) / math.sqrt(len(influence))
    return Fit(correlation, max(0.0, correlation - half), min(1.0, correlation + half))


def _check(rates: Sequence[float], correlation: float) -> None:
    """Raise InputError if a rate or the correlation is not in [0, 1]."""
    for name, value in (*(("success rate", rate) for rate in rates), ("correlation", correlation)):
        if not 0.0 <= value <= 1.0:
            raise InputError(f"{name} must be in [0, 1], not {value:g}")
