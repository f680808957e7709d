"""Plots as functions from result documents to Matplotlib axes; units on every axis.

Each function draws on the given axes, or on new ones, and returns them. An artist whose label
begins with ``_`` belongs to the series named by the rest of the label.
"""

import io
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypeVar, cast

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MultipleLocator

from simulator.errors import InputError
from simulator.report.documents.contract import (
    BreakEvenSection,
    OptionsDocument,
    ResultDocument,
    TimelineSection,
)
from simulator.report.formatting import quantity

# Palette of Okabe and Ito: distinguishable with any colour vision.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
OWN, CALLED, LOST = PALETTE[0], PALETTE[1], PALETTE[5]
QUIET = "#808080"
LATENCIES = {"ttft_s": "time to first token [s]", "tpot_s": "time per output token [s]",
             "e2e_s": "time to the complete answer [s]"}  # fmt: skip

STYLE: Any = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.25,
    "font.size": 10,
    "legend.frameon": False,
    "svg.hashsalt": "breakeven",
    "svg.fonttype": "none",
}


Latency = Literal["ttft_s", "tpot_s", "e2e_s"]
Series = Literal[
    "own_per_s", "called_per_s", "unserved_per_s", "replicas", "waiting", "own_usd_per_h",
    "calls_usd_per_h",
]  # fmt: skip
"""Series of a timeline."""


def new_axes(width_in: float = 7.0, height_in: float = 4.0, rows: int = 1, columns: int = 1) -> Any:
    """Return the axes, or the array of axes, of a new figure that is attached to no window."""
    with mpl.rc_context(STYLE):
        return Figure(figsize=(width_in, height_in), layout="constrained").subplots(rows, columns)


@contextmanager
def any_glyph() -> Iterator[None]:
    """Silence warnings about missing glyphs: SVG text is drawn in the viewer's fonts."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        yield


def svg_text(ax: Axes, transparent: bool) -> str:
    """Return the figure of the axes as SVG, with equal bytes for equal figures."""
    text = io.StringIO()
    with mpl.rc_context(STYLE), any_glyph():
        ax.figure.savefig(text, format="svg", transparent=transparent, metadata={"Date": None})  # type: ignore[union-attr]
    return text.getvalue()


def add_legend(ax: Axes, **how: Any) -> None:
    """Add a legend that shows names literally: a dollar sign does not start a formula."""
    for text in ax.legend(**{"fontsize": 8, **how}).get_texts():
        text.set_parse_math(False)


def _label_bars(ax: Axes, names: list[str]) -> None:
    """Label horizontal bars, the first on top."""
    ax.set_yticks(range(len(names)), names, parse_math=False)
    ax.invert_yaxis()


def plot_cost_by_volume(document: ResultDocument, ax: Axes | None = None) -> Axes:
    """Draw cost against volume for every option, with steps, bands and break-even volumes."""
    ax = ax or new_axes()
    break_even = _required(document["break_even"], "break-even")
    for name, colour in _coloured(option["name"] for option in document["options"]):
        points = break_even["stairs"].get(name) or [
            [point["volume"], point["cost_usd_per_month"][name]] for point in break_even["curve"]
        ]
        known = [(at, usd) for at, usd in points if usd is not None]
        bands = [(p["volume"], p["cost_band_usd_per_month"][name]) for p in break_even["curve"]]
        wide = [(at, *band) for at, band in bands if band is not None and band[0] < band[1]]
        if wide:
            volumes, low, high = zip(*wide, strict=True)
            ax.fill_between(volumes, low, high, color=colour, alpha=0.12, label=f"_{name}")
        if known:
            ax.plot(*zip(*known, strict=True), color=colour, label=name)
    for label, at in _crossings(break_even):
        ax.axvline(at, color=QUIET, linestyle=":" if "permanent" in label else "--", label=label)
    _draw_axis(break_even, ax)
    ax.set(yscale="log", ylabel="cost [USD/month]")
    _format_ticks(ax.yaxis)
    add_legend(ax)
    return ax


def plot_cost_stack(document: ResultDocument | OptionsDocument, ax: Axes | None = None) -> Axes:
    """Draw each option's monthly cost by component."""
    ax = ax or new_axes()
    options = document["options"]
    names = [option["name"] for option in options]
    parts = sorted({part for o in options for part in o["cost_breakdown_usd_per_month"]})
    left = [0.0] * len(options)
    for part, colour in zip(parts, ((*PALETTE, "#808080", "#b0b0b0", "#505050")) * 2, strict=False):
        widths = [o["cost_breakdown_usd_per_month"].get(part, 0.0) for o in options]
        ax.barh(range(len(names)), widths, left=left, color=colour, label=part.replace("_", " "))
        left = [a + b for a, b in zip(left, widths, strict=True)]
    _label_bars(ax, names)
    ax.set(xlabel="cost [USD/month]")
    _format_ticks(ax.xaxis)
    # Outside the axes, since bars may cover any part of them.
    add_legend(ax, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


def plot_probability(document: ResultDocument, ax: Axes | None = None) -> Axes:
    """Draw the probability that each option is the cheapest, against volume."""
    ax = ax or new_axes(height_in=3.0)
    break_even = _required(document["break_even"], "break-even")
    rows = cast(list[tuple[float, dict[str, float]]], break_even["probability_best"])
    for name, colour in _coloured(option["name"] for option in document["options"]):
        points = [(at, chances[name]) for at, chances in rows]
        ax.plot(*zip(*points, strict=True), marker=".", color=colour, label=name)
    _draw_axis(break_even, ax)
    ax.set(ylim=(-0.02, 1.02), ylabel="P(cheapest)")
    add_legend(ax)
    return ax


def plot_latency(
    document: ResultDocument, name: Latency = "ttft_s", ax: Axes | None = None
) -> Axes:
    """Draw the share of requests within a latency, by option, with a line at the target.

    ``name`` is ``ttft_s``, ``tpot_s`` or ``e2e_s``.
    """
    ax = ax or new_axes(height_in=3.0)
    for option, colour in _coloured(option["name"] for option in document["options"]):
        (found,) = (o for o in document["options"] if o["name"] == option)
        points = [(value, share) for share, value in found["latency_quantiles"][name] if value > 0]
        if points:
            ax.plot(*zip(*points, strict=True), color=colour, label=option)
    limit = document["slo"][name]
    if limit is not None:
        ax.axvline(limit, color=QUIET, linestyle="--", label="target")
    ax.set(xscale="log", ylim=(0, 1.02), xlabel=LATENCIES[name], ylabel="share of requests")
    _format_ticks(ax.xaxis)
    add_legend(ax)
    return ax


def plot_load_duration(timeline: TimelineSection, ax: Axes | None = None) -> Axes:
    """Draw the load duration curve of a timeline, split by who serves the requests."""
    ax = ax or new_axes(height_in=3.0)
    parts = {
        "own replicas": (timeline["own_per_s"], OWN),
        "API": (timeline["called_per_s"], CALLED),
        "not served": (timeline["unserved_per_s"], LOST),
    }
    rows = {name: np.array(values) for name, (values, _) in parts.items()}
    load = np.sum(list(rows.values()), axis=0)
    order = np.argsort(-load, kind="stable")
    share = (np.arange(len(load)) + 0.5) / len(load) * 100
    below = np.zeros(len(load))
    for name, (_, colour) in parts.items():
        if rows[name].sum() > 0.001 * load.sum():
            heights = rows[name][order]
            width = 100 / len(load)
            ax.bar(share, heights, width, below, color=colour, label=name, linewidth=0)
            below += heights
    period = f"of {_span(timeline)}, busiest first"
    ax.set(xlim=(0, 100), xlabel=f"share of the time [%] {period}", ylabel="load [requests/s]")
    add_legend(ax)
    return ax


def plot_timeline(timeline: TimelineSection, axes: Any = None) -> Any:
    """Draw load, replicas, queue and spend of an option over time, on four axes."""
    axes = new_axes(height_in=7.0, rows=4) if axes is None else axes
    hours = timeline["begin_hours"] + timeline["bin_hours"] * np.arange(len(timeline["replicas"]))
    panels: tuple[tuple[str, tuple[tuple[Series, str, str], ...]], ...] = (
        ("load\n[requests/s]", (("own_per_s", "own replicas", OWN),
                                ("called_per_s", "API", CALLED),
                                ("unserved_per_s", "not served", LOST))),
        ("paid\n[replicas]", (("replicas", "replicas", OWN),)),
        ("waiting\n[requests]", (("waiting", "waiting", PALETTE[3]),)),
        ("spend\n[USD/hour]", (("own_usd_per_h", "own hardware", OWN),
                               ("calls_usd_per_h", "API calls", CALLED))),
    )  # fmt: skip
    for ax, (label, columns) in zip(axes, panels, strict=True):
        for column, name, colour in columns:
            values = timeline[column]
            if any(values) or len(columns) == 1:
                ax.plot(hours, values, color=colour, label=name, linewidth=1)
        ax.set(ylabel=label)
        ax.set_ylim(bottom=0)
        if hours[-1] > 48:
            ax.xaxis.set_major_locator(MultipleLocator(24))
        if len(columns) > 1:
            add_legend(ax, fontsize=7, loc="upper right")
    axes[-1].set(xlabel="hour since the start")
    return axes


def plot_cache_map(document: ResultDocument, ax: Axes | None = None) -> Axes:
    """Draw the cost of own replicas over that of the API, by volume and cached share."""
    ax = ax or new_axes(height_in=3.2)
    cache_map = _required(document["cache_map"], "cache map")
    own = np.array(cache_map["own_usd_per_month"], float)
    api = np.array(cache_map["api_usd_per_month"], float)
    ratio = own / api  # NaN where one side misses the targets
    volumes = cache_map["volumes"]
    shares = np.mean(cache_map["cached_shares"], axis=1) * 100
    limit = np.log2(4)
    mesh = ax.pcolormesh(
        _edges(np.arange(len(volumes))), _edges(np.arange(len(shares))),
        np.ma.masked_invalid(np.log2(ratio)), cmap="PuOr_r", vmin=-limit, vmax=limit,
        label="own replicas over API",
    )  # fmt: skip
    mesh.set_edgecolor("face")
    for (row, column), value in np.ndenumerate(ratio):
        if np.isfinite(value):
            colour = "#ffffff" if abs(np.log2(value)) > 1.1 else "#111111"
            text = ax.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=8)
            text.set_color(colour)
    ax.set_xticks(range(len(volumes)), [quantity(volume) for volume in volumes])
    ax.set_yticks(range(len(shares)), [f"{share:.0f}" for share in shares])
    ax.set(xlabel="volume [requests/month]", ylabel="cached share\nof prompts [%]")
    ax.grid(visible=False)
    return ax


def plot_drivers(document: ResultDocument, ax: Axes | None = None) -> Axes:
    """Draw the tornado chart: the winner's advantage at the ends of each uncertain number."""
    ax = ax or new_axes(height_in=3.0)
    drivers = document["drivers"]
    low = [d["advantage_usd_per_month_low"] for d in drivers]
    high = [d["advantage_usd_per_month_high"] for d in drivers]
    ax.barh(
        range(len(drivers)),
        [b - a for a, b in zip(low, high, strict=True)],
        left=low,
        color=PALETTE[0],
        label="swing",
    )
    ax.axvline(0, color=QUIET, linewidth=0.8, label="_zero")
    _label_bars(ax, [d["name"] for d in drivers])
    ax.set(xlabel="advantage of the cheapest option [USD/month]")
    _format_ticks(ax.xaxis)
    return ax


def plot_npv_fan(document: ResultDocument, option: str, ax: Axes | None = None) -> Axes:
    """Draw the cumulative saving of an option against the API, by month, over all draws."""
    ax = ax or new_axes(height_in=3.0)
    over_time = _required(document["over_time"], "section over time")
    payback = next(p for p in over_time["paybacks"] if p["option"] == option)
    fan, months = payback["fan_usd"], range(len(payback["fan_usd"]["p50"]))
    ax.fill_between(months, fan["p5"], fan["p95"], color=PALETTE[0], alpha=0.15, label="5-95 %")
    ax.fill_between(months, fan["p25"], fan["p75"], color=PALETTE[0], alpha=0.3, label="25-75 %")
    ax.plot(months, fan["p50"], color=PALETTE[0], label="median")
    ax.axhline(0, color=QUIET, linewidth=0.8, label="_zero")
    ax.set(xlabel="month", ylabel=f"saved against {payback['against']}\n[USD of today]")
    _format_ticks(ax.yaxis)
    add_legend(ax)
    return ax


Plots = dict[str, tuple[str, Axes]]
"""Title and axes of each plot by file name; for figures with several axes, one of them."""


def plots_of(document: ResultDocument) -> Plots:
    """Return every plot for which a document has the figures."""
    plots = {"cost-stack": ("Cost by component", plot_cost_stack(document))}
    if document["break_even"]:
        axis = document["break_even"]["axis"]
        cost = (f"Cost against {axis}", plot_cost_by_volume(document))
        plots = {"cost": cost, **plots}
    lines = {line["option"]: line for line in document["timelines"]}
    kinds = {option["name"]: option["kind"] for option in document["options"]}
    split = [line for name, line in lines.items() if kinds.get(name) == "hybrid"]
    for line in split or list(lines.values())[:1]:
        plots["load-duration"] = (
            f"Load, and where {line['option']} serves it",
            plot_load_duration(line),
        )
    titles: dict[Latency, str] = {
        "ttft_s": "first token",
        "tpot_s": "output tokens",
        "e2e_s": "complete answer",
    }
    for name, title in titles.items():
        if document["slo"][name] is not None:
            plots[f"latency-{name[:-2]}"] = (f"Latency: {title}", plot_latency(document, name))
    for option, line in lines.items():
        if any(line["replicas"]):
            plots[f"timeline-{option}"] = (f"{option} over {_span(line)}", plot_timeline(line)[0])
    if document["drivers"]:
        plots["drivers"] = ("Drivers of the saving", plot_drivers(document))
    if document["cache_map"]:
        plots["cache-map"] = (
            "Cost of own replicas over API (below 1, own replicas are cheaper)",
            plot_cache_map(document),
        )
    if document["break_even"]:
        plots["probability"] = ("Probability of being the cheapest", plot_probability(document))
    for payback in document["over_time"]["paybacks"] if document["over_time"] else ():
        option = payback["option"]
        plots[f"npv-{option}"] = (f"Over time: {option}", plot_npv_fan(document, option))
    return plots


T = TypeVar("T")


def _required(section: T | None, name: str) -> T:
    """Return a section of a document that a plot needs; raise InputError if it has none."""
    if section is None:
        raise InputError(f"the document has no {name} to draw")
    return section


def _coloured(names: Iterable[str]) -> list[tuple[str, str]]:
    """Return options with their colours, which are the same in every plot."""
    return [(name, PALETTE[k % len(PALETTE)]) for k, name in enumerate(names)]


def _span(timeline: TimelineSection) -> str:
    """Return the length of a timeline in hours or days, as text."""
    hours = timeline["bin_hours"] * len(timeline["replicas"])
    return f"{hours / 24:g} days" if hours > 48 else f"{hours:g} hours"


def _edges(centres: Any) -> Any:
    """Return the borders of cells around equally spaced centres."""
    return np.append(centres - 0.5, centres[-1] + 0.5)


def _format_ticks(axis: Any) -> None:
    """Format ticks with letters for magnitudes; on log axes also minor ones at 2 and 5."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: quantity(value) if value else "0"))
    if axis.get_scale() == "log":
        axis.set_minor_formatter(FuncFormatter(lambda value, _: _minor_tick(value)))


def _minor_tick(value: float) -> str:
    first = value / 10 ** np.floor(np.log10(value))
    return quantity(value) if round(first, 6) in (2, 5) else ""


def _crossings(break_even: BreakEvenSection) -> list[tuple[str, float]]:
    """Return labels and positions of break-evens: first and permanent, or all along an axis."""
    if break_even["axis"] == "volume":
        first, permanent = break_even["first"], break_even["permanent"]
        named = [("first break-even", first)]
        if permanent != first:
            named.append(("permanent break-even", permanent))
        return [(name, at) for name, at in named if at is not None]
    ends = {end for interval in break_even["intervals"] for end in interval}
    inside = ends - set(break_even["scanned"])
    names = ["break-even", *["_break-even"] * len(inside)]
    return list(zip(names, sorted(inside), strict=False))


def _draw_axis(break_even: BreakEvenSection, ax: Axes) -> None:
    """Scale and label the axis of a break-even, and mark today's value."""
    if break_even["scanned"][0] > 0:
        ax.set_xscale("log")
    _format_ticks(ax.xaxis)
    unit = break_even["unit"] if break_even["axis"] == "volume" else break_even["axis"]
    ax.set_xlabel(f"volume [{unit}]" if break_even["axis"] == "volume" else unit)
    if break_even["current"] is not None:
        ax.axvline(break_even["current"], color=QUIET, linewidth=0.8, label="today")
