"""Build the engine state of a plan and drive it: the bridge between plans and compiled code."""

import math
from typing import Any

import numpy as np

from simulator.engine.kernels.event_loop import advance
from simulator.engine.kernels.own.failures import fail_replica
from simulator.engine.kernels.own.replica import offer_deferred
from simulator.engine.records import layout
from simulator.engine.records.layout import NONE, EngineState, Records
from simulator.engine.spec.plan import Plan
from simulator.engine.state import api_records, fleet_records
from simulator.engine.state.fleet_records import records
from simulator.traffic.table import RequestTable


class DataPlane:
    """The engine state of one run, and what the control plane may do to it."""

    def __init__(
        self,
        plan: Plan,
        table: RequestTable,
        zero_s: float,
        horizon_s: float,
        unsimulated: np.ndarray | None = None,
    ) -> None:
        self.plan = plan
        self.zero_s = zero_s
        fleets, step_tables = fleet_records.fleet_records(plan)
        capacity = int(fleets.slots.sum())
        sequences = int((fleets.slots * fleets.max_sequences).sum())
        kv_entries, kv_index = fleet_records.kv_pool(
            fleet_records.kv_entries(fleets, table.tree.size)
        )
        endpoints, limits, rates = api_records.endpoint_records(plan, zero_s, horizon_s)
        gateways, targets = api_records.gateway_records(plan)
        budgets, spends = api_records.budget_records(plan)
        self.state = EngineState(
            clock=records(layout.CLOCK, 1),
            fleets=fleets,
            **step_tables,
            deferred=fleet_records.deferred_records(len(plan.fleets)),
            requests=fleet_records.request_records(table),
            ledger=fleet_records.ledger_records(table.size),
            calls=records(layout.CALL, table.size),
            route=np.array(plan.routes, np.int32),
            overflow=np.array(
                plan.overflow.gateways if plan.overflow else (NONE,) * len(plan.routes), np.int32
            ),
            serves=fleet_records.serves(plan),
            priority=np.array(plan.priorities or (0,) * len(plan.routes), np.int64),
            nodes=fleet_records.node_records(table.tree),
            unsimulated=np.zeros((0, 2))
            if unsimulated is None
            else np.ascontiguousarray(unsimulated),
            replicas=records(layout.REPLICA, capacity),
            loads=np.full(capacity, np.inf),
            wakes=records(layout.WAKE, capacity),
            sequences=records(layout.SEQUENCE, sequences),
            finishes=records(layout.FINISH, sequences),
            kv_entries=kv_entries,
            kv_index=kv_index,
            endpoints=endpoints,
            prefixes=api_records.prefix_records(len(plan.endpoints), table.tree.size),
            reuse=api_records.reuse_records(len(plan.endpoints), len(table.workloads)),
            limits=limits,
            rates=rates,
            budgets=budgets,
            spends=spends,
            gateways=gateways,
            targets=targets,
            timers=records(layout.WAKE, table.size),
        )
        self._columns: dict[tuple[int, str], np.ndarray] = {}
        self._columns_of: Records = None
        self.closed_periods_s: list[list[tuple[float, float]]] = [[] for _ in plan.fleets]
        clock = self.state.clock[0]
        clock.zero_s = zero_s
        clock.free_entry = NONE
        clock.due_s = math.inf
        clock.overflow_in_flight = plan.overflow.in_flight if plan.overflow else NONE
        self._set_up_replicas()

    def _set_up_replicas(self) -> None:
        """Fill the records of replicas that are off, and link their free sequences."""
        state, replicas = self.state, self.state.replicas
        for name in ("waiting_head", "running_tail", "prefill_head", "lru_head", "lru_tail"):
            replicas[name] = NONE
        replicas.fleet = np.repeat(np.arange(len(state.fleets)), state.fleets.slots)
        replicas.free_blocks = state.fleets.kv_blocks[replicas.fleet]
        replicas.stopped_s = math.nan
        sequences = state.fleets.max_sequences[replicas.fleet].astype(np.int64)
        replicas.first_sequence = replicas.free_sequence = np.cumsum(sequences) - sequences
        state.sequences.next = np.arange(len(state.sequences)) + 1
        state.wakes.key = math.inf
        state.wakes.member = state.wakes.position = np.arange(len(state.wakes))

    def replicas(self, fleet: int) -> Records:
        """Return the REPLICA records of a fleet's slots."""
        record = self.state.fleets[fleet]
        return self.state.replicas[record.first_slot : record.first_slot + record.slots]

    def column(self, fleet: int, name: str) -> np.ndarray:
        """Return one field of a fleet's slots, which controllers read every few seconds. (slots,)

        Arrays of fields are kept, since access through the records is ten times slower.
        """
        if self._columns_of is not self.state.replicas:
            self._columns, self._columns_of = {}, self.state.replicas
        if (fleet, name) not in self._columns:
            self._columns[fleet, name] = self.replicas(fleet).view(np.ndarray)[name]
        return self._columns[fleet, name]

    def periods_s(self, fleet: int, now_s: float) -> np.ndarray:
        """Return begin and end of every paid period so far [s]; running ones end now. (n, 2)"""
        slots = self.replicas(fleet)
        slots = slots[(slots.state != layout.OFF) | ~np.isnan(slots.stopped_s)]
        stop_s = np.where(slots.state == layout.OFF, slots.stopped_s, now_s)
        latest = np.stack([slots.launched_s, stop_s], axis=1)
        return np.concatenate([np.array(self.closed_periods_s[fleet]).reshape(-1, 2), latest])

    def in_flight(self, fleet: int) -> int:
        """Return the requests that a fleet's replicas hold or that wait for one to become ready."""
        waiting = self.state.fleets.view(np.ndarray)["waiting"][fleet]
        return int(self.column(fleet, "in_flight").sum() + waiting)

    def waiting(self, fleet: int) -> int:
        """Return the requests in a fleet that are not running yet, batch work left out."""
        return self.in_flight(fleet) - int(self.column(fleet, "running").sum())

    def kv_share(self, fleet: int) -> float:
        """Return the mean share of KV blocks that running sequences hold, over ready replicas."""
        slots = self.replicas(fleet)
        slots = slots[slots.state == layout.READY]
        if not len(slots):
            return 0.0
        blocks = float(self.state.fleets[fleet].kv_blocks)
        return 1.0 - float((slots.free_blocks + slots.cached_blocks).mean()) / blocks

    def list_prices(self, endpoint: int, now_s: float) -> Any:
        """Return the RATE record of an endpoint at a time, for short prompts without reasoning."""
        record = self.state.endpoints[endpoint]
        stride = 2 * record.tiers * record.shares
        last = record.first_rate + record.periods * stride
        periods = self.state.rates[record.first_rate : last : stride]
        begun = np.searchsorted(periods.from_s, now_s, side="right")
        return periods[max(0, int(begun) - 1)]

    def advance(self, until_s: float) -> None:
        """Process every event up to and including a time [s]; do nothing if it is past."""
        if until_s > self._now_s[0]:
            advance(self.state, until_s)

    def advance_before(self, time_s: float) -> None:
        """Process every event before a time [s], and set the clock to that time."""
        self.advance(math.nextafter(time_s, -math.inf))
        self._now_s[0] = time_s

    @property
    def _now_s(self) -> np.ndarray:
        """Time of the clock [s], as a view. (1,)"""
        now_s: np.ndarray = self.state.clock.view(np.ndarray)["now_s"]
        return now_s

    def launch(self, fleet: int, time_s: float) -> int | None:
        """Launch a replica, paid for from now on; return its slot, or None if none is free.

        It serves once it is activated.
        """
        slots = self.replicas(fleet)
        idle = np.flatnonzero(slots.state == layout.OFF)
        if not len(idle):
            return None
        slot = int(self.state.fleets[fleet].first_slot + idle[0])
        rep = self.state.replicas[slot]
        if not math.isnan(rep.stopped_s):
            self.closed_periods_s[fleet].append((float(rep.launched_s), float(rep.stopped_s)))
        rep.state = layout.STARTING
        rep.launched_s = time_s
        rep.stopped_s = math.nan
        return slot

    def activate(self, slot: int, time_s: float) -> None:
        """Let a launched replica take requests, starting with those that waited for one."""
        self.state.replicas[slot].state = layout.READY
        self.state.loads[slot] = 0.0
        fleets = self.state.fleets
        fleets.admitting = fleets.waiting
        self.state.clock[0].admitting = fleets.waiting.sum()
        offer_deferred(self.state, slot, time_s)

    def lose(self, slot: int, time_s: float) -> None:
        """Take a replica away at once; the requests that it holds are dispatched again."""
        fail_replica(self.state, slot, time_s)

    def set_down(self, endpoint: int, down: bool) -> None:
        """Begin or end an outage of an endpoint; answers that have begun continue."""
        self.state.endpoints[endpoint].down = down

    def drain(self, slot: int, time_s: float) -> None:
        """Send a replica no more requests; it stops after its last one."""
        rep = self.state.replicas[slot]
        self.state.loads[slot] = np.inf
        if rep.in_flight == 0:
            rep.state = layout.OFF
            rep.stopped_s = time_s
        else:
            rep.state = layout.DRAINING
