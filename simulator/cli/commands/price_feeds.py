"""``breakeven prices import``, ``diff`` and ``check``: the price files of others."""

import json
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from simulator.cli.commands.prices import AtOption, BookOption, cards, moment_s, open_book
from simulator.cli.common import Output, OutputOption
from simulator.cli.common import show as show_result

if TYPE_CHECKING:
    from collections import Counter

    from simulator.pricing.feeds.feed import Feed

SourceArgument = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="Price JSON of genai-prices, LiteLLM or model-prices: path or https:// URL.",
    ),
]
HttpOption = Annotated[
    bool, typer.Option("--allow-http", help="Take a URL that is not encrypted (http://), too.")
]
AsOfOption = Annotated[
    datetime | None,
    typer.Option("--as-of", formats=["%Y-%m-%d"], help="Day of the prices; default: today."),
]
ToleranceOption = Annotated[
    float,
    typer.Option(
        "--tolerance", min=0, max=1, help="Share by which rates may differ and still be alike."
    ),
]
_LEFT_OUT_SHOWN = 8
_NAMES_SHOWN = 12


def import_prices(
    source: SourceArgument,
    target: Annotated[Path, typer.Argument(metavar="TARGET.json", help="File to write.")],
    as_of: AsOfOption = None,
    allow_http: HttpOption = False,
) -> None:
    """Take newer prices from a file or URL; scenarios name the target as their price_file."""
    from simulator.files.writing import write_files
    from simulator.scenario.catalog.offer_cards import imported_entry

    feed = _feed(source, allow_http, as_of)
    text = json.dumps({n: imported_entry(card) for n, card in feed.cards.items()}, indent=1)
    write_files(target.parent, {target.name: text + "\n"})
    sys.stderr.write(f"{len(feed.cards)} offers -> {target}\n")
    _tell_book(target, feed)
    _tell_left_out(feed.left_out)


def _tell_book(target: Path, feed: "Feed") -> None:
    """Say what becomes of the offers that can be simulated."""
    from simulator.scenario.catalog.price_book import PriceBook, known_offers

    shipped, opened = PriceBook(), PriceBook.with_file(target)
    wanted = [name for name in known_offers() if not name.startswith("article/")]
    found = [name for name in wanted if name in feed.cards]
    kept = [name for name in found if opened.card(name).rows == shipped.card(name).rows]
    lacking = [name for name in wanted if name not in feed.cards]
    replaced = [name for name in found if name not in kept]
    sys.stderr.write(
        f"of {len(wanted)} offers that can be simulated, {len(kept)} say what the book says and "
        f"keep its dates and hours, {len(replaced)} are replaced, "
        f"{len(lacking)} are not in it\n"
    )
    if 0 < len(replaced) <= _NAMES_SHOWN:
        sys.stderr.write(f"  replaced: {', '.join(replaced)}\n")
    if 0 < len(lacking) <= _NAMES_SHOWN:
        sys.stderr.write(f"  not in it: {', '.join(lacking)}\n")


def _tell_left_out(left_out: "Counter[str]", name: str = "") -> None:
    if not left_out:
        return
    total = sum(left_out.values())
    sys.stderr.write(f"{name}left out: {total} prices and entries of these kinds\n")
    for what, count in left_out.most_common(_LEFT_OUT_SHOWN):
        sys.stderr.write(f"  {count} {what}\n")
    if len(left_out) > _LEFT_OUT_SHOWN:
        rest = sum(count for _, count in left_out.most_common()[_LEFT_OUT_SHOWN:])
        sys.stderr.write(f"  {rest} of {len(left_out) - _LEFT_OUT_SHOWN} other kinds\n")


def diff(
    source: SourceArgument,
    contains: Annotated[
        str, typer.Argument(metavar="[TEXT]", help="Only offers with this in their name.")
    ] = "",
    book: BookOption = None,
    as_of: AsOfOption = None,
    at: AtOption = None,
    tolerance: ToleranceOption = 0.0,
    allow_http: HttpOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show what a newer price file changes in the book, now or at another moment."""
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
    found = changes(ours, theirs, feed.whole, moment_s(at), tolerance)
    show_result(output, {"changes": found}, found, partial(print_changes, found))


def check(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SOURCE]...",
            help="Paths or URLs; default: genai-prices, LiteLLM and model-prices, as installed.",
        ),
    ] = None,
    contains: Annotated[
        str, typer.Option("--only", metavar="TEXT", help="Only offers with this in their name.")
    ] = "",
    at: AtOption = None,
    tolerance: ToleranceOption = 0.005,
    propose: Annotated[
        Path | None,
        typer.Option("--propose", metavar="FILE", help="Write what the book lacks as an overlay."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="List what is explained and what the book lacks.")
    ] = False,
    allow_http: HttpOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Compare the book with what others say: agreement by source, differences by offer."""
    from simulator.files.writing import write_files
    from simulator.report.terminal.price_changes import check_document, print_check
    from simulator.scenario.catalog.price_checks import check_feeds, installed_sources, proposal

    if sources:
        feeds = {source: _feed(source, allow_http, None) for source in sources}
    else:
        feeds, absent = installed_sources()
        for name in absent:
            sys.stderr.write(f"{name} is not installed: give its file as a SOURCE\n")
    found = check_feeds(feeds, contains, moment_s(at), tolerance)
    if propose is not None:
        text = proposal(found)
        write_files(propose.parent, {propose.name: text})
        offers = len(text.splitlines())
        sys.stderr.write(f"rows for {offers} offers -> {propose}\n")
    for feed in feeds.values():
        _tell_left_out(feed.left_out, f"{feed.name}: ")
    document = check_document(found)
    show_result(output, document, document["offers"], partial(print_check, found, everything))


def _feed(source: str, allow_http: bool, as_of: datetime | None) -> "Feed":
    from simulator.files.fetch import is_address
    from simulator.files.text import label
    from simulator.pricing.feeds.reading import read_feed

    raw = _raw_feed(source, allow_http)
    day = (as_of or datetime.now(UTC)).date()
    # A query may hold a key, and the name is written into the file.
    name = label(source).rstrip("/") if is_address(source) else source
    return read_feed(raw, name.rpartition("/")[2], day)


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
