"""The canonical log, ours: what a request log has to say about traffic, and nothing more.

CSV with a header, JSON lines or Parquet, with these columns; only the first three must be there:

``arrival_s``           seconds, or ISO 8601 (UTC when bare)
``input_tokens``        whole prompt: uncached + read from a cache + written to one
``output_tokens``       visible output
``reasoning_tokens``    hidden output, on top
``cached_tokens``, ``written_tokens``   of the prompt, as the provider reported
``max_output_tokens``   declared limit
``workload``, ``session``   names
``end_s``               when it was answered, in the form of ``arrival_s``
``gap_s``               pause since the session's previous answer
``deadline_s``          latest useful completion after arrival
``prefix``              what the prompt shares: runs of token numbers ``start+count``, in order.
                        ``^count`` first: so many tokens of the session's previous prompt
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from simulator.errors import InputError, nearest
from simulator.traffic.log import UNKNOWN, Batch, ragged
from simulator.traffic.readers.columns import floats, ints, times
from simulator.traffic.readers.common import BadRecord, Broken, Format, Names, Record, fail
from simulator.traffic.readers.containers import csv_columns, json_lines

REQUIRED = ("arrival_s", "input_tokens", "output_tokens")
COUNTS = ("reasoning_tokens", "cached_tokens", "written_tokens", "max_output_tokens")
OPTIONAL = (*COUNTS, "workload", "session", "end_s", "gap_s", "deadline_s", "prefix")
COLUMNS = REQUIRED + OPTIONAL


def _records(path: Path) -> Iterator[Record | Broken]:
    if path.suffix == ".parquet":
        return _parquet(path)
    if ".jsonl" in path.suffixes:
        return _json(path)
    return csv_columns(path, REQUIRED, OPTIONAL)


def _json(path: Path) -> Iterator[Record | Broken]:
    for record in json_lines(path):
        if isinstance(record, Record):
            unknown = [name for name in record.value if name not in COLUMNS]
            missing = [name for name in REQUIRED if name not in record.value]
            if unknown or missing:
                name = (unknown or missing)[0]
                what = "unknown" if unknown else "missing"
                hint = nearest(name, sorted(COLUMNS)) if unknown else ""
                yield Broken(record.line, 1, f"{what} field {name!r}{hint}")
                continue
            row = tuple("" if (v := record.value.get(n)) is None else v for n in COLUMNS)
            record = record._replace(value=row)
        yield record


def _parquet(path: Path) -> Iterator[Record | Broken]:
    try:
        from pyarrow import ArrowInvalid
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise InputError(f"{path}: Parquet files need pyarrow: breakeven[parquet]") from None
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        file = ParquetFile(path)
        names = file.schema_arrow.names
        for name in (*REQUIRED, *names):
            if name not in names or name not in COLUMNS:
                fail(path, 1, 1, f"{'missing' if name in COLUMNS else 'unknown'} column {name!r}")
        line = 0
        for part in file.iter_batches():
            columns = [
                part.column(name).to_pylist() if name in names else [""] * part.num_rows
                for name in COLUMNS
            ]
            for row in zip(*columns, strict=True):
                line += 1
                yield Record(line, tuple("" if v is None else v for v in row), None)
    except (ArrowInvalid, OSError) as error:
        raise InputError(f"{path}: not readable as Parquet: {str(error)[:120]}") from error


def _parse(rows: list[tuple[Any, ...]], names: Names) -> Batch:
    columns: dict[str, tuple[Any, ...]] = dict(
        zip(COLUMNS, zip(*rows, strict=True) if rows else ((),) * len(COLUMNS), strict=True)
    )
    known: dict[str, NDArray] = {
        name: ints(name, columns[name], 0 if name == "reasoning_tokens" else UNKNOWN)
        for name in COUNTS
    }
    known["end_s"] = times("end_s", columns["end_s"], np.nan)
    known["gap_s"] = floats("gap_s", columns["gap_s"], np.nan)
    known["deadline_s"] = floats("deadline_s", columns["deadline_s"], np.inf)
    known["session"] = names.session([str(key) for key in columns["session"]])
    known["workload"] = names.workload([str(key) or "replay" for key in columns["workload"]])
    known["shared_tok"], runs = _prefixes(columns["prefix"], known["session"])
    return Batch.of(
        times("arrival_s", columns["arrival_s"], None),
        ints("input_tokens", columns["input_tokens"], None),
        ints("output_tokens", columns["output_tokens"], None),
        ragged(runs),
        **known,
    )


def _prefixes(
    texts: tuple[str, ...], session: NDArray[np.int64]
) -> tuple[NDArray[np.int64], list[list[tuple[int, int]]]]:
    shared = np.zeros(len(texts), np.int64)
    if not any(texts):
        return shared, [[]] * len(texts)
    runs = []
    for i, text in enumerate(texts):
        parts = text.split()
        try:
            if parts and parts[0].startswith("^"):
                shared[i] = int(parts.pop(0)[1:])
                if session[i] == UNKNOWN:
                    raise BadRecord("prefix", "prefix begins with ^, but the row has no session")
            each = [cast(tuple[int, int], tuple(map(int, part.split("+")))) for part in parts]
            if any(start < 0 or count < 1 for start, count in each) or shared[i] < 0:
                raise ValueError
        except ValueError:
            raise BadRecord(
                "prefix", f"prefix must be runs start+count, not {text[:60]!r}"
            ) from None
        runs.append(each)
    return shared, runs


CANONICAL = Format(
    "canonical",
    "columns arrival_s, input_tokens, output_tokens and more; CSV, JSON lines or Parquet",
    REQUIRED,
    _records,
    _parse,
)
