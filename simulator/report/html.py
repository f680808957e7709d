"""HTML of results: the report as one self-contained file, and fragments for notebooks."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, cast

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from simulator.report import formatting
from simulator.report.charts.interactive import Chart, chart
from simulator.report.charts.plots import Plots, plots_of
from simulator.report.documents.contract import OptionsDocument, ResultDocument
from simulator.report.documents.horizon import over_time_text
from simulator.report.documents.tidy import Row, columns, total_usd
from simulator.report.terminal import verdict

SHOWN_ROWS = 200
"""Most rows of a table that are shown in a notebook."""


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("simulator.report"), autoescape=True, undefined=StrictUndefined
    )
    for name in ("usd", "quantity", "seconds", "share"):
        environment.filters[name] = getattr(formatting, name)
    environment.filters["total_usd"] = total_usd
    return environment


def render_report(document: ResultDocument, plots: Plots | None = None) -> str:
    """Return the report of a verdict's document as HTML.

    ``plots`` are the document's plots if they have been drawn already; their legends are removed.
    """
    drawn = plots_of(document) if plots is None else plots
    charts = [chart(key, title, ax) for key, (title, ax) in drawn.items()]
    template = _environment().get_template("report.html.j2")
    return template.render(
        d=document, **_verdict_texts(document), charts=[(c, Markup(c.svg)) for c in charts],
        data=_script_data(charts),
    )  # fmt: skip


def render_fragment(document: ResultDocument | OptionsDocument) -> str:
    """Return the verdict and options of a document, or the options alone, for another page."""
    template = _environment().get_template("options.html.j2")
    return template.render(d=document, **_verdict_texts(document))


def render_rows(rows: Sequence[Row]) -> str:
    """Return the first rows as a plain table, with the number of further rows."""
    shown = list(rows[:SHOWN_ROWS])
    names = columns(shown)
    cells = [[_cell(row.get(name)) for name in names] for row in shown]
    template = _environment().get_template("rows.html.j2")
    return template.render(names=names, rows=cells, more=len(rows) - len(shown))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return formatting.quantity(value) if isinstance(value, float) else str(value)


def _verdict_texts(document: ResultDocument | OptionsDocument) -> dict[str, Any]:
    """Return the sentences of a verdict; all None without one."""
    if "verdict" not in document:
        return dict.fromkeys(("headline", "break_even", "over_time", "split", "flips"))
    document = cast(ResultDocument, document)
    break_even, over_time = document["break_even"], document["over_time"]
    return {
        "headline": verdict.headline(document),
        "break_even": verdict.break_even_text(break_even) if break_even else None,
        "over_time": over_time_text(over_time) if over_time else None,
        "split": verdict.split_text(document["hybrid"]) if document["hybrid"] else None,
        "flips": [verdict.flip_text(flip) for flip in document["flips"]],
    }


def _script_data(charts: list[Chart]) -> Markup:
    """Return the data of the script as JSON that cannot end its HTML element."""
    data = [{k: v for k, v in asdict(each).items() if k not in ("svg", "title")} for each in charts]
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))
