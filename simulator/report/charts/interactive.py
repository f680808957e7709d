"""Interactive charts: the SVG of a figure, and the data to show values under the pointer.

Positions are computed here, in the units of the SVG, so that the page's script needs no scales.
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
"""Resolution of Matplotlib's SVG, whose unit is the point."""


@dataclass(frozen=True, slots=True)
class Chart:
    """One figure of a page."""

    key: str
    title: str
    svg: str
    series: list[dict[str, Any]]
    """Name and colour of each series, and the identifiers of its shapes."""
    panels: list[dict[str, Any]]
    """Box of each axes, points of its lines, and boxes of its bars and cells with their texts."""


def chart(key: str, title: str, ax: Axes) -> Chart:
    """Return the chart of the figure that the axes belong to; its legends are removed."""
    figure: Any = ax.figure
    figure.set_dpi(_DPI)
    names: dict[str, dict[str, Any]] = {}
    for each in figure.axes:
        legend = each.get_legend()
        if legend is not None:
            legend.remove()
        _tag_series(each, key, names)
    with any_glyph():
        figure.draw_without_rendering()
    figure.set_layout_engine("none")  # another layout would shift the axes slightly
    height = figure.get_figheight() * _DPI
    panels = [_panel(each, height) for each in figure.axes]
    svg = svg_text(ax, transparent=True)
    return Chart(key, title, _themed(svg[svg.index("<svg") :]), list(names.values()), panels)


def _tag_series(ax: Axes, key: str, names: dict[str, dict[str, Any]]) -> None:
    """Give every artist of a series an identifier; collect the series in ``names``."""
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
    """Replace fixed colours by the page's variables, which are lighter in dark mode."""
    for index, colour in enumerate(PALETTE):
        text = text.replace(colour.lower(), f"var(--c{index})")
    return text.replace("#000000", "currentColor")


def _panel(ax: Axes, height: float) -> dict[str, Any]:
    return {
        "box": _box(ax.get_window_extent(), height),
        "lines": _line_points(ax, height),
        "cells": [*_bar_boxes(ax, height), *_mesh_cells(ax, height)],
    }


def _box(extent: Any, height: float) -> list[float]:
    """Return left, top, right and bottom of an extent whose y axis points up."""
    return [round(v, 1) for v in (extent.x0, height - extent.y1, extent.x1, height - extent.y0)]


def _line_points(ax: Axes, height: float) -> list[dict[str, Any]]:
    """Return the points of the lines of series: positions and values as text."""
    lines = []
    for line in ax.lines:
        label = str(line.get_label())
        if label.startswith("_") or line.get_transform() != ax.transData:
            continue
        data: Any = np.column_stack([line.get_xdata(), line.get_ydata()]).astype(float)
        points = [
            [round(x, 1), round(height - y, 1), _value_text(ax, "x", a), _value_text(ax, "y", b)]
            for (x, y), (a, b) in zip(ax.transData.transform(data).tolist(), data, strict=True)
        ]
        lines.append({"name": label, "points": points})
    return lines


def _bar_boxes(ax: Axes, height: float) -> list[dict[str, Any]]:
    boxes = []
    for bars in (c for c in ax.containers if isinstance(c, BarContainer)):
        horizontal = bars.orientation == "horizontal"
        for patch in bars.patches:
            value = patch.get_width() if horizontal else patch.get_height()
            if value:
                text = _value_text(ax, "x" if horizontal else "y", value)
                box = _box(patch.get_extents(), height)
                boxes.append({"name": str(bars.get_label()), "box": box, "text": text})
    return boxes


def _mesh_cells(ax: Axes, height: float) -> list[dict[str, Any]]:
    """Return the cells of a map, whose values are logarithms to base 2 of ratios."""
    cells = []
    for mesh in (c for c in ax.collections if isinstance(c, QuadMesh)):
        grid: Any = mesh.get_coordinates()
        values: Any = mesh.get_array()
        corners = ax.transData.transform(grid.reshape(-1, 2)).reshape(grid.shape)
        for (row, column), value in np.ndenumerate(np.ma.filled(values, np.nan)):
            extent = Bbox([corners[row, column], corners[row + 1, column + 1]])
            text = "one side misses the targets" if np.isnan(value) else f"{2**value:.2f} times"
            cells.append({"name": str(mesh.get_label()), "box": _box(extent, height), "text": text})
    return cells


def _value_text(ax: Axes, axis: str, value: float) -> str:
    """Return a value with the unit that the label of its axis has in brackets."""
    label = ax.get_xlabel() if axis == "x" else ax.get_ylabel()
    unit = label.partition("[")[2].partition("]")[0] if "[" in label else label
    return f"{quantity(float(value))} {unit}".replace("\n", " ").strip()
