"""Workloads to generate, from a preset or a scenario."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from simulator.errors import InputError
from simulator.scenario.building.traffic import build_workload
from simulator.scenario.building.volume import Horizon
from simulator.scenario.document.document import Document, parse_value, validate, with_values
from simulator.scenario.resolve.load import check_scenario, read_document
from simulator.scenario.resolve.presets import load_preset, preset_names
from simulator.scenario.schema.traffic import Replay, Sessions
from simulator.traffic.sessions import SessionTraffic
from simulator.traffic.shapes import HOURS_PER_WEEK

_ANY_MONDAY = date(2026, 1, 5)


def workloads_of(
    name: str,
    requests_per_month: float | None,
    settings: Sequence[str] | None,
    hours: int = HOURS_PER_WEEK,
) -> tuple[SessionTraffic, ...]:
    """Return the workload of a preset at some volume, or the workloads of a scenario, for a number
    of hours.

    Raises
    ------
    InputError
        When there is no such preset or scenario, or the scenario replays a log.
    """
    if name not in preset_names():
        if requests_per_month is not None:
            raise InputError("--requests-per-month is for presets; --set it in a scenario")
        scenario, document = check_scenario(read_document(name, settings))
        workloads = []
        for key, section in scenario.traffic.items():
            if isinstance(section, Replay):
                raise document.fail(("traffic", key), "a replayed log cannot be generated")
            at = ("traffic", key)
            span = Horizon(scenario.start, max(hours, scenario.horizon_hours))
            workloads.append(build_workload(key, section, span, document, at))
        return tuple(workloads)
    return (preset_workload(name, requests_per_month, settings),)


def section_workload(name: str, section: Mapping[str, Any]) -> SessionTraffic:
    """Return the workload of a section as a scenario has it, at the medians of its numbers.

    Raises
    ------
    InputError
        When the section is not valid.
    """
    data = {
        "schema_version": 1,
        "name": name,
        "start": str(_ANY_MONDAY),
        "traffic": {name: dict(section)},
        "slo": {"e2e_s": 1},
        "options": {"any": {"kind": "api", "offer": "any"}},
        "people": {"engineers_fte": 0, "engineer_usd_per_year": 0, "tooling_usd_per_month": 0},
    }
    scenario, document = check_scenario(Document(Path(name), data))
    workload = scenario.traffic[name]
    assert not isinstance(workload, Replay)
    horizon = Horizon(_ANY_MONDAY, HOURS_PER_WEEK)
    return build_workload(name, workload, horizon, document, ("traffic", name))


def preset_workload(
    name: str, requests_per_month: float | None = None, settings: Sequence[str] | None = None
) -> SessionTraffic:
    """Return a preset's workload, by default at the volume at which its claims were measured."""
    preset = load_preset(name)
    data = preset.data["sessions"].copy()
    data["requests_per_month"] = requests_per_month or preset.data["claims"]["requests_per_month"]
    document = Document(preset.path, data)
    values = {}
    for setting in settings or []:
        path, _, text = setting.partition("=")
        values[path] = parse_value(text, f"--set {path}")
    document = with_values(document, values)
    span = Horizon(_ANY_MONDAY, HOURS_PER_WEEK)  # presets have no dates
    return build_workload(name, validate(Sessions, document), span, document)
