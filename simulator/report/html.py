"""The HTML report: one file, no network, light and dark."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.axes import Axes

from simulator.report import plots, terminal, words
from simulator.report.overtime import over_time_text


def render_report(document: dict[str, Any]) -> str:
    """Return the report of a result document as HTML."""
    environment = Environment(
        loader=PackageLoader("simulator.report"), autoescape=True, undefined=StrictUndefined
    )
    for name in ("usd", "quantity", "seconds", "share"):
        environment.filters[name] = getattr(words, name)
    template = environment.get_template("report.html.j2")
    return template.render(
        d=document,
        headline=terminal.headline(document),
        break_even=(
            terminal.break_even_text(document["break_even"]) if document["break_even"] else None
        ),
        over_time=over_time_text(document["over_time"]) if document["over_time"] else None,
        split=terminal.split_text(document["hybrid"]) if document["hybrid"] else None,
        flips=[terminal.flip_text(flip) for flip in document["flips"]],
        charts=_charts(document),
    )


def _charts(document: dict[str, Any]) -> list[tuple[str, Markup]]:
    charts = [("Cost by component", _svg(plots.plot_cost_stack(document)))]
    if document["break_even"]:
        title = f"Cost against {document['break_even']['axis']}"
        charts.insert(0, (title, _svg(plots.plot_cost_by_volume(document))))
        charts.append(("How sure", _svg(plots.plot_probability(document))))
    if document["drivers"]:
        charts.append(("What drives the answer", _svg(plots.plot_drivers(document))))
    for payback in document["over_time"]["paybacks"] if document["over_time"] else ():
        name = payback["option"]
        charts.append((f"Over time: {name}", _svg(plots.plot_npv_fan(document, name))))
    return charts


def _svg(ax: Axes) -> Markup:
    svg = plots.svg_text(ax, transparent=True)
    return Markup(svg[svg.index("<svg") :])
