"""Table of what the traffic of a scenario amounts to."""

from typing import Any

from rich.console import Console

from simulator.report.formatting import digits, quantity, share, usd
from simulator.report.text_tables import add_figures, plain_table


def print_traffic(document: dict[str, Any], console: Console) -> None:
    """Print workloads by volume, lengths, rates and reuse, and list prices."""
    table = plain_table()
    table.add_column("traffic", overflow="fold")
    add_figures(
        table, ("requests/month", "mean/s", "peak/s", "input tok", "output tok", "reusable")
    )
    rows = [*document["workloads"]]
    if len(rows) > 1:
        rows.append(document["total"])
    for row in rows:
        table.add_row(
            row["name"],
            quantity(row["requests_per_month"]),
            digits(row["requests_per_s"], 3),
            digits(row["peak_requests_per_s"], 3),
            f"{row['input_tok']:,.0f} +-{row['input_error']:.1%}",
            f"{row['completion_tok']:,.0f}",
            share(row["reused_share"]),
        )
    console.print(table)
    tokens = document["total"]
    per_s, peak = tokens["requests_per_s"], tokens["peak_requests_per_s"]
    console.print(
        f"tokens/s    input {quantity(per_s * tokens['input_tok'])} mean, "
        f"{quantity(peak * tokens['input_tok'])} in the busiest hour; output "
        f"{quantity(per_s * tokens['completion_tok'])} mean, "
        f"{quantity(peak * tokens['completion_tok'])} in the busiest hour",
        markup=False,
        soft_wrap=True,
    )
    for name, bill in document["list_price_usd_per_month"].items():
        text = f"list price  {name}: {usd(bill)} $/month, without any cache"
        console.print(text, markup=False, soft_wrap=True)
