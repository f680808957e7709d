"""The price book: the genai-prices snapshot with our overlay of endpoint behaviour and caches."""

import re
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cache
from pathlib import Path

from simulator.errors import InputError, nearest
from simulator.files.jsontext import read_json
from simulator.pricing.book import snapshot_card, snapshot_offers
from simulator.pricing.feeds.backdating import backdated
from simulator.pricing.feeds.comparing import compared
from simulator.pricing.feeds.feed import book_name
from simulator.pricing.rates import RateCard
from simulator.pricing.rows import unix_s
from simulator.scenario.catalog.offer_cards import (
    completed,
    filled,
    own_card,
    with_entry,
    with_facts,
)
from simulator.scenario.catalog.offer_schema import FactsFile, Offer
from simulator.scenario.document.document import Document, read_yaml, validate
from simulator.units import DAY_S

_FOLDER = Path(__file__).parents[2] / "pricing"
OVERLAYS = tuple(_FOLDER / name for name in ("offers.yaml", "article.yaml"))
ADDITIONS = _FOLDER / "additions.yaml"
FACTS = _FOLDER / "facts.yaml"


@cache
def _overlay() -> dict[str, Document]:
    """Offers of the overlay, each with the file that it stands in."""
    documents = [read_yaml(path) for path in OVERLAYS]
    return {name: document for document in documents for name in document.data}


@cache
def _entry(name: str) -> Offer:
    return validate(Offer, _overlay()[name], (name,))


@cache
def _snapshot() -> frozenset[str]:
    return frozenset(snapshot_offers())


@cache
def _additions() -> Document:
    """Rates that other feeds know and the snapshot does not, by offer."""
    return read_yaml(ADDITIONS)


@cache
def _added(name: str) -> Offer:
    return validate(Offer, _additions(), (name,))


@cache
def facts_file() -> FactsFile:
    """Return what the book knows of offers beside their prices."""
    return validate(FactsFile, read_yaml(FACTS), ())


def known_offers() -> list[str]:
    """Return every offer whose endpoint behaviour is known, so that it can be simulated."""
    said = ((name, document.data[name]) for name, document in _overlay().items())
    return sorted(name for name, entry in said if isinstance(entry, dict) and "endpoint" in entry)


@dataclass(frozen=True)
class PriceBook:
    """The snapshot with our overlay; prices of an imported file stand in the place of theirs."""

    imported: Document | None = None

    @staticmethod
    def with_file(path: Path) -> "PriceBook":
        """Return the book with a file that ``prices import`` wrote.

        Raises
        ------
        InputError
            When there is no such file or it holds no JSON object.
        """
        data = read_json(path)
        if not isinstance(data, dict):
            raise InputError(f"{path}: expected a JSON object of offers")
        return PriceBook(Document(path, data))

    def names(self) -> list[str]:
        """Return every offer that has prices."""
        imported = self.imported.data if self.imported else {}
        return sorted({*snapshot_offers(), *_overlay(), *imported})

    def card(self, name: str, region: str | None = None) -> RateCard:
        """Return an offer's rate card, with the uplift of a region where one is asked for.

        Raises
        ------
        InputError
            When the book does not know the offer, or knows no price for it, or none there.
        """
        card = self._card(name)
        name = card.offer
        if region is None:
            return card
        known = self.regions(name)
        if region not in known:
            told = f"; its regions: {', '.join(known)}" if known else ""
            raise InputError(f"{name} has no known price in region {region!r}{told}")
        return card.scaled(known[region])

    def regions(self, name: str) -> dict[str, float]:
        """Return the factor on every rate of an offer by region."""
        return _entry(name).regions if name in _overlay() else {}

    def _resolved(self, name: str) -> str:
        """Return an offer's name in the book, where another feed's name is given."""
        imported = self.imported.data if self.imported else {}
        known = (imported, _overlay(), _snapshot())
        if any(name in names for names in known):
            return name
        for other in (book_name(name), _undated(name), _undated(book_name(name))):
            if any(other in names for names in known):
                return other
        return name

    def _card(self, name: str) -> RateCard:
        name = self._resolved(name)
        if self.imported is not None and name in self.imported.data:
            return _imported_card(name, validate(Offer, self.imported, (name,)))
        if name not in _overlay() and name not in _snapshot():
            raise InputError(f"unknown offer {name!r}{nearest(name, self.names())}")
        return _shipped_card(name)

    def simulated(self, name: str) -> Offer:
        """Return what is known of how an offer behaves.

        Raises
        ------
        InputError
            When the book does not know the offer, or knows its prices but not how it behaves.
        """
        name = self._resolved(name)
        if name in known_offers():
            return _entry(name)
        if name in self.names():
            raise InputError(
                f"offer {name!r} has prices but no known endpoint behaviour; "
                f"offers that can be simulated: {', '.join(known_offers())}"
            )
        raise InputError(f"unknown offer {name!r}{nearest(name, known_offers())}")


def _undated(name: str) -> str:
    """Return a name without the day of its snapshot; the book lists those that cost otherwise."""
    return re.sub(r"-(?:\d{4}-\d{2}-\d{2}|20\d{6})$", "", name)


@cache
def _shipped_card(name: str) -> RateCard:
    if name not in _snapshot():
        card = own_card(name, _entry(name))
    else:
        card = backdated(snapshot_card(name), _starts(name))
        if name in _additions().data:
            card = with_entry(card, _added(name))
        if name in _overlay():
            card = with_entry(card, _entry(name))
    facts = facts_file()
    if name not in facts.offers:
        return card
    return with_facts(card, facts.offers[name], facts.source, facts.checked)


def _starts(name: str) -> dict[str, date | datetime]:
    """Return when the provider of an offer began to serve each context."""
    said = facts_file().starts.get(name.partition("/")[0], {})
    return {str(context): start.from_time for context, start in said.items()}


def _imported_card(name: str, entry: Offer) -> RateCard:
    """Return an imported card, or the book's where it says the same and more.

    A feed without dates and hours tells what holds on its day. Where that is what the book says,
    or what it says of its peak hours, the book's dates, hours and holidays stay.
    """
    told = own_card(name, entry)
    card = backdated(told, _starts(name))
    if entry.facts is not None:
        card = with_facts(card, entry.facts, entry.source, card.as_of)
    if name not in _overlay() and name not in _snapshot():
        return card
    shipped = _shipped_card(name)
    if _says_the_same(shipped, card):
        source = f"{shipped.source}; the same in {card.source}"
        return replace(shipped, as_of=card.as_of, source=source)
    if name in _additions().data:
        card = completed(card, _added(name))
    if name in _overlay():
        card = completed(card, _entry(name))
    card = filled(card, shipped)
    if not any(row.dated for row in told.rows):
        card = replace(card, undated_as_of=card.as_of)
    facts = facts_file()
    if name in facts.offers and entry.facts is None:
        card = with_facts(card, facts.offers[name], facts.source, facts.checked)
    return card


def _says_the_same(shipped: RateCard, imported: RateCard) -> bool:
    """Whether all that an imported card names is what the book charges, from its day on.

    Where the book has peak hours, a flat price is that of some hours of the week.
    """
    day_s = unix_s(imported.as_of) + DAY_S / 2
    later = [moment + DAY_S / 2 for moment in imported.moments_s if moment > day_s]
    flat = not any(row.timed for row in imported.rows)
    by_the_hour = flat and any(row.timed for row in shipped.rows)
    for at_s in (day_s, *later):
        found = compared(shipped, imported, at_s, 0.0)
        agreeing = found.agreeing if by_the_hour else set()
        if found.only_after or any((d.context, d.bucket) not in agreeing for d in found.differing):
            return False
    return True
