"""Fit a deployment's coefficients to its own benchmarks, with strong priors.

One point fits a scale. From three on, four factors are fitted: on what a step costs at least, on
computing, on memory traffic and on the time outside steps. The forward model is the simulated
benchmark itself, so that bunching, chunking and queueing are in it. Priors are log-normal around
the shipped coefficients: raw fits carried over to unseen shapes no better than rounded defaults
(study of public benchmarks, 2026-11-23).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from simulator.analysis.bench.benchmark import Benchmark, Load, Serving, replay, run_benchmark
from simulator.economics.interval import Z_90
from simulator.errors import InputError
from simulator.serving.deployment import Deployment
from simulator.serving.links import Link
from simulator.traffic.table import RequestTable

PRIOR_SPREADS = {"overhead": 0.3, "compute": 0.25, "memory": 0.15, "request": 0.7}
"""Of the logarithm of each factor: how far deployments stray from the shipped coefficients."""
SCALE_SPREAD = 0.3
NOISE = 0.05
"""Spread of repeated benchmarks of one deployment, in logarithms (assumed)."""
WEIGHTS = np.array([1.0, 0.7, 0.4])
"""Of throughput, TPOT and TTFT."""
IDENTIFIED = 0.8
"""A factor whose uncertainty stays above this share of its prior's is not known from the data."""
LEAST_POINTS = 3
_STEP = 0.05
_ROUNDS = 8
DOUBTFUL = 2.5
"""Spreads of its prior beyond which a factor is doubted: one deployment in a hundred is so unlike
the others, a client or a proxy that was measured along is more common."""
UNSEEN = 1.5
"""Error at loads beside the measured ones over the error at these: medians of 7.4 and 4.7 % (study
of public benchmarks, 2026-11-23)."""


@dataclass(frozen=True, slots=True)
class LogPart:
    """What was measured of some requests of a log, all of which were served together."""

    table: RequestTable
    part: slice
    """Rows that the measurement is of."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One benchmark of the deployment; times in seconds, NaN where not measured."""

    load: Load
    output_tok_s: float
    """Of the whole deployment; in a log that of the mean request, its output over its time."""
    tpot_s: float = np.nan
    ttft_s: float = np.nan
    replicas: int = 1
    log: LogPart | None = None
    """Requests one by one, where they are known; ``load`` is not asked then."""

    @property
    def logs(self) -> NDArray[np.float64]:
        """Logarithms of throughput, TPOT and TTFT. (3,)"""
        return np.log(np.array([self.output_tok_s, self.tpot_s, self.ttft_s]))


@dataclass(frozen=True, slots=True)
class Calibration:
    """Factors on the shipped coefficients, and what is left unexplained."""

    factors: dict[str, float]
    """``scale`` alone, or those of ``PRIOR_SPREADS``."""
    kept: tuple[str, ...]
    """Factors that the data say next to nothing of; their priors decided."""
    errors: NDArray[np.float64]
    """Predicted over measured, less one: throughput, TPOT, TTFT. (n_points, 3)"""
    doubtful: tuple[str, ...]
    """Factors so far from the shipped times that the measurement must be questioned."""
    band: tuple[float, float]
    """Measured over predicted throughput, nine in ten."""


def applied(deployment: Deployment, factors: dict[str, float]) -> Deployment:
    """Return a deployment whose times are the shipped ones by ``factors``.

    A factor of 1.1 makes what it belongs to take 1.1 times as long.
    """
    f = {"overhead": 1.0, "compute": 1.0, "memory": 1.0, "request": 1.0, **factors}
    scale = f.get("scale", 1.0)
    c = deployment.coefficients
    overhead, compute, memory = (scale * f[name] for name in ("overhead", "compute", "memory"))
    coefficients = replace(
        c,
        fixed_s=c.fixed_s * overhead,
        layer_s=c.layer_s * overhead,
        launch_s=c.launch_s * overhead,
        sequence_s=c.sequence_s * overhead,
        admission_s=c.admission_s * overhead,
        exchange_latency_s=c.exchange_latency_s * overhead,
        link=Link(c.link.bytes_s / compute, c.link.latency_s * overhead),
        compute_efficiency=min(1.0, c.compute_efficiency / compute),
        expert_efficiency=min(1.0, c.expert_efficiency / compute),
        attention_efficiency=min(1.0, c.attention_efficiency / compute),
        memory_efficiency=min(1.0, c.memory_efficiency / memory),
        kv_efficiency=min(1.0, c.kv_efficiency / memory),
    )
    engine = deployment.engine
    engine = replace(
        engine,
        request_s=engine.request_s * f["request"],
        request_token_s=engine.request_token_s * f["request"],
    )
    return replace(deployment, coefficients=coefficients, engine=engine)


def calibrate(
    deployment: Deployment, measurements: list[Measurement], serving: Serving
) -> Calibration:
    """Fit factors to a deployment's benchmarks.

    Raises
    ------
    InputError
        When there is no measurement, or one that the deployment could not have served.
    """
    if not measurements:
        raise InputError("nothing to calibrate on: no benchmark in the files")
    spreads = PRIOR_SPREADS if len(measurements) >= LEAST_POINTS else {"scale": SCALE_SPREAD}
    names, prior = list(spreads), np.array(list(spreads.values()))
    targets = np.array([m.logs for m in measurements])

    def errors(z: NDArray[np.float64]) -> NDArray[np.float64]:
        factors = dict(zip(names, np.exp(prior * z).tolist(), strict=True))
        fitted = applied(deployment, factors)
        replayed: dict[int, Benchmark] = {}
        return np.array([_logs(fitted, m, serving, replayed) for m in measurements]) - targets

    z = np.zeros(len(names))
    for _ in range(_ROUNDS):
        left, jacobian = _answers(errors, z)
        step, curvature = newton_step(left, jacobian, z, WEIGHTS / NOISE)
        z = z + np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < 0.02:
            break
    left = errors(z)
    spread = np.sqrt(np.diag(np.linalg.inv(curvature)))
    kept = tuple(n for n, s in zip(names, spread, strict=True) if s > IDENTIFIED)
    factors = dict(zip(names, np.exp(prior * z).tolist(), strict=True))
    doubtful = tuple(n for n, far in zip(names, np.abs(z), strict=True) if far > DOUBTFUL)
    c = deployment.coefficients
    shipped = float(np.log(c.band_high / c.band_low)) / 2 / Z_90
    band = _band(left[:, 0], len(names), shipped)
    return Calibration(factors, kept, np.expm1(left), doubtful, band)


def newton_step(
    errors: NDArray[np.float64],
    jacobian: NDArray[np.float64],
    z: NDArray[np.float64],
    weights: NDArray[np.float64],
    outlier: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return a Gauss-Newton step towards smaller errors, and the curvature there.

    Errors, (n_points, 3), count by soft L1: as their square while small, by their size when large;
    with ``outlier`` given, in units of the noise, those far above it hardly count (Cauchy's loss).
    ``jacobian`` is (n_points, 3, n), ``z`` in spreads of a prior of mean zero, (n,), ``weights``
    divide by the noise and broadcast over the errors. NaN is what was not measured.
    """
    e, j = errors * weights, jacobian * np.broadcast_to(weights, errors.shape)[..., None]
    known = np.isfinite(e) & np.isfinite(j).all(axis=2)
    e, j = e[known], j[known]
    soft = (1 + e**2) ** -0.25 if outlier is None else (1 + (e / outlier) ** 2) ** -0.5
    e, j = e * soft, j * soft[:, None]
    curvature = j.T @ j + np.eye(len(z))
    return np.linalg.solve(curvature, -(j.T @ e + z)), curvature


def _answers(
    errors: Callable[[NDArray[np.float64]], NDArray[np.float64]], z: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Errors at ``z`` and their difference quotients. (n_points, 3), (n_points, 3, n)"""
    here = errors(z)
    step = _STEP / SCALE_SPREAD
    beside = [errors(z + step * unit) - here for unit in np.eye(len(z))]
    return here, np.stack(beside, axis=2) / step


def _logs(
    deployment: Deployment,
    measurement: Measurement,
    serving: Serving,
    replayed: dict[int, Benchmark],
) -> NDArray[np.float64]:
    """What a measurement would show; a log is replayed once for all its parts."""
    log = measurement.log
    if log is not None:
        key = id(log.table)
        if key not in replayed:
            replayed[key] = replay(deployment, log.table, serving, measurement.replicas)
        b = replayed[key]
        return np.log(request_means(b.ttft_s[log.part], b.e2e_s[log.part], log))
    b = run_benchmark(deployment, measurement.load, serving, measurement.replicas)
    tpot_s = b.tpot_s.mean() if b.tpot_s.size else np.nan
    return np.log(np.array([b.output_tok_s, tpot_s, b.ttft_s.mean()]))


def request_means(
    ttft_s: NDArray[np.float64], e2e_s: NDArray[np.float64], log: LogPart
) -> NDArray[np.float64]:
    """Output speed of the mean request, mean TPOT and TTFT of a part. (n,), (n,) -> (3,)"""
    output_tok = log.table.output_tokens[log.part]
    several = output_tok > 1
    tpot_s = ((e2e_s - ttft_s)[several] / (output_tok[several] - 1)).mean()
    return np.array([output_tok.mean() / e2e_s.mean(), tpot_s, ttft_s.mean()])


def _band(errors: NDArray[np.float64], fitted: int, shipped: float) -> tuple[float, float]:
    """Nine in ten, from what is left and from how well so few points tell it.

    Each fitted factor hides the noise of one point. What all of a deployment's points have in
    common is as unknown as shipped (``shipped``, a spread of logarithms) before the first point,
    and a root of their number less behind them. A band is wider than shipped only where the points
    themselves disagree with the model by more.
    """
    points = len(errors)
    left = float(np.sqrt((errors @ errors + min(fitted, points) * NOISE**2) / points))
    spread = float(np.hypot(max(left, NOISE) * UNSEEN, shipped / np.sqrt(1 + points)))
    width = Z_90 * max(min(spread, shipped), left)
    return float(np.exp(-width)), float(np.exp(width))
