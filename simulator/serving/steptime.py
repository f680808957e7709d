"""Time of one engine step: a table over its number of tokens plus linear terms.

The physics is nonlinear only in the number of tokens of a step (touched experts, all-reduce
latency, fixed costs), so that part is tabulated once. All terms that depend on the context are
linear. The simulation needs nothing else of a deployment's speed.
"""

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from simulator.serving.accelerators import Accelerator
from simulator.serving.links import Link, communication_s
from simulator.serving.models import ModelShape
from simulator.serving.parallelism import Parallelism


@dataclass(frozen=True, slots=True)
class StepTime:
    """``t = token_s[T] + decoding_s[n] + prefill_token_s*P + admission_s*N + context_token_s*S
    + window_token_s*W + attention_s*A + window_attention_s*B``.

    In steps with prompt tokens, ``mixed_s`` replaces ``token_s``. A step has ``T`` tokens: ``P`` of
    prompts, ``N`` of which were admitted in this step, and ``n`` of decoding sequences. These have
    ``S`` context tokens, of which ``W`` are in the windows of layers that see at most
    ``window_tok``. ``A`` and ``B`` are sums over prompt tokens of the context that each attends to,
    in full layers and in window layers.
    """

    token_s: NDArray[np.float64]
    """Time of steps that only decode, by tokens. (max_batched_tok + 1,) [s]"""
    mixed_s: NDArray[np.float64]
    """Time of steps with prompt tokens, by tokens. (max_batched_tok + 1,) [s]"""
    decoding_s: NDArray[np.float64]
    """Time added by ``n`` decoding sequences. (max_batched_tok + 1,) [s]"""
    prefill_token_s: float = 0.0
    admission_s: float = 0.0
    context_token_s: float = 0.0
    window_token_s: float = 0.0
    window_tok: int = 0
    attention_s: float = 0.0
    window_attention_s: float = 0.0

    @staticmethod
    def linear(
        max_batched_tok: int,
        *,
        fixed_s: float,
        prefill_token_s: float = 0.0,
        sequence_s: float = 0.0,
        context_token_s: float = 0.0,
    ) -> "StepTime":
        """Return a linear step time, which can be checked against queueing theory."""
        constant_s = np.full(max_batched_tok + 1, fixed_s)
        return StepTime(
            constant_s,
            constant_s,
            sequence_s * np.arange(max_batched_tok + 1, dtype=np.float64),
            prefill_token_s=prefill_token_s,
            context_token_s=context_token_s,
        )

    def scaled(self, factor: float) -> "StepTime":
        """Return the step time of the same deployment with every step ``factor`` times as long."""
        times = [f.name for f in fields(self) if f.name.endswith("_s")]
        return replace(self, **{name: getattr(self, name) * factor for name in times})


@dataclass(frozen=True, slots=True)
class StepCoefficients:
    """Efficiencies and overheads of one deployment, and the error band of predictions.

    Efficiencies are shares of peak rates and at most one, so that no prediction beats the roofline.
    The shipped values are in ``hardware_profiles/serving.yaml``; ``docs/validation.md`` describes
    how they were fitted.
    """

    fixed_s: float
    """Time per step [s]."""
    layer_s: float
    """Time per layer of a step [s]."""
    launch_s: float
    """Time per layer in which the host launches the kernels of a step without a captured graph [s].
    It limits steps in which the accelerator has less to do."""
    captured_tok: int
    """Largest step with prompt tokens that runs from a captured graph, see ``engines.Engine``."""
    sequence_s: float
    """Time per decoding sequence [s]: sampling, detokenising, bookkeeping."""
    admission_s: float
    """Time per admitted request in which the accelerator waits for the host [s]."""
    compute_efficiency: float
    """Share of the peak rate of dense kernels."""
    expert_efficiency: float
    """Share of the peak rate of kernels that multiply the tokens of many experts."""
    expert_tile_tok: float
    """Effective padding of the batch of every called expert [tokens]."""
    expert_evenness: float
    """Shape parameter of the popularity of experts, see ``ModelShape.touched_experts``."""
    memory_efficiency: float
    """Share of the memory bandwidth at which weights are read."""
    overlap: float
    """Overlap of computing and memory traffic: p in ``(a^p + b^p)^(1/p)``; 1 is their sum."""
    kv_efficiency: float
    """Share of the memory bandwidth at which KV caches are read."""
    attention_efficiency: float
    """Share of the peak rate of attention kernels."""
    link: Link
    exchange_latency_s: float
    """Latency of one exchange of tokens before or after data-parallel attention [s]."""
    expert_imbalance: float
    """Load of the busiest GPU over the mean if whole experts are distributed among GPUs."""
    band_low: float
    """Lower end of the error band: measured over predicted throughput."""
    band_high: float
    """Upper end of the error band."""


def physical_step_time(
    model: ModelShape,
    gpu: Accelerator,
    coefficients: StepCoefficients,
    spread: Parallelism,
    *,
    weight_precision: str,
    weight_factor: float,
    kv_precision: str,
    max_batched_tok: int,
    eager: bool,
) -> StepTime:
    """Tabulate the step-time model for one replica.

    A step takes ``t_fix + layers*t_layer + dense + experts + communication``, where dense and
    experts are ``(compute^p + memory^p)^(1/p)`` each, compute is FLOPs/(efficiency*peak) and memory
    is bytes/(efficiency*bandwidth). Public measurements lie between the sum (p = 1) and the maximum
    (the roofline). Experts multiply the tokens routed to them, padded by ``expert_tile_tok`` for
    each called expert. A step without a captured graph takes at least the time of its launches. A
    pipeline of p stages runs p steps at once, each with a p-th of the tokens. Every token passes
    all stages, so a step takes as long as it would on one stage's GPUs with all layers.
    ``weight_factor`` is the size of the checkpoint over the size that the precision implies.

    Raises
    ------
    InputError
        If a precision is unknown.
    """
    c = coefficients
    tokens = np.arange(max_batched_tok + 1, dtype=np.float64)
    step_tok = np.maximum(tokens / spread.pipeline, np.minimum(tokens, 1.0))
    gpus = spread.tensor
    dense_peak = gpu.peak_flops(model.outside_precision(weight_precision)) * gpus
    bandwidth = gpu.memory_bytes_s * gpus
    dense_s = _overlapped_s(
        2 * model.read_params * step_tok / (c.compute_efficiency * dense_peak),
        weight_factor
        * model.always_read_bytes(weight_precision, spread)
        / (c.memory_efficiency * bandwidth),
        c.overlap,
    )
    expert_peak = gpu.peak_flops(weight_precision) * gpus
    _, within = model.weight_bytes_per_param(weight_precision)
    read_s = model.expert_params * within * weight_factor / (c.memory_efficiency * bandwidth)
    experts_s = _experts_s(model, c, spread, step_tok, expert_peak, read_s)
    fixed_s = c.fixed_s + model.layers * c.layer_s
    exchanged_s = communication_s(model, c.link, c.exchange_latency_s, spread, step_tok)
    token_s = fixed_s + dense_s + experts_s + exchanged_s
    launched_s = np.maximum(token_s, c.fixed_s + model.layers * c.launch_s)
    cache_bytes_s = c.kv_efficiency * bandwidth * spread.pipeline
    attention_peak = gpu.peak_flops(kv_precision)  # computed in the precision of the cache
    attention_flops_s = c.attention_efficiency * attention_peak * gpus * spread.pipeline
    layer_token_s = (
        model.kv_layer_bytes(kv_precision, spread) / cache_bytes_s
        + model.decode_attention_flops / attention_flops_s
    )
    layer_attention_s = model.prefill_attention_flops / attention_flops_s
    windows = model.window_layers if model.window_tok else 0
    return StepTime(
        launched_s if eager else token_s,
        launched_s if eager else np.where(tokens > c.captured_tok, launched_s, token_s),
        c.sequence_s * tokens,
        admission_s=c.admission_s,
        context_token_s=model.full_layers * layer_token_s,
        window_token_s=windows * layer_token_s,
        window_tok=model.window_tok,
        attention_s=model.full_layers * layer_attention_s,
        window_attention_s=windows * layer_attention_s,
    )


def _overlapped_s(
    compute_s: NDArray[np.float64], memory_s: NDArray[np.float64] | float, overlap: float
) -> NDArray[np.float64]:
    """Return the time of computing and memory traffic that partly overlap [s]. (n,) -> (n,)"""
    step_s: NDArray[np.float64] = (compute_s**overlap + memory_s**overlap) ** (1 / overlap)
    return step_s


def _experts_s(
    model: ModelShape,
    c: StepCoefficients,
    spread: Parallelism,
    tokens: NDArray[np.float64],
    peak: float,
    read_s: float,
) -> NDArray[np.float64]:
    """Return the time in experts if reading all of them takes ``read_s`` [s]. (n,) -> (n,)

    If whole experts are distributed among GPUs, it is the time of the busiest one.
    """
    if model.experts == 0:
        return np.zeros_like(tokens)
    touched = model.touched_experts(tokens, c.expert_evenness)
    padded_tok = tokens * model.experts_per_token + touched * model.experts * c.expert_tile_tok
    expert_params = model.routed_params / model.experts_per_token
    compute_s = 2 * expert_params * padded_tok / (c.expert_efficiency * peak)
    imbalance = c.expert_imbalance if spread.expert > 1 else 1.0
    return imbalance * _overlapped_s(compute_s, touched * read_s, c.overlap)
