"""Assemble a deployment from the names of its profiles, for scenarios and benchmarks."""

import re

from simulator.errors import InputError
from simulator.scenario.catalog.names import known_precision
from simulator.scenario.catalog.profiles import load_accelerator, load_model
from simulator.scenario.catalog.serving_profile import ServingProfile
from simulator.serving.deployment import Deployment
from simulator.serving.models import ModelShape
from simulator.serving.parallelism import Parallelism

_DEGREES = re.compile(r"(moe_tp|moe_ep|adp|dep|pp|ep|tp)(\d+)")


def deployment(
    profile: ServingProfile,
    model: str,
    accelerator: str,
    engine: str,
    spread: Parallelism,
    weight_precision: str,
    kv_precision: str,
) -> Deployment:
    """Return a deployment, given the names of its profiles.

    Raises
    ------
    InputError
        When a name is unknown.
    """
    shape, (gpu, _) = load_model(model), load_accelerator(accelerator)
    serving_engine = profile.engine(engine, gpu)
    if serving_engine.splits_layers:
        spread = Parallelism(1, spread.gpus)
    spread.check_heads(shape.q_heads, shape.name)
    return Deployment(
        model=shape,
        gpu=gpu,
        engine=serving_engine,
        spread=spread,
        weight_precision=weight_precision,
        kv_precision=kv_precision,
        coefficients=profile.coefficients(shape, gpu, serving_engine, spread, weight_precision),
    )


def tabulated_deployment(
    profile: ServingProfile,
    model: str,
    accelerator: str,
    engine: str,
    spread: Parallelism,
    weight_cell: str,
    kv_cell: str,
) -> Deployment:
    """Return a deployment whose precisions are a table's cells; an empty one means the usual one.

    Raises
    ------
    InputError
        When a name or a precision is unknown.
    """
    weights = read_weight_precision(weight_cell, load_model(model))
    generation = load_accelerator(accelerator)[0].generation
    usual_kv = usual_kv_precision(engine, generation, weights)
    kv = known_precision(kv_cell) if kv_cell else usual_kv
    return deployment(profile, model, accelerator, engine, spread, weights, kv)


def usual_precision(model: ModelShape) -> str:
    """Return the precision in which a model is published, for tables that do not state one."""
    return "mxfp4" if model.quantized == "experts" else "bf16"


def usual_kv_precision(engine: str, generation: str, weight_precision: str) -> str:
    """Return the usual cache precision, for tables that do not state one.

    TensorRT-LLM's checkpoints of 4 and 8 bits come with 8-bit caches, and recipes for Blackwell
    request them (InferenceX, 2025 and 2026); other engines keep 16 bits unless requested otherwise.
    """
    quantized = weight_precision in ("fp8", "int8", "nvfp4", "mxfp4")
    return "fp8" if quantized and (engine == "trtllm" or generation == "blackwell") else "bf16"


def read_weight_precision(text: str, model: ModelShape) -> str:
    """Return the weight precision in a table's cell, or the model's usual one if it is empty.

    gpt-oss is published in MXFP4, which tables also call fp4, nvfp4 and fp8.

    Raises
    ------
    InputError
        When the precision is unknown.
    """
    if not text.strip():
        return usual_precision(model)
    precision = known_precision(text)
    published = usual_precision(model)
    is_misnamed = published == "mxfp4" and precision in ("nvfp4", "fp8")
    return published if is_misnamed else precision


def stages_of(text: str) -> int:
    """Return the number of pipeline stages in a table's cell, 1 by default."""
    degrees = {name: int(value) for name, value in _DEGREES.findall(text.lower())}
    return max(1, degrees.get("pp", 1))


def read_parallelism(tensor: int | None, gpus: int, text: str) -> tuple[Parallelism, int]:
    """Return a replica's parallelism and the number of replicas from a table's cells.

    ``text`` contains degrees such as ``ep8``, ``pp2`` and ``dp_attn``, or, in AIConfigurator's
    records, ``pp1;adp8;moe_tp1;moe_ep8``. Some of these records count one degree twice:
    ``moe_tp8;moe_ep8`` and ``adp64`` have the same figures as another record of the same run with 8
    GPUs. A degree whose square is the number of GPUs is therefore counted once, and so is ``tp4``
    together with ``adp4``, because no engine both splits and copies attention over the same GPUs.

    Raises
    ------
    InputError
        When the text describes a deployment that is not simulated.
    """
    degrees = {name: int(value) for name, value in _DEGREES.findall(text.lower())}
    if "disagg" in text.lower():
        raise InputError("separate prefill and decode pools are not benchmarked")
    data = "dp_attn" in text or degrees.get("adp", 1) > 1 or "dep" in degrees
    pipeline = stages_of(text)
    expert = max(1, degrees.get("moe_ep", degrees.get("ep", degrees.get("dep", 1))))
    expert_tensor = max(1, degrees.get("moe_tp", 1))
    adp = degrees.get("adp", 1)
    degree = tensor if tensor and tensor > 1 else max(adp, degrees.get("dep", 1), tensor or 1)
    root = round(gpus**0.5)
    counted_twice = expert_tensor == expert > 1 or (adp > 1 and adp == tensor)
    if root * root == gpus and pipeline == 1 and counted_twice:
        return Parallelism(root, 1, root if expert > 1 else 1, data), 1
    degree = max(degree, 1)
    expert = expert if degree % expert == 0 else degree
    replica = Parallelism(degree, pipeline, expert, data)
    if gpus % replica.gpus:
        raise InputError(f"{gpus} GPUs are not a multiple of the {replica.gpus} of {replica}")
    return replica, gpus // replica.gpus
