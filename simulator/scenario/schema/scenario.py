"""The schema of a scenario file. The text under a field is its description in the JSON schema."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from simulator.engine.records.choices import Affinity, Order
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
    Choose,
    Composite,
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
from simulator.scenario.schema.names import AcceleratorName, EngineName, ModelName
from simulator.scenario.schema.owning import Future, Purchase, Rent
from simulator.scenario.schema.sweep import Sweep
from simulator.scenario.schema.traffic import Replay, Sessions, Simple


class Slo(Section):
    """Latency targets of a request, which meets them when it is within every limit given here."""

    ttft_s: Positive | None = None
    """Longest time to the first token in seconds (TTFT)."""
    tpot_s: Positive | None = None
    """Longest mean time per further token in seconds (TPOT)."""
    e2e_s: Positive | None = None
    """Longest time to the whole answer in seconds (end-to-end latency)."""
    attainment: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of offered requests that must meet all limits at once. Default: 0.95, or no such share
    if percentiles are given."""
    percentiles: dict[
        Literal["ttft_s", "tpot_s", "e2e_s"],
        Annotated[str, Field(pattern=r"^p\d{1,2}(\.\d+)?$")],
    ] = Field(default_factory=dict)
    """Percentile of a single latency that must be within its limit, such as {ttft_s: p99}."""

    @model_validator(mode="after")
    def _check_limits(self) -> "Slo":
        if self.ttft_s is None and self.tpot_s is None and self.e2e_s is None:
            raise ValueError("give at least one of ttft_s, tpot_s, e2e_s")
        for name in self.percentiles:
            if getattr(self, name) is None:
                raise ValueError(f"percentiles: {name} has no limit")
        return self


class Speculation(Section):
    """Speculative decoding: a draft model proposes tokens, which the model checks in one step."""

    draft_tokens: Count
    """Tokens that the draft proposes for each step."""
    acceptance: Annotated[float, Field(gt=0, lt=1)] = 0.67
    """Share of first proposed tokens that are accepted; the default was measured with EAGLE3 on
    gpt-oss-120b."""
    decay: Annotated[float, Field(gt=0, le=1)] = 0.6
    """Factor on the acceptance of each further position."""
    draft_params_b: Positive | None = None
    """Parameters of the draft model in billions. Default: a head of one layer, as in EAGLE."""
    draft_launch_s: NonNegative = 0.001
    """Seconds to launch one pass of the draft, regardless of its size."""


class SelfHost(Section):
    """Run the model on own GPUs, bought or rented."""

    kind: Literal["selfhost"]
    model: ModelName
    """Model from hardware_profiles/models.yaml, by its name there or a common one such as
    `meta-llama/Llama-3.1-8B-Instruct`; or the path of a model's config.json relative to the
    scenario."""
    accelerator: AcceleratorName
    """Accelerator from hardware_profiles/accelerators.yaml, by its name there or a common one such
    as `H100-SXM`."""
    gpus_per_replica: Count
    """Accelerators of one replica; each pipeline stage is tensor-parallel over its share of
    them."""
    pipeline_stages: Count = 1
    """Pipeline stages: groups of layers, each on its own share of the GPUs."""
    expert_parallel: Count = 1
    """Number of GPUs of a stage over which whole experts are distributed."""
    data_parallel_attention: bool = False
    """Whether each GPU computes attention for its own sequences and holds all attention weights."""
    engine: EngineName = "vllm"
    """Serving engine from hardware_profiles/serving.yaml."""
    speculation: Speculation | None = None
    calibration: str | None = None
    """File written by `breakeven calibrate`, relative to the scenario. It replaces the shipped
    coefficients and their error band."""
    weight_precision: Literal["fp16", "bf16", "fp8", "int8", "int4", "nvfp4", "mxfp4"]
    """Precision of the weights as they are loaded."""
    kv_precision: Literal["fp16", "bf16", "fp8", "int8"] = "fp8"
    """Precision of the KV cache."""
    replicas: Whole | Literal["auto"] = "auto"
    """Number of always-on replicas; 0 requires `autoscale`, and `auto` finds the fewest that meet
    the targets."""
    spare_replicas: Whole = 0
    """Additional replicas for failures and upgrades, which are paid for but serve no requests in
    the simulation."""
    autoscale: Autoscale | None = None
    """Autoscaling of the fleet. Default: only the always-on replicas run."""
    cold_start_s: NonNegative = 180
    """Seconds from the launch of a replica until it serves: machine, image, weights, warm-up."""
    failures: Failures | None = None
    """Random failures of replicas. Default: replicas do not fail."""
    spot: Spot | None = None
    """Interruptions of spot capacity. Default: replicas are not interrupted."""
    rollouts: Rollouts | None = None
    """Regular replacement of all replicas. Default: no rollouts."""
    commitment: Commitment = "on-demand"
    """Commitment, which determines which of the accelerator's rents is paid."""
    rent_usd_per_gpu_hour: Uncertain | None = None
    """Rent of one accelerator. Default: the interval of its profile for the commitment."""
    rent_path: Rent | None = None
    """Expected course of the rent, whose mean over the months is paid. Default: a constant rent."""
    purchase: Purchase | None = None
    """Purchase of the accelerators instead of rent. Default: they are rented."""
    max_batched_tokens: Count | None = None
    """Token budget of an engine step. Default: the engine's on this accelerator."""
    max_sequences: Count | None = None
    """Sequences that a replica runs at once. Default: the engine's on this accelerator."""
    max_model_tokens: Count | None = None
    """Longest prompt with its answer. Default: 32,768 tokens, or the model's context if that is
    less."""
    enforce_eager: bool = False
    """Whether all steps run without captured CUDA graphs."""
    weights_gb: Positive | None = None
    """Size of the checkpoint in units of 1e9 bytes, for models whose layers differ in precision.
    Default: computed from the parameters."""
    block_tokens: Annotated[int, Field(ge=1, le=64)] | None = None
    """Tokens of a KV block. Default: the engine's."""
    memory_utilization: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of the GPUs' memory that the engine may use. Default: the engine's."""
    prefix_cache: bool = True
    """Whether replicas keep the KV cache of prompts for later prompts with the same prefix."""
    chunked_prefill: bool = True
    """Whether a prompt may be computed over several steps. Otherwise it is computed in one, and
    `max_batched_tokens` must cover it."""
    queue_order: Order = "first-come"
    """Order of the requests that wait at a replica: arrival, priority of the workload, or shortest
    declared output."""
    max_waiting: Whole | None = None
    """Requests that may wait at a replica beyond `max_sequences`, and requests that may wait while
    no replica is ready. Further ones go to the API of a hybrid, or are rejected. Default: any
    number."""
    affinity: Affinity = "session"
    """Replica that a request prefers: the one that served its session last, or the one that holds
    the longest prefix of its prompt in its cache."""
    affinity_slack: Whole = 8
    """Requests in flight by which the preferred replica may exceed the least loaded one; above
    that, a request goes elsewhere."""
    deferred: Deferred = Deferred()
    """Rules by which work with `deadline_hours` fills idle capacity."""
    step_time: LinearStepTime | None = None
    """Explicit step time. Default: the step time predicted for the hardware, model and engine."""
    kv_tokens: Count | None = None
    """KV cache of a replica in tokens, as the engine reports it. Default: computed."""
    request_overhead_s: NonNegative | None = None
    """Seconds that a request takes outside the engine's steps. Default: the engine's, or 0 with
    `step_time`."""
    serves: Annotated[list[str], Field(min_length=1)] | None = None
    """Workloads that this option's own replicas serve, if partners serve the others. Default:
    all."""
    partners: list[Partner] = Field(default_factory=list)
    """Replicas of other deployments that serve alongside these."""
    decode_pool: DecodePool | None = None
    """Separate replicas for decoding, so that this option's own replicas only prefill. Default:
    they do both."""
    success_rate: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of answers that are right; needed for the cost per correct answer."""
    evaluated_as: str | None = None
    """Name of this model in `quality.evaluations`; its success rate is used."""
    output_factor: Positive = 1.0
    """Output tokens of this model relative to those of the traffic."""
    split_prompts: SplitPrompts | None = None
    retrieve: Retrieve | None = None
    choose: Choose | None = None
    """Lists of values for keys of this option; the cheapest combination that meets the targets is
    used."""

    @model_validator(mode="before")
    @classmethod
    def _fill_chosen_keys(cls, data: Any) -> Any:
        """Fill required keys that only ``choose`` lists with their first value."""
        choose = data.get("choose") if isinstance(data, dict) else None
        if not isinstance(choose, dict):
            return data
        required = {name for name, field in cls.model_fields.items() if field.is_required()}
        lists = {k: v for k, v in choose.items() if k in required and isinstance(v, list) and v}
        return {**{key: values[0] for key, values in lists.items()}, **data}


class Hybrid(Section):
    """Own replicas, with an API for the requests that they cannot take."""

    kind: Literal["hybrid"]
    base: str
    """Name of the `selfhost` option that serves first."""
    overflow: str
    """Name of the `api` or `gateway` option that takes the overflow."""
    spill_in_flight: Count | Literal["auto"] = "auto"
    """Requests in flight that every replica must have before further requests go to the API; `auto`
    finds the cheapest number."""
    replicas: Count | Literal["auto"] = "auto"
    """Number of own replicas, or the number at the start if traffic is rebalanced; `auto` finds the
    cheapest."""
    rebalance: Rebalance | None = None
    """Rules by which replicas are launched and drained as that saves money. Default: the split does
    not change."""


class People(Section):
    """Costs of self-hosting other than hardware."""

    engineers_fte: Uncertain
    """Number of full-time engineers."""
    engineer_usd_per_year: Uncertain
    """Yearly cost of one engineer to the company."""
    tooling_usd_per_month: Uncertain
    """Monthly cost of tooling, such as observability, storage and egress, as far as `monthly_usd`
    does not name it."""
    monthly_usd: dict[str, Uncertain] = Field(default_factory=dict)
    """Further monthly costs by name, such as on_call and upgrades; hardware_profiles/owning.yaml
    lists usual ranges."""


_VOLUMES = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.5, 4.0, 6.0)


class Analysis(Section):
    """Limits on the computing effort of a verdict."""

    worlds: Annotated[int, Field(ge=8, le=100000)] | None = None
    """Draws of the uncertain numbers. Default: 512, or 64 if every draw must be simulated because
    more than rents, people and serving speed is uncertain."""
    volumes: Annotated[tuple[Positive, ...], Field(min_length=2)] = _VOLUMES
    """Multiples of the current volume at which costs are computed to find the break-even."""
    sample_requests: Annotated[int, Field(ge=1000)] = 50000
    """Requests of one simulation: a horizon with more than twice as many is sampled. The final size
    and cost of an option at today's volume use four times as many."""
    max_replicas: Count = 5000
    """Most replicas that a fleet may be sized to."""
    warm_up_hours: NonNegative = 0
    """Hours at the start that are left out of counts, costs and latencies, if the whole horizon is
    simulated."""


Traffic = Annotated[Sessions | Simple | Replay, Field(discriminator="kind")]
Option = Annotated[Api | Gateway | SelfHost | Hybrid | Composite, Field(discriminator="kind")]


class Scenario(Section):
    """A scenario: the traffic, the latency targets, and the options to compare."""

    schema_version: Literal[1]
    """Version of the scenario format."""
    name: str
    """Name of the scenario, as shown in results."""
    seed: Annotated[int, Field(ge=0)] = 1
    """Seed of all random streams; the same seed gives the same bytes."""
    start: date
    """First simulated day (UTC), which must be a Monday because of weekly shapes; it determines
    which dated prices and events hold."""
    horizon_hours: Annotated[int, Field(ge=1)] = 168
    """Length of generated traffic in hours; a replay is as long as its log."""
    traffic: dict[str, Traffic]
    """Generated workloads by name, or a single replay."""
    slo: Slo
    options: dict[str, Option]
    """Options to compare, by name; `kind` determines the keys of each."""
    price_file: str | None = None
    """File written by `breakeven prices import`, relative to the scenario; its prices replace those
    of the shipped price book."""
    people: People
    future: Future | None = None
    """Expected changes over the months ahead. Default: today's volume and prices forever."""
    quality: Quality | None = None
    """Checking of answers. Default: answers are not checked."""
    analysis: Analysis = Analysis()
    extends: Annotated[str | None, Field(exclude=True)] = None
    """Scenario to start from: a file in the same folder, or the name of a shipped scenario.
    Mappings are merged, and null removes a key."""
    overrides: Annotated[dict[str, dict[str, Any]], Field(default_factory=dict, exclude=True)]
    """Named sets of values by dotted path, for `--set NAME` and `sweep.overrides`."""
    sweep: Annotated[Sweep | None, Field(exclude=True)] = None
    """Variations that `breakeven sweep` tries."""

    @field_validator("traffic")
    @classmethod
    def _check_traffic(cls, value: dict[str, Traffic]) -> dict[str, Traffic]:
        if not value:
            raise ValueError("needs at least one workload")
        if len(value) > 1 and any(isinstance(workload, Replay) for workload in value.values()):
            raise ValueError("a replay must be the only workload")
        return value

    @field_validator("options")
    @classmethod
    def _check_options(cls, value: dict[str, Option]) -> dict[str, Option]:
        if not value:
            raise ValueError("needs at least one option")
        return value
