"""``breakeven prices``: the price book, and what usage costs by it."""

import csv
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from simulator.cli.common import Output, OutputOption, console, print_json

app = typer.Typer(help="The price book, and what usage costs by it.", no_args_is_help=True)


@app.command("list")
def list_offers(
    contains: Annotated[
        str, typer.Argument(metavar="[TEXT]", help="Only offers with this in their name.")
    ] = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """List offers with their base prices."""
    from simulator.errors import InputError
    from simulator.report.prices import card_document, print_cards
    from simulator.scenario.price_book import known_cards, known_offers, load_card

    simulated = set(known_offers())
    documents: list[dict[str, Any]] = []
    for name in known_cards():
        if contains.lower() not in name.lower():
            continue
        try:
            card = load_card(name)
        except InputError:
            continue  # prices of something else than tokens: pages, hours, searches
        documents.append({**card_document(card), "simulated": name in simulated})
    if output is Output.JSON:
        print_json({"offers": documents})
    else:
        print_cards(documents, console())


@app.command()
def show(
    offer: Annotated[str, typer.Argument(metavar="OFFER", help="provider/model")],
    output: OutputOption = Output.TABLE,
) -> None:
    """Show every rate of an offer and its conditions."""
    from simulator.report.prices import card_document, print_card
    from simulator.scenario.usage_costs import card_of

    document = card_document(card_of(offer))
    if output is Output.JSON:
        print_json(document)
    else:
        print_card(document, console())


@app.command()
def cost(
    usage: Annotated[Path, typer.Argument(metavar="USAGE.csv", help="Usage rows; - is stdin.")],
) -> None:
    """Price usage rows: the table again on standard output, with cost_usd and error."""
    from simulator.pricing.book import SNAPSHOT_DATE
    from simulator.scenario.usage_costs import priced_rows

    writer = csv.writer(sys.stdout, lineterminator="\n")
    failed = total = 0
    for header, rows in priced_rows(usage):
        if total == 0:
            writer.writerow(header)
        writer.writerows(rows)
        total += len(rows)
        failed += sum(1 for row in rows if row[-1])
    sys.stderr.write(
        f"{total} rows by prices as of {SNAPSHOT_DATE}"
        + (f", {failed} could not be priced\n" if failed else "\n")
    )
