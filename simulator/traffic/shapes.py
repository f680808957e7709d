"""Weekly shapes of load: 168 hourly factors from Monday 00:00, scaled to a mean of one."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from simulator.bisection import bisect
from simulator.errors import InputError, nearest

_MOST_POWER = 50.0
_HALVINGS = 60
HOURS_PER_WEEK = 168

# Azure LLM inference trace 2024 (CC-BY 4.0), week of 2024-05-10, hourly request counts read off the
# published plots and divided by their mean; measured, digitised within about 1 %. Two rows a day.
_AZURE_CONVERSATION = """
    0.97 1.10 1.10 0.91 0.91 1.00 1.14 1.21 1.27 1.18 1.16 1.24
    1.32 1.48 1.66 1.54 1.36 1.28 1.26 1.24 1.17 0.94 0.92 0.97
    1.08 1.12 1.15 0.94 0.95 1.01 1.17 1.30 1.28 1.24 1.17 1.27
    1.45 1.54 1.66 1.55 1.42 1.34 1.42 1.30 1.18 1.04 0.89 0.84
    1.00 1.08 1.03 0.87 0.90 0.97 1.11 1.19 1.22 1.23 1.13 1.19
    1.35 1.48 1.50 1.44 1.29 1.24 1.27 1.20 1.05 0.81 0.76 0.85
    0.99 1.15 1.09 0.92 0.90 0.99 1.22 1.28 1.39 1.31 1.05 1.11
    1.27 1.48 1.52 1.34 1.25 1.24 1.23 1.12 1.01 0.89 0.77 0.87
    1.04 1.10 1.07 0.89 0.91 1.01 1.12 1.22 1.19 1.18 1.05 1.07
    1.18 1.28 1.30 1.22 1.13 1.10 0.98 0.92 0.86 0.73 0.60 0.58
    0.58 0.62 0.64 0.51 0.53 0.56 0.56 0.62 0.65 0.56 0.64 0.70
    0.77 0.77 0.84 0.86 0.82 0.75 0.69 0.66 0.69 0.64 0.58 0.54
    0.56 0.59 0.56 0.50 0.47 0.48 0.50 0.57 0.57 0.55 0.55 0.63
    0.64 0.81 0.75 0.79 0.73 0.76 0.77 0.71 0.68 0.68 0.64 0.77
"""
_AZURE_CODE = """
    0.66 0.67 0.66 0.58 0.50 0.40 0.32 0.32 0.29 0.29 0.29 0.46
    0.77 1.46 2.03 2.30 2.18 2.46 2.70 2.80 2.58 2.02 1.57 1.11
    1.00 1.06 0.94 0.65 0.54 0.43 0.35 0.28 0.27 0.32 0.34 0.50
    0.96 1.74 2.41 2.39 2.14 2.64 2.96 2.97 2.69 1.93 1.43 1.10
    0.99 0.90 0.82 0.74 0.56 0.44 0.40 0.31 0.31 0.28 0.36 0.49
    0.90 1.56 2.10 2.31 2.36 2.58 2.93 3.03 2.89 2.08 1.36 1.07
    0.92 0.81 0.87 0.68 0.53 0.46 0.42 0.33 0.31 0.32 0.33 0.51
    0.99 1.46 2.16 2.28 2.23 2.58 2.85 2.89 2.56 1.85 1.33 1.04
    0.77 0.78 0.68 0.58 0.47 0.40 0.33 0.30 0.26 0.29 0.30 0.40
    0.72 1.18 1.75 1.96 1.78 2.04 2.11 2.18 2.07 1.56 1.13 0.76
    0.61 0.56 0.48 0.47 0.39 0.31 0.27 0.19 0.15 0.12 0.10 0.17
    0.26 0.35 0.43 0.47 0.52 0.58 0.62 0.62 0.57 0.51 0.57 0.49
    0.48 0.50 0.47 0.44 0.38 0.31 0.24 0.15 0.13 0.12 0.13 0.14
    0.22 0.28 0.36 0.43 0.47 0.47 0.55 0.57 0.65 0.67 0.62 0.61
"""


def _parse(text: str) -> NDArray[np.float64]:
    factors = np.array(text.split(), np.float64)
    return factors / factors.mean()


_SHAPES = {
    "flat": np.ones(HOURS_PER_WEEK),
    "azure-conversation": _parse(_AZURE_CONVERSATION),
    "azure-code": _parse(_AZURE_CODE),
}


def week_shapes() -> list[str]:
    """Return the names of all weekly shapes."""
    return sorted(_SHAPES)


def week_shape(name: str) -> NDArray[np.float64]:
    """Return a named weekly shape, (168,), mean 1.

    Raises
    ------
    InputError
        If there is no shape of that name.
    """
    if name not in _SHAPES:
        raise InputError(f"unknown week shape {name!r}{nearest(name, sorted(_SHAPES))}")
    return _SHAPES[name]


def week_of(factors: Sequence[float]) -> NDArray[np.float64]:
    """Return the weekly shape of 24 factors, one for each hour of every day, or of 168. (168,)

    Raises
    ------
    InputError
        If there are not 24 or 168 factors, one is negative, or all are 0.
    """
    shape = np.array(factors, np.float64)
    if len(shape) not in (24, HOURS_PER_WEEK):
        raise InputError(f"a week has 24 or 168 hourly factors, not {len(shape)}")
    if not (np.isfinite(shape).all() and shape.min() >= 0 and shape.max() > 0):
        raise InputError("hourly factors must be 0 or more, and not all 0")
    return np.resize(shape / shape.mean(), HOURS_PER_WEEK)


def with_peak(week: NDArray[np.float64], peak: float) -> NDArray[np.float64]:
    """Return a weekly shape raised to the power at which its busiest hour is ``peak``. (168,)

    Raises
    ------
    InputError
        If no power gives that peak, because the week is flat or has too few busy hours.
    """
    busy = np.maximum(week / week.max(), 1e-12)

    def peak_of(power: float) -> float:
        return float(1 / (busy**power).mean())

    if peak == 1:
        return np.ones(HOURS_PER_WEEK)
    if not 1 < peak < peak_of(_MOST_POWER):
        raise InputError(f"no power of this week's shape has a peak factor of {peak:g}")
    low, high = bisect(lambda power: peak_of(power) >= peak, 0.0, _MOST_POWER, _HALVINGS)
    shape: NDArray[np.float64] = busy ** ((low + high) / 2)
    return shape / shape.mean()
