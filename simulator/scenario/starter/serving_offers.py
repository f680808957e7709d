"""Offers that serve the workloads of an export today, found by the names of their models."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulator.errors import InputError
from simulator.pricing.billing import Usage
from simulator.pricing.billing import rates as rates_of
from simulator.scenario.catalog.offers.finder import same_family
from simulator.scenario.catalog.price_book import PriceBook, known_offers
from simulator.scenario.starter.traffic_text import TrafficSection


@dataclass(frozen=True, slots=True)
class ServingOffer:
    """An offer, and the one whose behaviour is assumed for it if its own is not known."""

    offer: str
    behaves_like: str | None = None


def serving_offers(
    workloads: Sequence[TrafficSection], at_s: float
) -> tuple[dict[str, ServingOffer], tuple[str, ...]]:
    """Return the offer of each workload by the workload's name, and why others have none.

    ``at_s`` is the moment at which prices are compared [s since 1970].
    """
    found: dict[str, ServingOffer] = {}
    reasons: list[str] = []
    for workload in workloads:
        try:
            found[workload.name] = _serving_offer(workload, at_s)
        except InputError as error:
            reasons.append(f"{workload.name}: {error}")
    return found, tuple(reasons)


def _serving_offer(workload: TrafficSection, at_s: float) -> ServingOffer:
    book = PriceBook()
    offer = book.find_sold(workload.model, workload.provider)
    book.card(offer)
    if offer in known_offers():
        return ServingOffer(offer)
    return ServingOffer(offer, _alike(book, offer, at_s))


def _alike(book: PriceBook, offer: str, at_s: float) -> str:
    """Return the offer that is most like one without known behaviour.

    It is of the same family if there is one, else of the same provider, and the nearest in price.

    Raises
    ------
    InputError
        If none of the family and none of the provider can be simulated.
    """
    known = [name for name in known_offers() if not name.startswith("article/")]
    provider = offer.partition("/")[0]
    family = same_family(offer, known)
    own = [name for name in known if name.startswith(f"{provider}/")]
    candidates = [name for name in family if name in own] or family or own
    if not candidates:
        raise InputError(
            f"{offer} has prices, but neither its behaviour nor that of a similar offer is known"
        )
    price = _output_price(book, offer, at_s)
    return min(candidates, key=lambda name: abs(math.log(_output_price(book, name, at_s) / price)))


def _output_price(book: PriceBook, offer: str, at_s: float) -> float:
    """Return the price of output, or of input if it has none [USD per million tokens]."""
    usage = Usage.of(np.array([at_s]), uncached_input=np.array([1]), output=np.array([1]))
    rates = rates_of(book.card(offer), usage)
    prices = (float(rates[bucket][0]) for bucket in ("output", "input"))
    return next((price for price in prices if price > 0), 1e-6)
