"""The price book: the genai-prices snapshot with our overlay of endpoint behaviour and caches."""

import json
from dataclasses import dataclass, fields, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from simulator.engine.plan import Endpoint
from simulator.errors import InputError, nearest
from simulator.pricing.book import SNAPSHOT_DATE, snapshot_card, snapshot_offers
from simulator.pricing.caching import NO_CACHE, PromptCache
from simulator.pricing.holidays import CALENDARS
from simulator.pricing.rates import RateCard, RateRow
from simulator.scenario.sections import Count, NonNegative, Positive, Section
from simulator.scenario.yamlfile import Document, read_yaml, validate

OVERLAY = Path(__file__).parent.parent / "pricing" / "offers.yaml"


class CacheRule(Section):
    """A provider's prompt cache."""

    rule: Literal["none", "prefix", "breakpoint"]
    min_tok: Annotated[int, Field(ge=0)] = 0
    step_tok: Count = 1
    ttl_s: NonNegative = 0


class Behaviour(Section):
    """Latency and speed of an endpoint as its client sees them."""

    ttft_median_s: Positive
    ttft_sigma: NonNegative
    prefill_token_s: NonNegative
    output_tok_s: Positive
    speed_sigma: NonNegative


Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class When(Section):
    """Conditions of a rate row, all of which must be true."""

    prompt_tokens_above: Count | None = None
    prompt_tokens_from: Count | None = None
    from_time: date | None = None
    until_time: date | None = None
    context: Literal["batch", "flex", "priority"] | None = None
    thinking: bool | None = None
    utc_window_s: tuple[NonNegative, NonNegative] | None = None
    replaces: bool = False
    """Stands in the place of all rows before it."""


class Row(Section):
    """Rates that hold under conditions; later rows win for the buckets that they name."""

    when: When
    rates: dict[str, NonNegative]


class Peak(Section):
    """When the snapshot's windows by the time of day hold."""

    utc_days: list[Day]
    not_on: Literal["china"]
    """Calendar of the holidays on which they do not."""


class Offer(Section):
    """One entry of the overlay."""

    as_of: date | None = None
    rates: dict[str, NonNegative] = Field(default_factory=dict)
    """USD per Mtok by bucket, behind the snapshot's rows where it has some."""
    rows: list[Row] = Field(default_factory=list)
    peak: Peak | None = None
    billed_at: Literal["start", "completion"] = "start"
    context_tok: Count | None = None
    max_output_tok: Count | None = None
    cache: CacheRule | None = None
    endpoint: Behaviour | None = None
    """Absent: the offer has prices, but cannot be simulated."""
    source: str


@cache
def _overlay() -> Document:
    return read_yaml(OVERLAY)


def known_offers() -> list[str]:
    """Return every offer whose endpoint behaviour is known, so that it can be simulated."""
    return sorted(name for name, entry in _overlay().data.items() if "endpoint" in entry)


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
        if not path.is_file():
            raise InputError(f"{path}: no such file")
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: not valid JSON: {error}") from None
        if not isinstance(data, dict):
            raise InputError(f"{path}: expected a JSON object of offers")
        return PriceBook(Document(path, data))

    def names(self) -> list[str]:
        """Return every offer that has prices."""
        imported = self.imported.data if self.imported else {}
        return sorted({*snapshot_offers(), *_overlay().data, *imported})

    def card(self, name: str) -> RateCard:
        """Return an offer's rate card.

        Raises
        ------
        InputError
            When the book does not know the offer, or knows no price for it.
        """
        overlay = _overlay()
        if self.imported is not None and name in self.imported.data:
            offer = validate(Offer, self.imported, (name,))
            return _own_card(name, offer)
        if name in overlay.data:
            return _card(name, validate(Offer, overlay, (name,)))
        if name not in snapshot_offers():
            raise InputError(f"unknown offer {name!r}{nearest(name, self.names())}")
        return snapshot_card(name)

    def offer(self, name: str) -> tuple[RateCard, Endpoint, str]:
        """Return an offer's rate card, its endpoint and the source of the endpoint's figures.

        Raises
        ------
        InputError
            When the book does not know the offer, or knows its prices but not how it behaves.
        """
        overlay = _overlay()
        offer = validate(Offer, overlay, (name,)) if name in overlay.data else None
        if offer is None or offer.endpoint is None:
            if name in self.names():
                raise InputError(
                    f"offer {name!r} has prices but no known endpoint behaviour; "
                    f"offers that can be simulated: {', '.join(known_offers())}"
                )
            raise InputError(f"unknown offer {name!r}{nearest(name, known_offers())}")
        if offer.cache is None or offer.context_tok is None or offer.max_output_tok is None:
            raise overlay.fail((name,), "an endpoint needs cache, context_tok and max_output_tok")
        rule = offer.cache
        cache = PromptCache(**rule.model_dump()) if rule.rule != "none" else NO_CACHE
        endpoint = Endpoint(
            name=name,
            context_tok=offer.context_tok,
            max_output_tok=offer.max_output_tok,
            cache=cache,
            **offer.endpoint.model_dump(),
        )
        return self.card(name), endpoint, offer.source


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
    card = snapshot_card(name)
    rows = _own_card(name, offer).rows[1:]
    theirs = list(card.rows)
    if offer.peak is not None:
        days = frozenset(_DAYS.index(day) for day in offer.peak.utc_days)
        holidays = CALENDARS[offer.peak.not_on]
        theirs = [
            row if row.utc_window_s is None else replace(row, utc_days=days, not_on=holidays)
            for row in theirs
        ]
    # Behind the conditional rows of the snapshot, an overlay rate holds always.
    own = [RateRow(dict(offer.rates))] if offer.rates else []
    source = f"{card.source}; {offer.source}" if own or rows or offer.peak else card.source
    return replace(card, rows=(*theirs, *own, *rows), source=source, billed_at=offer.billed_at)
