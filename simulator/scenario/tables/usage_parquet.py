"""Pricing of usage in Parquet files: the same columns with costs, portion by portion."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simulator.errors import InputError
from simulator.files.numbers import must_be
from simulator.files.parquet import open_parquet
from simulator.files.tables import missing_column
from simulator.pricing.rows import CONTEXTS
from simulator.scenario.catalog.price_book import PriceBook
from simulator.scenario.tables.usage import Calls, Errors, Spans, price_calls
from simulator.scenario.tables.usage_columns import (
    ADDED,
    CONTEXT_NAMES,
    REQUIRED,
    counts_something,
    known_columns,
    paid_columns,
    unknown_context,
    unknown_paid_column,
)
from simulator.traffic.formats.records.values import BadRecord, seconds_of

if TYPE_CHECKING:
    import pyarrow as pa

PORTION_ROWS = 1 << 19
"""Rows that are priced at once."""


def priced_portions(
    path: Path, book: PriceBook, spans: Spans | None = None
) -> Iterator["pa.Table"]:
    """Yield portions of a file, with ``cost_usd`` and ``error`` as last columns.

    ``at`` contains timestamps (UTC without a zone) or text, and a count that is null is 0.

    Raises
    ------
    InputError
        When the file is not Parquet, lacks a required column, or a column has another type.
    """
    with open_parquet(path) as file:
        import pyarrow as pa

        names = file.schema_arrow.names
        for name in REQUIRED:
            if name not in names:
                raise InputError(f"{path}: {missing_column(name, names)}")
        for batch in file.iter_batches(PORTION_ROWS):
            errors: Errors = {}
            portion = pa.table(batch)
            cost_usd = price_calls(_read_calls(path, portion, errors), errors, book, spans)
            reasons = np.full(len(cost_usd), None, object)
            for row, reason in errors.items():
                reasons[row] = reason
            portion = portion.drop_columns([n for n in ADDED if n in portion.column_names])
            portion = portion.append_column("cost_usd", pa.array(cost_usd, from_pandas=True))
            yield portion.append_column("error", pa.array(reasons, pa.string()))


def _read_calls(path: Path, portion: "pa.Table", errors: Errors) -> Calls:
    offers = _encoded_texts(path, portion, "offer").combine_chunks()
    known = known_columns(portion.column_names, str(path))
    contexts = _read_contexts(path, portion, known.get("context"), errors)
    _refuse_paid(portion, known, errors)
    return Calls(
        offers.dictionary.to_pylist(),
        offers.indices.to_numpy().astype(np.int64),
        _read_times(path, portion, errors),
        contexts,
        {
            plain: _read_counts(path, portion, name, errors)
            for plain, name in known.items()
            if plain != "context"
        },
    )


def _refuse_paid(portion: "pa.Table", known: dict[str, str], errors: Errors) -> None:
    """Mark rows that count something in an unknown column that may be billed separately."""
    for name in paid_columns(portion.column_names, known):
        for row, value in enumerate(portion[name].to_pylist()):
            if value is not None and counts_something(str(value)):
                errors.setdefault(row, unknown_paid_column(name))


def _encoded_texts(path: Path, portion: "pa.Table", name: str) -> "pa.ChunkedArray":
    """Return a column of text, dictionary-encoded, with null as empty text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = portion[name]
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        raise InputError(f"{path}: column {name!r} must be text, not {column.type}")
    return pc.fill_null(column, "").dictionary_encode()


def _read_contexts(path: Path, portion: "pa.Table", name: str | None, errors: Errors) -> np.ndarray:
    """Return the contexts as indices into ``CONTEXTS``. (n_rows,)"""
    if name is None or _is_null(portion, name):
        return np.zeros(portion.num_rows, np.int8)
    texts = _encoded_texts(path, portion, name).combine_chunks()
    indices = texts.indices.to_numpy()
    codes = np.zeros(len(indices), np.int8)
    for index, text in enumerate(texts.dictionary.to_pylist()):
        plain = CONTEXT_NAMES.get(text, text)
        if plain in CONTEXTS:
            codes[indices == index] = CONTEXTS.index(plain)
            continue
        for row in np.flatnonzero(indices == index).tolist():
            errors[row] = unknown_context(text)
    return codes


def _is_null(portion: "pa.Table", name: str) -> bool:
    """Return whether a column contains only nulls and has no type."""
    import pyarrow as pa

    return bool(pa.types.is_null(portion[name].type))


def _read_times(path: Path, portion: "pa.Table", errors: Errors) -> np.ndarray:
    """Return the times of calls, Unix seconds. (n_rows,)"""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = portion["at"]
    if pa.types.is_timestamp(column.type):
        ticks = column.cast(pa.timestamp("us", column.type.tz)).cast(pa.int64())
        for row in np.flatnonzero(column.is_null().to_numpy()).tolist():
            errors.setdefault(row, "at: a time is missing")
        return pc.fill_null(ticks, 0).to_numpy() / 1e6
    at_s = np.zeros(portion.num_rows)
    for row, text in enumerate(_encoded_texts(path, portion, "at").to_pylist()):
        try:
            at_s[row] = seconds_of("at", text)
        except BadRecord as error:
            errors.setdefault(row, str(error))
    return at_s


def _read_counts(path: Path, portion: "pa.Table", name: str, errors: Errors) -> np.ndarray:
    """Return a column of counts, with null as 0. (n_rows,)"""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = portion[name]
    if _is_null(portion, name):
        return np.zeros(portion.num_rows, np.int64)
    if pa.types.is_floating(column.type):  # pandas writes columns with gaps so
        values = pc.fill_null(column, 0.0).to_numpy()
        if (np.isfinite(values) & (values == np.round(values)) & (np.abs(values) < 1e15)).all():
            column = pa.chunked_array([pa.array(values.astype(np.int64))])
    if not pa.types.is_integer(column.type):
        raise InputError(f"{path}: column {name!r} must be whole numbers, not {column.type}")
    counts: np.ndarray = pc.fill_null(column, 0).to_numpy().astype(np.int64)
    for row in np.flatnonzero(counts < 0).tolist():
        reason = must_be(name, "a whole number, 0 or more", int(counts[row]))
        errors.setdefault(row, reason)
        counts[row] = 0
    return counts
