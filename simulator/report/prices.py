"""Rate cards as documents and on the screen."""

from typing import Any

from rich.console import Console
from rich.table import Table

from simulator.pricing.rates import BUCKETS, RateCard, RateRow

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
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
        "rows": [{"when": _conditions(row), "rates": dict(row.rates)} for row in card.rows],
    }


def _conditions(row: RateRow) -> list[str]:
    found = []
    if row.context is not None:
        found.append(row.context)
    if row.thinking is not None:
        found.append("thinking" if row.thinking else "not thinking")
    if row.prompt_tokens_above is not None:
        found.append(f"prompt > {row.prompt_tokens_above}")
    if row.prompt_tokens_from is not None:
        found.append(f"prompt >= {row.prompt_tokens_from}")
    if row.from_date is not None:
        found.append(f"from {row.from_date}")
    if row.until_date is not None:
        found.append(f"until {row.until_date}")
    if row.utc_window_s is not None:
        begin, end = (f"{int(s) // 3600:02}:{int(s) % 3600 // 60:02}" for s in row.utc_window_s)
        found.append(f"{begin}-{end} UTC")
    if row.utc_days is not None:
        found.append(" ".join(_DAYS[day] for day in sorted(row.utc_days)))
    if row.not_on:
        found.append("not on holidays")
    return found


def print_cards(documents: list[dict[str, Any]], console: Console) -> None:
    """Print offers with their base rates."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
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
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
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
