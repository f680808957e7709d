"""Results of GuideLLM: ``benchmarks.json`` of versions 0.2 to 0.7.

A strategy is in ``args`` up to 0.3 and in ``config`` since 0.4; its discriminator is ``type_``,
and ``kind`` in the newest versions (``src/guidellm/scheduler/strategies.py``, 2026-11). A sweep
writes one entry for each of its strategies.
"""

import math
from typing import Any

from simulator.errors import InputError
from simulator.scenario.tables.results.fields import (
    Record,
    figure,
    inner,
    limit,
    optional,
    section,
)
from simulator.scenario.tables.results.reported import Pattern, Reported, Unknown, pattern_of

KNOWN_VERSIONS = (None, 1, 2)
"""Values of ``metadata.version``; before 0.4 there is none."""
_AT_A_RATE = ("constant", "poisson", "async")


def is_guidellm(record: Record) -> bool:
    """Return whether a record is a report of GuideLLM."""
    return isinstance(record.get("benchmarks"), list)


def read_guidellm(record: Record, where: str) -> list[Reported]:
    """Read every benchmark of a report."""
    version = inner(record, "metadata", "version")
    if isinstance(version, (list, dict)) or version not in KNOWN_VERSIONS:
        found = inner(record, "metadata", "guidellm_version")
        raise InputError(
            f"{where}: a GuideLLM report of version {version!r} (GuideLLM {found}); known are 1 "
            "and 2, and reports without a version"
        )
    entries = enumerate(record["benchmarks"])
    return [_read_benchmark(entry, f"{where}: benchmarks[{n}]") for n, entry in entries]


def _read_benchmark(record: Any, where: str) -> Reported:
    if not isinstance(record, dict):
        raise InputError(f"{where}: expected an object")
    kind = record.get("type_") or record.get("kind")
    if kind not in (None, "benchmark", "generative_benchmark"):
        raise InputError(f"{where}: a {kind} of GuideLLM; only generative benchmarks are read")
    metrics = record.get("metrics")
    if not isinstance(metrics, dict):
        raise InputError(f"{where}: a GuideLLM benchmark without metrics")
    done = optional(metrics, "request_totals", "successful")
    return Reported(
        where,
        _pattern(record, where, optional(metrics, "request_concurrency", "successful", "mean")),
        _mean(metrics, where, "prompt_token_count"),
        _mean(metrics, where, "output_token_count"),
        done,
        _mean(metrics, where, "output_tokens_per_second"),
        tpot_s=optional(metrics, "inter_token_latency_ms", "successful", "mean") / 1e3,
        ttft_s=optional(metrics, "time_to_first_token_ms", "successful", "mean") / 1e3,
    )


def _pattern(record: Record, where: str, in_flight: float) -> Pattern | Unknown:
    strategy = inner(record, "config", "strategy") or inner(record, "args", "strategy")
    if not isinstance(strategy, dict):
        return Unknown("no config.strategy and no args.strategy")
    names = ("type_", "type", "kind")
    kind = next((strategy[name] for name in names if strategy.get(name)), None)
    place = f"{where}: strategy"
    if kind == "synchronous":
        return Pattern("concurrency", 1)
    clients = limit(strategy.get("max_concurrency"), f"{place}.max_concurrency")
    if kind == "concurrent":
        streams = strategy.get("streams")
        clients = clients if streams is None else limit(streams, f"{place}.streams")
        if not math.isfinite(clients):
            return Unknown("no streams of the strategy concurrent")
        return Pattern("concurrency", clients)
    if kind == "throughput":
        return pattern_of(where, clients, math.inf, in_flight)
    if kind in _AT_A_RATE:
        rate = limit(strategy.get("rate"), f"{place}.rate")
        if math.isnan(rate):
            return Unknown(f"no rate of the strategy {kind}")
        return pattern_of(where, clients, rate, in_flight)
    raise InputError(
        f"{place} is {kind!r}, whose arrivals are not in the report; known are synchronous, "
        f"concurrent, throughput, {', '.join(_AT_A_RATE)}"
    )


def _mean(metrics: Record, where: str, name: str) -> float:
    """Return the mean of a metric over successful requests."""
    done = section(section(metrics, where, name), f"{where}: {name}", "successful")
    return figure(done, f"{where}: {name}", "mean")
