"""Find the offers of LiteLLM's price map in the book by their names, and compare the prices.

usage: python validation/offer_names.py model_prices_and_context_window.json [--write]

Prints how many names lead to an offer, and to which price. ``--write`` renews the sample in
tests/support/data/offer_names.csv: names, offers and prices only, without the names that the book
itself uses. A price that differs needs a reason here; the test fails where one has none.
"""

import argparse
import csv
import io
import math
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from simulator.errors import InputError
from simulator.files.jsontext import read_json
from simulator.files.writing import write_files
from simulator.report.terminal.prices import card_document
from simulator.scenario.catalog.price_book import PriceBook
from simulator.units import MTOK

OUT = Path(__file__).parents[1] / "tests" / "support" / "data" / "offer_names.csv"
AT = datetime(2026, 11, 27, 12, tzinfo=UTC)
MODES = ("chat", "completion", "responses", "embedding")
COLUMNS = ("name", "offer", "input_per_mtok", "output_per_mtok", "differs")
TOLERANCE = 0.005
REASONS = (  # the first matching pattern of a name is used
    (r"^(bedrock_mantle/)?(anthropic|openai)\..*|^claude-.*-v1:0", "region"),
    (r"^(deepseek/)?deepseek-(flash|v4-flash|v4-pro)$", "peak"),
    (r"^(deepseek/)?deepseek-(chat|reasoner)", "ended"),
    (r"^(ovhcloud|bigmodel)/.*", "currency"),
    (r".*", "sources"),
)
"""Why the map has another price than the book: it prices names of Bedrock without a region at the
global rate, it has the price of the peak hours, or one from before the end of an offer, it converts
another currency at another rate, or the two sources state different prices."""
REFUSALS = (
    (r"several|name one of", "stand for several offers"),
    (r"no such snapshot", "name a snapshot that the book lacks"),
    (r"in region", "name a region without a known price"),
    (r".*", "name a model or provider that the book lacks"),
)
"""Why a name is refused, by patterns of the message."""


def main() -> None:
    """Print the comparison, and write the sample if that is wanted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("map", type=Path)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    rows, refused = compared(read_json(arguments.map))
    reasons = Counter(row[-1] or "the same price" for row in rows)
    print(f"{len(rows)} names lead to an offer: {counted(reasons)}")
    print(f"{sum(refused.values())} names are refused: {counted(refused)}")
    if arguments.write:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([COLUMNS, *rows])
        write_files(OUT.parent, {OUT.name: text.getvalue()})


def compared(entries: dict[str, Any]) -> tuple[list[tuple[str, ...]], Counter[str]]:
    """Return the names that lead to an offer of another name, and counts of the refused ones."""
    book, rows = PriceBook(), []
    refused: Counter[str] = Counter()
    for name, entry in entries.items():
        if entry.get("mode") not in MODES or "input_cost_per_token" not in entry:
            continue
        try:
            offer = book.find(name).offer
            rates = card_document(book.card(name), AT.timestamp())["rates"]
        except InputError as error:
            refused[first_match(str(error), REFUSALS)] += 1
            continue
        theirs = [usd(entry.get(f"{side}_cost_per_token")) for side in ("input", "output")]
        pairs = zip(theirs, (rates.get("input", 0.0), rates.get("output", 0.0)), strict=True)
        same = all(math.isclose(a, b, rel_tol=TOLERANCE) for a, b in pairs)
        if name != offer:
            differs = "" if same else first_match(name, REASONS)
            rows.append((name, offer, *(f"{price:g}" for price in theirs), differs))
    return rows, refused


def usd(usd_per_token: float | None) -> float:
    """Return a price of the map in USD per million tokens; 0 if there is none."""
    return round((usd_per_token or 0.0) * MTOK, 9)


def first_match(text: str, patterns: tuple[tuple[str, str], ...]) -> str:
    """Return the word of the first pattern that is found in a text."""
    return next(word for pattern, word in patterns if re.search(pattern, text))


def counted(counts: Counter[str]) -> str:
    """Return counts as words."""
    return ", ".join(f"{count} {word}" for word, count in counts.most_common())


if __name__ == "__main__":
    main()
