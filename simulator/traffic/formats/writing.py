"""Writes logs in the canonical form: times, lengths and anonymous prefix numbers, never text.

Times count from the first request. Sessions and token numbers are renumbered in the order of their
first use, so that nothing of the source's identifiers or content hashes is left.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.errors import InputError
from simulator.files.cells import harmless
from simulator.files.writing import whole
from simulator.traffic.formats.canonical import COLUMNS
from simulator.traffic.logs.collect import PromptRuns
from simulator.traffic.logs.log import UNKNOWN, Batch
from simulator.traffic.prefixes import PrefixBuilder

SUFFIXES = (".csv", ".jsonl", ".parquet")
_TIMES = ("arrival_s", "end_s")
_FLOATS = (*_TIMES, "gap_s", "deadline_s")
_TEXTS = ("workload", "prefix")

_ROW_GROUP_ROWS = 65_536

Chain = list[tuple[int, int]]


def write_log(batches: Iterable[Batch], workloads: Mapping[str, int], target: Path) -> int:
    """Write batches as they come; returns the number of rows. The file is complete or not there.

    Parameters
    ----------
    batches : iterable of Batch
        In the order of time.
    workloads : mapping from str to int
        Numbers of the workloads, in order; it may still grow while batches are drawn.
    target : Path
        ``.csv``, ``.jsonl`` or ``.parquet``.
    """
    if target.suffix not in SUFFIXES:
        raise InputError(f"{target}: logs are written as {', '.join(SUFFIXES)}")
    if not target.parent.is_dir():
        raise InputError(f"{target.parent}: no such directory")
    rows = 0
    with whole(target) as path, _SINKS[target.suffix](path) as sink:
        origin_s: float | None = None
        prefixes = _Prefixes()
        for batch in batches:
            origin_s = float(batch.at_s[0]) if origin_s is None else origin_s
            sink(_columns(batch, origin_s, list(workloads), prefixes.texts(batch)))
            rows += batch.size
    return rows


class _Column(NamedTuple):
    """Values of one canonical column and which of them are not known."""

    values: Any
    """An array, or a list of text. (n_rows,)"""
    unknown: NDArray[np.bool_]

    def to_list(self) -> list[Any]:
        """Return plain values, None where nothing is known."""
        if self.unknown.all():
            return [None] * len(self.unknown)
        values = self.values if isinstance(self.values, list) else self.values.tolist()
        if not self.unknown.any():
            return values
        flags = zip(values, self.unknown.tolist(), strict=True)
        return [None if lost else value for value, lost in flags]


def _columns(
    batch: Batch, origin_s: float, workloads: list[str], prefixes: list[str | None]
) -> dict[str, _Column]:
    """Return the canonical columns of a batch."""
    columns = {}
    for name in COLUMNS:
        if name == "prefix":
            lost = np.array([text is None for text in prefixes], np.bool_)
            columns[name] = _Column(prefixes, lost)
        elif name == "workload":
            names = workloads or ["replay"]
            texts = [names[w] for w in batch.workload.tolist()]
            columns[name] = _Column(texts, np.zeros(batch.size, np.bool_))
        elif name in _FLOATS:
            own = "at_s" if name == "arrival_s" else name
            values = getattr(batch, own) - (origin_s if name in _TIMES else 0.0)
            columns[name] = _Column(values, ~np.isfinite(values))
        else:
            values = getattr(batch, name)
            columns[name] = _Column(values, values == UNKNOWN)
    return columns


class _Prefixes:
    """Renumbers prompts, and writes them behind what they share with their session's last."""

    def __init__(self) -> None:
        self._prompts = PromptRuns()
        self._builder = PrefixBuilder()
        self._last: dict[int, Chain] = {}

    def texts(self, batch: Batch) -> list[str | None]:
        """Return the column ``prefix``. (n_rows,)"""
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
                shared, rest = _behind_common(self._last.get(session, []), chain)
                self._last[session] = chain
            parts = [f"^{shared}"] if shared else []
            parts.extend(f"{start}+{count}" for start, count in rest)
            texts.append(" ".join(parts) or None)
        return texts


def _behind_common(before: Chain, chain: Chain) -> tuple[int, Chain]:
    """Return the tokens that two chains begin with in common and what is behind them."""
    shared = 0
    for place, ((start, count), (old_start, old_count)) in enumerate(
        zip(chain, before, strict=False)
    ):
        if start != old_start:
            return shared, chain[place:]
        both = min(count, old_count)
        shared += both
        if both < count:
            return shared, [(start + both, count - both), *chain[place + 1 :]]
        if both < old_count:
            return shared, chain[place + 1 :]
    return shared, chain[len(before) :]


Sink = Callable[[dict[str, _Column]], object]


@contextmanager
def _csv_sink(path: Path) -> Iterator[Sink]:
    with path.open("w", newline="", encoding="utf-8") as file:
        file.write(",".join(COLUMNS) + "\n")

        def write(columns: dict[str, _Column]) -> None:
            # One format for the whole batch takes half the time of csv.writer.
            fields, lists = [], []
            for name, column in columns.items():
                if column.unknown.all():
                    fields.append("")
                    continue
                values = column.to_list()
                plain = name not in _TEXTS and not column.unknown.any()
                fields.append("%r" if plain else "%s")
                lists.append(values if plain else list(map(_csv_field, values)))
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
def _json_sink(path: Path) -> Iterator[Sink]:
    with path.open("w", encoding="utf-8") as file:

        def write(columns: dict[str, _Column]) -> None:
            lists = [column.to_list() for column in columns.values()]
            for row in zip(*lists, strict=True):
                known = {n: v for n, v in zip(COLUMNS, row, strict=True) if v is not None}
                file.write(json.dumps(known) + "\n")

        yield write


@contextmanager
def _parquet_sink(path: Path) -> Iterator[Sink]:
    try:
        import pyarrow as pa
        from pyarrow.parquet import ParquetWriter
    except ImportError:
        raise InputError(f"{path}: Parquet files need pyarrow: breakeven[parquet]") from None

    def kind(name: str) -> Any:
        if name in _FLOATS:
            return pa.float64()
        return pa.string() if name in _TEXTS else pa.int64()

    schema = pa.schema([(name, kind(name)) for name in COLUMNS])
    with ParquetWriter(path, schema, compression="zstd") as writer:
        held: list[Any] = []

        def write(columns: dict[str, _Column]) -> None:
            arrays = [
                pa.array(column.values, kind(name), mask=column.unknown)
                for name, column in columns.items()
            ]
            held.append(pa.table(arrays, schema=schema))
            if sum(map(len, held)) >= _ROW_GROUP_ROWS:
                writer.write_table(pa.concat_tables(held))
                held.clear()

        yield write
        if held:
            writer.write_table(pa.concat_tables(held))


_SINKS = {".csv": _csv_sink, ".jsonl": _json_sink, ".parquet": _parquet_sink}
