"""Plan of one run: fleets, endpoints, gateways and the rules that connect them."""

import math
from dataclasses import dataclass, field
from typing import Literal

from simulator.engine.records.choices import Affinity, Order, Strategy
from simulator.engine.spec.policies import Autoscaler, Interruption, Rebalancer, Rollout
from simulator.pricing.caching import PromptCache
from simulator.pricing.rates import RateCard
from simulator.pricing.rows import STANDARD
from simulator.serving.capacity import KvCapacity
from simulator.serving.steptime import StepTime
from simulator.units import HOUR_S


@dataclass(frozen=True, slots=True)
class Fleet:
    """Identical replicas of one model."""

    step_time: StepTime
    kv: KvCapacity
    max_batched_tok: int
    max_sequences: int
    max_model_tok: int
    prefix_cache: bool
    request_overhead_s: float
    """Time per request outside the serving engine's steps: HTTP, tokenisation, scheduling."""
    replicas: int
    """Always-on replicas."""
    cold_start_s: float
    autoscaler: Autoscaler | None = None
    interruptions: tuple[Interruption, ...] = ()
    rollout: Rollout | None = None
    request_token_s: float = 0.0
    """Time per prompt token outside the serving engine's steps."""
    reserves_output: bool = False
    """Whether a request is admitted only when there are blocks for its whole declared output
    (TensorRT-LLM's rule); otherwise blocks for its first chunk are enough, and growth may preempt
    (vLLM's rule)."""
    schedules_ahead: bool = False
    """Whether a step is scheduled while the one before it runs (asynchronous scheduling in vLLM,
    overlap in SGLang and TensorRT-LLM): a request that arrives meanwhile waits one step longer."""
    chunked_prefill: bool = True
    """Whether prompts are computed in chunks; otherwise a prompt is computed in one step, and waits
    until the step's token budget has room for it."""
    order: Order = "first-come"
    """Order of a replica's queue: by arrival, by ``priority`` of the workload or by least declared
    output, ties by arrival. The request admitted last is preempted first in any case."""
    max_waiting: int | None = None
    """Requests that a replica may hold in addition to ``max_sequences``, and that may wait for a
    replica to become ready; others overflow or are refused. None: any number."""
    affinity: Affinity = "session"
    """Replica to which a request is bound: that of its session, or that with its longest prefix."""
    affinity_slack: int = 8
    """Most requests that the bound replica may have in flight above the least loaded one, to which
    the request goes otherwise."""
    serves: frozenset[int] | None = None
    """Workloads whose requests the fleet serves; None: all."""
    weight: float = 1.0
    """Weight of a replica, in proportion to which requests in flight are balanced over fleets."""
    decode_fleet: int | None = None
    """Index of the fleet that decodes the prompts computed here: their KV is transferred to it, and
    it emits the first token."""
    transfer_s: float = 0.0
    """Fixed part of the time of a KV transfer."""
    transfer_token_s: float = 0.0
    """Time of a KV transfer per prompt token."""
    deferred_in_flight: int = 0
    """Batch work waits until a replica has fewer requests than this in flight."""
    deferred_lead_s: float = HOUR_S
    """Time before the deadline from which batch work does not wait and is served like any other."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A provider's rate limit as a token bucket that refills continuously."""

    of: Literal["requests", "input_tok", "output_tok", "produced_tok", "tok"]
    """What the limit counts. ``output_tok`` takes the declared output at the start and gives back
    the unused part at the end; ``produced_tok`` takes output evenly while it is produced, turns
    calls away while the bucket is empty, and may run into debt; ``tok`` takes input and declared
    output, and gives nothing back."""
    amount: float
    period_s: float
    burst_s: float
    """Time in which an empty bucket refills, which gives its capacity."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Money that may be spent in every period."""

    usd: float
    period_s: float
    kind: Literal["fixed", "rolling", "month"] = "fixed"
    """``fixed`` periods are counted from the Unix epoch; a ``rolling`` one always ends now, to the
    precision of ``api_layout.ROLLING_PARTS`` parts; ``month`` is the calendar month in UTC, and
    ``period_s`` has no effect."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An API as its client sees it."""

    name: str
    card: RateCard
    ttft_median_s: float
    ttft_sigma: float
    """Standard deviation of the logarithm of TTFT."""
    prefill_token_s: float
    """Time added to TTFT per uncached prompt token."""
    output_tok_s: float
    """Median speed of one stream."""
    speed_sigma: float
    """Standard deviation of the logarithm of the speed."""
    context_tok: int
    max_output_tok: int
    cache: PromptCache
    prefill_token2_s: float = 0.0
    """Time added to TTFT per squared prompt token, less the square of the cached ones."""
    max_input_tok: int | None = None
    """Longest prompt that is accepted, where the context window allows longer ones."""
    content: int = 0
    """Kind of text that calls write, where it is priced: index in ``pricing.rates.CONTENTS``."""
    thinking_budget_tok: int | None = None
    """Reasoning tokens at which reasoning is stopped."""
    cache_pays_from: float = 0.0
    """Tokens read per token written from which cache marks are set; 0: always."""
    context: int = STANDARD
    """How calls are served and priced: index in ``pricing.rates.CONTEXTS``."""
    refuses_long_outputs: bool = False
    """Whether a declared output above ``max_output_tok`` is an error; if not, the output is cut."""
    limits: tuple[Limit, ...] = ()
    cached_counts: bool = True
    """Whether cached prompt tokens count towards the limits."""
    concurrency: int | None = None
    queue: int = 0
    """Requests that may wait while ``concurrency`` are being served; others are turned away."""
    budgets: tuple[Budget, ...] = ()
    """Spend limits of the provider: calls are turned away above any of them."""
    error_rate: float = 0.0
    """Share of attempts that fail although the endpoint is up."""
    error_s: float = 0.2
    """Time until a failed or refused attempt is reported."""
    outages_s: tuple[tuple[float, float], ...] = ()
    """Outages in which every attempt fails: begin and end as Unix times."""
    window_s: float = math.inf
    """Longest time that a call may take; batch work that takes longer expires and is not paid."""


@dataclass(frozen=True, slots=True)
class Target:
    """An endpoint that a gateway may choose."""

    endpoint: int
    tier: int = 0
    """Number of the tier; tiers are tried in order: groups of deployments, then their fallbacks."""
    weight: float = 1.0
    budget: Budget | None = None


@dataclass(frozen=True, slots=True)
class Gateway:
    """Choice, retries and fallbacks between an application and its endpoints; an SDK at the least.

    An attempt goes to a target of the request's tier that may take it. After a failure there are
    further ones, up to ``attempts`` within the tier; then the next tier is tried, and after the
    last tier the request is rejected. A target that fails too often cools down, and takes no
    requests meanwhile.
    """

    targets: tuple[Target, ...]
    strategy: Strategy = "ordered"
    attempts: int = 3
    """Most attempts within a tier."""
    repeats: bool = True
    """Whether a request may try the same target again."""
    backoff_s: float = 0.5
    """Pause before the second attempt; it doubles before each further one."""
    backoff_max_s: float = 8.0
    jitter: float = 0.25
    """Largest share by which a pause is shortened at random."""
    backs_off_always: bool = True
    """Whether there is a pause even when another target of the tier is healthy."""
    retry_after_max_s: float = 60.0
    """Largest Retry-After of an endpoint that is honoured."""
    gives_up_on_long_waits: bool = False
    """Whether a larger Retry-After ends the attempts within the tier; if not, the gateway's own
    pause is taken."""
    cooldown_s: float = 0.0
    """Time for which a cooling target takes no requests."""
    cools_on_limit: bool = False
    """Whether a rate limit cools a target at once; it never counts as a failure."""
    failure_share: float = 1.0
    """Share of failures among the attempts within a minute above which a target cools down."""
    failures_counted: int = 1
    """Attempts within a minute from which ``failure_share`` applies."""
    failures_allowed: int | None = None
    """Failures within a minute above which a target cools down at any share; None: no such rule."""
    bypass: bool = False
    """Whether cooling targets are tried when no tier has a healthy one."""
    latency_buffer: float = 0.0
    """Share by which a target may be slower than the fastest for ``latency`` to choose it."""
    sticky_s: float = 0.0
    """Time after its last answer for which a session stays with its target."""
    knows_limits: bool = False
    """Whether targets over their rate limits are skipped."""
    checks_output: bool = False
    """Whether targets that cannot give the declared output are skipped."""
    max_prompt_usd_per_mtok: float = math.inf
    """Input price above which a target is skipped, at current prices."""
    max_output_usd_per_mtok: float = math.inf
    """Output price above which a target is skipped, at current prices."""
    budget: Budget | None = None
    """Budget above which requests are rejected."""


@dataclass(frozen=True, slots=True)
class Overflow:
    """Overflow of requests to a gateway when every replica has ``in_flight`` requests."""

    gateways: tuple[int, ...]
    """Index of the gateway per workload; NONE: no overflow."""
    in_flight: int


@dataclass(frozen=True, slots=True)
class Plan:
    """One option at one size."""

    routes: tuple[int, ...]
    """Server per workload: OWN, which means all fleets that serve it, or the index of a gateway."""
    fleets: tuple[Fleet, ...] = ()
    endpoints: tuple[Endpoint, ...] = field(default=())
    gateways: tuple[Gateway, ...] = field(default=())
    overflow: Overflow | None = None
    priorities: tuple[int, ...] = ()
    """Rank per workload, the least first; empty: all equal."""
    rebalancer: Rebalancer | None = None
    seed: int = 0
    """Seed of interruptions of replicas; everything else is drawn from the bits of requests."""
