"""Coefficients of the step-time model and serving engines, from hardware_profiles/serving.yaml."""

import math
from functools import cache
from typing import Annotated

from pydantic import Field

from simulator.errors import InputError, nearest
from simulator.scenario.catalog.names import known_engine
from simulator.scenario.document.base_section import Count, NonNegative, Positive, Section, Whole
from simulator.scenario.document.document import read_yaml, validate
from simulator.scenario.document.shipped import profiles_dir
from simulator.serving.accelerators import Accelerator
from simulator.serving.engines import Engine, EngineLimits
from simulator.serving.links import Link
from simulator.serving.models import ModelShape
from simulator.serving.parallelism import Parallelism
from simulator.serving.steptime import StepCoefficients

Efficiency = Annotated[float, Field(gt=0, le=1)]
Band = Annotated[list[Positive], Field(min_length=2, max_length=2)]


LARGE_CARD_GB = 70 * 1.0737
"""Memory (70 GiB) from which on vLLM uses larger limits (vllm/engine/arg_utils.py,
get_batch_defaults, 2026)."""


class ServingClass(Section):
    """Figures of one class of models."""

    compute: Positive = 1.0
    """Factor on the efficiency of computing."""
    band: Band
    """Error band: measured over predicted throughput, for nine in ten deployments that were not
    fitted."""


class LinkProfile(Section):
    """One kind of link between the accelerators of a replica."""

    gb_s: Positive
    """Bandwidth in GB/s that a ring all-reduce reaches, per direction."""
    latency_s: Positive
    """Latency of one all-reduce in seconds."""
    source: str
    """Source of the figures."""


class Generation(Section):
    """Factors of one generation of accelerators."""

    compute: Positive
    """Factor on the efficiency of computing."""
    experts: Positive = 1.0
    """Factor on the efficiency of computing in experts."""
    memory: Positive
    """Factor on the efficiency of memory traffic."""
    overhead: Positive
    """Factor on the fixed times of a step and its layers."""
    spread: Positive
    """Factor on the width of the error band, in logarithms."""


class Factors(Section):
    """Factors of a weight precision on efficiencies."""

    compute: Positive
    """Factor on the efficiency of computing."""
    experts: Positive = 1.0
    """Factor on the efficiency of computing in experts."""
    memory: Positive
    """Factor on the efficiency of reading weights."""


class Precision(Factors):
    """Factors of a weight precision, with exceptions by generation of accelerators."""

    generations: dict[str, Factors] = Field(default_factory=dict)
    """Other factors for generations with, or without, compute units for this precision."""


class OnGeneration(Section):
    """Factors of an engine that is more, or less, mature on one generation than on others."""

    overhead: Positive = 1.0
    """Factor on the fixed times of a step and its layers."""
    request: Positive = 1.0
    """Factor on the time of a request outside steps."""
    admission: Positive = 1.0
    """Factor on the time of admitting a request."""
    compute: Positive = 1.0
    """Factor on the efficiency of computing."""
    memory: Positive = 1.0
    """Factor on the efficiency of reading weights."""
    spread: Positive = 1.0
    """Factor on the width of the error band, in logarithms."""


class LimitsProfile(Section):
    """Default limits of an engine; see ``serving.engines.EngineLimits``."""

    max_batched_tok: Count
    """Token budget of a step."""
    max_sequences: Count
    """Most sequences in one batch."""
    memory_utilization: Efficiency
    """Share of the accelerators' memory that the engine may use."""
    block_tok: Annotated[int, Field(ge=1, le=64)]
    """Tokens of a KV block."""


class EngineProfile(Section):
    """A serving engine, or one stage of its maturity; see ``serving.engines.Engine``."""

    overhead: dict[str, Positive]
    """Factor on fixed, per-layer and communication times, by class of models."""
    slowness: Positive
    """Factor on whole steps; 1 for today's tuned engines."""
    sequence_s: NonNegative
    """Seconds for each decoding sequence in a step: sampling, detokenising, bookkeeping."""
    request_s: NonNegative
    """Seconds for each request outside steps: HTTP, tokenisation, scheduling, first chunk."""
    request_token_s: NonNegative
    """Seconds for each prompt token outside steps."""
    admission_s: NonNegative
    """Seconds within a step for each admitted request, while the accelerator waits."""
    experts: Positive = 1.0
    """Factor on the efficiency of computing in experts."""
    captured_tok: Whole
    """Tokens up to which steps with prompt tokens run from captured graphs; 0: only decode steps
    do."""
    drift_tok: NonNegative
    """Steps by which requests of a benchmark with fixed lengths drift apart."""
    limits: LimitsProfile
    large_card_limits: LimitsProfile | None = None
    """Limits on accelerators with 70 GiB or more, except the generations of ``small_limits_on``.
    Default: the same limits."""
    small_limits_on: tuple[str, ...] = ()
    """Generations whose large accelerators have the limits of small ones."""
    splits_layers: bool = False
    """Whether a replica's accelerators each hold whole layers, instead of a part of every layer."""
    reserves_output: bool
    """Whether a request is admitted only if there is memory for its whole declared output."""
    schedules_ahead: bool = False
    """Whether a step is scheduled while the previous one runs."""
    spread: Positive
    """Factor on the width of the error band, in logarithms."""
    generations: dict[str, OnGeneration] = Field(default_factory=dict)
    """Factors on generations on which the engine is more, or less, mature."""
    source: str
    """Source of the figures."""


class ServingProfile(Section):
    """The whole file hardware_profiles/serving.yaml; efficiencies are shares of peak rates."""

    most_efficiency: Efficiency
    """Ceiling of every product of efficiencies."""
    fixed_s: NonNegative
    """Fixed seconds of every step."""
    layer_s: NonNegative
    """Seconds of each layer in a step."""
    expert_layer_s: NonNegative
    """Additional seconds of each layer with experts: routing, sorting, more launches."""
    mla_layer: Positive
    """Factor on the time of each layer under latent attention."""
    launch_s: NonNegative
    """Least seconds of each layer in a step that no captured graph covers."""
    overlap: Annotated[float, Field(ge=1)]
    """Overlap of computing and memory traffic: p of ``(compute^p + memory^p)^(1/p)``."""
    compute_efficiency: Efficiency
    """Share of the peak rate reached outside experts."""
    expert_efficiency: Efficiency
    """Share of the peak rate reached in experts."""
    expert_tile_tok: NonNegative
    """Tokens by which the batch of every called expert is padded, in effect."""
    expert_evenness: Positive
    """Shape of the gamma distribution of the experts' popularity."""
    memory_efficiency: Efficiency
    """Share of the memory bandwidth at which weights are read."""
    kv_efficiency: Efficiency
    """Share of the memory bandwidth at which caches are read."""
    attention_efficiency: Efficiency
    """Share of the peak rate reached in attention."""
    expert_imbalance: Annotated[float, Field(ge=1)]
    """Load of the busiest accelerator over the mean under expert parallelism."""
    data_attention_spread: Positive
    """Factor on the width of the error band, in logarithms, under data-parallel attention."""
    exchange_latency_s: NonNegative
    """Latency in seconds of the exchange of tokens around data-parallel attention."""
    classes: dict[str, ServingClass]
    """Classes of models by name."""
    links: dict[str, LinkProfile]
    """Links between accelerators by name."""
    network: str
    """Name of the link of replicas that span several nodes."""
    generations: dict[str, Generation]
    """Generations of accelerators by name."""
    precisions: dict[str, Precision]
    """Weight precisions by name."""
    engines: dict[str, EngineProfile]
    """Serving engines by name."""

    def engine(self, name: str, gpu: Accelerator) -> Engine:
        """Return an engine with its figures on an accelerator.

        Raises
        ------
        InputError
            When there is no engine of that name.
        """
        if name not in self.engines:
            raise InputError(f"unknown engine {name!r}{nearest(name, sorted(self.engines))}")
        engine = self.engines[name]
        limits = engine.limits
        large = gpu.memory_gb >= LARGE_CARD_GB and gpu.generation not in engine.small_limits_on
        if engine.large_card_limits is not None and large:
            limits = engine.large_card_limits
        factors = engine.generations.get(gpu.generation, OnGeneration())
        return Engine(
            name,
            overhead={k: v * factors.overhead for k, v in engine.overhead.items()},
            slowness=engine.slowness,
            compute=factors.compute,
            memory=factors.memory,
            experts=engine.experts,
            sequence_s=engine.sequence_s,
            request_s=engine.request_s * factors.request,
            request_token_s=engine.request_token_s,
            admission_s=engine.admission_s * factors.admission,
            captured_tok=engine.captured_tok,
            drift_tok=engine.drift_tok,
            limits=EngineLimits(**limits.model_dump()),
            splits_layers=engine.splits_layers,
            reserves_output=engine.reserves_output,
            schedules_ahead=engine.schedules_ahead,
            spread=engine.spread * factors.spread,
            source=engine.source,
        )

    def coefficients(
        self,
        model: ModelShape,
        gpu: Accelerator,
        engine: Engine,
        spread: Parallelism,
        weight_precision: str,
    ) -> StepCoefficients:
        """Return the step-time coefficients of one kind of deployment.

        Raises
        ------
        InputError
            When the precision or the link is unknown.
        """
        kind = self.classes[model.serving_class]
        generation = self.generations[gpu.generation]
        weights = self._factors(weight_precision, gpu)
        outside = self._factors(model.outside_precision(weight_precision), gpu)
        overhead = engine.overhead[model.serving_class] * engine.slowness * generation.overhead
        layer_s = self.layer_s * (self.mla_layer if model.attention == "mla" else 1.0)
        band_width = generation.spread * engine.spread
        if spread.data_attention:
            band_width *= self.data_attention_spread

        def efficiency(*factors: float) -> float:
            return min(math.prod(factors), self.most_efficiency) / engine.slowness

        return StepCoefficients(
            fixed_s=self.fixed_s * overhead,
            layer_s=(layer_s + (self.expert_layer_s if model.experts else 0.0)) * overhead,
            launch_s=self.launch_s * engine.slowness * generation.overhead,
            captured_tok=engine.captured_tok,
            sequence_s=engine.sequence_s * generation.overhead,
            admission_s=engine.admission_s,
            overlap=self.overlap,
            compute_efficiency=efficiency(
                self.compute_efficiency,
                kind.compute,
                generation.compute,
                outside.compute,
                engine.compute,
            ),
            expert_efficiency=efficiency(
                self.expert_efficiency,
                generation.experts,
                weights.experts,
                engine.experts,
                engine.compute,
            ),
            expert_tile_tok=self.expert_tile_tok,
            expert_evenness=self.expert_evenness,
            memory_efficiency=efficiency(
                self.memory_efficiency, generation.memory, weights.memory, engine.memory
            ),
            kv_efficiency=efficiency(self.kv_efficiency, generation.memory),
            attention_efficiency=efficiency(self.attention_efficiency, generation.compute),
            link=self._link(gpu, spread, engine),
            exchange_latency_s=self.exchange_latency_s * engine.slowness,
            expert_imbalance=self.expert_imbalance,
            band_low=kind.band[0] ** band_width,
            band_high=kind.band[1] ** band_width,
        )

    def _factors(self, precision: str, gpu: Accelerator) -> Factors:
        """Return the factors of a weight precision on an accelerator."""
        if precision not in self.precisions:
            known = ", ".join(sorted(self.precisions))
            raise InputError(f"unknown weight precision {precision!r}; known: {known}")
        factors = self.precisions[precision]
        return factors.generations.get(gpu.generation, factors)

    def _link(self, gpu: Accelerator, spread: Parallelism, engine: Engine) -> Link:
        """Return the slowest link that a replica's all-reduces use."""
        name = gpu.link if spread.tensor <= gpu.node_gpus else self.network
        if name not in self.links:
            near = nearest(name, sorted(self.links))
            raise InputError(f"unknown link {name!r} of {gpu.name}{near}")
        link = self.links[name]
        return Link(link.gb_s * 1e9 / engine.slowness, link.latency_s * engine.slowness)


@cache
def serving_profile() -> ServingProfile:
    """Return the shipped coefficients."""
    return validate(ServingProfile, read_yaml(profiles_dir() / "serving.yaml"))


def engine_name(text: str) -> str:
    """Return the name of the serving engine that a text names.

    Raises
    ------
    InputError
        When the text names no known engine; names the nearest one.
    """
    return known_engine(text, sorted(serving_profile().engines))
