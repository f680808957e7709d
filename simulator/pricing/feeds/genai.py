"""Reader of genai-prices' data file."""

from collections import Counter
from datetime import date
from typing import Any

from simulator.errors import InputError
from simulator.pricing.book import model_card
from simulator.pricing.feeds.feed import Facts, Feed


def genai_feed(raw: list[Any], name: str, as_of: date) -> Feed:
    """Read a parsed data file, which is a list of providers.

    Raises
    ------
    InputError
        If the package genai-prices cannot read it.
    """
    # The package reads its own newer files, but by a private function only.
    from genai_prices.types import _providers_from_raw

    try:
        providers = _providers_from_raw(raw)
    except (
        ArithmeticError, AssertionError, AttributeError, LookupError, StopIteration, TypeError,
        ValueError,
    ) as error:  # fmt: skip
        first = (str(error) or type(error).__name__).splitlines()[0][:100]
        raise InputError(f"{name}: not a price file of genai-prices: {first}") from None
    return providers_feed(providers, name, as_of, f"genai-prices file {name}")


def providers_feed(providers: Any, name: str, as_of: date, source: str) -> Feed:
    """Return the offers of providers of genai-prices as a feed."""
    cards, facts = {}, {}
    left_out: Counter[str] = Counter()
    for provider in providers:
        for model in provider.models:
            offer = f"{provider.id}/{model.id}"
            card = model_card(offer, model, as_of, source)
            if card is None:
                left_out["offers without a token price"] += 1
                continue
            cards[offer] = card
            left_out.update(card.left_out)
            if model.deprecated:
                facts[offer] = Facts(deprecated=True)
    return Feed(name, "genai-prices", cards, facts, left_out)
