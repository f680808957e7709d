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

from simulator.analysis.bench.benchmark import logged_requests, replay
from simulator.scenario.bench.bench_table import BenchPoint, NotPredictedError, predict, read_point
from simulator.scenario.catalog.serving_profile import ServingProfile, serving_profile
from simulator.traffic.table import RequestTable

FITTED_KINDS = ("offline", "concurrency", "request-rate")
"""Static batches come from untuned engines of 2024 and earlier: predicted, not fitted."""
UNSETTLED = "mlperf"
"""Sources whose rows state no precision: predicted, not fitted."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One row that says what was measured; times in seconds, NaN where it does not."""

    row: dict[str, str]
    point: BenchPoint
    output_tok_s: float
    tpot_s: float
    ttft_s: float
    medians: bool = False
    """TPOT and TTFT are medians over requests, not means."""
    requests: RequestTable | None = None
    """What was asked, request by request, where a log tells; then ``output_tok_s`` is that of the
    mean request, its output over its time from end to end."""

    @property
    def is_fitted(self) -> bool:
        """Whether coefficients are fitted to it."""
        fitted = self.row["load_kind"] in FITTED_KINDS
        return fitted and not self.row["source"].startswith(UNSETTLED)

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
            _lengths(row)
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
            found.setdefault(key, measured)
    return list(found.values())


def _lengths(row: dict[str, str]) -> None:
    """Let a row whose lengths are means of drawn ones say their upper end, as others do."""
    if "isl, osl are means" in row.get("notes", "") and row["range_ratio"]:
        for name in ("isl", "osl"):
            row[name] = str(round(2 * float(row[name]) / (1 + float(row["range_ratio"]))))


def read_requests(folder: Path) -> list[Measured]:
    """Return the runs of which every request was logged: vLLM 0.19, see the data's README."""
    found = []
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
        found.append(
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
    return found


def read_all(folder: Path) -> list[Measured]:
    """Return all points of a folder of data."""
    return [
        *read_points(folder / "calibration.csv.gz"),
        *read_points(folder / "stated_settings.csv.gz"),
        *read_requests(folder / "requests"),
    ]


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
    each = pool.map(_predicted, points, chunksize=16)
    return np.array(list(each)).reshape(-1, 3)


def errors_of(points: list[Measured], pool: ProcessPoolExecutor) -> np.ndarray:
    """Logarithms of predicted over measured throughput, TPOT and TTFT. (n_points, 3)"""
    return predictions(points, pool) - np.array([m.targets for m in points])


def _predicted(m: Measured) -> list[float]:
    if m.requests is not None:
        b = replay(m.point.deployment, m.requests, m.point.serving)
        output_tok_s = b.output_tok / len(b.e2e_s) / float(b.e2e_s.mean())
    else:
        said = predict(m.point)
        if said.benchmark is None:
            return [math.nan] * 3
        b, output_tok_s = said.benchmark, said.benchmark.output_tok_s
    middle = np.median if m.medians else np.mean
    tpot_s = float(middle(b.tpot_s)) if b.tpot_s.size else math.nan
    return [math.log(output_tok_s), math.log(tpot_s), math.log(float(middle(b.ttft_s)))]
