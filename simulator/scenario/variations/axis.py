"""An axis of a break-even from a scenario: its studies are built with ``--set``."""

from dataclasses import dataclass
from typing import Any

from simulator.analysis.study.axis import Axis
from simulator.analysis.study.study import Study
from simulator.errors import InputError, nearest
from simulator.scenario.building.study import Variations
from simulator.scenario.document.base_section import Interval
from simulator.scenario.schema.scenario import Scenario


@dataclass(frozen=True, slots=True)
class Along:
    """Builds the study of a scenario with one value changed."""

    variations: Variations
    path: str

    def __call__(self, value: float) -> Study:
        """Return the study at a value."""
        return self.variations({self.path: value})


def scenario_axis(
    checked: Scenario,
    along: Along,
    low: float,
    high: float,
) -> Axis:
    """Return an axis of a checked scenario.

    Raises
    ------
    InputError
        When the path leads to no number, or the ends are no span.
    """
    if not low < high:
        raise InputError(f"--between {low:g} {high:g}: the first must be the smaller")
    for end in (low, high):
        along(end)  # what the scenario refuses is told before anything is simulated
    return Axis(along.path, _current(checked, along.path), low, high, along)


def _current(checked: Scenario, path: str) -> float | None:
    """The number at a path; the middle of an uncertain one, None where nothing is said."""
    found: Any = checked
    for part in path.split("."):
        known = list(found) if isinstance(found, dict) else list(type(found).model_fields)
        if part not in known:
            raise InputError(f"--axis {path}: no {part!r} in the scenario{nearest(part, known)}")
        found = found[part] if isinstance(found, dict) else getattr(found, part)
        if not isinstance(found, dict) and not hasattr(type(found), "model_fields"):
            break
    if isinstance(found, Interval):
        found = found.mid
    if found is None or found == "auto":
        return None
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise InputError(f"--axis {path}: is no number, {found!r} is there")
    return float(found)
