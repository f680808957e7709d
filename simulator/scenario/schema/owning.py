"""Sections of own hardware, bought or rented, and of the future of volume, prices and rents."""

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
    MeanReverting,
    PricePath,
    PriceTable,
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
    """Buy the accelerators instead of renting them; every hour is paid for, used or not."""

    gpu_usd: Uncertain | None = None
    """Price of one accelerator. Default: the interval of its profile."""
    node_kw: Uncertain | None = None
    """Power of a node per accelerator, everything included. Default: the figure of its profile."""
    node_share: Uncertain | None = None
    """Cost of server, network and spares, as a share of the accelerator's price. Default: the
    interval in hardware_profiles/owning.yaml."""
    residual_share: Uncertain | None = None
    """Residual value at the end of the life, as a share of the purchase price. Default: the
    interval in hardware_profiles/owning.yaml."""
    life_years: Positive | None = None
    """Years of use, after which the residual value is recovered. Default: the figure in
    hardware_profiles/owning.yaml."""
    discount_rate: NonNegative | None = None
    """Discount rate per year. Default: the figure in hardware_profiles/owning.yaml."""
    pue: Uncertain | None = None
    """Power usage effectiveness: power drawn by the building over power of its machines. Default:
    the interval in hardware_profiles/owning.yaml."""
    electricity_usd_per_kwh: Uncertain | None = None
    """Price of electricity. Default: the interval in hardware_profiles/owning.yaml."""
    colocation_usd_per_kw_month: Uncertain | None = None
    """Price of colocation, by the power of the machines. Default: the interval in
    hardware_profiles/owning.yaml."""
    maintenance_share: Uncertain | None = None
    """Yearly maintenance, as a share of the purchase price. Default: the interval in
    hardware_profiles/owning.yaml."""


class OwningDefaults(Section):
    """The whole file hardware_profiles/owning.yaml."""

    node_share: Interval
    """Cost of server, network and spares, as a share of the accelerator's price."""
    residual_share: Interval
    """Residual value at the end of the life, as a share of the purchase price."""
    life_years: Positive
    """Years of use, after which the residual value is recovered."""
    discount_rate: NonNegative
    """Discount rate per year."""
    pue: Interval
    """Power usage effectiveness: power drawn by the building over power of its machines."""
    electricity_usd_per_kwh: Interval
    """Price of electricity."""
    colocation_usd_per_kw_month: Interval
    """Price of colocation, by the power of the machines."""
    maintenance_share: Interval
    """Yearly maintenance, as a share of the purchase price."""
    monthly_usd: dict[str, Interval]
    """Usual monthly costs of self-hosting by name, such as on_call and upgrades."""


class FlatPath(Section):
    """Today's price forever."""

    kind: Literal["flat"]


class DeclinePath(Section):
    """A steady change by a share per year."""

    kind: Literal["decline"]
    per_year: Annotated[float, Field(gt=-1)]
    """Change per year as a share, below zero for a fall."""


class ValleyPath(Section):
    """A fall to a low, followed by a rise to a final level."""

    kind: Literal["v-shape"]
    low: Positive
    """Lowest point, as a factor on today's price."""
    low_month: Positive
    """Month of the lowest point, from today."""
    end: Positive
    """Final level, as a factor on today's price."""
    end_month: Positive
    """Month from which the price stays at the final level."""


class MeanRevertingPath(Section):
    """A price that returns to a long-run level while random changes push it away."""

    kind: Literal["mean-reverting"]
    level: Positive
    """Long-run level, as a factor on today's price."""
    half_life_months: Positive
    """Months in which the distance to the long-run level halves."""
    volatility: NonNegative = 0.0
    """Standard deviation of the random change of the logarithm within a year."""


class ListedPath(Section):
    """Prices by month from a file."""

    kind: Literal["csv"]
    file: str
    """CSV file with the columns month and usd_per_gpu_hour, relative to the scenario; the first row
    is today."""


RentPath = Annotated[
    FlatPath | DeclinePath | ValleyPath | MeanRevertingPath | ListedPath,
    Field(discriminator="kind"),
]


class Rent(Section):
    """Expected course of the rent; its mean over some months is paid."""

    path: RentPath
    """Path of the rent over the months ahead; of a mean-reverting one, the median path."""
    months: Count = 12
    """Months over which the mean of the path is taken."""


class Future(Section):
    """Expected changes over the months ahead, as factors on today's volume, prices and pay."""

    months: Annotated[int, Field(ge=1, le=240)]
    """Number of months over which costs are compared."""
    discount_rate: NonNegative = 0.08
    """Discount rate per year; the default is assumed, as a usual cost of capital."""
    volume_per_year: Uncertain = 1.0
    """Factor on the volume after one year; 2 doubles it."""
    api_price_per_year: Uncertain = 1.0
    """Factor on API prices after one year. At a fixed quality they fell by factors of 9 to 900 a
    year (Epoch AI, March 2025); a contract may keep them constant."""
    rent_per_year: Uncertain = 1.0
    """Factor on rents after one year."""
    salary_per_year: Uncertain = 1.0
    """Factor on pay after one year."""
    api_price_path: RentPath | None = None
    """Path of API prices, which multiplies the yearly factor. Default: no further change."""
    rent_path: RentPath | None = None
    """Path of rents, which multiplies the yearly factor. Default: no further change."""
    up_front_usd: Uncertain = 0.0
    """One-time cost of the first self-hosted deployment: engineering, migration, tests."""


def future_of(section: Future, find: Callable[[str, str], Path]) -> PlainFuture:
    """Return the expected changes as plain values; ``find`` locates the file of a path.

    Raises
    ------
    InputError
        When a path's file cannot be used.
    """
    return PlainFuture(
        months=section.months,
        discount_rate=section.discount_rate,
        volume_per_year=plain(section.volume_per_year),
        api_price_per_year=plain(section.api_price_per_year),
        rent_per_year=plain(section.rent_per_year),
        salary_per_year=plain(section.salary_per_year),
        api_price_path=_price_path(section.api_price_path, partial(find, "api_price_path")),
        rent_path=_price_path(section.rent_path, partial(find, "rent_path")),
        up_front_usd=plain(section.up_front_usd),
    )


def plain(value: float | Interval) -> PlainInterval:
    """Return an uncertain number as a plain interval."""
    if isinstance(value, Interval):
        return PlainInterval(value.low, value.mid, value.high)
    return PlainInterval.certain(value)


@cache
def owning_defaults() -> OwningDefaults:
    """Return the shipped defaults of the cost of owning hardware."""
    return validate(OwningDefaults, read_yaml(profiles_dir() / "owning.yaml"))


def purchase_of(section: Purchase, accelerator: str, profile: AcceleratorProfile) -> PlainPurchase:
    """Return a purchase as plain values, with shipped defaults for keys that are not given.

    Raises
    ------
    InputError
        When no price or power of the accelerator is known.
    """
    gpu_usd = section.gpu_usd if section.gpu_usd is not None else profile.purchase_usd
    node_kw = section.node_kw if section.node_kw is not None else profile.node_kw
    for name, value in (("gpu_usd", gpu_usd), ("node_kw", node_kw)):
        if value is None:
            raise InputError(f"no {name} of {accelerator} is known: give {name}")
    defaults = owning_defaults()
    given = section.model_dump(exclude={"gpu_usd", "node_kw", "life_years", "discount_rate"})
    intervals = {
        name: plain(getattr(section if value is not None else defaults, name))
        for name, value in given.items()
    }
    assert gpu_usd is not None
    assert node_kw is not None
    rate = defaults.discount_rate if section.discount_rate is None else section.discount_rate
    return PlainPurchase(
        gpu_usd=plain(gpu_usd),
        node_kw=plain(node_kw),
        life_years=section.life_years or defaults.life_years,
        discount_rate=rate,
        **intervals,
    )


def rent_factor(section: Rent, find: Callable[[str], Path]) -> float:
    """Return the mean rent over the section's months, as a factor on today's rent.

    Raises
    ------
    InputError
        When the path's file cannot be used.
    """
    return mean_factor(_price_path(section.path, find), section.months, np.zeros(section.months))


def _price_path(section: RentPath | None, find: Callable[[str], Path]) -> PricePath:
    match section:
        case None:
            return Flat()
        case FlatPath():
            return Flat()
        case DeclinePath():
            return Decline(section.per_year)
        case ValleyPath():
            return Valley(section.low, section.low_month, section.end, section.end_month)
        case MeanRevertingPath():
            return MeanReverting(section.level, section.half_life_months, section.volatility)
        case ListedPath():
            return _read_listed_path(find(section.file))


def _read_listed_path(path: Path) -> PriceTable:
    points = []
    for line, row in read_table(path, ("month", "usd_per_gpu_hour")):
        try:
            month, price = float(row["month"]), float(row["usd_per_gpu_hour"])
        except ValueError:
            month = price = math.nan
        if not (math.isfinite(month) and 0 <= price < math.inf):
            fail(path, line, 1, "month and usd_per_gpu_hour must be numbers of 0 or more")
        points.append((month, price))
    if not points:
        fail(path, 1, 1, "no rows")
    months, prices = zip(*points, strict=True)
    return PriceTable(months, prices)
