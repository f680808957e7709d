"""What usage rows cost: columns of text in, a cost or the reason for none out, row by row."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.errors import InputError, nearest
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
    known_columns,
    paid_columns,
    says_something,
)
from simulator.traffic.formats.records.values import BadRecord, seconds


@dataclass(frozen=True, slots=True)
class Calls:
    """Usage rows as columns, all (n_rows,)."""

    offers: Sequence[str]
    """Names that ``offer`` counts through."""
    offer: NDArray[np.int64]
    at_s: NDArray[np.float64]
    """Unix seconds."""
    context: NDArray[np.int8]
    """Place in ``CONTEXTS``."""
    counts: dict[str, NDArray[np.int64]]
    """By ``COUNTS``; absent is none."""


Errors = dict[int, str]
"""Why a row cannot be priced, by row; the first reason found."""


class Spans:
    """First and last moments of priced calls by offer, for what a reader should know of them."""

    def __init__(self) -> None:
        """Begin with none."""
        self._by_offer: dict[str, tuple[float, float]] = {}

    def add(self, offer: str, at_s: NDArray[np.float64]) -> None:
        """Note calls of an offer, Unix seconds. (n_calls,)"""
        if len(at_s):
            low, high = self._by_offer.get(offer, (np.inf, -np.inf))
            self._by_offer[offer] = (min(low, float(at_s.min())), max(high, float(at_s.max())))

    def doubts(self, book: PriceBook) -> list[str]:
        """Return sentences on prices that rest on what is not known, such as after an end."""
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
        ``offer`` (provider/model), ``at`` (ISO 8601, UTC when bare), ``context`` (standard where
        blank or absent), and token counts by ``COUNTS``.
    book : PriceBook, optional
        Where prices come from; default: the shipped book.
    spans : Spans, optional
        Notes which offers are priced when.

    Returns
    -------
    cost_usd : ndarray
        NaN where a row cannot be priced. (n_rows,)
    errors : list of str
        Why not, empty where it can. (n_rows,)
    """
    size = len(columns["offer"])
    errors: Errors = {}
    blank = [""] * size
    known = known_columns(columns)
    places: dict[str, int] = {}
    offer = np.array([places.setdefault(o, len(places)) for o in columns["offer"]], np.int64)
    calls = Calls(
        list(places),
        offer,
        _parsed(columns["at"], errors, np.float64, lambda text: seconds("at", text)),
        _parsed(columns.get(known.get("context", ""), blank), errors, np.int8, _context),
        {
            plain: _parsed(columns[name], errors, np.int64, _whole_or_zero(name))
            for plain, name in known.items()
            if plain != "context"
        },
    )
    for name in paid_columns(columns, known):
        _mark_paid(errors, name, columns[name])
    cost_usd = price_calls(calls, errors, book or PriceBook(), spans)
    return cost_usd, [errors.get(row, "") for row in range(size)]


def price_calls(
    calls: Calls, errors: Errors, book: PriceBook, spans: Spans | None = None
) -> NDArray[np.float64]:
    """Price calls, NaN where that cannot be done, and add the reasons to ``errors``."""
    usage = _usage(calls, errors)
    cost_usd = np.full(len(calls.at_s), np.nan)
    able = np.ones(len(cost_usd), np.bool_)
    able[list(errors)] = False
    for place, name in enumerate(calls.offers):
        rows = np.flatnonzero((calls.offer == place) & able)
        try:
            card = book.card(name)
        except InputError as error:
            _mark_rows(errors, rows, str(error))
            continue
        cost_usd[rows] = _priced(card, usage.take(rows), rows, errors)
        if spans is not None:
            spans.add(card.offer, calls.at_s[rows[~np.isnan(cost_usd[rows])]])
    return cost_usd


def _usage(calls: Calls, errors: Errors) -> Usage:
    """Split totals into what is billed apart, and mark rows in which the parts exceed them."""
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
    told = counts["output_audio"] + counts["output_image"] + counts["output_video"]
    visible = counts["output_total"] - counts["reasoning"]
    _mark(errors, fresh < 0, "more tokens read and written than input_total")
    _mark(errors, cached < 0, "more audio and image tokens read from a cache than cache_read")
    _mark(errors, uncached < 0, "more audio, image and video tokens than input_total")
    _mark(errors, visible < 0, "more reasoning tokens than output_total")
    _mark(errors, visible < told, "more audio, image and video tokens than output_total")
    return Usage.of(
        calls.at_s,
        uncached_input=uncached,
        cache_read=cached,
        cache_write=counts["cache_write_5m"],
        cache_write_1h=counts["cache_write_1h"],
        output=visible - told,
        reasoning=counts["reasoning"],
        context=calls.context,
        more=more,
    )


def _mark_paid(errors: Errors, name: str, texts: Sequence[str]) -> None:
    """Refuse rows that count something which is billed apart, in a column that is not known."""
    for row, text in enumerate(texts):
        if says_something(text):
            told = f"column {name!r} may count what is billed apart, and is not known"
            errors.setdefault(row, told + nearest(name, list(COUNTS)))


def _priced(
    card: RateCard, usage: Usage, rows: NDArray[np.int64], errors: Errors
) -> NDArray[np.float64]:
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
    texts: Sequence[str], errors: Errors, dtype: type, one: Callable[[str], float]
) -> NDArray:
    values: NDArray[Any] = np.zeros(len(texts), dtype)
    for row, text in enumerate(texts):
        try:
            values[row] = one(text)
        except (BadRecord, InputError) as error:
            errors.setdefault(row, str(error))
    return values


def _whole_or_zero(name: str) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text:
            return 0
        if not text.isascii() or not text.isdigit() or len(text) > 15:
            raise InputError(f"{name} must be a whole number, 0 or more, not {text[:40]!r}")
        return int(text)

    return parse


def _context(text: str) -> int:
    name = CONTEXT_NAMES.get(text, text)
    if name not in CONTEXTS:
        raise InputError(f"unknown context {text!r}{nearest(text, list(CONTEXTS))}")
    return CONTEXTS.index(name)


def _mark(errors: Errors, mask: NDArray[np.bool_], reason: str) -> None:
    _mark_rows(errors, np.flatnonzero(mask), reason)


def _mark_rows(errors: Errors, rows: NDArray[np.int64], reason: str) -> None:
    for row in rows.tolist():
        errors.setdefault(row, reason)


def priced_rows(
    path: Path, book: PriceBook, spans: Spans | None = None
) -> Iterator[tuple[list[str], list[list[str]]]]:
    """Yield the header and portions of rows with ``cost_usd`` and ``error`` behind them.

    Raises
    ------
    InputError
        When the file or a column that must be there is missing, or a row has another width.
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
