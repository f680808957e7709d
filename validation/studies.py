"""Studies of predictions: cross-validation of the fit, and calibration on a user's own points."""

from collections import defaultdict
from collections.abc import Callable, Hashable
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from fit import Fit, better, errors_at
from points import Measured

from simulator.analysis.bench.benchmark import Serving, run_benchmark
from simulator.analysis.bench.calibration import Measurement, calibrate, with_factors

LEAST_POINTS = 6
"""Fewest points of a run that is split into calibration and test points."""
FOLDS = 5


def left_out(
    fitted: Fit, group: Callable[[Measured], Hashable], pool: ProcessPoolExecutor
) -> np.ndarray:
    """Return the errors of every point with coefficients fitted without its group. (n_points, 3)

    The coefficients without a group are one Gauss-Newton step from those of all points. The points
    that are left out are then simulated exactly.
    """
    groups = defaultdict(list)
    for index, measured in enumerate(fitted.points):
        groups[group(measured)].append(index)
    errors = np.full_like(fitted.errors, np.nan)
    for indices in groups.values():
        chosen = np.ones(len(fitted.points), np.bool_)
        chosen[indices] = False
        z = better(fitted, chosen)
        errors[indices] = errors_at([fitted.points[i] for i in indices], z, pool)
    return errors


def fold(measured: Measured) -> int:
    """Return the cross-validation group of a point; a deployment is never split."""
    return sum(map(ord, "".join(measured.deployment))) % FOLDS


def run_of(measured: Measured) -> tuple[str, ...]:
    """Return the key of a benchmark run: a deployment, an engine version, a source and a date."""
    row = measured.row
    return (*measured.deployment, row["source"], row.get("engine_version", ""), row.get("date", ""))


def halves(points: list[Measured], pool: ProcessPoolExecutor) -> np.ndarray:
    """Return the errors of every second point of a run, calibrated on the others. (n, 3)"""
    return _calibrated_errors(points, pool, lambda run: [np.arange(len(run)) % 2 == 0])


def shapes(points: list[Measured], pool: ProcessPoolExecutor) -> np.ndarray:
    """Return the errors at prompt and output lengths that are not in the calibration. (n, 3)"""

    def without_each(run: list[Measured]) -> list[np.ndarray]:
        kinds = [(m.point.load.prompt_tok, m.point.load.output_tok) for m in run]
        return [np.array([k != kind for k in kinds]) for kind in sorted(set(kinds))]

    return _calibrated_errors(points, pool, without_each)


def single(points: list[Measured], pool: ProcessPoolExecutor) -> np.ndarray:
    """Return the errors of all points of a run but the middle one, by which it is scaled. (n, 3)"""
    return _calibrated_errors(points, pool, lambda run: [np.arange(len(run)) == len(run) // 2])


def _calibrated_errors(
    points: list[Measured],
    pool: ProcessPoolExecutor,
    splits: Callable[[list[Measured]], list[np.ndarray]],
) -> np.ndarray:
    runs = defaultdict(list)
    for measured in points:
        runs[run_of(measured)].append(measured)
    tasks = []
    for run in runs.values():
        if len(run) < LEAST_POINTS:
            continue
        ordered = sorted(run, key=lambda m: (m.point.load.value, m.point.load.prompt_tok))
        for used in splits(ordered):
            if used.any() and not used.all():
                tasks.append((ordered, used))
    return np.concatenate(list(pool.map(_split_errors, tasks, chunksize=4)))


def _split_errors(task: tuple[list[Measured], np.ndarray]) -> np.ndarray:
    run, used = task
    deployment = run[0].point.deployment
    serving = Serving()
    measurements = [_measurement(m) for m, use in zip(run, used, strict=True) if use]
    fitted = with_factors(deployment, calibrate(deployment, measurements, serving).factors)
    errors = []
    for measured, use in zip(run, used, strict=True):
        if use:
            continue
        b = run_benchmark(fitted, measured.point.load, serving, measured.point.replicas)
        tpot_s = float(b.tpot_s.mean()) if b.tpot_s.size else np.nan
        logs = np.log([b.output_tok_s, tpot_s, float(b.ttft_s.mean())])
        errors.append(logs - measured.targets)
    return np.array(errors).reshape(-1, 3)


def _measurement(measured: Measured) -> Measurement:
    return Measurement(
        measured.point.load,
        measured.output_tok_s,
        measured.tpot_s,
        measured.ttft_s,
        measured.point.replicas,
    )
