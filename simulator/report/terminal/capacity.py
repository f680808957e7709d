"""Document and table of ``capacity``: the most traffic that fleets carry."""

from dataclasses import asdict
from typing import Any

from rich.console import Console

from simulator.analysis.commands.capacity import Capacity
from simulator.analysis.study.study import Study
from simulator.report.documents.values import finite_or_none
from simulator.report.formatting import quantity, seconds
from simulator.report.text_tables import add_figures, plain_table
from simulator.units import MONTH_S


def capacity_document(capacities: list[Capacity], study: Study) -> dict[str, Any]:
    """Return the document of ``capacity``."""
    today = study.traffic.requests_per_s * MONTH_S
    rows = []
    for capacity in capacities:
        row = asdict(capacity)
        low, high = row.pop("low"), row.pop("high")
        row["volume_interval"] = [low * today, high * today]
        row["ttft_p95_s"] = finite_or_none(capacity.ttft_p95_s)
        row["tpot_p95_s"] = finite_or_none(capacity.tpot_p95_s)
        rows.append(row)
    return {"scenario": study.name, "seed": study.seed, "today": today, "capacities": rows}


def print_capacities(document: dict[str, Any], console: Console) -> None:
    """Print the table of ``capacity``."""
    table = plain_table()
    table.add_column("option", overflow="fold")
    headings = (
        "replicas", "req/month", "req/s peak", "in flight", "TTFT p95", "TPOT p95", "limit"
    )  # fmt: skip
    add_figures(table, headings)
    for row in document["capacities"]:
        table.add_row(
            row["option"],
            str(row["replicas"]),
            quantity(row["requests_per_month"]),
            quantity(row["peak_requests_per_s"]),
            quantity(row["in_flight"]),
            seconds(row["ttft_p95_s"]),
            seconds(row["tpot_p95_s"]),
            row["binding"].removesuffix("_s").upper(),
        )
    console.print(table)
    console.print(f"you are at {quantity(document['today'])} requests/month", markup=False)
