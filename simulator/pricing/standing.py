"""Which rows of a card hold at a moment, which did, and which will."""

from typing import Literal

from simulator.pricing.rates import RateCard
from simulator.pricing.rows import RateRow, moment_text, unix_s

Standing = Literal["past", "now", "later"]


def standings(card: RateCard, at_s: float) -> list[Standing]:
    """Return for each row of a card whether it counts at a Unix time, did, or will.

    A row is past also where a later one, in force by then, has taken its place.
    """
    return [_standing(card.rows, place, at_s) for place in range(len(card.rows))]


def _standing(rows: tuple[RateRow, ...], place: int, at_s: float) -> Standing:
    row = rows[place]
    if row.from_time is not None and unix_s(row.from_time) > at_s:
        return "later"
    replaced = any(_takes_over(later, row) for later in rows[place + 1 :] if later.in_force(at_s))
    return "now" if row.in_force(at_s) and not replaced else "past"


def _takes_over(later: RateRow, row: RateRow) -> bool:
    if later.replaces and not later.undated.conditions():
        return True
    return later.undated == row.undated and set(row.rates) <= set(later.rates)


def marks(card: RateCard, at_s: float) -> list[str]:
    """Return in a few words each what a reader of a card's price at a moment should know of it."""
    found = [state] if (state := card.lifetime.state(at_s)) else []
    states = standings(card, at_s)
    changes = [
        moment
        for row, state in zip(card.rows, states, strict=True)
        for moment in (row.from_time if state == "later" else None, row.until_time)
        if moment is not None and unix_s(moment) > at_s
    ]
    if changes:
        found.append(f"changes {moment_text(min(changes, key=unix_s))}")
    if any(s == "now" and row.timed for row, s in zip(card.rows, states, strict=True)):
        found.append("by the hour")
    if any(s == "past" and row.context is None for row, s in zip(card.rows, states, strict=True)):
        found.append("dated")
    return found
