"""Lifecycle reports of inference-perf: a stage, or the summary of a run of one stage.

``inference_perf/reportgen/base.py`` of kubernetes-sigs/inference-perf (2026-11). Times are in
seconds. A report of a stage has its rate, and in newer versions the number of clients where the
stage has one; reports without either are completed by the ``config.yaml`` of the run.
"""

import math
import re
from pathlib import Path
from typing import Any

from simulator.errors import InputError
from simulator.scenario.document.document import read_yaml
from simulator.scenario.tables.results.fields import (
    Record,
    figure,
    inner,
    limit,
    optional,
    section,
)
from simulator.scenario.tables.results.reported import Pattern, Reported, Unknown

CONFIG = "config.yaml"
"""File of the settings of a run, in the folder of its reports."""
_STAGE = re.compile(r"stage_(\d+)_")


def is_inference_perf(record: Record) -> bool:
    """Return whether a record is a lifecycle report."""
    return "load_summary" in record and "successes" in record


def read_inference_perf(record: Record, path: Path) -> Reported:
    """Read a report.

    Its time per output token counts chunks of the stream, some of which are empty; here, TPOT is
    computed from the time between the first and the last token.
    """
    where = str(path)
    done = section(record, where, "successes")
    latency = section(done, f"{where}: successes", "latency")
    output_tok = _mean(done, where, "output_len", "output_tokens")
    ttft_s = optional(latency, "time_to_first_token", "mean")
    e2e_s = optional(latency, "request_latency", "mean")
    return Reported(
        where,
        _pattern(section(record, where, "load_summary"), path),
        _mean(done, where, "prompt_len", "prompt_tokens"),
        output_tok,
        optional(done, "count"),
        figure(section(done, where, "throughput"), where, "output_tokens_per_sec"),
        tpot_s=(e2e_s - ttft_s) / (output_tok - 1) if output_tok > 1 else math.nan,
        ttft_s=ttft_s,
        e2e_s=e2e_s,
    )


def pattern_of_stage(stage: Any, where: str) -> Pattern | None:
    """Return the pattern of a stage in the settings of a run, or None."""
    if not isinstance(stage, dict):
        return None
    clients = limit(stage.get("concurrency_level"), f"{where}: concurrency_level")
    if math.isfinite(clients):
        return Pattern("concurrency", clients)
    rate = limit(stage.get("rate"), f"{where}: rate")
    return Pattern("request-rate", rate) if math.isfinite(rate) else None


def configured_stages(config: Any) -> list[Any]:
    """Return the stages in the settings of a run."""
    stages = inner(config, "load", "stages")
    return stages if isinstance(stages, list) else []


def _pattern(summary: Record, path: Path) -> Pattern | Unknown:
    """Return the pattern in a report, or else in the settings.

    Where a stage has clients, versions before the report contained them wrote a rate all the same.
    """
    where = f"{path}: load_summary"
    clients = limit(summary.get("concurrency"), f"{where}.concurrency")
    if math.isfinite(clients):
        return Pattern("concurrency", clients)
    rate = limit(summary.get("requested_rate"), f"{where}.requested_rate")
    has_rate, settings = math.isfinite(rate), path.parent / CONFIG
    found = _configured(path, settings, has_rate) if settings.is_file() else None
    if has_rate:
        return found if found and found.kind == "concurrency" else Pattern("request-rate", rate)
    missing = "no load_summary.requested_rate and no load_summary.concurrency"
    if not settings.is_file():
        return Unknown(f"{missing}, and no {CONFIG} in the folder of the file")
    return found or Unknown(f"{missing}, and {CONFIG} has none for this stage")


def _configured(path: Path, settings: Path, has_rate: bool) -> Pattern | None:
    """Return the pattern of a report's stage in the settings of its run."""
    stages = configured_stages(read_yaml(settings).data)
    name = _STAGE.search(path.name)
    if name is None and len(stages) > 1:
        if has_rate:
            return None
        raise InputError(
            f"{path}: a summary of {len(stages)} stages with loads of their own; give the "
            "stage_N_lifecycle_metrics.json of each stage instead"
        )
    index = int(name[1]) if name else 0
    stage = stages[index] if index < len(stages) else None
    return pattern_of_stage(stage, f"{settings}: load.stages[{index}]")


def _mean(done: Record, where: str, *names: str) -> float:
    """Return the mean of a length, whose name differs between versions."""
    name = next((n for n in names if isinstance(done.get(n), dict)), names[0])
    return figure(section(done, f"{where}: successes", name), f"{where}: {name}", "mean")
