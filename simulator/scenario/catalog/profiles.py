"""Profiles of accelerators, appliances and models, from hardware_profiles/*.yaml."""

from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from simulator.economics.interval import Interval as PlainInterval
from simulator.errors import InputError
from simulator.scenario.catalog.hf_config import read_config
from simulator.scenario.catalog.names import known_gpu, known_model, unknown_name
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
    """Generation of accelerators, from hardware_profiles/serving.yaml."""
    peak_tflops: dict[Literal["bf16", "fp8", "int8", "fp4"], Positive]
    """Peak dense rate in TFLOP/s, by compute format."""
    memory_gb: Positive
    """Usable memory in units of 1e9 bytes, as the driver reports it."""
    memory_tb_s: Positive
    """Memory bandwidth in TB/s."""
    link: str
    """Kind of link between accelerators, from hardware_profiles/serving.yaml."""
    node_gpus: Count = 8
    """Accelerators that the link connects; nodes are connected by a network."""
    tdp_w: Positive
    """Thermal design power in watts."""
    rents_usd_per_gpu_hour: dict[Commitment, Interval] = Field(default_factory=dict)
    """Rent by commitment; a commitment is absent if no price list contains it."""
    node_kw: Positive | None = None
    """Power of a node per accelerator in kW, everything included."""
    purchase_usd: Interval | None = None
    """Purchase price of one accelerator in USD."""
    source: str
    """Source of the figures."""


class ApplianceProfile(Section):
    """One machine of hardware_profiles/appliances.yaml, of which tokens are sold but not itself."""

    memory_gb: Positive
    """Memory of one chip in units of 1e9 bytes."""
    memory_tb_s: Positive
    """Memory bandwidth of one chip in TB/s."""
    system_kw: Interval
    """Power in kW of a system that serves a model of 70 billion parameters."""
    system: str
    """Description of such a system, with its source."""
    offers: tuple[str, ...]
    """Offers that sell tokens of this machine."""
    source: str
    """Source of the figures."""


class ModelProfile(Section):
    """One model of hardware_profiles/models.yaml."""

    total_params_b: Positive
    """Total parameters in billions."""
    active_params_b: Positive
    """Parameters in billions that each token is multiplied with, without the embedding table."""
    layers: Count
    """Number of layers."""
    hidden: Count
    """Width of the hidden state."""
    q_heads: Count
    """Number of query heads."""
    kv_heads: Count
    """Number of key-value heads."""
    head_dim: Count
    """Width of one cached head; latent attention caches one head of latent and position values."""
    experts: Annotated[int, Field(ge=0)] = 0
    """Number of experts in a layer; 0 for dense models."""
    experts_per_token: Annotated[int, Field(ge=0)] = 0
    """Number of experts that process a token."""
    expert_share: Share = 0.0
    """Share of the parameters that belongs to experts."""
    attention: Literal["gqa", "mla"] = "gqa"
    """Kind of attention: grouped-query (`gqa`) or multi-head latent attention (`mla`)."""
    window_layers: Annotated[int, Field(ge=0)] = 0
    """Number of layers whose attention is limited to `window_tok` tokens."""
    window_tok: Annotated[int, Field(ge=0)] = 0
    """Tokens that these layers attend to; 0 for layers with a constant state."""
    keeps_windows_whole: bool = False
    """Whether engines cache the whole context of these layers anyway, as vLLM does for Llama 4."""
    quantized: Literal["all", "experts"] = "all"
    """Weights that have the weight precision: all, or experts alone while the rest is bf16."""
    kind: Literal["decoder", "embedding"] = "decoder"
    """Kind of model; embedding models read prompts and generate nothing."""
    context_tok: Count
    """Context window in tokens."""
    source: str
    """Source of the figures."""


@cache
def _document(name: str) -> Document:
    return read_yaml(profiles_dir() / f"{name}.yaml")


@cache
def _names(kind: str) -> tuple[str, ...]:
    return tuple(sorted(_document(kind).data))


def profile_names(kind: str) -> list[str]:
    """Return the names of all shipped profiles of a kind: accelerators, appliances or models."""
    return list(_names(kind))


def profile_document(kind: str, name: str) -> dict[str, Any]:
    """Return a profile of a kind as plain values.

    Raises
    ------
    InputError
        When there is no such profile, or it is not valid.
    """
    return validate(_SECTIONS[kind], _find(kind, name), (name,)).model_dump()


def accelerator_name(text: str) -> str:
    """Return the name of the accelerator profile that a text names, in scenarios and commands.

    Raises
    ------
    InputError
        When the name is unknown or may be that of several profiles, or the machine is not sold.
    """
    _check_is_sold(text)
    return known_gpu(text, profile_names("accelerators"))


def _check_is_sold(name: str) -> None:
    if name in profile_names("appliances"):
        offers = profile_document("appliances", name)["offers"]
        raise InputError(f"{name} is not sold, its tokens are: name an offer, such as {offers[0]}")


def model_name(text: str) -> str:
    """Return the name of the model profile that a text names, in scenarios and commands.

    The path of a ``config.json`` is returned as it is.

    Raises
    ------
    InputError
        When the name is unknown or may be that of several profiles.
    """
    return text if text.endswith(".json") else known_model(text, profile_names("models"))


_SECTIONS: dict[str, type[Section]] = {
    "accelerators": AcceleratorProfile,
    "appliances": ApplianceProfile,
    "models": ModelProfile,
}


def _find(kind: str, name: str) -> Document:
    """Return the document that contains a profile of some kind."""
    names = profile_names(kind)
    if name not in names:
        raise unknown_name(kind.removesuffix("s"), name, names)
    return _document(kind)


def load_profile(name: str) -> AcceleratorProfile:
    """Return the whole profile of an accelerator.

    Raises
    ------
    InputError
        When there is no such profile, it is not valid, or the machine is not sold.
    """
    _check_is_sold(name)
    return validate(AcceleratorProfile, _find("accelerators", name), (name,))


@cache
def load_accelerator(name: str) -> tuple[Accelerator, dict[str, PlainInterval]]:
    """Return an accelerator and its known rents by commitment [USD/GPU-hour].

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
    """Return a model shape, by the name of its profile or the path of a ``config.json``.

    Raises
    ------
    InputError
        When there is no such profile, or it is not valid.
    """
    return read_config(Path(name)) if name.endswith(".json") else _load_listed_model(name)


@cache
def _load_listed_model(name: str) -> ModelShape:
    profile = validate(ModelProfile, _find("models", name), (name,))
    fields = profile.model_dump(exclude={"total_params_b", "active_params_b"})
    return ModelShape(
        name=name,
        total_params=profile.total_params_b * 1e9,
        active_params=profile.active_params_b * 1e9,
        **fields,
    )
