"""Give the data plane its next chunk of traffic: what is over leaves, what goes on moves up.

Sessions are kept whole while any of their rows may still be touched, since turns look at the row
above them. Rows and nodes get new numbers; heaps and lines keep their shape, so that a run in
chunks does the same as one in a piece.
"""

import numpy as np
from numpy.typing import NDArray

from simulator.engine.kernels.own.kv_cache import kv_index_entries
from simulator.engine.kernels.shared.queues import mark_queue
from simulator.engine.records import layout
from simulator.engine.records.layout import NONE, EngineState, Records
from simulator.engine.state import api_records, fleet_records
from simulator.traffic.joining import joined, numbered, with_ancestors
from simulator.traffic.table import RequestTable
from simulator.units import MINUTE_S


def _lines(state: EngineState) -> tuple[Records, ...]:
    """Everything that has a line of rows."""
    return state.replicas, state.fleets, state.endpoints, state.deferred


def live_rows(state: EngineState, table: RequestTable) -> NDArray[np.bool_]:
    """Return which rows belong to sessions that are not over for the engine. (n_rows,)"""
    rows = state.ledger
    live = (rows.outcome == layout.ABSENT) | (rows.outcome == layout.IN_FLIGHT)
    live |= (rows.awaits != layout.NOTHING) & (rows.outcome != layout.ABSENT)
    live |= rows.sequence != NONE
    stack = np.empty(len(rows) + 1, np.int64)
    for line in _lines(state):
        for head in np.unique(line.waiting_head):
            mark_queue(rows, int(head), stack, live)
    begins = table.sessions()
    whole = np.logical_or.reduceat(live, begins) if len(begins) else live
    return np.repeat(whole, np.diff(np.append(begins, len(rows))))


def _live_nodes(state: EngineState, table: RequestTable, now_s: float) -> NDArray[np.bool_]:
    """Return which nodes a prompt has, a replica holds or an endpoint remembers. (n_nodes,)"""
    held = state.kv_entries.node[state.kv_index[state.kv_index != NONE]]
    marks = with_ancestors(table.tree, np.concatenate([table.prefix_node, held]))
    for endpoint, known in zip(state.endpoints, state.prefixes, strict=True):
        remembered_s = max(float(endpoint.cache_ttl_s), MINUTE_S)
        recent = (known.expiry_s > now_s) | (now_s - known.used_s <= remembered_s)
        marks |= with_ancestors(table.tree, np.flatnonzero(recent))
    return marks


def renewed(
    state: EngineState, table: RequestTable, kept: NDArray[np.bool_], chunk: RequestTable
) -> tuple[EngineState, RequestTable]:
    """Return the plane and the table of the kept rows with a chunk behind them."""
    now_s = float(state.clock[0].now_s)
    rest = np.flatnonzero(kept)
    going_on = table.take(rest)
    nodes = _live_nodes(state, going_on, now_s)
    together, node_at = joined(going_on, nodes, chunk)
    row_at = numbered(kept)
    size = together.size
    state = state._replace(
        requests=fleet_records.requests(together),
        ledger=_moved(state.ledger, rest, fleet_records.ledger(size)),
        calls=_moved(state.calls, rest, fleet_records.records(layout.CALL, size)),
        timers=_timers(state, row_at, size),
        nodes=fleet_records.nodes(together.tree),
        prefixes=_prefixes(state, nodes, node_at, together.tree.size),
        **_cache(state, node_at, together.tree.size),
    )
    links = [(state.ledger, "left"), (state.ledger, "right"), (state.sequences, "row")]
    for records, name in [*links, *((line, "waiting_head") for line in _lines(state))]:
        # Free sequences and rows out of line hold links of the past, which nobody follows.
        old = records[name][: len(rest)] if records is state.ledger else records[name]
        old[:] = row_at[np.where((old >= 0) & (old < len(kept)), old, NONE)]
    ahead = np.isnan(going_on.gap_s) & (state.ledger.outcome[: len(rest)] == layout.ABSENT)
    state.clock[0].next_row = int(ahead.argmax()) if ahead.any() else len(rest)
    active = np.ascontiguousarray(np.flatnonzero(state.kv_entries.replica >= 0))
    kv_index_entries(state, active)
    return state, together


def _moved(old: Records, rows: NDArray[np.int64], new: Records) -> Records:
    """Put some records at the beginning of fresh ones."""
    new[: len(rows)] = fleet_records.chosen(old, rows)
    return new


def _timers(state: EngineState, row_at: NDArray[np.int32], size: int) -> Records:
    """The heap of waiting rows in its shape, under the rows' new numbers."""
    timers = fleet_records.records(layout.WAKE, size)
    pending = int(state.clock[0].pending)
    members = state.timers.member[:pending]
    timers.member[:pending] = row_at[members]
    timers.key[row_at[members]] = state.timers.key[members]
    timers.position[row_at[members]] = state.timers.position[members]
    return timers


def _prefixes(
    state: EngineState, kept: NDArray[np.bool_], node_at: NDArray[np.int32], size: int
) -> Records:
    """What endpoints remember of the nodes that are kept."""
    known = api_records.prefixes(len(state.endpoints), size)
    known[:, node_at[:-1][kept]] = state.prefixes[:, kept]
    return known


def _cache(state: EngineState, node_at: NDArray[np.int32], nodes: int) -> dict[str, np.ndarray]:
    """The pool of cached nodes, grown where a larger tree may need it, and an empty index."""
    entries, size = state.kv_entries, fleet_records.kv_entries(state.fleets, nodes)
    index = np.full_like(state.kv_index, NONE)
    if size > len(entries):
        entries, index = fleet_records.kv_pool(size)
        begun = len(state.kv_entries)
        entries[:begun] = state.kv_entries
        entries.next[-1] = state.clock[0].free_entry
        state.clock[0].free_entry = begun
    cached = entries.replica >= 0
    entries.node[cached] = node_at[entries.node[cached]]
    return {"kv_entries": entries, "kv_index": index}
