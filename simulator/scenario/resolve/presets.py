"""Presets: workloads that scenarios may start from, with their sources and claimed properties."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from simulator.errors import InputError, nearest
from simulator.files.yamltree import copied
from simulator.scenario.document.document import Document, PlacedFaults, read_yaml

_FOLDER = Path(__file__).parents[2] / "traffic" / "presets"


def preset_names() -> list[str]:
    """Return the names of all presets."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def load_preset(name: str) -> Document:
    """Return a preset, with its keys ``about``, ``source``, ``sessions`` and ``claims``.

    Raises
    ------
    InputError
        When there is no preset of that name.
    """
    if name not in preset_names():
        known = preset_names()
        near = nearest(name, known) or f"; presets: {', '.join(known)}"
        raise InputError(f"unknown preset {name!r}{near}")
    return read_yaml(_FOLDER / f"{name}.yaml")


def apply_presets(document: Document, faults: PlacedFaults) -> Document:
    """Copy the keys that workloads take from presets into the workloads.

    A preset that does not exist is noted.
    """
    traffic = document.data.get("traffic")
    if not isinstance(traffic, dict):
        return document
    presets = {
        name: workload["preset"]
        for name, workload in traffic.items()
        if isinstance(workload, dict) and isinstance(workload.get("preset"), str)
    }
    if not presets:
        return document
    data = copied(document.data)
    origins = dict(document.origins)
    for workload, name in presets.items():
        at = ("traffic", workload)
        try:
            preset = load_preset(name)
        except InputError as error:
            faults.note(document, (*at, "preset"), error)
            faults.known.incomplete.add(at)
            continue
        section: dict[str, Any] = data["traffic"][workload]
        for key, value in preset.data["sessions"].items():
            if key not in section:
                section[key] = copied(value)
                origins[(*at, key)] = preset.location(("sessions", key))
    return replace(document, data=data, origins=origins)
