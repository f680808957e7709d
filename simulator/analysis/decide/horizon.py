"""Break-even over time: what each option costs month by month while volume and prices move.

What happens at a volume is simulated at a few volumes between the smallest and the largest that
worlds reach; between them calls are taken to grow evenly, and replicas to be added one by one.
Rented replicas cost the rent of their month. Bought ones are paid when they are first needed, then
for power and room, and are sold in the end for what is left of them.
"""

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from simulator.analysis.decide.monte_carlo import Mapped, Worlds, stratified
from simulator.analysis.sampling.sampler import Sampler
from simulator.analysis.simulate.evaluate import Evaluator
from simulator.analysis.size.judging import Sized
from simulator.analysis.size.kinds.contract import KnownSizes
from simulator.analysis.size.options import size_near
from simulator.analysis.study.options import Option, SelfHostOption
from simulator.analysis.study.study import Study
from simulator.economics.cashflow import npv_path, payback_month
from simulator.economics.future import Future, along, yearly
from simulator.engine.spec.plan import Endpoint
from simulator.pricing.outlook import monthly_factors
from simulator.pricing.rows import unix_s
from simulator.rng import stream
from simulator.units import MONTH_HOURS, MONTH_S

Floats = NDArray[np.float64]

VOLUMES = 6
"""At which options are simulated between the ends."""
FAN = (5, 25, 50, 75, 95)
"""Percentiles over worlds that are reported month by month."""


@dataclass(frozen=True, slots=True)
class OptionOverTime:
    """An option over the months."""

    name: str
    npv_usd: Floats
    """Cost of all months in today's money, less what is sold. (worlds,)"""
    probability_best: float
    stops_month: int | None = None
    """Month within which an offer that it calls is not sold any more."""


@dataclass(frozen=True, slots=True)
class Payback:
    """What owning saves against calling, month by month."""

    option: str
    against: str
    months: Floats
    """Month from which it stays ahead, NaN for never. (worlds,)"""
    fan_usd: Floats
    """Percentiles of ``FAN`` of the saving so far, sold at that month. (5, months + 1)"""


@dataclass(frozen=True, slots=True)
class OverTime:
    """The answer over time."""

    future: Future
    options: tuple[OptionOverTime, ...]
    """Those that meet the SLO at every volume."""
    missing: tuple[OptionOverTime, ...]
    """Those that miss the SLO at some volume, or whose offer ends on the way, with their cost all
    the same; none counts as best."""
    paybacks: tuple[Payback, ...]
    volume_fan: Floats
    """Percentiles of ``FAN`` of the volume by month, as multiples of today's. (5, months)"""


@dataclass(frozen=True, slots=True)
class At:
    """What an option does at one volume."""

    calls_usd: dict[str, float]
    """By component, USD/month."""
    replicas: tuple[float, ...]
    """By deployment that it owns, spares included."""
    deployments: tuple[SelfHostOption, ...]
    meets: bool
    """Whether it meets the SLO."""


@dataclass(frozen=True, slots=True)
class _Prices:
    """Factors and rates of all worlds."""

    volume: Floats
    """(worlds, months), as are the next two."""
    api: Floats
    rent: Floats
    salary: Floats
    worlds: Worlds
    up_front_usd: Floats
    """(worlds,)"""


def over_time(
    study: Study, future: Future, sampler: Sampler, known: KnownSizes, mapped: Mapped = map
) -> OverTime:
    """Follow every option through the months in all worlds.

    Parameters
    ----------
    study : Study
        The question; its uncertain numbers are at their medians here.
    future : Future
        How things move.
    sampler, known : Sampler, Known
        What draws the traffic, and the sizes at today's volume.
    """
    prices = _draw(study, future)
    volumes = _volumes(prices.volume)
    found = list(mapped(partial(simulated_at, study, sampler, known), volumes))
    names = [option.name for option in study.options]
    stops = {option.name: _stops(study, option, future.months) for option in study.options}
    whole = [n for n in names if stops[n] is None and all(at[n].meets for at in found)]
    paths = {}
    for option in study.options:
        points = [at[option.name] for at in found]
        flows, residuals = _flows(study, future, option, volumes, points, prices)
        paths[option.name] = npv_path(-flows, future.discount_rate, residuals)
    costs = {n: -paths[n][:, -1] for n in names}
    best = np.min([costs[n] for n in whole], axis=0) if whole else np.zeros(0)
    kinds = {option.name: option.kind for option in study.options}
    return OverTime(
        future=future,
        options=tuple(OptionOverTime(n, costs[n], float(np.mean(costs[n] <= best))) for n in whole),
        missing=tuple(OptionOverTime(n, costs[n], 0.0, stops[n]) for n in names if n not in whole),
        paybacks=_paybacks({n: paths[n] for n in whole}, kinds),
        volume_fan=np.percentile(prices.volume, FAN, axis=0),
    )


def simulated_at(study: Study, sampler: Sampler, known: KnownSizes, volume: float) -> dict[str, At]:
    """What every option does at a volume."""
    evaluator = Evaluator(study, volume, sampler)
    return {o.name: _at(size_near(evaluator, o, known)) for o in study.options}


def _at(sized: Sized) -> At:
    evaluation = sized.evaluation
    owned = evaluation.owned
    return At(
        evaluation.calls_usd,
        tuple(replicas for _, replicas in owned),
        tuple(deployment for deployment, _ in owned),
        sized.feasible,
    )


def _draw(study: Study, future: Future) -> _Prices:
    count, seed, at = study.effort.worlds, study.seed, future.middles
    z = {
        name: stratified(seed, f"future/{name}", count)
        for name in ("volume", "api", "rent", "salary", "up front")
    }
    pushes = {
        name: stream(seed, f"future/{name} path").standard_normal((count, future.months))
        for name in ("api", "rent")
    }
    return _Prices(
        volume=yearly(future.volume_per_year, z["volume"], at),
        api=yearly(future.api_price_per_year, z["api"], at)
        * along(future.api_price_path, pushes["api"], at),
        rent=yearly(future.rent_per_year, z["rent"], at)
        * along(future.rent_path, pushes["rent"], at),
        salary=yearly(future.salary_per_year, z["salary"], at),
        worlds=Worlds.draw(study),
        up_front_usd=future.up_front_usd.at(z["up front"]),
    )


def _volumes(volume: Floats) -> list[float]:
    """Volumes to simulate: today's, and others up to where nine in ten worlds go."""
    low, high = np.percentile(volume, [5, 95])
    span = np.geomspace(min(low, 1.0), max(high, 1.0), VOLUMES)
    return sorted({1.0, *(float(v) for v in span)}) if low < high else [float(low)]


def _endpoints(option: Option) -> list[Endpoint]:
    """Return the endpoints that an option may call."""
    apis = [part.api for part in option.parts]
    return [endpoint for api in apis if api is not None for endpoint in api.endpoints]


def _stops(study: Study, option: Option, months: int) -> int | None:
    """Return the month, from 1 on, in which the first of an option's offers ends, if any does."""
    ends_s = [
        unix_s(endpoint.card.lifetime.ends)
        for endpoint in _endpoints(option)
        if endpoint.card.lifetime.ends is not None
    ]
    if not ends_s:
        return None
    month = math.floor((min(ends_s) - study.epoch_s) / MONTH_S)
    return max(0, month) + 1 if month < months else None


def _calls_usd(
    study: Study, option: Option, volumes: list[float], points: list[At], prices: _Prices
) -> Floats:
    """Cost of calls by world and month: prices move as expected, and as dated rows say.

    Where an option calls several endpoints, the mean of what their dates say counts.
    """
    months = prices.volume.shape[1]
    end_s = study.epoch_s + study.traffic.horizon_s
    dated = [
        monthly_factors(e.card, e.context, e.content, study.epoch_s, end_s, months)
        for e in _endpoints(option)
    ]
    total = np.zeros(prices.volume.shape)
    for component in sorted({name for point in points for name in point.calls_usd}):
        usd = np.array([point.calls_usd.get(component, 0.0) for point in points])
        bucket = component.removeprefix("api_")
        factors = [found[bucket] for found in dated if bucket in found]
        if component == "api_gateway_fee":
            factors = [found["input"] for found in dated]
        factor = np.mean(factors, axis=0) if factors else np.ones(months)
        total += np.interp(prices.volume, volumes, usd) * factor
    return total


def _flows(
    study: Study,
    future: Future,
    option: Option,
    volumes: list[float],
    points: list[At],
    prices: _Prices,
) -> tuple[Floats, Floats]:
    """Cost of every month, the start before them, and what a sale would bring. (worlds, months+1)

    Deployments are told apart by their names: a choice may take another as volume grows.
    """
    worlds = prices.worlds
    shape = (prices.volume.shape[0], future.months + 1)
    flows, residual = np.zeros(shape), np.zeros(shape)
    flows[:, 1:] = _calls_usd(study, option, volumes, points, prices) * prices.api
    deployments = {d.name: d for point in points for d in point.deployments}
    for name, deployment in deployments.items():
        counts = np.array([_count(point, name) for point in points])
        replicas = np.interp(prices.volume, volumes, counts)
        if (counts == np.round(counts)).all():
            replicas = np.ceil(replicas - 1e-9)
        gpus = replicas * deployment.gpus_per_replica
        if deployment.purchase is None:
            rent = deployment.gpu_usd_per_hour.at(worlds.rent_z)[:, None] * prices.rent
            flows[:, 1:] += gpus * rent * MONTH_HOURS
        else:
            spent, left = _bought(deployment, gpus, worlds.rent_z)
            flows += spent
            residual += left
    if deployments:
        flows[:, 1:] += worlds.engineers_usd(study.people)[:, None] * prices.salary
        flows[:, 1:] += worlds.tooling_usd(study.people)[:, None]
        flows[:, 0] += prices.up_front_usd
    return flows, residual


def _count(point: At, name: str) -> float:
    """Replicas of a deployment at a volume."""
    pairs = zip(point.deployments, point.replicas, strict=True)
    return sum(replicas for deployment, replicas in pairs if deployment.name == name)


def _bought(deployment: SelfHostOption, gpus: Floats, rent_z: Floats) -> tuple[Floats, Floats]:
    """Payments for bought accelerators, and what those so far would sell for.

    They are bought at the beginning of the month that first needs them, and lose value by the same
    share every month, so that ``residual_share`` is left at the end of their life. (worlds, n + 1)
    """
    purchase = deployment.purchase
    assert purchase is not None
    rate = deployment.gpu_usd_per_hour
    scale = (rate.at(rent_z) / rate.mid)[:, None]
    owned = np.maximum.accumulate(gpus, axis=1)
    added = np.diff(owned, axis=1, prepend=0.0)
    each_usd = purchase.gpu_usd.mid * (1 + purchase.node_share.mid)
    hourly = purchase.usd_per_gpu_hour()
    running = sum(usd.mid for name, usd in hourly.items() if name != "capital") * MONTH_HOURS
    spent = np.zeros((gpus.shape[0], gpus.shape[1] + 1))
    spent[:, :-1] += added * each_usd * scale
    spent[:, 1:] += owned * running * scale
    kept = max(purchase.residual_share.mid, 1e-9) ** (1 / (12 * purchase.life_years))
    left = np.zeros_like(spent)
    for month in range(gpus.shape[1]):
        left[:, month + 1] = (left[:, month] + added[:, month] * each_usd * scale[:, 0]) * kept
    return spent, left


def _paybacks(paths: dict[str, Floats], kinds: dict[str, str]) -> tuple[Payback, ...]:
    """Every option that owns something against the API of the least expected cost."""
    calls = [name for name in paths if kinds[name] == "api"]
    if not calls:
        return ()
    against = max(calls, key=lambda name: float(paths[name][:, -1].mean()))
    return tuple(
        Payback(
            name,
            against,
            payback_month(paths[name] - paths[against]),
            np.percentile(paths[name] - paths[against], FAN, axis=0),
        )
        for name in paths
        if kinds[name] != "api"
    )
