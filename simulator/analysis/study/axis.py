"""The axis of a break-even: the volume of traffic, or any number of a scenario."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from simulator.analysis.study.study import Study


@dataclass(frozen=True, slots=True)
class Axis:
    """A number of a scenario, and the study for each value that it may have."""

    path: str
    """Dotted path of the number, as ``--set`` takes it."""
    current: float | None
    """Value in the scenario; None if the scenario does not state one."""
    low: float
    """Smallest value of interest."""
    high: float
    """Largest value of interest."""
    study: Callable[[float], Study]
    """Builds the study for a value; picklable, so that workers can call it."""
    points: int = 9
    """Number of values that are tried before crossings are refined."""

    @property
    def values(self) -> list[float]:
        """Values to try: in equal ratios if ``low`` is positive, else in equal steps."""
        if self.low > 0:
            return [float(v) for v in np.geomspace(self.low, self.high, self.points)]
        return [float(v) for v in np.linspace(self.low, self.high, self.points)]


def midpoint(a: float, b: float) -> float:
    """Return the geometric mean of two positive values, else their arithmetic mean."""
    return float(np.sqrt(a * b)) if min(a, b) > 0 else (a + b) / 2
