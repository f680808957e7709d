"""Conversion of a log to the table that the engine replays, and of a table to a log."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from simulator.rng import stream
from simulator.traffic.logs.log import UNKNOWN, Batch, Log, concatenate
from simulator.traffic.prefixes import runs_of
from simulator.traffic.table import NO_NODE, RequestTable


def replay_requests(log: Log, seed: int) -> RequestTable:
    """Return the request table of a log.

    A turn whose pause after the previous answer is known arrives that long after the simulated
    answer; every other row arrives at its recorded time.
    """
    rows = log.rows
    gap_s, previous = previous_rows(rows)
    # The turns of a chain follow its first row, and chains are in the order of their first rows.
    head = np.arange(rows.size)
    for i in np.flatnonzero(previous != UNKNOWN).tolist():
        head[i] = head[previous[i]]
    order = np.argsort(head, kind="stable")
    alone = previous[order] == UNKNOWN
    first = np.flatnonzero(alone)[np.cumsum(alone) - 1]
    count = rows.size
    rng = stream(seed, "replay")
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
        patience_s=np.full(len(order), np.inf),
        difficulty=rng.random(count)[order],
        random_bits=rng.bit_generator.random_raw(count)[order],
        earlier_node=np.full(count, NO_NODE, np.int32),
        earlier_s=np.zeros(count),
        since_volume=np.zeros(count),
        tree=log.tree,
        workloads=log.workloads,
    )


def turns_of(rows: Batch) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the requests in each session, (n_sessions,), and the known pauses, (n_pauses,) [s]."""
    in_session = rows.session != UNKNOWN
    turns = np.unique(rows.session[in_session], return_counts=True)[1]
    gap_s, previous = previous_rows(rows)
    return turns, gap_s[previous != UNKNOWN]


def previous_rows(rows: Batch) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the pause before each row [s] and the row that it follows, ``UNKNOWN`` for none.

    (n_rows,), (n_rows,)
    """
    order = np.lexsort((np.arange(rows.size), rows.session))
    same = np.zeros(rows.size, bool)
    same[1:] = (np.diff(rows.session[order]) == 0) & (rows.session[order][1:] != UNKNOWN)
    before = np.where(same, np.roll(order, 1), UNKNOWN)
    previous = np.full(rows.size, UNKNOWN, np.int64)
    previous[order] = before
    measured = rows.at_s - rows.end_s[previous]
    gap_s = np.where(np.isnan(rows.gap_s), measured, rows.gap_s)
    # A request that was sent before its session's last answer was complete does not depend on it.
    previous[~(gap_s >= 0)] = UNKNOWN
    return gap_s, previous


def recorded_stream(
    hours: Iterable[tuple[RequestTable, float]], first_token_s: float, token_s: float
) -> Iterator[Batch]:
    """Yield the log of tables in the order of time.

    Each table comes with the time before which all of its sessions, and those of earlier tables,
    have begun. Rows after that time are held back until the next table.
    """
    held: list[Batch] = []
    sessions = 0
    for table, end_s in hours:
        rows = recorded(table, first_token_s, token_s)
        held.append(replace(rows, session=rows.session + sessions))
        sessions += len(table.sessions())
        merged = concatenate(held)
        merged = merged.take(np.argsort(merged.at_s, kind="stable"))
        ready = int(np.searchsorted(merged.at_s, end_s))
        if ready:
            yield merged.take(np.arange(ready))
        held = [merged.take(np.arange(ready, merged.size))]
    if held and held[0].size:
        yield held[0]


def recorded(table: RequestTable, first_token_s: float, token_s: float) -> Batch:
    """Return the log that a service of constant speed would record of a table, in order of time."""
    alone = np.isnan(table.gap_s)
    answer_s = first_token_s + token_s * table.completion_tokens
    # Within a session, each turn is later than the last by an answer and a pause.
    step_s = np.where(alone, 0.0, table.gap_s)
    step_s[1:] += np.where(alone[1:], 0.0, answer_s[:-1])
    elapsed_s = np.cumsum(step_s)
    first = np.flatnonzero(alone)[np.cumsum(alone) - 1]
    at_s = table.arrival_s + (elapsed_s - elapsed_s[first])
    rows = Batch.of(
        at_s=at_s,
        end_s=at_s + answer_s,
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
