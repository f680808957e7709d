"""Prices: the shipped book, and the cost of usage."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO, get_args

from simulator.callbacks import Tell, ignore_progress
from simulator.errors import InputError
from simulator.files.numbers import must_be
from simulator.library.results import PricedFile, Result, UsageResult

if TYPE_CHECKING:
    from simulator.pricing.rates import RateCard
    from simulator.scenario.catalog.price_book import PriceBook
    from simulator.scenario.tables.usage import Spans

Book = str | Path | None
"""File written by ``import_prices``, whose prices precede the shipped ones; None: only these."""

OfferOrder = Literal["name", "input", "output", "cache_read", "context"]
"""Orders of listed offers."""

MOST_DOUBTS = 10
"""Most notes about prices outside the dates that the book covers."""


def list_offers(
    contains: str = "",
    *,
    provider: str | None = None,
    simulated: bool = False,
    sort: OfferOrder = "name",
    at: datetime | None = None,
    book: Book = None,
) -> Result:
    """List offers with their prices.

    Parameters
    ----------
    contains : str
        Only offers with this text in their name.
    provider : str, optional
        Only offers of this provider, by any of its names.
    simulated : bool
        Only offers that can be simulated.
    sort : {"name", "input", "output", "cache_read", "context"}
        Order: by name, or by a price or the size of the context, the lowest first.
    at : datetime, optional
        Time of the prices, in UTC unless it has a time zone; default: now.
    book : path, optional
        File written by ``import_prices``.

    Raises
    ------
    InputError
        When no offer is left, or the provider is unknown.
    """
    from simulator.scenario.catalog.offers.search import offers_with_text, select

    opened = open_book(book)
    names = select(opened, offers_with_text(opened, contains), provider, simulated)
    return _listed(opened, names, sort, at)


def find_offers(
    words: Sequence[str],
    *,
    provider: str | None = None,
    simulated: bool = False,
    sort: OfferOrder = "name",
    at: datetime | None = None,
    book: Book = None,
) -> Result:
    """List the offers that all of some words describe, in any order, with their prices.

    Parameters
    ----------
    words : sequence of str
        Parts of names, providers, makers or families, such as ``llama``, ``70b`` or ``bedrock``.
    provider, simulated, sort, at, book
        As for ``list_offers``.

    Raises
    ------
    InputError
        When no offer is left, or the provider is unknown.
    """
    from simulator.scenario.catalog.offers.search import offers_by_words, select

    opened = open_book(book)
    names = select(opened, offers_by_words(opened, words), provider, simulated)
    return _listed(opened, names, sort, at)


def _listed(
    book: "PriceBook", names: Sequence[str], sort: OfferOrder, at: datetime | None
) -> Result:
    """Return the prices of offers in an order; those without a token price are left out."""
    from simulator.report.terminal.prices import card_document, print_cards
    from simulator.scenario.catalog.price_book import known_offers

    simulated = set(known_offers())
    documents: list[dict[str, Any]] = [
        {**card_document(card, moment_s(at)), "simulated": name in simulated}
        for name, card in _token_cards(book, names).items()
    ]
    if not documents:
        raise InputError(f"the price book has no token price of {', '.join(names[:3])}")
    documents.sort(key=partial(_order, sort))
    return Result({"offers": documents}, documents, printer=partial(print_cards, documents))


def _order(sort: OfferOrder, document: dict[str, Any]) -> tuple[bool, float, str]:
    """Return the rank of an offer; those without the figure come last."""
    if sort not in get_args(OfferOrder):
        raise InputError(must_be("sort", f"one of {', '.join(get_args(OfferOrder))}", sort))
    figures = {**document["rates"], "context": document["context_tokens"], "name": 0.0}
    figure = figures.get(sort)
    return figure is None, figure or 0.0, document["offer"]


def show_offer(
    offer: str, *, at: datetime | None = None, book: Book = None, everything: bool = False
) -> Result:
    """Return the rates, conditions, dates and behaviour of an offer.

    Parameters
    ----------
    offer : str
        Name as provider/model, or as another provider, gateway or price file writes it.
    at : datetime, optional
        Time of the prices, in UTC unless it has a time zone; default: now.
    book : path, optional
        File written by ``import_prices``.
    everything : bool
        Print past rows, too.
    """
    from simulator.report.terminal.prices import card_document, print_card
    from simulator.scenario.catalog.price_book import known_offers

    prices = open_book(book)
    card = prices.card(offer)
    document = card_document(card, moment_s(at))
    document["also_named"] = prices.further_names(card.offer)
    behaviour = prices.simulated(card.offer) if card.offer in known_offers() else None
    if behaviour is not None:
        document["behaviour"] = behaviour.model_dump(mode="json", exclude_defaults=True)
    rows = [{"offer": document["offer"], **row} for row in document["rows"]]
    return Result(document, rows, printer=partial(print_card, document, behaviour, everything))


def price_usage(columns: Mapping[str, Any], book: Book = None) -> UsageResult:
    """Price usage rows.

    Parameters
    ----------
    columns : dict of columns, or a pandas table
        ``offer`` (provider/model), ``at`` (ISO 8601, UTC by default), ``context`` (standard if
        blank or absent), and counts: ``input_total``, ``cache_read``, ``cache_write_5m``,
        ``cache_write_1h``, ``output_total``, ``reasoning``, and those of other media and of tools
        that ``docs/prices.md`` lists.
    book : path, optional
        File written by ``import_prices``; its prices come first.

    Raises
    ------
    InputError
        If ``offer``, ``at``, ``input_total`` or ``output_total`` is missing, or columns differ in
        length.
    """
    from simulator.scenario.tables.usage import priced_columns
    from simulator.scenario.tables.usage_columns import REQUIRED

    listed = {str(name): [_plain(value) for value in _list(columns[name])] for name in columns}
    texts = {name: ["" if v is None else str(v) for v in column] for name, column in listed.items()}
    for name in REQUIRED:
        if name not in texts:
            raise InputError(f"usage: column {name!r} is missing")
    if len({len(column) for column in texts.values()}) > 1:
        raise InputError("usage: columns must have equal lengths")
    return UsageResult.of(listed, *priced_columns(texts, open_book(book)))


def _list(column: Any) -> list[Any]:
    """Return the values of a list, an array or a pandas column."""
    return list(column.tolist() if hasattr(column, "tolist") else column)


def _plain(value: Any) -> str | int | float | None:
    """Return a value as a JSON type; None for missing values of pandas."""
    if value is None or str(value) in ("nan", "NaT", "<NA>"):
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)  # pandas turns integers into floats where one is missing
    return value if isinstance(value, str | int | float) else str(value)


def price_usage_file(
    usage: str | Path, target: Path | TextIO, *, book: Book = None, tell: Tell = ignore_progress
) -> PricedFile:
    """Price the rows of a usage file: write them with the further columns cost_usd and error.

    Files of any size are read and written in portions.

    Parameters
    ----------
    usage : path
        CSV or Parquet file; a log of OpenAI, Anthropic or a gateway, or a table with the columns
        of ``price_usage``.
    target : path or stream
        Parquet file to write if ``usage`` is one; otherwise a stream for the CSV text.
    book : path, optional
        File written by ``import_prices``.
    tell : callable
        Callback with the number of rows done.
    """
    from simulator.scenario.tables.usage import Spans

    path, prices, spans = Path(usage), open_book(book), Spans()
    if isinstance(target, Path):
        failed, total = _price_parquet(path, target, prices, spans, tell)
    else:
        failed, total = _price_csv(path, target, prices, spans, tell)
    return PricedFile.of(total, failed, _usage_notes(total, failed, book, spans.doubts(prices)))


def _usage_notes(total: int, failed: int, book: Book, doubts: Sequence[str]) -> list[str]:
    from simulator.pricing.book import SNAPSHOT_DATE

    first = f"from {book}, else " if book else ""
    unpriced = f", {failed} could not be priced" if failed else ""
    notes = [f"{total} rows priced {first}as of {SNAPSHOT_DATE}{unpriced}"]
    notes += [f"note: {text}" for text in doubts[:MOST_DOUBTS]]
    if len(doubts) > MOST_DOUBTS:
        notes.append(f"note: and {len(doubts) - MOST_DOUBTS} more notes")
    return notes


def _price_parquet(
    usage: Path, target: Path, book: "PriceBook", spans: "Spans", tell: Tell
) -> tuple[int, int]:
    """Write a priced Parquet table, whole or not at all; return failed and all rows."""
    from concurrent.futures import ThreadPoolExecutor
    from itertools import chain

    from simulator.files.writing import whole
    from simulator.scenario.tables.usage_parquet import priced_portions

    failed = total = 0
    portions = priced_portions(usage, book, spans)
    first = next(portions, None)
    if first is None:
        raise InputError(f"{usage}: no rows")
    from pyarrow.parquet import ParquetWriter

    # Costs rarely repeat: encoding them by dictionary takes most of the time and saves nothing.
    repetitive = [name for name in first.column_names if name != "cost_usd"]
    with (
        whole(target) as path,
        ParquetWriter(path, first.schema, use_dictionary=repetitive) as writer,
        ThreadPoolExecutor(1) as background,
    ):
        written = background.submit(writer.write_table, first)
        for portion in chain([first], portions):
            if portion is not first:
                written.result()
                written = background.submit(writer.write_table, portion)
            total += len(portion)
            tell(total)
            failed += portion["cost_usd"].null_count
        written.result()
    return failed, total


def _price_csv(
    usage: Path, stream: TextIO, book: "PriceBook", spans: "Spans", tell: Tell
) -> tuple[int, int]:
    """Write a priced CSV table to a stream; return failed and all rows."""
    from simulator.files.cells import write_rows
    from simulator.scenario.tables.usage import priced_rows

    failed = total = 0
    for header, rows in priced_rows(usage, book, spans):
        write_rows(stream, rows if total else [header, *rows])
        total += len(rows)
        tell(total)
        failed += sum(1 for row in rows if row[-1])
    return failed, total


def open_book(path: Book) -> "PriceBook":
    """Return the shipped price book, preceded by an imported file if one is given."""
    from simulator.scenario.catalog.price_book import PriceBook

    return PriceBook() if path is None else PriceBook.with_file(Path(path))


def cards(book: "PriceBook", contains: str) -> "dict[str, RateCard]":
    """Return the cards of offers with a text in their names, if they price tokens."""
    return _token_cards(book, [name for name in book.names() if contains.lower() in name.lower()])


def _token_cards(book: "PriceBook", names: Sequence[str]) -> "dict[str, RateCard]":
    """Return the cards of offers that price tokens, without those of pages, hours or searches."""
    from contextlib import suppress

    from simulator.pricing.book import NoTokenPriceError

    cards = {}
    for name in names:
        with suppress(NoTokenPriceError):
            cards[name] = book.card(name)
    return cards


def moment_s(at: datetime | None) -> float:
    """Return a time as Unix time [s], in UTC unless it has a time zone; now if none is given."""
    if at is None:
        return datetime.now(UTC).timestamp()
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
