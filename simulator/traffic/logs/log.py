"""Request logs, independent of their format: columns of numbers, without any prompt text."""

from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from simulator.traffic.logs.billing import UNKNOWN, Billing
from simulator.traffic.logs.summary import Summary
from simulator.traffic.prefixes import Runs
from simulator.traffic.table import PrefixTree

__all__ = ["UNKNOWN", "Batch", "Log", "concatenate", "no_runs", "ragged"]


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of a log, in the order of ``at_s``."""

    at_s: NDArray[np.float64]
    """Moment at which the request was sent [s since the log's origin]. (n_rows,)"""
    end_s: NDArray[np.float64]
    """Moment at which the answer was complete [s], NaN if unknown. (n_rows,)"""
    gap_s: NDArray[np.float64]
    """Pause since the session's previous answer [s], NaN if unknown. (n_rows,)"""
    workload: NDArray[np.int32]
    session: NDArray[np.int64]
    """Number of the session, ``UNKNOWN`` for rows without one. (n_rows,)"""
    input_tokens: NDArray[np.int64]
    """Whole prompt: uncached + read from a cache + written to one. (n_rows,)"""
    cached_tokens: NDArray[np.int64]
    """Prompt tokens that the provider reported as read from its cache, or ``UNKNOWN``. (n_rows,)"""
    written_tokens: NDArray[np.int64]
    """Prompt tokens that it reported as written to its cache, or ``UNKNOWN``. (n_rows,)"""
    output_tokens: NDArray[np.int64]
    """Visible output. (n_rows,)"""
    reasoning_tokens: NDArray[np.int64]
    max_output_tokens: NDArray[np.int64]
    """Declared limit of the output, or ``UNKNOWN``. (n_rows,)"""
    deadline_s: NDArray[np.float64]
    shared_tok: NDArray[np.int64]
    """Tokens that the prompt shares with its session's previous prompt. (n_rows,)"""
    runs: Runs
    """Token numbers of the prompt after the first ``shared_tok``; empty if the log has none."""
    billing: Billing | None = None
    """Callers and costs, None if the format has none."""

    @staticmethod
    def of(
        at_s: NDArray[np.float64],
        input_tokens: NDArray[np.int64],
        output_tokens: NDArray[np.int64],
        runs: Runs | None = None,
        billing: Billing | None = None,
        **optional: NDArray,
    ) -> "Batch":
        """Return a batch; columns that are not given are unknown."""
        count = len(at_s)
        defaults: dict[str, NDArray] = {
            "end_s": np.full(count, np.nan),
            "gap_s": np.full(count, np.nan),
            "workload": np.zeros(count, np.int32),
            "session": np.full(count, UNKNOWN, np.int64),
            "cached_tokens": np.full(count, UNKNOWN, np.int64),
            "written_tokens": np.full(count, UNKNOWN, np.int64),
            "reasoning_tokens": np.zeros(count, np.int64),
            "max_output_tokens": np.full(count, UNKNOWN, np.int64),
            "deadline_s": np.full(count, np.inf),
            "shared_tok": np.zeros(count, np.int64),
        }
        columns = {
            **defaults,
            **optional,
            "at_s": at_s,
            "input_tokens": input_tokens,
            "output_tokens": output_tokens,
        }
        runs = no_runs(count) if runs is None else runs
        compact = {name: _compact(column) for name, column in columns.items()}
        return Batch(**compact, runs=runs, billing=billing)

    @property
    def size(self) -> int:
        """Number of rows."""
        return len(self.at_s)

    def take(self, rows: NDArray[np.int64]) -> "Batch":
        """Return the chosen rows."""
        columns = {name: _taken(getattr(self, name), rows) for name in _COLUMNS}
        billing = None if self.billing is None else self.billing.take(rows)
        return Batch(**columns, runs=_take_runs(self.runs, rows), billing=billing)


_COLUMNS = tuple(f.name for f in fields(Batch) if f.name not in ("runs", "billing"))


def _compact(column: NDArray) -> NDArray:
    """Return a column without memory of its own if all its values are equal.

    Most logs lack most columns, and a log of millions of rows would fill the memory with them. Such
    a column is read-only.
    """
    if len(column) < 2 or not _is_constant(column):
        return column
    return np.broadcast_to(column[:1].copy()[0], column.shape)


def _is_constant(column: NDArray) -> bool:
    return bool((column == column[0]).all() or (column[0] != column[0] and np.isnan(column).all()))


def _taken(column: NDArray, rows: NDArray[np.int64]) -> NDArray:
    return (
        column[: len(rows)] if column.strides == (0,) and len(rows) <= len(column) else column[rows]
    )


def _joined(parts: list[NDArray]) -> NDArray:
    """Return the values of all parts; equal constant parts stay without memory of their own."""
    firsts = [part[:1] for part in parts if len(part)]
    if firsts and all(len(part) == 0 or part.strides == (0,) for part in parts):
        values = np.concatenate(firsts)
        if _is_constant(values):
            return np.broadcast_to(values[0], (sum(map(len, parts)),))
    return np.concatenate(parts)


def no_runs(count: int) -> Runs:
    """Return the runs of prompts without known token numbers."""
    return Runs(np.empty(0, np.int64), np.empty(0, np.int64), np.zeros(count + 1, np.int64))


def ragged(runs: list[list[tuple[int, int]]]) -> Runs:
    """Return the runs of prompts from one list of pairs ``(start, count)`` for each."""
    flat = np.array([pair for pairs in runs for pair in pairs], np.int64).reshape(-1, 2)
    lengths = np.array([len(pairs) for pairs in runs], np.int64)
    return Runs(flat[:, 0].copy(), flat[:, 1].copy(), np.append(0, np.cumsum(lengths)))


def _take_runs(runs: Runs, rows: NDArray[np.int64]) -> Runs:
    lengths = np.diff(runs.offsets)[rows]
    offsets = np.append(0, np.cumsum(lengths))
    indices = np.repeat(runs.offsets[rows] - offsets[:-1], lengths) + np.arange(offsets[-1])
    return Runs(runs.start[indices], runs.length[indices], offsets)


def concatenate(batches: list[Batch]) -> Batch:
    """Return all rows of several batches."""
    columns = {name: _joined([getattr(b, name) for b in batches]) for name in _COLUMNS}
    begins = np.cumsum([0, *(len(b.runs.start) for b in batches)])
    offsets = [b.runs.offsets[1:] + begin for b, begin in zip(batches, begins[:-1], strict=True)]
    runs = Runs(
        np.concatenate([b.runs.start for b in batches]),
        np.concatenate([b.runs.length for b in batches]),
        np.concatenate([np.zeros(1, np.int64), *offsets]),
    )
    billing = Billing.concatenate([b.billing for b in batches], [b.size for b in batches])
    return Batch(**columns, runs=runs, billing=billing)


@dataclass(frozen=True, slots=True)
class Log:
    """A whole log; time zero is its first request."""

    rows: Batch
    tree: PrefixTree
    prefix_node: NDArray[np.int32]
    """Deepest prefix-tree node of each prompt or ``NO_NODE``. (n_rows,)"""
    workloads: tuple[str, ...]
    summary: Summary = field(default_factory=Summary)

    @property
    def span_s(self) -> float:
        """Time from the first request to one mean gap after the last [s].

        A repetition of the log can follow directly.
        """
        last_s = float(self.rows.at_s[-1])
        return last_s * (1 + 1 / max(1, self.rows.size - 1)) or 1.0
