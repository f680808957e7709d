"""The traffic section of a new scenario: of a preset at some volume, or of a log."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os.path import relpath
from pathlib import Path
from typing import Any

import numpy as np

from simulator.scenario.document.document import parse_value
from simulator.scenario.resolve.presets import load_preset
from simulator.scenario.starter.answers import Answers
from simulator.scenario.starter.fitted import NOISE_PRESET
from simulator.scenario.starter.generator import preset_workload, section_workload
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
_SIMPLE_HINTS = (
    "cached_share: 40% # share of prompt tokens that your provider reports as cached",
    "requests_per_session: 4 # later requests of a session repeat the earlier ones",
    "input_sigma: 1.0 # spread of prompt lengths; output_sigma: 0.9",
    "week: [24 or 168 hourly factors] # your own hours; time_zone: Europe/Berlin",
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


def traffic_of(answers: Answers, target: Path) -> Traffic:
    """Return the traffic section of a scenario for a path: fitted, of a log, or of a preset.

    Raises
    ------
    InputError
        When there is no such preset, or the log cannot be read.
    """
    if answers.workloads:
        return _fitted_traffic(answers.workloads)
    if answers.trace is not None:
        return _log_traffic(answers.trace, target)
    return _preset_traffic(answers.preset or "", answers.requests_per_month)


def stated_workload(means: Mapping[str, str], requests_per_month: float | None) -> TrafficSection:
    """Return the workload of means as a user writes them.

    Raises
    ------
    InputError
        When a value is not a number with a unit that its key may have.
    """
    section: dict[str, Any] = {"kind": "simple"}
    if requests_per_month is not None:
        section["requests_per_month"] = requests_per_month
    section |= {key: parse_value(text, f"--{key}") for key, text in means.items()}
    about = (
        "Means as they were given. The week, the noise of the rate and the spread of lengths are "
        "assumed as in Azure's conversations of 2023 and 2024."
    )
    rate_cv = load_preset(NOISE_PRESET).data["sessions"]["rate_cv"]
    section |= {"week": "azure-conversation", "rate_cv": {int(s): cv for s, cv in rate_cv.items()}}
    return TrafficSection("calls", section, about, hints=_SIMPLE_HINTS)


def _fitted_traffic(workloads: Sequence[TrafficSection]) -> Traffic:
    """Return traffic that is written in full; its longest workload sets the longest request."""
    longest_tok = max(map(_longest_of_section, workloads))
    volume: dict[str, float] = {}
    if len(workloads) == 1 and "requests_per_month" in workloads[0].section:
        path = f"traffic.{workloads[0].name}.requests_per_month"
        volume = {path: workloads[0].section["requests_per_month"]}
    return Traffic(tuple(workloads), longest_tok, volume)


def _longest_of_section(workload: TrafficSection) -> int:
    """Return the length of a long request of a workload, from a draw at a small volume."""
    calm = {"requests_per_month": _SAMPLED_PER_MONTH, "week": "flat", "rate_cv": {}}
    section = {k: v for k, v in workload.section.items() if k not in ("users", "per_day")}
    sample = GeneratedTraffic((section_workload(workload.name, section | calm),), DAY_S)
    return _long_request_tok(sample.draw(1, 1.0))


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
