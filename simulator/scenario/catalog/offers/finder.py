"""Finding an offer by a name of any provider, gateway or price file: one clear match, or an error.

Names are compared by their parts (``naming.py``, ``matching.py``), never by the likeness
of their texts; that only orders what an error suggests.
"""

import difflib
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache

from simulator.errors import InputError, closest, listed
from simulator.pricing.aliases import snapshot_aliases
from simulator.scenario.catalog.offers.matching import ANY, HOME, Entry, Gap, gap
from simulator.scenario.catalog.offers.naming import (
    OfferName,
    is_maker,
    name_parts,
    provider_names,
    provider_of,
    tables,
)

MOST_CANDIDATES = 5
"""Most candidates in a message."""
MOST_COMPARED_CHARS = 200
"""Longest text that suggestions are sought for."""
_HYPOTHETICAL = "article"
"""Provider whose offers are found by their full names only."""
_SAME_MODEL = frozenset(("chat", "instruct", "it", "turbo", "versatile"))
"""Words that some providers add to the name of a model and others leave out."""
_LEAST_LIKENESS = 0.5
"""Least likeness of a suggested name, of `difflib`."""


@dataclass(frozen=True, slots=True)
class FoundOffer:
    """An offer, and the region that its name states if the region has a price of its own."""

    offer: str
    region: str | None = None


class OfferIndex:
    """All names of a set of offers.

    Parameters
    ----------
    offers : iterable of str
        Names of all offers.
    first : collection of str
        Offers that are preferred to others of the same provider and name.
    """

    def __init__(self, offers: Iterable[str], first: Collection[str]) -> None:
        """Read the names of all offers."""
        self._first = first
        self._lowered: dict[str, list[str]] = defaultdict(list)
        self._entries: dict[tuple[tuple[str, ...], str], list[Entry]] = defaultdict(list)
        self._families: dict[tuple[str, str], list[str]] = defaultdict(list)
        aliases = snapshot_aliases()
        for offer in sorted(offers):
            self._lowered[offer.lower()].append(offer)
            provider, model = _split(offer)
            own = name_parts(model, provider)
            self._families[provider, own.family].append(offer)
            for text in (model, *aliases.get(offer, ())):
                name = name_parts(text, provider)
                entry = Entry(offer, name, text.lower(), own.region, text == model)
                self._entries[name.words, name.variant].append(entry)

    def find(self, text: str) -> FoundOffer:
        """Return the offer of a name.

        Raises
        ------
        InputError
            When no offer has the name, or several have it; with the candidates.
        """
        same = self._lowered.get(text.strip().lower(), [])
        if len(same) == 1:
            return FoundOffer(same[0])
        name = name_parts(text)
        offers = self._meant(name)
        if offers and (why := _contested(text, offers[0])):
            raise InputError(f"offer {text!r}: {why}; name one of {self._alike(name)}")
        if len(offers) > 1:
            raise InputError(self._several(text, name, offers))
        if not offers:
            raise InputError(f"unknown offer {text!r}{self._why_unknown(text, name)}")
        return FoundOffer(offers[0], _region(name, offers[0]))

    def further_names(self, offer: str) -> list[str]:
        """Return the snapshot's further names that lead to an offer, with its provider."""
        prefix, provider = offer.partition("/")[0], _split(offer)[0]
        return [
            f"{prefix}/{alias}"
            for alias in snapshot_aliases().get(offer, ())
            if self._closest(name_parts(alias, provider)) == [offer]
            and not _contested(alias, offer)
        ]

    def _meant(self, name: OfferName) -> list[str]:
        """Return the offers that a name may mean, of its maker if it states no provider."""
        if name.provider is None and name.made_by is not None and not name.left_out:
            own = self._closest(replace(name, provider=name.made_by))
            # If the maker sells this family, an offer of another is not what the name means.
            if own or (name.made_by, name.family) in self._families:
                return own
        found = self._closest(name)
        if name.provider is not None or not found:
            return found
        # Without a provider, one that alone leaves out a word such as instruct is not meant.
        length = len(name.words)
        sold = {
            entry.offer
            for (words, _), entries in self._entries.items()
            if words[:length] == name.words and set(words[length:]) <= _SAME_MODEL
            for entry in entries
            if entry.own and entry.name.provider != _HYPOTHETICAL
        }
        providers = {_split(offer)[0] for offer in sold}
        return found if len(providers) == 1 else sorted(sold | set(found))

    def _closest(self, name: OfferName) -> list[str]:
        """Return the offers with the least gap, of each provider if the name states none."""
        closest_of: dict[str | None, tuple[Gap, set[str]]] = {}
        for entry in self._entries.get((name.words, name.variant), ()):
            provider = entry.name.provider
            differences = gap(name, entry)
            if differences is None or (name.provider is None and provider == _HYPOTHETICAL):
                continue
            differences = (int(entry.offer not in self._first), *differences)
            least, offers = closest_of.get(provider, (differences, set()))
            if differences < least:
                least, offers = differences, set()
            if differences == least:
                offers.add(entry.offer)
            closest_of[provider] = (least, offers)
        found = {offer for _, offers in closest_of.values() for offer in offers}
        if name.latest and len(found) == 1:
            found |= self._dated(name, found)
        return sorted(found)

    def _dated(self, name: OfferName, found: set[str]) -> set[str]:
        """Return the dated offers of a model; the newest snapshot may be one of them."""
        providers = {_split(offer)[0] for offer in found}
        return {
            entry.offer
            for entry in self._entries.get((name.words, name.variant), ())
            if entry.own and entry.name.day and entry.name.provider in providers
        }

    def _several(self, text: str, name: OfferName, offers: list[str]) -> str:
        listed = self._listed(name, offers)
        if len({_split(offer)[0] for offer in offers}) > 1:
            return f"offer {text!r} is sold by several providers; name one of {listed}"
        return f"offer {text!r} may be several offers; name one of {listed}"

    def _why_unknown(self, text: str, name: OfferName) -> str:
        """Return why no offer has a name, with candidates of the same family."""
        model = text.strip().rpartition("/")[2]
        if name.provider is None:
            return self._unknown_provider(text, name, model)
        snapshots = self._closest(replace(name, day=ANY))
        if snapshots:
            return f": the price book has no such snapshot, only {self._listed(name, snapshots)}"
        regions = self._closest(replace(name, region=ANY))
        if regions:
            known = self._listed(name, regions)
            return f": its price in region {name.region!r} is not known, only that of {known}"
        family = self._families.get((name.provider, name.family), [])
        others = self._others(replace(name, region=ANY, version=None))
        near = self._likeliest(name, model, family)
        hint = f" (did you mean {near!r}?)" if near else ""
        if others:
            why = f": {name.provider} has no {model} in the price book"
            return f"{why}{hint}; others have it: {self._listed(name, others)}"
        if family or near:
            return hint or f": {name.provider} has {self._listed(name, family)} of this family"
        return f": {name.provider} has no offer of this family in the price book"

    def _unknown_provider(self, text: str, name: OfferName, model: str) -> str:
        """Return a hint for a name with an unknown provider or none."""
        head, slash, _ = text.strip().lower().partition("/")
        plain = replace(name, maker=None) if slash else name
        typed = provider_of(closest(head, provider_names()) or "") if slash else None
        offers = self._closest(replace(plain, provider=typed)) if typed else []
        if len(offers) == 1 and not is_maker(head):
            return f" (did you mean {offers[0]!r}?)"
        own = self._closest(replace(plain, provider=name.made_by, day=ANY)) if name.made_by else []
        others = self._others(plain)
        if slash and others and not is_maker(head):
            why = f": the price book has no provider {head!r}"
            return f"{why}; others have it: {self._listed(name, others)}"
        if own:
            return f": the price book has no such snapshot, only {self._listed(name, own)}"
        if others:
            why = f": {name.made_by} has no {model} in the price book; others have it"
            return f"{why if name.made_by else ', only'}: {self._listed(name, others)}"
        near = self._likeliest(name, model, self._family(name))
        return f" (did you mean {near!r}?)" if near else ""

    def _others(self, name: OfferName) -> list[str]:
        """Return the offers of any provider by a name, or else those of other snapshots."""
        name = replace(name, provider=None)
        return self._closest(name) or self._closest(replace(name, day=ANY))

    def _family(self, name: OfferName) -> list[str]:
        """Return the offers of a name's family: of its provider or maker, or all if it has none."""
        for provider in (name.provider, name.made_by):
            if provider is not None and (provider, name.family) in self._families:
                return self._families[provider, name.family]
        return [offer for (_, family), offers in self._families.items()
                if family == name.family for offer in offers]  # fmt: skip

    def _alike(self, name: OfferName) -> str:
        """Return the offers of a name's family with the most words in common, as words."""
        family = self._family(name)
        most = max((_common(name, offer) for offer in family), default=0)
        return self._listed(name, [offer for offer in family if _common(name, offer) == most])

    def _likeliest(self, name: OfferName, model: str, offers: Sequence[str]) -> str | None:
        """Return the offer whose words begin most alike, then that whose text is most alike."""

        def likeness(offer: str) -> float:
            other = offer.rpartition("/")[2].lower()
            return difflib.SequenceMatcher(None, model.lower(), other).ratio()

        if len(model) > MOST_COMPARED_CHARS:
            return None
        near = [offer for offer in offers if likeness(offer) >= _LEAST_LIKENESS]
        return max(near, key=lambda o: (_common(name, o), likeness(o)), default=None)

    def _listed(self, name: OfferName, offers: list[str]) -> str:
        """Return the first of some offers as words, those of the maker first."""

        def order(offer: str) -> tuple[bool, bool, int, str]:
            provider = _split(offer)[0]
            partner = provider.startswith(f"{name.provider}_")
            return not partner, provider != name.made_by, -_common(name, offer), offer

        return listed(sorted(offers, key=order), MOST_CANDIDATES)


def _split(offer: str) -> tuple[str, str]:
    """Return the provider and the rest of an offer's own name."""
    prefix, _, model = offer.partition("/")
    return provider_of(prefix) or prefix, model


def _own_name(offer: str) -> OfferName:
    provider, model = _split(offer)
    return name_parts(model, provider)


def _common(name: OfferName, offer: str) -> int:
    """Return how many words a name and an offer have in common at their beginning."""
    words = _own_name(offer).words
    pairs = zip(name.words, words, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(words), len(name.words)))


def _region(name: OfferName, offer: str) -> str | None:
    """Return the region of a name if the price of the found offer is not that of all regions."""
    own = _own_name(offer)
    is_home = own.provider == "aws" and name.region == HOME
    return None if own.region or is_home or name.region == "global" else name.region


def _contested(text: str, offer: str) -> str | None:
    """Return why a name is refused that stands for different offers in different sources."""
    written = text.strip().lower()
    canonical = f"{_split(offer)[0]}/{written.rpartition('/')[2]}"
    return tables().contested.get(written) or tables().contested.get(canonical)


@cache
def _index(offers: frozenset[str], first: frozenset[str]) -> OfferIndex:
    return OfferIndex(offers, first)


def find_offer(
    name: str, offers: Collection[str], first: Collection[str] = frozenset()
) -> FoundOffer:
    """Return the offer of a name, as any provider, gateway or price file writes it.

    Parameters
    ----------
    name : str
        Name to find.
    offers : collection of str
        Names of all offers.
    first : collection of str
        Offers that are preferred to others of the same provider and name.

    Raises
    ------
    InputError
        When no offer has the name, or several have it; with the candidates.
    """
    if name in offers:
        return FoundOffer(name)  # without reading the names of all offers
    return _index(frozenset(offers), frozenset(first)).find(name)


def further_names(offer: str, offers: Collection[str]) -> list[str]:
    """Return further names of an offer that the snapshot states and that lead to it."""
    return _index(frozenset(offers), frozenset()).further_names(offer)


def same_family(offer: str, others: Iterable[str]) -> list[str]:
    """Return the offers of the same family as an offer, whoever sells them."""
    family = _own_name(offer).family
    return [other for other in others if family and _own_name(other).family == family]
