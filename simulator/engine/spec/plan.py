"""What one run simulates: fleets, endpoints, gateways and the rules that connect them."""

import math
from dataclasses import dataclass, field
from typing import Literal

from simulator.engine.spec.policies import Autoscaler, Interruption, Rebalancer, Rollout
from simulator.pricing.caching import PromptCache
from simulator.pricing.rates import RateCard
from simulator.pricing.rows import STANDARD
from simulator.serving.capacity import KvCapacity
from simulator.serving.steptime import StepTime


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
    """Per request outside the engine's steps: HTTP, tokenisation, scheduling."""
    replicas: int
    """Always on."""
    cold_start_s: float
    autoscaler: Autoscaler | None = None
    interruptions: tuple[Interruption, ...] = ()
    rollout: Rollout | None = None
    request_token_s: float = 0.0
    """The same per prompt token."""
    reserves_output: bool = False
    """A request is admitted only when its whole declared output would find blocks (TensorRT-LLM's
    rule); else when its first chunk does, and growth may preempt (vLLM's)."""
    schedules_ahead: bool = False
    """A step is scheduled while the one before it runs (asynchronous scheduling in vLLM, overlap in
    SGLang and TensorRT-LLM): who arrives meanwhile waits for one step more."""
    chunked_prefill: bool = True
    """Else a prompt is computed in one step, and waits until the step's budget has room for it."""
    order: Literal["first-come", "priority", "shortest"] = "first-come"
    """Of a replica's queue: ``priority`` of the workload, or least declared output, ties by
    arrival. Who is preempted is the last admitted in any case."""
    max_waiting: int | None = None
    """Requests that a replica may hold beyond ``max_sequences``, and that may wait for one to
    become ready; more spill or are refused. None: any number."""
    affinity: Literal["none", "session", "prefix"] = "session"
    """What binds a request to a replica: its session's last one, or the longest resident prefix."""
    affinity_slack: int = 8
    """A request leaves that replica when it has this many more in flight than the best."""
    serves: frozenset[int] | None = None
    """Workloads whose requests come here; None: all."""
    weight: float = 1.0
    """Requests in flight are balanced over the replicas of several fleets in proportion to it."""
    decode_fleet: int | None = None
    """Place of the fleet that decodes what this one has prefilled: its prompt's KV is sent there,
    and the first token comes from there."""
    transfer_s: float = 0.0
    transfer_token_s: float = 0.0
    """Duration of that, and per prompt token."""
    deferred_in_flight: int = 0
    """Work with a deadline waits until a replica has fewer requests than this in flight..."""
    deferred_lead_s: float = 3600.0
    """...or until its deadline is so near; then it is served like all other."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A provider's rate limit as a token bucket that refills continuously."""

    of: Literal["requests", "input_tok", "output_tok", "produced_tok", "tok"]
    """``output_tok`` takes the declared output at the start and gives back at the end what was not
    used; ``produced_tok`` takes output evenly while it is served, turns calls away while nothing is
    left, and may run into debt; ``tok`` is input and declared output, and gives nothing back."""
    amount: float
    period_s: float
    burst_s: float
    """The bucket holds what refills in this time."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Money that may be spent in every period."""

    usd: float
    period_s: float
    kind: Literal["fixed", "rolling", "month"] = "fixed"
    """``fixed`` periods are counted from the Unix epoch; ``rolling`` is the last one at any moment,
    in ``api_layout.ROLLING_PARTS`` parts; ``month`` is the calendar's in UTC, whatever the
    period."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An API as its client sees it."""

    name: str
    card: RateCard
    ttft_median_s: float
    ttft_sigma: float
    """Of the logarithm."""
    prefill_token_s: float
    """Added to TTFT per uncached prompt token..."""
    output_tok_s: float
    """Median speed of one stream."""
    speed_sigma: float
    context_tok: int
    max_output_tok: int
    cache: PromptCache
    prefill_token2_s: float = 0.0
    """...and for the square of the prompt's tokens, less that of the cached ones."""
    max_input_tok: int | None = None
    """Longest prompt that it takes, where the context window allows longer ones."""
    content: int = 0
    """What calls write, where that is priced: place in ``pricing.rates.CONTENTS``."""
    thinking_budget_tok: int | None = None
    """Reasoning stops there."""
    cache_pays_from: float = 0.0
    """Marks are set while at least so many tokens are read for each one written; 0: always."""
    context: int = STANDARD
    """How calls are served and priced: place in ``pricing.rates.CONTEXTS``."""
    refuses_long_outputs: bool = False
    """A declared output above ``max_output_tok`` is an error; else the output is cut."""
    limits: tuple[Limit, ...] = ()
    cached_counts: bool = True
    """Cached prompt tokens count towards the limits."""
    concurrency: int | None = None
    queue: int = 0
    """Requests that wait when ``concurrency`` are being served; more are turned away."""
    budgets: tuple[Budget, ...] = ()
    """The provider's spend limits: calls are turned away above any."""
    error_rate: float = 0.0
    """Share of attempts that fail although the endpoint is up."""
    error_s: float = 0.2
    """Until a failing or refused attempt has its answer."""
    outages_s: tuple[tuple[float, float], ...] = ()
    """Begin and end of times in which every attempt fails, Unix seconds."""
    window_s: float = math.inf
    """Batch work that takes longer expires, unpaid."""


Strategy = Literal[
    "ordered", "shuffle", "least-busy", "least-used", "latency", "cheapest", "inverse-square",
    "adjusted",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Target:
    """An endpoint behind a gateway."""

    endpoint: int
    tier: int = 0
    """Tiers are tried in order: groups of deployments, then their fallbacks."""
    weight: float = 1.0
    budget: Budget | None = None


@dataclass(frozen=True, slots=True)
class Gateway:
    """What stands between the application and its endpoints, an SDK's retries at least.

    An attempt goes to a target of the request's tier that may take it. One that fails is repeated
    ``attempts`` times within the tier; then comes the next tier, and behind the last one the
    request is lost. A target that fails too often cools down, and takes nothing meanwhile.
    """

    targets: tuple[Target, ...]
    strategy: Strategy = "ordered"
    attempts: int = 3
    """Within a tier."""
    repeats: bool = True
    """A target may be tried again by the same request."""
    backoff_s: float = 0.5
    """Before the second attempt, twice as long before each further one."""
    backoff_max_s: float = 8.0
    jitter: float = 0.25
    """Share of a pause that chance may take off."""
    backs_off_always: bool = True
    """Also when another target of the tier is healthy."""
    retry_after_max_s: float = 60.0
    """Longest pause asked for by an endpoint that is kept."""
    gives_up_on_long_waits: bool = False
    """A longer one ends the attempts within the tier; else the own pause is taken."""
    cooldown_s: float = 0.0
    cools_on_limit: bool = False
    """A rate limit cools a target at once, and is no failure."""
    failure_share: float = 1.0
    """Of the attempts within a minute, above which a target cools down..."""
    failures_counted: int = 1
    """...once it had so many attempts in the minute."""
    failures_allowed: int | None = None
    """More failures within a minute cool a target, whatever their share."""
    bypass: bool = False
    """When all targets of a tier cool down, they are tried all the same."""
    latency_buffer: float = 0.0
    """``latency`` picks among targets slower than the fastest by at most this share."""
    sticky_s: float = 0.0
    """A session stays with its endpoint for so long after its last answer."""
    knows_limits: bool = False
    """Targets over their rate limits are not tried."""
    checks_output: bool = False
    """Targets that cannot give the declared output are not tried."""
    max_prompt_usd_per_mtok: float = math.inf
    max_output_usd_per_mtok: float = math.inf
    """Targets dearer than these just now are not tried."""
    budget: Budget | None = None
    """Above it, requests are refused."""


@dataclass(frozen=True, slots=True)
class Overflow:
    """Spill to a gateway when every replica has ``in_flight`` requests."""

    gateways: tuple[int, ...]
    """Per workload."""
    in_flight: int


@dataclass(frozen=True, slots=True)
class Plan:
    """One option at one size."""

    routes: tuple[int, ...]
    """Per workload: OWN, which is every fleet that serves it, or the index of a gateway."""
    fleets: tuple[Fleet, ...] = ()
    endpoints: tuple[Endpoint, ...] = field(default=())
    gateways: tuple[Gateway, ...] = field(default=())
    overflow: Overflow | None = None
    priorities: tuple[int, ...] = ()
    """Per workload, the least goes first; empty: all the same."""
    rebalancer: Rebalancer | None = None
    seed: int = 0
    """Of what happens to replicas by chance; all else depends on the requests' own dice."""
