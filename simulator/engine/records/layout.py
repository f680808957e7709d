"""Engine state of the compiled data plane: arrays of records, one record type per kind of thing.

A record keeps what one event touches on one or two cache lines. It is a reference both for Numba
and, through ``np.recarray``, for plain Python: ``replica.free_blocks -= 1`` means the same with the
JIT on and off. Links between records are indices; ``NONE`` ends a list.
"""

from typing import Any, NamedTuple, TypeAlias

import numpy as np

from simulator.engine.records.choices import ORDERS

Records: TypeAlias = Any
"""``np.recarray`` of one of the record types; type checkers cannot see its fields."""

NONE = -1
MANY = 1 << 30
"""Means no limit."""
OWN = -1
"""Server code of own replicas; codes from zero up are indices of endpoints."""
NOWHERE = -2
"""Server code of a request that nothing can serve."""

# Replica states.
OFF, STARTING, READY, DRAINING = 0, 1, 2, 3
# Phases: what a replica does until its next event.
IDLE, BOUNDARY, PREFILL, DECODE = 0, 1, 2, 3
# Request outcomes; an ABSENT row has not arrived, and was never offered if it does not by the end.
ABSENT, IN_FLIGHT, COMPLETED, REJECTED, TIMED_OUT = 0, 1, 2, 3, 4
# Purposes of a row's timer: its arrival, its next dispatch (after a failure or a transfer), the end
# of an answer, the end of its client's patience.
ARRIVAL, ATTEMPT, ANSWER, PATIENCE, NOTHING = 0, 1, 2, 3, 4
# Orders in which a queue is served.
FIRST_COME, PRIORITY, SHORTEST = map(ORDERS.index, ORDERS)
# Results of an attempt at an endpoint: it is served, queued, over a rate limit, failed, or refused
# because the endpoint can never serve the request.
ACCEPTED, QUEUED, LIMITED, FAILED, REFUSED = 0, 1, 2, 3, 4
# What rate limits count.
REQUESTS, INPUT_TOK, OUTPUT_TOK, TOK, PRODUCED_TOK = 0, 1, 2, 3, 4

TIE_BITS = 24
"""Bits of the admission number in a FINISH key, which orders ends within a step; the bits above it
are enough steps for decades."""
BLOCK_TOK_MAX = 64
"""Most tokens of a KV block."""
LATENCIES = 10
"""Number of latest times to first token that a gateway keeps of a target (LiteLLM's default)."""

i1, i4, i8, u8, f8 = np.int8, np.int32, np.int64, np.uint64, np.float64


def record(*fields: tuple) -> np.dtype:
    """Return the record type with the given names and types of fields."""
    return np.dtype((np.record, np.dtype(list(fields), align=True)))


REQUEST = record(
    ("arrival_s", f8),  # arrival of a row that follows no other
    ("gap_s", f8),  # pause (>= 0) from the end of the row before to the arrival; NaN: follows none
    ("patience_s", f8),  # time from the arrival until the client gives up; inf: never
    ("deadline_s", f8),  # time from the arrival until batch work must be done; inf: interactive
    ("random_bits", u8),  # source of the row's draws, see ``hashing``
    ("input_tok", i4),
    ("completion_tok", i4),  # visible output and reasoning, if it is not cut
    ("reasoning_tok", i4),
    ("declared_tok", i4),  # declared limit on completion tokens
    ("node", i4),  # deepest prefix-tree node of the prompt, NONE without a shared prefix
    ("workload", i4),
    ("earlier_node", i4),  # last node of the previous turn's prompt if that is left out, else NONE
    ("earlier_s", f8),  # time from the previous turn that is left out to this one
)

LEDGER = record(
    ("arrival_s", f8),
    ("queued_s", f8),  # time at which the row joined its replica's queue
    ("start_s", f8),
    ("first_token_s", f8),
    ("finished_s", f8),
    ("order", i8),  # sort key in the queue that holds the row, the least first
    ("cached_tok", i4),
    ("completion_tok", i4),  # tokens produced; fewer than requested when cut at a length limit
    ("reasoning_tok", i4),  # reasoning tokens among those produced
    ("resume_tok", i4),  # tokens to prefill after a preemption; 0 before the first one
    ("preemptions", i4),
    ("restarts", i4),  # number of times the row started again because its replica was lost
    ("server", i4),  # OWN, the endpoint's index, or NOWHERE
    ("replica", i4),
    ("sequence", i4),  # running sequence of the row, or NONE
    ("first_replica", i4),  # first replica to which the row was sent
    ("pool", i4),  # fleet that must decode the row, NONE: any that serves its workload
    ("gateway", i4),  # gateway that the row goes through, or NONE
    ("left", i4),  # left child in the queue that holds the row, or NONE
    ("right", i4),  # right child in the queue that holds the row, or NONE
    ("awaits", i1),  # purpose of the row's timer, or NOTHING
    ("outcome", i1),
    ("transferred", i1),  # whether another fleet has computed the prompt
    ("deferred", i1),  # whether the row is in a queue of batch work
)

CALL = record(  # what endpoints and gateways record of a row
    ("stored_tok_h", f8),  # cache storage bought [tokens x hours]
    ("usd", f8),  # price of the answer as gateways and budgets see it
    ("produces_tok_s", f8),  # output while being served, for a limit on produced output
    ("tried", i8),  # bit of each target of the tier that was tried
    ("written_tok", i4),  # prompt tokens written to the cache
    ("target", i4),  # target of the last attempt
    ("attempts", i4),  # attempts in all tiers
    ("tier", i4),
    ("tier_attempts", i4),  # attempts in the current tier
    ("idle_attempts", i4),  # attempts that found no target to try
    ("rate", i4),  # first rate record of the price period of the answer
)

REPLICA = record(
    ("t_s", f8),  # step boundary up to which this record is current
    ("began_s", f8),  # begin of the last step that was executed
    ("busy_since_s", f8),
    ("busy_s", f8),
    ("launched_s", f8),
    ("stopped_s", f8),
    ("step", i8),  # steps executed so far
    ("planned_steps", i8),  # steps of the running phase
    ("admitted", i8),  # sequences admitted so far; breaks ties
    ("context_tok", i8),  # KV tokens of all decoding sequences
    ("window_tok", i8),  # KV tokens of all decoding sequences that lie within the window
    ("preemptions", i8),
    ("free_blocks", i4),
    ("cached_blocks", i4),  # unreferenced blocks, which can be evicted
    ("reserved_blocks", i4),  # blocks reserved by all running sequences
    ("begun_blocks", i4),  # blocks already taken for the growth in the running phase
    ("decoding", i4),  # number of decoding sequences
    ("growing", i4),  # number of decoding sequences that are shorter than the window
    ("running", i4),  # number of running sequences
    ("in_flight", i4),  # requests running and waiting
    ("fleet", i4),
    ("first_sequence", i4),
    ("waiting_head", i4),  # first row of the queue, or NONE
    ("running_tail", i4),  # sequence admitted last, the first to be preempted
    ("prefill_head", i4),  # first sequence with prompt tokens in the running step
    ("free_sequence", i4),  # first record in the list of unused sequences
    ("lru_head", i4),  # cache entry to be evicted next
    ("lru_tail", i4),  # cache entry to be evicted last
    ("phase", i1),
    ("state", i1),
    ("preempted", i1),  # whether the step being scheduled has preempted a sequence
    ("crossing", i4, (BLOCK_TOK_MAX,)),  # decoding sequences by (kv_tok - step) mod block
)

SEQUENCE = record(
    ("kv_offset", i8),  # KV tokens less the replica's steps, constant while decoding
    ("last_step", i8),  # step that emits the last token
    ("window_step", i8),  # step at whose end the sequence fills the window
    ("kv_tok", i4),  # tokens computed or being computed, kept up to date while prefilling
    ("prompt_tok", i4),  # tokens to prefill: the prompt, and tokens generated before a preemption
    ("pinned_blocks", i4),  # leading blocks owned by prefix-tree nodes
    ("reserved_blocks", i4),  # most blocks of the sequence, less those found in the cache
    ("blocks", i4),  # blocks held except ``window_blocks``, kept up to date while prefilling
    ("window_blocks", i4),  # blocks held in layers with a window
    ("row", i4),
    ("prev", i4),
    ("next", i4),
    ("decodes", i1),
    ("grows", i1),  # whether the sequence decodes and is shorter than the window
)

KV_ENTRY = record(
    ("node", i4),
    ("replica", i4),  # replica that caches the node; NONE: the entry is free
    ("blocks", i4),  # resident leading blocks of the node
    ("references", i4),  # running sequences that pin the node
    ("prev", i4),
    ("next", i4),
)

FLEET = record(  # how a fleet's replicas serve, and the queue of rows while none is ready
    ("load", f8),  # load added by one request in flight, 1 / weight
    ("transfer_s", f8),  # fixed time of a KV transfer
    ("transfer_token_s", f8),  # time of a KV transfer per prompt token
    ("request_overhead_s", f8),  # fixed time of a request outside steps
    ("request_token_s", f8),  # time of a request outside steps per prompt token
    ("prefill_token_s", f8),  # step time per prompt token
    ("admission_s", f8),  # step time per admitted request, in the step that begins its prompt
    ("context_token_s", f8),  # step time per token of context of decoding sequences
    ("window_token_s", f8),  # step time per token of context in layers with a window
    ("attention_s", f8),  # step time per pair of a prompt token and a token of its context
    ("window_attention_s", f8),  # step time per pair of tokens in layers with a window
    ("window_share", f8),  # blocks of layers with a window per block of the other layers
    ("deferred_lead_s", f8),  # time before its deadline at which batch work stops waiting
    ("served_prompt_tok", i8),  # prompt tokens of all answers given
    ("served_cached_tok", i8),  # cached prompt tokens of all answers given
    ("served_output_tok", i8),  # completion tokens of all answers given
    ("kv_blocks", i4),
    ("block_tok", i4),
    ("window_tok", i4),  # tokens that layers with a window see; 0: no such layers
    ("kept_window_tok", i4),  # tokens of a sequence kept in blocks of layers with a window
    ("max_batched_tok", i4),
    ("max_sequences", i4),
    ("max_model_tok", i4),
    ("max_waiting", i4),  # rows above max_sequences at a replica, or waiting while none is ready
    ("affinity_slack", i4),  # most requests that a bound replica may have above the least loaded
    ("deferred_in_flight", i4),  # requests in flight below which a replica takes batch work
    ("decode_fleet", i4),  # fleet that decodes the prompts computed here, NONE: the same replica
    ("first_time", i4),  # index of the fleet's first step time
    ("first_slot", i4),  # index of the fleet's first replica
    ("slots", i4),
    ("waiting_head", i4),  # first row that waits for a replica to become ready, or NONE
    ("waiting", i4),  # rows that wait for a replica to become ready
    ("admitting", i4),  # waiting rows that may now be dispatched, since a replica became ready
    ("prefix_cache", i1),
    ("reserves_output", i1),
    ("schedules_ahead", i1),
    ("chunked", i1),
    ("order", i1),
    ("affinity", i1),
)

DEFERRED = record(  # a fleet's queue of batch work, which waits for idle capacity
    ("due_s", f8),  # time at which the first row stops waiting; inf: the queue is empty
    ("waiting_head", i4),  # first row of the queue, or NONE
    ("waiting", i4),
)

NODE = record(
    ("parent", i4),
    ("depth_tok", i4),
    ("level", i4),  # number of nodes above this one
    ("share", np.float32),  # share of all requests that begin with it; 0 for a session's own node
)

WAKE = record(("key", f8), ("member", i4), ("position", i4))
"""Member of a heap ordered by time; see ``kernels.shared.heap``."""

FINISH = record(("key", i8), ("member", i4), ("position", i4))
"""Member of a heap ordered by step of the next change << TIE_BITS | admission number; the change is
the last token, or that the sequence fills the window."""

CLOCK = record(
    ("zero_s", f8),  # Unix time at which the run's time is zero
    ("now_s", f8),
    ("retry_after_s", f8),  # wait that limits and budgets ask of the last attempt
    ("due_s", f8),  # time at which the first row of all batch work stops waiting
    ("next_row", i8),  # next row with an arrival time of its own
    ("pending", i8),  # rows with a timer
    ("offered", i8),
    ("completed", i8),
    ("rejected", i8),
    ("timed_out", i8),
    ("joined", i8),  # number of times a row has joined a queue; orders rows of equal rank
    ("rotation", i4),  # replica at which the search for the least loaded starts
    ("overflow_in_flight", i4),  # overflow begins when every replica has as many; NONE: never
    ("admitting", i4),  # rows of all fleets that may now be dispatched
    ("free_entry", i4),  # first entry of the KV pool that was used and is free again, or NONE
    ("fresh_entry", i4),  # first entry of the KV pool that was never used
)


class EngineState(NamedTuple):
    """Arrays of the data plane; shapes in brackets."""

    clock: Records
    """CLOCK [1]."""
    fleets: Records
    """FLEET [fleets]."""
    token_s: np.ndarray
    """Time of a step of decode tokens only, by their number; max_batched_tok + 1 of each fleet."""
    deferred: Records
    """DEFERRED [fleets]."""
    mixed_s: np.ndarray
    """Time of a step with prompt tokens, by the number of all tokens; max_batched_tok + 1 of each
    fleet."""
    decoding_s: np.ndarray
    """Time added to a step by the number of decoding sequences; max_batched_tok + 1 of each
    fleet."""
    serves: np.ndarray
    """Whether a fleet takes a workload's requests [fleets, workloads]."""
    priority: np.ndarray
    """Rank of a workload in queues by priority, the least first [workloads]."""
    requests: Records
    """REQUEST, never written [rows]."""
    ledger: Records
    """LEDGER [rows]."""
    calls: Records
    """CALL [rows]."""
    route: np.ndarray
    """OWN or the gateway of a workload [workloads]."""
    nodes: Records
    """NODE: the prefix tree [nodes]."""
    unsimulated: np.ndarray
    """Times, and how many requests of the traffic are left out up to each [knots, 2]; (0, 2): all
    requests are simulated."""
    overflow: np.ndarray
    """Gateway that takes a workload's overflow, or NONE [workloads]."""
    replicas: Records
    """REPLICA: the slots of all fleets [replicas]."""
    loads: np.ndarray
    """Load that routing compares: requests in flight over the fleet's weight, inf for a replica
    that is not ready [replicas]."""
    wakes: Records
    """WAKE: next event of each replica, inf when idle [replicas]."""
    sequences: Records
    """SEQUENCE: max_sequences of each replica."""
    finishes: Records
    """FINISH: decoding sequences, a heap per replica, as long as ``sequences``."""
    kv_entries: Records
    """KV_ENTRY: pool of cached nodes."""
    kv_index: np.ndarray
    """Hash table of the pool by (node, replica), a power of two long: 1 + index of the entry, or 0
    for an empty slot, so that memory that was never written is an empty table."""
    endpoints: Records
    """ENDPOINT [endpoints]."""
    prefixes: Records
    """PREFIX: prompt cache of each endpoint [endpoints, nodes]."""
    reuse: Records
    """REUSE [endpoints, workloads, 2]."""
    limits: Records
    """LIMIT of every endpoint."""
    rates: Records
    """RATE of every endpoint."""
    budgets: Records
    """BUDGET: any number for each endpoint, then one for each target, then one for each gateway."""
    spends: np.ndarray
    """Money spent by rolling budgets in each part of their period
    [rolling budgets, ROLLING_PARTS + 1]."""
    gateways: Records
    """GATEWAY [gateways]."""
    targets: Records
    """TARGET of every gateway."""
    timers: Records
    """WAKE: timers by row [rows]."""
