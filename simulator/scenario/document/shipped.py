"""Locations of shipped scenarios and profiles, in an installation or a checkout."""

import os
from pathlib import Path

from simulator.errors import InputError, nearest


def _data_dir(name: str) -> Path:
    package = Path(__file__).parents[2]
    installed = package / "_data" / name
    return installed if installed.is_dir() else package.parent / name


def profiles_dir() -> Path:
    """Return the directory of hardware profiles."""
    return _data_dir("hardware_profiles")


def shipped_scenarios() -> dict[str, Path]:
    """Return the paths of shipped scenarios by name."""
    return {p.stem: p for p in sorted(_data_dir("scenarios").glob("*.yaml"))}


def find_scenario(name: str) -> Path:
    """Return the path of a scenario file, or of a shipped scenario by name.

    ``scenarios/quickstart.yaml`` and ``quickstart`` both find the shipped file from any
    directory; an existing file takes precedence.

    Raises
    ------
    InputError
        When there is no such file and no shipped scenario of that name; names the nearest one.
    """
    path = Path(name)
    if os.path.lexists(path) and not path.is_dir():
        return path  # may be no regular file; reading it then fails with a clear message
    shipped = shipped_scenarios()
    if path.stem in shipped and path.parent.name in ("", "scenarios"):
        return shipped[path.stem]
    raise InputError(f"{name}: no such file{nearest(path.stem, sorted(shipped))}")
