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
        self, rng: np.random.Generator, width: float = 1.0
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Draw start times [s since time zero], sorted, and tenants of the hour's sessions.

        ``width`` is the volume that they are of.
        """
        steps = np.arange(len(self.cumulative)) * self.step_s
        count = rng.poisson(self.cumulative[-1] * width)
        expected = np.sort(rng.random(count)) * self.cumulative[-1]
        offset_s = np.interp(expected, self.cumulative, steps)
        part = np.minimum(offset_s // _TENANT_SCALE_S, len(self.tenant_cumulative) - 1)
        tenant = _tenants(self.tenant_cumulative, part.astype(np.int64), rng)
        return self.hour * HOUR_S + offset_s, tenant


@dataclass(frozen=True, slots=True)
class RateInSpans:
    """The rate within spans of some hours, the same for every unit of volume."""

    at_s: NDArray[np.float64]
    """Moments since time zero, rising; between two hours that do not touch nothing starts.
    (n_moments,)"""
    cumulative: NDArray[np.float64]
    """Expected sessions up to each. (n_moments,)"""
    upto: NDArray[np.float64]
    """Expected sessions at the begin and the end of each span. (n_spans, 2)"""
    hours: NDArray[np.int64]
    tenant_cumulative: NDArray[np.float64]
    """Shares of tenants up to each, by ten minutes of the hours. (6 * n_hours, n_tenants)"""

    @staticmethod
    def of(hours: "list[HourOfRate]", spans_s: NDArray[np.float64]) -> "RateInSpans":
        """Put the rates of hours behind one another; spans lie within them. (n_spans, 2)"""
        at_s = [h.hour * HOUR_S + np.arange(len(h.cumulative)) * h.step_s for h in hours]
        before = np.cumsum([0.0, *(h.cumulative[-1] for h in hours)])
        cumulative = [h.cumulative + b for h, b in zip(hours, before[:-1], strict=True)]
        times, expected = np.concatenate(at_s), np.concatenate(cumulative)
        return RateInSpans(
            times,
            expected,
            np.interp(spans_s, times, expected),
            np.array([h.hour for h in hours]),
            np.concatenate([h.tenant_cumulative for h in hours]),
        )

    def draw(
        self, rng: np.random.Generator, width: float
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Draw start times [s since time zero], sorted, and tenants of sessions in the spans.

        ``width`` is the volume that they are of.
        """
        begin = self.upto[:, 0]
        before = np.append(0.0, np.cumsum(self.upto[:, 1] - begin))
        count = rng.poisson(before[-1] * width)
        place = np.sort(rng.random(count)) * before[-1]
        span = np.minimum(np.searchsorted(before, place, side="right") - 1, len(begin) - 1)
        at_s = np.interp(begin[span] + place - before[span], self.cumulative, self.at_s)
        hour = np.searchsorted(self.hours, at_s // HOUR_S)
        parts = len(self.tenant_cumulative) // len(self.hours)
        part = np.minimum(at_s % HOUR_S // _TENANT_SCALE_S, parts - 1).astype(np.int64)
        part += np.minimum(hour, len(self.hours) - 1) * parts
        return at_s, _tenants(self.tenant_cumulative, part, rng)


def _tenants(
    cumulative: NDArray[np.float64], part: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw the tenant of each session by the shares of the ten minutes that it starts in."""
    tenants = cumulative.shape[1]
    if tenants == 1:
        return np.zeros(len(part), np.int64)
    # One sorted row of shares for each ten minutes, put behind one another.
    flat = (cumulative + np.arange(len(cumulative))[:, None]).ravel()
    found = np.searchsorted(flat, part + rng.random(len(part)), side="right")
    return np.minimum(found - part * tenants, tenants - 1)


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
