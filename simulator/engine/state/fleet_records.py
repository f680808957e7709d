"""Build the records of requests and fleets from a request table and a plan."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.engine.kernels.api.prompt_cache import put_levels
from simulator.engine.records import layout
from simulator.engine.records.choices import AFFINITIES, ORDERS
from simulator.engine.records.layout import MANY, NONE, Records
from simulator.engine.spec.plan import Fleet, Plan
from simulator.errors import InputError
from simulator.traffic.table import PrefixTree, RequestTable

_STEP_TABLES = ("token_s", "mixed_s", "decoding_s")


def records(dtype: np.dtype, size: int) -> Records:
    """Return zeroed records."""
    return np.zeros(size, dtype).view(np.recarray)


def copy_fields(record: Any, source: object, *names: str, prefix: str = "") -> None:
    """Copy fields of a plain object into a record, under the same names after ``prefix``."""
    for name in names:
        setattr(record, prefix + name, getattr(source, name))


def take_records(source: Records, rows: np.ndarray) -> Records:
    """Return copies of some records; as plain arrays they are copied twenty times faster."""
    return source.view(np.ndarray).take(rows).view(np.recarray)


def request_records(table: RequestTable) -> Records:
    """Return REQUEST records."""
    rows = records(layout.REQUEST, table.size)
    rows.arrival_s = table.arrival_s
    rows.gap_s = table.gap_s
    rows.patience_s = table.patience_s
    rows.deadline_s = table.deadline_s
    rows.random_bits = table.random_bits
    rows.input_tok = table.input_tokens
    rows.completion_tok = table.completion_tokens
    rows.reasoning_tok = table.reasoning_tokens
    rows.declared_tok = table.max_output_tokens
    rows.node = table.prefix_node
    rows.workload = table.workload
    rows.earlier_node = table.earlier_node
    rows.earlier_s = table.earlier_s
    return rows


def ledger_records(size: int) -> Records:
    """Return LEDGER records of rows that have not arrived."""
    rows = records(layout.LEDGER, size)
    for name in ("arrival_s", "start_s", "first_token_s", "finished_s"):
        rows[name] = np.nan
    for name in ("replica", "server", "gateway", "sequence", "first_replica", "pool"):
        rows[name] = NONE
    return rows


def fleet_records(plan: Plan) -> tuple[Records, dict[str, np.ndarray]]:
    """Return FLEET records and the tables of step times."""
    rows = records(layout.FLEET, len(plan.fleets))
    columns: dict[str, list[np.ndarray]] = {name: [] for name in _STEP_TABLES}
    first_slot = first_time = 0
    for index, (record, fleet) in enumerate(zip(rows, plan.fleets, strict=True)):
        _check_fleet(fleet, plan.fleets)
        copy_fields(
            record, fleet, "request_overhead_s", "request_token_s", "max_batched_tok",
            "max_sequences", "prefix_cache", "reserves_output", "schedules_ahead",
            "affinity_slack", "transfer_s", "transfer_token_s", "deferred_in_flight",
            "deferred_lead_s",
        )  # fmt: skip
        step = fleet.step_time
        copy_fields(
            record, step, "prefill_token_s", "admission_s", "context_token_s", "window_token_s",
            "attention_s", "window_attention_s",
        )  # fmt: skip
        record.kv_blocks, record.block_tok = fleet.kv.blocks, fleet.kv.block_tok
        record.window_tok = step.window_tok
        record.kept_window_tok, record.window_share = fleet.kv.window_tok, fleet.kv.window_share
        record.max_model_tok = min(fleet.max_model_tok, fleet.kv.longest_tok)
        record.max_waiting = MANY if fleet.max_waiting is None else fleet.max_waiting
        record.load = 1.0 / fleet.weight
        record.chunked = fleet.chunked_prefill
        record.order = ORDERS.index(fleet.order)
        record.affinity = AFFINITIES.index(fleet.affinity)
        record.decode_fleet = NONE if fleet.decode_fleet is None else fleet.decode_fleet
        record.waiting_head = NONE
        record.first_slot, record.slots = first_slot, slots(plan, index)
        record.first_time = first_time
        first_slot += int(record.slots)
        first_time += len(step.token_s)
        for name in _STEP_TABLES:
            columns[name].append(np.asarray(getattr(step, name), np.float64))
    transfers = rows.decode_fleet != NONE
    decoders_tok = rows.max_model_tok[rows.decode_fleet[transfers]]
    # A prompt that the decode fleet could not hold is not begun.
    rows.max_model_tok[transfers] = np.minimum(rows.max_model_tok[transfers], decoders_tok)
    tables = {name: np.concatenate([*parts, np.zeros(1)]) for name, parts in columns.items()}
    return rows, tables


def slots(plan: Plan, index: int) -> int:
    """Return the most replicas that a fleet may have at one time."""
    fleet, rebalancer = plan.fleets[index], plan.rebalancer
    most = fleet.autoscaler.max_replicas if fleet.autoscaler else 0
    if rebalancer is not None and rebalancer.fleet == index:
        most = max(most, rebalancer.max_replicas)
    if not most and not fleet.interruptions and fleet.rollout is None:
        return fleet.replicas
    # A drained replica keeps its slot while its last requests run: twice as many are plenty.
    return 2 * max(fleet.replicas, most) + (fleet.rollout.surge if fleet.rollout else 0)


def _check_fleet(fleet: Fleet, fleets: tuple[Fleet, ...]) -> None:
    if fleet.kv.block_tok > layout.BLOCK_TOK_MAX:
        raise InputError(f"KV blocks hold at most {layout.BLOCK_TOK_MAX} tokens")
    if fleet.max_batched_tok < fleet.max_sequences:
        raise InputError("the token budget of a step must cover one token for every sequence")
    if not fleet.chunked_prefill and fleet.max_batched_tok < fleet.max_model_tok:
        raise InputError("without chunked prefill a step's token budget must cover any prompt")
    decoders = fleet.decode_fleet
    if decoders is not None and (
        not 0 <= decoders < len(fleets) or fleets[decoders].decode_fleet is not None
    ):
        raise InputError("prompts must be decoded by another of the plan's fleets, to the end")


def deferred_records(fleets: int) -> Records:
    """Return DEFERRED records of empty queues."""
    queues = records(layout.DEFERRED, fleets)
    queues.due_s, queues.waiting_head = math.inf, NONE
    return queues


def kv_entries(fleets: Records, nodes: int) -> int:
    """Return the most nodes that the caches of all replicas may hold together."""
    # Every entry holds at least one block of its replica.
    return int((fleets.slots * np.minimum(fleets.kv_blocks, nodes) * fleets.prefix_cache).sum())


def kv_pool(size: int) -> tuple[Records, np.ndarray]:
    """Return KV_ENTRY records that were never used, and their empty index.

    Both are zeros that nothing writes before they are needed: pools of thousands of replicas are
    large, and hardly any of their entries is ever used.
    """
    index = np.zeros(1 << max(1, (2 * size).bit_length()), np.int32)
    return records(layout.KV_ENTRY, size), index


def kv_in_use(entries: Records, clock: Any) -> NDArray[np.int64]:
    """Return the indices of the entries that hold a cached node. (n_cached,)"""
    return np.flatnonzero(entries.replica[: clock.fresh_entry] != NONE)


def serves(plan: Plan) -> np.ndarray:
    """Return which fleet takes which workload's requests. (fleets, workloads)"""
    workloads = range(len(plan.routes))
    table = [[f.serves is None or w in f.serves for w in workloads] for f in plan.fleets]
    return np.array(table, np.bool_).reshape(len(plan.fleets), len(plan.routes))


def node_records(tree: PrefixTree) -> Records:
    """Return NODE records."""
    rows = records(layout.NODE, tree.size)
    rows.parent = tree.parent
    rows.depth_tok = tree.depth_tok
    rows.share = tree.share
    put_levels(rows)
    return rows
