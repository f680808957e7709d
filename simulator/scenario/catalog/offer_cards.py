"""Conversion between entries of the price overlay, or of imported files, and rate cards."""

from dataclasses import fields, replace
from datetime import date
from typing import Any

from simulator.pricing.billing import MORE
from simulator.pricing.book import SNAPSHOT_DATE
from simulator.pricing.holidays import CALENDARS
from simulator.pricing.lifetimes import Lifetime
from simulator.pricing.rates import RateCard
from simulator.pricing.rows import RateRow
from simulator.scenario.catalog.offer_schema import DAYS, Facts, Offer, Peak, Row, When

_APART = frozenset((*MORE, "per_request"))
"""Buckets whose price does not follow from that of text: calls, tools and other media."""


def own_card(name: str, offer: Offer) -> RateCard:
    """Return the rate card of an entry that contains all of its rates."""
    return RateCard(
        name,
        (RateRow(dict(offer.rates)), *(_rate_row(row) for row in offer.rows)),
        offer.as_of or SNAPSHOT_DATE,
        offer.source,
        offer.context_tok,
        offer.billed_at,
        max_input_tok=offer.max_input_tok,
        calendar=offer.peak.not_on if offer.peak else None,
    )


def _rate_row(row: Row) -> RateRow:
    conditions = row.when.model_dump()
    days, calendar = conditions.pop("utc_days"), conditions.pop("not_on")
    return RateRow(
        **conditions,
        rates=dict(row.rates),
        utc_days=None if days is None else frozenset(DAYS.index(day) for day in days),
        not_on=frozenset() if calendar is None else CALENDARS[calendar],
    )


def with_entry(card: RateCard, offer: Offer) -> RateCard:
    """Return a card of the snapshot with the additions of an entry of the overlay."""
    card = on_peak_days(card, offer.peak)
    rows = [_rate_row(row) for row in offer.rows]
    # A rate of the overlay follows the conditional rows of the snapshot, and so always holds.
    own = [RateRow(dict(offer.rates))] if offer.rates else []
    adds = own or rows or offer.peak or offer.long_write_multiple
    source = f"{card.source}; {offer.source}" if adds else card.source
    card = replace(
        card,
        rows=_without_replaced((*card.rows, *own, *rows)),
        source=source,
        billed_at=offer.billed_at,
        context_tok=card.context_tok or offer.context_tok,
    )
    return _long_writes(card, offer.long_write_multiple)


def complete_from_overlay(card: RateCard, offer: Offer) -> RateCard:
    """Return an imported card with properties of the overlay that no price feed contains.

    These are the days on which its hours hold, the moment that determines the price, rates that the
    feed lacks, such as storage, and further contexts.
    """
    known = {bucket for row in card.rows for bucket in row.rates}
    missing = {bucket: rate for bucket, rate in offer.rates.items() if bucket not in known}
    base = [RateRow(missing)] if missing else []
    served = [_rate_row(row) for row in offer.rows if row.when.context not in (None, "standard")]
    other = [row for row in served if row.context not in card.contexts]
    card = on_peak_days(card, offer.peak)
    card = replace(card, rows=(*card.rows, *base, *other), billed_at=offer.billed_at)
    return card if "cache_write_1h" in known else _long_writes(card, offer.long_write_multiple)


def fill_from_book(card: RateCard, shipped: RateCard) -> RateCard:
    """Return an imported card with the buckets and sizes that its feed cannot express.

    These are the buckets of ``_APART``, long cache writes where it has short ones only, and the
    context window. Other text rates are not filled in: a feed could have contained them.
    """
    known = {bucket for row in card.rows for bucket in row.rates}
    if "cache_write" in known and "cache_write_1h" not in known:
        card = _long_writes(card, _long_write_multiple(shipped))
    rows = [
        replace(row, rates=rates, replaces=False)
        for row in shipped.rows
        if row.context is None
        if (rates := {b: rate for b, rate in row.rates.items() if b in _APART and b not in known})
    ]
    return replace(
        card,
        rows=(*card.rows, *rows),
        context_tok=card.context_tok or shipped.context_tok,
        max_input_tok=card.max_input_tok or shipped.max_input_tok,
    )


def with_facts(card: RateCard, facts: Facts, source: str, checked: date) -> RateCard:
    """Return a card with known dates and sizes, which take precedence over the card's own.

    ``source`` and ``checked`` apply to facts that have none.
    """
    given = facts.model_dump(exclude={"max_input_tok", "source"}, exclude_defaults=True)
    dates = {name: value for name, value in given.items() if value is not None}
    lifetime = card.lifetime
    if dates:
        dates = {"checked": checked, **dates, "source": facts.source or source}
        lifetime = replace(lifetime, **dates)
    return replace(card, lifetime=lifetime, max_input_tok=facts.max_input_tok or card.max_input_tok)


def on_peak_days(card: RateCard, peak: Peak | None) -> RateCard:
    """Return a card whose prices by time of day hold only on the provider's peak days.

    Rows with dates come from a feed that knows when they held, and are not changed.
    """
    if peak is None:
        return card
    days = frozenset(DAYS.index(day) for day in peak.utc_days)
    holidays = CALENDARS[peak.not_on]
    rows = tuple(
        replace(row, utc_days=days, not_on=holidays).between(peak.from_time, None)
        if row.utc_window_s is not None and not row.dated
        else row
        for row in card.rows
    )
    return replace(card, rows=rows, calendar=peak.not_on)


def _long_writes(card: RateCard, multiple: float | None) -> RateCard:
    """Price long cache writes at a multiple of input, in every row that has an input price."""
    if multiple is None:
        return card
    rows = tuple(
        replace(row, rates={**row.rates, "cache_write_1h": _product(row.rates["input"], multiple)})
        if "input" in row.rates and "cache_write_1h" not in row.rates
        else row
        for row in card.rows
    )
    return replace(card, rows=rows)


def _long_write_multiple(card: RateCard) -> float | None:
    """Return the price of long cache writes over that of input, if it is the same in all rows."""
    multiples = {
        float(f"{row.rates['cache_write_1h'] / row.rates['input']:.6g}")
        for row in card.rows
        if "cache_write_1h" in row.rates and row.rates.get("input")
    }
    return multiples.pop() if len(multiples) == 1 else None


def _product(rate: float, multiple: float) -> float:
    """Return a product without rounding errors of binary fractions."""
    return float(f"{rate * multiple:.12g}")


def _without_replaced(rows: tuple[RateRow, ...]) -> tuple[RateRow, ...]:
    """Drop the rows before one that always holds and replaces all of them."""
    for index in range(len(rows) - 1, 0, -1):
        if rows[index].replaces and not rows[index].undated.conditions() and not rows[index].dated:
            return (replace(rows[index], replaces=False), *rows[index + 1 :])
    return rows


def imported_entry(card: RateCard) -> dict[str, Any]:
    """Return a card as an entry of a file for ``PriceBook.with_file``."""
    rows = [row_entry(row) for row in card.rows[1:]]
    entry: dict[str, Any] = {
        "as_of": card.as_of.isoformat(),
        "rates": card.rows[0].rates,
        "rows": rows,
        "context_tok": card.context_tok,
        "source": card.source,
    }
    if card.max_input_tok is not None:
        entry["max_input_tok"] = card.max_input_tok
    lifetime = _imported_lifetime(card.lifetime)
    return {**entry, "facts": lifetime} if lifetime else entry


def row_entry(row: RateRow) -> dict[str, Any]:
    """Return a row as it is written in the overlay."""
    conditions = {
        field.name: getattr(row, field.name)
        for field in fields(row)
        if field.name not in ("rates", "utc_days", "not_on")
        and getattr(row, field.name) != field.default
    }
    if row.utc_days is not None:
        conditions["utc_days"] = [DAYS[day] for day in sorted(row.utc_days)]
    if row.not_on:
        conditions["not_on"] = next(name for name, days in CALENDARS.items() if days == row.not_on)
    when = When(**conditions).model_dump(mode="json", exclude_defaults=True)
    return {"when": when, "rates": row.rates}


def _imported_lifetime(lifetime: Lifetime) -> dict[str, Any]:
    values = {field.name: getattr(lifetime, field.name) for field in fields(lifetime)}
    known = {name: value for name, value in values.items() if value not in (None, "", False)}
    return Facts(**known).model_dump(mode="json", exclude_defaults=True) if known else {}
