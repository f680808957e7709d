"""What the break-even is looked for along: the volume of traffic, or any number of a scenario."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from simulator.analysis.study.study import Study


@dataclass(frozen=True, slots=True)
class Axis:
    """A number of a scenario, and the study of every value it may have."""

    path: str
    """Dotted, as ``--set`` takes it."""
    current: float | None
    """None where the scenario does not say."""
    low: float
    high: float
    study: Callable[[float], Study]
    """Picklable, for workers."""
    points: int = 9
    """Values that are tried before crossings are refined."""

    @property
    def values(self) -> list[float]:
        """Values between the ends: by equal factors above zero, else by equal steps."""
        if self.low > 0:
            return [float(v) for v in np.geomspace(self.low, self.high, self.points)]
        return [float(v) for v in np.linspace(self.low, self.high, self.points)]


def between(a: float, b: float) -> float:
    """Return the middle of two values, in their logarithms where they have any."""
    return float(np.sqrt(a * b)) if min(a, b) > 0 else (a + b) / 2
