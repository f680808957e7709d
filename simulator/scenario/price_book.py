"""The price book: the genai-prices snapshot with our overlay of endpoint behaviour and caches."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from simulator.engine.plan import Endpoint
from simulator.errors import InputError, nearest
from simulator.pricing.book import SNAPSHOT_DATE, snapshot_card, snapshot_offers
from simulator.pricing.caching import NO_CACHE, PromptCache
from simulator.pricing.rates import RateCard, RateRow
from simulator.scenario.sections import Count, NonNegative, Positive, Section
from simulator.scenario.yamlfile import Document, read_yaml, validate

OVERLAY = Path(__file__).parent.parent / "pricing" / "offers.yaml"


class CacheRule(Section):
    """A provider's prompt cache."""

    rule: Literal["none", "prefix", "breakpoint"]
    min_tok: Annotated[int, Field(ge=0)] = 0
    step_tok: Count = 1
    ttl_s: NonNegative = 0


class Behaviour(Section):
    """Latency and speed of an endpoint as its client sees them."""

    ttft_median_s: Positive
    ttft_sigma: NonNegative
    prefill_token_s: NonNegative
    output_tok_s: Positive
    speed_sigma: NonNegative


class Offer(Section):
    """One entry of the overlay."""

    rates: dict[str, NonNegative] = Field(default_factory=dict)
    context_tok: Count
    max_output_tok: Count
    cache: CacheRule
    endpoint: Behaviour
    source: str


@cache
def _overlay() -> Document:
    return read_yaml(OVERLAY)


def known_offers() -> list[str]:
    """Return every offer whose endpoint behaviour is known, so that it can be simulated."""
    return sorted(_overlay().data)


def load_offer(name: str) -> tuple[RateCard, Endpoint, str]:
    """Return an offer's rate card, its endpoint and the source of the endpoint's figures.

    Raises
    ------
    InputError
        When the book does not know the offer, or knows its prices but not how it behaves.
    """
    overlay = _overlay()
    priced = set(snapshot_offers())
    if name not in overlay.data:
        if name in priced:
            raise InputError(
                f"offer {name!r} has prices but no known endpoint behaviour; "
                f"offers that can be simulated: {', '.join(known_offers())}"
            )
        raise InputError(f"unknown offer {name!r}{nearest(name, known_offers())}")
    offer = validate(Offer, overlay, (name,))
    card = _card(name, offer, name in priced)
    cache = PromptCache(**offer.cache.model_dump()) if offer.cache.rule != "none" else NO_CACHE
    endpoint = Endpoint(
        name=name,
        context_tok=offer.context_tok,
        max_output_tok=offer.max_output_tok,
        cache=cache,
        **offer.endpoint.model_dump(),
    )
    return card, endpoint, offer.source


def _card(name: str, offer: Offer, in_snapshot: bool) -> RateCard:
    if in_snapshot:
        card = snapshot_card(name)
        if not offer.rates:
            return card
        # Behind the conditional rows of the snapshot, an overlay rate holds always.
        return replace(
            card,
            rows=(*card.rows, RateRow(dict(offer.rates))),
            source=f"{card.source}; {offer.source}",
        )
    return RateCard(name, (RateRow(dict(offer.rates)),), SNAPSHOT_DATE, offer.source)
