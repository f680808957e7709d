"""Document and tables of ``explain``: from a static calculator's cost to the simulated one."""

import math
from itertools import pairwise
from typing import Any

from rich.console import Console

from simulator.analysis.commands.explain import Explanation
from simulator.analysis.study.study import Study
from simulator.report.documents.values import finite_or_none
from simulator.report.formatting import digits
from simulator.report.text_tables import plain_table


def explanation_document(explanations: list[Explanation], study: Study) -> dict[str, Any]:
    """Return the document of ``explain``."""
    return {
        "scenario": study.name,
        "seed": study.seed,
        "options": [
            {
                "name": explanation.option,
                "rungs": [
                    {"what": rung.what, "usd_per_mtok": finite_or_none(rung.usd_per_mtok)}
                    for rung in explanation.rungs
                ],
                "excuse": explanation.excuse,
            }
            for explanation in explanations
        ],
    }


def print_explanation(document: dict[str, Any], console: Console) -> None:
    """Print the steps of every option."""
    for option in document["options"]:
        rungs = option["rungs"]
        table = plain_table()
        table.add_column(option["name"], min_width=44)
        table.add_column("$/Mtok", justify="right")
        table.add_column("", justify="right")
        table.add_row(rungs[0]["what"], _usd(rungs[0]), "")
        for before, rung in pairwise(rungs):
            if not _nearly_equal(rung["usd_per_mtok"], before["usd_per_mtok"]):
                table.add_row(rung["what"], _usd(rung), _factor(before, rung))
        table.add_row("total", _usd(rungs[-1]), _factor(rungs[0], rungs[-1]), style="bold")
        console.print(table)
        if option["excuse"]:
            console.print(f"misses the targets: {option['excuse']}", markup=False)
        console.print()


def _nearly_equal(a: float | None, b: float | None) -> bool:
    """Whether two figures are equal up to rounding in the order of their sums."""
    if a is None or b is None:
        return a is b
    return math.isclose(a, b, rel_tol=1e-9)


def _usd(rung: dict[str, Any]) -> str:
    return digits(rung["usd_per_mtok"], 4)


def _factor(before: dict[str, Any], after: dict[str, Any]) -> str:
    if not before["usd_per_mtok"] or after["usd_per_mtok"] is None:
        return ""
    return f"x {after['usd_per_mtok'] / before['usd_per_mtok']:.2f}"
