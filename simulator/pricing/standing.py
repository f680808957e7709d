"""Standing of a card's rows at a time: past, in force now, or later."""

from typing import Literal

from simulator.pricing.rates import RateCard
from simulator.pricing.rows import RateRow, moment_text, unix_s

Standing = Literal["past", "now", "later"]


def standings(card: RateCard, at_s: float) -> list[Standing]:
    """Return whether each row of a card is in force at a Unix time, past, or later.

    A row is also past if a row after it that is in force replaces it.
    """
    return [_standing(card.rows, index, at_s) for index in range(len(card.rows))]


def _standing(rows: tuple[RateRow, ...], index: int, at_s: float) -> Standing:
    row = rows[index]
    if row.from_time is not None and unix_s(row.from_time) > at_s:
        return "later"
    replaced = any(_replaces(later, row) for later in rows[index + 1 :] if later.in_force(at_s))
    return "now" if row.in_force(at_s) and not replaced else "past"


def _replaces(later: RateRow, row: RateRow) -> bool:
    if later.replaces and not later.undated.conditions():
        return True
    return later.undated == row.undated and set(row.rates) <= set(later.rates)


def marks(card: RateCard, at_s: float) -> list[str]:
    """Return short remarks on a card's price at a Unix time: its end, changes, hours, history."""
    remarks = [state] if (state := card.lifetime.state(at_s)) else []
    states = standings(card, at_s)
    changes = [
        moment
        for row, state in zip(card.rows, states, strict=True)
        for moment in (row.from_time if state == "later" else None, row.until_time)
        if moment is not None and unix_s(moment) > at_s
    ]
    if changes:
        remarks.append(f"changes {moment_text(min(changes, key=unix_s))}")
    if any(s == "now" and row.timed for row, s in zip(card.rows, states, strict=True)):
        remarks.append("varies by hour")
    if any(s == "past" and row.context is None for row, s in zip(card.rows, states, strict=True)):
        remarks.append("dated")
    return remarks
