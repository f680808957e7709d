"""Costs over the horizon: what each option costs month by month while volume and prices change.

Outcomes are simulated at a few volumes between the smallest and the largest that draws reach;
between these, the cost of calls is interpolated linearly, and replicas are added one by one.
Rented replicas cost the rent of the month. Bought ones are paid for when they are first needed,
then cost power and space, and are sold for their residual value at the end.
"""

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from simulator.analysis.decide.monte_carlo import Worlds, stratified_scores
from simulator.analysis.sampling.sampler import Sampler
from simulator.analysis.simulate.evaluate import Evaluator
from simulator.analysis.size.judging import Sized
from simulator.analysis.size.kinds.contract import KnownSizes
from simulator.analysis.size.options import size_near
from simulator.analysis.study.options import Option, SelfHostOption
from simulator.analysis.study.study import Study
from simulator.callbacks import Mapped
from simulator.economics.cashflow import npv_path, payback_month
from simulator.economics.future import Future, along, yearly
from simulator.engine.spec.plan import Endpoint
from simulator.pricing.outlook import monthly_factors
from simulator.pricing.rows import unix_s
from simulator.rng import stream
from simulator.units import MONTH_HOURS, MONTH_S

Floats = NDArray[np.float64]

VOLUMES = 6
"""Number of volumes at which options are simulated."""
FAN = (5, 25, 50, 75, 95)
"""Percentiles over draws that are reported for every month."""


@dataclass(frozen=True, slots=True)
class OptionHorizon:
    """Costs of an option over the horizon."""

    name: str
    """Name of the option."""
    npv_usd: Floats
    """Present cost of all months, less the proceeds of the sale [USD]. (worlds,)"""
    probability_best: float
    """Share of the draws in which no option costs less."""
    stops_month: int | None = None
    """Month in which an offer that the option calls is discontinued; None: none is."""


@dataclass(frozen=True, slots=True)
class Payback:
    """Saving of owning compared with calling, month by month."""

    option: str
    """Name of the option that owns hardware."""
    against: str
    """Name of the API with which it is compared."""
    months: Floats
    """Month from which the saving stays positive, NaN for never. (worlds,)"""
    fan_usd: Floats
    """Percentiles of ``FAN`` of the saving so far, if hardware is sold in that month. (5, months +
    1)"""


@dataclass(frozen=True, slots=True)
class HorizonResult:
    """Costs of all options over the horizon."""

    future: Future
    """Expected development of volume and prices."""
    options: tuple[OptionHorizon, ...]
    """Options that meet the targets at every volume."""
    missing: tuple[OptionHorizon, ...]
    """Options that miss the targets at some volume, or whose offer is discontinued within the
    horizon, with their cost; none of them counts as best."""
    paybacks: tuple[Payback, ...]
    """Saving of each option that owns hardware, compared with the cheapest API."""
    volume_fan: Floats
    """Percentiles of ``FAN`` of the volume by month, as multiples of today's. (5, months)"""


@dataclass(frozen=True, slots=True)
class OptionAtVolume:
    """Outcome of an option at one volume."""

    calls_usd: dict[str, float]
    """Cost of calls by component [USD/month]."""
    replicas: tuple[float, ...]
    """Replicas by owned deployment, including spares."""
    deployments: tuple[SelfHostOption, ...]
    """Owned deployments."""
    meets: bool
    """Whether the option meets the targets."""


@dataclass(frozen=True, slots=True)
class _Prices:
    """Factors and rates in all draws."""

    volume: Floats
    """Volume as a multiple of today's. (worlds, months)"""
    api: Floats
    """Factor on API prices. (worlds, months)"""
    rent: Floats
    """Factor on rents. (worlds, months)"""
    salary: Floats
    """Factor on salaries. (worlds, months)"""
    worlds: Worlds
    """Scores of today's rates."""
    up_front_usd: Floats
    """Cost before the first month, if anything is owned [USD]. (worlds,)"""


def follow_horizon(
    study: Study, future: Future, sampler: Sampler, known: KnownSizes, mapped: Mapped = map
) -> HorizonResult:
    """Follow every option through the months in all draws.

    Parameters
    ----------
    study : Study
        The question, with its uncertain numbers at their medians.
    future : Future
        Expected development of volume and prices.
    sampler, known : Sampler, KnownSizes
        Sampler of the traffic, and the sizes at today's volume.
    """
    prices = _draw_prices(study, future)
    volumes = _volumes(prices.volume)
    outcomes = list(mapped(partial(simulate_at_volume, study, sampler, known), volumes))
    names = [option.name for option in study.options]
    stops = {option.name: _stops(study, option, future.months) for option in study.options}
    lasting = [
        n for n in names if stops[n] is None and all(outcome[n].meets for outcome in outcomes)
    ]
    paths = {}
    for option in study.options:
        points = [outcome[option.name] for outcome in outcomes]
        flows, residuals = _cash_flows(study, future, option, volumes, points, prices)
        paths[option.name] = npv_path(-flows, future.discount_rate, residuals)
    costs = {n: -paths[n][:, -1] for n in names}
    best = np.min([costs[n] for n in lasting], axis=0) if lasting else np.zeros(0)
    kinds = {option.name: option.kind for option in study.options}
    return HorizonResult(
        future=future,
        options=tuple(
            OptionHorizon(n, costs[n], float(np.mean(costs[n] <= best))) for n in lasting
        ),
        missing=tuple(OptionHorizon(n, costs[n], 0.0, stops[n]) for n in names if n not in lasting),
        paybacks=_find_paybacks({n: paths[n] for n in lasting}, kinds),
        volume_fan=np.percentile(prices.volume, FAN, axis=0),
    )


def simulate_at_volume(
    study: Study, sampler: Sampler, known: KnownSizes, volume: float
) -> dict[str, OptionAtVolume]:
    """Return the outcome of every option at a volume."""
    evaluator = Evaluator(study, volume, sampler)
    return {o.name: _outcome_at_volume(size_near(evaluator, o, known)) for o in study.options}


def _outcome_at_volume(sized: Sized) -> OptionAtVolume:
    """Return the outcome of a sized option."""
    evaluation = sized.evaluation
    owned = evaluation.owned
    return OptionAtVolume(
        evaluation.calls_usd,
        tuple(replicas for _, replicas in owned),
        tuple(deployment for deployment, _ in owned),
        sized.feasible,
    )


def _draw_prices(study: Study, future: Future) -> _Prices:
    """Draw the development of volume and prices in all draws."""
    count, seed, middles = study.effort.worlds, study.seed, future.middles
    z = {
        name: stratified_scores(seed, f"future/{name}", count)
        for name in ("volume", "api", "rent", "salary", "up front")
    }
    pushes = {
        name: stream(seed, f"future/{name} path").standard_normal((count, future.months))
        for name in ("api", "rent")
    }
    return _Prices(
        volume=yearly(future.volume_per_year, z["volume"], middles),
        api=yearly(future.api_price_per_year, z["api"], middles)
        * along(future.api_price_path, pushes["api"], middles),
        rent=yearly(future.rent_per_year, z["rent"], middles)
        * along(future.rent_path, pushes["rent"], middles),
        salary=yearly(future.salary_per_year, z["salary"], middles),
        worlds=Worlds.draw(study),
        up_front_usd=future.up_front_usd.at(z["up front"]),
    )


def _volumes(volume: Floats) -> list[float]:
    """Return the volumes to simulate: today's, and others between the 5 % and 95 % quantiles."""
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
    study: Study,
    option: Option,
    volumes: list[float],
    points: list[OptionAtVolume],
    prices: _Prices,
) -> Floats:
    """Return the cost of calls by draw and month, at expected prices and those of dated rows.

    For an option that calls several endpoints, the mean of their factors is used. (worlds, months)
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
        factors = [
            factors_by_bucket[bucket] for factors_by_bucket in dated if bucket in factors_by_bucket
        ]
        if component == "api_gateway_fee":
            factors = [factors_by_bucket["input"] for factors_by_bucket in dated]
        factor = np.mean(factors, axis=0) if factors else np.ones(months)
        total += np.interp(prices.volume, volumes, usd) * factor
    return total


def _cash_flows(
    study: Study,
    future: Future,
    option: Option,
    volumes: list[float],
    points: list[OptionAtVolume],
    prices: _Prices,
) -> tuple[Floats, Floats]:
    """Return the cost of every month, with the start as month 0, and the resale value.

    (worlds, months + 1) each. Deployments are identified by their names, because a choice may take
    another one as the volume grows.
    """
    worlds = prices.worlds
    shape = (prices.volume.shape[0], future.months + 1)
    flows, residual = np.zeros(shape), np.zeros(shape)
    flows[:, 1:] = _calls_usd(study, option, volumes, points, prices) * prices.api
    deployments = {d.name: d for point in points for d in point.deployments}
    for name, deployment in deployments.items():
        counts = np.array([_count_replicas(point, name) for point in points])
        replicas = np.interp(prices.volume, volumes, counts)
        if (counts == np.round(counts)).all():
            replicas = np.ceil(replicas - 1e-9)
        gpus = replicas * deployment.gpus_per_replica
        if deployment.purchase is None:
            rent = deployment.gpu_usd_per_hour.at(worlds.rent_z)[:, None] * prices.rent
            flows[:, 1:] += gpus * rent * MONTH_HOURS
        else:
            spent, resale_usd = _purchase_flows(deployment, gpus, worlds.rent_z)
            flows += spent
            residual += resale_usd
    if deployments:
        flows[:, 1:] += worlds.engineers_usd(study.people)[:, None] * prices.salary
        flows[:, 1:] += worlds.tooling_usd(study.people)[:, None]
        flows[:, 0] += prices.up_front_usd
    return flows, residual


def _count_replicas(point: OptionAtVolume, name: str) -> float:
    """Return the replicas of a deployment at a volume."""
    pairs = zip(point.deployments, point.replicas, strict=True)
    return sum(replicas for deployment, replicas in pairs if deployment.name == name)


def _purchase_flows(
    deployment: SelfHostOption, gpus: Floats, rent_z: Floats
) -> tuple[Floats, Floats]:
    """Return payments for bought accelerators, and their resale value. (worlds, months + 1) each

    Accelerators are bought at the start of the month that first needs them, and lose the same share
    of their value every month, so that ``residual_share`` is left at the end of their life.
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
    spent_usd = np.zeros((gpus.shape[0], gpus.shape[1] + 1))
    spent_usd[:, :-1] += added * each_usd * scale
    spent_usd[:, 1:] += owned * running * scale
    kept = max(purchase.residual_share.mid, 1e-9) ** (1 / (12 * purchase.life_years))
    resale_usd = np.zeros_like(spent_usd)
    for month in range(gpus.shape[1]):
        resale_usd[:, month + 1] = (
            resale_usd[:, month] + added[:, month] * each_usd * scale[:, 0]
        ) * kept
    return spent_usd, resale_usd


def _find_paybacks(paths: dict[str, Floats], kinds: dict[str, str]) -> tuple[Payback, ...]:
    """Compare every option that owns hardware with the API of the least expected cost."""
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
