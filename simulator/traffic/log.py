"""What a request log says, whatever its format: columns of facts, without any prompt text.

A reader yields batches in the order of time; ``collect`` makes one log of them, with the prefix
tree of its prompts, and ``requests`` turns a log into the table that the engine replays.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from simulator.errors import InputError
from simulator.rng import stream
from simulator.traffic.prefixes import PrefixBuilder, Runs, runs_of
from simulator.traffic.table import PrefixTree, RequestTable

UNKNOWN = -1
"""A count that the log does not tell; zero is a fact."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of a log, in the order of ``at_s``."""

    at_s: NDArray[np.float64]
    """When the request was sent [s since the log's origin]. (n_rows,)"""
    end_s: NDArray[np.float64]
    """When it was answered; NaN: not told. (n_rows,)"""
    gap_s: NDArray[np.float64]
    """Pause since the session's previous answer; NaN: not told. (n_rows,)"""
    workload: NDArray[np.int32]
    session: NDArray[np.int64]
    """``UNKNOWN`` where the log knows none. (n_rows,)"""
    input_tokens: NDArray[np.int64]
    """Whole prompt: uncached + read from a cache + written to one. (n_rows,)"""
    cached_tokens: NDArray[np.int64]
    written_tokens: NDArray[np.int64]
    """What the provider reported, or ``UNKNOWN``. (n_rows,)"""
    output_tokens: NDArray[np.int64]
    """Visible output. (n_rows,)"""
    reasoning_tokens: NDArray[np.int64]
    max_output_tokens: NDArray[np.int64]
    """Declared limit or ``UNKNOWN``. (n_rows,)"""
    deadline_s: NDArray[np.float64]
    shared_tok: NDArray[np.int64]
    """The prompt begins with so many tokens of its session's previous prompt. (n_rows,)"""
    runs: Runs
    """Token numbers of the prompt behind ``shared_tok``; empty where the log knows none."""

    @staticmethod
    def of(
        at_s: NDArray[np.float64],
        input_tokens: NDArray[np.int64],
        output_tokens: NDArray[np.int64],
        runs: Runs | None = None,
        **known: NDArray,
    ) -> "Batch":
        """Return a batch; what is not given is not known."""
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
            **known,
            "at_s": at_s,
            "input_tokens": input_tokens,
            "output_tokens": output_tokens,
        }
        return Batch(**columns, runs=no_runs(count) if runs is None else runs)

    @property
    def size(self) -> int:
        """Number of rows."""
        return len(self.at_s)

    def take(self, rows: NDArray[np.int64]) -> "Batch":
        """Return the chosen rows."""
        columns = {name: getattr(self, name)[rows] for name in _COLUMNS}
        return Batch(**columns, runs=_take_runs(self.runs, rows))


_COLUMNS = tuple(f.name for f in fields(Batch) if f.name != "runs")


def no_runs(count: int) -> Runs:
    """Return runs of prompts of which nothing is known."""
    return Runs(np.empty(0, np.int64), np.empty(0, np.int64), np.zeros(count + 1, np.int64))


def ragged(runs: list[list[tuple[int, int]]]) -> Runs:
    """Lay out lists of ``(start, count)``."""
    flat = np.array([pair for each in runs for pair in each], np.int64).reshape(-1, 2)
    lengths = np.array([len(each) for each in runs], np.int64)
    return Runs(flat[:, 0].copy(), flat[:, 1].copy(), np.append(0, np.cumsum(lengths)))


def _take_runs(runs: Runs, rows: NDArray[np.int64]) -> Runs:
    lengths = np.diff(runs.offsets)[rows]
    offsets = np.append(0, np.cumsum(lengths))
    places = np.repeat(runs.offsets[rows] - offsets[:-1], lengths) + np.arange(offsets[-1])
    return Runs(runs.start[places], runs.length[places], offsets)


def concatenate(batches: list[Batch]) -> Batch:
    """Return all rows of several batches."""
    columns = {name: np.concatenate([getattr(b, name) for b in batches]) for name in _COLUMNS}
    begins = np.cumsum([0, *(len(b.runs.start) for b in batches)])
    offsets = [b.runs.offsets[1:] + begin for b, begin in zip(batches, begins[:-1], strict=True)]
    runs = Runs(
        np.concatenate([b.runs.start for b in batches]),
        np.concatenate([b.runs.length for b in batches]),
        np.concatenate([np.zeros(1, np.int64), *offsets]),
    )
    return Batch(**columns, runs=runs)


@dataclass(frozen=True, slots=True)
class Log:
    """A whole log; time zero is its first request."""

    rows: Batch
    tree: PrefixTree
    prefix_node: NDArray[np.int32]
    """Deepest prefix-tree node of each prompt or ``NO_NODE``. (n_rows,)"""
    workloads: tuple[str, ...]

    @property
    def span_s(self) -> float:
        """From the first request to one mean gap after the last, so that a repeat joins on."""
        last_s = float(self.rows.at_s[-1])
        return last_s * (1 + 1 / max(1, self.rows.size - 1)) or 1.0


def collect(batches: Iterable[Batch], workloads: list[str]) -> Log:
    """Make one log of batches; ``workloads`` may still grow while they are drawn."""
    rows = concatenate(list(batches))
    rows = replace(rows, at_s=rows.at_s - rows.at_s[0], end_s=rows.end_s - rows.at_s[0])
    prompts = PromptRuns()
    if not len(rows.runs.start) and (rows.session != UNKNOWN).any():
        runs = prompts.guess(rows)
    else:
        runs = prompts.resolve(rows)
    builder = PrefixBuilder()
    tree, nodes = builder.finish(builder.add(runs))
    return Log(rows, tree, nodes, tuple(workloads) or ("replay",))


class PromptRuns:
    """Runs of whole prompts, for rows that tell only how they go on from their session's last."""

    def __init__(self) -> None:
        self._last: dict[int, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}
        self._rows = 0

    def resolve(self, rows: Batch) -> Runs:
        """Put the shared beginnings before the rows' own runs."""
        if not rows.shared_tok.any() and not (rows.session != UNKNOWN).any():
            return rows.runs
        offsets = rows.runs.offsets.tolist()
        chains = []
        for i, (session, shared) in enumerate(
            zip(rows.session.tolist(), rows.shared_tok.tolist(), strict=True)
        ):
            own = slice(offsets[i], offsets[i + 1])
            chain = (rows.runs.start[own], rows.runs.length[own])
            if shared:
                before = self._last.get(session)
                if before is None or shared > before[1].sum():
                    raise InputError(
                        f"request {self._rows + i + 1}: its prompt is said to share {shared} tokens "
                        "with its session's previous prompt, which is not that long"
                    )
                chain = _joined(_head(before, shared), chain)
            if session != UNKNOWN:
                self._last[session] = chain
            chains.append(chain)
        self._rows += rows.size
        return Runs(
            np.concatenate([c[0] for c in chains]),
            np.concatenate([c[1] for c in chains]),
            np.append(0, np.cumsum([len(c[0]) for c in chains])),
        )

    def guess(self, rows: Batch) -> Runs:
        """Let every turn begin with its session's previous prompt, for logs without prefix ids.

        A prompt that shrank was edited: of that, only what the provider reported as cached is
        shared. What the first turn of a session had cached is taken for its workload's common
        beginning. This is an assumption, stated wherever such a log is used.
        """
        fresh = int(rows.input_tokens.max()) * (int(rows.workload.max()) + 1)
        offset_of = rows.workload.astype(np.int64) * int(rows.input_tokens.max())
        shared, own = np.zeros(rows.size, np.int64), []
        last: dict[int, int] = {}
        columns = (rows.session, rows.input_tokens, rows.cached_tokens, offset_of)
        for i, (session, prompt, cached, common) in enumerate(
            zip(*(c.tolist() for c in columns), strict=True)
        ):
            before = last.get(session) if session != UNKNOWN else None
            known = max(0, cached)
            runs = []
            if before is not None:
                shared[i] = before if prompt > before else min(known, before)
            elif known:
                runs.append((common, known))
            begun = int(shared[i]) or sum(count for _, count in runs)
            if prompt > begun:
                runs.append((fresh, prompt - begun))
                fresh += prompt - begun
            own.append(runs)
            if session != UNKNOWN:
                last[session] = prompt
        return self.resolve(replace(rows, shared_tok=shared, runs=ragged(own)))


def _head(
    chain: tuple[NDArray[np.int64], NDArray[np.int64]], tokens: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first ``tokens`` of a chain."""
    start, count = chain
    ends = np.cumsum(count)
    last = int(np.searchsorted(ends, tokens))
    if last >= len(ends) or ends[last] == tokens:
        return start[: last + 1], count[: last + 1]
    cut = count[: last + 1].copy()
    cut[last] -= ends[last] - tokens
    return start[: last + 1], cut


def _joined(
    head: tuple[NDArray[np.int64], NDArray[np.int64]],
    tail: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return one chain after the other, as one run where they touch."""
    if len(head[0]) and len(tail[0]) and head[0][-1] + head[1][-1] == tail[0][0]:
        merged = head[1].copy()
        merged[-1] += tail[1][0]
        return np.append(head[0], tail[0][1:]), np.append(merged, tail[1][1:])
    return np.append(head[0], tail[0]), np.append(head[1], tail[1])


def requests(log: Log, seed: int, name: str = "replay") -> RequestTable:
    """Lay out a log for the engine.

    A turn whose pause after the previous answer is known arrives that long after the answer of the
    option that is simulated; every other row arrives when it did.
    """
    rows = log.rows
    gap_s, previous = _pauses(rows)
    # A chain of turns is laid out below its first row, chains in the order of their first rows.
    head = np.arange(rows.size)
    for i in np.flatnonzero(previous != UNKNOWN).tolist():
        head[i] = head[previous[i]]
    order = np.argsort(head, kind="stable")
    alone = previous[order] == UNKNOWN
    first = np.flatnonzero(alone)[np.cumsum(alone) - 1]
    count = rows.size
    rng = stream(seed, f"replay/{name}")
    declared = np.where(
        rows.max_output_tokens == UNKNOWN,
        rows.output_tokens + rows.reasoning_tokens,
        rows.max_output_tokens,
    )
    return RequestTable(
        arrival_s=rows.at_s[head[order]],
        gap_s=np.where(alone, np.nan, gap_s[order]),
        workload=rows.workload[order],
        input_tokens=rows.input_tokens[order].astype(np.int32),
        output_tokens=rows.output_tokens[order].astype(np.int32),
        reasoning_tokens=rows.reasoning_tokens[order].astype(np.int32),
        max_output_tokens=declared[order].astype(np.int32),
        prefix_node=log.prefix_node[order],
        session=(np.cumsum(alone) - 1).astype(np.int32),
        turn=(np.arange(count) - first).astype(np.int32),
        deadline_s=rows.deadline_s[order],
        difficulty=rng.random(count)[order],
        ttft_z=rng.standard_normal(count)[order],
        speed_z=rng.standard_normal(count)[order],
        tree=log.tree,
        workloads=log.workloads,
    )


def turns_of(rows: Batch) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the requests of every session, (n_sessions,), and the pauses known between them."""
    told = rows.session != UNKNOWN
    turns = np.unique(rows.session[told], return_counts=True)[1]
    gap_s, previous = _pauses(rows)
    return turns, gap_s[previous != UNKNOWN]


def _pauses(rows: Batch) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Pause before each row and the row that it follows, ``UNKNOWN`` where it follows none."""
    order = np.lexsort((np.arange(rows.size), rows.session))
    same = np.zeros(rows.size, bool)
    same[1:] = (np.diff(rows.session[order]) == 0) & (rows.session[order][1:] != UNKNOWN)
    before = np.where(same, np.roll(order, 1), UNKNOWN)
    previous = np.full(rows.size, UNKNOWN, np.int64)
    previous[order] = before
    measured = rows.at_s - rows.end_s[previous]
    gap_s = np.where(np.isnan(rows.gap_s), measured, rows.gap_s)
    # A request sent before its session's last answer ran beside it: it follows nothing.
    previous[~(gap_s >= 0)] = UNKNOWN
    return gap_s, previous


def recorded_stream(
    hours: Iterable[tuple[RequestTable, float]], first_token_s: float, token_s: float
) -> Iterator[Batch]:
    """Yield the log of tables in the order of time, each with the time before which all began."""
    held: list[Batch] = []
    sessions = 0
    for table, end_s in hours:
        rows = recorded(table, first_token_s, token_s)
        held.append(replace(rows, session=rows.session + sessions))
        sessions += len(table.sessions())
        together = concatenate(held)
        together = together.take(np.argsort(together.at_s, kind="stable"))
        ready = int(np.searchsorted(together.at_s, end_s))
        if ready:
            yield together.take(np.arange(ready))
        held = [together.take(np.arange(ready, together.size))]
    if held and held[0].size:
        yield held[0]


def recorded(table: RequestTable, first_token_s: float, token_s: float) -> Batch:
    """Return a table as the log of a service that answers at a constant speed, in order of time."""
    alone = np.isnan(table.gap_s)
    took_s = first_token_s + token_s * table.completion_tokens
    # Within a session, time runs on by every pause and every answer before it.
    step_s = np.where(alone, 0.0, table.gap_s)
    step_s[1:] += np.where(alone[1:], 0.0, took_s[:-1])
    elapsed_s = np.cumsum(step_s)
    first = np.flatnonzero(alone)[np.cumsum(alone) - 1]
    at_s = table.arrival_s + (elapsed_s - elapsed_s[first])
    rows = Batch.of(
        at_s=at_s,
        end_s=at_s + took_s,
        gap_s=table.gap_s,
        workload=table.workload,
        session=table.session.astype(np.int64),
        input_tokens=table.input_tokens.astype(np.int64),
        output_tokens=table.output_tokens.astype(np.int64),
        reasoning_tokens=table.reasoning_tokens.astype(np.int64),
        max_output_tokens=table.max_output_tokens.astype(np.int64),
        deadline_s=table.deadline_s,
        runs=runs_of(table.tree, table.prefix_node),
    )
    return rows.take(np.argsort(at_s, kind="stable"))
