"""Plots as functions from result documents to Matplotlib axes; units on every axis."""

import io
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito's palette: distinguishable with any colour vision.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")

STYLE: Any = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "font.size": 10,
    "legend.frameon": False,
    "svg.hashsalt": "breakeven",
    "svg.fonttype": "none",
}


def new_axes(width_in: float = 7.0, height_in: float = 4.0, rows: int = 1, columns: int = 1) -> Any:
    """Return the axes, or the array of axes, of a new figure that is attached to no window."""
    with mpl.rc_context(STYLE):
        return Figure(figsize=(width_in, height_in), layout="constrained").subplots(rows, columns)


def svg_text(ax: Axes, transparent: bool) -> str:
    """Return the figure of some axes as SVG, the same bytes for the same figure."""
    text = io.StringIO()
    with mpl.rc_context(STYLE):
        ax.figure.savefig(text, format="svg", transparent=transparent, metadata={"Date": None})  # type: ignore[union-attr]
    return text.getvalue()


def plot_cost_by_volume(document: dict[str, Any], ax: Axes | None = None) -> Axes:
    """Draw cost against volume for every option, with the first and permanent break-even."""
    ax = ax or new_axes()
    found = document["break_even"]
    names = [option["name"] for option in document["options"]]
    for name, colour in zip(names, PALETTE * len(names), strict=False):
        points = [
            (point["volume"], point["cost_usd_per_month"][name])
            for point in found["curve"]
            if point["cost_usd_per_month"][name] is not None
        ]
        if points:
            volumes, costs = zip(*points, strict=True)
            ax.plot(volumes, costs, marker=".", color=colour, label=name)
    for label, at in _crossings(found):
        ax.axvline(at, color="0.4", linestyle=":" if "permanent" in label else "--", label=label)
    _draw_axis(found, ax)
    ax.set(yscale="log", ylabel="cost [USD/month]")
    ax.legend(fontsize=8)
    return ax


def plot_cost_stack(document: dict[str, Any], ax: Axes | None = None) -> Axes:
    """Draw each option's monthly cost by component."""
    ax = ax or new_axes()
    options = document["options"]
    names = [option["name"] for option in options]
    parts = sorted({part for o in options for part in o["cost_breakdown_usd_per_month"]})
    left = [0.0] * len(options)
    for part, colour in zip(parts, ((*PALETTE, "0.5", "0.7", "0.3")) * 2, strict=False):
        widths = [o["cost_breakdown_usd_per_month"].get(part, 0.0) for o in options]
        ax.barh(names, widths, left=left, color=colour, label=part.replace("_", " "))
        left = [a + b for a, b in zip(left, widths, strict=True)]
    ax.invert_yaxis()
    ax.set(xlabel="cost [USD/month]")
    # Beside the bars, which may reach anywhere.
    ax.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


def plot_probability(document: dict[str, Any], ax: Axes | None = None) -> Axes:
    """Draw the probability of each option to be the cheapest, against volume."""
    ax = ax or new_axes(height_in=3.0)
    found = document["break_even"]
    names = [option["name"] for option in document["options"]]
    for name, colour in zip(names, PALETTE * len(names), strict=False):
        points = [(at, chances[name]) for at, chances in found["probability_best"]]
        ax.plot(*zip(*points, strict=True), marker=".", color=colour, label=name)
    _draw_axis(found, ax)
    ax.set(ylim=(0, 1), ylabel="P(cheapest)")
    ax.legend(fontsize=8)
    return ax


def _crossings(found: dict[str, Any]) -> list[tuple[str, float]]:
    """Where to draw what: first and permanent volume, or all crossings along another axis."""
    if found["axis"] == "volume":
        named = [("first", found["first"]), ("permanent", found["permanent"])]
        return [(f"{name} break-even", at) for name, at in named if at is not None]
    inside = {end for interval in found["intervals"] for end in interval} - set(found["scanned"])
    return [("break-even" if k == 0 else "_", at) for k, at in enumerate(sorted(inside))]


def _draw_axis(found: dict[str, Any], ax: Axes) -> None:
    """Scale and name the axis of a break-even, and mark where one is."""
    if found["scanned"][0] > 0:
        ax.set_xscale("log")
    ax.set_xlabel(found["unit"] if found["axis"] == "volume" else found["axis"])
    if found["current"] is not None:
        ax.axvline(found["current"], color="0.4", linewidth=0.8, label="today")


def plot_drivers(document: dict[str, Any], ax: Axes | None = None) -> Axes:
    """Draw the tornado: the winner's advantage at the ends of each uncertain number."""
    ax = ax or new_axes(height_in=3.0)
    drivers = document["drivers"]
    low = [d["advantage_usd_per_month_low"] for d in drivers]
    high = [d["advantage_usd_per_month_high"] for d in drivers]
    ax.barh(
        [d["name"] for d in drivers],
        [b - a for a, b in zip(low, high, strict=True)],
        left=low,
        color=PALETTE[0],
    )
    ax.axvline(0, color="0.4", linewidth=0.8)
    ax.invert_yaxis()
    ax.set(xlabel="advantage of the cheapest option [USD/month]")
    return ax


def plot_npv_fan(document: dict[str, Any], option: str, ax: Axes | None = None) -> Axes:
    """Draw what an option has saved against calling, month by month, over worlds."""
    ax = ax or new_axes(height_in=3.0)
    found = next(p for p in document["over_time"]["paybacks"] if p["option"] == option)
    fan, months = found["fan_usd"], range(len(found["fan_usd"]["p50"]))
    ax.fill_between(months, fan["p5"], fan["p95"], color=PALETTE[0], alpha=0.15, label="5-95 %")
    ax.fill_between(months, fan["p25"], fan["p75"], color=PALETTE[0], alpha=0.3, label="25-75 %")
    ax.plot(months, fan["p50"], color=PALETTE[0], label="median")
    ax.axhline(0, color="0.4", linewidth=0.8)
    ax.set(xlabel="month", ylabel=f"saved against {found['against']}\n[USD of today]")
    ax.legend(fontsize=8)
    return ax
