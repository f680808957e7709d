"""What a scenario file may say. The text under a field is its description in the JSON schema."""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator


class Section(BaseModel):
    """Base of all sections: unknown keys are errors, numbers are finite."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class Interval(Section):
    """An uncertain number: nine in ten cases lie between ``low`` and ``high``."""

    low: float
    mid: float
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> "Interval":
        if not 0 <= self.low <= self.mid <= self.high:
            raise ValueError("must have 0 <= low <= mid <= high")
        return self


NonNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Uncertain = Annotated[
    Annotated[NonNegative, Tag("number")] | Annotated[Interval, Tag("interval")],
    Discriminator(lambda v: "interval" if isinstance(v, dict | Interval) else "number"),
]


class Lengths(Section):
    """Lognormal lengths or times."""

    median: Positive
    sigma: NonNegative
    """Of the logarithm."""
    most: Positive
    """Longer draws are cut off here."""


class Sessions(Section):
    """Generated multi-turn conversations behind one system prompt."""

    kind: Literal["sessions"]
    requests_per_month: Positive
    """Mean volume; a month has 730 hours."""
    week: str
    """Weekly shape: flat, azure-conversation or azure-code."""
    turns_mean: Annotated[float, Field(ge=1)]
    """Mean of the geometric number of turns in a session."""
    gap_s: Lengths
    """From the end of an answer to the user's next turn."""
    system_prompt_tokens: Annotated[int, Field(ge=0)]
    message_tokens: Lengths
    output_tokens: Lengths
    max_output_tokens: Count
    """Declared limit of every request."""
    max_prompt_tokens: Count
    """A session ends before its prompt grows beyond this."""
    prefix_share: Share = 1.0
    """Share of sessions whose prompts keep a stable beginning; the rest can be cached nowhere."""


class Replay(Section):
    """A recorded trace, replayed."""

    kind: Literal["replay"]
    path: str
    """File, relative to the scenario."""
    format: Literal["mooncake", "azure"]


class Slo(Section):
    """What users notice; a request meets it when every given limit holds for it."""

    ttft_s: Positive | None = None
    tpot_s: Positive | None = None
    e2e_s: Positive | None = None
    attainment: Annotated[float, Field(gt=0, le=1)] = 0.95
    """Share of offered requests that must meet the limits."""

    @model_validator(mode="after")
    def _some_limit(self) -> "Slo":
        if self.ttft_s is None and self.tpot_s is None and self.e2e_s is None:
            raise ValueError("give at least one of ttft_s, tpot_s, e2e_s")
        return self


class Api(Section):
    """Buy tokens from one offer."""

    kind: Literal["api"]
    offer: str
    """``provider/model`` of the price book."""
    price_multiplier: Positive = 1.0
    """On every rate, for negotiated prices and what-ifs."""
    caching: bool = True
    """Use the provider's prompt cache where it has one."""
    success_rate: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of answers that are right; needed for cost per correct answer."""


class Autoscale(Section):
    """Follow the load above the always-on replicas."""

    target_in_flight: Positive
    """Requests in flight per replica to aim for."""
    max_replicas: Count
    interval_s: Positive = 15
    scale_down_delay_s: NonNegative = 300


class SelfHost(Section):
    """Run the model on GPUs of one's own."""

    kind: Literal["selfhost"]
    model: str
    """Shape from hardware_profiles/models.yaml."""
    accelerator: str
    """From hardware_profiles/accelerators.yaml."""
    gpus_per_replica: Count
    """Tensor-parallel."""
    weight_precision: Literal["fp16", "bf16", "fp8", "int8", "int4", "nvfp4", "mxfp4"]
    kv_precision: Literal["fp16", "bf16", "fp8", "int8"] = "fp8"
    replicas: Count | Literal["auto"] = "auto"
    """Always-on replicas; auto finds the fewest that meet the SLO."""
    spare_replicas: Annotated[int, Field(ge=0)] = 0
    """Paid on top for failures and upgrades; they carry no load in the simulation."""
    autoscale: Autoscale | None = None
    cold_start_s: NonNegative = 180
    """From launch to ready: machine, image, weights, warm-up."""
    rent_usd_per_gpu_hour: Uncertain | None = None
    """Default: the accelerator's interval."""
    max_batched_tokens: Count = 8192
    max_sequences: Count = 256
    max_model_tokens: Count = 32768
    block_tokens: Annotated[int, Field(ge=1, le=64)] = 16
    memory_utilization: Annotated[float, Field(gt=0, le=1)] = 0.9
    prefix_cache: bool = True
    request_overhead_s: NonNegative = 0.03
    success_rate: Annotated[float, Field(gt=0, le=1)] | None = None


class Hybrid(Section):
    """A self-hosted base that spills to an API when it is busy."""

    kind: Literal["hybrid"]
    base: str
    """Name of a selfhost option."""
    overflow: str
    """Name of an api option."""
    spill_in_flight: Count | Literal["auto"] = "auto"
    """Spill when every replica has this many requests in flight; auto finds the cheapest."""
    replicas: Count | Literal["auto"] = "auto"


class People(Section):
    """What self-hosting takes beside hardware."""

    engineers_fte: Uncertain
    engineer_usd_per_year: Uncertain
    tooling_usd_per_month: Uncertain


class Analysis(Section):
    """How much work the verdict may take."""

    worlds: Annotated[int, Field(ge=8, le=100000)] = 512
    """Draws of the uncertain numbers."""
    volumes: list[Positive] = [0.1, 0.25, 0.5, 0.75, 1, 1.5, 2.5, 4, 6]
    """Multiples of the current volume at which break-even is evaluated."""
    sample_requests: Annotated[int, Field(ge=1000)] = 60000
    """Above this many requests, windows of the horizon are sampled instead of all simulated."""
    max_replicas: Count = 64


Traffic = Annotated[Sessions | Replay, Field(discriminator="kind")]
Option = Annotated[Api | SelfHost | Hybrid, Field(discriminator="kind")]


class Scenario(Section):
    """One question: this traffic, these targets, these options."""

    schema_version: Literal[1]
    name: str
    seed: Annotated[int, Field(ge=0)] = 1
    start: date
    """First simulated day (UTC), a Monday for weekly shapes; decides dated prices."""
    horizon_hours: Annotated[int, Field(ge=1)] = 168
    """Length of generated traffic; a replay has its trace's length."""
    traffic: dict[str, Traffic]
    """Workloads by name; or one replay."""
    slo: Slo
    options: dict[str, Option]
    people: People
    analysis: Analysis = Analysis()

    @model_validator(mode="after")
    def _not_empty(self) -> "Scenario":
        replays = [w for w in self.traffic.values() if isinstance(w, Replay)]
        if not self.traffic:
            raise ValueError("traffic needs at least one workload")
        if replays and len(self.traffic) > 1:
            raise ValueError("a replay must be the only workload")
        if not self.options:
            raise ValueError("options needs at least one option")
        return self
