"""Documents and tables of rate cards, for ``prices list`` and ``prices show``."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
from rich.console import Console

from simulator.errors import listed
from simulator.pricing.billing import Usage, rates
from simulator.pricing.rates import RateCard
from simulator.pricing.rows import BUCKETS, CALL_BUCKETS, moment_text
from simulator.pricing.standing import marks, standings
from simulator.report.formatting import digits, tokens
from simulator.report.text_tables import add_figures, plain_table
from simulator.scenario.catalog.offer_schema import Behaviour, Offer
from simulator.units import HOUR_S

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
MOST_NAMES = 6
"""Most further names of an offer that are printed."""
_LISTED = ("input", "cache_read", "output")


def card_document(card: RateCard, at_s: float) -> dict[str, Any]:
    """Return a rate card as plain values, its rates in the units of ``pricing.rows.BUCKETS``.

    ``rates`` holds the rates of a short prompt at a Unix time; the lowest of the day where rates
    depend on the hour.
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
    lifetime = card.lifetime
    days = ("since", "ends", "at_least_until", "price_at_least_until", "announced", "checked")
    dates: dict[str, Any] = {
        day: moment_text(value) for day in days if (value := getattr(lifetime, day)) is not None
    }
    if lifetime.deprecated:
        dates["deprecated"] = True
    if lifetime.successor:
        dates["successor"] = lifetime.successor
    return {**dates, "source": lifetime.source} if dates else {}


def _rates_at(card: RateCard, at_s: float) -> dict[str, float]:
    """Return the rates stated for a short prompt, the lowest of the day where hours matter."""
    hours = [at_s]
    if any(row.timed and row.in_force(at_s) for row in card.rows):
        hours = [at_s + hour * HOUR_S for hour in range(24)]
    calls = Usage.of(np.array(hours), uncached_input=np.ones(len(hours), np.int64))
    rates_usd = rates(card, calls, stated=True)
    return {b: float(np.nanmin(r)) for b, r in rates_usd.items() if not np.isnan(r).all()}


def print_cards(documents: list[dict[str, Any]], console: Console) -> None:
    """Print the standard rates of offers at the requested moment."""
    table = plain_table()
    longest = max(len(document["offer"]) for document in documents)
    table.add_column("offer (USD per Mtok)", overflow="fold", min_width=min(longest, 26))
    add_figures(table, ("input", "read", "output", "context"))
    table.add_column("", min_width=18 if any(d["marks"] for d in documents) else 0)
    for document in documents:
        table.add_row(
            document["offer"],
            *(digits(document["rates"].get(bucket)) for bucket in _LISTED),
            tokens(document["context_tokens"]),
            ", ".join(document["marks"]),
        )
    console.print(table)
    first = documents[0]
    console.print(f"{len(documents)} offers, prices at {first['at']}, book as of {first['as_of']}")


def print_card(
    document: dict[str, Any], offer: Offer | None, everything: bool, console: Console
) -> None:
    """Print the rate rows of one offer and its facts; past rows only with ``everything``."""
    console.print(
        f"{document['offer']}, prices at {document['at']}, book as of {document['as_of']}",
        markup=False,
    )
    shown = [row for row in document["rows"] if everything or row["holds"] != "past"]
    buckets = [b for b in BUCKETS if any(b in row["rates"] for row in shown) and b not in _EACH]
    joined = _join_rows([row for row in shown if set(row["rates"]) & set(buckets)])
    table = plain_table()
    table.add_column("when (USD per Mtok)", overflow="fold")
    for bucket in buckets:
        table.add_column(SHORT.get(bucket, bucket), justify="right")
    for row in joined:
        values = (f"{row['rates'][b]:g}" if b in row["rates"] else "" for b in buckets)
        when = ", ".join(row["when"]) or "always"
        table.add_row(f"{when} ({row['holds']})" if row["holds"] != "now" else when, *values)
    console.print(table)
    if document["also_named"]:
        console.print(
            f"also named: {listed(document['also_named'], MOST_NAMES)}",
            markup=False,
            soft_wrap=True,
        )
    for line in _price_notes(document, len(document["rows"]) - len(shown)):
        console.print(line, markup=False, soft_wrap=True)
    for line in _behaviour_notes(offer) if offer else ():
        console.print(line, markup=False, soft_wrap=True)
    console.print(f"source: {document['source']}", markup=False, soft_wrap=True)


def _join_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Merge rows with the same conditions and standing; rates of later rows win."""
    joined: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in rows:
        key = (*row["when"], row["holds"])
        earlier = joined.get(key, {"rates": {}})
        joined[key] = {**row, "rates": {**earlier["rates"], **row["rates"]}}
    return list(joined.values())


def _price_notes(document: dict[str, Any], hidden: int) -> list[str]:
    notes = []
    fees = {b: rate for row in document["rows"] if row["holds"] == "now"
            for b, rate in row["rates"].items() if b in _EACH}  # fmt: skip
    if fees:
        words = ", ".join(f"{SHORT[b]} {rate:g}" for b, rate in fees.items())
        notes.append(f"USD each: {words}")
    if hidden:
        notes.append(f"{hidden} earlier rows are hidden; --all shows them")
    if document["billed_at"] == "completion":
        notes.append("dated rates are chosen by the time of completion")
    if document["max_input_tokens"]:
        notes.append(f"maximum input: {document['max_input_tokens']:,} tokens")
    dates = {key: value for key, value in document["lifetime"].items() if key != "source"}
    if dates:
        words = ", ".join(
            f"{key.replace('_', ' ')}: {value}" if value is not True else key
            for key, value in dates.items()
        )
        notes.append(f"{words} ({document['lifetime']['source']})")
    if document["not_priced"]:
        notes.append(f"priced by the source but not supported: {', '.join(document['not_priced'])}")
    return notes


def _behaviour_notes(offer: Offer) -> list[str]:
    """Describe the simulated behaviour of an offer's endpoint."""
    notes = []
    if offer.cache is not None:
        rule = offer.cache
        parts: list[str] = [rule.rule]
        if rule.rule != "none":
            parts += [f"from {rule.min_tok} tokens", f"kept {rule.ttl_s:g} s after the last use"]
            parts += [f"or {rule.long_ttl_s:g} s"] if rule.long_ttl_s else []
            parts += [f"opt-in by {rule.opt_in}"] if rule.opt_in else []
            parts += [f"separate for each {rule.isolation}"] if rule.isolation else []
        notes.append(f"prompt cache: {', '.join(parts)}")
    if offer.tiers:
        notes.append(f"account tiers with limits: {', '.join(offer.tiers)}")
    if offer.endpoint is not None:
        notes += _speed_notes(offer.endpoint)
    return notes


def _speed_notes(endpoint: Behaviour) -> list[str]:
    prefill = f" + {endpoint.prefill_token_s * 1e6:g} s per Mtok"
    if endpoint.prefill_token2_s:
        prefill += f" + {endpoint.prefill_token2_s * 1e12:g} s per Mtok squared"
    notes = [f"speed: {endpoint.output_tok_s:g} tok/s, TTFT {endpoint.ttft_median_s:g} s{prefill}"]
    for reading in endpoint.readings:
        figures = [f"{reading.output_tok_s:g} tok/s"] if reading.output_tok_s else []
        figures += [f"TTFT {reading.prefill or f'{reading.ttft_s:g} s'}"] if reading.ttft_s else []
        day = f", {reading.on}" if reading.on else ""
        notes.append(f"  {reading.kind}: {', '.join(figures)} ({reading.by}{day})")
    if not endpoint.readings:
        notes.append("  no third-party reading is known: assumed, or as the source states")
    return notes
