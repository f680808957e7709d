"""Build the data plane of a plan and drive it: the bridge between plans and compiled code."""

import math

import numpy as np

from simulator.engine import layout
from simulator.engine.heap import heap_push
from simulator.engine.layout import NONE, Plane, Records
from simulator.engine.loop import admit_lobby, advance
from simulator.engine.plan import Fleet, Plan
from simulator.errors import InputError
from simulator.traffic.table import PrefixTree, RequestTable

_CACHE_RULES = {
    "none": layout.CACHE_NONE,
    "prefix": layout.CACHE_PREFIX,
    "breakpoint": layout.CACHE_BREAKPOINT,
}


def _records(dtype: np.dtype, size: int) -> Records:
    return np.zeros(size, dtype).view(np.recarray)


def _requests(table: RequestTable) -> Records:
    rows = _records(layout.REQUEST, table.size)
    rows.arrival_s = table.arrival_s
    rows.gap_s = table.gap_s
    rows.ttft_z = table.ttft_z
    rows.speed_z = table.speed_z
    rows.input_tok = table.input_tokens
    rows.output_tok = table.completion_tokens
    rows.reasoning_tok = table.reasoning_tokens
    rows.node = table.prefix_node
    rows.workload = table.workload
    return rows


def _ledger(size: int) -> Records:
    ledger = _records(layout.LEDGER, size)
    for name in ("arrival_s", "start_s", "first_token_s", "finished_s"):
        ledger[name] = np.nan
    ledger.replica = NONE
    ledger.server = NONE
    return ledger


def _engine(fleet: Fleet | None) -> tuple[Records, np.ndarray]:
    engine = _records(layout.ENGINE, 1)
    engine.block_tok = 1
    if fleet is None:
        return engine, np.zeros(1)
    if fleet.kv.block_tok > layout.BLOCK_TOK_MAX:
        raise InputError(f"KV blocks hold at most {layout.BLOCK_TOK_MAX} tokens")
    if fleet.max_batched_tok < fleet.max_sequences:
        raise InputError("the token budget of a step must cover one token for every sequence")
    step = fleet.step_time
    engine.request_overhead_s = fleet.request_overhead_s
    engine.sequence_s = step.sequence_s
    engine.prefill_token_s = step.prefill_token_s
    engine.context_token_s = step.context_token_s
    engine.attention_s = step.attention_s
    engine.kv_blocks = fleet.kv.blocks
    engine.block_tok = fleet.kv.block_tok
    engine.max_batched_tok = fleet.max_batched_tok
    engine.max_sequences = fleet.max_sequences
    engine.max_model_tok = min(fleet.max_model_tok, fleet.kv.blocks * fleet.kv.block_tok)
    engine.prefix_cache = fleet.prefix_cache
    return engine, np.ascontiguousarray(step.token_s, np.float64)


def _endpoints(plan: Plan) -> Records:
    endpoints = _records(layout.ENDPOINT, len(plan.endpoints))
    for record, endpoint in zip(endpoints, plan.endpoints, strict=True):
        record.ttft_median_s = endpoint.ttft_median_s
        record.ttft_sigma = endpoint.ttft_sigma
        record.prefill_token_s = endpoint.prefill_token_s
        record.output_tok_s = endpoint.output_tok_s
        record.speed_sigma = endpoint.speed_sigma
        record.context_tok = endpoint.context_tok
        record.max_output_tok = endpoint.max_output_tok
        record.cache_rule = _CACHE_RULES[endpoint.cache.rule]
        record.cache_ttl_s = endpoint.cache.ttl_s
        record.cache_min_tok = endpoint.cache.min_tok
        record.cache_step_tok = endpoint.cache.step_tok
    return endpoints


def _nodes(tree: PrefixTree) -> Records:
    nodes = _records(layout.NODE, tree.size)
    nodes.parent = tree.parent
    nodes.depth_tok = tree.depth_tok
    return nodes


def _prefixes(endpoints: int, nodes: int) -> Records:
    prefixes = np.zeros((endpoints, nodes), layout.PREFIX).view(np.recarray)
    prefixes.ready_s = math.inf
    prefixes.expiry_s = -math.inf
    return prefixes


class DataPlane:
    """The compiled state of one run, and what the control plane may do to it."""

    def __init__(self, plan: Plan, table: RequestTable) -> None:
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
        engine, token_s = _engine(fleet)
        index_size = 1 << max(1, (2 * entries).bit_length())
        self.state = Plane(
            clock=_records(layout.CLOCK, 1),
            engine=engine,
            token_s=token_s,
            requests=_requests(table),
            ledger=_ledger(table.size),
            route=np.array(plan.routes, np.int32),
            nodes=_nodes(table.tree),
            replicas=_records(layout.REPLICA, capacity),
            wakes=_records(layout.WAKE, capacity),
            sequences=_records(layout.SEQUENCE, sequences),
            finishes=_records(layout.FINISH, sequences),
            kv_entries=_records(layout.KV_ENTRY, entries),
            kv_index=np.full(index_size, NONE, np.int32),
            endpoints=_endpoints(plan),
            prefixes=_prefixes(len(plan.endpoints), table.tree.size),
            turns=_records(layout.WAKE, table.size),
        )
        self._closed_periods_s: list[tuple[float, float]] = []
        self._init_clock(plan)
        self._link_free_entries()
        if fleet is not None:
            for _ in range(fleet.replicas):
                self.activate(self.launch(0.0), 0.0)

    def _init_clock(self, plan: Plan) -> None:
        clock = self.state.clock[0]
        clock.overflow_endpoint = plan.overflow.endpoint if plan.overflow else NONE
        clock.overflow_in_flight = plan.overflow.in_flight if plan.overflow else NONE
        clock.sticky_slack = plan.fleet.sticky_slack if plan.fleet else 0
        clock.lobby_head = NONE
        clock.lobby_tail = NONE

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
        waiting = 0
        row = self.state.clock[0].lobby_head
        while row != NONE:
            waiting += 1
            row = self.state.ledger[row].next_waiting
        return int(self.replicas.in_flight.sum()) + waiting

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
        heap_push(state.wakes, 0, int(clock.replicas), slot)
        clock.replicas += 1

    def activate(self, slot: int, time_s: float) -> None:
        """Let a launched replica take requests."""
        self.state.replicas[slot].state = layout.READY
        admit_lobby(self.state, time_s)

    def drain(self, slot: int, time_s: float) -> None:
        """Send a replica no more requests; it stops when its last one is done."""
        rep = self.state.replicas[slot]
        if rep.in_flight == 0:
            rep.state = layout.OFF
            rep.stopped_s = time_s
        else:
            rep.state = layout.DRAINING
