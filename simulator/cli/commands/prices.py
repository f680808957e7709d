"""``breakeven prices``: the price book, and the cost of usage."""

import csv
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from simulator.callbacks import Tell
from simulator.cli.common import Output, OutputOption
from simulator.cli.common import show_result as show_result
from simulator.cli.progress import progress

if TYPE_CHECKING:
    from simulator.pricing.rates import RateCard
    from simulator.scenario.catalog.price_book import PriceBook
    from simulator.scenario.tables.usage import Spans

app = typer.Typer(help="Show and check API prices, and price usage.", no_args_is_help=True)
_MOST_DOUBTS = 10


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


@app.command("list")
def list_offers(
    contains: Annotated[
        str, typer.Argument(metavar="[TEXT]", help="Only offers with this text in their name.")
    ] = "",
    book: BookOption = None,
    at: AtOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """List offers with their prices, now or at another time."""
    from simulator.report.terminal.prices import card_document, print_cards
    from simulator.scenario.catalog.price_book import known_offers

    simulated = set(known_offers())
    documents: list[dict[str, Any]] = [
        {**card_document(card, moment_s(at)), "simulated": name in simulated}
        for name, card in cards(open_book(book), contains).items()
    ]
    show_result(output, {"offers": documents}, documents, partial(print_cards, documents))


@app.command()
def show(
    offer: Annotated[
        str, typer.Argument(metavar="OFFER", help="Offer to show, as provider/model.")
    ],
    book: BookOption = None,
    at: AtOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Also show past rows.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show the rates, conditions, dates and behaviour of an offer."""
    from simulator.report.terminal.prices import card_document, print_card
    from simulator.scenario.catalog.price_book import known_offers

    prices = open_book(book)
    document = card_document(prices.card(offer), moment_s(at))
    behaviour = prices.simulated(offer) if offer in known_offers() else None
    if behaviour is not None:
        document["behaviour"] = behaviour.model_dump(mode="json", exclude_defaults=True)
    rows = [{"offer": document["offer"], **row} for row in document["rows"]]
    show_result(output, document, rows, partial(print_card, document, behaviour, everything))


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

    A CSV table is printed to standard output, a Parquet table is written to --out.
    """
    parquet = usage.suffix == ".parquet"
    if parquet != (out is not None):
        need = "needs --out FILE" if parquet else "is printed to standard output, without --out"
        raise typer.BadParameter(f"{usage} {need}")
    from simulator.scenario.tables.usage import Spans

    prices, spans = open_book(book), Spans()
    with progress("rows") as tell:
        if out:
            failed, total = _cost_of_parquet(usage, out, prices, spans, tell)
        else:
            failed, total = _cost_of_csv(usage, prices, spans, tell)
    _report_priced(failed, total, book)
    doubts = spans.doubts(prices)
    for text in doubts[:_MOST_DOUBTS]:
        sys.stderr.write(f"note: {text}\n")
    if len(doubts) > _MOST_DOUBTS:
        sys.stderr.write(f"note: and {len(doubts) - _MOST_DOUBTS} more notes\n")


def _report_priced(failed: int, total: int, book: Path | None) -> None:
    from simulator.pricing.book import SNAPSHOT_DATE

    first = f"from {book}, else " if book else ""
    sys.stderr.write(
        f"{total} rows priced {first}as of {SNAPSHOT_DATE}"
        + (f", {failed} could not be priced\n" if failed else "\n")
    )


def _cost_of_parquet(
    usage: Path, out: Path, book: "PriceBook", spans: "Spans", tell: Tell
) -> tuple[int, int]:
    """Write a priced Parquet table, whole or not at all; return failed and all rows."""
    from concurrent.futures import ThreadPoolExecutor
    from itertools import chain

    from simulator.errors import InputError
    from simulator.files.writing import whole
    from simulator.scenario.tables.usage_parquet import priced_portions

    failed = total = 0
    portions = priced_portions(usage, book, spans)
    first = next(portions, None)
    if first is None:
        raise InputError(f"{usage}: no rows")
    from pyarrow.parquet import ParquetWriter

    # Costs rarely repeat: encoding them by dictionary takes most of the time and saves nothing.
    repetitive = [name for name in first.column_names if name != "cost_usd"]
    with (
        whole(out) as path,
        ParquetWriter(path, first.schema, use_dictionary=repetitive) as writer,
        ThreadPoolExecutor(1) as background,
    ):
        written = background.submit(writer.write_table, first)
        for portion in chain([first], portions):
            if portion is not first:
                written.result()
                written = background.submit(writer.write_table, portion)
            total += len(portion)
            tell(total)
            failed += portion["cost_usd"].null_count
        written.result()
    return failed, total


def _cost_of_csv(usage: Path, book: "PriceBook", spans: "Spans", tell: Tell) -> tuple[int, int]:
    """Print a priced CSV table; return failed and all rows."""
    from simulator.files.cells import harmless
    from simulator.scenario.tables.usage import priced_rows

    writer = csv.writer(sys.stdout, lineterminator="\n")
    failed = total = 0
    for header, rows in priced_rows(usage, book, spans):
        if total == 0:
            writer.writerow(header)
        writer.writerows([map(harmless, row) for row in rows])
        total += len(rows)
        tell(total)
        failed += sum(1 for row in rows if row[-1])
    return failed, total


def open_book(path: Path | None) -> "PriceBook":
    """Return the shipped price book, preceded by an imported file if one is given."""
    from simulator.scenario.catalog.price_book import PriceBook

    return PriceBook() if path is None else PriceBook.with_file(path)


def cards(book: "PriceBook", contains: str) -> "dict[str, RateCard]":
    """Return the cards of offers that price tokens, without those of pages, hours or searches."""
    from contextlib import suppress

    from simulator.pricing.book import NoTokenPriceError

    named = {}
    for name in book.names():
        if contains.lower() in name.lower():
            with suppress(NoTokenPriceError):
                named[name] = book.card(name)
    return named


def moment_s(at: datetime | None) -> float:
    """Return a time in UTC as Unix time [s]; now if none is given."""
    return datetime.now(UTC).timestamp() if at is None else at.replace(tzinfo=UTC).timestamp()
