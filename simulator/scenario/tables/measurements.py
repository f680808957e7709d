"""Benchmark results on disk: vLLM, SGLang, GuideLLM, AIPerf, inference-perf, or a table."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from simulator.analysis.bench.calibration import Measurement
from simulator.analysis.bench.loads import LOAD_KINDS, Load
from simulator.errors import InputError
from simulator.files.jsontext import NotJson, parse_json
from simulator.files.numbers import must_be, number_or_nan
from simulator.files.tables import read_table
from simulator.files.text import fail, read_text
from simulator.scenario.tables.request_log import REQUEST_COLUMNS, read_request_log

Record = dict[str, Any]


def read_measurements(paths: list[Path]) -> list[Measurement]:
    """Read every benchmark in some files.

    A JSON file is a result of vLLM, GuideLLM, AIPerf or inference-perf, recognised by its keys. A
    JSON Lines file has one run of SGLang or vLLM on each line. A CSV table has the columns of
    ``bench`` with measured output_tok_s, tpot_mean_ms and ttft_mean_ms, or is a log of requests.
    Lengths are means.

    Raises
    ------
    InputError
        When a file has no known format, or lacks a figure.
    """
    return [m for path in paths for m in _read_file(path)]


def _read_file(path: Path) -> list[Measurement]:
    if path.name.endswith((".csv", ".csv.gz")):
        rows = list(read_table(path))
        if rows and set(REQUEST_COLUMNS) <= set(rows[0][1]):
            return read_request_log((row for _, row in rows), str(path))
        return [_read_table_row(row, f"{path}:{line}:1") for line, row in rows]
    return [m for record in _records(path) for m in _read_record(record, str(path))]


def _records(path: Path) -> Iterator[Record]:
    """Yield the JSON documents of a file: one, or one on each line."""
    text = read_text(path)
    try:
        records = [(1, parse_json(text))]
    except NotJson as whole_error:
        records = []
        for number, line in enumerate(text.splitlines(), start=1):
            if not line.strip():
                continue
            try:
                records.append((number, parse_json(line)))
            except NotJson as error:
                # If an earlier line is JSON, the file is JSON Lines and this line is at fault.
                problem = error if records else whole_error
                fail(path, number if records else problem.line, problem.column, str(problem))
    for number, record in records:
        if not isinstance(record, dict):
            fail(path, number, 1, "expected a JSON object")
        yield record


def _read_record(record: Record, where: str) -> list[Measurement]:
    """Read a JSON document of any known format, recognised by its keys."""
    if "mean_ttft_ms" in record and "total_output_tokens" in record:
        return [_read_serving_script(record, where)]
    if isinstance(record.get("benchmarks"), list):
        return [_read_guidellm(each, where) for each in record["benchmarks"]]
    if "output_token_throughput" in record and "input_sequence_length" in record:
        return [_read_aiperf(record, where)]
    if "load_summary" in record and "successes" in record:
        return [_read_inference_perf(record, where)]
    raise InputError(
        f"{where}: not a result of vLLM, SGLang, GuideLLM, AIPerf or inference-perf: expected "
        "mean_ttft_ms and total_output_tokens, or benchmarks, or output_token_throughput, or "
        "load_summary"
    )


def _read_serving_script(record: Record, where: str) -> Measurement:
    """Read vLLM's ``bench serve`` or SGLang's ``bench_serving``, which have a common origin."""
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


def _read_guidellm(record: Record, where: str) -> Measurement:
    """Read an entry of GuideLLM's ``benchmarks``; its strategy moved between versions."""
    if not isinstance(record, dict):
        raise InputError(f"{where}: benchmarks must be objects")
    metrics = record.get("metrics")
    strategy = _find_key(record.get("config") or record.get("args") or {}, "strategy")
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


def _read_aiperf(record: Record, where: str) -> Measurement:
    """Read ``profile_export_aiperf.json`` of AIPerf, or that of genai-perf, its predecessor."""
    config = record.get("input_config") or {}
    settings = _find_key(config, "loadgen") or config
    if not isinstance(settings, dict):
        raise InputError(f"{where}: input_config must be an object")
    load = _load(
        settings.get("concurrency"),
        settings.get("request_rate"),
        _inner(record.get("input_sequence_length"), f"{where}: input_sequence_length", "avg"),
        _inner(record.get("output_sequence_length"), f"{where}: output_sequence_length", "avg"),
        settings.get("request_count"),
    )
    return Measurement(
        load,
        _inner(record.get("output_token_throughput"), f"{where}: output_token_throughput", "avg"),
        _inner(record.get("inter_token_latency"), f"{where}: inter_token_latency", "avg") / 1e3,
        _inner(record.get("time_to_first_token"), f"{where}: time_to_first_token", "avg") / 1e3,
    )


def _read_inference_perf(record: Record, where: str) -> Measurement:
    """Read one stage of inference-perf, ``stage_N_lifecycle_metrics.json``, an open loop.

    Its time per output token counts chunks of the stream, some of which are empty; here, TPOT is
    computed from the time between the first and the last token.
    """
    done, summary = record["successes"], record["load_summary"]
    if not isinstance(done, dict) or not isinstance(summary, dict):
        raise InputError(f"{where}: successes and load_summary must be objects")
    latency = done.get("latency")
    if not isinstance(latency, dict):
        raise InputError(f"{where}: successes without latency")
    output_tok = _inner(done.get("output_len"), f"{where}: output_len", "mean")
    ttft_s = _inner(latency.get("time_to_first_token"), f"{where}: time_to_first_token", "mean")
    e2e_s = _inner(latency.get("request_latency"), f"{where}: request_latency", "mean")
    load = _load(
        None,
        summary.get("requested_rate"),
        _inner(done.get("prompt_len"), f"{where}: prompt_len", "mean"),
        output_tok,
        done.get("count"),
    )
    tpot_s = (e2e_s - ttft_s) / (output_tok - 1) if output_tok > 1 else math.nan
    speed = _inner(done.get("throughput"), f"{where}: throughput", "output_tokens_per_sec")
    return Measurement(load, speed, tpot_s, ttft_s)


def _inner(node: Any, where: str, name: str) -> float:
    """Return a required figure of an inner object, which may be missing."""
    return _figure(node if isinstance(node, dict) else {}, where, name)


def _read_table_row(row: dict[str, str], where: str) -> Measurement:
    kind = row.get("load_kind", "")
    if kind not in LOAD_KINDS:
        raise InputError(must_be(f"{where}: load_kind", f"one of {', '.join(LOAD_KINDS)}", kind))
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
    """Return a closed loop with limited clients, an open one at a finite rate, else offline."""
    lengths = (max(1, round(prompt_tok)), max(1, round(output_tok)))
    settings = {"requests": requests, "clients": clients, "rate": rate}
    total, closed, open_ = (_optional(settings, name) for name in settings)
    count = None if math.isnan(total) else round(total)
    if not math.isnan(closed):
        return Load("concurrency", closed, *lengths, requests=count)
    if not math.isnan(open_):
        return Load("request-rate", open_, *lengths, requests=count)
    return Load("offline", 0.0, *lengths, requests=count)


def _figure(record: Record, where: str, name: str) -> float:
    """Return a required number above zero."""
    value = _optional(record, name)
    if not value > 0:
        raise InputError(must_be(f"{where}: {name}", "a number above zero", record.get(name)))
    return value


def _optional(record: Record, name: str) -> float:
    """Return a number above zero, or NaN."""
    value = number_or_nan(record.get(name))
    return value if value > 0 else math.nan


def _mean(metrics: Record, where: str, name: str) -> float:
    """Return GuideLLM's mean of a metric over successful requests."""
    metric = metrics.get(name)
    done = metric.get("successful") if isinstance(metric, dict) else None
    return _inner(done, f"{where}: {name}", "mean")


def _find_key(node: Any, key: str) -> Any:
    """Return the first value of a key at any depth, or None."""
    if not isinstance(node, dict):
        return None
    if key in node:
        return node[key]
    values = (_find_key(child, key) for child in node.values())
    return next((value for value in values if value is not None), None)
