"""``breakeven prices``: the price book, and what usage costs by it."""

import csv
import json
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
    from simulator.scenario.price_book import PriceBook

app = typer.Typer(help="The price book, and what usage costs by it.", no_args_is_help=True)


BookOption = Annotated[
    Path | None,
    typer.Option("--book", metavar="FILE", help="Prices first from what `prices import` wrote."),
]
SourceArgument = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE", help="genai-prices' or LiteLLM's price JSON: path or https:// URL."
    ),
]
HttpOption = Annotated[
    bool, typer.Option("--allow-http", help="Take a URL that is not encrypted (http://), too.")
]
AsOfOption = Annotated[
    datetime | None,
    typer.Option("--as-of", formats=["%Y-%m-%d"], help="Day of the prices; default: today."),
]


@app.command("list")
def list_offers(
    contains: Annotated[
        str, typer.Argument(metavar="[TEXT]", help="Only offers with this in their name.")
    ] = "",
    book: BookOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """List offers with their base prices."""
    from simulator.report.prices import card_document, print_cards
    from simulator.scenario.price_book import known_offers

    simulated = set(known_offers())
    documents: list[dict[str, Any]] = [
        {**card_document(card), "simulated": name in simulated}
        for name, card in _cards(_book(book), contains).items()
    ]
    show_result(output, {"offers": documents}, documents, partial(print_cards, documents))


@app.command()
def show(
    offer: Annotated[str, typer.Argument(metavar="OFFER", help="provider/model")],
    book: BookOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show every rate of an offer and its conditions."""
    from simulator.report.prices import card_document, print_card

    document = card_document(_book(book).card(offer))
    rates = [{"offer": document["offer"], **rate} for rate in document["rows"]]
    show_result(output, document, rates, partial(print_card, document))


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
    with progress("rows") as tell:
        if out:
            failed, total = _cost_of_parquet(usage, out, book, tell)
        else:
            failed, total = _cost_of_csv(usage, book, tell)
    _tell_priced(failed, total, book)


def _tell_priced(failed: int, total: int, book: Path | None) -> None:
    from simulator.pricing.book import SNAPSHOT_DATE

    first = f"of {book}, else " if book else ""
    sys.stderr.write(
        f"{total} rows by prices {first}as of {SNAPSHOT_DATE}"
        + (f", {failed} could not be priced\n" if failed else "\n")
    )


def _cost_of_parquet(usage: Path, out: Path, book: Path | None, tell: Tell) -> tuple[int, int]:
    """Write a priced Parquet table whole or not at all; returns failed and all rows."""
    from concurrent.futures import ThreadPoolExecutor
    from itertools import chain

    from simulator.errors import InputError
    from simulator.files.writing import whole
    from simulator.scenario.usage_parquet import priced_portions

    failed = total = 0
    portions = priced_portions(usage, _book(book))
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


def _cost_of_csv(usage: Path, book: Path | None, tell: Tell) -> tuple[int, int]:
    """Print a priced table; returns failed and all rows."""
    from simulator.files.cells import harmless
    from simulator.scenario.usage import priced_rows

    writer = csv.writer(sys.stdout, lineterminator="\n")
    failed = total = 0
    for header, rows in priced_rows(usage, _book(book)):
        if total == 0:
            writer.writerow(header)
        writer.writerows([map(harmless, row) for row in rows])
        total += len(rows)
        tell(total)
        failed += sum(1 for row in rows if row[-1])
    return failed, total


@app.command("import")
def import_prices(
    source: SourceArgument,
    target: Annotated[Path, typer.Argument(metavar="TARGET.json", help="File to write.")],
    as_of: AsOfOption = None,
    allow_http: HttpOption = False,
) -> None:
    """Take newer prices from a file or URL; scenarios name the target as their price_file."""
    from simulator.files.writing import write_files
    from simulator.scenario.price_book import imported_entry

    cards = _feed(_raw_feed(source, allow_http), source, as_of)
    text = json.dumps({name: imported_entry(card) for name, card in cards.items()}, indent=1)
    write_files(target.parent, {target.name: text + "\n"})
    sys.stderr.write(f"{len(cards)} offers -> {target}\n")


@app.command()
def diff(
    source: SourceArgument,
    contains: Annotated[
        str, typer.Argument(metavar="[TEXT]", help="Only offers with this in their name.")
    ] = "",
    book: BookOption = None,
    as_of: AsOfOption = None,
    allow_http: HttpOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show what a newer price file changes in the book."""
    from simulator.pricing.feeds import changes, names_like_the_book
    from simulator.report.prices import print_changes

    raw = _raw_feed(source, allow_http)
    theirs = {n: card for n, card in _feed(raw, source, as_of).items() if contains in n}
    found = changes(_cards(_book(book), contains), theirs, names_like_the_book(raw))
    show_result(output, {"changes": found}, found, partial(print_changes, found))


def _book(path: Path | None) -> "PriceBook":
    from simulator.scenario.price_book import PriceBook

    return PriceBook() if path is None else PriceBook.with_file(path)


def _cards(book: "PriceBook", contains: str) -> "dict[str, RateCard]":
    """Return the cards of offers that price tokens; some price pages, hours or searches."""
    from contextlib import suppress

    from simulator.pricing.book import NoTokenPriceError

    cards = {}
    for name in book.names():
        if contains.lower() in name.lower():
            with suppress(NoTokenPriceError):
                cards[name] = book.card(name)
    return cards


def _raw_feed(source: str, allow_http: bool) -> Any:
    from simulator.files.fetch import fetch_text, is_address
    from simulator.files.jsontext import NotJson, parse_json, read_json
    from simulator.files.text import fail

    if not is_address(source):
        return read_json(Path(source))
    # An address is fetched only here, and only because the user asked for it.
    text = fetch_text(source, allow_http)
    try:
        return parse_json(text)
    except NotJson as error:
        fail(source, error.line, error.column, str(error))


def _feed(raw: Any, source: str, as_of: datetime | None) -> "dict[str, RateCard]":
    from simulator.files.fetch import is_address
    from simulator.files.text import label
    from simulator.pricing.feeds import feed_cards

    day = (as_of or datetime.now(UTC)).date()
    # A query may hold a key, and the name is written into the file.
    name = label(source).rstrip("/") if is_address(source) else source
    return feed_cards(raw, name.rpartition("/")[2], day)
