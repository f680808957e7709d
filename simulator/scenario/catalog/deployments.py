"""From names to a deployment: what scenarios, benchmarks and calibration all start from."""

import re

from simulator.errors import InputError
from simulator.scenario.catalog.names import known_precision
from simulator.scenario.catalog.profiles import load_accelerator, load_model
from simulator.scenario.catalog.serving_profile import ServingProfile
from simulator.serving.deployment import Deployment
from simulator.serving.models import ModelShape
from simulator.serving.parallelism import Parallelism

_DEGREES = re.compile(r"(moe_tp|moe_ep|adp|dep|pp|ep|tp)(\d+)")
NODE_GPUS = 8
"""GPUs that boards with fast links join; racks of 72 have names of their own."""


def deployment(
    profile: ServingProfile,
    model: str,
    accelerator: str,
    engine: str,
    spread: Parallelism,
    weight_precision: str,
    kv_precision: str,
) -> Deployment:
    """Return a deployment by the names of its profiles.

    Raises
    ------
    InputError
        When a name is unknown.
    """
    shape, (gpu, _) = load_model(model), load_accelerator(accelerator)
    chosen = profile.engine(engine, gpu)
    if chosen.splits_layers:
        spread = Parallelism(1, spread.gpus)
    spread.check_heads(shape.q_heads, shape.name)
    return Deployment(
        model=shape,
        gpu=gpu,
        engine=chosen,
        spread=spread,
        weight_precision=weight_precision,
        kv_precision=kv_precision,
        coefficients=profile.coefficients(shape, gpu, chosen, spread, weight_precision),
    )


def usual_precision(model: ModelShape) -> str:
    """Precision that a model is published in, for tables that do not say."""
    return "mxfp4" if model.quantized == "experts" else "bf16"


def usual_kv_precision(engine: str, generation: str, weight_precision: str) -> str:
    """Cache precision of tables that do not say.

    TensorRT-LLM's checkpoints of 4 and 8 bits come with 8-bit caches, and recipes for Blackwell ask
    for them (InferenceX, 2025 and 2026); other engines keep 16 bits unless asked.
    """
    quantized = weight_precision in ("fp8", "int8", "nvfp4", "mxfp4")
    return "fp8" if quantized and (engine == "trtllm" or generation == "blackwell") else "bf16"


def read_weight_precision(text: str, model: ModelShape) -> str:
    """Return the weight precision of a table's cell, where models alone have theirs.

    gpt-oss is published in MXFP4, which tables also call fp4 and nvfp4.

    Raises
    ------
    InputError
        When the cell says something unknown.
    """
    if not text.strip():
        return usual_precision(model)
    precision = known_precision(text)
    own = usual_precision(model)
    return own if own == "mxfp4" and precision in ("nvfp4", "fp8") else precision


def stages_of(text: str) -> int:
    """Return the pipeline stages that a table's cell names, 1 by default."""
    said = {name: int(value) for name, value in _DEGREES.findall(text.lower())}
    return max(1, said.get("pp", 1))


def read_parallelism(tensor: int | None, gpus: int, text: str) -> tuple[Parallelism, int]:
    """Return a replica's parallelism and the number of replicas from a table's cells.

    ``text`` names degrees as ``ep8``, ``pp2``, ``dp_attn``, or, as AIConfigurator's records do,
    ``pp1;adp8;moe_tp1;moe_ep8``. Some of those multiply one degree by itself: ``moe_tp8;moe_ep8``
    and ``adp64`` stand, with the same figures, for the 8 GPUs that another record of the same run
    has; a degree whose square is all the GPUs is therefore taken once. So is ``tp4`` beside
    ``adp4``: no engine cuts attention and copies it at once over the same GPUs.

    Raises
    ------
    InputError
        When the text describes what is not simulated.
    """
    said = {name: int(value) for name, value in _DEGREES.findall(text.lower())}
    if "disagg" in text.lower():
        raise InputError("separate prefill and decode pools are not benchmarked")
    data = "dp_attn" in text or said.get("adp", 1) > 1 or "dep" in said
    pipeline = stages_of(text)
    expert = max(1, said.get("moe_ep", said.get("ep", said.get("dep", 1))))
    cut = max(1, said.get("moe_tp", 1))
    adp = said.get("adp", 1)
    degree = tensor if tensor and tensor > 1 else max(adp, said.get("dep", 1), tensor or 1)
    twice = round(gpus**0.5)
    doubled = cut == expert > 1 or (adp > 1 and adp == tensor)
    if twice * twice == gpus and pipeline == 1 and doubled:
        # A square: the record multiplied one degree by itself.
        return Parallelism(twice, 1, twice if expert > 1 else 1, data), 1
    degree = max(degree, 1)
    expert = expert if degree % expert == 0 else degree
    replica = Parallelism(degree, pipeline, expert, data)
    if gpus % replica.gpus:
        raise InputError(f"{gpus} GPUs are no multiple of {replica}'s {replica.gpus}")
    return replica, gpus // replica.gpus
