"""What a scenario file may say. The text under a field is its description in the JSON schema."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from simulator.scenario.catalog.profiles import Commitment
from simulator.scenario.document.base_section import (
    Count,
    NonNegative,
    Positive,
    Section,
    Uncertain,
    Whole,
)
from simulator.scenario.schema.api import Api, Gateway
from simulator.scenario.schema.composites import (
    Cascade,
    Choose,
    Pools,
    Quality,
    Retrieve,
    SplitPrompts,
)
from simulator.scenario.schema.fleet import (
    Autoscale,
    DecodePool,
    Deferred,
    Failures,
    LinearStepTime,
    Partner,
    Rebalance,
    Rollouts,
    Spot,
)
from simulator.scenario.schema.owning import Future, Purchase, Rent
from simulator.scenario.schema.sweep import Sweep
from simulator.scenario.schema.traffic import Replay, Sessions


class Slo(Section):
    """What users notice; a request meets it when every given limit holds for it."""

    ttft_s: Positive | None = None
    """Longest time to the first token."""
    tpot_s: Positive | None = None
    """Longest mean time per further token."""
    e2e_s: Positive | None = None
    """Longest time to the whole answer."""
    attainment: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of offered requests that must meet all limits at once; default: 0.95, or none where
    percentiles are given."""
    percentiles: dict[
        Literal["ttft_s", "tpot_s", "e2e_s"],
        Annotated[str, Field(pattern=r"^p\d{1,2}(\.\d+)?$")],
    ] = Field(default_factory=dict)
    """Which percentile of a single latency must be within its limit, such as {ttft_s: p99}."""

    @model_validator(mode="after")
    def _some_limit(self) -> "Slo":
        if self.ttft_s is None and self.tpot_s is None and self.e2e_s is None:
            raise ValueError("give at least one of ttft_s, tpot_s, e2e_s")
        for name in self.percentiles:
            if getattr(self, name) is None:
                raise ValueError(f"percentiles: {name} has no limit")
        return self


class Speculation(Section):
    """Let a draft propose tokens that the model checks in one step."""

    draft_tokens: Count
    """Tokens proposed for each step."""
    acceptance: Annotated[float, Field(gt=0, lt=1)] = 0.67
    """Share of first proposals that pass; measured with EAGLE3 on gpt-oss-120b."""
    decay: Annotated[float, Field(gt=0, le=1)] = 0.6
    """Factor on the acceptance of each further position."""
    draft_params_b: Positive | None = None
    """Parameters of the draft model in billions; default: a head of one layer, as EAGLE's."""
    draft_launch_s: NonNegative = 0.001
    """Launching one pass of the draft, whatever its size."""


class SelfHost(Section):
    """Run the model on GPUs of one's own."""

    kind: Literal["selfhost"]
    model: str
    """Shape from hardware_profiles/models.yaml, or the path of a model's config.json."""
    accelerator: str
    """From hardware_profiles/accelerators.yaml."""
    gpus_per_replica: Count
    """Tensor-parallel, but for ``pipeline_stages``."""
    pipeline_stages: Count = 1
    """Groups of layers, each on its own share of the GPUs."""
    expert_parallel: Count = 1
    """GPUs of a stage over which whole experts are spread."""
    data_parallel_attention: bool = False
    """Every GPU attends for its own sequences, with all attention weights."""
    engine: str = "vllm"
    """Serving engine from hardware_profiles/serving.yaml."""
    speculation: Speculation | None = None
    calibration: str | None = None
    """What `breakeven calibrate` wrote, relative to the scenario; it replaces the shipped
    coefficients and their error band."""
    weight_precision: Literal["fp16", "bf16", "fp8", "int8", "int4", "nvfp4", "mxfp4"]
    """Of the weights as they are loaded."""
    kv_precision: Literal["fp16", "bf16", "fp8", "int8"] = "fp8"
    """Of the KV cache."""
    replicas: Whole | Literal["auto"] = "auto"
    """Always-on replicas, 0 only with autoscale; auto finds the fewest that meet the SLO."""
    spare_replicas: Whole = 0
    """Paid on top for failures and upgrades; they carry no load in the simulation."""
    autoscale: Autoscale | None = None
    """Default: the always-on replicas are all there are."""
    cold_start_s: NonNegative = 180
    """From launch to ready: machine, image, weights, warm-up."""
    failures: Failures | None = None
    """Default: replicas do not fail."""
    spot: Spot | None = None
    """Default: nobody takes replicas away."""
    rollouts: Rollouts | None = None
    """Default: none."""
    commitment: Commitment = "on-demand"
    """Which of the accelerator's rents is paid."""
    rent_usd_per_gpu_hour: Uncertain | None = None
    """Default: the accelerator's interval for the commitment."""
    rent_path: Rent | None = None
    """How the rent moves; its mean over the months is paid. Default: it stays."""
    purchase: Purchase | None = None
    """Buy instead of rent."""
    max_batched_tokens: Count | None = None
    """Token budget of an engine step; default: the engine's on the accelerator."""
    max_sequences: Count | None = None
    """Sequences that a replica runs at once; default: the engine's on the accelerator."""
    max_model_tokens: Count | None = None
    """Longest prompt with its answer; default: 32,768, or the model's context if that is less."""
    enforce_eager: bool = False
    """Run no step from captured graphs."""
    weights_gb: Positive | None = None
    """Size of the checkpoint [1e9 bytes], where layers differ in precision; default: computed from
    the parameters."""
    block_tokens: Annotated[int, Field(ge=1, le=64)] | None = None
    """Tokens of a KV block; default: the engine's."""
    memory_utilization: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of the GPUs' memory that the engine may use; default: the engine's."""
    prefix_cache: bool = True
    """Keep the KV cache of prompts for others that begin alike."""
    chunked_prefill: bool = True
    """Compute a prompt over several steps; else in one, whose max_batched_tokens must cover it."""
    queue_order: Literal["first-come", "priority", "shortest"] = "first-come"
    """Of requests that wait at a replica: by the workload's priority, or least declared output."""
    max_waiting: Whole | None = None
    """Requests that a replica holds beyond max_sequences, and that wait for one to become ready;
    more spill or are refused. Default: any number."""
    affinity: Literal["none", "session", "prefix"] = "session"
    """What binds a request to a replica: the one that served its session last, or the one that
    holds the longest part of its prompt."""
    affinity_slack: Whole = 8
    """A request leaves that replica when it has this many more in flight than the best."""
    deferred: Deferred = Deferred()
    """How work with `deadline_hours` fills idle capacity."""
    step_time: LinearStepTime | None = None
    """In the place of the predicted one, which the hardware, the model and the engine give."""
    kv_tokens: Count | None = None
    """Tokens of KV cache of a replica as the engine reports them; default: computed."""
    request_overhead_s: NonNegative | None = None
    """Outside the engine's steps; default: the engine's, none beside step_time."""
    serves: Annotated[list[str], Field(min_length=1)] | None = None
    """Workloads whose requests come here, where partners serve the others; default: all."""
    partners: list[Partner] = Field(default_factory=list)
    """Replicas of other deployments that serve beside these."""
    decode_pool: DecodePool | None = None
    """Let these replicas prefill alone."""
    success_rate: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of answers that are right; needed for cost per correct answer."""
    evaluated_as: str | None = None
    """Model of quality.evaluations, whose success rate is taken."""
    output_factor: Positive = 1.0
    """Output tokens of this model over those that the traffic tells."""
    split_prompts: SplitPrompts | None = None
    retrieve: Retrieve | None = None
    choose: Choose | None = None
    """Lists of values for keys of this option; the cheapest combination that meets the SLO is
    taken."""

    @model_validator(mode="before")
    @classmethod
    def _chosen_from(cls, data: Any) -> Any:
        """A key that must be said needs not be where it is chosen."""
        chosen = data.get("choose") if isinstance(data, dict) else None
        if not isinstance(chosen, dict):
            return data
        needed = {name for name, field in cls.model_fields.items() if field.is_required()}
        lists = {k: v for k, v in chosen.items() if k in needed and isinstance(v, list) and v}
        return {**{key: values[0] for key, values in lists.items()}, **data}


class Hybrid(Section):
    """A self-hosted base that spills to an API when it is busy."""

    kind: Literal["hybrid"]
    base: str
    """Name of a selfhost option."""
    overflow: str
    """Name of an api or gateway option."""
    spill_in_flight: Count | Literal["auto"] = "auto"
    """Spill when every replica has this many requests in flight; auto finds the cheapest."""
    replicas: Count | Literal["auto"] = "auto"
    """Of the base; where traffic is rebalanced, at the beginning."""
    rebalance: Rebalance | None = None
    """Launch and drain replicas as that pays. Default: the split stays as it is."""


class People(Section):
    """What self-hosting takes beside hardware."""

    engineers_fte: Uncertain
    """Full-time engineers."""
    engineer_usd_per_year: Uncertain
    """Cost of one to the company."""
    tooling_usd_per_month: Uncertain
    """Observability, storage, egress, as far as ``monthly_usd`` does not name them."""
    monthly_usd: dict[str, Uncertain] = Field(default_factory=dict)
    """Further costs by name, such as on_call and upgrades; hardware_profiles/owning.yaml has usual
    ranges."""


_VOLUMES = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.5, 4.0, 6.0)


class Analysis(Section):
    """How much work the verdict may take."""

    worlds: Annotated[int, Field(ge=8, le=100000)] | None = None
    """Draws of the uncertain numbers; default: 512, or 64 where each must be simulated because
    more than rents, people and serving speed is uncertain."""
    volumes: Annotated[tuple[Positive, ...], Field(min_length=2)] = _VOLUMES
    """Multiples of the current volume at which break-even is evaluated."""
    sample_requests: Annotated[int, Field(ge=1000)] = 50000
    """Requests that one simulation may take: a horizon of more than twice as many is sampled. An
    option's size and cost at today's volume are settled by four times as many."""
    max_replicas: Count = 5000
    """Most that a fleet may be sized to."""
    warm_up_hours: NonNegative = 0
    """First hours that are left out of counts, costs and latencies, where all of the horizon is
    simulated."""


Traffic = Annotated[Sessions | Replay, Field(discriminator="kind")]
Option = Annotated[Api | Gateway | SelfHost | Hybrid | Pools | Cascade, Field(discriminator="kind")]


class Scenario(Section):
    """One question: this traffic, these targets, these options."""

    schema_version: Literal[1]
    """Of this format."""
    name: str
    seed: Annotated[int, Field(ge=0)] = 1
    """Of all random streams; the same seed gives the same bytes."""
    start: date
    """First simulated day (UTC), a Monday for weekly shapes; decides on dated prices."""
    horizon_hours: Annotated[int, Field(ge=1)] = 168
    """Length of generated traffic; a replay has its trace's length."""
    traffic: dict[str, Traffic]
    """Workloads by name; or one replay."""
    slo: Slo
    options: dict[str, Option]
    price_file: str | None = None
    """What `breakeven prices import` wrote, relative to the scenario; its prices come first."""
    people: People
    future: Future | None = None
    """Default: today's volume and prices for ever."""
    quality: Quality | None = None
    """Default: answers are taken as they come."""
    analysis: Analysis = Analysis()
    extends: Annotated[str | None, Field(exclude=True)] = None
    """Scenario to start from: a file beside this one, or the name of a shipped scenario. Mappings
    are joined, null takes a key out."""
    overrides: Annotated[dict[str, dict[str, Any]], Field(default_factory=dict, exclude=True)]
    """Values by dotted path, under names that `--set NAME` and `sweep.overrides` take."""
    sweep: Annotated[Sweep | None, Field(exclude=True)] = None
    """What `breakeven sweep` tries."""

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
