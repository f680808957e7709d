"""Table of ``sweep``: one row for each point, with its cheapest option."""

from typing import Any, Literal

from rich.console import Console

from simulator.report.documents.tidy import cheapest, total_usd
from simulator.report.formatting import quantity, share, usd
from simulator.report.text_tables import add_figures, plain_table

SHARES: tuple[Literal["slo_attainment", "self_hosted_share"], ...] = (
    "slo_attainment",
    "self_hosted_share",
)


def print_sweep(document: dict[str, Any], console: Console) -> None:
    """Print the table of a sweep, then the errors of points without an answer."""
    points = document["points"]
    table = plain_table()
    names = dict.fromkeys(name for point in points for name in point["coordinates"])
    for name in names:
        table.add_column(name, overflow="fold", justify="right")
    table.add_column("cheapest", overflow="fold")
    has_probability = any(option["probability_best"] is not None for option in _options(points))
    has_break_even = any(point.get("break_even") for point in points)
    probability_column = ["P(best)"] if has_probability else []
    break_even_column = ["break-even"] if has_break_even else []
    add_figures(table, ("$/month", *probability_column, "SLO", "own", *break_even_column))
    for point in points:
        best = cheapest(point["options"])
        break_even = point.get("break_even") or {}
        table.add_row(
            *[_coordinate_text(point["coordinates"].get(name)) for name in names],
            "-" if best is None else best["name"],
            usd(None if best is None else total_usd(best)),
            *[
                "-" if best is None else f"{best['probability_best']:.2f}"
                for _ in probability_column
            ],
            *["-" if best is None else share(best[name]) for name in SHARES],
            *[quantity(break_even.get("first")) for _ in break_even_column],
        )
    console.print(table)
    for index, point in enumerate(points):
        if point["error"]:
            console.print(f"point {index}: {point['error']}", markup=False)


def _coordinate_text(value: str | float | None) -> str:
    """Return a coordinate as text, ``-`` where its point does not change the scenario."""
    if value is None or isinstance(value, str):
        return value or "-"
    whole = float(value).is_integer() or abs(value) >= 1e5
    return f"{value:,.0f}" if whole else f"{value:,.5g}"


def _options(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [option for point in points for option in point["options"]]
