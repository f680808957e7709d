"""Reader of breakeven's own, canonical log format, which has no more than the simulation needs.

CSV with a header, JSON lines or Parquet, with these columns, of which the first three are required:

``arrival_s``           seconds, or ISO 8601 (UTC when bare)
``input_tokens``        whole prompt: uncached + read from a cache + written to one
``output_tokens``       visible output
``reasoning_tokens``    hidden output, in addition
``cached_tokens``, ``written_tokens``   parts of the prompt, as the provider reported them
``max_output_tokens``   declared limit
``workload``, ``session``   names
``end_s``               end of the answer, in the form of ``arrival_s``
``gap_s``               pause since the session's previous answer
``deadline_s``          latest useful completion after arrival
``prefix``              shared tokens of the prompt as runs of token numbers ``start+count``.
                        A leading ``^count`` repeats the first ``count`` tokens of the session's
                        previous prompt

Logs of gateways have six more, which bills need and traffic does not:

``model``, ``provider``, ``team``, ``key``   names, as the gateway has them
``spend_usd``           cost of the call, as the gateway recorded it
``written_1h_tokens``   part of ``written_tokens`` that the cache keeps for an hour
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from simulator.errors import nearest
from simulator.files.cells import unguarded
from simulator.files.numbers import must_be
from simulator.files.parquet import open_parquet
from simulator.files.text import fail
from simulator.traffic.formats.records.chunks import CHUNK_ROWS, Broken, ColumnChunk
from simulator.traffic.formats.records.containers import container_of, csv_columns, json_lines
from simulator.traffic.formats.records.heads import Container
from simulator.traffic.formats.records.reading import Format, Names
from simulator.traffic.formats.records.values import BadRecord, Column, floats, ints, times
from simulator.traffic.logs.billing import LABELS, Billing
from simulator.traffic.logs.log import UNKNOWN, Batch, no_runs, ragged
from simulator.traffic.prefixes import Runs

REQUIRED = ("arrival_s", "input_tokens", "output_tokens")
COUNTS = ("reasoning_tokens", "cached_tokens", "written_tokens", "max_output_tokens")
OPTIONAL = (*COUNTS, "workload", "session", "end_s", "gap_s", "deadline_s", "prefix")
BILLING = (*LABELS, "spend_usd", "written_1h_tokens")
"""Columns that a log has only if its source names callers or costs."""
TRAFFIC = REQUIRED + OPTIONAL
COLUMNS = TRAFFIC + BILLING


def _chunks(path: Path) -> Iterator[ColumnChunk]:
    if path.suffix == ".parquet":
        return _parquet(path)
    if container_of(path) is not Container.CSV:
        return _json(path)
    return map(_unguard_names, csv_columns(path, REQUIRED, OPTIONAL + BILLING))


def _unguard_names(chunk: ColumnChunk) -> ColumnChunk:
    """Remove the apostrophes that protect names from spreadsheets."""
    for name in ("workload", *LABELS):
        if name in chunk.header:
            chunk.columns[name] = tuple(map(unguarded, chunk.columns[name]))
    return chunk


def _json(path: Path) -> Iterator[ColumnChunk]:
    for chunk in json_lines(path):
        rows, lines, broken = [], [], chunk.broken
        for line, record in zip(chunk.lines, chunk.values, strict=True):
            unknown = [name for name in record if name not in COLUMNS]
            missing = [name for name in REQUIRED if name not in record]
            if unknown or missing:
                name = (unknown or missing)[0]
                hint = nearest(name, sorted(COLUMNS)) if unknown else ""
                problem = "unknown" if unknown else "missing"
                broken.append(Broken(line, 1, f"{problem} field {name!r}{hint}"))
                continue
            rows.append(["" if (v := record.get(name)) is None else v for name in COLUMNS])
            lines.append(line)
        columns = dict.fromkeys(COLUMNS, ())
        columns.update(zip(COLUMNS, zip(*rows, strict=True), strict=True) if rows else ())
        yield ColumnChunk(columns, lines, [], broken)


def _parquet(path: Path) -> Iterator[ColumnChunk]:
    with open_parquet(path) as file:
        names = file.schema_arrow.names
        for name in (*REQUIRED, *names):
            if name not in names or name not in COLUMNS:
                fail(path, 1, 1, f"{'missing' if name in COLUMNS else 'unknown'} column {name!r}")
        begin = 0
        for part in file.iter_batches(CHUNK_ROWS):
            columns = {
                name: tuple("" if v is None else v for v in part.column(name).to_pylist())
                if name in names
                else ("",) * part.num_rows
                for name in COLUMNS
            }
            yield ColumnChunk(columns, range(begin + 1, begin + part.num_rows + 1), [])
            begin += part.num_rows


def _parse(columns: dict[str, Column], names: Names) -> Batch:
    optional: dict[str, NDArray] = {
        name: ints(name, columns[name], 0 if name == "reasoning_tokens" else UNKNOWN)
        for name in COUNTS
    }
    optional["end_s"] = times("end_s", columns["end_s"], np.nan)
    optional["gap_s"] = floats("gap_s", columns["gap_s"], np.nan)
    optional["deadline_s"] = floats("deadline_s", columns["deadline_s"], np.inf)
    optional["session"] = names.session(columns["session"])
    optional["workload"] = names.workload(columns["workload"])
    optional["shared_tok"], runs = _parse_prefixes(columns["prefix"], optional["session"])
    return Batch.of(
        times("arrival_s", columns["arrival_s"], None),
        ints("input_tokens", columns["input_tokens"], None),
        ints("output_tokens", columns["output_tokens"], None),
        runs,
        _parse_billing(columns, names),
        **optional,
    )


def _parse_billing(columns: dict[str, Column], names: Names) -> Billing | None:
    """Return callers and costs, None if the columns are empty."""
    size = len(columns["arrival_s"])
    if all(columns[name].count("") == size for name in BILLING):
        return None
    return replace(
        Billing.unknown(size),
        **{name: names.label(columns[name]) for name in LABELS},
        spend_usd=floats("spend_usd", columns["spend_usd"], np.nan),
        written_1h_tokens=ints("written_1h_tokens", columns["written_1h_tokens"], UNKNOWN),
    )


def _parse_prefixes(texts: Column, session: NDArray[np.int64]) -> tuple[NDArray[np.int64], Runs]:
    """Return the shared tokens, (n_rows,), and the runs of the column ``prefix``."""
    shared = np.zeros(len(texts), np.int64)
    if not any(texts):
        return shared, no_runs(len(texts))
    runs = []
    for i, text in enumerate(texts):
        parts = text.split()
        try:
            if parts and parts[0].startswith("^"):
                shared[i] = int(parts.pop(0)[1:])
                if session[i] == UNKNOWN:
                    raise BadRecord("prefix", "prefix begins with ^, but the row has no session")
            pairs = [cast(tuple[int, int], tuple(map(int, part.split("+")))) for part in parts]
            if any(start < 0 or count < 1 for start, count in pairs) or shared[i] < 0:
                raise ValueError
        except ValueError:
            raise BadRecord("prefix", must_be("prefix", "runs start+count", text)) from None
        runs.append(pairs)
    return shared, ragged(runs)


CANONICAL = Format(
    "canonical",
    "columns arrival_s, input_tokens, output_tokens and more; CSV, JSON lines or Parquet",
    lambda head: head.has(*REQUIRED),
    _chunks,
    _parse,
    fields=REQUIRED,
)
