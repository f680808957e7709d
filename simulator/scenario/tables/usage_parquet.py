"""Usage in Parquet files: typed columns in, the same with costs out, portion by portion."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simulator.errors import InputError, nearest
from simulator.files.parquet import open_parquet
from simulator.pricing.rows import CONTEXTS
from simulator.scenario.catalog.price_book import PriceBook
from simulator.scenario.tables.usage import Calls, Errors, Spans, price_calls
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

if TYPE_CHECKING:
    import pyarrow as pa

PORTION_ROWS = 1 << 19


def priced_portions(
    path: Path, book: PriceBook, spans: Spans | None = None
) -> Iterator["pa.Table"]:
    """Yield portions of a file with ``cost_usd`` and ``error`` behind its columns.

    ``at`` holds timestamps (UTC when bare) or text; a count that is null is zero.

    Raises
    ------
    InputError
        When the file is no Parquet, or lacks a column that must be there, or holds another type.
    """
    with open_parquet(path) as file:
        import pyarrow as pa

        names = file.schema_arrow.names
        for name in REQUIRED:
            if name not in names:
                close = nearest(name, names).replace("did you mean", "found")
                raise InputError(f"{path}: missing column {name!r}{close}")
        for batch in file.iter_batches(PORTION_ROWS):
            errors: Errors = {}
            portion = pa.table(batch)
            cost_usd = price_calls(_calls(path, portion, errors), errors, book, spans)
            reasons = np.full(len(cost_usd), None, object)
            for row, reason in errors.items():
                reasons[row] = reason
            portion = portion.drop_columns([n for n in ADDED if n in portion.column_names])
            portion = portion.append_column("cost_usd", pa.array(cost_usd, from_pandas=True))
            yield portion.append_column("error", pa.array(reasons, pa.string()))


def _calls(path: Path, portion: "pa.Table", errors: Errors) -> Calls:
    offers = _texts(path, portion, "offer").combine_chunks()
    known = known_columns(portion.column_names, str(path))
    contexts = _codes(path, portion, known.get("context"), errors)
    _refuse_paid(portion, known, errors)
    return Calls(
        offers.dictionary.to_pylist(),
        offers.indices.to_numpy().astype(np.int64),
        _moments(path, portion, errors),
        contexts,
        {
            plain: _counts(path, portion, name, errors)
            for plain, name in known.items()
            if plain != "context"
        },
    )


def _refuse_paid(portion: "pa.Table", known: dict[str, str], errors: Errors) -> None:
    """Refuse rows that count something which is billed apart, in a column that is not known."""
    for name in paid_columns(portion.column_names, known):
        for row, value in enumerate(portion[name].to_pylist()):
            if value is not None and says_something(str(value)):
                told = f"column {name!r} may count what is billed apart, and is not known"
                errors.setdefault(row, told + nearest(name, list(COUNTS)))


def _texts(path: Path, portion: "pa.Table", name: str) -> "pa.ChunkedArray":
    """Return a column of text by the places of its values in a dictionary, null as empty."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = portion[name]
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        raise InputError(f"{path}: column {name!r} must be text, not {column.type}")
    return pc.fill_null(column, "").dictionary_encode()


def _codes(path: Path, portion: "pa.Table", name: str | None, errors: Errors) -> np.ndarray:
    if name is None or _is_null(portion, name):
        return np.zeros(portion.num_rows, np.int8)
    texts = _texts(path, portion, name).combine_chunks()
    places = texts.indices.to_numpy()
    codes = np.zeros(len(places), np.int8)
    for place, text in enumerate(texts.dictionary.to_pylist()):
        plain = CONTEXT_NAMES.get(text, text)
        if plain in CONTEXTS:
            codes[places == place] = CONTEXTS.index(plain)
            continue
        for row in np.flatnonzero(places == place).tolist():
            errors[row] = f"unknown context {text!r}{nearest(text, list(CONTEXTS))}"
    return codes


def _is_null(portion: "pa.Table", name: str) -> bool:
    """Whether a column has nothing in it, not even a type."""
    import pyarrow as pa

    return bool(pa.types.is_null(portion[name].type))


def _moments(path: Path, portion: "pa.Table", errors: Errors) -> np.ndarray:
    """Return Unix seconds."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = portion["at"]
    if pa.types.is_timestamp(column.type):
        ticks = column.cast(pa.timestamp("us", column.type.tz)).cast(pa.int64())
        for row in np.flatnonzero(column.is_null().to_numpy()).tolist():
            errors.setdefault(row, "at: a time is missing")
        return pc.fill_null(ticks, 0).to_numpy() / 1e6
    at_s = np.zeros(portion.num_rows)
    for row, text in enumerate(_texts(path, portion, "at").to_pylist()):
        try:
            at_s[row] = seconds("at", text)
        except BadRecord as error:
            errors.setdefault(row, str(error))
    return at_s


def _counts(path: Path, portion: "pa.Table", name: str, errors: Errors) -> np.ndarray:
    import pyarrow as pa
    import pyarrow.compute as pc

    column = portion[name]
    if _is_null(portion, name):
        return np.zeros(portion.num_rows, np.int64)
    if pa.types.is_floating(column.type):  # as tables with gaps come out of pandas
        found = pc.fill_null(column, 0.0).to_numpy()
        if (np.isfinite(found) & (found == np.round(found)) & (np.abs(found) < 1e15)).all():
            column = pa.chunked_array([pa.array(found.astype(np.int64))])
    if not pa.types.is_integer(column.type):
        raise InputError(f"{path}: column {name!r} must be whole numbers, not {column.type}")
    counts: np.ndarray = pc.fill_null(column, 0).to_numpy().astype(np.int64)
    for row in np.flatnonzero(counts < 0).tolist():
        reason = f"{name} must be a whole number, 0 or more, not {counts[row]}"
        errors.setdefault(row, reason)
        counts[row] = 0
    return counts
