"""Statistics of a request log: a table for the terminal, four charts for a file."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from rich.console import Console

from simulator.report.charts.plots import PALETTE, add_legend, new_axes, svg_text
from simulator.report.formatting import duration, quantity
from simulator.report.text_tables import add_figures, plain_table
from simulator.traffic.logs.log import Log
from simulator.traffic.logs.stats import WINDOWS_S, Statistics
from simulator.units import HOUR_S

_QUANTILES = ("mean", "p10", "p25", "p50", "p75", "p90", "p99")


def print_statistics(document: dict[str, Any], console: Console) -> None:
    """Print the statistics of a log."""
    facts = [
        ("trace", f"{document['trace']} ({document['format']})"),
        ("summary", document["summary"]["text"]),
        ("requests", f"{document['requests']:,} in {duration(document['span_s'])}"),
        (
            "rate",
            f"{document['requests_per_s']:.4g}/s, {document['requests_per_day']:,.0f} per day",
        ),
    ]
    if document["peak_hour_over_mean"]:
        facts.append(("peak hour", f"{document['peak_hour_over_mean']:.2f} x mean"))
    if document["sessions"]:
        facts.append(("sessions", f"{document['sessions']:,}"))
    known = {k: v for k, v in document["dispersion"].items() if v is not None}
    if known:
        facts.append(("dispersion", ", ".join(f"{v:.3g} at {k}" for k, v in known.items())))
    if document["reuse"]:
        reuse = document["reuse"]
        text = f"{reuse['share']:.1%} of prompt tokens"
        if reuse["age_p50_s"] is not None:
            text += f", age p50 {reuse['age_p50_s']:.3g} s, p90 {reuse['age_p90_s']:.3g} s"
        facts.append(("reuse", text))
    if document["recorded_cache"]:
        cached = document["recorded_cache"]
        facts.append(("recorded", f"{cached['read']:.1%} read, {cached['written']:.1%} written"))
    for heading, text in facts:
        console.print(f"{heading:12}{text}", soft_wrap=True, markup=False)
    console.print()
    table = plain_table()
    table.add_column("", no_wrap=True)
    add_figures(table, _QUANTILES)
    for row in ("input_tokens", "output_tokens", "reasoning_tokens", "turns", "gap_s"):
        if document[row]:
            table.add_row(row, *(quantity(document[row][name]) for name in _QUANTILES))
    console.print(table)


def traffic_svg(log: Log, statistics: Statistics) -> str:
    """Return rate, dispersion, lengths and reuse age of a log as one SVG figure."""
    figure_axes = new_axes(9.0, 6.5, rows=2, columns=2)
    plot_rate(log, figure_axes[0, 0])
    plot_dispersion(statistics, figure_axes[0, 1])
    plot_lengths(log, figure_axes[1, 0])
    plot_reuse_age(statistics, figure_axes[1, 1])
    return svg_text(figure_axes[0, 0], transparent=False)


def plot_rate(log: Log, ax: Axes) -> Axes:
    """Draw requests per second over time, in at most 150 steps."""
    steps = min(150, max(10, log.rows.size // 20))
    counts, edges = np.histogram(log.rows.at_s, steps, (0, log.span_s))
    unit, unit_s = ("h", HOUR_S) if log.span_s > 2 * HOUR_S else ("s", 1.0)
    rate = counts / (log.span_s / steps)
    ax.stairs(rate, edges / unit_s, color=PALETTE[0])
    ax.set(xlabel=f"time [{unit}]", ylabel="requests per second", ylim=(0, None))
    return ax


def plot_dispersion(statistics: Statistics, ax: Axes) -> Axes:
    """Draw variance over mean of the request counts, against the width of the window."""
    points = [
        (w, statistics.dispersion[w]) for w in WINDOWS_S if statistics.dispersion[w] is not None
    ]
    if points:
        ax.plot(*zip(*points, strict=True), marker="o", color=PALETTE[0], label="log")
    ax.axhline(1, color="0.4", linestyle=":", label="Poisson")
    ax.set(xscale="log", yscale="log", xlabel="window [s]", ylabel="index of dispersion")
    add_legend(ax)
    return ax


def plot_lengths(log: Log, ax: Axes) -> Axes:
    """Draw the distributions of prompt and output tokens."""
    shares = np.linspace(0, 1, 400)
    columns = {
        "input": log.rows.input_tokens,
        "output": log.rows.output_tokens,
        "reasoning": log.rows.reasoning_tokens,
    }
    for (name, values), colour in zip(columns.items(), PALETTE, strict=False):
        if values.any():
            ax.plot(np.maximum(np.quantile(values, shares), 1), shares, color=colour, label=name)
    ax.set(xscale="log", xlabel="tokens", ylabel="share of requests up to", ylim=(0, 1))
    add_legend(ax)
    return ax


def plot_reuse_age(statistics: Statistics, ax: Axes) -> Axes:
    """Draw the share of prompt tokens that repeat earlier ones, by the time since then."""
    if statistics.reuse is None or not statistics.reuse.tokens:
        ax.text(0.5, 0.5, "no shared prefixes are known", ha="center", transform=ax.transAxes)
        ax.set_axis_off()
        return ax
    ages = np.logspace(-1, 6, 200)
    shares = [
        (statistics.reuse.younger(age) or 0.0) * statistics.reuse.share for age in ages.tolist()
    ]
    ax.plot(ages, shares, color=PALETTE[0])
    ax.set(xscale="log", xlabel="age [s]", ylabel="reused share of prompt tokens", ylim=(0, 1))
    return ax
