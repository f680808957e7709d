"""A sweep on the terminal: a line for each point, with what is the cheapest there."""

from typing import Any

from rich.console import Console

from simulator.report.documents.tidy import cheapest, total_usd
from simulator.report.formatting import quantity, share, usd
from simulator.report.text_tables import plain_table

SHARES = ("slo_attainment", "self_hosted_share")


def print_sweep(document: dict[str, Any], console: Console) -> None:
    """Print the table of a sweep, and what could not be answered."""
    points = document["points"]
    table = plain_table()
    names = dict.fromkeys(name for point in points for name in point["coordinates"])
    for name in names:
        table.add_column(name, overflow="fold", justify="right")
    table.add_column("cheapest", overflow="fold")
    asks_chance = any(option["probability_best"] is not None for option in _options(points))
    asks_break_even = any(point.get("break_even") for point in points)
    chance = ["P(best)"] if asks_chance else []
    crossing = ["own beats API from"] if asks_break_even else []
    for heading in ("$/month", *chance, "SLO", "own", *crossing):
        table.add_column(heading, justify="right", no_wrap=True)
    for point in points:
        best = cheapest(point["options"])
        found = point.get("break_even") or {}
        table.add_row(
            *[_said(point["coordinates"].get(name)) for name in names],
            "-" if best is None else best["name"],
            usd(None if best is None else total_usd(best)),
            *["-" if best is None else f"{best['probability_best']:.2f}" for _ in chance],
            *["-" if best is None else share(best[name]) for name in SHARES],
            *[quantity(found.get("first")) for _ in crossing],
        )
    console.print(table)
    for place, point in enumerate(points):
        if point["error"]:
            console.print(f"point {place}: {point['error']}", markup=False)


def _said(value: str | float | None) -> str:
    """A coordinate; nothing where its point leaves the scenario as it is."""
    if value is None or isinstance(value, str):
        return value or "-"
    whole = float(value).is_integer() or abs(value) >= 1e5
    return f"{value:,.0f}" if whole else f"{value:,.5g}"


def _options(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [option for point in points for option in point["options"]]
