"""Prices of other projects: imported, compared with the book, and checks of the book."""

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.errors import listed
from simulator.library.prices import Book, cards, moment_s, open_book
from simulator.library.results import Result

if TYPE_CHECKING:
    from simulator.pricing.feeds.feed import Feed, LeftOut

KINDS_SHOWN = 12
"""Most reasons, and most kinds of prices, that are named of what is left out."""
EXAMPLES_SHOWN = 3
"""Most offers that are named of each."""
NAMES_SHOWN = 12
"""Most offers that are named."""


def import_prices(
    source: str, target: str | Path, *, as_of: datetime | None = None, allow_http: bool = False
) -> Result:
    """Write the prices of another project to a file, for use as a book.

    Parameters
    ----------
    source : str
        Prices of genai-prices, LiteLLM, model-prices or models.dev: a JSON file or an https:// URL.
    target : path
        File to write.
    as_of : datetime, optional
        Date of the prices; default: today.
    allow_http : bool
        Accept unencrypted URLs (http://), too.
    """
    from simulator.files.writing import write_files
    from simulator.scenario.catalog.offer_cards import imported_entry

    feed, path = _feed(source, allow_http, as_of), Path(target)
    text = json.dumps({n: imported_entry(card) for n, card in feed.cards.items()}, indent=1)
    write_files(path.parent, {path.name: text + "\n"})
    notes = [
        f"{len(feed.cards)} offers -> {path}",
        *_replacement_notes(path, feed),
        *_left_out_notes(feed.left_out),
    ]
    offers = [{"offer": name} for name in feed.cards]
    document = {
        "file": str(path),
        "offers": list(feed.cards),
        "skipped": feed.left_out.counts(),
        "left_out": asdict(feed.left_out),
    }
    return Result(document, offers, notes=tuple(notes))


def _replacement_notes(target: Path, feed: "Feed") -> list[str]:
    """Return which offers that can be simulated are replaced, kept or missing."""
    from simulator.scenario.catalog.price_book import PriceBook, known_offers

    shipped, opened = PriceBook(), PriceBook.with_file(target)
    wanted = [name for name in known_offers() if not name.startswith("article/")]
    matched = [name for name in wanted if name in feed.cards]
    kept = [name for name in matched if opened.card(name).rows == shipped.card(name).rows]
    missing = [name for name in wanted if name not in feed.cards]
    replaced = [name for name in matched if name not in kept]
    notes = [
        f"of {len(wanted)} offers that can be simulated, {len(kept)} are unchanged and keep the "
        f"book's dates and hours, {len(replaced)} are replaced, "
        f"{len(missing)} are missing"
    ]
    if 0 < len(replaced) <= NAMES_SHOWN:
        notes.append(f"  replaced: {', '.join(replaced)}")
    if 0 < len(missing) <= NAMES_SHOWN:
        notes.append(f"  missing: {', '.join(missing)}")
    return notes


def _left_out_notes(left_out: "LeftOut", feed: str = "") -> list[str]:
    """Return which offers are left out and why, and which prices of the others are not read."""
    offers = sorted(
        left_out.offers.items(), key=lambda item: (item[0].startswith("mode "), -len(item[1]))
    )
    prices = sorted(
        left_out.prices.items(), key=lambda item: ("token" not in item[0], -len(item[1]))
    )
    notes = [
        f"{feed}{_number(names)} left out: {listed(names, EXAMPLES_SHOWN)} ({why})"
        for why, names in offers[:KINDS_SHOWN]
    ]
    notes += [
        f"{feed}{what} is not read: {_number(names)} ({listed(names, EXAMPLES_SHOWN)})"
        for what, names in prices[:KINDS_SHOWN]
    ]
    for what, rest in (
        ("reasons", offers[KINDS_SHOWN:]),
        ("kinds of prices", prices[KINDS_SHOWN:]),
    ):
        if rest:
            touched = {name for _, names in rest for name in names}
            notes.append(f"{feed}{len(rest)} more {what}: {_number(touched)}")
    return notes


def _number(names: Collection[str]) -> str:
    return f"{len(names)} offer{'' if len(names) == 1 else 's'}"


def diff_prices(
    source: str,
    contains: str = "",
    *,
    book: Book = None,
    as_of: datetime | None = None,
    at: datetime | None = None,
    tolerance: float = 0.0,
    allow_http: bool = False,
) -> Result:
    """Compare the prices of another project with the book, now or at another time.

    Parameters
    ----------
    source, as_of, allow_http
        See ``import_prices``.
    contains, book, at
        See ``list_offers``.
    tolerance : float
        Relative difference up to which rates count as equal.
    """
    from simulator.pricing.book import snapshot_offers
    from simulator.pricing.feeds.checking import changes
    from simulator.report.terminal.price_changes import print_changes

    feed = _feed(source, allow_http, as_of)
    text = contains.lower()
    theirs = {name: card for name, card in feed.cards.items() if text in name.lower()}
    snapshot = set(snapshot_offers())
    ours = {
        name: card
        for name, card in cards(open_book(book), contains).items()
        if name in snapshot or name in theirs
    }
    differences = changes(ours, theirs, feed.whole, moment_s(at), tolerance)
    document = {"changes": differences}
    return Result(document, differences, printer=partial(print_changes, differences))


def check_prices(
    sources: Sequence[str] = (),
    *,
    contains: str = "",
    at: datetime | None = None,
    tolerance: float = 0.005,
    proposals: str | Path | None = None,
    everything: bool = False,
    allow_http: bool = False,
) -> Result:
    """Compare the price book with other sources of prices.

    Parameters
    ----------
    sources : sequence of str
        Files or URLs; default: the installed genai-prices, LiteLLM and model-prices.
    contains, at, tolerance, allow_http
        See ``diff_prices``.
    proposals : path, optional
        File to write with the rates that the book lacks.
    everything : bool
        Print explained differences and rates that the book lacks, too.
    """
    from simulator.files.writing import write_files
    from simulator.report.terminal.price_changes import check_document, print_check
    from simulator.scenario.catalog.price_checks import check_feeds, installed_sources, proposal

    notes: list[str] = []
    if sources:
        feeds = {source: _feed(source, allow_http, None) for source in sources}
    else:
        feeds, missing = installed_sources()
        notes += [f"{name} is not installed; pass its file as SOURCE" for name in missing]
    checks = check_feeds(feeds, contains, moment_s(at), tolerance)
    if proposals is not None:
        text, path = proposal(checks), Path(proposals)
        write_files(path.parent, {path.name: text})
        notes.append(f"rows for {len(text.splitlines())} offers -> {path}")
    for feed in feeds.values():
        notes += _left_out_notes(feed.left_out, f"{feed.name}: ")
    document = check_document(checks)
    printer = partial(print_check, checks, everything)
    return Result(document, document["offers"], printer=printer, notes=tuple(notes))


def _feed(source: str, allow_http: bool, as_of: datetime | None) -> "Feed":
    from simulator.files.fetch import is_address
    from simulator.files.text import label
    from simulator.pricing.feeds.reading import read_feed

    raw = _raw_feed(source, allow_http)
    day = (as_of or datetime.now(UTC)).date()
    # The name is written into the file, and the query of a URL may contain a key.
    name = label(source).rstrip("/") if is_address(source) else source
    return read_feed(raw, name.rpartition("/")[2], day)


def _raw_feed(source: str, allow_http: bool) -> Any:
    from simulator.files.fetch import fetch_text, is_address
    from simulator.files.jsontext import NotJson, parse_json, read_json
    from simulator.files.text import fail

    if not is_address(source):
        return read_json(Path(source))
    # The only network access, and only for a URL that the user gave.
    text = fetch_text(source, allow_http)
    try:
        return parse_json(text)
    except NotJson as error:
        fail(source, error.line, error.column, str(error))
