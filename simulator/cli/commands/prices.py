"""``breakeven prices``: the price book, and what usage costs by it."""

import csv
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from simulator.cli.common import Output, OutputOption
from simulator.cli.common import show as show_result
from simulator.cli.progress import Tell, progress

if TYPE_CHECKING:
    from simulator.pricing.rates import RateCard
    from simulator.scenario.catalog.price_book import PriceBook
    from simulator.scenario.tables.usage import Spans

app = typer.Typer(help="The price book, and what usage costs by it.", no_args_is_help=True)
_MOST_DOUBTS = 10


BookOption = Annotated[
    Path | None,
    typer.Option("--book", metavar="FILE", help="Prices first from what `prices import` wrote."),
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
        help="Moment of the prices, UTC; default: now.",
    ),
]


@app.command("list")
def list_offers(
    contains: Annotated[
        str, typer.Argument(metavar="[TEXT]", help="Only offers with this in their name.")
    ] = "",
    book: BookOption = None,
    at: AtOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """List offers with what they cost now, or at another moment."""
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
    offer: Annotated[str, typer.Argument(metavar="OFFER", help="provider/model")],
    book: BookOption = None,
    at: AtOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Show past rows, too.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show the rates of an offer, their conditions, its dates and how it behaves."""
    from simulator.report.terminal.prices import card_document, print_card
    from simulator.scenario.catalog.price_book import known_offers

    opened = open_book(book)
    document = card_document(opened.card(offer), moment_s(at))
    known = opened.simulated(offer) if offer in known_offers() else None
    if known is not None:
        document["behaviour"] = known.model_dump(mode="json", exclude_defaults=True)
    rows = [{"offer": document["offer"], **row} for row in document["rows"]]
    show_result(output, document, rows, partial(print_card, document, known, everything))


@app.command()
def cost(
    usage: Annotated[Path, typer.Argument(metavar="USAGE", help="Usage rows: CSV or Parquet.")],
    book: BookOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Parquet file to write, where USAGE is one."),
    ] = None,
) -> None:
    """Price usage rows: the table again, with cost_usd and error.

    A CSV table comes back on standard output, a Parquet table goes to --out.
    """
    parquet = usage.suffix == ".parquet"
    if parquet != (out is not None):
        need = "needs --out FILE" if parquet else "is priced to standard output: leave out --out"
        raise typer.BadParameter(f"{usage} {need}")
    from simulator.scenario.tables.usage import Spans

    opened, spans = open_book(book), Spans()
    with progress("rows") as tell:
        if out:
            failed, total = _cost_of_parquet(usage, out, opened, spans, tell)
        else:
            failed, total = _cost_of_csv(usage, opened, spans, tell)
    _tell_priced(failed, total, book)
    doubts = spans.doubts(opened)
    for text in doubts[:_MOST_DOUBTS]:
        sys.stderr.write(f"note: {text}\n")
    if len(doubts) > _MOST_DOUBTS:
        sys.stderr.write(f"note: and {len(doubts) - _MOST_DOUBTS} more of this kind\n")


def _tell_priced(failed: int, total: int, book: Path | None) -> None:
    from simulator.pricing.book import SNAPSHOT_DATE

    first = f"of {book}, else " if book else ""
    sys.stderr.write(
        f"{total} rows by prices {first}as of {SNAPSHOT_DATE}"
        + (f", {failed} could not be priced\n" if failed else "\n")
    )


def _cost_of_parquet(
    usage: Path, out: Path, book: "PriceBook", spans: "Spans", tell: Tell
) -> tuple[int, int]:
    """Write a priced Parquet table whole or not at all; returns failed and all rows."""
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

    # Costs hardly repeat: a dictionary of them would take most of the time and save nothing.
    repeats = [name for name in first.column_names if name != "cost_usd"]
    with (
        whole(out) as path,
        ParquetWriter(path, first.schema, use_dictionary=repeats) as writer,
        ThreadPoolExecutor(1) as beside,
    ):
        written = beside.submit(writer.write_table, first)
        for portion in chain([first], portions):
            if portion is not first:
                written.result()
                written = beside.submit(writer.write_table, portion)
            total += len(portion)
            tell(total)
            failed += portion["cost_usd"].null_count
        written.result()
    return failed, total


def _cost_of_csv(usage: Path, book: "PriceBook", spans: "Spans", tell: Tell) -> tuple[int, int]:
    """Print a priced table; returns failed and all rows."""
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
    """Return the shipped book, or the one with an imported file."""
    from simulator.scenario.catalog.price_book import PriceBook

    return PriceBook() if path is None else PriceBook.with_file(path)


def cards(book: "PriceBook", contains: str) -> "dict[str, RateCard]":
    """Return the cards of offers that price tokens; some price pages, hours or searches."""
    from contextlib import suppress

    from simulator.pricing.book import NoTokenPriceError

    found = {}
    for name in book.names():
        if contains.lower() in name.lower():
            with suppress(NoTokenPriceError):
                found[name] = book.card(name)
    return found


def moment_s(at: datetime | None) -> float:
    """Return a moment as Unix time, now where none is given; bare ones are in UTC."""
    return datetime.now(UTC).timestamp() if at is None else at.replace(tzinfo=UTC).timestamp()
