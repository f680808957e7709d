"""Hardware profiles: accelerators and model shapes from YAML."""

from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from simulator.economics.interval import Interval as PlainInterval
from simulator.errors import InputError, nearest
from simulator.scenario.catalog.hf_config import read_config
from simulator.scenario.document.base_section import Count, Interval, Positive, Section, Share
from simulator.scenario.document.document import Document, read_yaml, validate
from simulator.scenario.document.shipped import profiles_dir
from simulator.serving.accelerators import Accelerator
from simulator.serving.models import ModelShape

Commitment = Literal["on-demand", "spot", "1-year", "3-year"]


class AcceleratorProfile(Section):
    """One accelerator of hardware_profiles/accelerators.yaml."""

    generation: Literal[
        "ampere", "ada", "ada-geforce", "hopper", "blackwell", "blackwell-consumer", "cdna2",
        "cdna3", "cdna4", "gaudi", "xe", "tpu", "trainium",
    ]  # fmt: skip
    peak_tflops: dict[Literal["bf16", "fp8", "int8", "fp4"], Positive]
    memory_gb: Positive
    memory_tb_s: Positive
    link: str
    """Kind of link between accelerators, from hardware_profiles/serving.yaml."""
    node_gpus: Count = 8
    """Accelerators that the link joins; between nodes it is a network."""
    tdp_w: Positive
    rents_usd_per_gpu_hour: dict[Commitment, Interval] = Field(default_factory=dict)
    """By commitment; absent where no list shows one."""
    node_kw: Positive | None = None
    """All-in power of a node per accelerator."""
    purchase_usd: Interval | None = None
    source: str


class ApplianceProfile(Section):
    """One machine of hardware_profiles/appliances.yaml, whose tokens are sold and not itself."""

    memory_gb: Positive
    """Of one chip."""
    memory_tb_s: Positive
    system_kw: Interval
    """Of what serves a model of 70 billion parameters."""
    system: str
    offers: tuple[str, ...]
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
    window_layers: Annotated[int, Field(ge=0)] = 0
    window_tok: Annotated[int, Field(ge=0)] = 0
    keeps_windows_whole: bool = False
    quantized: Literal["all", "experts"] = "all"
    kind: Literal["decoder", "embedding"] = "decoder"
    context_tok: Count
    source: str


@cache
def _document(name: str) -> Document:
    return read_yaml(profiles_dir() / f"{name}.yaml")


def profile_names(kind: str) -> list[str]:
    """Return the names of all shipped profiles of a kind: accelerators, appliances or models."""
    return sorted(_document(kind).data)


def profile_document(kind: str, name: str) -> dict[str, Any]:
    """Return a profile as plain values.

    Raises
    ------
    InputError
        When there is no such profile, or it is not valid.
    """
    return validate(_SECTIONS[kind], _find(kind, name), (name,)).model_dump()


_SECTIONS: dict[str, type[Section]] = {
    "accelerators": AcceleratorProfile,
    "appliances": ApplianceProfile,
    "models": ModelProfile,
}


def _find(kind: str, name: str) -> Document:
    document = _document(kind)
    if name not in document.data:
        raise InputError(
            f"unknown {kind.removesuffix('s')} {name!r}{nearest(name, profile_names(kind))}"
        )
    return document


def load_profile(name: str) -> AcceleratorProfile:
    """Return all that is known of an accelerator.

    Raises
    ------
    InputError
        When there is no such profile, or it is not valid.
    """
    if name in profile_names("appliances"):
        offers = profile_document("appliances", name)["offers"]
        raise InputError(f"{name} is not sold, its tokens are: name an offer, such as {offers[0]}")
    return validate(AcceleratorProfile, _find("accelerators", name), (name,))


@cache
def load_accelerator(name: str) -> tuple[Accelerator, dict[str, PlainInterval]]:
    """Return an accelerator and what renting one costs [USD/GPU-hour], by commitment as known.

    Raises
    ------
    InputError
        When there is no such profile, or it is not valid.
    """
    profile = load_profile(name)
    accelerator = Accelerator(
        name,
        profile.generation,
        {str(k): v for k, v in profile.peak_tflops.items()},
        profile.memory_gb,
        profile.memory_tb_s,
        profile.link,
        profile.node_gpus,
        profile.tdp_w,
        profile.source,
    )
    rents = profile.rents_usd_per_gpu_hour.items()
    return accelerator, {kind: PlainInterval(r.low, r.mid, r.high) for kind, r in rents}


def load_model(name: str) -> ModelShape:
    """Return a model shape by its profile's name, or from a ``config.json`` on disk by its path.

    Raises
    ------
    InputError
        When there is no such profile, or it is not valid.
    """
    return read_config(Path(name)) if name.endswith(".json") else _listed_model(name)


@cache
def _listed_model(name: str) -> ModelShape:
    profile = validate(ModelProfile, _find("models", name), (name,))
    fields = profile.model_dump(exclude={"total_params_b", "active_params_b"})
    return ModelShape(
        name=name,
        total_params=profile.total_params_b * 1e9,
        active_params=profile.active_params_b * 1e9,
        **fields,
    )
