"""Lists of offers: by a text, by words, by provider, and those that can be simulated."""

from collections.abc import Sequence

from simulator.errors import InputError, nearest
from simulator.scenario.catalog.offers.naming import (
    name_parts,
    names_of_maker,
    names_of_provider,
    provider_of,
)
from simulator.scenario.catalog.price_book import PriceBook, known_offers


def offers_with_text(book: PriceBook, text: str) -> list[str]:
    """Return the offers with a text in their names.

    Raises
    ------
    InputError
        When there is none; with the offer that the text names otherwise, or the nearest one.
    """
    lowered = text.strip().lower()
    found = [name for name in book.names() if lowered in name.lower()]
    if found:
        return found
    try:
        other = book.find(text).offer
    except InputError as error:
        raise InputError(f"no offer has {text!r} in its name; {error}") from None
    raise InputError(f"no offer has {text!r} in its name; it is a name of {other!r}")


def offers_by_words(book: PriceBook, words: Sequence[str]) -> list[str]:
    """Return the offers that all of some words describe, in any order.

    Raises
    ------
    InputError
        When there is none; with the words that describe no offer, and the nearest ones that do.
    """
    wanted = [word for text in words for word in text.lower().split()]
    if not wanted:
        raise InputError("expected at least one word to find offers by")
    described = {name: _Description(name) for name in book.names()}
    found = [name for name, about in described.items() if all(map(about.has, wanted))]
    if found:
        return found
    missing = [word for word in wanted if not any(about.has(word) for about in described.values())]
    if not missing:
        raise InputError(f"no offer has all of the words {', '.join(wanted)}; try fewer")
    known = sorted({term for about in described.values() for term in about.terms})
    parts = ", ".join(f"{word!r}{nearest(word, known)}" for word in missing)
    raise InputError(f"no offer has the word {parts}")


class _Description:
    """What the words of a search may say of an offer."""

    def __init__(self, offer: str) -> None:
        self._name = offer.lower()
        prefix, _, model = offer.partition("/")
        provider = provider_of(prefix) or prefix
        name = name_parts(model, provider)
        self._words = f"-{'-'.join(name.words)}-"
        self._others = {*names_of_provider(provider), *names_of_maker(name.made_by)}
        self.terms = {provider, name.family, *self._others} - {""}

    def has(self, word: str) -> bool:
        """Return whether a word is in the name, or is a name of the provider or the maker."""
        if word in self._name or word in self._others:
            return True
        words = "-".join(name_parts(word).words)
        return bool(words) and f"-{words}-" in self._words


def select(
    book: PriceBook, names: Sequence[str], provider: str | None, simulated: bool
) -> list[str]:
    """Return the offers of a provider, and those that can be simulated, out of some.

    Raises
    ------
    InputError
        When the provider is unknown, or none of the offers is left.
    """
    kept = list(names)
    if provider is not None:
        kept = [name for name in kept if _provider(name) == _known_provider(book, provider)]
        if not kept:
            raise InputError(f"{provider} sells none of the offers found: {_counted(names)}")
    if simulated:
        known = set(known_offers())
        candidates, kept = kept, [name for name in kept if name in known]
        if not kept:
            raise InputError(f"none of the offers found can be simulated: {_counted(candidates)}")
    return kept


def _known_provider(book: PriceBook, provider: str) -> str:
    known = sorted({_provider(name) for name in book.names()})
    wanted = provider_of(provider) or provider.strip().lower()
    if wanted not in known:
        raise InputError(f"the price book has no provider {provider!r}{nearest(wanted, known)}")
    return wanted


def _provider(offer: str) -> str:
    prefix = offer.partition("/")[0]
    return provider_of(prefix) or prefix


def _counted(names: Sequence[str]) -> str:
    """Return some offers as words: the first of them, and how many there are."""
    if len(names) <= 3:
        return ", ".join(names)
    return f"{len(names)} offers ({', '.join(names[:3])}, ...)"
