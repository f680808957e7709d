"""State of the compiled data plane: one record type per kind of thing, arrays of records.

Records keep what one event touches on one or two cache lines, and a record is a reference both
for Numba and, through ``np.recarray``, for plain Python: ``replica.free_blocks -= 1`` means the
same with the JIT on and off. Links between records are indices; ``NONE`` ends a list.
"""

from typing import Any, NamedTuple, TypeAlias

import numpy as np

Records: TypeAlias = Any
"""``np.recarray`` of one of the record types below, whose fields type checkers cannot know."""

NONE = -1
MANY = 1 << 30
"""Stands for no limit."""
OWN = -1
"""Server code of the own replicas; codes from zero up are endpoint indices."""
NOWHERE = -2
"""Server code of a request that nothing can serve."""

# Replica states.
OFF, STARTING, READY, DRAINING = 0, 1, 2, 3
# What a replica is doing until its next event.
IDLE, BOUNDARY, PREFILL, DECODE = 0, 1, 2, 3
# Request outcomes. A row that has not arrived before the horizon was never offered.
ABSENT, IN_FLIGHT, COMPLETED, REJECTED, TIMED_OUT = 0, 1, 2, 3, 4
# Prompt-cache rules of endpoints.
CACHE_NONE, CACHE_PREFIX, CACHE_BREAKPOINT, CACHE_UNIT = 0, 1, 2, 3
# What a row's timer is for: to arrive, to go on (a retry, a transfer), the end of an answer, or the
# end of its client's patience.
ARRIVAL, ATTEMPT, ANSWER, PATIENCE, NOTHING = 0, 1, 2, 3, 4
# The order in which a replica's queue is served, see ``plan.Fleet``.
FIRST_COME, PRIORITY, SHORTEST = 0, 1, 2
# What binds a request to a replica beside its load.
BY_NOTHING, BY_SESSION, BY_PREFIX = 0, 1, 2
# How an attempt at an endpoint ends: it is served or queued there, was over a rate limit, failed,
# or is such that it can never be served there.
ACCEPTED, QUEUED, LIMITED, FAILED, REFUSED = 0, 1, 2, 3, 4
# Strategies of gateways; see ``plan.Gateway``. Behind SAMPLED, a target is drawn by weight.
ORDERED, LEAST_BUSY, LEAST_USED, FASTEST, CHEAPEST, SAMPLED = 0, 1, 2, 3, 4, 5
SHUFFLE, INVERSE_SQUARE, ADJUSTED = 5, 6, 7
# What rate limits count.
REQUESTS, INPUT_TOK, OUTPUT_TOK, TOK, PRODUCED_TOK = 0, 1, 2, 3, 4

TIE_BITS = 24
"""Of admission numbers, which order the ends within a step; the steps above count for decades."""
BLOCK_TOK_MAX = 64
LATENCIES = 10
"""Latest times to first token that a gateway remembers of a target (LiteLLM's default)."""

i1, i4, i8, u8, f8 = np.int8, np.int32, np.int64, np.uint64, np.float64


def record(*fields: tuple) -> np.dtype:
    """Return a record type by the names and types of its fields."""
    return np.dtype((np.record, np.dtype(list(fields), align=True)))


REQUEST = record(
    ("arrival_s", f8),  # of a row that arrives by itself
    ("gap_s", f8),  # >= 0: arrives this long after the row above is done; NaN: by itself
    ("patience_s", f8),  # after its arrival the client gives up; inf: never
    ("deadline_s", f8),  # of batch work, after its arrival; inf: interactive
    ("random_bits", u8),  # see ``hashing``
    ("input_tok", i4),
    ("completion_tok", i4),  # visible and reasoning
    ("reasoning_tok", i4),
    ("declared_tok", i4),  # the most output that it asks for
    ("node", i4),  # deepest prefix-tree node of the prompt, NONE without a shared prefix
    ("workload", i4),
    ("earlier_node", i4),  # end of the prompt of the turn before, if that is left out, else NONE
    ("earlier_s", f8),  # how long before
)

LEDGER = record(
    ("arrival_s", f8),
    ("queued_s", f8),  # at its replica
    ("start_s", f8),
    ("first_token_s", f8),
    ("finished_s", f8),
    ("order", i8),  # place in the line that the row waits in, the least first
    ("cached_tok", i4),
    ("completion_tok", i4),  # produced; below the wish when cut at a length limit
    ("reasoning_tok", i4),  # of these
    ("resume_tok", i4),  # to prefill after a preemption; 0 before any
    ("preemptions", i4),
    ("restarts", i4),  # from the beginning, after a replica was lost
    ("server", i4),  # OWN, the endpoint's index, or NOWHERE
    ("replica", i4),
    ("sequence", i4),  # that runs it, or NONE
    ("first_replica", i4),  # the replica that it was sent to first
    ("pool", i4),  # fleet that must go on with it, NONE: any that serves its workload
    ("gateway", i4),  # that it goes through, or NONE
    ("left", i4),  # links of the line that the row waits in
    ("right", i4),
    ("awaits", i1),
    ("outcome", i1),
    ("transferred", i1),  # its prompt was computed elsewhere
    ("deferred", i1),  # it waits for idle capacity
)

CALL = record(  # what endpoints and gateways note of a row
    ("stored_tok_h", f8),  # cache storage bought, tokens times hours
    ("usd", f8),  # price of the answer, as far as gateways and budgets know it
    ("produces_tok_s", f8),  # output while it is served, where a limit counts that
    ("tried", i8),  # bit by target of the tier that was tried
    ("written_tok", i4),
    ("target", i4),  # of the last attempt
    ("attempts", i4),
    ("tier", i4),
    ("tier_attempts", i4),
    ("idle_attempts", i4),  # that found nothing to try
    ("rate", i4),  # first rate record of the period that decides on its price
)

REPLICA = record(
    ("t_s", f8),  # the step boundary up to which the state below is current
    ("began_s", f8),  # when the last step that was executed began
    ("busy_since_s", f8),
    ("busy_s", f8),
    ("launched_s", f8),
    ("stopped_s", f8),
    ("step", i8),  # steps executed
    ("planned_steps", i8),  # steps of the running phase
    ("admitted", i8),  # sequences ever admitted; orders ties
    ("context_tok", i8),  # KV tokens of all decoding sequences
    ("window_tok", i8),  # of them, those within windows
    ("preemptions", i8),
    ("free_blocks", i4),
    ("cached_blocks", i4),  # unreferenced and evictable
    ("reserved_blocks", i4),  # of all running sequences
    ("begun_blocks", i4),  # of the growth in the phase, taken already
    ("decoding", i4),
    ("growing", i4),  # of them, those that are shorter than the window
    ("running", i4),
    ("in_flight", i4),  # running and waiting
    ("fleet", i4),
    ("first_sequence", i4),
    ("waiting_head", i4),
    ("running_tail", i4),  # the last admitted, first to be preempted
    ("prefill_head", i4),  # first of the sequences with prompt tokens in this step
    ("free_sequence", i4),
    ("lru_head", i4),  # next to be evicted
    ("lru_tail", i4),
    ("phase", i1),
    ("state", i1),
    ("preempted", i1),  # in the step being scheduled
    ("crossing", i4, (BLOCK_TOK_MAX,)),  # decoding sequences by (kv_tok - step) mod block
)

SEQUENCE = record(
    ("kv_offset", i8),  # while decoding: kv tokens - replica step
    ("last_step", i8),  # in which it emits its last token
    ("window_step", i8),  # at whose end it is as long as the window
    ("kv_tok", i4),  # while prefilling: tokens computed or being computed
    ("prompt_tok", i4),  # to prefill: the prompt, and what was generated before a preemption
    ("pinned_blocks", i4),  # leading blocks owned by prefix-tree nodes
    ("reserved_blocks", i4),  # that it may come to hold beside those found in the cache
    ("blocks", i4),  # while prefilling: all blocks held, but for these
    ("window_blocks", i4),  # of layers with a window
    ("row", i4),
    ("prev", i4),
    ("next", i4),
    ("decodes", i1),
    ("grows", i1),  # while decoding: it is shorter than the window
)

KV_ENTRY = record(
    ("node", i4),
    ("replica", i4),  # NONE: free
    ("blocks", i4),  # resident leading blocks of the node
    ("references", i4),
    ("prev", i4),
    ("next", i4),
)

FLEET = record(  # how a fleet's replicas serve, and the rows that wait for one to become ready
    ("load", f8),  # that a request in flight is
    ("transfer_s", f8),
    ("transfer_token_s", f8),
    ("request_overhead_s", f8),
    ("request_token_s", f8),  # the same per prompt token
    ("prefill_token_s", f8),
    ("admission_s", f8),  # per admitted request, in the step that begins its prompt
    ("context_token_s", f8),
    ("window_token_s", f8),  # per token of context that layers with a window see
    ("attention_s", f8),  # per prompt token and token of its context
    ("window_attention_s", f8),  # the same in layers with a window
    ("window_share", f8),  # blocks of layers with a window over those of the others
    ("deferred_lead_s", f8),
    ("served_prompt_tok", i8),  # prompt tokens of all answers given
    ("served_cached_tok", i8),  # of these, found in the cache
    ("served_output_tok", i8),  # output tokens of them
    ("kv_blocks", i4),
    ("block_tok", i4),
    ("window_tok", i4),  # that layers with a window see; 0: there are none
    ("kept_window_tok", i4),  # that they keep of a sequence in blocks beside those of the others
    ("max_batched_tok", i4),
    ("max_sequences", i4),
    ("max_model_tok", i4),
    ("max_waiting", i4),  # at a replica beside those that may run, or for one to become ready
    ("affinity_slack", i4),  # how much busier than the best the replica may be that it is bound to
    ("deferred_in_flight", i4),  # up to which a replica takes deferred work
    ("decode_fleet", i4),  # that goes on behind the prompt, NONE: the same replica
    ("first_time", i4),  # of its step times
    ("first_slot", i4),  # of its replicas
    ("slots", i4),
    ("waiting_head", i4),
    ("waiting", i4),
    ("admitting", i4),  # of them, those that go on now
    ("prefix_cache", i1),
    ("reserves_output", i1),
    ("schedules_ahead", i1),
    ("chunked", i1),
    ("order", i1),
    ("affinity", i1),
)

DEFERRED = record(  # a fleet's line of work that waits for idle capacity
    ("due_s", f8),  # when the first row of it stops waiting; inf: empty
    ("waiting_head", i4),
    ("waiting", i4),
)

NODE = record(
    ("parent", i4),
    ("depth_tok", i4),
    ("level", i4),  # number of nodes above it
    ("share", np.float32),  # of all requests that begin with it; 0 of a session's own
)

WAKE = record(("key", f8), ("member", i4), ("position", i4))
"""Member of a heap ordered by time, see ``heap``."""

FINISH = record(("key", i8), ("member", i4), ("position", i4))
"""Member of a heap ordered by step of the next change << TIE_BITS | admission number: the last
token, or the window is full."""

CLOCK = record(
    ("zero_s", f8),  # Unix time of the run's zero
    ("now_s", f8),
    ("retry_after_s", f8),  # what the last refused attempt was told
    ("due_s", f8),  # when the first row of all deferred work stops waiting
    ("next_row", i8),  # next row that may arrive by itself
    ("pending", i8),  # rows that wait for their time
    ("offered", i8),
    ("completed", i8),
    ("rejected", i8),
    ("timed_out", i8),
    ("joined", i8),  # rows that ever joined a line; orders those of equal rank
    ("rotation", i4),  # where the search for the least loaded replica starts
    ("overflow_in_flight", i4),  # spill when every replica has this many; NONE: never
    ("admitting", i4),  # rows of all fleets that go on now
    ("free_entry", i4),
)


class EngineState(NamedTuple):
    """Arrays of the data plane; shapes in brackets."""

    clock: Records
    """CLOCK [1]"""
    fleets: Records
    """ENGINE [fleets]"""
    token_s: np.ndarray
    """Time of a decoding step by its tokens; max_batched_tok + 1 of each fleet."""
    deferred: Records
    """DEFERRED [fleets]"""
    mixed_s: np.ndarray
    """The same with prompt tokens among them."""
    decoding_s: np.ndarray
    """Added by the number of decoding sequences."""
    serves: np.ndarray
    """Whether a fleet takes a workload's requests [fleets, workloads]."""
    priority: np.ndarray
    """The least goes first [workloads]."""
    requests: Records
    """REQUEST [rows], never written"""
    ledger: Records
    """LEDGER [rows]"""
    calls: Records
    """CALL [rows]"""
    route: np.ndarray
    """OWN or gateway by workload [workloads]."""
    nodes: Records
    """NODE [nodes], the prefix tree"""
    unsimulated: np.ndarray
    """Times and how many requests of the traffic are left out up to each [knots, 2]; (0, 2): all
    requests are simulated."""
    overflow: np.ndarray
    """Gateway that a workload spills to, NONE: none [workloads]."""
    replicas: Records
    """REPLICA: slots of all fleets [replicas]"""
    loads: np.ndarray
    """What least-loaded routing compares: requests in flight over the fleet's weight, inf of a
    replica that is not ready [replicas]."""
    wakes: Records
    """WAKE: next event of each replica, inf when idle [replicas]."""
    sequences: Records
    """SEQUENCE: max_sequences of each replica"""
    finishes: Records
    """FINISH: decoding sequences, a heap per replica"""
    kv_entries: Records
    """KV_ENTRY pool"""
    kv_index: np.ndarray
    """Open-addressing index of the pool by (node, replica), a power of two long."""
    endpoints: Records
    """ENDPOINT [endpoints]"""
    prefixes: Records
    """PREFIX: prompt cache of each endpoint [endpoints, nodes]."""
    reuse: Records
    """REUSE [endpoints, workloads, 2]"""
    limits: Records
    """LIMIT of every endpoint"""
    rates: Records
    """RATE of every endpoint"""
    budgets: Records
    """BUDGET: of endpoints, any number each, then one of each target, then of each gateway"""
    spends: np.ndarray
    """What rolling budgets spent by part of their time [rolling budgets, ROLLING_PARTS + 1]."""
    gateways: Records
    """GATEWAY [gateways]"""
    targets: Records
    """TARGET of every gateway"""
    timers: Records
    """WAKE: rows that wait for their time, by row [rows]."""
