"""Deployments by the names of benchmark tables, for commands and scripts."""

from dataclasses import replace
from pathlib import Path
from typing import TypedDict

from simulator.scenario.catalog.deployments import (
    read_parallelism,
    stages_of,
    tabulated_deployment,
)
from simulator.scenario.catalog.profiles import accelerator_name, model_name
from simulator.scenario.catalog.serving_profile import engine_name, serving_profile
from simulator.scenario.tables.calibration_file import calibrated
from simulator.serving.deployment import Deployment


class Deployed(TypedDict, total=False):
    """Optional arguments of ``named_deployment``."""

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
    """Return a deployment by names as in benchmark tables, and the number of its replicas.

    Parameters
    ----------
    model, accelerator, engine : str
        Names of profiles, or common variants of them; a model may also be the path of its
        config.json.
    gpus : int
        Number of GPUs of all replicas.
    tensor : int
        GPUs that share each layer of a replica; default: all GPUs of a pipeline stage.
    parallelism : str
        Further degrees: ``ep8``, ``pp2``, ``dp_attn``.
    weight_precision, kv_precision : str
        Precisions of weights and KV cache; default: that in which the model is published, and the
        engine's usual one with it.
    kv_tokens : int
        KV cache of one replica in tokens, as the engine reports it; default: the memory that the
        weights leave.
    weights_gb : float
        Size of the checkpoint [1e9 bytes]; default: computed from the parameters.
    enforce_eager : bool
        Whether all steps run without captured graphs.
    calibration : path
        File written by ``breakeven calibrate``.

    Raises
    ------
    InputError
        When a name is unknown, or the degrees of parallelism are not consistent.
    """
    profile = serving_profile()
    name, gpu = model_name(model), accelerator_name(accelerator)
    spread, replicas = read_parallelism(
        tensor or max(1, gpus // stages_of(parallelism)), gpus, parallelism
    )
    served = tabulated_deployment(
        profile, name, gpu, engine_name(engine), spread, weight_precision, kv_precision
    )
    if calibration is not None:
        served = calibrated(served, Path(calibration))
    served = replace(served, kv_tok=kv_tokens, weights_gb=weights_gb, eager=enforce_eager)
    return served, replicas
