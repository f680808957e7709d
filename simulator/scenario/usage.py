"""What usage rows cost: columns of text in, a cost or the reason for none out, row by row."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.errors import InputError, nearest
from simulator.pricing.rates import CONTEXTS, RateCard, Usage, priced, problems
from simulator.scenario.price_book import PriceBook
from simulator.traffic.readers.containers import csv_records
from simulator.traffic.readers.files import fail
from simulator.traffic.readers.values import BadRecord, seconds

COUNTS = (
    "input_total",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "output_total",
    "reasoning",
)
"""Token columns; the totals include cached, written and reasoning tokens. Blank is zero."""
REQUIRED = ("offer", "at", "input_total", "output_total")


def price_usage(
    columns: Mapping[str, Sequence[str]], book: PriceBook | None = None
) -> tuple[NDArray[np.float64], list[str]]:
    """Price usage rows.

    Parameters
    ----------
    columns : dict of str to sequence of str
        ``offer`` (provider/model), ``at`` (ISO 8601, UTC when bare), ``context`` (standard where
        blank or absent), and token counts by ``COUNTS``.
    book : PriceBook, optional
        Where prices come from; default: the shipped book.

    Returns
    -------
    cost_usd : ndarray
        NaN where a row cannot be priced. (n_rows,)
    errors : list of str
        Why not, empty where it can. (n_rows,)
    """
    book = book or PriceBook()
    size = len(columns["offer"])
    errors = [""] * size
    blank = [""] * size
    counts = {
        name: _parsed(columns.get(name, blank), errors, np.int64, _whole_or_zero(name))
        for name in COUNTS
    }
    at_s = _parsed(columns["at"], errors, np.float64, lambda text: seconds("at", text))
    context = _parsed(columns.get("context", blank), errors, np.int8, _context)
    written = counts["cache_write_5m"] + counts["cache_write_1h"]
    uncached = counts["input_total"] - counts["cache_read"] - written
    visible = counts["output_total"] - counts["reasoning"]
    _mark(errors, uncached < 0, "more tokens read and written than input_total")
    _mark(errors, visible < 0, "more reasoning tokens than output_total")
    usage = Usage.of(
        at_s,
        uncached_input=uncached,
        cache_read=counts["cache_read"],
        cache_write=counts["cache_write_5m"],
        cache_write_1h=counts["cache_write_1h"],
        output=visible,
        reasoning=counts["reasoning"],
        context=context,
    )
    cost_usd = np.full(size, np.nan)
    for offer, rows in _by_offer(columns["offer"]).items():
        good = rows[[not errors[row] for row in rows.tolist()]]
        try:
            card = book.card(offer)
        except InputError as error:
            _mark_rows(errors, good, str(error))
            continue
        cost_usd[good] = _priced(card, usage.take(good), good, errors)
    return cost_usd, errors


def _priced(
    card: RateCard, usage: Usage, rows: NDArray[np.int64], errors: list[str]
) -> NDArray[np.float64]:
    cost_usd = np.zeros(len(rows))
    able = np.ones(len(rows), np.bool_)
    for mask, reason in problems(card, usage):
        _mark_rows(errors, rows[mask & able], reason)
        able &= ~mask
    for cost in priced(card, usage.take(able)).values():
        cost_usd[able] += cost
    cost_usd[~able] = np.nan
    return cost_usd


def _by_offer(offers: Sequence[str]) -> dict[str, NDArray[np.int64]]:
    found: dict[str, list[int]] = {}
    for row, offer in enumerate(offers):
        found.setdefault(offer, []).append(row)
    return {offer: np.array(rows, np.int64) for offer, rows in found.items()}


def _parsed(
    texts: Sequence[str], errors: list[str], dtype: type, one: Callable[[str], float]
) -> NDArray:
    values: NDArray[Any] = np.zeros(len(texts), dtype)
    for row, text in enumerate(texts):
        try:
            values[row] = one(text)
        except (BadRecord, InputError) as error:
            errors[row] = errors[row] or str(error)
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
    name = text or CONTEXTS[0]
    if name not in CONTEXTS:
        raise InputError(f"unknown context {text!r}{nearest(text, list(CONTEXTS))}")
    return CONTEXTS.index(name)


def _mark(errors: list[str], mask: NDArray[np.bool_], reason: str) -> None:
    _mark_rows(errors, np.flatnonzero(mask), reason)


def _mark_rows(errors: list[str], rows: NDArray[np.int64], reason: str) -> None:
    for row in rows.tolist():
        errors[row] = errors[row] or reason


def priced_rows(path: Path, book: PriceBook) -> Iterator[tuple[list[str], list[list[str]]]]:
    """Yield the header and portions of rows with ``cost_usd`` and ``error`` behind them.

    Raises
    ------
    InputError
        When the file or a column that must be there is missing, or a row has another width.
    """
    for chunk in csv_records(path):
        for broken in chunk.broken:
            fail(path, *broken)
        header = list(chunk.values[0]) if chunk.values else []
        for name in REQUIRED:
            if name not in header:
                close = nearest(name, header).replace("did you mean", "found")
                fail(path, 1, 1, f"missing column {name!r}{close}")
        columns = {name: [row[name] for row in chunk.values] for name in header}
        cost_usd, errors = price_usage(columns, book)
        rows = [
            [*row.values(), "" if error else repr(cost), error]
            for row, cost, error in zip(chunk.values, cost_usd.tolist(), errors, strict=True)
        ]
        yield [*header, "cost_usd", "error"], rows
