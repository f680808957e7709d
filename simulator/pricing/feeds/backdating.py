"""Prices of batch, flex and priority before the day on which a feed first looked them up.

A feed dates such a price by the day of its check, not by the day from which it was sold. The first
price known holds before that day as well, from the true start where one is known. Where the
standard price was another then, so was this one: it is the same share of the standard price, which
is how providers tell these prices (half of it for batch and flex).
"""

from dataclasses import dataclass, replace
from datetime import date

from simulator.pricing.rates import RateCard
from simulator.pricing.rows import RateRow, unix_s


@dataclass(frozen=True, slots=True)
class _Period:
    """Standard rows that hold between two dates."""

    begin: date | None
    end: date | None
    rows: tuple[RateRow, ...]


def backdated(card: RateCard, starts: dict[str, date]) -> RateCard:
    """Return a card whose contexts hold from their true starts on.

    Parameters
    ----------
    card : RateCard
        As a feed tells it.
    starts : dict of str to date
        First day or moment of a context, by context; one that is not named always held.
    """
    standard = [row for row in card.rows if row.context is None]
    periods = _periods(standard)
    rows = list(standard)
    for context in card.contexts[1:]:
        told = [row for row in card.rows if row.context == context]
        rows += _from_start(told, periods, card.begins(context), starts.get(context))
    return replace(card, rows=tuple(rows))


def _periods(rows: list[RateRow]) -> list[_Period]:
    """Split standard rows where a dated set takes the place of the one before."""
    places = [0, *(i for i, row in enumerate(rows) if row.replaces and row.dated and not row.timed)]
    sets = [tuple(rows[i:j]) for i, j in zip(places, [*places[1:], len(rows)], strict=True)]
    begins = [part[0].from_time for part in sets]
    return [
        _Period(begin, end, part)
        for begin, end, part in zip(begins, [*begins[1:], None], sets, strict=True)
    ]


def _from_start(
    told: list[RateRow], periods: list[_Period], first: date | None, start: date | None
) -> list[RateRow]:
    """Return the rows of one context from ``start`` on, where the feed has them from ``first``."""
    if first is None:
        return [row.between(start, None) for row in told]
    then = [p for p in periods if p.begin is None or unix_s(p.begin) <= unix_s(first)]
    begin = then[-1].begin
    known = [
        replace(row, from_time=begin).between(start, None) if row.from_time == first else row
        for row in told
    ]
    base = next(row for row in told if row.from_time == first and not row.tiered)
    shares = {
        bucket: rate / then[-1].rows[0].rates[bucket]
        for bucket, rate in base.rates.items()
        if then[-1].rows[0].rates.get(bucket)
    }
    earlier = [
        _share_of(row, shares, base).between(start, period.end)
        for period in then[:-1]
        for row in period.rows
        if not row.timed
    ]
    return [row for row in earlier if row.rates and row.lasts] + known


def _share_of(row: RateRow, shares: dict[str, float], base: RateRow) -> RateRow:
    """Return a standard row's rates at the shares of a context."""
    rates = {
        # To 12 digits, so that a half is a half.
        bucket: float(f"{rate * shares[bucket]:.12g}")
        for bucket, rate in row.rates.items()
        if bucket in shares
    }
    return replace(row, rates=rates, context=base.context, replaces=False, computed=True)
