"""Table of the workloads that were fitted to a log or a usage export."""

from typing import Any

from rich.console import Console

from simulator.report.formatting import duration, quantity, share
from simulator.report.text_tables import add_figures, plain_table


def print_fitted(document: dict[str, Any], console: Console) -> None:
    """Print what a source tells about each workload, and what it cannot tell."""
    text = (
        f"source      {document['source']} ({document['format']}), {duration(document['span_s'])}"
    )
    console.print(text, soft_wrap=True, markup=False)
    console.print()
    table = plain_table()
    table.add_column("workload", overflow="fold")
    add_figures(table, ("req/month", "input", "output", "cached", "written", "peak", "growth"))
    for row in document["workloads"]:
        growth = row["growth_per_month"]
        error = row["growth_error"]
        table.add_row(
            row["name"],
            quantity(row["requests_per_month"]),
            f"{row['input_tokens']:,.0f}",
            f"{row['output_tokens']:,.0f}",
            share(row["cached_share"]),
            share(row["written_share"]),
            f"{row['peak_hour_over_mean']:.2f}x",
            "-" if growth is None else f"{growth:+.0%} +-{error:.0%}",
        )
    console.print(table)
    for remark in document["remarks"]:
        console.print(remark, soft_wrap=True, markup=False)
