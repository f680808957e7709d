"""What a price file of others says: rate cards, facts, and what of it no card can hold."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from simulator.pricing.rates import RateCard

# How a feed calls a provider that the book calls otherwise; the longest fitting prefix counts.
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
    """Return what the book calls an offer of a feed."""
    fitting = [prefix for prefix in _BOOK_NAMES if name.startswith(prefix)]
    if not fitting:
        return name
    prefix = max(fitting, key=len)
    return _BOOK_NAMES[prefix] + name.removeprefix(prefix)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a feed knows of an offer beside its prices; absent is not known."""

    ends: date | None = None
    successor: str | None = None
    deprecated: bool = False
    max_input_tok: int | None = None
    max_output_tok: int | None = None
    cache_min_tok: int | None = None
    regions: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Feed:
    """One price file."""

    name: str
    kind: Literal["genai-prices", "litellm", "model-prices"]
    cards: dict[str, RateCard]
    """By the book's names of offers."""
    facts: dict[str, Facts] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    """What was not taken, by what it is, with how often it occurs."""
    whole: bool = True
    """It means to list every offer of its providers: what it lacks is gone."""


def told(value: Any) -> str:
    """Return a value for a message: on one line, and no longer than that."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
