"""Price cards and feeds for tests, and the pricing of usage rows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.errors import InputError
from simulator.pricing.book import snapshot_card, snapshot_offers
from simulator.pricing.rates import RateCard
from simulator.scenario.catalog.price_book import PriceBook
from simulator.scenario.tables.usage import priced_columns

LITELLM: dict[str, Any] = {
    "sample_spec": {"mode": "chat", "litellm_provider": "one of the providers"},
    "gpt-4o": {
        "litellm_provider": "openai", "mode": "chat", "max_input_tokens": 128000,
        "input_cost_per_token": 3e-6, "output_cost_per_token": 1e-5,
        "cache_read_input_token_cost": 1.5e-6, "input_cost_per_token_batches": 1.5e-6,
        "output_cost_per_token_batches": 5e-6, "input_cost_per_token_priority": 6e-6,
        "supports_vision": True,
    },
    "gemini/gemini-9": {
        "litellm_provider": "gemini", "mode": "chat", "input_cost_per_token": 1e-6,
        "input_cost_per_token_above_200k_tokens": 2e-6, "output_cost_per_token": 1e-5,
        "output_cost_per_token_above_200k_tokens": 1.5e-5,
        "output_cost_per_reasoning_token": 2e-5,
        "cache_creation_input_token_cost_above_1hr": 4e-6,
    },
    "painter": {"litellm_provider": "x", "mode": "image_generation", "output_cost_per_image": 1},
}  # fmt: skip


def token_cards() -> dict[str, RateCard]:
    cards = {}
    for name in snapshot_offers():
        try:
            cards[name] = snapshot_card(name)
        except InputError as error:
            assert "no token price" in str(error)  # noqa: PT017
    return cards


def costs_and_errors(
    columns: Mapping[str, Sequence[str]], book: PriceBook | None = None
) -> tuple[NDArray[np.float64], list[str]]:
    """Return the costs of usage rows, NaN where there is none, and the reasons for that."""
    priced = priced_columns(columns, book)
    return priced.costs.cost_usd, priced.errors
