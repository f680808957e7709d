"""Fit the coefficients of hardware_profiles/serving.yaml to measured points, with strong priors.

usage: python validation/fit.py DATA [--write]

Every coefficient has a log-normal prior around the rounded default of a study of 2026-11-23. The
weight of a deployment is the square root of the number of its points. Errors far above the noise
hardly count (Cauchy's loss), so that rows that contradict others have little influence. The method
is Gauss-Newton on simulated benchmarks, with one simulation of all points per coefficient and
iteration.
"""

import argparse
import os
import re
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from points import Measured, errors_of, read_all

from simulator.analysis.bench.calibration import newton_step
from simulator.scenario.catalog.serving_profile import ServingProfile, serving_profile
from simulator.scenario.document.shipped import profiles_dir

NOISE = 0.1
"""Spread of repeated measurements of one deployment, in logarithms (versions of one engine)."""
WEIGHTS = np.array([1.0, 0.7, 0.4])
"""Weights of throughput, TPOT and TTFT."""
OUTLIER = 2.5
"""Error, in spreads of the noise, above which a point is assumed to contradict the others because
of unlabelled speculation, cached prefixes or misread rows. No row is left out by hand."""
LIVE_WEIGHT = 3.0
"""Factor on the weight of open loops and logged requests, which are few compared with closed loops
but similar to real traffic."""
MOST_POINTS = 6
"""Most points of a deployment and source to which coefficients are fitted."""
MOST_ROUNDS = 5
"""Most iterations."""
CONVERGED = 0.1
"""Largest change of a coefficient, in spreads of its prior, at which the fit ends."""
MOST_STEP = 1.0
"""Most that a coefficient changes in an iteration, in spreads of its prior."""
STEP = 0.08
"""Step of difference quotients, in logarithms."""

PRIORS: dict[str, tuple[float, float]] = {  # path: median, spread of the logarithm
    "fixed_s": (2e-4, 0.5),
    "layer_s": (60e-6, 0.3),
    "expert_layer_s": (20e-6, 0.6),
    "mla_layer": (1.1, 0.15),
    "launch_s": (1e-4, 0.4),
    "overlap": (1.4, 0.1),
    "compute_efficiency": (0.62, 0.1),
    "expert_efficiency": (0.32, 0.2),
    "expert_tile_tok": (6.0, 0.5),
    "memory_efficiency": (0.90, 0.04),
    "kv_efficiency": (0.85, 0.1),
    "attention_efficiency": (0.6, 0.2),
    "expert_evenness": (1.5, 0.4),
    "expert_imbalance": (1.2, 0.1),
    "exchange_latency_s": (1e-5, 0.5),
    "links.nvlink3.gb_s": (150.0, 0.2),
    "links.nvlink3.latency_s": (8e-6, 0.25),
    "links.nvlink4.gb_s": (240.0, 0.2),
    "links.nvlink4.latency_s": (8e-6, 0.25),
    "links.nvlink5.gb_s": (380.0, 0.2),
    "links.nvlink5.latency_s": (8e-6, 0.25),
    "links.xgmi3.gb_s": (250.0, 0.3),
    "links.xgmi3.latency_s": (12e-6, 0.4),
    "links.pcie4.gb_s": (13.0, 0.3),
    "links.pcie4.latency_s": (3e-5, 0.4),
    "generations.ampere.compute": (1.0, 0.1),
    "generations.ampere.memory": (0.92, 0.07),
    "generations.ampere.experts": (0.8, 0.3),
    "generations.ampere.overhead": (1.1, 0.2),
    "generations.ada.compute": (1.0, 0.15),
    "generations.ada.memory": (0.92, 0.07),
    "generations.ada-geforce.compute": (1.2, 0.1),
    "generations.ada-geforce.memory": (0.97, 0.05),
    "generations.blackwell.compute": (0.85, 0.15),
    "generations.blackwell.experts": (0.4, 0.25),
    "generations.blackwell.memory": (0.97, 0.05),
    "generations.blackwell.overhead": (0.9, 0.2),
    "generations.blackwell-consumer.compute": (1.0, 0.2),
    "generations.blackwell-consumer.memory": (0.95, 0.07),
    "generations.cdna3.compute": (0.65, 0.3),
    "generations.cdna3.experts": (0.65, 0.3),
    "generations.cdna3.memory": (0.75, 0.15),
    "generations.cdna3.overhead": (1.5, 0.3),
    "generations.cdna4.experts": (0.65, 0.3),
    "generations.cdna4.memory": (0.75, 0.15),
    "generations.cdna4.overhead": (1.3, 0.3),
    "precisions.bf16.compute": (1.1, 0.1),
    "precisions.bf16.experts": (1.1, 0.2),
    "precisions.nvfp4.compute": (0.7, 0.2),
    "precisions.nvfp4.experts": (1.0, 0.3),
    "precisions.nvfp4.memory": (0.95, 0.07),
    "precisions.mxfp4.experts": (0.7, 0.3),
    "precisions.mxfp4.memory": (0.9, 0.1),
    "precisions.mxfp4.generations.ampere.experts": (1.3, 0.3),
    "precisions.mxfp4.generations.blackwell.experts": (2.5, 0.4),
    "precisions.mxfp4.generations.blackwell.memory": (0.9, 0.1),
    "precisions.fp8.generations.ampere.compute": (0.9, 0.15),
    "precisions.fp8.generations.ampere.memory": (0.85, 0.15),
    "precisions.fp8.generations.ampere.experts": (0.7, 0.3),
    "precisions.int4.compute": (0.8, 0.2),
    "precisions.int4.memory": (0.8, 0.15),
    "engines.vllm.sequence_s": (8e-6, 0.5),
    "engines.vllm.request_s": (0.015, 0.4),
    "engines.vllm.request_token_s": (2e-6, 0.7),
    "engines.vllm.admission_s": (1.5e-3, 0.6),
    "engines.vllm.generations.ampere.admission": (1.5, 0.5),
    "engines.vllm.generations.ampere.compute": (0.95, 0.1),
    "engines.vllm.generations.ampere.memory": (0.95, 0.07),
    "engines.vllm.generations.ada.memory": (0.95, 0.07),
    "engines.sglang.overhead.dense": (1.0, 0.15),
    "engines.sglang.overhead.fine_moe": (1.0, 0.25),
    "engines.sglang.experts": (1.0, 0.2),
    "engines.sglang.request_s": (0.060, 0.5),
    "engines.sglang.admission_s": (1.5e-3, 0.6),
    "engines.sglang.generations.blackwell.request": (1.0, 0.7),
    "engines.trtllm.overhead.dense": (1.0, 0.15),
    "engines.trtllm.overhead.fine_moe": (1.0, 0.25),
    "engines.trtllm.experts": (1.0, 0.2),
    "engines.trtllm.request_s": (0.040, 0.5),
    "engines.trtllm.admission_s": (1.5e-3, 0.6),
    "engines.trtllm.generations.blackwell.overhead": (1.0, 0.25),
}
SHARED = {  # coefficients that are equal to another one
    "precisions.fp16.compute": "precisions.bf16.compute",
    "precisions.fp16.experts": "precisions.bf16.experts",
    "precisions.int4.experts": "precisions.int4.compute",
    "generations.ada.experts": "generations.ada.compute",
    "generations.ada-geforce.experts": "generations.ada-geforce.compute",
    "generations.cdna4.compute": "generations.cdna4.experts",
    "generations.blackwell-consumer.experts": "generations.blackwell-consumer.compute",
    "engines.sglang.overhead.coarse_moe": "engines.sglang.overhead.dense",
    "engines.trtllm.overhead.coarse_moe": "engines.trtllm.overhead.dense",
    "engines.sglang.sequence_s": "engines.vllm.sequence_s",
    "engines.trtllm.sequence_s": "engines.vllm.sequence_s",
}
MOST = {  # efficiencies stay below the roofline
    "kv_efficiency": 0.95,
    "attention_efficiency": 0.95,
    "memory_efficiency": 0.95,
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
    """Fitted coefficients, with the errors of predictions and their derivatives."""

    points: list[Measured]
    z: np.ndarray
    """Distances of the coefficients from the priors, in their spreads. (n_coefficients,)"""
    errors: np.ndarray
    """Logarithms of predicted over measured throughput, TPOT and TTFT. (n_points, 3)"""
    jacobian: np.ndarray
    """Derivatives of the errors by ``z``. (n_points, 3, n_coefficients)"""

    def values(self) -> dict[str, float]:
        """Return the coefficients by path."""
        return values_at(self.z)


def values_at(z: np.ndarray) -> dict[str, float]:
    """Return the coefficients by path at distances ``z`` from the priors. (n_coefficients,)"""
    return {
        path: median * float(np.exp(spread * step))
        for (path, (median, spread)), step in zip(PRIORS.items(), z, strict=True)
    }


def shipped_z() -> np.ndarray:
    """Return the coefficients of serving.yaml as distances from the priors. (n_coefficients,)"""
    data: dict[str, Any] = serving_profile().model_dump()
    z = []
    for path, (median, spread) in PRIORS.items():
        node: Any = data
        for key in path.split("."):
            node = node[key]
        z.append(np.log(node / median) / spread)
    return np.array(z)


def errors_at(points: list[Measured], z: np.ndarray, pool: ProcessPoolExecutor) -> np.ndarray:
    """Return the logarithms of predicted over measured values at ``z``. (n_points, 3)"""
    profile = profile_at(values_at(z))
    return errors_of([m.with_profile(profile) for m in points], pool)


def _bounds() -> np.ndarray:
    """Return the least and the greatest allowed distance of coefficients from priors. (2, n)"""
    return np.array(
        [
            [np.log(ends.get(path, open_end) / median) / s for path, (median, s) in PRIORS.items()]
            for ends, open_end in ((LEAST, 1e-12), (MOST, 1e12))
        ]
    )


def thinned(points: list[Measured]) -> list[Measured]:
    """Return some points of every deployment and source, evenly over prompts, outputs and loads.

    Since the weight of a deployment is the square root of its points, more would add little.
    """
    groups: dict[tuple[object, ...], list[Measured]] = {}
    for m in points:
        groups.setdefault((m.deployment, m.row["source"]), []).append(m)
    chosen = []
    for group in groups.values():
        group.sort(
            key=lambda m: (m.point.load.prompt_tok, m.point.load.output_tok, m.point.load.value)
        )
        indices = np.unique(np.linspace(0, len(group) - 1, MOST_POINTS).round().astype(int))
        chosen += [group[index] for index in indices]
    return chosen


def point_weights(points: list[Measured]) -> np.ndarray:
    """Return weights by which a deployment counts as the square root of its points. (n_points,)"""
    sizes = Counter(m.deployment for m in points)
    weights = np.array(
        [
            sizes[m.deployment] ** -0.25
            * (LIVE_WEIGHT if m.row["load_kind"] == "request-rate" else 1.0)
            for m in points
        ]
    )
    return weights / np.sqrt(np.mean(weights**2))


def better(fit: Fit, chosen: np.ndarray) -> np.ndarray:
    """Return coefficients improved by one Gauss-Newton step on the chosen points.

    (n_points,) -> (n_coefficients,)
    """
    weights = point_weights(fit.points)[chosen, None] * WEIGHTS / NOISE
    step, _ = newton_step(fit.errors[chosen], fit.jacobian[chosen], fit.z, weights, OUTLIER)
    return np.clip(fit.z + np.clip(step, -MOST_STEP, MOST_STEP), *_bounds())


def linearised(points: list[Measured], z: np.ndarray, pool: ProcessPoolExecutor) -> Fit:
    """Simulate all points at ``z`` and at one step from it along each coefficient."""
    errors, (_, highest) = errors_at(points, z, pool), _bounds()
    columns = []
    for index, (_, spread) in enumerate(PRIORS.values()):
        shifted, step = z.copy(), STEP / spread
        if shifted[index] + step > highest[index]:
            step = -step
        shifted[index] += step
        columns.append((errors_at(points, shifted, pool) - errors) / step)
    return Fit(points, z, errors, np.stack(columns, axis=2))


def fit(points: list[Measured], pool: ProcessPoolExecutor) -> Fit:
    """Fit from the shipped coefficients until they no longer change."""
    current = linearised(points, shipped_z(), pool)
    for _ in range(MOST_ROUNDS):
        z = better(current, np.ones(len(points), np.bool_))
        change = np.abs(z - current.z).max()
        current = linearised(points, z, pool)
        if change < CONVERGED:
            break
        sys.stderr.write(f"{summary(current.errors)}\n")
    return current


def summary(errors: np.ndarray) -> str:
    """Return the median and the 90th percentile of absolute relative errors, as text."""
    relative = np.abs(np.expm1(errors))
    medians = np.nanmedian(relative, axis=0)
    tail = np.nanquantile(relative[:, 0], 0.9)
    return "throughput {:.1%} (p90 {:.1%}), TPOT {:.1%}, TTFT {:.1%}".format(
        medians[0], tail, *medians[1:]
    )


def write(values: dict[str, float]) -> None:
    """Replace the coefficients in serving.yaml, and leave everything else unchanged."""
    path = profiles_dir() / "serving.yaml"
    lines = path.read_text().split("\n")
    shared = {key: values[source] for key, source in SHARED.items()}
    for key, value in {**values, **shared}.items():
        _replace(lines, key.split("."), value)
    path.write_text("\n".join(lines))


def _replace(lines: list[str], keys: list[str], value: float) -> None:
    """Set the value of a key, found by the indentation below its parents or in a flow mapping."""
    start = 0
    for depth, key in enumerate(keys):
        number = next(
            n for n in range(start, len(lines)) if re.match(f"{'  ' * depth}{key}:", lines[n])
        )
        rest = keys[depth + 1 :]
        if len(rest) == 1 and "{" in lines[number]:
            entry = re.compile(rf"(\b{rest[0]}: )[\d.e-]+")
            lines[number] = entry.sub(lambda m: f"{m[1]}{value:.3g}", lines[number])
            return
        start = number + 1
    lines[number] = re.sub(r": [\d.e-]+", lambda _: f": {_decimal(value)}", lines[number], count=1)


def _decimal(value: float) -> str:
    return np.format_float_positional(value, precision=3, fractional=False, trim="-")


def main() -> None:
    """Fit and print the coefficients; with ``--write``, write them to serving.yaml."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    points = thinned([m for m in read_all(arguments.data) if m.is_fitted])
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        fitted = fit(points, pool)
    for (path, (median, _)), z in zip(PRIORS.items(), fitted.z, strict=True):
        value = fitted.values()[path]
        sys.stdout.write(f"{path:40}{value:12.4g}  prior {median:g}, {z:+.1f} spreads\n")
    if arguments.write:
        write(fitted.values())


if __name__ == "__main__":
    main()
