"""Coefficients of the step-time model and serving engines, from hardware_profiles/serving.yaml."""

import math
from functools import cache
from typing import Annotated

from pydantic import Field

from simulator.errors import InputError, nearest
from simulator.scenario.files import profiles_dir
from simulator.scenario.sections import Count, NonNegative, Positive, Section
from simulator.scenario.yamlfile import read_yaml, validate
from simulator.serving.accelerators import Accelerator
from simulator.serving.engines import Engine
from simulator.serving.models import ModelShape
from simulator.serving.steptime import StepCoefficients

Efficiency = Annotated[float, Field(gt=0, le=1)]
Band = Annotated[list[Positive], Field(min_length=2, max_length=2)]


class ServingClass(Section):
    """What the kind of model decides."""

    layer_s: Positive
    compute_efficiency: Efficiency
    memory_efficiency: Efficiency
    allreduce_latency_s: NonNegative
    link_efficiency: Efficiency
    band: Band
    """Measured over predicted throughput of deployments like those that were fitted."""


class Generation(Section):
    """Factors that the generation of accelerators brings."""

    compute: Positive
    memory: Positive
    overhead: Positive
    spread: Positive
    """Factor on the width of the band, in logarithms."""


class Precision(Section):
    """Factors that a precision of weights brings."""

    compute: Positive
    memory: Positive


class OnGeneration(Section):
    """Factors of an engine that is further, or less far, on one generation than on others."""

    overhead: Positive
    request: Positive
    spread: Positive


class EngineProfile(Section):
    """See ``serving.engines.Engine``."""

    overhead: dict[str, Positive]
    slowness: Positive
    sequence_s: NonNegative
    request_s: NonNegative
    request_token_s: NonNegative
    drift_tok: NonNegative
    max_sequences: Count
    splits_layers: bool = False
    reserves_output: bool
    spread: Positive
    generations: dict[str, OnGeneration] = Field(default_factory=dict)
    source: str


class ServingProfile(Section):
    """All of serving.yaml."""

    most_efficiency: Efficiency
    fixed_s: NonNegative
    launch_s: NonNegative
    overlap: Annotated[float, Field(ge=1)]
    kv_efficiency: Efficiency
    attention_efficiency: Efficiency
    expert_imbalance: Annotated[float, Field(ge=1)]
    exchange_latency_s: NonNegative
    classes: dict[str, ServingClass]
    mla_layer: Positive
    generations: dict[str, Generation]
    precisions: dict[str, Precision]
    engines: dict[str, EngineProfile]

    def engine(self, name: str, generation: str) -> Engine:
        """Return an engine as it is on a generation of accelerators.

        Raises
        ------
        InputError
            When there is none of the name.
        """
        if name not in self.engines:
            raise InputError(f"unknown engine {name!r}{nearest(name, sorted(self.engines))}")
        fields = self.engines[name].model_dump(exclude={"generations"})
        there = self.engines[name].generations.get(generation)
        if there is not None:
            fields["overhead"] = {k: v * there.overhead for k, v in fields["overhead"].items()}
            fields["request_s"] *= there.request
            fields["spread"] *= there.spread
        return Engine(name, **fields)

    def coefficients(
        self, model: ModelShape, gpu: Accelerator, engine: Engine, weight_precision: str
    ) -> StepCoefficients:
        """Return the coefficients of one kind of deployment.

        Raises
        ------
        InputError
            When the precision is unknown.
        """
        if weight_precision not in self.precisions:
            known = ", ".join(sorted(self.precisions))
            raise InputError(f"unknown weight precision {weight_precision!r}; known: {known}")
        kind = self.classes[model.serving_class]
        generation, precision = self.generations[gpu.generation], self.precisions[weight_precision]
        overhead = engine.overhead[model.serving_class] * engine.slowness
        layer = generation.overhead * (self.mla_layer if model.attention == "mla" else 1.0)
        spread = generation.spread * engine.spread

        def efficiency(*factors: float) -> float:
            return min(math.prod(factors), self.most_efficiency) / engine.slowness

        return StepCoefficients(
            fixed_s=self.fixed_s * overhead,
            layer_s=kind.layer_s * layer * overhead,
            launch_s=self.launch_s * engine.slowness,
            overlap=self.overlap,
            sequence_s=engine.sequence_s * generation.overhead,
            compute_efficiency=efficiency(
                kind.compute_efficiency, generation.compute, precision.compute
            ),
            memory_efficiency=efficiency(
                kind.memory_efficiency, generation.memory, precision.memory
            ),
            kv_efficiency=efficiency(self.kv_efficiency, generation.memory),
            attention_efficiency=efficiency(self.attention_efficiency, generation.compute),
            allreduce_latency_s=kind.allreduce_latency_s * overhead,
            exchange_latency_s=self.exchange_latency_s * overhead,
            link_efficiency=min(1.0, kind.link_efficiency / overhead),
            expert_imbalance=self.expert_imbalance,
            band_low=kind.band[0] ** spread,
            band_high=kind.band[1] ** spread,
        )


@cache
def serving_profile() -> ServingProfile:
    """Return the shipped coefficients."""
    return validate(ServingProfile, read_yaml(profiles_dir() / "serving.yaml"))
