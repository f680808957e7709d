"""Tables of benchmark points: what each would measure, predicted by running the engine."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from simulator.analysis.bench.benchmark import (
    MOST_REQUESTS,
    MOST_TOK,
    Benchmark,
    Load,
    LoadKind,
    Serving,
    run_benchmark,
)
from simulator.errors import InputError, nearest
from simulator.scenario.catalog.deployments import (
    deployment,
    read_parallelism,
    read_weight_precision,
    usual_kv_precision,
)
from simulator.scenario.catalog.names import known_engine, known_gpu, known_model, known_precision
from simulator.scenario.catalog.profiles import load_accelerator, load_model, profile_names
from simulator.scenario.catalog.serving_profile import ServingProfile
from simulator.scenario.tables.csv_portions import table_portions
from simulator.serving.accelerators import Accelerator
from simulator.serving.deployment import Deployment
from simulator.serving.models import ModelShape

T = TypeVar("T")

SETTINGS = (
    "num_prompts", "max_num_batched_tokens", "max_num_seqs", "gpu_memory_utilization",
    "enforce_eager", "prefix_caching",
)  # fmt: skip
"""Columns that need not be there, by the names of vLLM's options."""
REQUIRED = ("gpu", "n_gpus", "engine", "model", "isl", "osl", "load_kind", "load_value")
PREDICTED = (
    "pred_output_tok_s", "pred_total_tok_s", "pred_ttft_mean_s", "pred_ttft_p99_s",
    "pred_tpot_mean_s", "pred_low", "pred_high", "pred_status",
)  # fmt: skip
LOAD_KINDS: tuple[LoadKind, ...] = ("offline", "concurrency", "request-rate", "static-batch")
IMMATURE_BEFORE = 2025
"""Points measured before it ran on engines far from today's (study of 2026-11-23)."""
ELSEWHERE = "see system json"
"""What MLPerf's tables write in the place of a precision."""
UNSAID_SPREAD = 2.0
"""Factor on the band's width, in logarithms, where the table does not say the precision."""


@dataclass(frozen=True, slots=True)
class Point:
    """One row that can be simulated."""

    deployment: Deployment
    load: Load
    replicas: int
    serving: Serving
    spread: float
    """Factor on the width of the band, in logarithms."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a benchmark of one point would measure, or why that is not said."""

    status: str
    """``ok``, ``does_not_fit``, ``kv_starved``, ``unknown_gpu``, ``unknown_model`` or
    ``unsupported``."""
    benchmark: Benchmark | None = None
    band: tuple[float, float] = (np.nan, np.nan)

    def cells(self) -> list[str]:
        """Return the row's new cells, in the order of ``PREDICTED``."""
        if self.benchmark is None:
            return [""] * 7 + [self.status]
        b = self.benchmark
        tpot_s = float(b.tpot_s.mean()) if b.tpot_s.size else np.nan
        figures = (
            b.output_tok_s, b.total_tok_s, float(b.ttft_s.mean()),
            float(np.quantile(b.ttft_s, 0.99)), tpot_s, *self.band,
        )  # fmt: skip
        return [f"{x:.6g}" if np.isfinite(x) else "" for x in figures] + [self.status]


class CannotSay(Exception):
    """A row that is not predicted; the text is its status."""


def predicted_rows(
    path: Path, profile: ServingProfile
) -> Iterator[tuple[list[str], list[list[str]]]]:
    """Yield the header and portions of rows with the columns of ``PREDICTED`` behind them.

    Rows that say the same are simulated once.

    Raises
    ------
    InputError
        When the file or a column that must be there is missing, or a row has another width.
    """
    known: dict[tuple[str, ...], Prediction] = {}
    for header, portion in table_portions(path, REQUIRED):
        rows = []
        for row in portion:
            key = tuple(row.get(name, "") for name in _READ)
            if key not in known:
                known[key] = predict_row(row, profile)
            rows.append([*row.values(), *known[key].cells()])
        yield [*header, *PREDICTED], rows


_READ = (
    *REQUIRED, "tp", "parallelism", "weight_precision", "kv_precision", "range_ratio", "date",
    *SETTINGS,
)  # fmt: skip


def predict_row(row: dict[str, str], profile: ServingProfile) -> Prediction:
    """Predict one row of a table, by the names of its columns."""
    try:
        return predict(read_point(row, profile))
    except CannotSay as status:
        return Prediction(str(status))


def predict(point: Point) -> Prediction:
    """Run a point's benchmark, unless the memory left makes that a guess."""
    try:
        asked = point.serving
        kv = point.deployment.kv(asked.memory_utilization, asked.block_tok, asked.max_batched_tok)
        if kv.starved(_wanted_tok(point)):
            return Prediction("kv_starved")
        benchmark = run_benchmark(point.deployment, point.load, point.serving, point.replicas)
    except InputError:
        return Prediction("does_not_fit")
    low, high = point.deployment.coefficients.band_low, point.deployment.coefficients.band_high
    return Prediction("ok", benchmark, (low**point.spread, high**point.spread))


def _wanted_tok(point: Point) -> float:
    """Tokens that one replica would keep in flight, prompts whole and outputs half written."""
    most = point.serving.limits(point.deployment.engine).max_sequences
    sequences = min(point.load.sequences / point.replicas, float(most))
    return sequences * (point.load.prompt_tok + point.load.output_tok / 2)


def read_point(row: dict[str, str], profile: ServingProfile) -> Point:
    """Return what a row asks to be simulated.

    Raises
    ------
    CannotSay
        With the row's status, when it names what is unknown or not simulated.
    """
    gpu = _read("unknown_gpu", lambda: known_gpu(row["gpu"], profile_names("accelerators")))
    name = _read("unknown_model", lambda: known_model(row["model"], profile_names("models")))
    return _read("unsupported", lambda: _supported(row, profile, gpu, load_model(name)))


def _read(status: str, read: Callable[[], T]) -> T:
    try:
        return read()
    except InputError:
        raise CannotSay(status) from None


def _supported(row: dict[str, str], profile: ServingProfile, gpu: str, model: ModelShape) -> Point:
    engine = known_engine(row["engine"], sorted(profile.engines))
    if engine == "vllm" and row.get("date", "")[:4].isdigit():
        engine = "vllm-2024" if int(row["date"][:4]) < IMMATURE_BEFORE else engine
    text = row.get("weight_precision", "")
    told = text.strip().lower() != ELSEWHERE
    accelerator, _ = load_accelerator(gpu)
    weights = read_weight_precision(text if told else _submitted(accelerator), model)
    kv_text = row.get("kv_precision", "")
    kv = (
        known_precision(kv_text)
        if kv_text
        else usual_kv_precision(engine, accelerator.generation, weights)
    )
    tensor = _whole(row.get("tp", ""))
    gpus = _whole(row["n_gpus"])
    if not gpus:
        raise InputError("n_gpus must be 1 or more")
    spread, replicas = read_parallelism(tensor, gpus, row.get("parallelism", ""))
    found = deployment(profile, model.name, gpu, engine, spread, weights, kv)
    found = replace(found, eager=_yes(row.get("enforce_eager", "")))
    return Point(
        found, _load(row), replicas, _serving(row), 1.0 if text and told else UNSAID_SPREAD
    )


def _submitted(gpu: Accelerator) -> str:
    """Precision that MLPerf's submissions have by custom: 4 bits where the chip computes in them,
    8 bits else (results of v4.1 whose systems say so; assumed for the others).
    """
    return "nvfp4" if "fp4" in gpu.peak_tflops else "fp8"


def _serving(row: dict[str, str]) -> Serving:
    """Settings that a row states."""
    share = row.get("gpu_memory_utilization", "")
    return Serving(
        max_batched_tok=_whole(row.get("max_num_batched_tokens", "")),
        max_sequences=_whole(row.get("max_num_seqs", "")),
        memory_utilization=_number(share) if share else None,
        prefix_cache=_yes(row.get("prefix_caching", "") or "true"),
    )


def _yes(text: str) -> bool:
    said = text.strip().lower()
    if said not in ("", "true", "false", "1", "0", "yes", "no"):
        raise InputError(f"{text!r} is neither true nor false")
    return said in ("true", "1", "yes")


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
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= MOST_REQUESTS * MOST_TOK:
        raise InputError(f"{text!r} is no number of 0 or more")
    return value


def _whole(text: str) -> int | None:
    return round(_number(text)) if text else None
