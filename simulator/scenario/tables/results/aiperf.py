"""Results of AIPerf and of GenAI-Perf, its predecessor, as JSON and as CSV.

AIPerf of schema 1.0 to 1.2 tells its load in ``input_config.loadgen``, schema 1.3 in
``input_config.phases`` (``src/aiperf/config/phases.py``, AIPerf 0.10, 2026-11). GenAI-Perf has
``input_config.concurrency`` and ``request_rate``, later ``input_config.perf_analyzer.stimulus``
(``genai_perf/export_data/json_exporter.py``). The CSV exports of both have no load.
"""

import csv
import math
import re
from typing import Any

from simulator.errors import InputError
from simulator.scenario.tables.results.fields import Record, inner, limit, optional, time_s
from simulator.scenario.tables.results.reported import Pattern, Reported, Unknown, pattern_of

_TITLE = re.compile(r"(?P<name>[^(]+?)\s*(?:\((?P<unit>[^)]*)\))?")


def is_aiperf(record: Record) -> bool:
    """Return whether a record is a summary of AIPerf or GenAI-Perf."""
    return isinstance(record.get("input_sequence_length"), dict) and isinstance(
        record.get("request_throughput") or record.get("output_token_throughput"), dict
    )


def is_aiperf_csv(text: str) -> bool:
    """Return whether a text is a CSV export of AIPerf or GenAI-Perf."""
    return text.startswith("Metric,")


def read_aiperf_csv(text: str, where: str) -> Reported:
    """Read a CSV export: sections with a header each, and a metric with its unit on each row."""
    record: Record = {}
    header: list[str] = []
    try:
        for row in csv.reader(text.splitlines(), strict=True):
            if row and row[0] == "Metric":
                header = row
            elif row and (title := _TITLE.fullmatch(row[0])):
                values = dict(zip(header[1:], row[1:], strict=False))
                mean = values.get("avg") or values.get("Value") or ""
                name = title["name"].lower().replace(" ", "_")
                record[name] = {"avg": mean.replace(",", ""), "unit": title["unit"]}
    except csv.Error as error:
        raise InputError(f"{where}: not valid CSV: {error}") from None
    reason = "a CSV of AIPerf or GenAI-Perf never has it; give the JSON export of the same run"
    return _result(record, where, Unknown(reason))


def read_aiperf(record: Record, where: str) -> Reported:
    """Read ``profile_export_aiperf.json`` or ``profile_export_genai_perf.json``."""
    version = record.get("schema_version", "1")
    if not re.fullmatch(r"1(\.\d+)*", str(version)):
        raise InputError(
            f"{where}: schema_version {version!r} of AIPerf {record.get('aiperf_version')}; "
            "known are 1.0 to 1.3"
        )
    config = record.get("input_config")
    if not isinstance(config, dict):
        return _result(record, where, Unknown("no input_config"))
    in_flight = optional(record, "request_throughput", "avg") * _time_s(
        record, where, "request_latency"
    )
    return _result(record, where, pattern_of_config(config, where, in_flight))


def _result(record: Record, where: str, pattern: Pattern | Unknown) -> Reported:
    output_tok = optional(record, "output_sequence_length", "avg")
    e2e_s = _time_s(record, where, "request_latency")
    prompt_tok = optional(record, "input_sequence_length", "avg")
    if math.isnan(prompt_tok):
        raise InputError(f"{where}: no mean of input_sequence_length")
    is_silent = math.isnan(output_tok) and "output_token_throughput" not in record
    ttft_s = _time_s(record, where, "time_to_first_token")
    if is_silent and pattern != Pattern("offline"):
        ttft_s = e2e_s
    elif not is_silent and math.isnan(output_tok):
        raise InputError(f"{where}: no mean of output_sequence_length")
    return Reported(
        where,
        pattern,
        prompt_tok,
        0.0 if is_silent else output_tok,
        optional(record, "request_count", "avg"),
        optional(record, "output_token_throughput", "avg"),
        optional(record, "request_throughput", "avg"),
        _time_s(record, where, "inter_token_latency"),
        ttft_s,
        e2e_s,
    )


def pattern_of_config(config: Record, where: str, in_flight: float) -> Pattern | Unknown:
    """Return the pattern in the settings of a run, which its results repeat."""
    if "phases" in config:
        return _pattern_of_phases(config["phases"], f"{where}: input_config.phases", in_flight)
    dataset = inner(config, "input", "custom_dataset_type")
    has_rate = inner(config, "loadgen", "request_rate") is not None
    if inner(config, "input", "fixed_schedule") or (dataset == "mooncake_trace" and not has_rate):
        raise _replayed(where)
    settings, place = config, "input_config"
    for names in (("loadgen",), ("perf_analyzer", "stimulus")):
        found = inner(config, *names)
        if isinstance(found, dict):
            settings, place = found, ".".join((place, *names))
            break
    if inner(settings, "user_centric_rate") is not None:
        return Pattern("request-rate", limit(settings["user_centric_rate"], f"{where}: {place}"))
    clients = limit(settings.get("concurrency"), f"{where}: {place}.concurrency")
    rate = limit(settings.get("request_rate"), f"{where}: {place}.request_rate")
    if math.isnan(clients) and math.isnan(rate):
        return Unknown(f"no {place}.concurrency and no {place}.request_rate")
    return pattern_of(where, clients, rate, in_flight)


def _pattern_of_phases(phases: Any, place: str, in_flight: float) -> Pattern | Unknown:
    """Return the pattern of the one phase that the results are of."""
    named = phases.items() if isinstance(phases, dict) else enumerate(phases or ())
    entries = [(name, phase) for name, phase in named if isinstance(phase, dict)]
    counted = [
        (name, phase)
        for name, phase in entries
        if not phase.get("exclude_from_results")
        and "warmup" not in (name, phase.get("kind"), phase.get("name"))
    ]
    if not counted:
        return Unknown(f"{place.split(': ')[-1]} has no phase but warm-up")
    if len(counted) > 1:
        raise InputError(
            f"{place}: {len(counted)} phases are in the results together; give a run of one phase"
        )
    name, phase = counted[0]
    return _pattern_of_phase(phase, f"{place}[{name}]", in_flight)


def _pattern_of_phase(phase: Record, place: str, in_flight: float) -> Pattern | Unknown:
    kind = phase.get("type")
    if "fixed_schedule" in (kind, mode := phase.get("timing_mode")) or mode == "agentic_replay":
        raise _replayed(place)
    if phase.get("rate_series"):
        raise InputError(
            f"{place}: the rate follows rate_series, and a calibration needs a constant load; "
            "give profile_export.jsonl, which has every request"
        )
    clients = limit(phase.get("concurrency"), f"{place}.concurrency")
    if kind == "concurrency":
        # AIPerf leaves out what was not set, and one client is its default.
        return Pattern("concurrency", 1 if math.isnan(clients) else clients)
    if kind not in ("poisson", "gamma", "constant", "user_centric"):
        raise InputError(
            f"{place}: a phase of type {kind!r}; known are concurrency, poisson, gamma, constant, "
            "user_centric and fixed_schedule"
        )
    rate = limit(phase.get("rate"), f"{place}.rate")
    if math.isnan(rate):
        return Unknown(f"no {place.split(': ')[-1]}.rate")
    return pattern_of(place, clients, rate, in_flight)


def _replayed(where: str) -> InputError:
    return InputError(
        f"{where}: the requests were sent at the times of a trace, which this file does not "
        "contain; give profile_export.jsonl of the same run, which has every request"
    )


def _time_s(record: Record, where: str, name: str) -> float:
    return time_s(record.get(name), f"{where}: {name}", "avg", "unit")
