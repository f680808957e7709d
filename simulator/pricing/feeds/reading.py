"""Detection of the kind of a price file, and its reading."""

from datetime import date
from typing import Any

from simulator.errors import InputError
from simulator.pricing.feeds.feed import Feed
from simulator.pricing.feeds.genai import genai_feed
from simulator.pricing.feeds.litellm import is_litellm, litellm_feed
from simulator.pricing.feeds.modelprices import is_model_prices, model_prices_feed
from simulator.pricing.feeds.modelsdev import is_models_dev, models_dev_feed

MOST_REASONS = 3
"""Most reasons that are named where no offer of a file can be read."""


def read_feed(raw: Any, name: str, as_of: date) -> Feed:
    """Return the feed of a price file.

    Parameters
    ----------
    raw
        Parsed JSON: a list of providers (genai-prices), a mapping of models (LiteLLM), a mapping
        with ``schema`` and ``prices`` (model-prices), or a mapping of providers (models.dev).
    name : str
        Name of the file, for messages and as the source.
    as_of : date
        Date of its prices.

    Raises
    ------
    InputError
        If it is of another kind, or contains no token price.
    """
    if isinstance(raw, list):
        feed = genai_feed(raw, name, as_of)
    elif is_model_prices(raw):
        feed = model_prices_feed(raw, name, as_of)
    elif is_litellm(raw):
        feed = litellm_feed(raw, name, as_of)
    elif is_models_dev(raw):
        feed = models_dev_feed(raw, name, as_of)
    else:
        raise InputError(
            f"{name}: neither genai-prices' data file, nor LiteLLM's price map, nor model-prices' "
            "snapshot, nor models.dev's api.json"
        )
    if not feed.cards:
        raise InputError(f"{name}: contains no token prices{_reasons(feed)}")
    return feed


def _reasons(feed: Feed) -> str:
    """Return why a file has no cards, with an example of each reason."""
    reasons = [f"{names[0]}: {why}" for why, names in feed.left_out.offers.items()]
    return f" ({'; '.join(reasons[:MOST_REASONS])})" if reasons else ""
