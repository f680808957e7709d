"""Pricing of usage rows: a cost, or the reason why there is none, for each row."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.errors import InputError
from simulator.files.numbers import must_be
from simulator.pricing.billing import MORE, Usage, priced, problems
from simulator.pricing.rates import RateCard
from simulator.pricing.rows import CONTEXTS
from simulator.scenario.catalog.price_book import PriceBook
from simulator.scenario.tables.csv_portions import table_portions
from simulator.scenario.tables.usage_columns import (
    ADDED,
    CONTEXT_NAMES,
    COUNTS,
    REQUIRED,
    counts_something,
    known_columns,
    paid_columns,
    unknown_context,
    unknown_paid_column,
)
from simulator.traffic.formats.records.values import BadRecord, seconds_of


@dataclass(frozen=True, slots=True)
class Calls:
    """Usage rows as columns, all (n_rows,)."""

    offers: Sequence[str]
    """Names of all offers."""
    offer: NDArray[np.int64]
    """Index into ``offers``."""
    at_s: NDArray[np.float64]
    """Time of the call, Unix seconds."""
    context: NDArray[np.int8]
    """Index into ``CONTEXTS``."""
    counts: dict[str, NDArray[np.int64]]
    """Tokens or calls, by the names of ``COUNTS``; missing ones are 0."""


Errors = dict[int, str]
"""Reasons why rows cannot be priced, by row; the first one of each."""


class Spans:
    """First and last times of priced calls by offer, for notes on uncertain prices."""

    def __init__(self) -> None:
        """Start without any calls."""
        self._by_offer: dict[str, tuple[float, float]] = {}

    def add(self, offer: str, at_s: NDArray[np.float64]) -> None:
        """Note calls of an offer, Unix seconds. (n_calls,)"""
        if len(at_s):
            low, high = self._by_offer.get(offer, (np.inf, -np.inf))
            self._by_offer[offer] = (min(low, float(at_s.min())), max(high, float(at_s.max())))

    def doubts(self, book: PriceBook) -> list[str]:
        """Return sentences on uncertain prices, such as those after the end of an offer."""
        return [
            text
            for offer, (begin_s, end_s) in sorted(self._by_offer.items())
            for text in book.card(offer).doubts(begin_s, end_s)
        ]


def priced_columns(
    columns: Mapping[str, Sequence[str]],
    book: PriceBook | None = None,
    spans: Spans | None = None,
) -> tuple[NDArray[np.float64], list[str]]:
    """Price usage rows.

    Parameters
    ----------
    columns : dict of str to sequence of str
        Columns ``offer`` (provider/model), ``at`` (ISO 8601, UTC without a zone), ``context``
        (standard if blank or absent), and token counts by the names of ``COUNTS``.
    book : PriceBook, optional
        Price book; default: the shipped one.
    spans : Spans, optional
        Collects the times at which each offer is priced.

    Returns
    -------
    cost_usd : ndarray
        Cost of each row, NaN if it cannot be priced. (n_rows,)
    errors : list of str
        Reason why a row cannot be priced, empty if it can. (n_rows,)
    """
    size = len(columns["offer"])
    errors: Errors = {}
    blank = [""] * size
    known = known_columns(columns)
    offers: dict[str, int] = {}
    offer = np.array([offers.setdefault(o, len(offers)) for o in columns["offer"]], np.int64)
    calls = Calls(
        list(offers),
        offer,
        _parsed(columns["at"], errors, np.float64, lambda text: seconds_of("at", text)),
        _parsed(columns.get(known.get("context", ""), blank), errors, np.int8, _context),
        {
            plain: _parsed(columns[name], errors, np.int64, _whole_or_zero(name))
            for plain, name in known.items()
            if plain != "context"
        },
    )
    for name in paid_columns(columns, known):
        _refuse_paid(errors, name, columns[name])
    cost_usd = price_calls(calls, errors, book or PriceBook(), spans)
    return cost_usd, [errors.get(row, "") for row in range(size)]


def price_calls(
    calls: Calls, errors: Errors, book: PriceBook, spans: Spans | None = None
) -> NDArray[np.float64]:
    """Price calls, with NaN for those that cannot be priced, and add the reasons to ``errors``."""
    usage = _usage(calls, errors)
    cost_usd = np.full(len(calls.at_s), np.nan)
    able = np.ones(len(cost_usd), np.bool_)
    able[list(errors)] = False
    for index, name in enumerate(calls.offers):
        rows = np.flatnonzero((calls.offer == index) & able)
        try:
            card = book.card(name)
        except InputError as error:
            _mark_rows(errors, rows, str(error))
            continue
        cost_usd[rows] = _card_costs(card, usage.take(rows), rows, errors)
        if spans is not None:
            spans.add(card.offer, calls.at_s[rows[~np.isnan(cost_usd[rows])]])
    return cost_usd


def _usage(calls: Calls, errors: Errors) -> Usage:
    """Split totals into parts that are billed separately; mark rows whose parts are larger."""
    none = np.zeros(len(calls.at_s), np.int64)
    counts = {name: calls.counts.get(name, none) for name in COUNTS}
    more = {name: counts[name] for name in MORE if name in calls.counts}
    for medium in ("audio", "image"):
        cached = counts[f"cache_read_{medium}"]
        if f"input_{medium}" in more:
            more[f"input_{medium}"] = counts[f"input_{medium}"] - cached
        over = counts[f"input_{medium}"] < cached
        _mark(errors, over, f"more {medium} tokens read from a cache than in the prompt")
    media = counts["input_audio"] + counts["input_image"] + counts["input_video"]
    cached_media = counts["cache_read_audio"] + counts["cache_read_image"]
    cached = counts["cache_read"] - cached_media
    written = counts["cache_write_5m"] + counts["cache_write_1h"]
    fresh = counts["input_total"] - counts["cache_read"] - written
    uncached = fresh - (media - cached_media)
    media_output = counts["output_audio"] + counts["output_image"] + counts["output_video"]
    visible = counts["output_total"] - counts["reasoning"]
    _mark(errors, fresh < 0, "more tokens read and written than input_total")
    _mark(errors, cached < 0, "more audio and image tokens read from a cache than cache_read")
    _mark(errors, uncached < 0, "more audio, image and video tokens than input_total")
    _mark(errors, visible < 0, "more reasoning tokens than output_total")
    _mark(errors, visible < media_output, "more audio, image and video tokens than output_total")
    return Usage.of(
        calls.at_s,
        uncached_input=uncached,
        cache_read=cached,
        cache_write=counts["cache_write_5m"],
        cache_write_1h=counts["cache_write_1h"],
        output=visible - media_output,
        reasoning=counts["reasoning"],
        context=calls.context,
        more=more,
    )


def _refuse_paid(errors: Errors, name: str, texts: Sequence[str]) -> None:
    """Mark rows that count something in an unknown column that may be billed separately."""
    for row, text in enumerate(texts):
        if counts_something(text):
            errors.setdefault(row, unknown_paid_column(name))


def _card_costs(
    card: RateCard, usage: Usage, rows: NDArray[np.int64], errors: Errors
) -> NDArray[np.float64]:
    """Price the rows of one offer, NaN for those that the card cannot price."""
    able = np.ones(len(rows), np.bool_)
    for mask, reason in problems(card, usage):
        _mark_rows(errors, rows[mask & able], reason)
        able &= ~mask
    cost_usd = np.full(len(rows), np.nan)
    cost_usd[able] = 0.0
    for cost in priced(card, usage if able.all() else usage.take(able)).values():
        cost_usd[able] += cost
    return cost_usd


def _parsed(
    texts: Sequence[str], errors: Errors, dtype: type, parse: Callable[[str], float]
) -> NDArray:
    """Parse texts one by one; those that fail are 0 and have an error."""
    values: NDArray[Any] = np.zeros(len(texts), dtype)
    for row, text in enumerate(texts):
        try:
            values[row] = parse(text)
        except (BadRecord, InputError) as error:
            errors.setdefault(row, str(error))
    return values


def _whole_or_zero(name: str) -> Callable[[str], int]:
    """Return a parser of counts, which returns 0 for blank texts."""

    def parse(text: str) -> int:
        if not text:
            return 0
        if not text.isascii() or not text.isdigit() or len(text) > 15:
            raise InputError(must_be(name, "a whole number, 0 or more", text))
        return int(text)

    return parse


def _context(text: str) -> int:
    name = CONTEXT_NAMES.get(text, text)
    if name not in CONTEXTS:
        raise InputError(unknown_context(text))
    return CONTEXTS.index(name)


def _mark(errors: Errors, mask: NDArray[np.bool_], reason: str) -> None:
    _mark_rows(errors, np.flatnonzero(mask), reason)


def _mark_rows(errors: Errors, rows: NDArray[np.int64], reason: str) -> None:
    for row in rows.tolist():
        errors.setdefault(row, reason)


def priced_rows(
    path: Path, book: PriceBook, spans: Spans | None = None
) -> Iterator[tuple[list[str], list[list[str]]]]:
    """Yield the header and portions of rows, with ``cost_usd`` and ``error`` as last columns.

    Raises
    ------
    InputError
        When the file or a required column is missing, or a row has another number of columns.
    """
    for header, portion in table_portions(path, REQUIRED):
        known_columns(header, str(path))
        columns = {name: [row[name] for row in portion] for name in header}
        cost_usd, errors = priced_columns(columns, book, spans)
        kept = [name for name in header if name not in ADDED]
        rows = [
            [*(row[name] for name in kept), "" if error else repr(cost), error]
            for row, cost, error in zip(portion, cost_usd.tolist(), errors, strict=True)
        ]
        yield [*kept, *ADDED], rows
