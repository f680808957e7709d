"""Build the data plane of a plan and drive it: the bridge between plans and compiled code."""

import math

import numpy as np

from simulator.engine import layout, tables
from simulator.engine.layout import NONE, Plane, Records
from simulator.engine.loop import advance
from simulator.engine.plan import Plan
from simulator.engine.tables import records
from simulator.traffic.table import RequestTable


class DataPlane:
    """The compiled state of one run, and what the control plane may do to it."""

    def __init__(self, plan: Plan, table: RequestTable, zero_s: float, horizon_s: float) -> None:
        fleet = plan.fleet
        capacity = 0
        if fleet is not None:
            most = fleet.autoscaler.max_replicas if fleet.autoscaler else 0
            # A drained replica keeps its slot while its last requests run: twice is plenty.
            capacity = max(fleet.replicas, most) * (2 if fleet.autoscaler else 1)
        sequences = capacity * (fleet.max_sequences if fleet else 0)
        nodes = table.tree.size if fleet is not None and fleet.prefix_cache else 0
        # Every entry holds at least one block of its replica.
        entries = capacity * min(fleet.kv.blocks, nodes) if fleet else 0
        engine, step_tables = tables.engine(fleet)
        endpoints, limits, rates = tables.endpoints(plan, zero_s, horizon_s)
        gateways, targets = tables.gateways(plan)
        index_size = 1 << max(1, (2 * entries).bit_length())
        self.state = Plane(
            clock=records(layout.CLOCK, 1),
            engine=engine,
            **step_tables,
            requests=tables.requests(table),
            ledger=tables.ledger(table.size),
            route=np.array(plan.routes, np.int32),
            overflow=np.array(
                plan.overflow.gateways if plan.overflow else (NONE,) * len(plan.routes), np.int32
            ),
            nodes=tables.nodes(table.tree),
            replicas=records(layout.REPLICA, capacity),
            wakes=records(layout.WAKE, capacity),
            sequences=records(layout.SEQUENCE, sequences),
            finishes=records(layout.FINISH, sequences),
            kv_entries=records(layout.KV_ENTRY, entries),
            kv_index=np.full(index_size, NONE, np.int32),
            endpoints=endpoints,
            prefixes=tables.prefixes(len(plan.endpoints), table.tree.size),
            reuse=tables.reuse(len(plan.endpoints), len(table.workloads)),
            limits=limits,
            rates=rates,
            budgets=tables.budgets(plan),
            gateways=gateways,
            targets=targets,
            timers=records(layout.WAKE, table.size),
        )
        self._closed_periods_s: list[tuple[float, float]] = []
        self._init_clock(plan, zero_s)
        self._link_free_entries()
        if fleet is not None:
            for _ in range(fleet.replicas):
                self.activate(self.launch(0.0))

    def _init_clock(self, plan: Plan, zero_s: float) -> None:
        clock = self.state.clock[0]
        clock.zero_s = zero_s
        clock.overflow_in_flight = plan.overflow.in_flight if plan.overflow else NONE
        clock.sticky_slack = plan.fleet.sticky_slack if plan.fleet else 0
        clock.waiting_head = clock.waiting_tail = NONE

    def _link_free_entries(self) -> None:
        entries = self.state.kv_entries
        entries.next = np.arange(1, len(entries) + 1)
        self.state.clock[0].free_entry = 0 if len(entries) else NONE

    @property
    def replicas(self) -> Records:
        """REPLICA records of every slot ever used."""
        return self.state.replicas[: self.state.clock[0].replicas]

    def periods_s(self, now_s: float) -> np.ndarray:
        """Begin and end of every time paid for so far, of those still running now. (n, 2)"""
        replicas = self.replicas
        stop_s = np.where(replicas.state == layout.OFF, replicas.stopped_s, now_s)
        latest = np.stack([replicas.launched_s, stop_s], axis=1)
        return np.concatenate([np.array(self._closed_periods_s).reshape(-1, 2), latest])

    def in_flight(self) -> int:
        """Requests that replicas hold or that wait for one to become ready."""
        return int(self.replicas.in_flight.sum()) + self._in_lobby()

    def _in_lobby(self) -> int:
        waiting = 0
        row = self.state.clock[0].waiting_head
        while row != NONE:
            waiting += 1
            row = self.state.ledger[row].next_waiting
        return waiting

    def advance(self, until_s: float) -> None:
        """Process every event up to and including a time [s]."""
        advance(self.state, until_s)

    def launch(self, time_s: float) -> int:
        """Start paying for a replica; returns its slot. It serves once activated."""
        clock = self.state.clock[0]
        idle = np.flatnonzero(self.replicas.state == layout.OFF)
        if len(idle):
            slot = int(idle[0])
        else:
            slot = int(clock.replicas)
            self._open_slot(slot)
        rep = self.state.replicas[slot]
        if not math.isnan(rep.stopped_s):
            self._closed_periods_s.append((float(rep.launched_s), float(rep.stopped_s)))
        rep.state = layout.STARTING
        rep.launched_s = time_s
        rep.stopped_s = math.nan
        return slot

    def _open_slot(self, slot: int) -> None:
        state = self.state
        clock = state.clock[0]
        rep = state.replicas[slot]
        for name in (
            "waiting_head",
            "waiting_tail",
            "running_tail",
            "prefill_head",
            "lru_head",
            "lru_tail",
        ):
            rep[name] = NONE
        rep.free_blocks = state.engine[0].kv_blocks
        rep.stopped_s = math.nan
        size = int(state.engine[0].max_sequences)
        own = np.arange(slot * size, (slot + 1) * size)
        state.sequences.next[own] = own + 1
        rep.free_sequence = slot * size
        state.wakes[slot].key = math.inf
        # What never wakes stands at the end of the heap.
        state.wakes[slot].member = slot
        state.wakes[slot].place = slot
        clock.replicas += 1

    def activate(self, slot: int) -> None:
        """Let a launched replica take requests, first those that waited for one."""
        self.state.replicas[slot].state = layout.READY
        self.state.clock[0].admitting = self._in_lobby()

    def set_down(self, endpoint: int, down: bool) -> None:
        """Begin or end an outage of an endpoint; what it is answering goes on."""
        self.state.endpoints[endpoint].down = down

    def drain(self, slot: int, time_s: float) -> None:
        """Send a replica no more requests; it stops when its last one is done."""
        rep = self.state.replicas[slot]
        if rep.in_flight == 0:
            rep.state = layout.OFF
            rep.stopped_s = time_s
        else:
            rep.state = layout.DRAINING
