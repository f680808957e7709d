"""Prices of batch, flex and priority before the day on which a feed first recorded them.

A feed dates such a price by the day of its check, not by the start of its sale. The first known
price applies before that day as well, back to the true start if it is known. Where the standard
price was different then, the same share of it is assumed, since providers define these prices as
shares of the standard price (half of it for batch and flex).
"""

from dataclasses import dataclass, replace
from datetime import date

from simulator.pricing.rates import RateCard
from simulator.pricing.rows import RateRow, unix_s


@dataclass(frozen=True, slots=True)
class _Period:
    """Standard rows that are in force between two dates."""

    begin: date | None
    end: date | None
    rows: tuple[RateRow, ...]


def backdated(card: RateCard, starts: dict[str, date]) -> RateCard:
    """Return a card whose contexts are in force from their true starts on.

    Parameters
    ----------
    card : RateCard
        Card as given by a feed.
    starts : dict of str to date
        First day or time by context; a context without one has always been sold.
    """
    standard = [row for row in card.rows if row.context is None]
    periods = _periods(standard)
    rows = list(standard)
    for context in card.contexts[1:]:
        context_rows = [row for row in card.rows if row.context == context]
        rows += _from_start(context_rows, periods, card.begins(context), starts.get(context))
    return replace(card, rows=tuple(rows))


def _periods(rows: list[RateRow]) -> list[_Period]:
    """Split standard rows where a dated set replaces the one before."""
    starts = [0, *(i for i, row in enumerate(rows) if row.replaces and row.dated and not row.timed)]
    sets = [tuple(rows[i:j]) for i, j in zip(starts, [*starts[1:], len(rows)], strict=True)]
    begins = [part[0].from_time for part in sets]
    return [
        _Period(begin, end, part)
        for begin, end, part in zip(begins, [*begins[1:], None], sets, strict=True)
    ]


def _from_start(
    rows: list[RateRow], periods: list[_Period], first: date | None, start: date | None
) -> list[RateRow]:
    """Return the rows of one context from ``start`` on, which the feed has from ``first`` on."""
    if first is None:
        return [row.between(start, None) for row in rows]
    until_first = [p for p in periods if p.begin is None or unix_s(p.begin) <= unix_s(first)]
    begin = until_first[-1].begin
    known = [
        replace(row, from_time=begin).between(start, None) if row.from_time == first else row
        for row in rows
    ]
    base = next(row for row in rows if row.from_time == first and not row.tiered)
    shares = {
        bucket: rate / until_first[-1].rows[0].rates[bucket]
        for bucket, rate in base.rates.items()
        if until_first[-1].rows[0].rates.get(bucket)
    }
    earlier = [
        _share_of(row, shares, base).between(start, period.end)
        for period in until_first[:-1]
        for row in period.rows
        if not row.timed
    ]
    return [row for row in earlier if row.rates and row.lasts] + known


def _share_of(row: RateRow, shares: dict[str, float], base: RateRow) -> RateRow:
    """Return a row of a context, with shares of a standard row's rates."""
    rates = {
        # Rounded to 12 digits, so that half a price is exact.
        bucket: float(f"{rate * shares[bucket]:.12g}")
        for bucket, rate in row.rates.items()
        if bucket in shares
    }
    return replace(row, rates=rates, context=base.context, replaces=False, computed=True)
