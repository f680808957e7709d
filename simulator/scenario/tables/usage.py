"""Pricing of usage rows: a cost, bounds of it, or the reason why there is none, for each row."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.errors import InputError
from simulator.files.numbers import must_be
from simulator.pricing.sums import UNKNOWN
from simulator.scenario.catalog.price_book import PriceBook
from simulator.scenario.tables.csv_portions import table_portions
from simulator.scenario.tables.usage_calls import (
    Calls,
    Costs,
    Errors,
    Periods,
    Spans,
    price_calls,
    refuse_commitments,
)
from simulator.scenario.tables.usage_columns import (
    COUNTS,
    REQUIRED,
    SUMS,
    added_columns,
    context_of,
    counts_something,
    has_service_tiers,
    known_columns,
    prompt_range,
    unread_columns,
)
from simulator.traffic.formats.records.values import BadRecord, seconds_of


@dataclass(frozen=True, slots=True)
class Priced:
    """Priced rows of a table."""

    costs: Costs
    errors: list[str]
    """Reason why a row cannot be priced, empty if it can. (n_rows,)"""
    added: tuple[str, ...]
    """Names of the columns that pricing adds to the table."""

    def columns(self) -> dict[str, list[Any]]:
        """Return the added columns, with None for a cost that is unknown."""
        usd = {
            "cost_usd": self.costs.cost_usd,
            "cost_low_usd": self.costs.low_usd,
            "cost_high_usd": self.costs.high_usd,
        }
        values: dict[str, list[Any]] = {
            name: [None if np.isnan(cost) else cost for cost in column.tolist()]
            for name, column in usd.items()
        }
        values["depends_on"] = [self.costs.depends_on.get(k, "") for k in range(len(self.errors))]
        values["error"] = self.errors
        return {name: values[name] for name in self.added}


def priced_columns(
    columns: Mapping[str, Sequence[str]],
    book: PriceBook | None = None,
    spans: Spans | None = None,
) -> Priced:
    """Price usage rows.

    Parameters
    ----------
    columns : dict of str to sequence of str
        Columns ``offer`` (provider/model), ``at`` (ISO 8601, UTC without a zone), ``context``
        (standard if blank or absent), and token counts by the names of ``COUNTS``; for sums of
        calls also ``requests``, ``until`` and ``context_window``.
    book : PriceBook, optional
        Price book; default: the shipped one.
    spans : Spans, optional
        Collects the times at which each offer is priced.
    """
    size = len(columns["offer"])
    errors: Errors = {}
    blank = [""] * size
    known = known_columns(columns)
    offers: dict[str, int] = {}
    offer = np.array([offers.setdefault(o, len(offers)) for o in columns["offer"]], np.int64)
    at_s = _parsed(columns["at"], errors, np.float64, lambda text: seconds_of("at", text))
    served = zip(
        columns.get(known.get("context", ""), blank),
        columns.get(known.get("batch", ""), blank),
        strict=True,
    )
    context_code = cache(context_of)  # few of its arguments differ
    least, most = _ranges(columns.get(known.get("context_window", "")), errors)
    calls = Calls(
        list(offers),
        offer,
        at_s,
        _parsed(list(served), errors, np.int8, lambda pair: context_code(*pair)),
        {
            plain: _parsed(columns[known[plain]], errors, np.int64, _whole_or_zero(known[plain]))
            for plain in COUNTS
            if plain in known
        },
        _periods(columns, known, at_s, errors),
        least,
        most,
    )
    if has_service_tiers(known):
        refuse_commitments(calls.offers, calls.offer, calls.context, errors)
    for name, reason in unread_columns(columns, known).items():
        _refuse(errors, reason, columns[name])
    costs = price_calls(calls, errors, book or PriceBook(), spans)
    return Priced(costs, [errors.get(row, "") for row in range(size)], added_columns(known))


def _periods(
    columns: Mapping[str, Sequence[str]],
    known: Mapping[str, str],
    at_s: NDArray[np.float64],
    errors: Errors,
) -> Periods | None:
    """Return rows as sums of calls, if the table has a column that says so."""
    if not any(name in known for name in SUMS):
        return None
    blank = [""] * len(at_s)
    until_s = _parsed(
        columns.get(known.get("until", ""), blank),
        errors,
        np.float64,
        lambda text: seconds_of("until", text) if text else np.nan,
    )
    windows = columns.get(known.get("context_window", ""), blank)
    in_window = np.array([bool(text.strip()) for text in windows])
    if "requests" not in known:
        return Periods.of(at_s, None, until_s, in_window)
    count = _whole_or_zero(known["requests"])
    requests = _parsed(
        columns[known["requests"]], errors, np.int64, lambda text: count(text) if text else UNKNOWN
    )
    return Periods.of(at_s, requests, until_s, in_window)


def _ranges(
    texts: Sequence[str] | None, errors: Errors
) -> tuple[NDArray[np.int64] | None, NDArray[np.int64] | None]:
    """Return the shortest and longest prompts that context windows allow, if there are any."""
    if texts is None:
        return None, None
    least = _parsed(texts, errors, np.int64, lambda text: prompt_range(text)[0])
    return least, _parsed(texts, errors, np.int64, lambda text: prompt_range(text)[1])


def _refuse(errors: Errors, reason: str, texts: Sequence[str]) -> None:
    """Mark rows that count something in a column that is not read."""
    for row, text in enumerate(texts):
        if counts_something(text):
            errors.setdefault(row, reason)


def _parsed(
    texts: Sequence[Any], errors: Errors, dtype: type, parse: Callable[[Any], float]
) -> NDArray:
    """Parse values one by one; those that fail are 0 and have an error."""
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


def priced_rows(
    path: Path, book: PriceBook, spans: Spans | None = None
) -> Iterator[tuple[list[str], list[list[str]]]]:
    """Yield the header and portions of rows, with the added columns as the last ones.

    Raises
    ------
    InputError
        When the file or a required column is missing, or a row has another number of columns.
    """
    for header, portion in table_portions(path, REQUIRED):
        known_columns(header, str(path))
        priced = priced_columns({n: [row[n] for row in portion] for n in header}, book, spans)
        kept = [name for name in header if name not in priced.added]
        added = zip(*priced.columns().values(), strict=True)
        rows = [
            [*(row[name] for name in kept), *map(_cell, values)]
            for row, values in zip(portion, added, strict=True)
        ]
        yield [*kept, *priced.added], rows


def _cell(value: float | str | None) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else repr(value)
