"""Measured benchmark points and their predictions."""

import csv
import gzip
import math
import re
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from simulator.analysis.bench.benchmark import logged_requests, replay
from simulator.scenario.bench.bench_table import BenchPoint, NotPredictedError, predict, read_point
from simulator.scenario.catalog.serving_profile import ServingProfile, serving_profile
from simulator.traffic.table import RequestTable

FITTED_KINDS = ("offline", "concurrency", "request-rate")
"""Kinds of load to which coefficients are fitted. Static batches come from untuned engines of 2024
and earlier, and are only predicted."""
UNFITTED_SOURCE = "mlperf"
"""Beginning of sources whose rows do not state the precision; they are only predicted."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One row of measurements; times in seconds, NaN for missing values."""

    row: dict[str, str]
    point: BenchPoint
    output_tok_s: float
    tpot_s: float
    ttft_s: float
    medians: bool = False
    """Whether TPOT and TTFT are medians over requests instead of means."""
    requests: RequestTable | None = None
    """All requests, if they were logged. ``output_tok_s`` is then that of the mean request: its
    output over its end-to-end time."""

    @property
    def is_fitted(self) -> bool:
        """Whether coefficients are fitted to the point."""
        is_fitted_kind = self.row["load_kind"] in FITTED_KINDS
        return is_fitted_kind and not self.row["source"].startswith(UNFITTED_SOURCE)

    @property
    def targets(self) -> np.ndarray:
        """Logarithms of throughput, TPOT and TTFT. (3,)"""
        with np.errstate(invalid="ignore"):
            return np.log([self.output_tok_s, self.tpot_s, self.ttft_s])

    @property
    def deployment(self) -> tuple[str, ...]:
        """Key of the deployment, independent of the load."""
        d = self.point.deployment
        return (d.gpu.name, d.engine.name, d.model.name, d.weight_precision, str(d.spread))

    def with_profile(self, profile: ServingProfile) -> "Measured":
        """Return the point for prediction with other coefficients."""
        d = self.point.deployment
        engine = profile.engine(d.engine.name, d.gpu)
        coefficients = profile.coefficients(d.model, d.gpu, engine, d.spread, d.weight_precision)
        deployment = replace(d, engine=engine, coefficients=coefficients)
        return replace(self, point=replace(self.point, deployment=deployment))


def read_points(path: Path) -> list[Measured]:
    """Return the rows of a table that can be predicted and scored, without duplicates.

    Disaggregated pools and speculative decoding are left out, as in the scoring tool.
    """
    profile = serving_profile()
    points: dict[tuple[object, ...], Measured] = {}
    open_file = gzip.open if path.suffix == ".gz" else open
    with open_file(path, "rt", newline="") as file:
        for row in csv.DictReader(file):
            _replace_mean_lengths(row)
            text = f"{row.get('parallelism', '')} {row.get('notes', '')}".lower()
            output_tok_s = measured_tok_s(row)
            if re.search(r"disagg|spec[_=]|mtp|eagle", text) or math.isnan(output_tok_s):
                continue
            try:
                point = read_point(row, profile)
            except NotPredictedError:
                continue
            medians = row["load_kind"] == "request-rate" and row.get("tpot_p50_ms", "") != ""
            kind = "p50" if medians else "mean"
            measured = Measured(
                row,
                point,
                output_tok_s,
                number(row, f"tpot_{kind}_ms") / 1e3,
                number(row, f"ttft_{kind}_ms") / 1e3,
                medians,
            )
            load = replace(point.load, requests=None)
            key = (measured.deployment, load, point.replicas, round(output_tok_s, 3))
            points.setdefault(key, measured)
    return list(points.values())


def _replace_mean_lengths(row: dict[str, str]) -> None:
    """Replace lengths that are means of random ones by their upper end, as in other rows."""
    if "isl, osl are means" in row.get("notes", "") and row["range_ratio"]:
        for name in ("isl", "osl"):
            row[name] = str(round(2 * float(row[name]) / (1 + float(row["range_ratio"]))))


def read_requests(folder: Path) -> list[Measured]:
    """Return the runs in which every request was logged (vLLM 0.19, see the README of the data)."""
    runs = []
    for name, gpu, sequences in (
        ("rtx4090_llama-3.1-8b", "rtx-4090", 256),
        ("rtxpro6000_llama-3.1-8b", "rtx-pro-6000", 128),
    ):
        with gzip.open(folder / f"{name}.csv.gz", "rt", newline="") as file:
            rows = list(csv.DictReader(file))
        columns = {k: np.array([float(row[k]) for row in rows]) for k in rows[0]}
        output_tok = columns["output_tokens"].astype(np.int32)
        e2e_s = columns["finished_s"] - columns["arrival_s"]
        ttft_s = columns["first_token_s"] - columns["arrival_s"]
        row = {
            "gpu": gpu, "n_gpus": "1", "tp": "1", "engine": "vllm", "model": "llama-3.1-8b",
            "weight_precision": "bf16", "kv_precision": "bf16", "isl": "1", "osl": "1",
            "load_kind": "request-rate", "load_value": "10", "date": "2026",
            "source": f"llmservingsim-{gpu}", "max_num_batched_tokens": "2048",
            "max_num_seqs": str(sequences), "gpu_memory_utilization": "0.9",
        }  # fmt: skip
        runs.append(
            Measured(
                row,
                read_point(row, serving_profile()),
                float(output_tok.mean() / e2e_s.mean()),
                float(((e2e_s - ttft_s) / (output_tok - 1)).mean()),
                float(ttft_s.mean()),
                requests=logged_requests(
                    columns["arrival_s"], columns["input_tokens"].astype(np.int32), output_tok
                ),
            )
        )
    return runs


def read_all(folder: Path) -> list[Measured]:
    """Return all points of a data folder."""
    return [
        *read_points(folder / "calibration.csv.gz"),
        *read_points(folder / "stated_settings.csv.gz"),
        *read_requests(folder / "requests"),
    ]


def number(row: dict[str, str], column: str) -> float:
    """Return the number of a cell, NaN if it has no positive one."""
    try:
        value = float(row.get(column, ""))
    except ValueError:
        return math.nan
    return value if value > 0 else math.nan


def measured_tok_s(row: dict[str, str]) -> float:
    """Return the output throughput of a row, NaN if it is unknown.

    For a closed loop it is computed from times if the row does not state it.
    """
    stated = number(row, "output_tok_s")
    if not math.isnan(stated):
        return stated
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
    """Return the logarithms of predicted throughput, TPOT and TTFT, NaN without a prediction.

    (n_points, 3)
    """
    rows = pool.map(_predict, points, chunksize=16)
    return np.array(list(rows)).reshape(-1, 3)


def errors_of(points: list[Measured], pool: ProcessPoolExecutor) -> np.ndarray:
    """Return the logarithms of predicted over measured throughput, TPOT and TTFT. (n_points, 3)"""
    return predictions(points, pool) - np.array([m.targets for m in points])


def _predict(m: Measured) -> list[float]:
    if m.requests is not None:
        b = replay(m.point.deployment, m.requests, m.point.serving)
        output_tok_s = b.output_tok / len(b.e2e_s) / float(b.e2e_s.mean())
    else:
        prediction = predict(m.point)
        if prediction.benchmark is None:
            return [math.nan] * 3
        b, output_tok_s = prediction.benchmark, prediction.benchmark.output_tok_s
    average = np.median if m.medians else np.mean
    tpot_s = float(average(b.tpot_s)) if b.tpot_s.size else math.nan
    return [math.log(output_tok_s), math.log(tpot_s), math.log(float(average(b.ttft_s)))]
