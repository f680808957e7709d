"""The axis of a break-even: studies of a scenario with one value changed."""

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
    scenario: Scenario,
    along: Along,
    low: float,
    high: float,
) -> Axis:
    """Return an axis of a checked scenario, between two values.

    Raises
    ------
    InputError
        When the path does not lead to a number, or the scenario rejects a value.
    """
    if not low < high:
        raise InputError(f"--between {low:g} {high:g}: the first must be the smaller")
    for end in (low, high):
        along(end)  # fails before anything is simulated if the scenario rejects the value
    return Axis(along.path, _current_value(scenario, along.path), low, high, along)


def _current_value(scenario: Scenario, path: str) -> float | None:
    """Return the number at a path: the median of an uncertain one, None if it is not given."""
    node: Any = scenario
    for part in path.split("."):
        keys = list(node) if isinstance(node, dict) else list(type(node).model_fields)
        if part not in keys:
            raise InputError(f"--axis {path}: no {part!r} in the scenario{nearest(part, keys)}")
        node = node[part] if isinstance(node, dict) else getattr(node, part)
        if not isinstance(node, dict) and not hasattr(type(node), "model_fields"):
            break
    if isinstance(node, Interval):
        node = node.mid
    if node is None or node == "auto":
        return None
    if isinstance(node, bool) or not isinstance(node, int | float):
        raise InputError(f"--axis {path}: expected a number, not {node!r}")
    return float(node)
