"""How the rate of sessions varies: the week, growth, slow waves and bursts, unequal tenants.

Arrivals are Poisson given the rate, and the rate is random (a Cox process). Its noise is made of
layers, each with a time scale: independent normal values at the layer's knots, joined by lines.
So the rate of any hour follows from that hour's streams alone, and the index of dispersion grows
with the window as it does in the traces, which no renewal process does.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from simulator.rng import stream
from simulator.traffic.shapes import HOURS_PER_WEEK
from simulator.units import HOUR_S, MONTH_S

NOISE_SCALES_S = (1, 10, 60, 600, 3600)
"""Time scales that rate noise may have; each divides the hour."""
_TENANT_SCALE_S = 600


@dataclass(frozen=True, slots=True)
class Tenants:
    """Clients of unequal size behind one workload, each with a prompt of its own."""

    count: int = 1
    zipf: float = 0.0
    """Shares fall with this power of the rank."""
    rate_cv: float = 0.0
    """Coefficient of variation of each one's own rate, on ten-minute steps."""

    def shares(self) -> NDArray[np.float64]:
        """Return mean shares of the sessions. (count,)"""
        weights = np.arange(1, self.count + 1) ** -self.zipf
        return weights / weights.sum()


@dataclass(frozen=True, slots=True)
class Rate:
    """Sessions per second over time."""

    stream: str
    """First part of the names of the workload's random streams. Made of its position, so that
    another name draws the same traffic."""
    sessions_per_s: float
    """Mean over the week at time zero."""
    week: NDArray[np.float64]
    """(168,) hourly factors, mean 1."""
    cv: dict[int, float] = field(default_factory=dict)
    """Coefficient of variation of the rate by time scale [s], out of ``NOISE_SCALES_S``."""
    growth_per_month: float = 0.0
    tenants: Tenants = field(default_factory=Tenants)


@dataclass(frozen=True, slots=True)
class HourOfRate:
    """The rate within one hour, the same for every unit of volume."""

    hour: int
    step_s: int
    cumulative: NDArray[np.float64]
    """Expected sessions up to each step, from 0. (n_steps + 1,)"""
    tenant_cumulative: NDArray[np.float64]
    """Shares of tenants up to each, by ten minutes. (6, n_tenants)"""

    def draw(
        self,
        rng: np.random.Generator,
        width: float = 1.0,
        spans_s: NDArray[np.float64] | None = None,
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Draw start times [s since time zero], sorted, and tenants of the hour's sessions.

        ``width`` is the volume that they are of; with ``spans_s`` [s since time zero], (n, 2), only
        those are drawn that start in one.
        """
        steps = np.arange(len(self.cumulative)) * self.step_s
        spans = np.array([[0.0, HOUR_S]]) if spans_s is None else spans_s - self.hour * HOUR_S
        edges = np.interp(np.clip(spans, 0.0, HOUR_S), steps, self.cumulative)
        upto = np.append(0.0, np.cumsum(edges[:, 1] - edges[:, 0]))
        count = rng.poisson(upto[-1] * width)
        place = np.sort(rng.random(count)) * upto[-1]
        span = np.minimum(np.searchsorted(upto, place, side="right") - 1, len(edges) - 1)
        expected = edges[span, 0] + place - upto[span]
        offset_s = np.interp(expected, self.cumulative, steps)
        if self.tenant_cumulative.shape[1] == 1:
            return self.hour * HOUR_S + offset_s, np.zeros(count, np.int64)
        part = np.minimum(offset_s // _TENANT_SCALE_S, len(self.tenant_cumulative) - 1)
        part = part.astype(np.int64)
        # One sorted row of shares for each ten minutes, put behind one another.
        flat = (self.tenant_cumulative + np.arange(len(self.tenant_cumulative))[:, None]).ravel()
        found = np.searchsorted(flat, part + rng.random(count), side="right")
        tenant = found - part * self.tenant_cumulative.shape[1]
        return self.hour * HOUR_S + offset_s, np.minimum(
            tenant, self.tenant_cumulative.shape[1] - 1
        )


def rate_of_hour(rate: Rate, seed: int, hour: int) -> HourOfRate:
    """Return the random rate of one hour since time zero."""
    fast = any(scale < 60 for scale, cv in rate.cv.items() if cv > 0)
    step_s = 1 if fast else 60
    steps = int(HOUR_S) // step_s
    level = rate.sessions_per_s * rate.week[hour % HOURS_PER_WEEK]
    level *= (1 + rate.growth_per_month) ** (hour * HOUR_S / MONTH_S)
    factor = np.ones(steps)
    for scale, cv in sorted(rate.cv.items()):
        if cv > 0:
            factor *= _noise(f"{rate.stream}/rate/{scale}", seed, hour, scale, step_s, cv)[0]
    tenants = rate.tenants
    parts = int(HOUR_S) // _TENANT_SCALE_S
    weights = np.tile(tenants.shares(), (parts, 1))
    if tenants.rate_cv > 0:
        own = _noise(
            f"{rate.stream}/tenants",
            seed,
            hour,
            _TENANT_SCALE_S,
            _TENANT_SCALE_S,
            tenants.rate_cv,
            tenants.count,
        )
        weights *= own.T
        factor *= np.repeat(weights.sum(1), steps // parts)
    cumulative = np.append(0.0, np.cumsum(level * step_s * factor))
    shares = np.cumsum(weights, axis=1)
    return HourOfRate(hour, step_s, cumulative, shares / shares[:, -1:])


def _noise(
    name: str, seed: int, hour: int, scale_s: int, step_s: int, cv: float, count: int = 1
) -> NDArray[np.float64]:
    """Lognormal noise with mean 1 at every step of an hour, (count, n_steps)."""
    knots = int(HOUR_S) // scale_s
    here = stream(seed, name, hour).standard_normal((knots, count))
    following = stream(seed, name, hour + 1).standard_normal((knots, count))[:1]
    values = np.concatenate([here, following]).T
    at = (np.arange(int(HOUR_S) // step_s) + 0.5) * step_s / scale_s
    left = np.minimum(at.astype(np.int64), knots - 1)
    share = at - left
    # Halfway between two independent knots the variance would be half of theirs.
    spread = np.sqrt(share**2 + (1 - share) ** 2)
    normal = (values[:, left] * (1 - share) + values[:, left + 1] * share) / spread
    sigma = np.sqrt(np.log1p(cv**2))
    return np.exp(sigma * normal - sigma**2 / 2)
