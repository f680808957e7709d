"""The price book: the genai-prices snapshot, with an overlay of endpoint behaviour and caches."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cache
from pathlib import Path

from simulator.errors import InputError
from simulator.files.jsontext import read_json
from simulator.pricing.book import snapshot_card, snapshot_offers
from simulator.pricing.feeds.backdating import backdated
from simulator.pricing.feeds.comparing import compared
from simulator.pricing.rates import RateCard
from simulator.pricing.rows import unix_s
from simulator.scenario.catalog.offer_cards import (
    complete_from_overlay,
    fill_from_book,
    own_card,
    with_entry,
    with_facts,
)
from simulator.scenario.catalog.offer_schema import FactsFile, Offer
from simulator.scenario.catalog.offers.finder import (
    FoundOffer,
    find_offer,
    further_names,
    same_family,
)
from simulator.scenario.document.document import Document, read_yaml, validate
from simulator.units import DAY_S

_FOLDER = Path(__file__).parents[2] / "pricing"
OVERLAYS = tuple(_FOLDER / name for name in ("offers.yaml", "article.yaml"))
ADDITIONS = _FOLDER / "additions.yaml"
FACTS = _FOLDER / "facts.yaml"


@cache
def _overlay() -> dict[str, Document]:
    """Return the offers of the overlay, each with its file."""
    documents = [read_yaml(path) for path in OVERLAYS]
    return {name: document for document in documents for name in document.data}


@cache
def _entry(name: str) -> Offer:
    return validate(Offer, _overlay()[name], (name,))


@cache
def _snapshot() -> frozenset[str]:
    return frozenset(snapshot_offers())


@cache
def _shipped_names() -> frozenset[str]:
    return _snapshot() | frozenset(_overlay())


@cache
def _additions() -> Document:
    """Return rates that other feeds have and the snapshot lacks, by offer."""
    return read_yaml(ADDITIONS)


@cache
def _addition(name: str) -> Offer:
    return validate(Offer, _additions(), (name,))


@cache
def facts_file() -> FactsFile:
    """Return the known dates and sizes of offers."""
    return validate(FactsFile, read_yaml(FACTS), ())


def known_offers() -> list[str]:
    """Return the names of all offers that can be simulated: those with known endpoint behaviour."""
    entries = ((name, document.data[name]) for name, document in _overlay().items())
    return sorted(
        name for name, entry in entries if isinstance(entry, dict) and "endpoint" in entry
    )


@dataclass(frozen=True)
class PriceBook:
    """The snapshot with the overlay; the prices of an imported file take precedence."""

    imported: Document | None = None

    @staticmethod
    def with_file(path: Path) -> "PriceBook":
        """Return the book with a file written by ``prices import``.

        Raises
        ------
        InputError
            When there is no such file or it contains no JSON object.
        """
        data = read_json(path)
        if not isinstance(data, dict):
            raise InputError(f"{path}: expected a JSON object of offers")
        return PriceBook(Document(path, data))

    def names(self) -> list[str]:
        """Return the names of all offers that have prices."""
        imported = frozenset(self.imported.data if self.imported else ())
        return sorted(_shipped_names() | imported)

    def card(self, name: str, region: str | None = None) -> RateCard:
        """Return an offer's rate card, with the surcharge of a region if one is given.

        Raises
        ------
        InputError
            When the offer is unknown, or its price, or its price in the region.
        """
        found = self.find(name, region)
        card = self._card(found.offer)
        if found.region is None:
            return card
        known = self.regions(found.offer)
        if found.region not in known:
            regions = f"; its regions: {', '.join(known)}" if known else ""
            raise InputError(
                f"{found.offer} has no known price in region {found.region!r}{regions}"
            )
        return card.scaled(known[found.region])

    def regions(self, name: str) -> dict[str, float]:
        """Return the factor on every rate of an offer, by region."""
        return _entry(name).regions if name in _overlay() else {}

    def find(self, name: str, region: str | None = None) -> FoundOffer:
        """Return the offer of a name, as any provider, gateway or price file writes it.

        Parameters
        ----------
        name : str
            Name to find.
        region : str, optional
            Region that is stated separately from the name.

        Raises
        ------
        InputError
            When no offer has the name, or several have it; with the candidates. When the name
            states another region.
        """
        imported = frozenset(self.imported.data if self.imported else ())
        found = find_offer(name, _shipped_names() | imported, imported)
        if region is None:
            return found
        if found.region not in (None, region):
            raise InputError(f"offer {name!r} is of region {found.region!r}, not {region!r}")
        return replace(found, region=region)

    def further_names(self, offer: str) -> list[str]:
        """Return further names that lead to an offer."""
        return further_names(offer, self.names())

    def _card(self, name: str) -> RateCard:
        if self.imported is not None and name in self.imported.data:
            return _imported_card(name, validate(Offer, self.imported, (name,)))
        return _shipped_card(name)

    def simulated(self, name: str) -> Offer:
        """Return the entry of an offer that can be simulated.

        Raises
        ------
        InputError
            When the offer is unknown, or has prices but no known behaviour.
        """
        offer = self.find(name).offer
        known = known_offers()
        if offer in known:
            return _entry(offer)
        family = same_family(offer, known)
        alike = f"of its family, these can be simulated: {', '.join(family)}; " if family else ""
        raise InputError(
            f"offer {offer!r} has prices but no known endpoint behaviour; {alike}"
            "`breakeven prices list --simulated` lists all that have one"
        )


@cache
def _shipped_card(name: str) -> RateCard:
    if name not in _snapshot():
        card = own_card(name, _entry(name))
    else:
        card = backdated(snapshot_card(name), _starts(name))
        if name in _additions().data:
            card = with_entry(card, _addition(name))
        if name in _overlay():
            card = with_entry(card, _entry(name))
    facts = facts_file()
    if name not in facts.offers:
        return card
    return with_facts(card, facts.offers[name], facts.source, facts.checked)


def _starts(name: str) -> dict[str, date | datetime]:
    """Return when the provider of an offer began to serve each context."""
    starts = facts_file().starts.get(name.partition("/")[0], {})
    return {str(context): start.from_time for context, start in starts.items()}


def _imported_card(name: str, entry: Offer) -> RateCard:
    """Return an imported card, or the book's own if it agrees and contains more.

    A feed without dates and hours has the rates of its day. If these agree with the book's rates on
    that day, or with those of some hours, the book's dates, hours and holidays are kept.
    """
    own = own_card(name, entry)
    card = backdated(own, _starts(name))
    if entry.facts is not None:
        card = with_facts(card, entry.facts, entry.source, card.as_of)
    if name not in _overlay() and name not in _snapshot():
        return card
    shipped = _shipped_card(name)
    if _agree(shipped, card):
        source = f"{shipped.source}; the same in {card.source}"
        return replace(shipped, as_of=card.as_of, source=source)
    if name in _additions().data:
        card = complete_from_overlay(card, _addition(name))
    if name in _overlay():
        card = complete_from_overlay(card, _entry(name))
    card = fill_from_book(card, shipped)
    if not any(row.dated for row in own.rows):
        card = replace(card, undated_as_of=card.as_of)
    facts = facts_file()
    if name in facts.offers and entry.facts is None:
        card = with_facts(card, facts.offers[name], facts.source, facts.checked)
    return card


def _agree(shipped: RateCard, imported: RateCard) -> bool:
    """Return whether an imported card agrees with the book, from the card's day on.

    If the book has peak hours, a flat price only has to agree with that of some hours of the week.
    """
    day_s = unix_s(imported.as_of) + DAY_S / 2
    later = [moment + DAY_S / 2 for moment in imported.moments_s if moment > day_s]
    flat = not any(row.timed for row in imported.rows)
    by_the_hour = flat and any(row.timed for row in shipped.rows)
    for at_s in (day_s, *later):
        comparison = compared(shipped, imported, at_s, 0.0)
        agreeing = comparison.agreeing if by_the_hour else set()
        if comparison.only_after or any(
            (d.context, d.bucket) not in agreeing for d in comparison.differing
        ):
            return False
    return True
