"""Calibration: a deployment's coefficients fitted to its own benchmarks, with strong priors.

One point fits a scale. Three points or more fit four factors: on the fixed time of a step, on
computing, on memory traffic and on the time outside steps. The forward model is the simulated
benchmark, so that batching, chunked prefill and queueing are included. Priors are log-normal
around the shipped coefficients: fits without priors predicted unseen shapes no better than rounded
defaults did (study of public benchmarks, 2026-11-23).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from simulator.analysis.bench.benchmark import Benchmark, Serving, replay, run_benchmark
from simulator.analysis.bench.loads import Load
from simulator.errors import InputError
from simulator.normal import Z_90
from simulator.serving.deployment import Deployment
from simulator.serving.links import Link
from simulator.traffic.table import RequestTable

PRIOR_SPREADS = {"overhead": 0.3, "compute": 0.25, "memory": 0.15, "request": 0.7}
"""Prior standard deviation of the logarithm of each factor: how far deployments differ from the
shipped coefficients."""
SCALE_SPREAD = 0.3
"""Prior standard deviation of the logarithm of ``scale``."""
NOISE = 0.05
"""Standard deviation of repeated benchmarks of one deployment, in logarithms (assumed)."""
WEIGHTS = np.array([1.0, 0.7, 0.4])
"""Weights of throughput, TPOT and TTFT."""
IDENTIFIED = 0.8
"""Posterior over prior spread above which a factor counts as not determined by the data."""
MOST_ERROR = 0.5
"""Largest median error of a figure that a fit may leave. A larger one is no speed of the deployment
but another deployment, or another load."""
LEAST_POINTS = 3
"""Fewest points for the fit of four factors."""
_NAMED = 3
"""Most measurements that a message names."""
_STEP = 0.05
_ROUNDS = 8
DOUBTFUL = 2.5
"""Number of prior spreads beyond which a factor is doubted: one deployment in a hundred differs so
much from the others, while a client or proxy included in the measurement is more common."""
UNSEEN = 1.5
"""Error at loads other than the measured ones relative to the error at these: medians of 7.4 and
4.7 % (study of public benchmarks, 2026-11-23)."""


@dataclass(frozen=True, slots=True)
class LogPart:
    """Measured requests of a log, all of which were served together."""

    table: RequestTable
    """All requests of the log."""
    part: slice
    """Rows to which the measurement belongs."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One benchmark of the deployment; times in seconds, NaN if not measured."""

    load: Load
    """Requests of the benchmark."""
    output_tok_s: float
    """Output throughput of the whole deployment, or prompt throughput where the load has no
    output; for a log, that of the mean request, its output over its duration."""
    tpot_s: float = np.nan
    ttft_s: float = np.nan
    replicas: int = 1
    log: LogPart | None = None
    """Requests of a log, if they are known; ``load`` is unused then."""
    source: str = ""
    """File of the measurement, for messages."""

    @property
    def label(self) -> str:
        """File and load, for messages."""
        return f"{self.source} ({self.load.label})" if self.source else self.load.label

    @property
    def logs(self) -> NDArray[np.float64]:
        """Logarithms of throughput, TPOT and TTFT. (3,)"""
        return np.log(np.array([self.output_tok_s, self.tpot_s, self.ttft_s]))


@dataclass(frozen=True, slots=True)
class Calibration:
    """Factors on the shipped coefficients, and the remaining errors."""

    factors: dict[str, float]
    """Factors by name: ``scale`` alone, or those of ``PRIOR_SPREADS``."""
    kept: tuple[str, ...]
    """Factors that the data hardly determine, so that their priors decided."""
    errors: NDArray[np.float64]
    """Predicted over measured, less one: throughput, TPOT, TTFT. (n_points, 3)"""
    doubtful: tuple[str, ...]
    """Factors so far from the shipped coefficients that the measurement is questionable."""
    band: tuple[float, float]
    """Measured over predicted throughput: an interval for nine in ten loads."""


def with_factors(deployment: Deployment, factors: dict[str, float]) -> Deployment:
    """Return a deployment with its times multiplied by ``factors``.

    A factor of 1.1 makes its part of the work take 1.1 times as long.
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
        When there is no measurement, or one that the deployment could not have served; and when
        the fit leaves a median error of throughput or TPOT above ``MOST_ERROR``.
    """
    if not measurements:
        raise InputError("there is nothing to calibrate with: no benchmark in the files")
    for m in measurements:
        if deployment.model.kind == "embedding" and m.load.output_tok:
            raise InputError(f"{m.label}: {deployment.model.name} generates no output tokens")
    spreads = PRIOR_SPREADS if len(measurements) >= LEAST_POINTS else {"scale": SCALE_SPREAD}
    names, prior = list(spreads), np.array(list(spreads.values()))
    targets = np.array([m.logs for m in measurements])

    def errors(z: NDArray[np.float64]) -> NDArray[np.float64]:
        factors = dict(zip(names, np.exp(prior * z).tolist(), strict=True))
        fitted = with_factors(deployment, factors)
        replayed: dict[int, Benchmark] = {}
        return (
            np.array([_predicted_logs(fitted, m, serving, replayed) for m in measurements])
            - targets
        )

    z = np.zeros(len(names))
    for _ in range(_ROUNDS):
        residuals, jacobian = _errors_and_jacobian(errors, z)
        step, curvature = newton_step(residuals, jacobian, z, WEIGHTS / NOISE)
        z = z + np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < 0.02:
            break
    residuals = errors(z)
    _refuse_misfit(np.expm1(residuals), measurements)
    spread = np.sqrt(np.diag(np.linalg.inv(curvature)))
    kept = tuple(n for n, s in zip(names, spread, strict=True) if s > IDENTIFIED)
    factors = dict(zip(names, np.exp(prior * z).tolist(), strict=True))
    doubtful = tuple(n for n, distance in zip(names, np.abs(z), strict=True) if distance > DOUBTFUL)
    c = deployment.coefficients
    shipped = float(np.log(c.band_high / c.band_low)) / 2 / Z_90
    band = _band(residuals[:, 0], len(names), shipped)
    return Calibration(factors, kept, np.expm1(residuals), doubtful, band)


def _refuse_misfit(errors: NDArray[np.float64], measurements: list[Measurement]) -> None:
    """Raise InputError if a fit does not explain the measurements. (n_points, 3)"""
    for column, figure in enumerate(("throughput", "TPOT")):
        known = np.flatnonzero(np.isfinite(errors[:, column]))
        sizes = np.abs(errors[known, column])
        if not known.size or np.median(sizes) <= MOST_ERROR:
            continue
        worst = known[np.argsort(-sizes, kind="stable")]
        named = "; ".join(
            f"{measurements[n].label} {errors[n, column]:+.0%}" for n in worst[:_NAMED].tolist()
        )
        others = f"; and {len(worst) - _NAMED} more" if len(worst) > _NAMED else ""
        raise InputError(
            f"the fit does not explain the measurements, and there is no calibration: predicted "
            f"{figure} is off by {np.median(sizes):.0%} in the median ({named}{others}); check the "
            "model, the GPUs, the precision of the weights, and the loads of the files"
        )


def newton_step(
    errors: NDArray[np.float64],
    jacobian: NDArray[np.float64],
    z: NDArray[np.float64],
    weights: NDArray[np.float64],
    outlier: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return a Gauss-Newton step towards smaller errors, and the curvature there.

    Errors, (n_points, 3), count by soft L1: as their square while small, by their size when large;
    with ``outlier``, in units of the noise, errors far above it hardly count (Cauchy's loss).
    ``jacobian`` is (n_points, 3, n), ``z`` in spreads of a prior of mean zero, (n,), ``weights``
    divide by the noise and broadcast over the errors. NaN marks values that were not measured.
    """
    e, j = errors * weights, jacobian * np.broadcast_to(weights, errors.shape)[..., None]
    is_known = np.isfinite(e) & np.isfinite(j).all(axis=2)
    e, j = e[is_known], j[is_known]
    soft = (1 + e**2) ** -0.25 if outlier is None else (1 + (e / outlier) ** 2) ** -0.5
    e, j = e * soft, j * soft[:, None]
    curvature = j.T @ j + np.eye(len(z))
    return np.linalg.solve(curvature, -(j.T @ e + z)), curvature


def _errors_and_jacobian(
    errors: Callable[[NDArray[np.float64]], NDArray[np.float64]], z: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return errors at ``z``, and their difference quotients. (n_points, 3), (n_points, 3, n)"""
    base = errors(z)
    step = _STEP / SCALE_SPREAD
    differences = [errors(z + step * unit) - base for unit in np.eye(len(z))]
    return base, np.stack(differences, axis=2) / step


def _predicted_logs(
    deployment: Deployment,
    measurement: Measurement,
    serving: Serving,
    replayed: dict[int, Benchmark],
) -> NDArray[np.float64]:
    """Return the predicted logarithms of a measurement; a log is replayed once for its parts."""
    log = measurement.log
    if log is not None:
        key = id(log.table)
        if key not in replayed:
            replayed[key] = replay(deployment, log.table, serving, measurement.replicas)
        benchmark = replayed[key]
        return np.log(request_means(benchmark.ttft_s[log.part], benchmark.e2e_s[log.part], log))
    benchmark = run_benchmark(deployment, measurement.load, serving, measurement.replicas)
    tpot_s = benchmark.tpot_s.mean() if benchmark.tpot_s.size else np.nan
    speed = benchmark.output_tok_s if measurement.load.output_tok else benchmark.total_tok_s
    return np.log(np.array([speed, tpot_s, benchmark.ttft_s.mean()]))


def request_means(
    ttft_s: NDArray[np.float64], e2e_s: NDArray[np.float64], log: LogPart
) -> NDArray[np.float64]:
    """Output speed of the mean request, and mean TPOT and TTFT of a part. (n,), (n,) -> (3,)"""
    output_tok = log.table.output_tokens[log.part]
    several = output_tok > 1
    tpot_s = ((e2e_s - ttft_s)[several] / (output_tok[several] - 1)).mean()
    return np.array([output_tok.mean() / e2e_s.mean(), tpot_s, ttft_s.mean()])


def _band(errors: NDArray[np.float64], fitted: int, shipped: float) -> tuple[float, float]:
    """Return the interval for nine in ten loads, from the remaining errors and their number.

    Each fitted factor hides the noise of one point. The error that all points of a deployment have
    in common is as uncertain as shipped (``shipped``, a standard deviation of logarithms) before
    the first point, and falls with the square root of the number of points after that. The band is
    wider than shipped only if the points themselves disagree with the model by more.
    """
    points = len(errors)
    rms_error = float(np.sqrt((errors @ errors + min(fitted, points) * NOISE**2) / points))
    spread = float(np.hypot(max(rms_error, NOISE) * UNSEEN, shipped / np.sqrt(1 + points)))
    width = Z_90 * max(min(spread, shipped), rms_error)
    return float(np.exp(-width)), float(np.exp(width))
