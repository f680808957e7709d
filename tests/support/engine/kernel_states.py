"""Small engine states for tests that call kernels one by one.

Kernels are called through their modules here, in which ``tests/engine/kernels/conftest.py`` puts
their plain form.
"""

import numpy as np

from simulator.engine.kernels.own import kv_cache, replica
from simulator.engine.kernels.shared import queues
from simulator.engine.records import layout
from simulator.engine.records.layout import NONE, EngineState
from simulator.engine.spec.plan import Fleet, Plan
from simulator.engine.state.data_plane import DataPlane
from simulator.engine.state.fleet_records import kv_in_use
from simulator.traffic.table import RequestTable
from tests.support.pricing.api_samples import calls

HORIZON_S = 1e6


def engine_state(
    plan: Plan,
    table: RequestTable | None = None,
    zero_s: float = 0.0,
    unsimulated: np.ndarray | None = None,
) -> EngineState:
    """The state before the first event; every replica is ready. The default table has one row."""
    table = calls([0.0]) if table is None else table
    state = DataPlane(plan, table, zero_s, HORIZON_S, unsimulated).state
    state.replicas.state = layout.READY
    state.loads[:] = 0.0
    return state


def put_in_flight(state: EngineState, *rows: int, time_s: float = 0.0) -> None:
    """Let rows arrive at a time, without sending them anywhere."""
    for row in rows:
        state.ledger[row].arrival_s = time_s
        state.ledger[row].outcome = layout.IN_FLIGHT
        state.ledger[row].awaits = layout.NOTHING


def put_on_replica(state: EngineState, r: int, *rows: int, time_s: float = 0.0) -> None:
    """Let rows arrive and join a replica's queue, without waking it."""
    put_in_flight(state, *rows, time_s=time_s)
    for row in rows:
        ledger = state.ledger[row]
        ledger.server, ledger.replica, ledger.first_replica = layout.OWN, r, r
        ledger.queued_s = time_s
        ledger.completion_tok = state.requests[row].completion_tok
        ledger.reasoning_tok = state.requests[row].reasoning_tok
        queues.join_queue(state, state.replicas[r], row, 0)
        state.replicas[r].in_flight += 1


def put_in_cache(state: EngineState, r: int, node: int, blocks: int) -> None:
    """Let a replica's cache hold blocks of a root of the prefix tree, which can be evicted."""
    state.replicas[r].free_blocks -= blocks
    assert kv_cache.kv_keep(state, r, node, blocks)


def send(state: EngineState, *rows: int, time_s: float = 0.0) -> None:
    """Let rows arrive and join the queue of the first replica, which wakes it."""
    put_in_flight(state, *rows, time_s=time_s)
    for row in rows:
        replica.enqueue(state, 0, row, time_s)


def event(state: EngineState) -> float:
    """Let the first replica do what it does next; return the time [s]."""
    time_s = float(state.wakes[0].key)
    if state.replicas[0].phase == layout.BOUNDARY:
        replica.begin_phase(state, 0, time_s)
    else:
        replica.end_phase(state, 0)
    return time_s


def timers(state: EngineState) -> dict[int, float]:
    """The time of every row that has a timer [s]."""
    rows = state.timers.member[: state.clock[0].pending]
    return {int(row): float(state.timers[row].key) for row in rows}


def queued(state: EngineState, head: int) -> set[int]:
    """The rows of a queue, in no order."""
    found, stack = set(), [int(head)]
    while stack:
        row = stack.pop()
        if row != NONE:
            found.add(row)
            stack += [int(state.ledger[row].left), int(state.ledger[row].right)]
    return found


def own_state(
    *fleets: Fleet, table: RequestTable | None = None, priorities: tuple[int, ...] = ()
) -> EngineState:
    """The state of own replicas alone, which all workloads of the table are sent to."""
    table = calls([0.0]) if table is None else table
    routes = (layout.OWN,) * len(table.workloads)
    return engine_state(Plan(routes, fleets, priorities=priorities), table)


def running(state: EngineState, r: int) -> list[int]:
    """The running sequences of a replica in the order of admission; the links agree both ways."""
    found: list[int] = []
    s = int(state.replicas[r].running_tail)
    while s != NONE:
        assert state.sequences[s].next == (found[0] if found else NONE)
        found.insert(0, s)
        s = int(state.sequences[s].prev)
    assert len(found) == state.replicas[r].running
    return found


def running_rows(state: EngineState, r: int = 0) -> list[int]:
    """The rows that run on a replica in the order of admission."""
    return [int(state.sequences[s].row) for s in running(state, r)]


def all_blocks(state: EngineState, r: int) -> int:
    """Free, cached, pinned and private blocks of a replica: always its total."""
    rep = state.replicas[r]
    block_tok = state.fleets[rep.fleet].block_tok
    entries = state.kv_entries[kv_in_use(state.kv_entries, state.clock[0])]
    pinned = entries.blocks[(entries.replica == r) & (entries.references > 0)].sum()
    private = rep.begun_blocks if rep.phase in (layout.PREFILL, layout.DECODE) else 0
    for s in running(state, r):
        seq = state.sequences[s]
        blocks = -(-(seq.kv_offset + rep.step) // block_tok) if seq.decodes else seq.blocks
        private += blocks - seq.pinned_blocks + seq.window_blocks
    return int(rep.free_blocks + rep.cached_blocks + pinned + private)
