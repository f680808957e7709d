"""Contents of a price file: rate cards, facts, and what the cards leave out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from simulator.pricing.rates import RateCard

# Book's prefix by a feed's prefix of the same provider; the longest match counts.
_BOOK_NAMES = {
    "gemini/": "google/",
    "xai/": "x-ai/",
    "dashscope/": "alibaba/",
    "moonshot/": "moonshotai/",
    "fireworks_ai/accounts/fireworks/models/": "fireworks/",
    "fireworks_ai/": "fireworks/",
    "together_ai/": "together/",
    "voyage/": "voyageai/",
}


def book_name(name: str) -> str:
    """Return the book's name of an offer of a feed."""
    matching = [prefix for prefix in _BOOK_NAMES if name.startswith(prefix)]
    if not matching:
        return name
    prefix = max(matching, key=len)
    return _BOOK_NAMES[prefix] + name.removeprefix(prefix)


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts of a feed about an offer, in addition to prices; None if unknown."""

    ends: date | None = None
    successor: str | None = None
    deprecated: bool = False
    max_input_tok: int | None = None
    max_output_tok: int | None = None
    cache_min_tok: int | None = None
    regions: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What a file contains and the cards do not."""

    offers: dict[str, list[str]] = field(default_factory=dict)
    """Offers without a card, by the reason."""
    prices: dict[str, list[str]] = field(default_factory=dict)
    """Offers with a card that lacks a price of the file, by what the price is of."""

    def offer(self, name: str, why: str) -> None:
        """Note that an offer has no card."""
        self.offers.setdefault(why, []).append(name)

    def price(self, name: str, what: str) -> None:
        """Note that a card lacks a price."""
        names = self.prices.setdefault(what, [])
        if name not in names[-1:]:
            names.append(name)

    def counts(self) -> dict[str, int]:
        """Return the number of offers by what is left out of them."""
        offers = {f"offers: {why}": len(names) for why, names in self.offers.items()}
        return offers | {what: len(names) for what, names in self.prices.items()}


@dataclass(frozen=True, slots=True)
class Feed:
    """Contents of one price file."""

    name: str
    kind: Literal["genai-prices", "litellm", "model-prices", "models.dev"]
    cards: dict[str, RateCard]
    """Rate cards by the book's names of offers."""
    facts: dict[str, Facts] = field(default_factory=dict)
    left_out: LeftOut = field(default_factory=LeftOut)
    whole: bool = True
    """Whether the file lists every offer of its providers, so that missing offers are gone."""
