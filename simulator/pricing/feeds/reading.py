"""Which kind of price file parsed JSON is, and its cards."""

from datetime import date
from typing import Any

from simulator.errors import InputError
from simulator.pricing.feeds.feed import Feed
from simulator.pricing.feeds.genai import genai_feed
from simulator.pricing.feeds.litellm import is_litellm, litellm_feed
from simulator.pricing.feeds.modelprices import is_model_prices, model_prices_feed


def read_feed(raw: Any, name: str, as_of: date) -> Feed:
    """Return what a price file says.

    Parameters
    ----------
    raw
        Parsed JSON: a list of providers is genai-prices', a mapping of models is LiteLLM's, one
        with ``schema`` and ``prices`` is model-prices'.
    name : str
        What the file is called, for messages and as the source.
    as_of : date
        Day of which its prices are.

    Raises
    ------
    InputError
        When it is none of them, or holds no token price.
    """
    if isinstance(raw, list):
        feed = genai_feed(raw, name, as_of)
    elif is_model_prices(raw):
        feed = model_prices_feed(raw, name, as_of)
    elif is_litellm(raw):
        feed = litellm_feed(raw, name, as_of)
    else:
        raise InputError(
            f"{name}: neither genai-prices' data file, nor LiteLLM's price map, nor model-prices' "
            "snapshot"
        )
    if not feed.cards:
        raise InputError(f"{name}: no token prices in it")
    return feed
