"""How far figures that spans of a horizon stand for may be off, and how far another week's would.

Spans are taken along the load, so that what neighbours differ by is luck (the estimator of
successive differences; Wolter 2007, chapter 8). Every difference is kept as a component of
its own: options that were judged by the same spans share them, and what is common to two options
is not in the error of their difference.
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
"""Of the intervals that are stated."""
RARE = 0.001
"""Share of requests up to which misses may be too rare for any span to see."""

Luck = dict[str, Floats]
"""Independent components of an error by the set of spans that they are of: standard deviations, as
shares of a cost or as shares of requests. (differences,) each"""


@dataclass(frozen=True, slots=True)
class Error:
    """How far a figure may be off."""

    luck: Luck = field(default_factory=dict)
    """Components of how far another horizon of the same traffic would differ."""
    half: float = 0.0
    """Half of the 90 % interval in which the whole horizon's figure lies; 0 where all of it was
    simulated, at full scale."""

    @property
    def sd(self) -> float:
        """Standard deviation over horizons of the same traffic."""
        return math.sqrt(sum(float(part @ part) for part in self.luck.values()))

    @staticmethod
    def total(errors: Sequence["Error"], shares: Sequence[float]) -> "Error":
        """Return the error of a sum in which figures have some shares."""
        luck: Luck = {}
        for error, share in zip(errors, shares, strict=True):
            for name, part in error.luck.items():
                luck[name] = luck.get(name, np.zeros_like(part)) + share * part
        # What the same spans say of several parts may be off in one direction.
        half = sum(abs(share) * error.half for error, share in zip(errors, shares, strict=True))
        return Error(luck, half)


@dataclass(frozen=True, slots=True)
class Sampling:
    """What was simulated, and how sure the figures are that it stands for."""

    windows: int
    """Spans; 0 where all of the horizon was simulated."""
    scale: float
    """Share of the traffic, and of what serves it, that was simulated."""
    why_whole: str | None
    """Why no spans were taken although they would have been cheaper."""
    calls: Error
    """Of the calls' cost, as a share of it."""
    attainment: Error
    """Of the share of requests within all limits."""


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
    # What was sure to be simulated is no luck: a request, if its span was taken, at the scale.
    left = 1 - sample.chance[ordered] * min(1.0, sample.scale)
    if left.any():
        drawn = float(steps**2 @ ((left[1:] + left[:-1]) / 2))
        # Satterthwaite: as many degrees of freedom as there are differences that matter.
        freedom = drawn**2 / float((steps**4).sum()) if drawn else 1.0
        half = float(stdtrit(max(1.0, freedom), 0.5 + CONFIDENCE / 2)) * math.sqrt(drawn)
    if absolute and left.any():
        half = max(half, RARE)
    return Error({name: steps}, half)
