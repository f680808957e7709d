"""``breakeven prices import``, ``diff`` and ``check``: price files of other projects."""

import json
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from simulator.cli.commands.prices import AtOption, BookOption, cards, moment_s, open_book
from simulator.cli.common import Output, OutputOption
from simulator.cli.common import show_result as show_result

if TYPE_CHECKING:
    from collections import Counter

    from simulator.pricing.feeds.feed import Feed

SourceArgument = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="Prices of genai-prices, LiteLLM or model-prices: JSON file or https:// URL.",
    ),
]
HttpOption = Annotated[
    bool, typer.Option("--allow-http", help="Also accept unencrypted URLs (http://).")
]
AsOfOption = Annotated[
    datetime | None,
    typer.Option("--as-of", formats=["%Y-%m-%d"], help="Date of the prices; default: today."),
]
ToleranceOption = Annotated[
    float,
    typer.Option(
        "--tolerance", min=0, max=1, help="Relative difference up to which rates count as equal."
    ),
]
_LEFT_OUT_SHOWN = 8
_NAMES_SHOWN = 12


def import_prices(
    source: SourceArgument,
    target: Annotated[Path, typer.Argument(metavar="TARGET.json", help="Price file to write.")],
    as_of: AsOfOption = None,
    allow_http: HttpOption = False,
) -> None:
    """Import newer prices from a file or URL.

    Use the written file with --book, or as the price_file of a scenario.
    """
    from simulator.files.writing import write_files
    from simulator.scenario.catalog.offer_cards import imported_entry

    feed = _feed(source, allow_http, as_of)
    text = json.dumps({n: imported_entry(card) for n, card in feed.cards.items()}, indent=1)
    write_files(target.parent, {target.name: text + "\n"})
    sys.stderr.write(f"{len(feed.cards)} offers -> {target}\n")
    _report_replaced(target, feed)
    _report_left_out(feed.left_out)


def _report_replaced(target: Path, feed: "Feed") -> None:
    """Report which offers that can be simulated are replaced, kept or missing."""
    from simulator.scenario.catalog.price_book import PriceBook, known_offers

    shipped, opened = PriceBook(), PriceBook.with_file(target)
    wanted = [name for name in known_offers() if not name.startswith("article/")]
    matched = [name for name in wanted if name in feed.cards]
    kept = [name for name in matched if opened.card(name).rows == shipped.card(name).rows]
    missing = [name for name in wanted if name not in feed.cards]
    replaced = [name for name in matched if name not in kept]
    sys.stderr.write(
        f"of {len(wanted)} offers that can be simulated, {len(kept)} are unchanged and keep the "
        f"book's dates and hours, {len(replaced)} are replaced, "
        f"{len(missing)} are missing\n"
    )
    if 0 < len(replaced) <= _NAMES_SHOWN:
        sys.stderr.write(f"  replaced: {', '.join(replaced)}\n")
    if 0 < len(missing) <= _NAMES_SHOWN:
        sys.stderr.write(f"  missing: {', '.join(missing)}\n")


def _report_left_out(left_out: "Counter[str]", name: str = "") -> None:
    if not left_out:
        return
    total = sum(left_out.values())
    sys.stderr.write(f"{name}skipped {total} prices and entries of these kinds:\n")
    for what, count in left_out.most_common(_LEFT_OUT_SHOWN):
        sys.stderr.write(f"  {count} {what}\n")
    if len(left_out) > _LEFT_OUT_SHOWN:
        rest = sum(count for _, count in left_out.most_common()[_LEFT_OUT_SHOWN:])
        sys.stderr.write(f"  {rest} of {len(left_out) - _LEFT_OUT_SHOWN} other kinds\n")


def diff(
    source: SourceArgument,
    contains: Annotated[
        str, typer.Argument(metavar="[TEXT]", help="Only offers with this text in their name.")
    ] = "",
    book: BookOption = None,
    as_of: AsOfOption = None,
    at: AtOption = None,
    tolerance: ToleranceOption = 0.0,
    allow_http: HttpOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show what a newer price file would change, now or at another time."""
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
    show_result(output, {"changes": differences}, differences, partial(print_changes, differences))


def check(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SOURCE]...",
            help="Files or URLs; default: the installed genai-prices, LiteLLM, model-prices.",
        ),
    ] = None,
    contains: Annotated[
        str,
        typer.Option("--only", metavar="TEXT", help="Only offers with this text in their name."),
    ] = "",
    at: AtOption = None,
    tolerance: ToleranceOption = 0.005,
    propose: Annotated[
        Path | None,
        typer.Option(
            "--propose", metavar="FILE", help="Write the rates that the book lacks to this file."
        ),
    ] = None,
    everything: Annotated[
        bool,
        typer.Option(
            "--all", help="Also list explained differences and rates that the book lacks."
        ),
    ] = False,
    allow_http: HttpOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Compare the price book with other sources of prices."""
    from simulator.files.writing import write_files
    from simulator.report.terminal.price_changes import check_document, print_check
    from simulator.scenario.catalog.price_checks import check_feeds, installed_sources, proposal

    if sources:
        feeds = {source: _feed(source, allow_http, None) for source in sources}
    else:
        feeds, missing = installed_sources()
        for name in missing:
            sys.stderr.write(f"{name} is not installed; pass its file as SOURCE\n")
    checks = check_feeds(feeds, contains, moment_s(at), tolerance)
    if propose is not None:
        text = proposal(checks)
        write_files(propose.parent, {propose.name: text})
        offers = len(text.splitlines())
        sys.stderr.write(f"rows for {offers} offers -> {propose}\n")
    for feed in feeds.values():
        _report_left_out(feed.left_out, f"{feed.name}: ")
    document = check_document(checks)
    show_result(output, document, document["offers"], partial(print_check, checks, everything))


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
