"""Deployments of a new scenario: every pair of a model and an accelerator that is possible."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from simulator.errors import Faults, InputError
from simulator.scenario.catalog.deployments import deployment, usual_precision
from simulator.scenario.catalog.profiles import (
    accelerator_name,
    load_accelerator,
    load_model,
    model_name,
)
from simulator.scenario.catalog.serving_profile import serving_profile
from simulator.serving.models import ModelShape
from simulator.serving.parallelism import Parallelism

MOST_GPUS = 16
"""Most GPUs of a replica that are tried for a model."""
LEAST_KV_TOKENS = 32768
"""KV cache in tokens that a replica needs at least, so that it can serve one long prompt."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A model on the fewest accelerators of a kind that hold it."""

    option: str
    """Name of its option."""
    model: str
    gpu: str
    gpus: int
    weights: str
    kv: str
    max_model_tok: int | None
    """Longest prompt with its answer, where the default is too short for the traffic."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of models and accelerators, and why others were left out."""

    fitting: tuple[Pair, ...]
    left_out: tuple[str, ...]


def pairs_of(models: Sequence[str], gpus: Sequence[str], longest_tok: int = 0) -> Pairs:
    """Return every pair of a model and an accelerator, as far as the model fits.

    ``longest_tok`` is the longest prompt with its answer, for which the cache must suffice as far
    as the model can read it.

    Raises
    ------
    InputError
        With a line for every name that is not known, or for every pair if none is possible.
    """
    faults = Faults()
    found: dict[str, list[str]] = {"model": [], "gpu": []}
    for kind, find, texts in (
        ("model", model_name, models), ("gpu", accelerator_name, gpus)
    ):  # fmt: skip
        for text in texts:
            with faults.collected():
                name = find(text)
                found[kind] += [] if name in found[kind] else [name]
    faults.check()
    fitting, left_out = [], []
    for model, gpu in product(found["model"], found["gpu"]):
        try:
            pair = _pair(load_model(model), gpu, longest_tok)
        except InputError as error:
            left_out.append(str(error))
        else:
            fitting.append(pair)
    if not fitting:
        raise InputError(*left_out)
    return Pairs(_named(fitting, found["model"], found["gpu"]), tuple(left_out))


def _named(pairs: Sequence[Pair], models: Sequence[str], gpus: Sequence[str]) -> tuple[Pair, ...]:
    """Return pairs whose options are named by what tells them apart."""
    named = []
    for pair in pairs:
        parts = [pair.model] if len(models) > 1 else []
        parts += [pair.gpu] if len(gpus) > 1 or len(models) == 1 else []
        option = "-".join(["own", *parts]).replace(".", "-").replace("/", "-")
        named.append(
            Pair(option, pair.model, pair.gpu, pair.gpus, pair.weights, pair.kv,
                 pair.max_model_tok)
        )  # fmt: skip
    return tuple(named)


def _pair(shape: ModelShape, gpu: str, longest_tok: int) -> Pair:
    """Return a model on the fewest accelerators that hold it and a useful cache."""
    accelerator, rents = load_accelerator(gpu)
    if "on-demand" not in rents:
        raise InputError(
            f"{shape.name} on {gpu}: no on-demand rent of {gpu} is known; a scenario may give "
            "rent_usd_per_gpu_hour"
        )
    weights = usual_precision(shape)
    if weights == "bf16" and "fp8" in accelerator.peak_tflops:
        weights = "fp8"
    kv = "fp8" if weights != "bf16" and "fp8" in accelerator.peak_tflops else "bf16"
    longest_tok = min(longest_tok, shape.context_tok)
    needed_tok = max(LEAST_KV_TOKENS, longest_tok)
    gpus = 1
    while gpus <= MOST_GPUS:
        if _cache_tok(shape.name, gpu, gpus, weights, kv) >= needed_tok:
            longer = longest_tok if longest_tok > LEAST_KV_TOKENS else None
            return Pair("", shape.name, gpu, gpus, weights, kv, longer)
        gpus *= 2
    raise InputError(f"{shape.name} does not fit {MOST_GPUS} x {gpu} in {weights}")


def _cache_tok(model: str, gpu: str, gpus: int, weights: str, kv: str) -> float:
    """Return the longest request that a replica's cache holds; 0 if the weights do not fit."""
    try:
        served = deployment(serving_profile(), model, gpu, "vllm", Parallelism(gpus), weights, kv)
        return served.kv().longest_tok
    except InputError:
        return 0
