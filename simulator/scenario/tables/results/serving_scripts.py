"""Results of ``vllm bench`` and of ``sglang.bench_serving``, which descends from it.

Structures are those of ``benchmarks/benchmark_serving.py`` of vLLM, later
``vllm/benchmarks/serve.py``, ``throughput.py`` and ``latency.py``, and of
``python/sglang/bench_serving.py`` and ``bench_offline_throughput.py`` (2026-11).
"""

import math

from simulator.errors import InputError
from simulator.scenario.tables.results.fields import Record, figure, limit, optional
from simulator.scenario.tables.results.reported import Pattern, Reported, Unknown, pattern_of

MOST_FAILED = 0.05
"""Share of failed requests up to which a result is used."""


def is_serving(record: Record) -> bool:
    """Return whether a record is a result of ``bench serve`` or ``bench_serving``."""
    return "completed" in record and bool({"total_input_tokens", "input_throughput"} & set(record))


def read_serving(record: Record, where: str) -> Reported:
    """Read a result of ``vllm bench serve`` or ``sglang.bench_serving``.

    Results of embedding and pooling models have no output tokens and no time to first token.
    """
    requests = figure(record, where, "completed")
    _refuse_failures(record, where, requests)
    prompt_tok = _total_tok(record, where, "input") / requests
    ttft_s, tpot_s = optional(record, "mean_ttft_ms") / 1e3, optional(record, "mean_tpot_ms") / 1e3
    e2e_s = _e2e_s(record)
    if _generates_nothing(record):
        request_s = figure(record, where, "request_throughput")
        pattern = _pattern(record, where, request_s * e2e_s)
        # The latency of an offline load is the wait in its own queue.
        ttft_s = math.nan if pattern == Pattern("offline") else e2e_s
        return Reported(
            where, pattern, prompt_tok, 0.0, requests, request_s=request_s, ttft_s=ttft_s
        )
    output_tok = _total_tok(record, where, "output") / requests
    speed = figure(record, where, "output_throughput")
    if math.isnan(e2e_s):
        e2e_s = ttft_s + (tpot_s * (output_tok - 1) if output_tok > 1 else 0.0)
    pattern = _pattern(record, where, speed / output_tok * e2e_s)
    return Reported(
        where, pattern, prompt_tok, output_tok, requests, speed, math.nan, tpot_s, ttft_s
    )


def _refuse_failures(record: Record, where: str, completed: float) -> None:
    """Raise InputError if so many requests failed that the load was not the stated one."""
    failed = optional(record, "failed")
    if failed > MOST_FAILED * (completed + failed):
        raise InputError(
            f"{where}: {failed:,.0f} of {completed + failed:,.0f} requests failed, so that the "
            "load was not the stated one"
        )


def _total_tok(record: Record, where: str, side: str) -> float:
    """Return the tokens of all requests, which the oldest versions of SGLang have as a rate."""
    name = f"total_{side}_tokens"
    if name in record:
        return figure(record, where, name)
    return figure(record, where, f"{side}_throughput") * figure(record, where, "duration")


def _generates_nothing(record: Record) -> bool:
    return math.isnan(optional(record, "total_output_tokens")) and math.isnan(
        optional(record, "output_throughput")
    )


def _e2e_s(record: Record) -> float:
    """Return the mean latency, whose name differs between tools and versions, or NaN."""
    names = ("mean_e2el_ms", "mean_e2e_latency_ms", "mean_e2e_latency")
    return next((v / 1e3 for v in (optional(record, n) for n in names) if v > 0), math.nan)


def _pattern(record: Record, where: str, in_flight: float) -> Pattern | Unknown:
    if record.get("ramp_up_strategy"):
        raise InputError(
            f"{where}: ramp_up_strategy is {record['ramp_up_strategy']!r}: the rate rises during "
            "the benchmark, and a calibration needs a constant load"
        )
    if record.get("request_rate") == "trace":
        raise InputError(
            f"{where}: request_rate is 'trace': the requests were sent at the times of a trace, "
            "which the file does not contain; give a log of the requests as CSV"
        )
    clients = limit(record.get("max_concurrency"), f"{where}: max_concurrency")
    rate = limit(record.get("request_rate"), f"{where}: request_rate")
    if math.isnan(clients) and math.isnan(rate):
        return Unknown("no request_rate and no max_concurrency")
    return pattern_of(where, clients, rate, in_flight)


def is_throughput(record: Record) -> bool:
    """Return whether a record is a result of ``vllm bench throughput``."""
    return {"elapsed_time", "num_requests", "requests_per_second"} <= set(record)


def read_throughput(record: Record, where: str) -> Reported:
    """Read a result of ``vllm bench throughput``, which has no separate lengths.

    All requests are given to the engine at once.
    """
    return Reported(
        where,
        Pattern("offline"),
        requests=figure(record, where, "num_requests"),
        request_s=figure(record, where, "requests_per_second"),
    )


def is_latency(record: Record) -> bool:
    """Return whether a record is a result of ``vllm bench latency``."""
    return "avg_latency" in record and "latencies" in record


def read_latency(record: Record, where: str) -> Reported:
    """Read a result of ``vllm bench latency``: the time of a whole batch, of unknown size."""
    pattern = Unknown("no batch size (--load static-batch)")
    return Reported(where, pattern, e2e_s=figure(record, where, "avg_latency"))


def is_offline_throughput(record: Record) -> bool:
    """Return whether a record is a result of ``sglang.bench_offline_throughput``."""
    return {"successful_requests", "total_latency", "total_input_tokens"} <= set(record)


def read_offline_throughput(record: Record, where: str) -> Reported:
    """Read a result of ``sglang.bench_offline_throughput``."""
    requests = figure(record, where, "successful_requests")
    return Reported(
        where,
        Pattern("offline"),
        figure(record, where, "total_input_tokens") / requests,
        figure(record, where, "total_output_tokens") / requests,
        requests,
        figure(record, where, "output_throughput"),
    )
