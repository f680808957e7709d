"""What one run simulates: a fleet, endpoints and the rules that connect them."""

from dataclasses import dataclass, field

from simulator.pricing.caching import PromptCache
from simulator.serving.capacity import KvCapacity
from simulator.serving.steptime import StepTime


@dataclass(frozen=True, slots=True)
class Autoscaler:
    """Keeps requests in flight per replica near a target, above the always-on replicas."""

    target_in_flight: float
    max_replicas: int
    interval_s: float
    scale_down_delay_s: float
    """A replica is drained only after the wish for fewer has lasted this long."""


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
    sticky_slack: int = 8
    """A session leaves its replica when that has this many more in flight than the best."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An API as its client sees it."""

    name: str
    ttft_median_s: float
    ttft_sigma: float
    """Of the logarithm."""
    prefill_token_s: float
    """Added to TTFT per uncached prompt token."""
    output_tok_s: float
    """Median speed of one stream."""
    speed_sigma: float
    context_tok: int
    max_output_tok: int
    cache: PromptCache


@dataclass(frozen=True, slots=True)
class Overflow:
    """Spill to an endpoint when every replica has ``in_flight`` requests."""

    endpoint: int
    in_flight: int


@dataclass(frozen=True, slots=True)
class Plan:
    """One option at one size."""

    routes: tuple[int, ...]
    """Per workload: FLEET or the index of an endpoint."""
    fleet: Fleet | None = None
    endpoints: tuple[Endpoint, ...] = field(default=())
    overflow: Overflow | None = None
