"""Hardware profiles: accelerators, model shapes and serving classes from YAML."""

from functools import cache
from typing import Annotated, Any, Literal

from pydantic import Field

from simulator.economics.interval import Interval as PlainInterval
from simulator.errors import InputError, nearest
from simulator.scenario.files import profiles_dir
from simulator.scenario.sections import Count, Interval, Positive, Section, Share
from simulator.scenario.yamlfile import Document, read_yaml, validate
from simulator.serving.accelerators import Accelerator
from simulator.serving.models import ModelShape
from simulator.serving.steptime import StepCoefficients


class AcceleratorProfile(Section):
    """One accelerator of hardware_profiles/accelerators.yaml."""

    peak_tflops: dict[Literal["bf16", "fp8", "fp4"], Positive]
    memory_gb: Positive
    memory_tb_s: Positive
    link_gb_s: Positive
    tdp_w: Positive
    rent_usd_per_gpu_hour: Interval | None = None
    """On demand; absent where no list shows one."""
    source: str


class ModelProfile(Section):
    """One model of hardware_profiles/models.yaml."""

    total_params_b: Positive
    active_params_b: Positive
    layers: Count
    hidden: Count
    q_heads: Count
    kv_heads: Count
    head_dim: Count
    experts: Annotated[int, Field(ge=0)] = 0
    experts_per_token: Annotated[int, Field(ge=0)] = 0
    expert_share: Share = 0.0
    attention: Literal["gqa", "mla"] = "gqa"
    context_tok: Count
    source: str


class ServingClass(Section):
    """One class of hardware_profiles/serving_classes.yaml."""

    fixed_s: Positive
    layer_s: Positive
    compute_efficiency: Annotated[float, Field(gt=0, le=1)]
    memory_efficiency: Annotated[float, Field(gt=0, le=1)]
    allreduce_latency_s: Positive
    allreduce_efficiency: Annotated[float, Field(gt=0, le=1)]
    attention_efficiency: Annotated[float, Field(gt=0, le=1)]
    band: Annotated[list[Positive], Field(min_length=2, max_length=2)]


@cache
def _document(name: str) -> Document:
    return read_yaml(profiles_dir() / f"{name}.yaml")


def profile_names(kind: str) -> list[str]:
    """Return the names of all shipped profiles of a kind: accelerators or models."""
    return sorted(_document(kind).data)


def profile_document(kind: str, name: str) -> dict[str, Any]:
    """Return a profile as plain values.

    Raises
    ------
    InputError
        When there is no such profile, or it is not valid.
    """
    model = AcceleratorProfile if kind == "accelerators" else ModelProfile
    return validate(model, _find(kind, name), (name,)).model_dump()


def _find(kind: str, name: str) -> Document:
    document = _document(kind)
    if name not in document.data:
        raise InputError(
            f"unknown {kind.removesuffix('s')} {name!r}{nearest(name, profile_names(kind))}"
        )
    return document


def load_accelerator(name: str) -> tuple[Accelerator, PlainInterval | None]:
    """Return an accelerator and what renting one costs [USD/GPU-hour], None where unknown.

    Raises
    ------
    InputError
        When there is no such profile, or it is not valid.
    """
    profile = validate(AcceleratorProfile, _find("accelerators", name), (name,))
    rent = profile.rent_usd_per_gpu_hour
    accelerator = Accelerator(
        name,
        {str(k): v for k, v in profile.peak_tflops.items()},
        profile.memory_gb,
        profile.memory_tb_s,
        profile.link_gb_s,
        profile.tdp_w,
        profile.source,
    )
    if rent is None:
        return accelerator, None
    return accelerator, PlainInterval(rent.low, rent.mid, rent.high)


def load_model(name: str) -> ModelShape:
    """Return a model shape.

    Raises
    ------
    InputError
        When there is no such profile, or it is not valid.
    """
    profile = validate(ModelProfile, _find("models", name), (name,))
    fields = profile.model_dump(exclude={"total_params_b", "active_params_b"})
    return ModelShape(
        name=name,
        total_params=profile.total_params_b * 1e9,
        active_params=profile.active_params_b * 1e9,
        **fields,
    )


def load_serving_class(name: str) -> StepCoefficients:
    """Return the step-time coefficients of a class of models."""
    fields = validate(ServingClass, _document("serving_classes"), (name,)).model_dump()
    low, high = fields.pop("band")
    return StepCoefficients(**fields, band_low=low, band_high=high)
