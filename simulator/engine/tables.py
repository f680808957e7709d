"""From a plan and a request table to the records that the data plane reads."""

import math
from typing import Any

import numpy as np

from simulator.engine import layout
from simulator.engine.layout import NONE, Records
from simulator.engine.plan import Budget, Endpoint, Fleet, Gateway, Plan
from simulator.engine.promptcache import put_levels
from simulator.errors import InputError
from simulator.pricing.schedule import PRICED, Schedule, schedule
from simulator.traffic.table import PrefixTree, RequestTable
from simulator.units import MTOK

_CACHE_RULES = {
    "none": layout.CACHE_NONE,
    "prefix": layout.CACHE_PREFIX,
    "breakpoint": layout.CACHE_BREAKPOINT,
    "unit": layout.CACHE_UNIT,
}
_STRATEGIES = {
    "ordered": layout.ORDERED,
    "shuffle": layout.SHUFFLE,
    "least-busy": layout.LEAST_BUSY,
    "least-used": layout.LEAST_USED,
    "latency": layout.FASTEST,
    "cheapest": layout.CHEAPEST,
    "inverse-square": layout.INVERSE_SQUARE,
    "adjusted": layout.ADJUSTED,
}
_LIMITS = {
    "requests": layout.REQUESTS,
    "input_tok": layout.INPUT_TOK,
    "output_tok": layout.OUTPUT_TOK,
    "tok": layout.TOK,
}
_ORDERS = {
    "first-come": layout.FIRST_COME,
    "priority": layout.PRIORITY,
    "shortest": layout.SHORTEST,
}
_AFFINITIES = {
    "none": layout.BY_NOTHING,
    "session": layout.BY_SESSION,
    "prefix": layout.BY_PREFIX,
}
_STEP_TABLES = ("token_s", "mixed_s", "decoding_s")
MAX_TARGETS = 62
"""Of one gateway; those that were tried are bits of an integer."""
_MANY = 1 << 30


def records(dtype: np.dtype, size: int) -> Records:
    """Return zeroed records."""
    return np.zeros(size, dtype).view(np.recarray)


def requests(table: RequestTable) -> Records:
    """Return REQUEST records."""
    rows = records(layout.REQUEST, table.size)
    rows.arrival_s = table.arrival_s
    rows.gap_s = table.gap_s
    rows.patience_s = table.patience_s
    rows.deadline_s = table.deadline_s
    rows.dice = table.dice
    rows.input_tok = table.input_tokens
    rows.output_tok = table.completion_tokens
    rows.reasoning_tok = table.reasoning_tokens
    rows.declared_tok = table.max_output_tokens
    rows.node = table.prefix_node
    rows.workload = table.workload
    return rows


def ledger(size: int) -> Records:
    """Return LEDGER records of rows that have not arrived."""
    rows = records(layout.LEDGER, size)
    for name in ("arrival_s", "start_s", "first_token_s", "finished_s"):
        rows[name] = np.nan
    for name in ("replica", "server", "gateway", "sequence", "home", "pool"):
        rows[name] = NONE
    return rows


def engine(plan: Plan) -> tuple[Records, dict[str, np.ndarray]]:
    """Return ENGINE records and the tables of step times."""
    found = records(layout.ENGINE, len(plan.fleets))
    columns: dict[str, list[np.ndarray]] = {name: [] for name in _STEP_TABLES}
    first_slot = first_time = 0
    for place, (record, fleet) in enumerate(zip(found, plan.fleets, strict=True)):
        _check_fleet(fleet, plan.fleets)
        _copy(
            record, fleet, "request_overhead_s", "request_token_s", "max_batched_tok",
            "max_sequences", "prefix_cache", "reserves_output", "affinity_slack", "transfer_s",
            "transfer_token_s", "deferred_in_flight", "deferred_lead_s",
        )  # fmt: skip
        step = fleet.step_time
        _copy(record, step, "prefill_token_s", "context_token_s", "attention_s")
        record.kv_blocks, record.block_tok = fleet.kv.blocks, fleet.kv.block_tok
        record.max_model_tok = min(fleet.max_model_tok, fleet.kv.blocks * fleet.kv.block_tok)
        record.max_waiting = _MANY if fleet.max_waiting is None else fleet.max_waiting
        record.load = 1.0 / fleet.weight
        record.chunked = fleet.chunked_prefill
        record.order, record.affinity = _ORDERS[fleet.order], _AFFINITIES[fleet.affinity]
        record.decode_fleet = NONE if fleet.decode_fleet is None else fleet.decode_fleet
        record.waiting_head = NONE
        record.first_slot, record.slots = first_slot, slots(plan, place)
        record.first_time = first_time
        first_slot += int(record.slots)
        first_time += len(step.token_s)
        for name in _STEP_TABLES:
            columns[name].append(np.asarray(getattr(step, name), np.float64))
    hands_on = found.decode_fleet != NONE
    decoders_tok = found.max_model_tok[found.decode_fleet[hands_on]]
    # A prompt that its decoders could not hold is not begun.
    found.max_model_tok[hands_on] = np.minimum(found.max_model_tok[hands_on], decoders_tok)
    tables = {name: np.concatenate([*parts, np.zeros(1)]) for name, parts in columns.items()}
    return found, tables


def slots(plan: Plan, place: int) -> int:
    """Return how many replicas of a fleet may be there at one time."""
    fleet, rebalancer = plan.fleets[place], plan.rebalancer
    most = fleet.autoscaler.max_replicas if fleet.autoscaler else 0
    if rebalancer is not None and rebalancer.fleet == place:
        most = max(most, rebalancer.max_replicas)
    if not most and not fleet.interruptions and fleet.rollout is None:
        return fleet.replicas
    # A drained replica keeps its slot while its last requests run: twice is plenty.
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


def deferred(fleets: int) -> Records:
    """Return DEFERRED records of nothing waiting."""
    lines = records(layout.DEFERRED, fleets)
    lines.due_s, lines.waiting_head = math.inf, NONE
    return lines


def kv_pool(engine: Records, nodes: int) -> tuple[Records, np.ndarray]:
    """Return free KV_ENTRY records, linked from the first, and their empty index."""
    # Every entry holds at least one block of its replica.
    kept = engine.slots * np.minimum(engine.kv_blocks, nodes) * engine.prefix_cache
    entries = records(layout.KV_ENTRY, int(kept.sum()))
    entries.replica = NONE
    entries.next = np.arange(1, len(entries) + 1)
    return entries, np.full(1 << max(1, (2 * len(entries)).bit_length()), NONE, np.int32)


def serves(plan: Plan) -> np.ndarray:
    """Return which fleet takes which workload's requests. (fleets, workloads)"""
    workloads = range(len(plan.routes))
    found = [[f.serves is None or w in f.serves for w in workloads] for f in plan.fleets]
    return np.array(found, np.bool_).reshape(len(plan.fleets), len(plan.routes))


def endpoints(plan: Plan, zero_s: float, horizon_s: float) -> tuple[Records, Records, Records]:
    """Return ENDPOINT records with their LIMIT and RATE records."""
    found = records(layout.ENDPOINT, len(plan.endpoints))
    limits: list[tuple[float, float, int]] = []
    rates: list[Records] = []
    for record, endpoint in zip(found, plan.endpoints, strict=True):
        _copy(
            record, endpoint, "ttft_median_s", "ttft_sigma", "prefill_token_s", "output_tok_s",
            "speed_sigma", "context_tok", "max_output_tok", "refuses_long_outputs",
            "cached_counts", "queue", "error_rate", "error_s", "window_s",
        )  # fmt: skip
        _put_cache(record, endpoint)
        record.concurrency = endpoint.concurrency or _MANY
        thinking = endpoint.thinking_budget_tok
        record.max_reasoning_tok = _MANY if thinking is None else thinking
        record.waiting_head = NONE
        record.billed_at_completion = endpoint.card.billed_at == "completion"
        record.first_limit, record.limits = len(limits), len(endpoint.limits)
        for limit in endpoint.limits:
            per_s = limit.amount / limit.period_s
            limits.append((per_s, per_s * limit.burst_s, _LIMITS[limit.of]))
        prices = schedule(
            endpoint.card, endpoint.context, endpoint.content, zero_s, zero_s + horizon_s
        )
        record.first_rate = sum(len(r) for r in rates)
        record.periods = len(prices.from_s)
        record.tiers, record.shares = len(prices.from_tok), len(prices.from_share)
        rates.append(_rates(prices, zero_s, endpoint.cache.long))
    buckets = records(layout.LIMIT, len(limits))
    for bucket, (per_s, most, of) in zip(buckets, limits, strict=True):
        bucket.per_s, bucket.most, bucket.level, bucket.of = per_s, most, most, of
    joined = np.concatenate(rates) if rates else records(layout.RATE, 0)
    return found, buckets, joined.view(np.recarray)


def _put_cache(record: Any, endpoint: Endpoint) -> None:
    cache = endpoint.cache
    _copy(
        record, cache, "ttl_s", "min_tok", "step_tok", "max_age_s", "machine_per_min", "end_mark",
        "lookback", "stored", prefix="cache_",
    )  # fmt: skip
    record.cache_rule = _CACHE_RULES[cache.rule]
    record.cache_pays_from = endpoint.cache_pays_from
    record.cache_shared = cache.marks - cache.end_mark


def _rates(prices: Schedule, zero_s: float, long: bool) -> Records:
    """Return the RATE records of a schedule, times from the run's zero."""
    found = np.zeros(prices.usd.shape[:4], layout.RATE)
    found["from_s"] = (prices.from_s - zero_s)[:, None, None, None]
    found["from_tok"] = prices.from_tok[:, None]
    found["from_share"] = prices.from_share
    usd = {bucket: prices.usd[..., place] for place, bucket in enumerate(PRICED)}
    for bucket in ("input", "cache_read", "output", "reasoning", "storage"):
        found[f"{bucket}_usd"] = usd[bucket]
    found["cache_write_usd"] = usd["cache_write_1h" if long else "cache_write"]
    found["request_usd"] = usd["per_request"]
    return found.reshape(-1).view(np.recarray)


def gateways(plan: Plan) -> tuple[Records, Records]:
    """Return GATEWAY and TARGET records."""
    found = records(layout.GATEWAY, len(plan.gateways))
    targets = records(layout.TARGET, sum(len(g.targets) for g in plan.gateways))
    first = 0
    for record, gateway in zip(found, plan.gateways, strict=True):
        _check_targets(gateway, len(plan.endpoints))
        _copy(
            record, gateway, "backoff_s", "backoff_max_s", "jitter", "retry_after_max_s",
            "cooldown_s", "failure_share", "latency_buffer", "sticky_s", "attempts",
            "failures_counted", "repeats", "backs_off_always", "gives_up_on_long_waits",
            "cools_on_limit", "bypass", "knows_limits", "checks_output",
        )  # fmt: skip
        allowed = gateway.failures_allowed
        record.failures_allowed = NONE if allowed is None else allowed
        record.max_prompt_usd = gateway.max_prompt_usd_per_mtok / MTOK
        record.max_output_usd = gateway.max_output_usd_per_mtok / MTOK
        record.strategy = _STRATEGIES[gateway.strategy]
        record.first_target, record.targets = first, len(gateway.targets)
        record.tiers = 1 + max(target.tier for target in gateway.targets)
        for place, target in enumerate(gateway.targets):
            entry = targets[first + place]
            entry.endpoint, entry.tier, entry.weight = target.endpoint, target.tier, target.weight
            entry.cooling_until_s = -math.inf
            entry.success = 1.0
        first += len(gateway.targets)
    return found, targets


def _check_targets(gateway: Gateway, known: int) -> None:
    if not 1 <= len(gateway.targets) <= MAX_TARGETS:
        raise InputError(f"a gateway needs 1 to {MAX_TARGETS} targets")
    if any(target.endpoint >= known for target in gateway.targets):
        raise InputError("a gateway's target must be one of the plan's endpoints")


def budgets(plan: Plan) -> Records:
    """Return BUDGET records: of endpoints, of targets, of gateways."""
    owners: list[Budget | None] = [endpoint.budget for endpoint in plan.endpoints]
    owners += [target.budget for gateway in plan.gateways for target in gateway.targets]
    owners += [gateway.budget for gateway in plan.gateways]
    found = records(layout.BUDGET, len(owners))
    found.usd = [math.inf if b is None else b.usd for b in owners]
    found.period_s = [math.inf if b is None else b.period_s for b in owners]
    return found


def _copy(record: Any, source: object, *names: str, prefix: str = "") -> None:
    for name in names:
        setattr(record, prefix + name, getattr(source, name))


def nodes(tree: PrefixTree) -> Records:
    """Return NODE records."""
    found = records(layout.NODE, tree.size)
    found.parent = tree.parent
    found.depth_tok = tree.depth_tok
    put_levels(found)
    return found


def prefixes(endpoints: int, nodes: int) -> Records:
    """Return PREFIX records of nothing cached."""
    found = np.zeros((endpoints, nodes), layout.PREFIX).view(np.recarray)
    found.ready_s = math.inf
    found.expiry_s = -math.inf
    found.used_s = -math.inf
    return found


def reuse(endpoints: int, workloads: int) -> Records:
    """Return REUSE records of nothing seen."""
    return np.zeros((endpoints, workloads, 2), layout.REUSE).view(np.recarray)
