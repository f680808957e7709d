"""Documents and tables of ``prices diff`` and ``prices check``."""

from typing import Any

from rich.console import Console

from simulator.pricing.feeds.checking import Check, OfferDifference
from simulator.report.formatting import digits
from simulator.report.terminal.prices import SHORT
from simulator.report.text_tables import add_figures, plain_table

NAMES_SHOWN = 20
"""Most new offers, and most that are gone, that are named one by one."""


def print_changes(changes: list[dict[str, Any]], console: Console) -> None:
    """Print the changes from one price book to another."""
    table = plain_table()
    table.add_column("offer (USD per Mtok)", overflow="fold")
    table.add_column("what", overflow="fold")
    add_figures(table, ("before", "after", "change"))
    for change in changes:
        if change["change"] == "rate":
            what = f"{SHORT.get(change['bucket'], change['bucket'])}, {change['when']}"
            usd = (digits(change[k]) for k in ("before", "after"))
            percent = change["percent"]
            table.add_row(
                change["offer"], what, *usd, "" if percent is None else f"{percent:+.1f}%"
            )
        elif "when" in change:
            table.add_row(change["offer"], f"{change['when']} {change['change']}", "", "", "")
    if table.row_count:
        console.print(table)
    for word in ("new", "gone"):
        _print_offers(word, [c for c in changes if c["change"] == word and "rates" in c], console)
    offers = {change["offer"] for change in changes}
    console.print(f"{len(changes)} changes in {len(offers)} offers")


def _print_offers(word: str, changes: list[dict[str, Any]], console: Console) -> None:
    """Print the names and rates of offers that only one book has."""
    for change in changes[:NAMES_SHOWN]:
        usd = ", ".join(f"{SHORT.get(b, b)} {digits(rate)}" for b, rate in change["rates"].items())
        console.print(f"{word}: {change['offer']} ({usd})", markup=False, soft_wrap=True)
    if len(changes) > NAMES_SHOWN:
        rest = len(changes) - NAMES_SHOWN
        console.print(f"{word}: {rest} more offers, which --output json lists")


def check_document(checks: list[Check]) -> dict[str, Any]:
    """Return a check as plain values."""
    return {
        "sources": [
            {
                "source": check.source,
                "name": check.name,
                "offers": check.offers,
                "same": check.same,
                "differing": [_difference_document(found) for found in check.differing],
                "explained": [_difference_document(found) for found in check.explained],
                "missing": [_difference_document(found) for found in check.missing],
                "only_book": check.only_book,
                "agreement": check.agreement,
                "facts": [{"offer": offer, "fact": text} for offer, text in check.facts],
            }
            for check in checks
        ],
        "offers": _by_offer(checks),
    }


def _difference_document(found: OfferDifference) -> dict[str, Any]:
    difference = found.difference
    plain = {
        "offer": found.offer,
        "context": difference.context,
        "bucket": difference.bucket,
        "when": difference.when,
        "book": difference.before,
        "source": difference.after,
    }
    return {**plain, "why": found.why} if found.why else plain


def _by_offer(checks: list[Check]) -> list[dict[str, Any]]:
    """Count by offer how many rates each source differs on, explains or adds."""
    offers: dict[str, dict[str, Any]] = {}
    for check in checks:
        for kind in ("differing", "explained", "missing"):
            for found in getattr(check, kind):
                row = offers.setdefault(found.offer, {"offer": found.offer})
                key = f"{check.source} {kind}"
                row[key] = row.get(key, 0) + 1
    return [offers[name] for name in sorted(offers)]


def print_check(checks: list[Check], everything: bool, console: Console) -> None:
    """Print how far the book agrees with its sources, and every unexplained difference."""
    table = plain_table()
    table.add_column("source", overflow="fold")
    for heading in ("offers", "same", "different", "explained", "missing", "agreement"):
        table.add_column(heading, justify="right")
    for check in checks:
        table.add_row(
            check.name, f"{check.offers}", f"{check.same}", f"{len(check.differing)}",
            f"{len(check.explained)}", f"{len(check.missing)}", f"{check.agreement:.2%}",
        )  # fmt: skip
    console.print(table)
    for check in checks:
        _print_differences("different", check, check.differing, console)
        if everything:
            _print_differences("explained", check, check.explained, console)
            _print_differences("not in the book", check, check.missing, console)
        if everything and check.facts:
            console.print(f"\n{check.name} states:")
            for offer, text in check.facts:
                console.print(f"  {offer} {text}", markup=False, soft_wrap=True)
    if not everything:
        console.print("--all lists explained differences and what the book lacks")


def _print_differences(
    what: str, check: Check, differences: list[OfferDifference], console: Console
) -> None:
    if not differences:
        return
    table = plain_table()
    table.add_column(f"{what}: {check.source}", overflow="fold")
    table.add_column("", overflow="fold")
    table.add_column("book", justify="right")
    table.add_column("source", justify="right")
    table.add_column("", overflow="fold")
    for found in differences:
        rate = found.difference
        context = "" if rate.context == "standard" else f"{rate.context} "
        when = "" if rate.when == "always" else f", {rate.when}"
        usd = ("-" if value is None else f"{value:g}" for value in (rate.before, rate.after))
        bucket = SHORT.get(rate.bucket, rate.bucket)
        table.add_row(found.offer, f"{context}{bucket}{when}", *usd, found.why)
    console.print()
    console.print(table)
