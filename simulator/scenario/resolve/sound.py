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


_FILLER = "an option that stands for all faulty ones"


@dataclass(frozen=True, slots=True)
class SoundPart:
    """The valid part of a scenario."""

    scenario: Scenario
    """The scenario with neutral values for its faulty sections and without its faulty options."""
    missing: frozenset[str]
    """Names of the faulty options."""
    has_unknown_workloads: bool
    """Whether there may be other workloads than those of the scenario."""


def sound_part(document: Document, faults: PlacedFaults) -> SoundPart:
    """Return the valid part of a document with faults."""
    data = document.data
    options, traffic = data.get("options"), data.get("traffic")
    options = options if isinstance(options, dict) else {}
    traffic = traffic if isinstance(traffic, dict) and traffic else {"": None}
    paths = faults.known.paths | faults.known.incomplete
    broken = {path[:2] for path in paths if len(path) > 1}
    is_unknown = ("traffic",) in paths or "traffic" not in data
    sections = {str(path[0]) for path in paths if path}
    values = {
        key: value
        for key, value in data.items()
        if key in Scenario.model_fields and key not in (*_UNSEEN, *sections)
    }
    workload = _neutral_workload()
    values |= {key: value for key, value in _NEUTRAL.items() if key not in values}
    values["traffic"] = {
        name: workload if is_unknown or ("traffic", name) in broken else section
        for name, section in traffic.items()
    }
    sound = {name: section for name, section in options.items() if ("options", name) not in broken}
    # A scenario needs an option that is compared: that of the filler is removed again.
    filler = {_FILLER: {"kind": "pools", "pools": ["", ""]}}
    scenario = Scenario.model_validate(values | {"options": {**sound, **filler}})
    kept = {name: option for name, option in scenario.options.items() if name != _FILLER}
    scenario = scenario.model_copy(update={"options": kept})
    # The workloads of a log are not known if its section is not valid.
    logs = (s for n, s in traffic.items() if ("traffic", n) in broken)
    is_unknown |= any(not isinstance(s, dict) or s.get("kind") != "sessions" for s in logs)
    missing = frozenset(map(str, options)) - frozenset(map(str, sound))
    return SoundPart(scenario, missing, is_unknown)


def _neutral_workload() -> dict[str, Any]:
    """Return a workload that stands for one with a fault."""
    sessions: dict[str, Any] = load_preset("chat").data["sessions"]
    return {**sessions, "requests_per_month": 1.0}
