"""The traffic section of a new scenario: of a preset at some volume, or of a log."""

from dataclasses import dataclass, field
from os.path import relpath
from pathlib import Path
from typing import Any

import numpy as np

from simulator.scenario.resolve.presets import load_preset
from simulator.scenario.starter.generator import preset_workload
from simulator.scenario.starter.traffic_text import TrafficSection
from simulator.traffic.formats.catalog import format_of, read_log, source_of
from simulator.traffic.formats.records.reading import Skips
from simulator.traffic.logs.replay import replay_requests
from simulator.traffic.source import GeneratedTraffic
from simulator.traffic.table import RequestTable
from simulator.units import DAY_S, HOUR_S, WEEK_S

_PRESET_HINTS = (
    "Keys given here replace those of the preset, for example:",
    "system_prompt_tokens: 2k",
    "message_tokens: {median: 60, sigma: 1.3, most: 8k}",
    "output_tokens: {median: 200, sigma: 0.8, most: 1k}",
    "stable_session_share: 95% # share of sessions whose prompts keep a stable prefix",
)
_SAMPLED_PER_MONTH = 60_000.0
"""Volume at which a day of a preset is drawn to see how long its requests are."""
_LONG_SHARE = 0.999
"""Share of requests that must be no longer than what a replica is set up for."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """The traffic section of a new scenario."""

    workloads: tuple[TrafficSection, ...]
    """Workloads as they are written."""
    longest_tok: int
    """Length of prompt and answer together that only one request in a thousand exceeds."""
    volume: dict[str, float] = field(default_factory=dict)
    """Dotted path of the number that states the volume, with its value; empty for a log."""
    is_log: bool = False


def traffic_of(
    preset: str | None, requests_per_month: float | None, trace: Path | None, target: Path
) -> Traffic:
    """Return the traffic section of a scenario for a path: of a log if one is given.

    Raises
    ------
    InputError
        When there is no such preset, or the log cannot be read.
    """
    if trace is not None:
        return _log_traffic(trace, target)
    return _preset_traffic(preset or "", requests_per_month)


def _preset_traffic(name: str, requests_per_month: float | None) -> Traffic:
    data = load_preset(name).data
    sample = GeneratedTraffic((preset_workload(name, _SAMPLED_PER_MONTH),), DAY_S).draw(1, 1.0)
    section: dict[str, Any] = {"kind": "sessions", "preset": name}
    volume: dict[str, float] = {}
    if requests_per_month is not None:
        section["requests_per_month"] = requests_per_month
        volume = {f"traffic.{name}.requests_per_month": section["requests_per_month"]}
    about = f"{data['about']}. Source: {' '.join(data['source'].split())}."
    workload = TrafficSection(name, section, about, hints=_PRESET_HINTS)
    return Traffic((workload,), _long_request_tok(sample), volume)


def _long_request_tok(table: RequestTable) -> int:
    """Return the length of a long request, rounded up to a whole number of thousands."""
    length_tok = np.quantile(table.input_tokens + table.completion_tokens, _LONG_SHARE)
    return int(np.ceil(length_tok / 1024)) * 1024


def _log_traffic(trace: Path, target: Path) -> Traffic:
    source = source_of(str(trace))
    log_format = format_of(source)
    log = read_log(source, log_format, Skips(allowed=False))
    span_s = log.span_s
    span = f"{span_s / DAY_S:.1f} days" if span_s > 2 * DAY_S else f"{span_s / HOUR_S:.1f} hours"
    section = {
        "kind": "replay",
        "path": relpath(trace, target.parent),
        "format": log_format.name,
    }
    about = f"Your log: {log.rows.size:,} requests in {span}."
    hints = ["begin_s: 0, end_s: 24h # replay only a part of it"]
    if span_s < WEEK_S * 0.9:
        section["repeat_week"] = "azure-conversation"
        about += (
            " The log is shorter than a week: repeat_week repeats it end to end over a week of "
            "this shape. Remove the key to replay the log as it is."
        )
    else:
        hints.insert(0, "repeat_week: azure-conversation # repeat a part end to end over a week")
    table = replay_requests(log, seed=1)
    workload = TrafficSection("log", section, about, hints=hints)
    return Traffic((workload,), _long_request_tok(table), is_log=True)
