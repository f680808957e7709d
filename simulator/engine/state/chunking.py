"""Drop finished rows, move the unfinished ones to the front, and append the next chunk of traffic.

A session is kept whole while any of its rows may still be touched, since a turn refers to the row
before it. Rows and nodes get new numbers, but heaps and queues keep their shape, so that a run in
chunks gives the same results as a run in one piece.
"""

import numpy as np
from numpy.typing import NDArray

from simulator.engine.kernels.own.kv_cache import kv_index_entries
from simulator.engine.kernels.shared.queues import mark_queue
from simulator.engine.records import layout
from simulator.engine.records.layout import NONE, EngineState, Records
from simulator.engine.state import api_records, fleet_records
from simulator.traffic.joining import append_rows, numbered, with_ancestors
from simulator.traffic.table import RequestTable
from simulator.units import MINUTE_S


def _queues(state: EngineState) -> tuple[Records, ...]:
    """Return all arrays of records that have a queue of rows."""
    return state.replicas, state.fleets, state.endpoints, state.deferred


def live_rows(state: EngineState, table: RequestTable) -> NDArray[np.bool_]:
    """Return which rows belong to sessions that the engine may still touch. (n_rows,)"""
    rows = state.ledger
    live = (rows.outcome == layout.ABSENT) | (rows.outcome == layout.IN_FLIGHT)
    live |= (rows.awaits != layout.NOTHING) & (rows.outcome != layout.ABSENT)
    live |= rows.sequence != NONE
    stack = np.empty(len(rows) + 1, np.int64)
    for queues in _queues(state):
        for head in np.unique(queues.waiting_head):
            mark_queue(rows, int(head), stack, live)
    begins = table.sessions()
    whole = np.logical_or.reduceat(live, begins) if len(begins) else live
    return np.repeat(whole, np.diff(np.append(begins, len(rows))))


def _live_nodes(state: EngineState, table: RequestTable, now_s: float) -> NDArray[np.bool_]:
    """Return which nodes a prompt has, a replica caches, or an endpoint caches or may still credit
    to a recent use. (n_nodes,)
    """
    entries = fleet_records.kv_in_use(state.kv_entries, state.clock[0])
    held = state.kv_entries.node[entries]
    marks = with_ancestors(table.tree, np.concatenate([table.prefix_node, held]))
    for endpoint, prefixes in zip(state.endpoints, state.prefixes, strict=True):
        kept_s = max(float(endpoint.cache_ttl_s), MINUTE_S)
        recent = (prefixes.expiry_s > now_s) | (now_s - prefixes.used_s <= kept_s)
        marks |= with_ancestors(table.tree, np.flatnonzero(recent))
    return marks


def append_chunk(
    state: EngineState, table: RequestTable, kept: NDArray[np.bool_], chunk: RequestTable
) -> tuple[EngineState, RequestTable]:
    """Return the engine state and the table of the kept rows, followed by a chunk."""
    now_s = float(state.clock[0].now_s)
    kept_rows = np.flatnonzero(kept)
    kept_table = table.take(kept_rows)
    nodes = _live_nodes(state, kept_table, now_s)
    table_after, node_at = append_rows(kept_table, nodes, chunk)
    row_at = numbered(kept)
    size = table_after.size
    state = state._replace(
        requests=fleet_records.request_records(table_after),
        ledger=_move_to_front(state.ledger, kept_rows, fleet_records.ledger_records(size)),
        calls=_move_to_front(state.calls, kept_rows, fleet_records.records(layout.CALL, size)),
        timers=_renumber_timers(state, row_at, size),
        nodes=fleet_records.node_records(table_after.tree),
        prefixes=_renumber_prefixes(state, nodes, node_at, table_after.tree.size),
        **_renumber_cache(state, node_at, table_after.tree.size),
    )
    links = [(state.ledger, "left"), (state.ledger, "right"), (state.sequences, "row")]
    for records, name in [*links, *((queues, "waiting_head") for queues in _queues(state))]:
        # Free sequences and rows outside queues hold stale links, which are never followed.
        old = records[name][: len(kept_rows)] if records is state.ledger else records[name]
        old[:] = row_at[np.where((old >= 0) & (old < len(kept)), old, NONE)]
    to_arrive = np.isnan(kept_table.gap_s) & (
        state.ledger.outcome[: len(kept_rows)] == layout.ABSENT
    )
    state.clock[0].next_row = int(to_arrive.argmax()) if to_arrive.any() else len(kept_rows)
    kv_index_entries(state, fleet_records.kv_in_use(state.kv_entries, state.clock[0]))
    return state, table_after


def _move_to_front(old: Records, rows: NDArray[np.int64], new: Records) -> Records:
    """Copy some records to the front of new ones; return those."""
    new[: len(rows)] = fleet_records.take_records(old, rows)
    return new


def _renumber_timers(state: EngineState, row_at: NDArray[np.int32], size: int) -> Records:
    """Return the heap of timers in its old shape, with the rows' new numbers."""
    timers = fleet_records.records(layout.WAKE, size)
    pending = int(state.clock[0].pending)
    members = state.timers.member[:pending]
    timers.member[:pending] = row_at[members]
    timers.key[row_at[members]] = state.timers.key[members]
    timers.position[row_at[members]] = state.timers.position[members]
    return timers


def _renumber_prefixes(
    state: EngineState, kept: NDArray[np.bool_], node_at: NDArray[np.int32], size: int
) -> Records:
    """Return the PREFIX records of the nodes that are kept, with their new numbers."""
    prefixes = api_records.prefix_records(len(state.endpoints), size)
    prefixes[:, node_at[:-1][kept]] = state.prefixes[:, kept]
    return prefixes


def _renumber_cache(
    state: EngineState, node_at: NDArray[np.int32], nodes: int
) -> dict[str, np.ndarray]:
    """Return the pool of cached nodes, enlarged if the new tree may need it, and an empty index."""
    entries, size = state.kv_entries, fleet_records.kv_entries(state.fleets, nodes)
    index = np.zeros_like(state.kv_index)
    if size > len(entries):
        entries, index = fleet_records.kv_pool(size)
        fresh = int(state.clock[0].fresh_entry)
        entries[:fresh] = state.kv_entries[:fresh]
    cached = fleet_records.kv_in_use(entries, state.clock[0])
    entries.node[cached] = node_at[entries.node[cached]]
    return {"kv_entries": entries, "kv_index": index}
