"""Measured benchmark points, and what is predicted for them."""

import csv
import gzip
import math
import re
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from simulator.scenario.bench_table import CannotSay, Point, predict, read_point
from simulator.scenario.serving_profile import ServingProfile, serving_profile

FITTED_KINDS = ("offline", "concurrency")
"""Static batches come from untuned engines of 2024 and earlier: predicted, not fitted."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One row that says what was measured; times in seconds, NaN where it does not."""

    row: dict[str, str]
    point: Point
    output_tok_s: float
    tpot_s: float
    ttft_s: float

    @property
    def targets(self) -> np.ndarray:
        """Logarithms of throughput, TPOT and TTFT. (3,)"""
        with np.errstate(invalid="ignore"):
            return np.log([self.output_tok_s, self.tpot_s, self.ttft_s])

    @property
    def deployment(self) -> tuple[str, ...]:
        """What was deployed, whatever was asked of it."""
        d = self.point.deployment
        return (d.gpu.name, d.engine.name, d.model.name, d.weight_precision, str(d.spread))

    def with_profile(self, profile: ServingProfile) -> "Measured":
        """Return the same row to be predicted with other coefficients."""
        d = self.point.deployment
        engine = profile.engine(d.engine.name, d.gpu)
        fresh = profile.coefficients(d.model, d.gpu, engine, d.spread, d.weight_precision)
        deployment = replace(d, engine=engine, coefficients=fresh)
        return replace(self, point=replace(self.point, deployment=deployment))


def read_points(path: Path) -> list[Measured]:
    """Return the rows of a table that can be predicted and scored, repeated ones once.

    Separate pools and speculative decoding are left out, as by the scoring tool.
    """
    profile = serving_profile()
    found: dict[tuple[object, ...], Measured] = {}
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", newline="") as file:
        for row in csv.DictReader(file):
            text = f"{row.get('parallelism', '')} {row.get('notes', '')}".lower()
            output_tok_s = measured_tok_s(row)
            if re.search(r"disagg|spec[_=]|mtp|eagle", text) or math.isnan(output_tok_s):
                continue
            try:
                point = read_point(row, profile)
            except CannotSay:
                continue
            measured = Measured(
                row,
                point,
                output_tok_s,
                number(row, "tpot_mean_ms") / 1e3,
                number(row, "ttft_mean_ms") / 1e3,
            )
            key = (measured.deployment, point.load, point.replicas, round(output_tok_s, 3))
            found.setdefault(key, measured)
    return list(found.values())


def number(row: dict[str, str], column: str) -> float:
    """Return a cell's number, NaN where there is none above zero."""
    try:
        value = float(row.get(column, ""))
    except ValueError:
        return math.nan
    return value if value > 0 else math.nan


def measured_tok_s(row: dict[str, str]) -> float:
    """Output throughput of a row, of a closed loop also from its times; NaN where unknown."""
    given = number(row, "output_tok_s")
    if not math.isnan(given):
        return given
    if row["load_kind"] not in ("concurrency", "static-batch"):
        return math.nan
    clients, output_tok = number(row, "load_value"), number(row, "osl")
    ratio = number(row, "range_ratio")
    output_tok *= (1 + (1.0 if math.isnan(ratio) else ratio)) / 2
    e2e_s = number(row, "e2e_ms") / 1e3
    if math.isnan(e2e_s):
        ttft_s, tpot_s = number(row, "ttft_mean_ms") / 1e3, number(row, "tpot_mean_ms") / 1e3
        e2e_s = ttft_s + (output_tok - 1) * tpot_s
    return clients * output_tok / e2e_s


def predictions(points: Iterable[Measured], pool: ProcessPoolExecutor) -> np.ndarray:
    """Logarithms of predicted throughput, TPOT and TTFT; NaN where none is said. (n_points, 3)"""
    each = pool.map(_predicted, [m.point for m in points], chunksize=64)
    return np.array(list(each)).reshape(-1, 3)


def errors_of(points: list[Measured], pool: ProcessPoolExecutor) -> np.ndarray:
    """Logarithms of predicted over measured throughput, TPOT and TTFT. (n_points, 3)"""
    return predictions(points, pool) - np.array([m.targets for m in points])


def _predicted(point: Point) -> list[float]:
    said = predict(point)
    if said.benchmark is None:
        return [math.nan] * 3
    b = said.benchmark
    tpot_s = float(b.tpot_s.mean()) if b.tpot_s.size else math.nan
    return [math.log(b.output_tok_s), math.log(tpot_s), math.log(float(b.ttft_s.mean()))]
