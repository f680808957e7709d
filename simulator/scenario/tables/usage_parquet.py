"""Pricing of usage in Parquet files: the same columns with costs, portion by portion."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simulator.errors import InputError
from simulator.files.numbers import must_be
from simulator.files.parquet import open_parquet
from simulator.files.tables import missing_column
from simulator.pricing.sums import UNKNOWN
from simulator.scenario.catalog.price_book import PriceBook
from simulator.scenario.tables.usage import Priced
from simulator.scenario.tables.usage_calls import (
    Calls,
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

if TYPE_CHECKING:
    import pyarrow as pa

PORTION_ROWS = 1 << 19
"""Rows that are priced at once."""


def priced_portions(
    path: Path, book: PriceBook, spans: Spans | None = None
) -> Iterator["pa.Table"]:
    """Yield portions of a file, with the added columns as the last ones.

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
        added = added_columns(known_columns(names, str(path)))
        for batch in file.iter_batches(PORTION_ROWS):
            errors: Errors = {}
            portion = pa.table(batch)
            costs = price_calls(_read_calls(path, portion, errors), errors, book, spans)
            priced = Priced(costs, [errors.get(row, "") for row in range(len(portion))], added)
            portion = portion.drop_columns([n for n in added if n in portion.column_names])
            for name, values in priced.columns().items():
                kind = pa.float64() if name.endswith("_usd") else pa.string()
                cells = [None if value == "" else value for value in values]
                portion = portion.append_column(name, pa.array(cells, kind))
            yield portion


def _read_calls(path: Path, portion: "pa.Table", errors: Errors) -> Calls:
    offers = _encoded_texts(path, portion, "offer").combine_chunks()
    known = known_columns(portion.column_names, str(path))
    at_s = _read_times(path, portion, "at", errors)
    for name, reason in unread_columns(portion.column_names, known).items():
        for row, value in enumerate(portion[name].to_pylist()):
            if value is not None and counts_something(str(value)):
                errors.setdefault(row, reason)
    names, offer = offers.dictionary.to_pylist(), offers.indices.to_numpy().astype(np.int64)
    contexts = _read_contexts(path, portion, known, errors)
    if has_service_tiers(known):
        refuse_commitments(names, offer, contexts, errors)
    window = known.get("context_window")
    return Calls(
        names,
        offer,
        at_s,
        contexts,
        {
            plain: _read_counts(path, portion, known[plain], errors)
            for plain in COUNTS
            if plain in known
        },
        _read_periods(path, portion, known, at_s, errors),
        _by_text(path, portion, window, errors, lambda text: prompt_range(text)[0]),
        _by_text(path, portion, window, errors, lambda text: prompt_range(text)[1]),
    )


def _read_periods(
    path: Path, portion: "pa.Table", known: dict[str, str], at_s: np.ndarray, errors: Errors
) -> Periods | None:
    """Return rows as sums of calls, if the table has a column that says so."""
    if not any(name in known for name in SUMS):
        return None
    until_s = np.full(len(at_s), np.nan)
    if "until" in known and not _is_null(portion, known["until"]):
        until_s = _read_times(path, portion, known["until"], errors, required=False)
    window = known.get("context_window")
    in_window = _by_text(path, portion, window, errors, lambda text: bool(text.strip())) > 0
    if "requests" not in known:
        return Periods.of(at_s, None, until_s, in_window)
    missing = portion[known["requests"]].is_null().to_numpy()
    requests = _read_counts(path, portion, known["requests"], errors)
    return Periods.of(at_s, np.where(missing, UNKNOWN, requests), until_s, in_window)


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


def _by_text(
    path: Path,
    portion: "pa.Table",
    name: str | None,
    errors: Errors,
    parse: Callable[[str], int],
) -> np.ndarray:
    """Return whole numbers that follow from a column of text, blank if it is missing. (n_rows,)"""
    if name is None or _is_null(portion, name):
        return np.full(portion.num_rows, parse(""))
    texts = _encoded_texts(path, portion, name).combine_chunks()
    indices = texts.indices.to_numpy()
    values = np.zeros(len(indices), np.int64)
    for index, text in enumerate(texts.dictionary.to_pylist()):
        try:
            values[indices == index] = parse(text)
        except InputError as error:
            for row in np.flatnonzero(indices == index).tolist():
                errors.setdefault(row, str(error))
    return values


def _read_contexts(
    path: Path, portion: "pa.Table", known: dict[str, str], errors: Errors
) -> np.ndarray:
    """Return the contexts as indices into ``CONTEXTS``. (n_rows,)"""
    import pyarrow.compute as pc

    served, batch = known.get("context"), known.get("batch")
    if batch is None or _is_null(portion, batch):
        codes = _by_text(path, portion, served, errors, lambda text: context_of(text, ""))
        return codes.astype(np.int8)
    flags = pc.fill_null(portion[batch].cast("string"), "").to_pylist()
    texts = [""] * len(flags)
    if served is not None and not _is_null(portion, served):
        texts = _encoded_texts(path, portion, served).to_pylist()
    codes = np.zeros(len(flags), np.int8)
    for row, pair in enumerate(zip(texts, flags, strict=True)):
        try:
            codes[row] = context_of(*pair)
        except InputError as error:
            errors.setdefault(row, str(error))
    return codes


def _is_null(portion: "pa.Table", name: str) -> bool:
    """Return whether a column contains only nulls and has no type."""
    import pyarrow as pa

    return bool(pa.types.is_null(portion[name].type))


def _read_times(
    path: Path, portion: "pa.Table", name: str, errors: Errors, required: bool = True
) -> np.ndarray:
    """Return times as Unix seconds; NaN for missing ones that are not required. (n_rows,)"""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = portion[name]
    if pa.types.is_timestamp(column.type):
        ticks = column.cast(pa.timestamp("us", column.type.tz)).cast(pa.int64())
        missing = column.is_null().to_numpy()
        if required:
            for row in np.flatnonzero(missing).tolist():
                errors.setdefault(row, f"{name}: a time is missing")
        seconds: np.ndarray = pc.fill_null(ticks, 0).to_numpy() / 1e6
        return seconds if required else np.where(missing, np.nan, seconds)
    at_s = np.full(portion.num_rows, 0.0 if required else np.nan)
    for row, text in enumerate(_encoded_texts(path, portion, name).to_pylist()):
        try:
            if text or required:
                at_s[row] = seconds_of(name, text)
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
