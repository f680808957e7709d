"""Precision of figures from spans of a horizon, for this horizon and for another week.

Spans are taken along the load, so neighbours differ only by chance (the estimator of successive
differences; Wolter 2007, chapter 8). Every difference is kept as a separate component: options
judged by the same spans share their components, and the error that two options have in common is
not in the error of their difference.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from simulator.analysis.sampling.sample import Sample

Floats = NDArray[np.float64]

CONFIDENCE = 0.9
"""Confidence of the stated intervals."""
RARE = 0.001
"""Share of requests up to which misses may be too rare to occur in any span."""

Components = dict[str, Floats]
"""Independent components of an error, by set of spans: standard deviations, as shares of a cost or
of the requests. (differences,) each"""


@dataclass(frozen=True, slots=True)
class Error:
    """Possible error of a figure."""

    components: Components = field(default_factory=dict)
    """Components of the difference to another horizon of the same traffic."""
    half: float = 0.0
    """Half-width of the 90 % interval for the figure of the whole horizon; 0 if all of the horizon
    was simulated at full scale."""

    @property
    def sd(self) -> float:
        """Standard deviation over horizons of the same traffic."""
        return math.sqrt(sum(float(part @ part) for part in self.components.values()))

    @staticmethod
    def total(errors: Sequence["Error"], shares: Sequence[float]) -> "Error":
        """Return the error of a sum of figures with given shares."""
        components: Components = {}
        for error, share in zip(errors, shares, strict=True):
            for name, part in error.components.items():
                components[name] = components.get(name, np.zeros_like(part)) + share * part
        # Figures from the same spans may be off in the same direction, so half-widths add up.
        half = sum(abs(share) * error.half for error, share in zip(errors, shares, strict=True))
        return Error(components, half)


@dataclass(frozen=True, slots=True)
class Sampling:
    """Extent of the sample, and the precision of its figures."""

    windows: int
    """Number of spans; 0 if the whole horizon was simulated."""
    scale: float
    """Share of the traffic, and of what serves it, that was simulated."""
    why_whole: str | None
    """Reason why no spans were taken although they would have been cheaper; None: no such
    reason."""
    calls: Error
    """Error of the cost of calls, as a share of it."""
    attainment: Error
    """Error of the share of requests within all limits."""


def sampling_of(sample: Sample, offered: Floats, met: Floats, usd: Floats) -> Sampling:
    """Return the precision of a tally's figures, from its sums by span. (spans,) each

    The sums are of offered requests, of requests within all their limits, and of USD.
    """
    whole = sample.is_whole
    return Sampling(
        0 if whole else len(sample.weight),
        sample.scale,
        sample.why_whole,
        ratio_error(sample, usd, offered),
        ratio_error(sample, met, offered, absolute=True),
    )


def ratio_error(sample: Sample, figure: Floats, base: Floats, absolute: bool = False) -> Error:
    """Return the error of a ratio of weighted sums over spans, as a share of it or absolute.

    (spans,) each
    """
    total, bases = float(sample.weight @ figure), float(sample.weight @ base)
    if not bases or not (total or absolute):
        return Error()
    residual = sample.weight * (figure - total / bases * base)
    residual = residual / (bases if absolute else total)
    count = len(residual)
    if count < 2:
        return Error(half=math.inf)
    ordered = np.argsort(sample.load, kind="stable")
    steps = np.diff(residual[ordered]) * math.sqrt(count / (2 * (count - 1)))
    name = f"{'whole' if sample.is_whole else 'spans'} {count - 1}"
    half = 0.0
    # Only what might not have been simulated adds to the error: a request is simulated with the
    # probability of its span times the scale.
    unsimulated = 1 - sample.chance[ordered] * min(1.0, sample.scale)
    if unsimulated.any():
        variance = float(steps**2 @ ((unsimulated[1:] + unsimulated[:-1]) / 2))
        # Satterthwaite's degrees of freedom: the number of differences that matter.
        degrees = variance**2 / float((steps**4).sum()) if variance else 1.0
        half = float(stdtrit(max(1.0, degrees), 0.5 + CONFIDENCE / 2)) * math.sqrt(variance)
    if absolute and unsimulated.any():
        half = max(half, RARE)
    return Error({name: steps}, half)
