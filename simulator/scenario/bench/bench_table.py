"""Predictions for tables of benchmark points, made by running the engine."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from simulator.analysis.bench.benchmark import Benchmark, Serving, run_benchmark
from simulator.analysis.bench.loads import LOAD_KINDS, MOST_REQUESTS, MOST_TOK, Load
from simulator.errors import InputError, nearest
from simulator.files.numbers import must_be, number_or_nan
from simulator.scenario.catalog.deployments import read_parallelism, tabulated_deployment
from simulator.scenario.catalog.names import known_engine, known_model
from simulator.scenario.catalog.profiles import accelerator_name, load_accelerator, profile_names
from simulator.scenario.catalog.serving_profile import ServingProfile
from simulator.scenario.tables.csv_portions import table_portions
from simulator.serving.accelerators import Accelerator
from simulator.serving.deployment import Deployment

T = TypeVar("T")

SETTINGS = (
    "num_prompts", "max_num_batched_tokens", "max_num_seqs", "gpu_memory_utilization",
    "enforce_eager", "prefix_caching",
)  # fmt: skip
"""Optional columns, with the names of vLLM's options."""
REQUIRED = ("gpu", "n_gpus", "engine", "model", "isl", "osl", "load_kind", "load_value")
PREDICTED = (
    "pred_output_tok_s", "pred_total_tok_s", "pred_ttft_mean_s", "pred_ttft_p99_s",
    "pred_tpot_mean_s", "pred_low", "pred_high", "pred_status",
)  # fmt: skip
IMMATURE_BEFORE = 2025
"""First year of mature engines; older vLLM results use the coefficients of 2024 (study of
2026-11-23)."""
ELSEWHERE = "see system json"
"""Text in MLPerf's tables instead of a precision."""
UNSTATED_SPREAD = 2.0
"""Factor on the width of the error band, in logarithms, if the table states no precision."""


@dataclass(frozen=True, slots=True)
class BenchPoint:
    """A benchmark point that can be simulated."""

    deployment: Deployment
    load: Load
    replicas: int
    serving: Serving
    spread: float
    """Factor on the width of the error band, in logarithms."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """Predicted results of one benchmark point, or the reason why there are none."""

    status: str
    """Status of the prediction: ``ok``, ``does_not_fit``, ``kv_starved``, ``unknown_gpu``,
    ``unknown_model`` or ``unsupported``."""
    benchmark: Benchmark | None = None
    band: tuple[float, float] = (np.nan, np.nan)
    """Error band: measured over predicted throughput, lower and upper end."""

    def cells(self) -> list[str]:
        """Return the cells of the columns ``PREDICTED``."""
        if self.benchmark is None:
            return [""] * 7 + [self.status]
        b = self.benchmark
        tpot_s = float(b.tpot_s.mean()) if b.tpot_s.size else np.nan
        figures = (
            b.output_tok_s, b.total_tok_s, float(b.ttft_s.mean()),
            float(np.quantile(b.ttft_s, 0.99)), tpot_s, *self.band,
        )  # fmt: skip
        return [f"{x:.6g}" if np.isfinite(x) else "" for x in figures] + [self.status]


class NotPredictedError(Exception):
    """A row cannot be predicted; the message is its status."""


def predicted_rows(
    path: Path, profile: ServingProfile
) -> Iterator[tuple[list[str], list[list[str]]]]:
    """Yield the header and portions of rows, with the columns of ``PREDICTED`` as last columns.

    Rows with the same settings are simulated once.

    Raises
    ------
    InputError
        When the file or a required column is missing, or a row has another number of columns.
    """
    predictions: dict[tuple[str, ...], Prediction] = {}
    for header, portion in table_portions(path, REQUIRED):
        rows = []
        for row in portion:
            key = tuple(row.get(name, "") for name in _READ)
            if key not in predictions:
                predictions[key] = predict_row(row, profile)
            rows.append([*row.values(), *predictions[key].cells()])
        yield [*header, *PREDICTED], rows


_READ = (
    *REQUIRED, "tp", "parallelism", "weight_precision", "kv_precision", "range_ratio", "date",
    *SETTINGS,
)  # fmt: skip


def predict_row(row: dict[str, str], profile: ServingProfile) -> Prediction:
    """Predict one row of a table, given as a mapping of columns to texts."""
    try:
        return predict(read_point(row, profile))
    except NotPredictedError as status:
        return Prediction(str(status))


def predict(point: BenchPoint) -> Prediction:
    """Run a point's benchmark, unless its KV cache is too small for a reliable prediction."""
    try:
        serving = point.serving
        kv = point.deployment.kv(
            serving.memory_utilization, serving.block_tok, serving.max_batched_tok
        )
        if kv.starved(_needed_tok(point)):
            return Prediction("kv_starved")
        benchmark = run_benchmark(point.deployment, point.load, point.serving, point.replicas)
    except InputError:
        return Prediction("does_not_fit")
    low, high = point.deployment.coefficients.band_low, point.deployment.coefficients.band_high
    return Prediction("ok", benchmark, (low**point.spread, high**point.spread))


def _needed_tok(point: BenchPoint) -> float:
    """Return the tokens in flight at a replica: whole prompts and half of the outputs."""
    most = point.serving.limits(point.deployment.engine).max_sequences
    sequences = min(point.load.sequences / point.replicas, float(most))
    return sequences * (point.load.prompt_tok + point.load.output_tok / 2)


def read_point(row: dict[str, str], profile: ServingProfile) -> BenchPoint:
    """Return the benchmark point of a row.

    Raises
    ------
    NotPredictedError
        When the row contains something unknown or not simulated; the message is its status.
    """
    gpu = _read_or_status("unknown_gpu", lambda: accelerator_name(row["gpu"]))
    name = _read_or_status("unknown_model", lambda: _listed_model(row["model"]))
    return _read_or_status("unsupported", lambda: _build_point(row, profile, gpu, name))


def _listed_model(text: str) -> str:
    """Return the model of a cell, which cannot be a file: tables come from elsewhere."""
    return known_model(text, profile_names("models"))


def _read_or_status(status: str, read: Callable[[], T]) -> T:
    """Call a function, and raise ``NotPredictedError`` with a status if it fails."""
    try:
        return read()
    except InputError:
        raise NotPredictedError(status) from None


def _build_point(row: dict[str, str], profile: ServingProfile, gpu: str, model: str) -> BenchPoint:
    """Build the benchmark point of a row with a known accelerator and model."""
    engine = known_engine(row["engine"], sorted(profile.engines))
    if engine == "vllm" and row.get("date", "")[:4].isdigit():
        engine = "vllm-2024" if int(row["date"][:4]) < IMMATURE_BEFORE else engine
    text = row.get("weight_precision", "")
    is_stated = text.strip().lower() != ELSEWHERE
    accelerator, _ = load_accelerator(gpu)
    weights = text if is_stated else _submitted_precision(accelerator)
    tensor = _whole(row.get("tp", ""))
    gpus = _whole(row["n_gpus"])
    if not gpus:
        raise InputError("n_gpus must be 1 or more")
    spread, replicas = read_parallelism(tensor, gpus, row.get("parallelism", ""))
    served = tabulated_deployment(
        profile, model, gpu, engine, spread, weights, row.get("kv_precision", "")
    )
    served = replace(served, eager=_is_true(row.get("enforce_eager", "")))
    band_spread = 1.0 if text and is_stated else UNSTATED_SPREAD
    return BenchPoint(served, _load(row), replicas, _serving(row), band_spread)


def _submitted_precision(gpu: Accelerator) -> str:
    """Return the usual precision of MLPerf submissions: 4 bits on chips that compute in them, else
    8 bits (according to those results of v4.1 whose systems state it; assumed for the others).
    """
    return "nvfp4" if "fp4" in gpu.peak_tflops else "fp8"


def _serving(row: dict[str, str]) -> Serving:
    """Return the settings of the serving engine in a row."""
    share = row.get("gpu_memory_utilization", "")
    return Serving(
        max_batched_tok=_whole(row.get("max_num_batched_tokens", "")),
        max_sequences=_whole(row.get("max_num_seqs", "")),
        memory_utilization=_number(share) if share else None,
        prefix_cache=_is_true(row.get("prefix_caching", "") or "true"),
    )


def _is_true(text: str) -> bool:
    word = text.strip().lower()
    if word not in ("", "true", "false", "1", "0", "yes", "no"):
        raise InputError(must_be("a setting", "true or false", text))
    return word in ("true", "1", "yes")


def _load(row: dict[str, str]) -> Load:
    kind = row["load_kind"]
    if kind not in LOAD_KINDS:
        raise InputError(f"unknown load_kind {kind!r}{nearest(kind, list(LOAD_KINDS))}")
    value = 0.0 if kind == "offline" else _number(row["load_value"])
    ratio = row.get("range_ratio", "")
    prompt_tok, output_tok = round(_number(row["isl"])), round(_number(row["osl"]))
    requests = _whole(row.get("num_prompts", ""))
    return Load(kind, value, prompt_tok, output_tok, _number(ratio) if ratio else 1.0, requests)


def _number(text: str) -> float:
    value = number_or_nan(text)
    if not 0 <= value <= MOST_REQUESTS * MOST_TOK:
        raise InputError(must_be("a figure", "a number, 0 or more", text))
    return value


def _whole(text: str) -> int | None:
    return round(_number(text)) if text else None
