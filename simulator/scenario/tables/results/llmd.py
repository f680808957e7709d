"""Benchmark Reports of llm-d, versions 0.1 and 0.2, as YAML and as JSON.

``benchmark_report`` of llm-d/llm-d-benchmark (``schema_v0_1.py``, ``schema_v0_2.py`` and
``native_to_br0_*.py``, 2026-11). Version 0.1 has the settings of the load generator as it was
given them; version 0.2 has the load in a form of its own.
"""

import math
from dataclasses import replace
from typing import Any

from simulator.errors import InputError
from simulator.files.numbers import abbreviated
from simulator.scenario.tables.results.aiperf import pattern_of_config
from simulator.scenario.tables.results.fields import (
    Record,
    figure,
    inner,
    limit,
    optional,
    section,
    time_s,
)
from simulator.scenario.tables.results.inference_perf import configured_stages, pattern_of_stage
from simulator.scenario.tables.results.reported import Pattern, Reported, Unknown, pattern_of

_INFERENCE_PERF = "inference-perf"


def is_report(record: Record) -> bool:
    """Return whether a record is a Benchmark Report."""
    parts = {"metrics", "results"} & set(record)
    return "version" in record and "scenario" in record and bool(parts)


def read_report(record: Record, where: str) -> Reported:
    """Read a Benchmark Report."""
    version = str(record["version"])
    if version == "0.1":
        return _read_first(record, where)
    if version == "0.2" or version.startswith("0.2."):
        return _read_second(record, where)
    raise InputError(
        f"{where}: version {abbreviated(record['version'])} of the Benchmark Report; known are "
        "0.1 and 0.2"
    )


def _read_first(record: Record, where: str) -> Reported:
    load = inner(record, "scenario", "load")
    metrics = section(record, where, "metrics")
    throughput = section(metrics, f"{where}: metrics", "throughput")
    measured = _measured(
        metrics,
        where,
        str(inner(load, "name")),
        optional(throughput, "output_tokens_per_sec"),
        optional(throughput, "requests_per_sec"),
    )
    pattern = _pattern_of_settings(load, where, measured.request_s * measured.e2e_s)
    return replace(measured, pattern=pattern)


def _read_second(record: Record, where: str) -> Reported:
    load = inner(record, "scenario", "load", "standardized")
    found = inner(record, "results", "request_performance", "aggregate")
    if not isinstance(found, dict):
        raise InputError(f"{where}: no results.request_performance.aggregate in the report")
    throughput = section(found, f"{where}: aggregate", "throughput")
    tool = str(inner(load, "tool"))
    rates = (optional(throughput, name, "mean") for name in ("output_token_rate", "request_rate"))
    measured = _measured(found, where, tool, *rates)
    pattern = _pattern_of_load(load, where, tool, measured.request_s * measured.e2e_s)
    return replace(measured, pattern=pattern)


def _measured(
    found: Record, where: str, tool: str, output_tok_s: float, request_s: float
) -> Reported:
    """Return the figures that both versions have in the same place; the load is still unknown."""
    requests = section(found, where, "requests")
    latency = section(found, where, "latency")
    names = ("time_to_first_token", "time_per_output_token", "inter_token_latency")
    ttft_s, tpot_s, itl_s = (_time_s(latency, where, name) for name in names)
    e2e_s = _time_s(latency, where, "request_latency")
    output = section(requests, f"{where}: requests", "output_length")
    output_tok = figure(output, f"{where}: output_length", "mean")
    if tool == _INFERENCE_PERF:  # whose time per output token counts chunks of the stream
        tpot_s = (e2e_s - ttft_s) / (output_tok - 1) if output_tok > 1 else math.nan
    prompt = section(requests, f"{where}: requests", "input_length")
    total, failures = optional(requests, "total"), optional(requests, "failures")
    return Reported(
        where,
        Unknown(""),
        figure(prompt, f"{where}: input_length", "mean"),
        output_tok,
        total if math.isnan(failures) else total - failures,
        output_tok_s,
        request_s,
        itl_s if math.isnan(tpot_s) else tpot_s,
        ttft_s,
        e2e_s,
    )


def _pattern_of_load(load: Any, where: str, tool: str, in_flight: float) -> Pattern | Unknown:
    """Return the pattern of a load in the form of version 0.2."""
    place = "scenario.load.standardized"
    if not isinstance(load, dict):
        return Unknown(f"no {place}")
    parallel = optional(load, "parallelism")
    if parallel > 1:
        raise InputError(
            f"{where}: {place}.parallelism is {parallel:g}: other load generators ran at the same "
            "time, whose requests the report does not contain"
        )
    clients = limit(load.get("concurrency"), f"{where}: {place}.concurrency")
    rate = limit(load.get("rate_qps"), f"{where}: {place}.rate_qps")
    if tool == _INFERENCE_PERF and math.isfinite(clients):
        rate = math.inf  # its stages have clients or a rate
    if math.isnan(clients) and math.isnan(rate):
        return Unknown(f"no {place}.rate_qps and no {place}.concurrency")
    return pattern_of(where, clients, rate, in_flight)


def _pattern_of_settings(load: Any, where: str, in_flight: float) -> Pattern | Unknown:
    """Return the pattern in the settings of a load generator, which version 0.1 has as given."""
    place = "scenario.load.args"
    settings, tool = inner(load, "args"), inner(load, "name")
    if not isinstance(settings, dict):
        return Unknown(f"no {place}")
    number = inner(load, "metadata", "stage")
    stage = number if isinstance(number, int) and number >= 0 else 0
    if tool == _INFERENCE_PERF:
        stages = configured_stages(settings)
        found = pattern_of_stage(stages[stage], where) if stage < len(stages) else None
        return found or Unknown(f"{place}.load.stages has none for stage {stage}")
    if tool == "aiperf":
        return pattern_of_config(settings, f"{where}: {place}", in_flight)
    if tool == "guidellm":
        return _pattern_of_profile(settings, stage, f"{where}: {place}")
    clients = limit(settings.get("max_concurrency"), f"{where}: {place}.max_concurrency")
    rate = limit(settings.get("request_rate"), f"{where}: {place}.request_rate")
    if math.isnan(clients) and math.isnan(rate):
        return Unknown(f"no {place}.request_rate and no {place}.max_concurrency")
    return pattern_of(where, clients, rate, in_flight)


def _pattern_of_profile(settings: Record, stage: int, place: str) -> Pattern | Unknown:
    """Return the pattern of a stage of GuideLLM, from the arguments of its command."""
    profile, rates = settings.get("profile"), settings.get("rate")
    values = rates if isinstance(rates, list) else [rates]
    value = values[stage] if stage < len(values) else None
    if profile == "synchronous":
        return Pattern("concurrency", 1)
    number = limit(value, f"{place}.rate")
    if profile == "throughput":
        return pattern_of(place, number, math.inf, math.nan)
    if math.isfinite(number) and profile == "concurrent":
        return Pattern("concurrency", number)
    if math.isfinite(number) and profile in ("constant", "poisson", "async"):
        return Pattern("request-rate", number)
    return Unknown(f"the profile {profile!r} of GuideLLM does not tell the rate of stage {stage}")


def _time_s(latency: Record, where: str, name: str) -> float:
    return time_s(latency.get(name), f"{where}: {name}", "mean", "units")
