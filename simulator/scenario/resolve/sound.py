"""The part of a scenario that is valid although other parts are not, to find its faults as well."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from simulator.pricing.book import SNAPSHOT_DATE
from simulator.scenario.document.document import Document, PlacedFaults
from simulator.scenario.resolve.presets import load_preset
from simulator.scenario.schema.scenario import Scenario

_NEUTRAL: dict[str, Any] = {
    "schema_version": 1,
    "name": "",
    "start": SNAPSHOT_DATE - timedelta(days=SNAPSHOT_DATE.weekday()),
    "slo": {"ttft_s": 1.0},
    "people": {"engineers_fte": 0, "engineer_usd_per_year": 0, "tooling_usd_per_month": 0},
}
"""Values of required sections that stand for sections with a fault."""
_UNSEEN = ("extends", "overrides", "sweep")
"""Sections that no option depends on."""


@dataclass(frozen=True, slots=True)
class SoundPart:
    """The valid part of a scenario."""

    scenario: Scenario
    """The scenario with neutral values for its faulty sections and without its faulty options."""
    missing: frozenset[str]
    """Names of the faulty options."""


def sound_part(document: Document, faults: PlacedFaults) -> SoundPart | None:
    """Return the valid part of a document with faults; None if there is none to look at."""
    data = document.data
    options, traffic = data.get("options"), data.get("traffic")
    if not isinstance(options, dict) or not isinstance(traffic, dict) or not traffic:
        return None
    paths = faults.known.paths | faults.known.incomplete
    broken = {path[:2] for path in paths if len(path) > 1}
    sections = {str(path[0]) for path in paths if path}
    values = {
        key: value
        for key, value in data.items()
        if key in Scenario.model_fields and key not in (*_UNSEEN, *sections)
    }
    workload = _neutral_workload()
    values |= {key: value for key, value in _NEUTRAL.items() if key not in values}
    values["traffic"] = {
        name: workload if ("traffic", name) in broken or ("traffic",) in paths else section
        for name, section in traffic.items()
    }
    sound = {name: section for name, section in options.items() if ("options", name) not in broken}
    # A scenario needs an option: that of a single workload's name is removed again.
    filler = {"pools": {"kind": "pools", "pools": ["", ""]}}
    scenario = Scenario.model_validate(values | {"options": sound or filler})
    if not sound:
        scenario = scenario.model_copy(update={"options": {}})
    return SoundPart(scenario, frozenset(map(str, options)) - frozenset(map(str, sound)))


def _neutral_workload() -> dict[str, Any]:
    """Return a workload that stands for one with a fault."""
    sessions: dict[str, Any] = load_preset("chat").data["sessions"]
    return {**sessions, "requests_per_month": 1.0}
