"""Reader of genai-prices' data file."""

from datetime import date
from typing import Any

from simulator.errors import InputError
from simulator.pricing.book import model_card
from simulator.pricing.feeds.feed import Facts, Feed, LeftOut


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
    cards, facts, left_out = {}, {}, LeftOut()
    for provider in providers:
        for model in provider.models:
            offer = f"{provider.id}/{model.id}"
            card = model_card(offer, model, as_of, source)
            if card is None:
                left_out.offer(offer, "no price of tokens")
                continue
            of_text = [key for key in card.left_out if _changes_text(key)]
            if of_text:
                left_out.offer(offer, f"unknown key {of_text[0]}")
                continue
            for key in card.left_out:
                left_out.price(offer, key if "=" in key else f"key {key}")
            cards[offer] = card
            if model.deprecated:
                facts[offer] = Facts(deprecated=True)
    return Feed(name, "genai-prices", cards, facts, left_out)


def _changes_text(key: str) -> bool:
    """Return whether a key that no bucket covers may change the price of a call with text only."""
    return key.endswith("_mtok") and not any(word in key for word in ("audio", "image", "video"))
