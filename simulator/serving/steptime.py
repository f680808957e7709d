"""Time of one engine step as a table over its tokens plus linear terms.

All nonlinearity of the physics is in the number of tokens of a step (touched experts, all-reduce
latency, fixed costs), so it is tabulated once; what depends on context is linear. The engine needs
to know nothing else.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from simulator.serving.accelerators import Accelerator
from simulator.serving.models import ModelShape
from simulator.serving.parallelism import Parallelism


@dataclass(frozen=True, slots=True)
class StepTime:
    """``t = token_s[T] + decoding_s[n] + prefill_token_s*P + context_token_s*S + attention_s*A``.

    With prompt tokens in the step, ``mixed_s`` stands for ``token_s``. ``T`` tokens, of which ``P``
    belong to prompts and ``n`` to decoding sequences with ``S`` context tokens; ``A`` sums, over
    prompt tokens, the context that each attends to.
    """

    token_s: NDArray[np.float64]
    """Of steps that decode alone. (max_batched_tok + 1,) [s]"""
    mixed_s: NDArray[np.float64]
    """Of steps with prompt tokens. (max_batched_tok + 1,) [s]"""
    decoding_s: NDArray[np.float64]
    """Added by ``n`` decoding sequences. (max_batched_tok + 1,) [s]"""
    prefill_token_s: float = 0.0
    context_token_s: float = 0.0
    attention_s: float = 0.0

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
        return replace(
            self,
            token_s=self.token_s * factor,
            mixed_s=self.mixed_s * factor,
            decoding_s=self.decoding_s * factor,
            prefill_token_s=self.prefill_token_s * factor,
            context_token_s=self.context_token_s * factor,
            attention_s=self.attention_s * factor,
        )


@dataclass(frozen=True, slots=True)
class StepCoefficients:
    """Efficiencies and overheads of one deployment, and how wrong predictions may be.

    Shares are of peak rates, never above one: no prediction beats the roofline. Source of the
    shipped values: ``hardware_profiles/serving.yaml``, fitted as ``docs/validation.md`` tells.
    """

    fixed_s: float
    layer_s: float
    launch_s: float
    """Per layer of a step with prompt tokens, which no captured graph covers: while the accelerator
    has less to do, the host's launches decide."""
    sequence_s: float
    """Per decoding sequence: sampling, detokenising, bookkeeping."""
    compute_efficiency: float
    memory_efficiency: float
    overlap: float
    """How far computing hides behind memory traffic: p of ``(a^p + b^p)^(1/p)``; 1 is their sum."""
    kv_efficiency: float
    """Share of the memory bandwidth at which caches are read."""
    attention_efficiency: float
    allreduce_latency_s: float
    """Of a wide group; n GPUs pay (n-1)/n of it. Measured decoding gains from each doubling of the
    GPUs, even where one token is all there is to do."""
    exchange_latency_s: float
    """Of the exchange of tokens around data-parallel attention."""
    link_efficiency: float
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
    kv_precision: str,
    max_batched_tok: int,
) -> StepTime:
    """Tabulate the step-time model for one replica.

    ``t_fix + layers*t_layer + (compute^p + memory^p)^(1/p) + communication``, where compute is
    FLOPs/(ec*peak) and memory bytes/(em*bandwidth). Public measurements lie between their sum
    (p = 1) and their maximum, the roofline. A step with prompt tokens takes at least its launches.
    A pipeline of p stages runs p steps at once, of a p-th of the tokens each: every token passes
    all stages, so that a step takes as long as on one stage's GPUs with all layers.

    Raises
    ------
    InputError
        When a precision is unknown.
    """
    c = coefficients
    tokens = np.arange(max_batched_tok + 1, dtype=np.float64)
    step_tok = np.maximum(tokens / spread.pipeline, np.minimum(tokens, 1.0))
    gpus = spread.tensor
    imbalance = c.expert_imbalance if spread.expert > 1 and model.experts else 1.0
    peak = gpu.peak_flops(weight_precision) * gpus
    bandwidth = gpu.memory_bytes_s * gpus
    compute_s = 2 * model.active_params * step_tok * imbalance / (c.compute_efficiency * peak)
    weights = model.read_weight_bytes(step_tok, weight_precision, spread) * imbalance
    weights_s = weights / (c.memory_efficiency * bandwidth)
    fixed_s = c.fixed_s + model.layers * c.layer_s
    worked_s = (compute_s**c.overlap + weights_s**c.overlap) ** (1 / c.overlap)
    token_s = fixed_s + worked_s + _communication_s(model, gpu, c, spread, step_tok)
    mixed_s = np.maximum(token_s, c.fixed_s + model.layers * c.launch_s)
    cache_bytes_s = c.kv_efficiency * bandwidth * spread.pipeline
    attention_peak = gpu.peak_flops(kv_precision)  # in the precision of the cache
    attention_flops_s = c.attention_efficiency * attention_peak * gpus * spread.pipeline
    sequence_s = c.sequence_s + model.window_bytes(kv_precision, spread) / cache_bytes_s
    return StepTime(
        token_s,
        mixed_s,
        sequence_s * tokens,
        context_token_s=model.kv_bytes_per_tok(kv_precision, spread) / cache_bytes_s
        + model.decode_attention_flops / attention_flops_s,
        attention_s=model.prefill_attention_flops / attention_flops_s,
    )


def _communication_s(
    model: ModelShape,
    gpu: Accelerator,
    c: StepCoefficients,
    spread: Parallelism,
    tokens: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Ring all-reduces behind attention and MLP; data-parallel attention gathers and scatters
    tokens around the MLP instead, which is one ring's traffic. (n,) -> (n,)
    """
    activations = tokens * model.hidden * 2
    hop_s = activations / (c.link_efficiency * gpu.link_bytes_s)
    passed_s = (spread.pipeline - 1) * (c.allreduce_latency_s + hop_s)
    if spread.tensor == 1:
        return passed_s
    ring_s = 2 * (spread.tensor - 1) / spread.tensor * hop_s
    if spread.data_attention:
        return passed_s + model.layers * (2 * c.exchange_latency_s + ring_s)
    latency_s = (spread.tensor - 1) / spread.tensor * c.allreduce_latency_s
    return passed_s + 2 * model.layers * (latency_s + ring_s)
