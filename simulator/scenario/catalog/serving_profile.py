"""Coefficients of the step-time model and serving engines, from hardware_profiles/serving.yaml."""

import math
from functools import cache
from typing import Annotated

from pydantic import Field

from simulator.errors import InputError, nearest
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
"""70 GiB: from there on vLLM takes larger limits (vllm/engine/arg_utils.py, get_batch_defaults,
2026)."""


class ServingClass(Section):
    """What the kind of model decides."""

    compute: Positive = 1.0
    """Factor on the efficiency of computing."""
    band: Band
    """Measured over predicted throughput of deployments that were not fitted."""


class LinkProfile(Section):
    """One kind of link between the accelerators of a replica."""

    gb_s: Positive
    """That a ring all-reduce reaches, per direction."""
    latency_s: Positive
    source: str


class Generation(Section):
    """Factors that the generation of accelerators brings."""

    compute: Positive
    experts: Positive = 1.0
    memory: Positive
    overhead: Positive
    spread: Positive
    """Factor on the width of the band, in logarithms."""


class Factors(Section):
    """Factors of a precision on efficiencies."""

    compute: Positive
    experts: Positive = 1.0
    memory: Positive


class Precision(Factors):
    """Factors that a precision of weights brings."""

    generations: dict[str, Factors] = Field(default_factory=dict)
    """Where units of a generation, or their lack, make others of them."""


class OnGeneration(Section):
    """Factors of an engine that is further, or less far, on one generation than on others."""

    overhead: Positive = 1.0
    request: Positive = 1.0
    admission: Positive = 1.0
    compute: Positive = 1.0
    memory: Positive = 1.0
    spread: Positive = 1.0


class Limits(Section):
    """See ``serving.engines.EngineLimits``."""

    max_batched_tok: Count
    max_sequences: Count
    memory_utilization: Efficiency
    block_tok: Annotated[int, Field(ge=1, le=64)]


class EngineProfile(Section):
    """See ``serving.engines.Engine``."""

    overhead: dict[str, Positive]
    slowness: Positive
    sequence_s: NonNegative
    request_s: NonNegative
    request_token_s: NonNegative
    admission_s: NonNegative
    experts: Positive = 1.0
    """Factor on the efficiency of experts' kernels."""
    captured_tok: Whole
    drift_tok: NonNegative
    limits: Limits
    large_card_limits: Limits | None = None
    """Of accelerators with 70 GiB or more, but those of ``small_limits_on``; default: the same."""
    small_limits_on: tuple[str, ...] = ()
    """Generations whose large accelerators are treated like small ones."""
    splits_layers: bool = False
    reserves_output: bool
    schedules_ahead: bool = False
    spread: Positive
    generations: dict[str, OnGeneration] = Field(default_factory=dict)
    source: str


class ServingProfile(Section):
    """All of serving.yaml."""

    most_efficiency: Efficiency
    fixed_s: NonNegative
    layer_s: NonNegative
    expert_layer_s: NonNegative
    """On top, in layers with experts: routing, sorting, more launches."""
    mla_layer: Positive
    launch_s: NonNegative
    overlap: Annotated[float, Field(ge=1)]
    compute_efficiency: Efficiency
    expert_efficiency: Efficiency
    expert_tile_tok: NonNegative
    expert_evenness: Positive
    memory_efficiency: Efficiency
    kv_efficiency: Efficiency
    attention_efficiency: Efficiency
    expert_imbalance: Annotated[float, Field(ge=1)]
    data_attention_spread: Positive
    """Factor on the width of the band, in logarithms, under data-parallel attention."""
    exchange_latency_s: NonNegative
    classes: dict[str, ServingClass]
    links: dict[str, LinkProfile]
    network: str
    """Link of replicas that do not fit one node."""
    generations: dict[str, Generation]
    precisions: dict[str, Precision]
    engines: dict[str, EngineProfile]

    def engine(self, name: str, gpu: Accelerator) -> Engine:
        """Return an engine as it is on an accelerator.

        Raises
        ------
        InputError
            When there is none of the name.
        """
        if name not in self.engines:
            raise InputError(f"unknown engine {name!r}{nearest(name, sorted(self.engines))}")
        said = self.engines[name]
        limits = said.limits
        large = gpu.memory_gb >= LARGE_CARD_GB and gpu.generation not in said.small_limits_on
        if said.large_card_limits is not None and large:
            limits = said.large_card_limits
        there = said.generations.get(gpu.generation, OnGeneration())
        return Engine(
            name,
            overhead={k: v * there.overhead for k, v in said.overhead.items()},
            slowness=said.slowness,
            compute=there.compute,
            memory=there.memory,
            experts=said.experts,
            sequence_s=said.sequence_s,
            request_s=said.request_s * there.request,
            request_token_s=said.request_token_s,
            admission_s=said.admission_s * there.admission,
            captured_tok=said.captured_tok,
            drift_tok=said.drift_tok,
            limits=EngineLimits(**limits.model_dump()),
            splits_layers=said.splits_layers,
            reserves_output=said.reserves_output,
            schedules_ahead=said.schedules_ahead,
            spread=said.spread * there.spread,
            source=said.source,
        )

    def coefficients(
        self,
        model: ModelShape,
        gpu: Accelerator,
        engine: Engine,
        spread: Parallelism,
        weight_precision: str,
    ) -> StepCoefficients:
        """Return the coefficients of one kind of deployment.

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
        if precision not in self.precisions:
            known = ", ".join(sorted(self.precisions))
            raise InputError(f"unknown weight precision {precision!r}; known: {known}")
        found = self.precisions[precision]
        return found.generations.get(gpu.generation, found)

    def _link(self, gpu: Accelerator, spread: Parallelism, engine: Engine) -> Link:
        """Return the slowest link that a replica's all-reduces pass."""
        name = gpu.link if spread.tensor <= gpu.node_gpus else self.network
        if name not in self.links:
            near = nearest(name, sorted(self.links))
            raise InputError(f"unknown link {name!r} of {gpu.name}{near}")
        found = self.links[name]
        return Link(found.gb_s * 1e9 / engine.slowness, found.latency_s * engine.slowness)


@cache
def serving_profile() -> ServingProfile:
    """Return the shipped coefficients."""
    return validate(ServingProfile, read_yaml(profiles_dir() / "serving.yaml"))
