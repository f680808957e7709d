"""One deployment's benchmark by names: what commands and scripts start from."""

from dataclasses import replace
from pathlib import Path
from typing import TypedDict

from simulator.scenario.catalog.deployments import (
    deployment,
    read_parallelism,
    read_weight_precision,
    stages_of,
    usual_kv_precision,
)
from simulator.scenario.catalog.names import known_engine, known_gpu, known_model, known_precision
from simulator.scenario.catalog.profiles import load_accelerator, load_model, profile_names
from simulator.scenario.catalog.serving_profile import serving_profile
from simulator.scenario.tables.calibration_file import calibrated
from simulator.serving.deployment import Deployment


class Deployed(TypedDict, total=False):
    """How ``named_deployment`` puts a model and an accelerator together."""

    gpus: int
    tensor: int | None
    parallelism: str
    engine: str
    weight_precision: str
    kv_precision: str
    kv_tokens: int | None
    weights_gb: float | None
    enforce_eager: bool
    calibration: str | Path | None


def named_deployment(
    model: str,
    accelerator: str,
    *,
    gpus: int = 1,
    tensor: int | None = None,
    parallelism: str = "",
    engine: str = "vllm",
    weight_precision: str = "",
    kv_precision: str = "",
    kv_tokens: int | None = None,
    weights_gb: float | None = None,
    enforce_eager: bool = False,
    calibration: str | Path | None = None,
) -> tuple[Deployment, int]:
    """Return a deployment by names as benchmark tables write them, and how many replicas of it.

    Parameters
    ----------
    model, accelerator, engine : str
        Names of profiles, or what is near enough; a model also as a path of its config.json.
    gpus : int
        Of all replicas.
    tensor : int
        GPUs that share each layer of a replica; default: all, over its pipeline stages.
    parallelism : str
        Further degrees: ``ep8``, ``pp2``, ``dp_attn``.
    weight_precision, kv_precision : str
        Default: what the model is published in, and what the engine keeps beside it.
    kv_tokens : int
        KV cache of one replica as the engine reports it; default: what the weights leave.
    weights_gb : float
        Size of the checkpoint [1e9 bytes]; default: what the parameters take in the precision.
    enforce_eager : bool
        No step runs from captured graphs.
    calibration : path
        What ``breakeven calibrate`` wrote.

    Raises
    ------
    InputError
        When a name is unknown, or the degrees do not go together.
    """
    profile = serving_profile()
    on_disk = model.endswith(".json")
    name = model if on_disk else known_model(model, profile_names("models"))
    shape = load_model(name)
    chosen = known_engine(engine, sorted(profile.engines))
    weights = read_weight_precision(weight_precision, shape)
    gpu = known_gpu(accelerator, profile_names("accelerators"))
    usual = usual_kv_precision(chosen, load_accelerator(gpu)[0].generation, weights)
    kv = known_precision(kv_precision) if kv_precision else usual
    spread, replicas = read_parallelism(
        tensor or max(1, gpus // stages_of(parallelism)), gpus, parallelism
    )
    found = deployment(profile, name, gpu, chosen, spread, weights, kv)
    if calibration is not None:
        found = calibrated(found, Path(calibration))
    found = replace(found, kv_tok=kv_tokens, weights_gb=weights_gb, eager=enforce_eager)
    return found, replicas
