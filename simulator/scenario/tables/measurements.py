"""Benchmark results on disk: vLLM, SGLang, GuideLLM, AIPerf, inference-perf, or a table."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from simulator.analysis.bench.benchmark import Load, LoadKind
from simulator.analysis.bench.calibration import Measurement
from simulator.errors import InputError
from simulator.files.jsontext import NotJson, parse_json
from simulator.files.tables import read_table
from simulator.files.text import fail, read_text
from simulator.scenario.tables.request_log import REQUEST_COLUMNS, read_request_log

Record = dict[str, Any]


def read_measurements(paths: list[Path]) -> list[Measurement]:
    """Read every benchmark in some files.

    A JSON file is of vLLM, GuideLLM, AIPerf or inference-perf, by what it holds; a JSON Lines file
    has one run of SGLang or vLLM on each line; a CSV table has the columns of ``bench`` and
    output_tok_s, tpot_mean_ms, ttft_mean_ms as measured, or is a log of requests. Lengths are
    means.

    Raises
    ------
    InputError
        When a file is of no known format, or lacks a figure.
    """
    return [m for path in paths for m in _read(path)]


def _read(path: Path) -> list[Measurement]:
    if path.name.endswith((".csv", ".csv.gz")):
        rows = list(read_table(path))
        if rows and set(REQUEST_COLUMNS) <= set(rows[0][1]):
            return read_request_log((row for _, row in rows), str(path))
        return [_of_table(row, f"{path}:{line}:1") for line, row in rows]
    return [m for record in _records(path) for m in _of_record(record, str(path))]


def _records(path: Path) -> Iterator[Record]:
    """JSON documents of a file: one, or one on each line."""
    text = read_text(path)
    try:
        found = [(1, parse_json(text))]
    except NotJson as whole_error:
        found = []
        for number, line in enumerate(text.splitlines(), start=1):
            if not line.strip():
                continue
            try:
                found.append((number, parse_json(line)))
            except NotJson as error:
                # One line that is JSON tells that the others ought to be.
                told = error if found else whole_error
                fail(path, number if found else told.line, told.column, str(told))
    for number, record in found:
        if not isinstance(record, dict):
            fail(path, number, 1, "expected a JSON object")
        yield record


def _of_record(record: Record, where: str) -> list[Measurement]:
    if "mean_ttft_ms" in record and "total_output_tokens" in record:
        return [_of_serving_script(record, where)]
    if isinstance(record.get("benchmarks"), list):
        return [_of_guidellm(each, where) for each in record["benchmarks"]]
    if "output_token_throughput" in record and "input_sequence_length" in record:
        return [_of_aiperf(record, where)]
    if "load_summary" in record and "successes" in record:
        return [_of_inference_perf(record, where)]
    raise InputError(
        f"{where}: no result of vLLM, SGLang, GuideLLM, AIPerf or inference-perf: expected "
        "mean_ttft_ms and total_output_tokens, or benchmarks, or output_token_throughput, or "
        "load_summary"
    )


def _of_serving_script(record: Record, where: str) -> Measurement:
    """Read vLLM's ``bench serve`` and SGLang's ``bench_serving``, which descend from one script."""
    requests = _figure(record, where, "completed")
    prompt_tok = _figure(record, where, "total_input_tokens") / requests
    output_tok = _figure(record, where, "total_output_tokens") / requests
    load = _load(
        record.get("max_concurrency"), record.get("request_rate"), prompt_tok, output_tok, requests
    )
    return Measurement(
        load,
        _figure(record, where, "output_throughput"),
        _optional(record, "mean_tpot_ms") / 1e3,
        _optional(record, "mean_ttft_ms") / 1e3,
    )


def _of_guidellm(record: Record, where: str) -> Measurement:
    """One entry of GuideLLM's ``benchmarks``; the strategy has moved between its versions."""
    if not isinstance(record, dict):
        raise InputError(f"{where}: benchmarks must be objects")
    metrics = record.get("metrics")
    strategy = _found(record.get("config") or record.get("args") or {}, "strategy")
    if not isinstance(metrics, dict) or not isinstance(strategy, dict):
        raise InputError(f"{where}: a GuideLLM benchmark without metrics or strategy")
    kind = strategy.get("type_") or strategy.get("type")
    streams = {"synchronous": 1}.get(str(kind), strategy.get("streams"))
    rate = strategy.get("rate") if kind in ("constant", "poisson", "async") else None
    load = _load(
        streams,
        rate,
        _mean(metrics, where, "prompt_token_count"),
        _mean(metrics, where, "output_token_count"),
        None,
    )
    return Measurement(
        load,
        _mean(metrics, where, "output_tokens_per_second"),
        _mean(metrics, where, "inter_token_latency_ms") / 1e3,
        _mean(metrics, where, "time_to_first_token_ms") / 1e3,
    )


def _of_aiperf(record: Record, where: str) -> Measurement:
    """AIPerf's ``profile_export_aiperf.json``, and genai-perf's before it."""
    said = record.get("input_config") or {}
    asked = _found(said, "loadgen") or said
    if not isinstance(asked, dict):
        raise InputError(f"{where}: input_config must be an object")
    load = _load(
        asked.get("concurrency"),
        asked.get("request_rate"),
        _inner(record.get("input_sequence_length"), f"{where}: input_sequence_length", "avg"),
        _inner(record.get("output_sequence_length"), f"{where}: output_sequence_length", "avg"),
        asked.get("request_count"),
    )
    return Measurement(
        load,
        _inner(record.get("output_token_throughput"), f"{where}: output_token_throughput", "avg"),
        _inner(record.get("inter_token_latency"), f"{where}: inter_token_latency", "avg") / 1e3,
        _inner(record.get("time_to_first_token"), f"{where}: time_to_first_token", "avg") / 1e3,
    )


def _of_inference_perf(record: Record, where: str) -> Measurement:
    """One stage of inference-perf's ``stage_N_lifecycle_metrics.json``, an open loop.

    Its time per output token counts chunks of the stream, of which some are empty; the time between
    the first and the last token counts here.
    """
    done, asked = record["successes"], record["load_summary"]
    if not isinstance(done, dict) or not isinstance(asked, dict):
        raise InputError(f"{where}: successes and load_summary must be objects")
    latency = done.get("latency")
    if not isinstance(latency, dict):
        raise InputError(f"{where}: successes without latency")
    output_tok = _inner(done.get("output_len"), f"{where}: output_len", "mean")
    ttft_s = _inner(latency.get("time_to_first_token"), f"{where}: time_to_first_token", "mean")
    e2e_s = _inner(latency.get("request_latency"), f"{where}: request_latency", "mean")
    load = _load(
        None,
        asked.get("requested_rate"),
        _inner(done.get("prompt_len"), f"{where}: prompt_len", "mean"),
        output_tok,
        done.get("count"),
    )
    tpot_s = (e2e_s - ttft_s) / (output_tok - 1) if output_tok > 1 else math.nan
    speed = _inner(done.get("throughput"), f"{where}: throughput", "output_tokens_per_sec")
    return Measurement(load, speed, tpot_s, ttft_s)


def _inner(found: Any, where: str, name: str) -> float:
    """A figure of an object that ought to be there."""
    return _figure(found if isinstance(found, dict) else {}, where, name)


def _of_table(row: dict[str, str], where: str) -> Measurement:
    kind = row.get("load_kind", "")
    kinds: tuple[LoadKind, ...] = get_args(LoadKind)
    if kind not in kinds:
        raise InputError(f"{where}: load_kind must be one of {', '.join(kinds)}, {kind!r} given")
    value = 0.0 if kind == "offline" else _figure(row, where, "load_value")
    load = Load(
        kind,
        value,
        round(_figure(row, where, "isl")),
        round(_figure(row, where, "osl")),
        _optional(row, "range_ratio") if row.get("range_ratio") else 1.0,
        round(_figure(row, where, "num_prompts")) if row.get("num_prompts") else None,
    )
    return Measurement(
        load,
        _figure(row, where, "output_tok_s"),
        _optional(row, "tpot_mean_ms") / 1e3,
        _optional(row, "ttft_mean_ms") / 1e3,
    )


def _load(clients: Any, rate: Any, prompt_tok: float, output_tok: float, requests: Any) -> Load:
    """Closed loop when clients are bounded, open at a finite rate, else offline."""
    lengths = (max(1, round(prompt_tok)), max(1, round(output_tok)))
    asked = {"requests": requests, "clients": clients, "rate": rate}
    total, closed, open_ = (_optional(asked, name) for name in asked)
    count = None if math.isnan(total) else round(total)
    if not math.isnan(closed):
        return Load("concurrency", closed, *lengths, requests=count)
    if not math.isnan(open_):
        return Load("request-rate", open_, *lengths, requests=count)
    return Load("offline", 0.0, *lengths, requests=count)


def _figure(record: Record, where: str, name: str) -> float:
    value = _optional(record, name)
    if not value > 0:
        raise InputError(f"{where}: {name} must be a number above zero, {record.get(name)!r} given")
    return value


def _optional(record: Record, name: str) -> float:
    """A number above zero, or NaN."""
    try:
        value = float(record.get(name) or "nan")
    except (TypeError, ValueError):
        return math.nan
    return value if value > 0 and math.isfinite(value) else math.nan


def _mean(metrics: Record, where: str, name: str) -> float:
    """GuideLLM's mean over requests that were answered."""
    found = metrics.get(name)
    done = found.get("successful") if isinstance(found, dict) else None
    return _inner(done, f"{where}: {name}", "mean")


def _found(node: Any, key: str) -> Any:
    """First value of a key, however deep."""
    if not isinstance(node, dict):
        return None
    if key in node:
        return node[key]
    return next((v for v in (_found(child, key) for child in node.values()) if v is not None), None)
