"""Time of one engine step as a table over its tokens plus linear terms.

All nonlinearity of the physics is in the number of tokens of a step (touched experts, all-reduce
latency, fixed costs), so it is tabulated once; what depends on context is linear. The engine needs
to know nothing else.
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

    With prompt tokens in the step, ``mixed_s`` stands for ``token_s``. ``T`` tokens, of which ``P``
    belong to prompts, ``N`` of them admitted in this step, and ``n`` to decoding sequences with
    ``S`` context tokens, of which ``W`` lie in the windows of layers that see no more than
    ``window_tok``; ``A`` and ``B`` sum, over prompt tokens, the context that each attends to, whole
    and in the windows.
    """

    token_s: NDArray[np.float64]
    """Of steps that decode alone. (max_batched_tok + 1,) [s]"""
    mixed_s: NDArray[np.float64]
    """Of steps with prompt tokens. (max_batched_tok + 1,) [s]"""
    decoding_s: NDArray[np.float64]
    """Added by ``n`` decoding sequences. (max_batched_tok + 1,) [s]"""
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
        """Return a plain linear step time, which queueing theory can check."""
        same_s = np.full(max_batched_tok + 1, fixed_s)
        return StepTime(
            same_s,
            same_s,
            sequence_s * np.arange(max_batched_tok + 1, dtype=np.float64),
            prefill_token_s=prefill_token_s,
            context_token_s=context_token_s,
        )

    def scaled(self, factor: float) -> "StepTime":
        """Return the same deployment with every step ``factor`` times as long."""
        times = [f.name for f in fields(self) if f.name.endswith("_s")]
        return replace(self, **{name: getattr(self, name) * factor for name in times})


@dataclass(frozen=True, slots=True)
class StepCoefficients:
    """Efficiencies and overheads of one deployment, and how wrong predictions may be.

    Shares are of peak rates, never above one: no prediction beats the roofline. Source of the
    shipped values: ``hardware_profiles/serving.yaml``, fitted as ``docs/validation.md`` tells.
    """

    fixed_s: float
    layer_s: float
    launch_s: float
    """Per layer of a step that no captured graph covers: while the accelerator has less to do, the
    host's launches decide."""
    captured_tok: int
    """Steps with prompt tokens are covered up to so many tokens, see ``engines.Engine``."""
    sequence_s: float
    """Per decoding sequence: sampling, detokenising, bookkeeping."""
    admission_s: float
    """Per admitted request: the host's work that keeps the accelerator waiting."""
    compute_efficiency: float
    expert_efficiency: float
    """Of kernels that multiply the tokens of many experts."""
    expert_tile_tok: float
    """Tokens by which the batch of every called expert is filled up, in effect."""
    expert_evenness: float
    """Shape of the popularity of experts: how evenly tokens call them, see ``touched_experts``."""
    memory_efficiency: float
    overlap: float
    """How far computing hides behind memory traffic: p of ``(a^p + b^p)^(1/p)``; 1 is their sum."""
    kv_efficiency: float
    """Share of the memory bandwidth at which caches are read."""
    attention_efficiency: float
    link: Link
    exchange_latency_s: float
    """Of the exchange of tokens around data-parallel attention."""
    expert_imbalance: float
    """Load of the busiest GPU over the mean where whole experts are spread."""
    band_low: float
    """Measured over predicted throughput, lower end of the error band."""
    band_high: float


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

    ``t_fix + layers*t_layer + dense + experts + communication``, where dense and experts are
    ``(compute^p + memory^p)^(1/p)`` each, compute is FLOPs/(efficiency*peak) and memory
    bytes/(efficiency*bandwidth). Public measurements lie between the sum (p = 1) and the maximum,
    the roofline. Experts multiply the tokens routed to them, filled up by ``expert_tile_tok`` for
    each expert that is called. A step that no graph covers takes at least its launches, whatever it
    computes. A pipeline of p stages runs p steps at once, of a p-th of the tokens each: every token
    passes all stages, so that a step takes as long as on one stage's GPUs with all layers.
    ``weight_factor`` is the size of the checkpoint over what the precision says.

    Raises
    ------
    InputError
        When a precision is unknown.
    """
    c = coefficients
    tokens = np.arange(max_batched_tok + 1, dtype=np.float64)
    step_tok = np.maximum(tokens / spread.pipeline, np.minimum(tokens, 1.0))
    gpus = spread.tensor
    dense_peak = gpu.peak_flops(model.outside_precision(weight_precision)) * gpus
    bandwidth = gpu.memory_bytes_s * gpus
    dense_s = _worked_s(
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
    passed_s = communication_s(model, c.link, c.exchange_latency_s, spread, step_tok)
    token_s = fixed_s + dense_s + experts_s + passed_s
    launched_s = np.maximum(token_s, c.fixed_s + model.layers * c.launch_s)
    cache_bytes_s = c.kv_efficiency * bandwidth * spread.pipeline
    attention_peak = gpu.peak_flops(kv_precision)  # in the precision of the cache
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


def _worked_s(
    compute_s: NDArray[np.float64], memory_s: NDArray[np.float64] | float, overlap: float
) -> NDArray[np.float64]:
    """Time of computing and memory traffic that partly hide one another. (n,) -> (n,)"""
    worked_s: NDArray[np.float64] = (compute_s**overlap + memory_s**overlap) ** (1 / overlap)
    return worked_s


def _experts_s(
    model: ModelShape,
    c: StepCoefficients,
    spread: Parallelism,
    tokens: NDArray[np.float64],
    peak: float,
    read_s: float,
) -> NDArray[np.float64]:
    """Time in experts, of which all are read in ``read_s``; that of the busiest GPU where whole
    experts are spread. (n,) -> (n,)
    """
    if model.experts == 0:
        return np.zeros_like(tokens)
    touched = model.touched_experts(tokens, c.expert_evenness)
    filled_tok = tokens * model.experts_per_token + touched * model.experts * c.expert_tile_tok
    expert_params = model.routed_params / model.experts_per_token
    compute_s = 2 * expert_params * filled_tok / (c.expert_efficiency * peak)
    imbalance = c.expert_imbalance if spread.expert > 1 else 1.0
    return imbalance * _worked_s(compute_s, touched * read_s, c.overlap)
