"""A bill for the terminal: by model, provider, team and key, with what explains a difference."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from simulator.errors import listed
from simulator.report.formatting import quantity
from simulator.report.text_tables import add_figures, plain_table

_GROUPS = (
    ("by_model", "model"),
    ("by_provider", "provider"),
    ("by_team", "team"),
    ("by_key", "key"),
    ("by_month", "month"),
)
_MOST_ROWS = 15
"""Rows of a table that are shown; the others are summed up."""
_MOST_NOTES = 12


def print_bill(document: dict[str, Any], console: Console) -> None:
    """Print the sums of a bill, and the notes of its lines."""
    days = [
        datetime.fromtimestamp(document[name], UTC).strftime("%Y-%m-%d")
        for name in ("begin_s", "end_s")
    ]
    _say(console, f"bill        {document['source']} ({document['format']}), {' to '.join(days)}")
    _say(console, f"total       {_total(document['total'])}")
    for key, heading in _GROUPS:
        rows = document[key]
        # A group with a single value, or none, repeats the total.
        if len(rows) > 1 or (key == "by_model" and rows):
            console.print()
            _print_table(console, heading, rows)
    left_out = [row for row in document["left_out"] if row["recorded_usd"]]
    for row in left_out:
        cost = _usd(row["recorded_usd"])
        _say(console, f"left out    {row['left_out']}: recorded cost {cost} $")
    _print_notes(console, document["lines"])


def _total(total: dict[str, Any]) -> str:
    """Return the list price, the recorded cost and their difference in words."""
    without = total["rows_without_price"]
    unpriced = f"{'1 row has' if without == 1 else f'{without:,} rows have'} no list price"
    is_partial = without > 0
    text = f"{_range(total)} $ at list prices"
    if is_partial and not total["list_high_usd"]:
        text = "no list price"
    if total["recorded_usd"] is None:
        shown = f"; {unpriced}" if is_partial and total["list_high_usd"] else ""
        return f"{text}{shown}; the source records no cost"
    text += f", {_usd(total['recorded_usd'])} $ recorded"
    if total["agrees"]:
        return f"{text}: they agree"
    if total["difference_usd"] is None:
        return text
    text += f", a difference of {total['difference_usd']:+,.2f} $"
    if is_partial:
        text += f" in the rows with both; {unpriced}"
    return text


def _print_table(console: Console, heading: str, rows: Sequence[dict[str, Any]]) -> None:
    table = plain_table()
    table.add_column(heading, overflow="fold", max_width=34)
    add_figures(table, ("calls", "input", "output", "list $", "recorded $", "difference"))
    for row in rows[:_MOST_ROWS]:
        difference = row["difference_usd"]
        agrees = "agrees" if row["agrees"] else "-" if difference is None else f"{difference:+,.2f}"
        partly = difference is not None and row["rows_without_price"] > 0
        table.add_row(
            row["name"] or "-",
            quantity(row["calls"]),
            quantity(row["input_tokens"]),
            quantity(row["output_tokens"]),
            _range(row) if row["list_high_usd"] or not row["rows_without_price"] else "-",
            "-" if row["recorded_usd"] is None else _usd(row["recorded_usd"]),
            f"{agrees}*" if partly else agrees,
        )
    console.print(table)
    if any(r["rows_without_price"] and r["difference_usd"] is not None for r in rows[:_MOST_ROWS]):
        _say(console, "* of the rows that have a list price")
    if len(rows) > _MOST_ROWS:
        _say(console, f"and {len(rows) - _MOST_ROWS} more, which --output csv lists")


def _print_notes(console: Console, lines: Sequence[dict[str, Any]]) -> None:
    """Print the notes of lines, those of several lines once."""
    found: dict[str, list[str]] = {}
    for line in lines:
        for note in line["notes"]:
            names = found.setdefault(note, [])
            name = "/".join(part for part in (line["provider"], line["model"]) if part) or "-"
            names += [] if name in names else [name]
    if found:
        console.print()
    for note, names in list(found.items())[:_MOST_NOTES]:
        _say(console, f"{listed(names, 3)}: {note}")
    if len(found) > _MOST_NOTES:
        _say(console, f"and {len(found) - _MOST_NOTES} more notes, which --output json has")


def _range(row: dict[str, Any]) -> str:
    low, high = row["list_low_usd"], row["list_high_usd"]
    return _usd(low) if high - low < 0.005 else f"{_usd(low)} to {_usd(high)}"


def _usd(value: float) -> str:
    return f"{value:,.2f}"


def _say(console: Console, text: str) -> None:
    console.print(text, soft_wrap=True, markup=False)
