"""Studies of the predictions: what was fitted carries over, and what a user's own points bring."""

from collections import defaultdict
from collections.abc import Callable, Hashable
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from fit import Fit, better, errors_at
from points import Measured

from simulator.analysis.bench.benchmark import Serving, run_benchmark
from simulator.analysis.bench.calibration import Measurement, calibrate, with_factors

LEAST_POINTS = 6
"""Of a deployment whose points are halved."""
FOLDS = 5


def left_out(
    fitted: Fit, group: Callable[[Measured], Hashable], pool: ProcessPoolExecutor
) -> np.ndarray:
    """Errors of every point under coefficients that were fitted without its group. (n_points, 3)

    Without a group, coefficients move by two Gauss-Newton steps from those of all points; the left
    out points are then simulated exactly.
    """
    groups = defaultdict(list)
    for place, measured in enumerate(fitted.points):
        groups[group(measured)].append(place)
    errors = np.full_like(fitted.errors, np.nan)
    for places in groups.values():
        chosen = np.ones(len(fitted.points), np.bool_)
        chosen[places] = False
        z = better(fitted, chosen)
        errors[places] = errors_at([fitted.points[i] for i in places], z, pool)
    return errors


def fold(measured: Measured) -> int:
    """One of a few groups of whole deployments."""
    return sum(map(ord, "".join(measured.deployment))) % FOLDS


def run_of(measured: Measured) -> tuple[str, ...]:
    """What was benchmarked at one time: a deployment, the engine's version and the source."""
    row = measured.row
    return (*measured.deployment, row["source"], row.get("engine_version", ""), row.get("date", ""))


def halves(points: list[Measured], pool: ProcessPoolExecutor) -> np.ndarray:
    """Errors of every second point of a run, calibrated on the others. (n, 3)"""
    return _calibrated(points, pool, lambda found: [np.arange(len(found)) % 2 == 0])


def shapes(points: list[Measured], pool: ProcessPoolExecutor) -> np.ndarray:
    """Errors at lengths of prompts and outputs that the calibration has not seen. (n, 3)"""

    def without_each(found: list[Measured]) -> list[np.ndarray]:
        kinds = [(m.point.load.prompt_tok, m.point.load.output_tok) for m in found]
        return [np.array([k != kind for k in kinds]) for kind in sorted(set(kinds))]

    return _calibrated(points, pool, without_each)


def single(points: list[Measured], pool: ProcessPoolExecutor) -> np.ndarray:
    """Errors of a run's other points, scaled by one in its middle. (n, 3)"""
    return _calibrated(points, pool, lambda found: [np.arange(len(found)) == len(found) // 2])


def _calibrated(
    points: list[Measured],
    pool: ProcessPoolExecutor,
    splits: Callable[[list[Measured]], list[np.ndarray]],
) -> np.ndarray:
    runs = defaultdict(list)
    for measured in points:
        runs[run_of(measured)].append(measured)
    tasks = []
    for found in runs.values():
        if len(found) < LEAST_POINTS:
            continue
        ordered = sorted(found, key=lambda m: (m.point.load.value, m.point.load.prompt_tok))
        for used in splits(ordered):
            if used.any() and not used.all():
                tasks.append((ordered, used))
    return np.concatenate(list(pool.map(_split_errors, tasks, chunksize=4)))


def _split_errors(task: tuple[list[Measured], np.ndarray]) -> np.ndarray:
    found, used = task
    deployment = found[0].point.deployment
    serving = Serving()
    seen = [_measurement(m) for m, use in zip(found, used, strict=True) if use]
    fitted = with_factors(deployment, calibrate(deployment, seen, serving).factors)
    errors = []
    for measured, use in zip(found, used, strict=True):
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
