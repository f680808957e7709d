"""The rate of sessions over time: weekly shape, growth, slow waves and bursts, unequal tenants.

Arrivals are Poisson given the rate, and the rate is random (a Cox process). Its noise is a product
of layers with different time scales, each of which interpolates between independent normal values
at equidistant knots. The rate of any hour therefore only depends on the streams of that hour and
the next, and the index of dispersion grows with the window as it does in the traces, which no
renewal process does.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from simulator.rng import stream
from simulator.units import HOUR_S, MONTH_S

NOISE_SCALES_S = (1, 10, 60, 600, 3600)
"""Time scales that rate noise may have [s]; each divides the hour."""
_TENANT_SCALE_S = 600


@dataclass(frozen=True, slots=True)
class Tenants:
    """Clients of one workload, of unequal size and each with its own system prompt."""

    count: int = 1
    zipf: float = 0.0
    """Exponent of the power law by which shares fall with the rank."""
    rate_cv: float = 0.0
    """Coefficient of variation of each tenant's rate, in steps of ten minutes."""

    def shares(self) -> NDArray[np.float64]:
        """Return the mean share of the sessions of each tenant. (count,)"""
        weights = np.arange(1, self.count + 1) ** -self.zipf
        return weights / weights.sum()


@dataclass(frozen=True, slots=True)
class Rate:
    """Sessions per second over time."""

    stream: str
    """First part of the names of the workload's random streams. It contains the workload's position
    and not its name, so that a renamed workload draws the same traffic."""
    sessions_per_s: float
    """Mean over the week, before growth."""
    week: NDArray[np.float64]
    """Factors of successive hours from Monday 00:00 UTC with mean 1, repeated: a week, or a longer
    span in which the weeks differ. (n_hours,)"""
    cv: dict[int, float] = field(default_factory=dict)
    """Coefficient of variation of the rate by time scale [s], one of ``NOISE_SCALES_S``."""
    growth_per_month: float = 0.0
    tenants: Tenants = field(default_factory=Tenants)
    dated: NDArray[np.float64] = field(default_factory=lambda: np.ones(1))
    """Factors of successive hours for months and dated events, repeated. (n_hours,)"""

    def trend(self, hours: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the factor of each hour by growth, months and dated events. (n,) -> (n,)"""
        growth = np.power(1.0 + self.growth_per_month, hours * HOUR_S / MONTH_S)
        factors: NDArray[np.float64] = growth * self.dated[hours % len(self.dated)]
        return factors

    def level(self, hours: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the expected rate of each hour over the mean, without noise. (n,) -> (n,)"""
        factors: NDArray[np.float64] = self.week[hours % len(self.week)] * self.trend(hours)
        return factors


@dataclass(frozen=True, slots=True)
class HourOfRate:
    """The rate within one hour, for one unit of volume."""

    hour: int
    step_s: int
    cumulative: NDArray[np.float64]
    """Expected sessions from the beginning of the hour to each step. (n_steps + 1,)"""
    tenant_cumulative: NDArray[np.float64]
    """Cumulative shares of tenants in each ten minutes. (6, n_tenants)"""

    def draw(
        self, rng: np.random.Generator, width: float = 1.0
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Draw the sorted start times [s since time zero] and the tenants of the hour's sessions.

        (n_sessions,), (n_sessions,)

        ``width`` is the volume for which they are drawn.
        """
        steps = np.arange(len(self.cumulative)) * self.step_s
        count = rng.poisson(self.cumulative[-1] * width)
        expected = np.sort(rng.random(count)) * self.cumulative[-1]
        offset_s = np.interp(expected, self.cumulative, steps)
        part = np.minimum(offset_s // _TENANT_SCALE_S, len(self.tenant_cumulative) - 1)
        tenant = _draw_tenants(self.tenant_cumulative, part.astype(np.int64), rng)
        return self.hour * HOUR_S + offset_s, tenant


@dataclass(frozen=True, slots=True)
class RateInSpans:
    """The rate within spans of some hours, for one unit of volume."""

    at_s: NDArray[np.float64]
    """Increasing moments since time zero [s]. No session starts in hours that are left out.
    (n_moments,)"""
    cumulative: NDArray[np.float64]
    """Expected sessions up to each moment. (n_moments,)"""
    upto: NDArray[np.float64]
    """Expected sessions up to the begin and the end of each span. (n_spans, 2)"""
    hours: NDArray[np.int64]
    """Hours since time zero. (n_hours,)"""
    tenant_cumulative: NDArray[np.float64]
    """Cumulative shares of tenants in each ten minutes of the hours. (6 * n_hours, n_tenants)"""

    @staticmethod
    def of(hours: "list[HourOfRate]", spans_s: NDArray[np.float64]) -> "RateInSpans":
        """Return the rate of successive hours, in spans that lie within them. (n_spans, 2)"""
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
        """Draw the sorted start times [s since time zero] and the tenants of sessions in the spans.

        (n_sessions,), (n_sessions,)

        ``width`` is the volume for which they are drawn.
        """
        begin = self.upto[:, 0]
        before = np.append(0.0, np.cumsum(self.upto[:, 1] - begin))
        count = rng.poisson(before[-1] * width)
        # A session's position among those expected in all spans determines its span and its time.
        position = np.sort(rng.random(count)) * before[-1]
        span = np.minimum(np.searchsorted(before, position, side="right") - 1, len(begin) - 1)
        at_s = np.interp(begin[span] + position - before[span], self.cumulative, self.at_s)
        hour = np.searchsorted(self.hours, at_s // HOUR_S)
        parts = len(self.tenant_cumulative) // len(self.hours)
        part = np.minimum(at_s % HOUR_S // _TENANT_SCALE_S, parts - 1).astype(np.int64)
        part += np.minimum(hour, len(self.hours) - 1) * parts
        return at_s, _draw_tenants(self.tenant_cumulative, part, rng)


def _draw_tenants(
    cumulative: NDArray[np.float64], part: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw the tenant of each session by the shares in the ten minutes in which it starts. (n,)"""
    tenants = cumulative.shape[1]
    if tenants == 1:
        return np.zeros(len(part), np.int64)
    # Row ``i`` of cumulative shares is raised by ``i``, so that one search covers all rows.
    flat = (cumulative + np.arange(len(cumulative))[:, None]).ravel()
    index = np.searchsorted(flat, part + rng.random(len(part)), side="right")
    return np.minimum(index - part * tenants, tenants - 1)


def rate_of_hour(rate: Rate, seed: int, hour: int) -> HourOfRate:
    """Return the random rate of one hour since time zero."""
    is_fast = any(scale < 60 for scale, cv in rate.cv.items() if cv > 0)
    step_s = 1 if is_fast else 60
    steps = int(HOUR_S) // step_s
    level = rate.sessions_per_s * float(rate.level(np.array([hour]))[0])
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
    """Return lognormal noise with mean 1 at every step of an hour. (count, n_steps)"""
    knots = int(HOUR_S) // scale_s
    values_here = stream(seed, name, hour).standard_normal((knots, count))
    first_of_next = stream(seed, name, hour + 1).standard_normal((knots, count))[:1]
    values = np.concatenate([values_here, first_of_next]).T
    position = (np.arange(int(HOUR_S) // step_s) + 0.5) * step_s / scale_s
    left = np.minimum(position.astype(np.int64), knots - 1)
    share = position - left
    # Interpolation between independent knots lowers the variance, to one half in the middle.
    # Division by the spread keeps it constant.
    spread = np.sqrt(share**2 + (1 - share) ** 2)
    normal = (values[:, left] * (1 - share) + values[:, left + 1] * share) / spread
    sigma = np.sqrt(np.log1p(cv**2))
    return np.exp(sigma * normal - sigma**2 / 2)
