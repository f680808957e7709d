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


@dataclass(frozen=True, slots=True)
class StepTime:
    """``t = token_s[T] + sequence_s*n + prefill_token_s*P + context_token_s*S + attention_s*A``.

    ``T`` tokens in the step, of which ``P`` belong to prompts and ``n`` to decoding sequences with
    ``S`` context tokens; ``A`` sums, over prompt tokens, the context that each attends to.
    """

    token_s: NDArray[np.float64]
    """(max_batched_tok + 1,) [s]"""
    sequence_s: float = 0.0
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
        return StepTime(
            np.full(max_batched_tok + 1, fixed_s),
            sequence_s=sequence_s,
            prefill_token_s=prefill_token_s,
            context_token_s=context_token_s,
        )

    def scaled(self, factor: float) -> "StepTime":
        """Return the same deployment with every step ``factor`` times as long."""
        return replace(
            self,
            token_s=self.token_s * factor,
            sequence_s=self.sequence_s * factor,
            prefill_token_s=self.prefill_token_s * factor,
            context_token_s=self.context_token_s * factor,
            attention_s=self.attention_s * factor,
        )


@dataclass(frozen=True, slots=True)
class StepCoefficients:
    """Efficiencies and overheads of one class of models, and how wrong predictions may be.

    Source of the shipped values: rounded fits on public benchmarks, see
    ``hardware_profiles/serving_classes.yaml``.
    """

    fixed_s: float
    layer_s: float
    compute_efficiency: float
    memory_efficiency: float
    allreduce_latency_s: float
    allreduce_efficiency: float
    attention_efficiency: float
    band_low: float
    """Measured over predicted throughput, lower end of the error band."""
    band_high: float


def physical_step_time(
    model: ModelShape,
    gpu: Accelerator,
    coefficients: StepCoefficients,
    *,
    gpus: int,
    weight_precision: str,
    kv_precision: str,
    max_batched_tok: int,
) -> StepTime:
    """Tabulate the additive step-time model for one tensor-parallel replica.

    ``t_fix + layers*t_layer + FLOPs/(ec*peak) + bytes/(em*bandwidth) + all-reduce``: the sum, not
    the maximum, of compute and memory time, which fitted public measurements better. For mixtures
    of experts the touched share of expert weights with T tokens is ``1 - (1 - k/E)**T``.

    Raises
    ------
    InputError
        When the accelerator has no peak rate for the precision.
    """
    c = coefficients
    tokens = np.arange(max_batched_tok + 1, dtype=np.float64)
    peak = gpu.peak_flops(weight_precision) * gpus
    bandwidth = gpu.memory_bytes_s * gpus
    compute_s = 2 * model.active_params * tokens / (c.compute_efficiency * peak)
    weights_s = model.touched_weight_bytes(tokens, weight_precision) / (
        c.memory_efficiency * bandwidth
    )
    allreduce_s = np.zeros_like(tokens)
    if gpus > 1:
        message_bytes = tokens * model.hidden * 2
        ring = 2 * (gpus - 1) / gpus
        allreduce_s = (
            2
            * model.layers
            * (
                c.allreduce_latency_s
                + ring * message_bytes / (c.allreduce_efficiency * gpu.link_bytes_s)
            )
        )
    fixed_s = c.fixed_s + model.layers * c.layer_s
    token_s = fixed_s + compute_s + weights_s + allreduce_s
    kv_s = model.kv_bytes_per_tok(kv_precision, gpus) / (c.memory_efficiency * bandwidth)
    attention_flops = 4 * model.layers * model.q_heads * model.attention_head_dim
    attention_s = attention_flops / (c.attention_efficiency * gpu.peak_flops("bf16") * gpus)
    return StepTime(token_s, context_token_s=kv_s, attention_s=attention_s)
