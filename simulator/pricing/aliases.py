"""Further names of offers, from the snapshot of genai-prices (MIT licence)."""

from functools import cache
from typing import Any

from simulator.pricing.book import snapshot_models

_TEXTS = ("equals", "starts_with", "contains", "ends_with")


@cache
def snapshot_aliases() -> dict[str, tuple[str, ...]]:
    """Return the names by which the snapshot recognises each offer, without its provider.

    A clause that a name must equal, begin with, end with or contain states one name each. Whether a
    longer name is still the same offer is not decided here: the snapshot also counts faster and
    more expensive variants as names that begin alike.
    """
    aliases = {}
    for offer, model in snapshot_models().items():
        own = offer.partition("/")[2]
        texts = dict.fromkeys(text for text in _texts(model.match) if text != own)
        aliases[offer] = tuple(texts)
    return aliases


def recognises(offer: str, text: str) -> bool:
    """Return whether the snapshot counts a text, without its provider, as a name of an offer."""
    model = snapshot_models().get(offer)
    return model is not None and bool(model.match.is_match(text))


def _texts(clause: Any) -> list[str]:
    """Return the texts of a clause and of its parts; regular expressions have none."""
    parts = (*getattr(clause, "or_", ()), *getattr(clause, "and_", ()))
    own = [getattr(clause, kind) for kind in _TEXTS if hasattr(clause, kind)]
    return [*own, *(text for part in parts for text in _texts(part))]
