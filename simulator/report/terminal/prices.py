"""Rate cards as documents and on the screen."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
from rich.console import Console

from simulator.pricing.billing import Usage, rates
from simulator.pricing.rates import RateCard
from simulator.pricing.rows import BUCKETS, CALL_BUCKETS, moment_text
from simulator.pricing.standing import marks, standings
from simulator.report.text_tables import plain_table
from simulator.scenario.catalog.offer_schema import Behaviour, Offer

SHORT = {
    "cache_write_1h": "write long",
    "cache_write": "write",
    "cache_read": "read",
    "cache_read_audio": "read audio",
    "cache_read_image": "read image",
    "input_audio": "audio",
    "input_image": "image",
    "input_video": "video",
    "output_audio": "out audio",
    "output_image": "out image",
    "output_video": "out video",
    "per_request": "call",
    "web_search": "web search",
    "file_search": "file search",
    "maps_search": "maps search",
    "code_session": "code session",
}
_EACH = tuple(name for name in CALL_BUCKETS if name != "per_request")
_LISTED = ("input", "cache_read", "output")


def card_document(card: RateCard, at_s: float) -> dict[str, Any]:
    """Return a rate card as plain values, its rates in the units of ``pricing.rows.BUCKETS``.

    ``rates`` are those of a short prompt at a Unix time, outside of peak hours where there are
    some.
    """
    states = standings(card, at_s)
    dates = {name: None if value is None else value
             for name, value in _lifetime(card).items()}  # fmt: skip
    return {
        "offer": card.offer,
        "at": moment_text(datetime.fromtimestamp(at_s, UTC)),
        "as_of": card.as_of.isoformat(),
        "source": card.source,
        "context_tokens": card.context_tok,
        "max_input_tokens": card.max_input_tok,
        "contexts": list(card.contexts),
        "billed_at": card.billed_at,
        "rates": _rates_at(card, at_s),
        "marks": marks(card, at_s),
        "lifetime": dates,
        "not_priced": list(card.left_out),
        "rows": [
            {"when": row.conditions(), "rates": dict(row.rates), "holds": state}
            for row, state in zip(card.rows, states, strict=True)
        ],
    }


def _lifetime(card: RateCard) -> dict[str, Any]:
    known = card.lifetime
    days = ("since", "ends", "at_least_until", "price_at_least_until", "announced", "checked")
    found: dict[str, Any] = {
        day: moment_text(value) for day in days if (value := getattr(known, day)) is not None
    }
    if known.deprecated:
        found["deprecated"] = True
    if known.successor:
        found["successor"] = known.successor
    return {**found, "source": known.source} if found else {}


def _rates_at(card: RateCard, at_s: float) -> dict[str, float]:
    """Rates that the rows name for a short prompt; of hours, the cheapest of the day."""
    hours = [at_s]
    if any(row.timed and row.in_force(at_s) for row in card.rows):
        hours = [at_s + hour * 3600.0 for hour in range(24)]
    calls = Usage.of(np.array(hours), uncached_input=np.ones(len(hours), np.int64))
    found = rates(card, calls, stated=True)
    return {b: float(np.nanmin(r)) for b, r in found.items() if not np.isnan(r).all()}


def print_cards(documents: list[dict[str, Any]], console: Console) -> None:
    """Print offers with what they cost at the moment asked for."""
    table = plain_table()
    if not documents:
        console.print("no offer has this in its name")
        return
    longest = max(len(document["offer"]) for document in documents)
    table.add_column("offer (USD per Mtok)", overflow="fold", min_width=min(longest, 26))
    for heading in ("input", "read", "output", "context"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", min_width=18 if any(d["marks"] for d in documents) else 0)
    for document in documents:
        known = document["rates"]
        context = document["context_tokens"]
        table.add_row(
            document["offer"],
            *(f"{known[b]:g}" if b in known else "-" for b in _LISTED),
            _thousands(context),
            ", ".join(document["marks"]),
        )
    console.print(table)
    first = documents[0]
    console.print(f"{len(documents)} offers, prices at {first['at']}, book as of {first['as_of']}")


def _thousands(tokens: int | None) -> str:
    if tokens is None:
        return "-"
    return f"{tokens:,}" if tokens < 10_000 else f"{tokens / 1000:,.0f}K"


def print_card(
    document: dict[str, Any], offer: Offer | None, everything: bool, console: Console
) -> None:
    """Print the rate rows of one offer and what is known of it; without all, past rows are left."""
    console.print(
        f"{document['offer']}, prices at {document['at']}, book as of {document['as_of']}",
        markup=False,
    )
    shown = [row for row in document["rows"] if everything or row["holds"] != "past"]
    buckets = [b for b in BUCKETS if any(b in row["rates"] for row in shown) and b not in _EACH]
    listed = _joined([row for row in shown if set(row["rates"]) & set(buckets)])
    table = plain_table()
    table.add_column("when (USD per Mtok)", overflow="fold")
    for bucket in buckets:
        table.add_column(SHORT.get(bucket, bucket), justify="right")
    for row in listed:
        values = (f"{row['rates'][b]:g}" if b in row["rates"] else "" for b in buckets)
        when = ", ".join(row["when"]) or "always"
        table.add_row(f"{when} ({row['holds']})" if row["holds"] != "now" else when, *values)
    console.print(table)
    for line in _notes(document, len(document["rows"]) - len(shown)):
        console.print(line, markup=False, soft_wrap=True)
    for line in _behaviour(offer) if offer else ():
        console.print(line, markup=False, soft_wrap=True)
    console.print(f"source: {document['source']}", markup=False, soft_wrap=True)


def _joined(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Join rows of the same conditions that follow each other in time: later rates win."""
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in rows:
        key = (*row["when"], row["holds"])
        known = found.get(key, {"rates": {}})
        found[key] = {**row, "rates": {**known["rates"], **row["rates"]}}
    return list(found.values())


def _notes(document: dict[str, Any], hidden: int) -> list[str]:
    found = []
    each = {b: rate for row in document["rows"] if row["holds"] == "now"
            for b, rate in row["rates"].items() if b in _EACH}  # fmt: skip
    if each:
        words = ", ".join(f"{SHORT[b]} {rate:g}" for b, rate in each.items())
        found.append(f"USD each: {words}")
    if hidden:
        found.append(f"{hidden} earlier rows are not shown: --all shows them")
    if document["billed_at"] == "completion":
        found.append("dated rates by the time of completion")
    if document["max_input_tokens"]:
        found.append(f"greatest input: {document['max_input_tokens']:,} tokens")
    dates = {key: value for key, value in document["lifetime"].items() if key != "source"}
    if dates:
        words = ", ".join(
            f"{key.replace('_', ' ')}: {value}" if value is not True else key
            for key, value in dates.items()
        )
        found.append(f"{words} ({document['lifetime']['source']})")
    if document["not_priced"]:
        found.append(f"priced by the source, not here: {', '.join(document['not_priced'])}")
    return found


def _behaviour(offer: Offer) -> list[str]:
    """What the simulator takes an offer's endpoint to be."""
    found = []
    if offer.cache is not None:
        said = offer.cache
        parts: list[str] = [said.rule]
        if said.rule != "none":
            parts += [f"from {said.min_tok} tokens", f"{said.ttl_s:g} s since the last use"]
            parts += [f"or {said.long_ttl_s:g} s"] if said.long_ttl_s else []
            parts += [f"only with {said.opt_in}"] if said.opt_in else []
            parts += [f"apart for each {said.isolation}"] if said.isolation else []
        found.append(f"prompt cache: {', '.join(parts)}")
    if offer.tiers:
        found.append(f"tiers with limits: {', '.join(offer.tiers)}")
    if offer.endpoint is not None:
        found += _speed(offer.endpoint)
    return found


def _speed(endpoint: Behaviour) -> list[str]:
    prefill = f" + {endpoint.prefill_token_s * 1e6:g} s per Mtok"
    if endpoint.prefill_token2_s:
        prefill += f" + {endpoint.prefill_token2_s * 1e12:g} s per Mtok squared"
    found = [f"speed: {endpoint.output_tok_s:g} tok/s, TTFT {endpoint.ttft_median_s:g} s{prefill}"]
    for reading in endpoint.readings:
        told = [f"{reading.output_tok_s:g} tok/s"] if reading.output_tok_s else []
        told += [f"TTFT {reading.prefill or f'{reading.ttft_s:g} s'}"] if reading.ttft_s else []
        on = f", {reading.on}" if reading.on else ""
        found.append(f"  {reading.kind}: {', '.join(told)} ({reading.by}{on})")
    if not endpoint.readings:
        found.append("  no reading of others is known: assumed, or as the source says")
    return found
