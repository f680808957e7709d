"""What a scenario may say of hardware of one's own: bought or rented, and how rents may move."""

import math
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from simulator.economics.future import Future as PlainFuture
from simulator.economics.interval import Interval as PlainInterval
from simulator.economics.paths import (
    Decline,
    Flat,
    Listed,
    MeanReverting,
    PricePath,
    Valley,
    mean_factor,
)
from simulator.economics.purchase import Purchase as PlainPurchase
from simulator.errors import InputError
from simulator.files.tables import read_table
from simulator.files.text import fail
from simulator.scenario.catalog.profiles import AcceleratorProfile
from simulator.scenario.document.base_section import (
    Count,
    Interval,
    NonNegative,
    Positive,
    Section,
    Uncertain,
)
from simulator.scenario.document.document import read_yaml, validate
from simulator.scenario.document.shipped import profiles_dir


class Purchase(Section):
    """Buy the accelerators instead of renting them; every hour is paid, used or not."""

    gpu_usd: Uncertain | None = None
    """Price of one; default: the accelerator's interval."""
    node_kw: Uncertain | None = None
    """All-in power per accelerator; default: the accelerator's."""
    node_share: Uncertain | None = None
    """Server, network and spares over the accelerator's price. Defaults of this and all that
    follows: hardware_profiles/owning.yaml."""
    residual_share: Uncertain | None = None
    """Of the price, got back at the end."""
    life_years: Positive | None = None
    """Until the residual is got back."""
    discount_rate: NonNegative | None = None
    """Per year."""
    pue: Uncertain | None = None
    """Power drawn over power of the machines."""
    electricity_usd_per_kwh: Uncertain | None = None
    """Price of power."""
    colocation_usd_per_kw_month: Uncertain | None = None
    """Price of room, by the machines' power."""
    maintenance_share: Uncertain | None = None
    """Of the price, per year."""


class OwningDefaults(Section):
    """All of owning.yaml."""

    node_share: Interval
    residual_share: Interval
    life_years: Positive
    discount_rate: NonNegative
    pue: Interval
    electricity_usd_per_kwh: Interval
    colocation_usd_per_kw_month: Interval
    maintenance_share: Interval
    monthly_usd: dict[str, Interval]


class FlatPath(Section):
    """Today's rent for ever."""

    kind: Literal["flat"]


class DeclinePath(Section):
    """A steady change."""

    kind: Literal["decline"]
    per_year: Annotated[float, Field(gt=-1)]
    """Share per year, below zero for a fall."""


class ValleyPath(Section):
    """A fall to a low and a rise to where it stays."""

    kind: Literal["v-shape"]
    low: Positive
    """Factor on today's rent."""
    low_month: Positive
    """When it is at its lowest."""
    end: Positive
    """Factor on today's rent."""
    end_month: Positive
    """From when it stays."""


class MeanRevertingPath(Section):
    """A rent that returns to a level; its median path is used."""

    kind: Literal["mean-reverting"]
    level: Positive
    """Factor on today's rent."""
    half_life_months: Positive
    """In which half of the way to the level is gone."""
    volatility: NonNegative = 0.0
    """Standard deviation of the push on the logarithm within a year."""


class ListedPath(Section):
    """Rents by month from a file."""

    kind: Literal["csv"]
    file: str
    """CSV with month and usd_per_gpu_hour, relative to the scenario; the first row is today."""


RentPath = Annotated[
    FlatPath | DeclinePath | ValleyPath | MeanRevertingPath | ListedPath,
    Field(discriminator="kind"),
]


class Rent(Section):
    """How the rent moves over the months that the answer is for."""

    path: RentPath
    months: Count = 12
    """Over which the mean is paid."""


class Future(Section):
    """How things move over the months ahead; factors multiply what is there today."""

    months: Annotated[int, Field(ge=1, le=240)]
    """How far ahead."""
    discount_rate: NonNegative = 0.08
    """Per year; assumed, a usual cost of capital."""
    volume_per_year: Uncertain = 1.0
    """Factor on the volume within a year: 2 doubles it."""
    api_price_per_year: Uncertain = 1.0
    """Factor on API prices within a year. At a fixed quality they fell 9 to 900 times a year (Epoch
    AI, March 2025); a contract may hold them where they are."""
    rent_per_year: Uncertain = 1.0
    """Factor on rents within a year."""
    salary_per_year: Uncertain = 1.0
    """Factor on pay within a year."""
    api_price_path: RentPath | None = None
    """On top of the yearly factor; so is rent_path."""
    rent_path: RentPath | None = None
    """On top of the yearly factor."""
    up_front_usd: Uncertain = 0.0
    """Of the first deployment of one's own: engineering, migration, tests."""


def future_of(said: Future, find: Callable[[str, str], Path]) -> PlainFuture:
    """Return what is expected as plain values.

    Raises
    ------
    InputError
        When a path's file cannot be used.
    """
    return PlainFuture(
        months=said.months,
        discount_rate=said.discount_rate,
        volume_per_year=plain(said.volume_per_year),
        api_price_per_year=plain(said.api_price_per_year),
        rent_per_year=plain(said.rent_per_year),
        salary_per_year=plain(said.salary_per_year),
        api_price_path=_moving(said.api_price_path, partial(find, "api_price_path")),
        rent_path=_moving(said.rent_path, partial(find, "rent_path")),
        up_front_usd=plain(said.up_front_usd),
    )


def plain(value: float | Interval) -> PlainInterval:
    """Return an uncertain number as the plain interval."""
    if isinstance(value, Interval):
        return PlainInterval(value.low, value.mid, value.high)
    return PlainInterval.certain(value)


@cache
def owning_defaults() -> OwningDefaults:
    """Return the shipped intervals of what owning takes."""
    return validate(OwningDefaults, read_yaml(profiles_dir() / "owning.yaml"))


def purchased(said: Purchase, accelerator: str, profile: AcceleratorProfile) -> PlainPurchase:
    """Return a purchase with the shipped intervals where the scenario is silent.

    Raises
    ------
    InputError
        When no price or power of the accelerator is known.
    """
    gpu_usd = said.gpu_usd if said.gpu_usd is not None else profile.purchase_usd
    node_kw = said.node_kw if said.node_kw is not None else profile.node_kw
    for name, value in (("gpu_usd", gpu_usd), ("node_kw", node_kw)):
        if value is None:
            raise InputError(f"no {name} of {accelerator} is known: give {name}")
    usual = owning_defaults()
    given = said.model_dump(exclude={"gpu_usd", "node_kw", "life_years", "discount_rate"})
    intervals = {
        name: plain(getattr(said if value is not None else usual, name))
        for name, value in given.items()
    }
    assert gpu_usd is not None
    assert node_kw is not None
    rate = usual.discount_rate if said.discount_rate is None else said.discount_rate
    return PlainPurchase(
        gpu_usd=plain(gpu_usd),
        node_kw=plain(node_kw),
        life_years=said.life_years or usual.life_years,
        discount_rate=rate,
        **intervals,
    )


def rent_factor(said: Rent, find: Callable[[str], Path]) -> float:
    """Return the mean of a path over its months, as a factor on today's rent.

    Raises
    ------
    InputError
        When the path's file cannot be used.
    """
    return mean_factor(_moving(said.path, find), said.months, np.zeros(said.months))


def _moving(said: RentPath | None, find: Callable[[str], Path]) -> PricePath:
    match said:
        case None:
            return Flat()
        case FlatPath():
            return Flat()
        case DeclinePath():
            return Decline(said.per_year)
        case ValleyPath():
            return Valley(said.low, said.low_month, said.end, said.end_month)
        case MeanRevertingPath():
            return MeanReverting(said.level, said.half_life_months, said.volatility)
        case ListedPath():
            return _listed(find(said.file))


def _listed(path: Path) -> Listed:
    listed = []
    for line, row in read_table(path, ("month", "usd_per_gpu_hour")):
        try:
            month, price = float(row["month"]), float(row["usd_per_gpu_hour"])
        except ValueError:
            month = price = math.nan
        if not (math.isfinite(month) and 0 <= price < math.inf):
            fail(path, line, 1, "month and usd_per_gpu_hour must be numbers of 0 or more")
        listed.append((month, price))
    if not listed:
        fail(path, 1, 1, "no rows")
    months, prices = zip(*listed, strict=True)
    return Listed(months, prices)
