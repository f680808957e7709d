"""The weekly profile, the noise and the growth of counts in buckets.

The counts of a bucket are Poisson around a rate that follows a weekly profile, grows, and has noise
of its own. What the variance of the counts has beyond Poisson is the noise at the scale of the
buckets (Cox process; see ``rate.py``).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.traffic.rate import NOISE_SCALES_S
from simulator.traffic.shapes import HOURS_PER_WEEK, week_shape
from simulator.units import DAY_S, HOUR_S, MONTH_S, WEEK_S

ASSUMED_WEEK = "azure-conversation"
"""Shape of the day for exports whose buckets are longer than an hour."""
FEWEST_WEEKS = 4.0
"""Weeks from which each of the 168 hours has a mean of its own. Before, hours are a product of a
day's level and the shape of a weekday or of a day of the weekend, which has fewer parameters."""
_SMOOTH_PARAMETERS = 7 + 24 + 24
"""Days' levels, and the hours of a weekday and of a day of the weekend."""
FEWEST_GROWTH_WEEKS = 4
"""Whole weeks from which growth is estimated."""
_LEAST_CV = 0.02
"""Smallest coefficient of variation that is kept; less cannot be told from chance."""
_POINTS = 3600
"""Points of an interval between two knots; every quotient of two time scales divides them."""
_HOURS_PER_DAY = 24
MONDAY_S = 4 * DAY_S
"""Monday 1970-01-05 00:00 UTC [s since 1970]."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Weekly shape of a workload, and how its rate varies around it."""

    week: NDArray[np.float64]
    """Hourly factors from Monday 00:00 UTC with mean 1. (168,)"""
    hours_known: bool
    """Whether the hours of the day come from the export; otherwise only the days of the week do."""
    days_known: bool
    """Whether the days of the week come from the export."""
    excess: dict[int, float]
    """Variance of the counts beyond Poisson in windows, by their length [s] at scales that buckets
    can tell, over the square of the mean."""
    growth_per_month: float
    """Growth of the weekly totals per month, compounded, NaN for less than four weeks."""
    growth_error: float
    """Standard error of the growth per month, NaN if unknown."""


def profile_of(
    begin_s: NDArray[np.float64],
    length_s: NDArray[np.float64],
    counts: NDArray[np.float64],
    first_s: float,
    span_s: float,
) -> Profile:
    """Estimate the profile of counts in buckets.

    Buckets in which nothing happened may be missing: the span of the export tells how long
    nothing happened.

    Parameters
    ----------
    begin_s, length_s, counts : ndarray
        Begin [s since 1970], length [s] and number of calls of each bucket. (n_buckets,)
    first_s, span_s : float
        Begin [s since 1970] and length [s] of the whole export.
    """
    bucket_s = float(length_s.max())
    growth, error = _growth(begin_s, counts, first_s, span_s)
    if bucket_s > DAY_S:
        return Profile(week_shape(ASSUMED_WEEK), False, False, {}, growth, error)
    if bucket_s > HOUR_S:
        days, days_known = _days(begin_s, length_s, counts, first_s, span_s)
        hours = week_shape(ASSUMED_WEEK).reshape(7, 24)
        week = (hours / hours.mean(axis=1, keepdims=True) * days[:, None]).ravel()
        return Profile(week / week.mean(), False, days_known, {}, growth, error)
    hourly, first_hour = _in_bins(begin_s, counts, first_s, span_s, HOUR_S)
    trend = _trend(len(hourly), growth)
    week = np.ones(HOURS_PER_WEEK)
    excess: dict[int, float] = {}
    for model, parameters in _models(hourly, first_hour):
        excess = _excess(begin_s, counts, first_s, span_s, bucket_s, model, trend, parameters)
        share = parameters / HOURS_PER_WEEK
        week = _shrunk(model, week, hourly, excess.get(int(HOUR_S), 0.0), share)
    if len(hourly) < _HOURS_PER_DAY:
        week = week_shape(ASSUMED_WEEK)
        excess = _excess(begin_s, counts, first_s, span_s, bucket_s, np.ones(1), trend, 0)
    days_known = span_s >= WEEK_S - HOUR_S
    return Profile(week, span_s >= DAY_S - HOUR_S, days_known, excess, growth, error)


def _in_bins(
    begin_s: NDArray[np.float64],
    counts: NDArray[np.float64],
    first_s: float,
    span_s: float,
    bin_s: float,
) -> tuple[NDArray[np.float64], int]:
    """Return the counts of successive bins, and the number of bins from a Monday to the first.

    A bin of which the export covers only a part is left out at either end. (n_bins,)
    """
    first = int(np.ceil((first_s - MONDAY_S) / bin_s - 1e-9))
    last = int(np.floor((first_s + span_s - MONDAY_S) / bin_s + 1e-9))
    if last <= first:
        first, last = last, last + 1
    index = np.floor((begin_s - MONDAY_S) / bin_s + 1e-9).astype(np.int64) - first
    inside = (index >= 0) & (index < last - first)
    binned = np.bincount(index[inside], counts[inside], last - first)
    return binned.astype(np.float64), first


def _by_hour(hourly: NDArray[np.float64], first_hour: int) -> NDArray[np.float64]:
    """Return the mean of each hour of the week over the mean of all. (168,)"""
    slot = (first_hour + np.arange(len(hourly))) % HOURS_PER_WEEK
    week: NDArray[np.float64] = np.bincount(slot, hourly, HOURS_PER_WEEK) / np.bincount(slot)
    return week / week.mean()


def _models(
    hourly: NDArray[np.float64], first_hour: int
) -> Iterator[tuple[NDArray[np.float64], int]]:
    """Yield weekly shapes, (168,), of ever more parameters, as far as there are hours for them."""
    if len(hourly) >= _HOURS_PER_DAY:
        yield _smooth_week(hourly, first_hour), _SMOOTH_PARAMETERS
    if len(hourly) >= FEWEST_WEEKS * HOURS_PER_WEEK:
        yield _by_hour(hourly, first_hour), HOURS_PER_WEEK


def _shrunk(
    week: NDArray[np.float64],
    simpler: NDArray[np.float64],
    hourly: NDArray[np.float64],
    excess: float,
    share: float,
) -> NDArray[np.float64]:
    """Return a weekly shape drawn towards a simpler one as far as they differ by chance alone.

    The means of few weeks or few calls have noise, so that their largest hour is too large.
    ``share`` is the number of parameters of the shape for each of its 168 factors. (168,)
    """
    weeks = max(1.0, len(hourly) / HOURS_PER_WEEK)
    expected = simpler * hourly.mean()
    chance = share * (float((expected**2).sum()) * excess + float(expected.sum())) / weeks
    seen = float(((week - simpler) ** 2).sum()) * hourly.mean() ** 2
    kept = max(0.0, 1 - chance / seen) if seen > 0 else 0.0
    shape: NDArray[np.float64] = simpler + kept * (week - simpler)
    return shape / shape.mean()


def _smooth_week(hourly: NDArray[np.float64], first_hour: int) -> NDArray[np.float64]:
    """Return a week of days' levels and the shapes of a weekday and of a day of the weekend.

    (168,)
    """
    slot = (first_hour + np.arange(len(hourly))) % HOURS_PER_WEEK
    seen = np.bincount(slot, minlength=HOURS_PER_WEEK)
    sums = np.bincount(slot, hourly, HOURS_PER_WEEK)
    day_sums, day_seen = sums.reshape(7, 24).sum(axis=1), seen.reshape(7, 24).sum(axis=1)
    level = np.divide(day_sums, day_seen, out=np.full(7, np.nan), where=day_seen >= 12)
    shape = np.empty((7, 24))
    for days in (slice(0, 5), slice(5, 7)):
        known = np.nan_to_num(level[days])[:, None] * seen.reshape(7, 24)[days]
        total = known.sum(axis=0)
        if not (total > 0).all():  # no such day, or only a part of one
            known = np.nan_to_num(level)[:, None] * seen.reshape(7, 24)
            shape[days] = _ratio(sums.reshape(7, 24).sum(axis=0), known.sum(axis=0))
        else:
            shape[days] = _ratio(sums.reshape(7, 24)[days].sum(axis=0), total)
    typical = float(np.nanmean(level)) if np.isfinite(level).any() else 1.0
    week = (np.where(np.isfinite(level), level, typical)[:, None] * shape).ravel()
    return week / week.mean() if week.sum() > 0 else np.ones(HOURS_PER_WEEK)


def _ratio(sums: NDArray[np.float64], expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return sums over what their days' levels make one expect, 1 where that is unknown."""
    ratio: NDArray[np.float64] = np.divide(
        sums, expected, out=np.ones_like(sums), where=expected > 0
    )
    return ratio


def _days(
    begin_s: NDArray[np.float64],
    length_s: NDArray[np.float64],
    counts: NDArray[np.float64],
    first_s: float,
    span_s: float,
) -> tuple[NDArray[np.float64], bool]:
    """Return the factor of each day of the week with mean 1, and whether all were seen. (7,)"""
    middle = begin_s + length_s / 2
    sums = np.bincount(_weekday(middle), counts, 7)
    days = np.arange(first_s + DAY_S / 2, first_s + span_s, DAY_S)
    seen = np.bincount(_weekday(days), minlength=7)
    if not (seen > 0).all() or not sums.sum() > 0:
        assumed = week_shape(ASSUMED_WEEK).reshape(7, 24).mean(axis=1)
        return assumed, False
    level = sums / seen
    return level / level.mean(), True


def _weekday(at_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the days of the week, 0 for Monday. (n,) -> (n,)"""
    return (np.floor((at_s - MONDAY_S) / DAY_S) % 7).astype(np.int64)


def _growth(
    begin_s: NDArray[np.float64], counts: NDArray[np.float64], first_s: float, span_s: float
) -> tuple[float, float]:
    """Return the growth of weekly totals per month and its standard error, NaN if unknown."""
    weeks = int((span_s + HOUR_S) // WEEK_S)
    if weeks < FEWEST_GROWTH_WEEKS:
        return float("nan"), float("nan")
    # Whole weeks from the end, since the most recent ones matter most.
    start_s = first_s + span_s - weeks * WEEK_S
    week = np.floor((begin_s - start_s) / WEEK_S + 1e-9).astype(np.int64)
    totals = np.bincount(week[(week >= 0) & (week < weeks)], counts[(week >= 0) & (week < weeks)])
    if len(totals) < weeks or not (totals > 0).all():
        return float("nan"), float("nan")
    from scipy.stats import linregress

    line = linregress(np.arange(weeks) * WEEK_S / MONTH_S, np.log(totals))
    growth = float(np.expm1(line.slope))
    # The error of equal totals is zero, which the regression does not tell.
    return growth, float((1 + growth) * np.nan_to_num(line.stderr))


def _trend(hours: int, growth: float) -> NDArray[np.float64]:
    """Return the factor of each hour by growth, with mean 1. (n_hours,)"""
    months = np.arange(hours) * HOUR_S / MONTH_S
    trend = np.power(1 + (0.0 if np.isnan(growth) else growth), months)
    return trend / trend.mean()


def _excess(
    begin_s: NDArray[np.float64],
    counts: NDArray[np.float64],
    first_s: float,
    span_s: float,
    bucket_s: float,
    week: NDArray[np.float64],
    trend: NDArray[np.float64],
    parameters: int,
) -> dict[int, float]:
    """Return the variance of the rate in windows of each scale that buckets can tell."""
    result: dict[int, float] = {}
    for scale in (s for s in NOISE_SCALES_S if s >= bucket_s):
        binned, first = _in_bins(begin_s, counts, first_s, span_s, float(scale))
        free = len(binned) - parameters
        if free < len(binned) / 3 or len(binned) < 24:
            continue
        per_hour = int(HOUR_S) // scale
        hours = np.arange(len(binned)) // per_hour
        factor = week[(first // per_hour + hours) % len(week)]
        factor = factor * trend[np.minimum(hours, len(trend) - 1)]
        expected = factor * binned.sum() / factor.sum()
        squares = float(((binned - expected) ** 2).sum()) * len(binned) / free
        beyond = (squares - float(expected.sum())) / float((expected**2).sum())
        result[scale] = max(0.0, beyond)
    return result


def rate_noise(excess: dict[int, float], assumed: dict[int, float]) -> dict[int, float]:
    """Return the coefficient of variation of the rate by time scale [s].

    Noise of shorter scales than the buckets cannot be seen, and is as assumed, but no more than
    what the shortest window shows. Every window shows a known part of the noise of each scale, so
    that the scales follow by least squares.

    Parameters
    ----------
    excess : dict
        Variance beyond Poisson by window [s]; see ``Profile.excess``.
    assumed : dict
        Coefficients of variation by time scale [s], for those that cannot be seen.
    """
    if not excess:
        return dict(assumed)
    windows = sorted(excess)
    # Factors of the scales multiply, so the variances of their logarithms add up.
    seen = {window: float(np.log1p(e)) for window, e in excess.items()}
    hidden = {s: float(np.log1p(cv**2)) for s, cv in assumed.items() if s < windows[0] and cv > 0}
    shown = sum(v * _window_share(s, windows[0]) for s, v in hidden.items())
    most = min(1.0, seen[windows[0]] / shown) if shown > 0 else 0.0
    variance = {s: v * most for s, v in hidden.items()}
    shares = np.array([[_window_share(scale, w) for scale in windows] for w in windows])
    left = [
        max(0.0, seen[w] - sum(v * _window_share(s, w) for s, v in variance.items()))
        for w in windows
    ]
    from scipy.optimize import nnls

    variance |= dict(zip(windows, nnls(shares, np.array(left))[0].tolist(), strict=True))
    noise = {scale: float(np.sqrt(np.expm1(v))) for scale, v in sorted(variance.items())}
    return {scale: cv for scale, cv in noise.items() if cv >= _LEAST_CV}


def _window_share(scale: int, window: int) -> float:
    """Return the variance of the mean over a window of the noise of a scale, if its variance is 1.

    The noise interpolates between independent normal values at knots; see ``rate.py``. A window is
    a whole number of knots, or lies between two of them.
    """
    position = (np.arange(_POINTS) + 0.5) / _POINTS
    weight = (1 - position) / np.sqrt(position**2 + (1 - position) ** 2)
    if window < scale:
        part = weight.reshape(-1, max(1, _POINTS * window // scale))
        mirrored = weight[::-1].reshape(part.shape)
        return float((part.mean(axis=1) ** 2 + mirrored.mean(axis=1) ** 2).mean())
    knots, own = window // scale, float(weight.mean())
    return (2 * own**2 + (knots - 1) * (2 * own) ** 2) / knots**2
