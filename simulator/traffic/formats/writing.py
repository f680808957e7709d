"""Writer of logs in the canonical format: times, lengths and anonymous token numbers, never text.

Times count from the first request. Sessions and tokens are renumbered in the order of their first
use, so that no identifier of a user or content hash of the source remains. Models, providers, teams
and keys keep their names, for bills.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.errors import InputError
from simulator.files.cells import harmless
from simulator.files.optional import missing_package
from simulator.files.writing import whole
from simulator.traffic.formats.canonical import COLUMNS, TRAFFIC
from simulator.traffic.logs.billing import LABELS, Billing
from simulator.traffic.logs.collect import PromptRuns
from simulator.traffic.logs.log import UNKNOWN, Batch
from simulator.traffic.prefixes import PrefixBuilder

SUFFIXES = (".csv", ".jsonl", ".parquet")
_TIMES = ("arrival_s", "end_s")
_FLOATS = (*_TIMES, "gap_s", "deadline_s", "spend_usd")
_TEXTS = ("workload", "prefix", *LABELS)

_ROW_GROUP_ROWS = 65_536

Chain = list[tuple[int, int]]


def write_log(
    batches: Iterable[Batch],
    workloads: Mapping[str, int],
    target: Path,
    labels: Mapping[str, int] | None = None,
) -> int:
    """Write batches one after the other and return the number of rows.

    If writing fails, no file is left.

    Parameters
    ----------
    batches : iterable of Batch
        Rows in the order of time.
    workloads : mapping from str to int
        Numbers of the workloads by name, in order. It may grow while batches are read.
    target : Path
        File with the suffix ``.csv``, ``.jsonl`` or ``.parquet``.
    labels : mapping from str to int, optional
        Numbers of models, providers, teams and keys by name, as ``workloads``. They are written
        with the costs if the log has them; None: they are left out.
    """
    if target.suffix not in SUFFIXES:
        raise InputError(f"{target}: logs are written as {', '.join(SUFFIXES)}")
    if not target.parent.is_dir():
        raise InputError(f"{target.parent}: no such directory")
    rows = 0
    batches = iter(batches)
    first = next(batches, None)
    with_billing = labels is not None and first is not None and first.billing is not None
    names = COLUMNS if with_billing else TRAFFIC
    with whole(target) as path, _SINKS[target.suffix](path, names) as sink:
        origin_s: float | None = None
        prefixes = _Prefixes()
        for batch in batches if first is None else chain([first], batches):
            origin_s = float(batch.at_s[0]) if origin_s is None else origin_s
            columns = _canonical_columns(batch, origin_s, list(workloads), prefixes.texts(batch))
            if with_billing:
                columns |= _billing_columns(batch, list(labels or ()))
            sink(columns)
            rows += batch.size
    return rows


class _Column(NamedTuple):
    """Values of one canonical column, and which of them are unknown."""

    values: Any
    """Array of numbers or list of texts. (n_rows,)"""
    unknown: NDArray[np.bool_]

    def to_list(self) -> list[Any]:
        """Return plain values, None for unknown ones."""
        if self.unknown.all():
            return [None] * len(self.unknown)
        values = self.values if isinstance(self.values, list) else self.values.tolist()
        if not self.unknown.any():
            return values
        flags = zip(values, self.unknown.tolist(), strict=True)
        return [None if is_unknown else value for value, is_unknown in flags]


def _canonical_columns(
    batch: Batch, origin_s: float, workloads: list[str], prefixes: list[str | None]
) -> dict[str, _Column]:
    """Return the canonical columns of a batch."""
    columns = {}
    for name in TRAFFIC:
        if name == "prefix":
            unknown = np.array([text is None for text in prefixes], np.bool_)
            columns[name] = _Column(prefixes, unknown)
        elif name == "workload":
            names = workloads or ["replay"]
            texts = [names[w] for w in batch.workload.tolist()]
            columns[name] = _Column(texts, np.zeros(batch.size, np.bool_))
        elif name in _FLOATS:
            batch_name = "at_s" if name == "arrival_s" else name
            values = getattr(batch, batch_name) - (origin_s if name in _TIMES else 0.0)
            columns[name] = _Column(values, ~np.isfinite(values))
        else:
            values = getattr(batch, name)
            columns[name] = _Column(values, values == UNKNOWN)
    return columns


def _billing_columns(batch: Batch, labels: list[str]) -> dict[str, _Column]:
    """Return the columns of callers and costs."""
    billing = batch.billing or Billing.unknown(batch.size)
    columns = {}
    for name in LABELS:
        numbers = getattr(billing, name)
        texts = ["" if n == UNKNOWN else labels[n] for n in numbers.tolist()]
        columns[name] = _Column(texts, numbers == UNKNOWN)
    columns["spend_usd"] = _Column(billing.spend_usd, np.isnan(billing.spend_usd))
    written = billing.written_1h_tokens
    return {**columns, "written_1h_tokens": _Column(written, written == UNKNOWN)}


class _Prefixes:
    """Writer of the column ``prefix``: renumbered tokens after those shared with the last turn."""

    def __init__(self) -> None:
        self._prompts = PromptRuns()
        self._builder = PrefixBuilder()
        self._last: dict[int, Chain] = {}

    def texts(self, batch: Batch) -> list[str | None]:
        """Return the column ``prefix`` of a batch. (n_rows,)"""
        if not len(batch.runs.start) and not batch.shared_tok.any():
            return [None] * batch.size
        runs = self._builder.anonymous(self._builder.add(self._prompts.resolve(batch)))
        pairs = list(zip(runs.start.tolist(), runs.length.tolist(), strict=True))
        offsets = runs.offsets.tolist()
        texts: list[str | None] = []
        for i, session in enumerate(batch.session.tolist()):
            chain = pairs[offsets[i] : offsets[i + 1]]
            shared, rest = 0, chain
            if session != UNKNOWN:
                shared, rest = _split_common(self._last.get(session, []), chain)
                self._last[session] = chain
            parts = [f"^{shared}"] if shared else []
            parts.extend(f"{start}+{count}" for start, count in rest)
            texts.append(" ".join(parts) or None)
        return texts


def _split_common(before: Chain, chain: Chain) -> tuple[int, Chain]:
    """Return how many tokens two chains share at the beginning, and the rest of the second."""
    shared = 0
    for index, ((start, count), (old_start, old_count)) in enumerate(
        zip(chain, before, strict=False)
    ):
        if start != old_start:
            return shared, chain[index:]
        both = min(count, old_count)
        shared += both
        if both < count:
            return shared, [(start + both, count - both), *chain[index + 1 :]]
        if both < old_count:
            return shared, chain[index + 1 :]
    return shared, chain[len(before) :]


Names = tuple[str, ...]
Sink = Callable[[dict[str, _Column]], object]


@contextmanager
def _csv_sink(path: Path, names: Names) -> Iterator[Sink]:
    with path.open("w", newline="", encoding="utf-8") as file:
        file.write(",".join(names) + "\n")

        def write(columns: dict[str, _Column]) -> None:
            # Formatting all rows with one format string takes half the time of csv.writer.
            fields, lists = [], []
            for name, column in columns.items():
                if column.unknown.all():
                    fields.append("")
                    continue
                values = column.to_list()
                is_numeric = name not in _TEXTS and not column.unknown.any()
                fields.append("%r" if is_numeric else "%s")
                lists.append(values if is_numeric else list(map(_csv_field, values)))
            row = ",".join(fields) + "\n"
            file.write("".join(map(row.__mod__, zip(*lists, strict=True))))

        yield write


def _csv_field(value: Any) -> str:
    if value is None:
        return ""
    text = harmless(str(value))
    if any(mark in text for mark in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


@contextmanager
def _json_sink(path: Path, names: Names) -> Iterator[Sink]:
    with path.open("w", encoding="utf-8") as file:

        def write(columns: dict[str, _Column]) -> None:
            lists = [column.to_list() for column in columns.values()]
            for row in zip(*lists, strict=True):
                fields = {n: v for n, v in zip(names, row, strict=True) if v is not None}
                file.write(json.dumps(fields) + "\n")

        yield write


@contextmanager
def _parquet_sink(path: Path, names: Names) -> Iterator[Sink]:
    try:
        import pyarrow as pa
        from pyarrow.parquet import ParquetWriter
    except ImportError:
        raise missing_package("pyarrow", f"{path}: a Parquet file") from None

    def kind(name: str) -> Any:
        if name in _FLOATS:
            return pa.float64()
        return pa.string() if name in _TEXTS else pa.int64()

    schema = pa.schema([(name, kind(name)) for name in names])
    with ParquetWriter(path, schema, compression="zstd") as writer:
        pending: list[Any] = []

        def write(columns: dict[str, _Column]) -> None:
            arrays = [
                pa.array(column.values, kind(name), mask=column.unknown)
                for name, column in columns.items()
            ]
            pending.append(pa.table(arrays, schema=schema))
            if sum(map(len, pending)) >= _ROW_GROUP_ROWS:
                writer.write_table(pa.concat_tables(pending))
                pending.clear()

        yield write
        if pending:
            writer.write_table(pa.concat_tables(pending))


_SINKS = {".csv": _csv_sink, ".jsonl": _json_sink, ".parquet": _parquet_sink}
