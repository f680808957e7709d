"""Plots that answer: the SVG of a figure, and what a browser needs to show values under a pointer.

Positions are worked out here, in the units of the SVG, so that the page's script knows no scales.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_hex
from matplotlib.container import BarContainer
from matplotlib.transforms import Bbox

from simulator.report.charts.plots import PALETTE, any_glyph, svg_text
from simulator.report.formatting import quantity

_DPI = 72
"""Of Matplotlib's SVG, whose unit is the point."""


@dataclass(frozen=True, slots=True)
class Chart:
    """One figure of a page."""

    key: str
    title: str
    svg: str
    series: list[dict[str, Any]]
    """Name, colour, and identifiers of what to hide with it."""
    panels: list[dict[str, Any]]
    """Box of each axes, points of its lines, and boxes with texts."""


def chart(key: str, title: str, ax: Axes) -> Chart:
    """Return the chart of the figure that some axes belong to; its legends are taken away."""
    figure: Any = ax.figure
    figure.set_dpi(_DPI)
    names: dict[str, dict[str, Any]] = {}
    for each in figure.axes:
        legend = each.get_legend()
        if legend is not None:
            legend.remove()
        _mark(each, key, names)
    with any_glyph():
        figure.draw_without_rendering()
    figure.set_layout_engine("none")  # laid out once more, it would move a little
    height = figure.get_figheight() * _DPI
    panels = [_panel(each, height) for each in figure.axes]
    svg = svg_text(ax, transparent=True)
    return Chart(key, title, _themed(svg[svg.index("<svg") :]), list(names.values()), panels)


def _mark(ax: Axes, key: str, names: dict[str, dict[str, Any]]) -> None:
    """Give every artist of a series an identifier, and note name and colour of the series."""
    artists: list[tuple[Any, Any, Any]] = [(a, a.get_label(), a.get_color()) for a in ax.lines]
    artists += [
        (a, a.get_label(), a.get_facecolor()) for a in ax.collections if not isinstance(a, QuadMesh)
    ]
    artists += [
        (patch, box.get_label(), patch.get_facecolor())
        for box in ax.containers
        if isinstance(box, BarContainer)
        for patch in box.patches
    ]
    for _, label, colour in artists:
        if not str(label).startswith("_"):
            names.setdefault(label, {"name": label, "colour": _colour(colour), "ids": []})
    for artist, label, _ in artists:
        name = str(label).removeprefix("_")
        if name not in names:
            continue
        gid = f"{key}-{list(names).index(name)}-{len(names[name]['ids'])}"
        names[name]["ids"].append(gid)
        artist.set_gid(gid)


def _colour(colour: Any) -> str:
    return _themed(to_hex(colour if isinstance(colour, str) else np.atleast_2d(colour)[0]))


def _themed(text: str) -> str:
    """Let the page decide on the colours of text, lines and palette: lighter on dark paper."""
    for place, colour in enumerate(PALETTE):
        text = text.replace(colour.lower(), f"var(--c{place})")
    return text.replace("#000000", "currentColor")


def _panel(ax: Axes, height: float) -> dict[str, Any]:
    return {
        "box": _box(ax.get_window_extent(), height),
        "lines": _lines(ax, height),
        "cells": [*_bars(ax, height), *_cells(ax, height)],
    }


def _box(extent: Any, height: float) -> list[float]:
    """Left, top, right and bottom of an extent that counts from below."""
    return [round(v, 1) for v in (extent.x0, height - extent.y1, extent.x1, height - extent.y0)]


def _lines(ax: Axes, height: float) -> list[dict[str, Any]]:
    """Points of the lines that belong to series: place, and what their values are."""
    found = []
    for line in ax.lines:
        label = str(line.get_label())
        if label.startswith("_") or line.get_transform() != ax.transData:
            continue
        data: Any = np.column_stack([line.get_xdata(), line.get_ydata()]).astype(float)
        points = [
            [round(x, 1), round(height - y, 1), _said(ax, "x", a), _said(ax, "y", b)]
            for (x, y), (a, b) in zip(ax.transData.transform(data).tolist(), data, strict=True)
        ]
        found.append({"name": label, "points": points})
    return found


def _bars(ax: Axes, height: float) -> list[dict[str, Any]]:
    found = []
    for bars in (c for c in ax.containers if isinstance(c, BarContainer)):
        lying = bars.orientation == "horizontal"
        for patch in bars.patches:
            value = patch.get_width() if lying else patch.get_height()
            if value:
                text = _said(ax, "x" if lying else "y", value)
                box = _box(patch.get_extents(), height)
                found.append({"name": str(bars.get_label()), "box": box, "text": text})
    return found


def _cells(ax: Axes, height: float) -> list[dict[str, Any]]:
    """Cells of a map, whose colours are logarithms to base 2."""
    found = []
    for mesh in (c for c in ax.collections if isinstance(c, QuadMesh)):
        grid: Any = mesh.get_coordinates()
        values: Any = mesh.get_array()
        corners = ax.transData.transform(grid.reshape(-1, 2)).reshape(grid.shape)
        for (row, column), value in np.ndenumerate(np.ma.filled(values, np.nan)):
            extent = Bbox([corners[row, column], corners[row + 1, column + 1]])
            text = "one side misses the targets" if np.isnan(value) else f"{2**value:.2f} times"
            found.append({"name": str(mesh.get_label()), "box": _box(extent, height), "text": text})
    return found


def _said(ax: Axes, axis: str, value: float) -> str:
    """A value with the unit that its axis says in brackets."""
    label = ax.get_xlabel() if axis == "x" else ax.get_ylabel()
    unit = label.partition("[")[2].partition("]")[0] if "[" in label else label
    return f"{quantity(float(value))} {unit}".replace("\n", " ").strip()
