"""Fit the coefficients of hardware_profiles/serving.yaml to measured points, with strong priors.

usage: python validation/fit.py POINTS.csv[.gz] [--write]

Every coefficient has a log-normal prior around the rounded default of a study of 2026-11-23; a
deployment weighs as the root of the number of its points; large errors count by their size and not
their square (soft L1), so that misread rows do not pull. Gauss-Newton on the simulated benchmarks:
one simulation of all points per coefficient and round.
"""

import argparse
import os
import re
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from points import FITTED_KINDS, Measured, errors_of, read_points

from simulator.analysis.calibration import newton_step
from simulator.scenario.files import profiles_dir
from simulator.scenario.serving_profile import ServingProfile, serving_profile

NOISE = 0.1
"""Spread of repeated measurements of one deployment, in logarithms (versions of one engine)."""
WEIGHTS = np.array([1.0, 0.7, 0.4])
"""Of throughput, TPOT and TTFT."""
MOST_ROUNDS = 5
RESTING = 0.1
"""Movement of all coefficients, in spreads of their priors, that ends the fit."""
MOST_STEP = 1.0
STEP = 0.08
"""Of a difference quotient, in logarithms."""

PRIORS: dict[str, tuple[float, float]] = {  # path: median, spread of the logarithm
    "fixed_s": (1e-3, 0.5),
    "launch_s": (4e-4, 0.5),
    "overlap": (1.3, 0.15),
    "kv_efficiency": (0.8, 0.2),
    "attention_efficiency": (0.5, 0.2),
    "expert_imbalance": (1.2, 0.1),
    "exchange_latency_s": (15e-6, 0.5),
    "mla_layer": (1.0, 0.2),
    "classes.dense.layer_s": (45e-6, 0.3),
    "classes.dense.compute_efficiency": (0.65, 0.15),
    "classes.dense.memory_efficiency": (0.90, 0.05),
    "classes.dense.allreduce_latency_s": (5e-6, 0.4),
    "classes.dense.link_efficiency": (0.40, 0.4),
    "classes.fine_moe.layer_s": (75e-6, 0.3),
    "classes.fine_moe.compute_efficiency": (0.35, 0.3),
    "classes.fine_moe.memory_efficiency": (0.90, 0.1),
    "classes.fine_moe.allreduce_latency_s": (10e-6, 0.4),
    "classes.fine_moe.link_efficiency": (0.15, 0.4),
    "generations.ampere.compute": (1.0, 0.15),
    "generations.blackwell.compute": (0.85, 0.2),
    "generations.blackwell.overhead": (1.0, 0.2),
    "generations.blackwell.memory": (1.0, 0.07),
    "generations.cdna3.compute": (0.65, 0.3),
    "generations.cdna3.overhead": (1.5, 0.3),
    "precisions.bf16.compute": (1.0, 0.1),
    "precisions.nvfp4.compute": (0.8, 0.3),
    "precisions.nvfp4.memory": (0.9, 0.1),
    "engines.vllm.sequence_s": (5e-6, 0.7),
    "engines.vllm.request_s": (0.020, 0.4),
    "engines.vllm.request_token_s": (4e-6, 0.7),
    "engines.sglang.overhead.dense": (1.0, 0.15),
    "engines.sglang.overhead.fine_moe": (1.0, 0.25),
    "engines.sglang.request_s": (0.080, 0.5),
    "engines.sglang.generations.blackwell.request": (1.0, 0.7),
    "engines.trtllm.overhead.dense": (1.0, 0.15),
    "engines.trtllm.overhead.fine_moe": (1.0, 0.25),
    "engines.trtllm.slowness": (1.0, 0.05),
    "engines.trtllm.request_s": (0.040, 0.5),
    "engines.trtllm.generations.blackwell.overhead": (1.0, 0.25),
}
SHARED = {  # what follows another coefficient
    "precisions.fp16.compute": "precisions.bf16.compute",
    "engines.sglang.sequence_s": "engines.vllm.sequence_s",
    "engines.trtllm.sequence_s": "engines.vllm.sequence_s",
}
MOST = {  # efficiencies stay below the roofline
    "kv_efficiency": 0.95,
    "attention_efficiency": 0.95,
    "classes.dense.memory_efficiency": 0.95,
    "classes.fine_moe.memory_efficiency": 0.95,
}
LEAST = {"overlap": 1.0}


def profile_at(values: dict[str, float]) -> ServingProfile:
    """Return the shipped profile with some coefficients replaced."""
    data = serving_profile().model_dump()
    shared = {path: values[source] for path, source in SHARED.items() if source in values}
    for path, value in {**values, **shared}.items():
        *parents, last = path.split(".")
        node = data
        for key in parents:
            node = node[key]
        node[last] = value
    return ServingProfile.model_validate(data)


@dataclass(frozen=True, slots=True)
class Fit:
    """Coefficients that were fitted, and how predictions answer to them."""

    points: list[Measured]
    z: np.ndarray
    """Distance from the priors, in their spreads. (n_coefficients,)"""
    errors: np.ndarray
    """Logarithms of predicted over measured. (n_points, 3)"""
    jacobian: np.ndarray
    """(n_points, 3, n_coefficients)"""

    def values(self) -> dict[str, float]:
        """Return the coefficients by path."""
        return values_at(self.z)


def values_at(z: np.ndarray) -> dict[str, float]:
    """Return coefficients by path. (n_coefficients,)"""
    return {
        path: median * float(np.exp(spread * step))
        for (path, (median, spread)), step in zip(PRIORS.items(), z, strict=True)
    }


def shipped_z() -> np.ndarray:
    """Return what serving.yaml holds, as distances from the priors. (n_coefficients,)"""
    data = serving_profile().model_dump()
    z = []
    for path, (median, spread) in PRIORS.items():
        node = data
        for key in path.split("."):
            node = node[key]
        z.append(np.log(node / median) / spread)
    return np.array(z)


def errors_at(points: list[Measured], z: np.ndarray, pool: ProcessPoolExecutor) -> np.ndarray:
    """Logarithms of predicted over measured. (n_points, 3)"""
    profile = profile_at(values_at(z))
    return errors_of([m.with_profile(profile) for m in points], pool)


def _ends() -> np.ndarray:
    """Least and greatest distance from each prior that a coefficient may have. (2, n)"""
    return np.array(
        [
            [np.log(ends.get(path, open_end) / median) / s for path, (median, s) in PRIORS.items()]
            for ends, open_end in ((LEAST, 1e-12), (MOST, 1e12))
        ]
    )


def point_weights(points: list[Measured]) -> np.ndarray:
    """Weights that let a deployment count as the root of its points. (n_points,)"""
    sizes = Counter(m.deployment for m in points)
    weights = np.array([sizes[m.deployment] ** -0.25 for m in points])
    return weights / np.sqrt(np.mean(weights**2))


def better(fit: Fit, chosen: np.ndarray) -> np.ndarray:
    """Return better coefficients by the chosen points alone. (n_points,) -> (n_coefficients,)"""
    weights = point_weights(fit.points)[chosen, None] * WEIGHTS / NOISE
    step, _ = newton_step(fit.errors[chosen], fit.jacobian[chosen], fit.z, weights)
    return np.clip(fit.z + np.clip(step, -MOST_STEP, MOST_STEP), *_ends())


def linearised(points: list[Measured], z: np.ndarray, pool: ProcessPoolExecutor) -> Fit:
    """Simulate all points at ``z`` and beside it."""
    errors, (_, highest) = errors_at(points, z, pool), _ends()
    columns = []
    for place, (_, spread) in enumerate(PRIORS.values()):
        beside, step = z.copy(), STEP / spread
        if beside[place] + step > highest[place]:
            step = -step
        beside[place] += step
        columns.append((errors_at(points, beside, pool) - errors) / step)
    return Fit(points, z, errors, np.stack(columns, axis=2))


def fit(points: list[Measured], pool: ProcessPoolExecutor) -> Fit:
    """Fit from the shipped coefficients until they rest."""
    current = linearised(points, shipped_z(), pool)
    for _ in range(MOST_ROUNDS):
        z = better(current, np.ones(len(points), np.bool_))
        moved = np.abs(z - current.z).max()
        current = linearised(points, z, pool)
        if moved < RESTING:
            break
        sys.stderr.write(f"{summary(current.errors)}\n")
    return current


def summary(errors: np.ndarray) -> str:
    """Median and 90th percentile of absolute relative errors."""
    relative = np.abs(np.expm1(errors))
    medians = np.nanmedian(relative, axis=0)
    tail = np.nanquantile(relative[:, 0], 0.9)
    return "throughput {:.1%} (p90 {:.1%}), TPOT {:.1%}, TTFT {:.1%}".format(
        medians[0], tail, *medians[1:]
    )


def write(values: dict[str, float]) -> None:
    """Replace the coefficients in serving.yaml, leaving everything else as it is."""
    path = profiles_dir() / "serving.yaml"
    lines = path.read_text().split("\n")
    shared = {place: values[source] for place, source in SHARED.items()}
    for key, value in {**values, **shared}.items():
        _replace(lines, key.split("."), value)
    path.write_text("\n".join(lines))


def _replace(lines: list[str], keys: list[str], value: float) -> None:
    """Find a key under its parents by indentation, or within a flow mapping, and set its value."""
    start = 0
    for depth, key in enumerate(keys):
        found = next(
            n for n in range(start, len(lines)) if re.match(f"{'  ' * depth}{key}:", lines[n])
        )
        rest = keys[depth + 1 :]
        if len(rest) == 1 and "{" in lines[found]:
            inside = re.compile(rf"(\b{rest[0]}: )[\d.e-]+")
            lines[found] = inside.sub(lambda m: f"{m[1]}{value:.3g}", lines[found])
            return
        start = found + 1
    lines[found] = re.sub(r": [\d.e-]+", lambda _: f": {_plain(value)}", lines[found], count=1)


def _plain(value: float) -> str:
    return np.format_float_positional(value, precision=3, fractional=False, trim="-")


def main() -> None:
    """Fit, print what was found, and write it when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("points", type=Path)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    points = [m for m in read_points(given.points) if m.row["load_kind"] in FITTED_KINDS]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        found = fit(points, pool)
    for (path, (median, _)), z in zip(PRIORS.items(), found.z, strict=True):
        value = found.values()[path]
        sys.stdout.write(f"{path:40}{value:12.4g}  prior {median:g}, {z:+.1f} spreads\n")
    if given.write:
        write(found.values())


if __name__ == "__main__":
    main()
