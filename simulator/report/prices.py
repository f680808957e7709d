"""Rate cards as documents and on the screen."""

from typing import Any

from rich.console import Console

from simulator.pricing.rates import BUCKETS, RateCard
from simulator.report.tables import plain_table

_SHORT = {"cache_write_1h": "write 1h", "cache_write": "write", "cache_read": "read"}


def card_document(card: RateCard) -> dict[str, Any]:
    """Return a rate card as plain values; rates in USD per Mtok, ``per_request`` in USD."""
    return {
        "offer": card.offer,
        "as_of": card.as_of.isoformat(),
        "source": card.source,
        "context_tokens": card.context_tok,
        "contexts": list(card.contexts),
        "billed_at": card.billed_at,
        "rows": [{"when": row.conditions(), "rates": dict(row.rates)} for row in card.rows],
    }


def print_cards(documents: list[dict[str, Any]], console: Console) -> None:
    """Print offers with their base rates."""
    table = plain_table()
    table.add_column("offer (USD per Mtok)", overflow="fold")
    for heading in ("input", "read", "output", "context"):
        table.add_column(heading, justify="right", no_wrap=True)
    for document in documents:
        rates = document["rows"][0]["rates"]
        context = document["context_tokens"]
        table.add_row(
            document["offer"],
            *(f"{rates[b]:g}" if b in rates else "-" for b in ("input", "cache_read", "output")),
            f"{context:,}" if context else "-",
        )
    console.print(table)
    if documents:
        console.print(f"{len(documents)} offers, prices as of {documents[0]['as_of']}")


def print_card(document: dict[str, Any], console: Console) -> None:
    """Print every rate row of one offer."""
    console.print(f"{document['offer']}, prices as of {document['as_of']}", markup=False)
    buckets = [b for b in BUCKETS if any(b in row["rates"] for row in document["rows"])]
    table = plain_table()
    table.add_column("when (USD per Mtok)", overflow="fold")
    for bucket in buckets:
        table.add_column(_SHORT.get(bucket, bucket), justify="right", no_wrap=True)
    for row in document["rows"]:
        rates = (f"{row['rates'][b]:g}" if b in row["rates"] else "" for b in buckets)
        table.add_row(", ".join(row["when"]) or "always", *rates)
    console.print(table)
    if document["billed_at"] == "completion":
        console.print("dated rates by the time of completion")
    console.print(f"source: {document['source']}", markup=False, soft_wrap=True)


def print_changes(changes: list[dict[str, Any]], console: Console) -> None:
    """Print what differs between two books."""
    table = plain_table()
    table.add_column("offer (USD per Mtok)", overflow="fold")
    table.add_column("what", overflow="fold")
    for heading in ("before", "after"):
        table.add_column(heading, justify="right", no_wrap=True)
    for change in changes:
        if change["change"] != "rate":
            table.add_row(change["offer"], change["change"], "", "")
            continue
        what = f"{_SHORT.get(change['bucket'], change['bucket'])}, {change['when']}"
        rates = ("-" if change[k] is None else f"{change[k]:g}" for k in ("before", "after"))
        table.add_row(change["offer"], what, *rates)
    console.print(table)
    offers = {change["offer"] for change in changes}
    console.print(f"{len(changes)} changes in {len(offers)} offers")
