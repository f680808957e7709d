"""The price book: the genai-prices snapshot with our overlay of endpoint behaviour and caches."""

from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from simulator.errors import InputError, nearest
from simulator.files.jsontext import read_json
from simulator.pricing.book import SNAPSHOT_DATE, snapshot_card, snapshot_offers
from simulator.pricing.holidays import CALENDARS
from simulator.pricing.rates import RateCard, RateRow
from simulator.scenario.offer_schema import DAYS, Offer, When
from simulator.scenario.yamlfile import Document, read_yaml, validate

OVERLAYS = tuple(
    Path(__file__).parent.parent / "pricing" / name for name in ("offers.yaml", "article.yaml")
)


@cache
def _overlay() -> dict[str, Document]:
    """Offers of the overlay, each with the file that it stands in."""
    documents = [read_yaml(path) for path in OVERLAYS]
    return {name: document for document in documents for name in document.data}


@cache
def _entry(name: str) -> Offer:
    return validate(Offer, _overlay()[name], (name,))


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
        if region is None:
            return card
        known = _entry(name).regions if name in _overlay() else {}
        if region not in known:
            told = f"; its regions: {', '.join(known)}" if known else ""
            raise InputError(f"{name} has no known price in region {region!r}{told}")
        return card.scaled(known[region])

    def _card(self, name: str) -> RateCard:
        if self.imported is not None and name in self.imported.data:
            card = _own_card(name, validate(Offer, self.imported, (name,)))
            return _completed(card, _entry(name)) if name in _overlay() else card
        if name in _overlay():
            return _card(name, _entry(name))
        if name not in snapshot_offers():
            raise InputError(f"unknown offer {name!r}{nearest(name, self.names())}")
        return snapshot_card(name)

    def simulated(self, name: str) -> Offer:
        """Return what is known of how an offer behaves.

        Raises
        ------
        InputError
            When the book does not know the offer, or knows its prices but not how it behaves.
        """
        if name in known_offers():
            return _entry(name)
        if name in self.names():
            raise InputError(
                f"offer {name!r} has prices but no known endpoint behaviour; "
                f"offers that can be simulated: {', '.join(known_offers())}"
            )
        raise InputError(f"unknown offer {name!r}{nearest(name, known_offers())}")


def imported_entry(card: RateCard) -> dict[str, Any]:
    """Return a card as an entry of a file that ``PriceBook.with_file`` reads."""
    rows = []
    for row in card.rows[1:]:
        told = {
            field.name: getattr(row, field.name)
            for field in fields(row)
            if field.name != "rates" and getattr(row, field.name) != field.default
        }
        rows.append({"when": When(**told).model_dump(mode="json", exclude_defaults=True),
                     "rates": row.rates})  # fmt: skip
    entry = {"as_of": card.as_of.isoformat(), "rates": card.rows[0].rates, "rows": rows}
    return {**entry, "context_tok": card.context_tok, "source": card.source}


def _own_card(name: str, offer: Offer) -> RateCard:
    rows = [RateRow(**row.when.model_dump(), rates=dict(row.rates)) for row in offer.rows]
    return RateCard(
        name,
        (RateRow(dict(offer.rates)), *rows),
        offer.as_of or SNAPSHOT_DATE,
        offer.source,
        offer.context_tok,
        offer.billed_at,
    )


def _card(name: str, offer: Offer) -> RateCard:
    if name not in snapshot_offers():
        return _own_card(name, offer)
    card = _on_peak_days(snapshot_card(name), offer)
    rows = _own_card(name, offer).rows[1:]
    # Behind the conditional rows of the snapshot, an overlay rate holds always.
    own = [RateRow(dict(offer.rates))] if offer.rates else []
    source = f"{card.source}; {offer.source}" if own or rows or offer.peak else card.source
    return replace(card, rows=(*card.rows, *own, *rows), source=source, billed_at=offer.billed_at)


def _completed(card: RateCard, offer: Offer) -> RateCard:
    """Return an imported card with what no price feed tells.

    That is on which days its hours hold, which moment decides on the price, and rates of what the
    feed has no price of, such as storage.
    """
    known = {bucket for row in card.rows for bucket in row.rates}
    missing = {bucket: rate for bucket, rate in offer.rates.items() if bucket not in known}
    rows = (RateRow(missing),) if missing else ()
    card = _on_peak_days(card, offer)
    return replace(card, rows=(*card.rows, *rows), billed_at=offer.billed_at)


def _on_peak_days(card: RateCard, offer: Offer) -> RateCard:
    """Return a card whose prices by the hour hold on the provider's peak days alone."""
    if offer.peak is None:
        return card
    days = frozenset(DAYS.index(day) for day in offer.peak.utc_days)
    holidays = CALENDARS[offer.peak.not_on]
    rows = tuple(
        row if row.utc_window_s is None else replace(row, utc_days=days, not_on=holidays)
        for row in card.rows
    )
    return replace(card, rows=rows)
