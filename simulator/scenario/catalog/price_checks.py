"""Comparison of the price book with other price files, and explanations of known differences."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from simulator.files.jsontext import read_json
from simulator.pricing.book import NoTokenPriceError
from simulator.pricing.feeds.checking import Check, KnownDifference, check
from simulator.pricing.feeds.feed import Feed
from simulator.pricing.feeds.genai import providers_feed
from simulator.pricing.feeds.reading import read_feed
from simulator.pricing.rates import RateCard
from simulator.scenario.catalog.offer_cards import row_entry
from simulator.scenario.catalog.price_book import PriceBook
from simulator.scenario.document.base_section import Section
from simulator.scenario.document.document import read_yaml, validate

EXPLANATIONS = Path(__file__).parents[2] / "pricing" / "explanations.yaml"
_INSTALLED = {
    "litellm": ("litellm", "model_prices_and_context_window_backup.json"),
    "model-prices": ("model_prices", "snapshot.json"),
}


class _Explanation(Section):
    """An explanation of a difference between a source and the book."""

    source: Literal["genai-prices", "litellm", "model-prices", "models.dev", "*"]
    """Source that differs, or ``*`` for all."""
    offers: list[str]
    """Names of offers, or patterns with ``*``."""
    context: str = "*"
    """Context of the differing rates, or ``*`` for all."""
    bucket: str = "*"
    """Bucket of the differing rates, or ``*`` for all."""
    why: str
    """Reason for the difference, and why the book keeps its rate."""


class _Explanations(Section):
    """The whole file of explanations."""

    explanations: list[_Explanation]


@cache
def explanations() -> list[KnownDifference]:
    """Return the explanations of known differences."""
    section = validate(_Explanations, read_yaml(EXPLANATIONS), ())
    return [
        KnownDifference(each.source, offer, each.why, each.context, each.bucket)
        for each in section.explanations
        for offer in each.offers
    ]


def installed_sources() -> tuple[dict[str, Feed], list[str]]:
    """Return the feeds of installed packages, and the names of absent packages.

    The files of LiteLLM and model-prices are read without importing the packages.
    """
    from genai_prices.data import providers

    today = datetime.now(UTC).date()
    name = f"genai-prices {version('genai-prices')}"
    feeds = {name: providers_feed(providers, name, today, name)}
    absent = []
    for package, (module, file) in _INSTALLED.items():
        path = _package_file(module, file)
        if path is None:
            absent.append(package)
            continue
        label = f"{package} {version(package)}"
        feeds[label] = read_feed(read_json(path), label, today)
    return feeds, absent


def _package_file(module: str, file: str) -> Path | None:
    """Return a file of an installed package, which is not imported."""
    with suppress(PackageNotFoundError, ValueError):
        spec = find_spec(module)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            if (Path(folder) / file).is_file():
                return Path(folder) / file
    return None


def check_feeds(
    feeds: dict[str, Feed], contains: str, at_s: float, tolerance: float
) -> list[Check]:
    """Compare the book with feeds at a Unix time, for offers whose names contain a text."""
    book = PriceBook()
    known = set(book.names())

    def card_of(offer: str) -> RateCard | None:
        if offer not in known or contains.lower() not in offer.lower():
            return None
        with suppress(NoTokenPriceError):
            return book.card(offer)
        return None

    return [check(feed, card_of, explanations(), at_s, tolerance) for feed in feeds.values()]


def proposal(checks: list[Check]) -> str:
    """Return an overlay of rates that the sources have and the book lacks, with their sources.

    If several sources have rows for an offer, the first one is used.
    """
    entries: dict[str, dict[str, Any]] = {}
    for check_ in checks:
        for offer, rows in check_.rows.items():
            if offer not in entries:
                row_entries = [row_entry(row) for row in rows]
                entries[offer] = {"rows": row_entries, "source": f"{check_.name} (published)"}
    return "".join(f"{json.dumps(k)}: {json.dumps(v)}\n" for k, v in sorted(entries.items()))
