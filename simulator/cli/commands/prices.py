"""``breakeven prices``: the price book, and the cost of usage."""

import sys
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from simulator.cli.common import Output, OutputOption, print_notes, show_result
from simulator.cli.progress import progress

app = typer.Typer(help="Show and check API prices, and price usage.", no_args_is_help=True)

BookOption = Annotated[
    Path | None,
    typer.Option(
        "--book",
        metavar="FILE",
        help="Prices written by `prices import`, used before the shipped ones.",
    ),
]
AtOption = Annotated[
    datetime | None,
    typer.Option(
        "--at",
        formats=[
            "%Y-%m-%d",
            "%Y-%m-%dT%H:%M",
            "%Y-%m-%dT%H:%MZ",
            "%Y-%m-%dT%H:%M:%S",
            "%Y-%m-%dT%H:%M:%SZ",
        ],
        help="Time of the prices in UTC; default: now.",
    ),
]


class Order(StrEnum):
    """Orders of listed offers."""

    NAME = "name"
    INPUT = "input"
    OUTPUT = "output"
    CACHE_READ = "cache_read"
    CONTEXT = "context"


ProviderOption = Annotated[
    str | None,
    typer.Option("--provider", metavar="NAME", help="Only offers of this provider."),
]
SimulatedOption = Annotated[
    bool, typer.Option("--simulated", help="Only offers that can be simulated.")
]
SortOption = Annotated[
    Order,
    typer.Option("--sort", help="Order: by name, a price or the context, the lowest first."),
]


@app.command("list")
def list_offers(
    contains: Annotated[
        str, typer.Argument(metavar="[TEXT]", help="Only offers with this text in their name.")
    ] = "",
    provider: ProviderOption = None,
    simulated: SimulatedOption = False,
    sort: SortOption = Order.NAME,
    book: BookOption = None,
    at: AtOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """List offers with their prices, now or at another time."""
    from simulator.library import prices

    result = prices.list_offers(
        contains, provider=provider, simulated=simulated, sort=sort.value, at=at, book=book
    )
    show_result(output, result)


@app.command()
def find(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="WORDS", help="Parts of a name, or the provider or maker, in any order."
        ),
    ],
    provider: ProviderOption = None,
    simulated: SimulatedOption = False,
    sort: SortOption = Order.NAME,
    book: BookOption = None,
    at: AtOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Find the offers that all words describe, and list their prices."""
    from simulator.library.prices import find_offers

    result = find_offers(
        words, provider=provider, simulated=simulated, sort=sort.value, at=at, book=book
    )
    show_result(output, result)


@app.command()
def show(
    offer: Annotated[
        str, typer.Argument(metavar="OFFER", help="Offer to show, by any of its names.")
    ],
    book: BookOption = None,
    at: AtOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Also show past rows.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show the rates, conditions, dates and behaviour of an offer."""
    from simulator.library.prices import show_offer

    show_result(output, show_offer(offer, at=at, book=book, everything=everything))


@app.command()
def cost(
    usage: Annotated[
        Path, typer.Argument(metavar="USAGE", help="Usage table to price: CSV or Parquet.")
    ],
    book: BookOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="File to write if USAGE is a Parquet file."),
    ] = None,
) -> None:
    """Price usage rows: add the columns cost_usd and error to the table.

    Rows that are sums of requests, as their column requests says, also receive
    bounds of the cost.

    A CSV table is printed to standard output, a Parquet table written to --out.
    """
    parquet = usage.suffix == ".parquet"
    if parquet != (out is not None):
        need = "needs --out FILE" if parquet else "is printed to standard output, without --out"
        raise typer.BadParameter(f"{usage} {need}")
    from simulator.library.prices import price_usage_file

    with progress("rows") as tell:
        result = price_usage_file(usage, out or sys.stdout, book=book, tell=tell)
    print_notes(result)
