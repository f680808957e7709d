"""Model shapes: what the step time and the KV cache depend on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.errors import InputError
from simulator.serving.parallelism import Parallelism

WEIGHT_BYTES = {
    "fp16": 2.0,
    "bf16": 2.0,
    "fp8": 1.03,
    "int8": 1.03,
    "nvfp4": 0.60,
    "mxfp4": 0.56,
    "int4": 0.56,
}
"""Bytes per parameter with scales; computed from published checkpoints, 2026-11-23."""

KV_BYTES = {"fp16": 2.0, "bf16": 2.0, "fp8": 1.0, "int8": 1.0}

FINE_EXPERTS = 32
"""From so many experts on they are called fine."""

MLA_PREFILL_DIM = 160
"""Mean of the 192 values of a query-key product and the 128 of a value, of DeepSeek's MLA, which
prefills uncompressed (technical report of DeepSeek-V2, arXiv 2405.04434)."""

MLA_DECODE_DIM = 544
"""Mean of the 576 latent values that a query meets and the 512 that it sums, per decoded token."""


@dataclass(frozen=True, slots=True)
class ModelShape:
    """Shape of a transformer; parameters are counts, not billions."""

    name: str
    total_params: float
    active_params: float
    """Multiplied per token; without the table of embeddings."""
    layers: int
    hidden: int
    q_heads: int
    kv_heads: int
    head_dim: int
    """Of one cached head; MLA models store one head of latent and rope values per layer."""
    experts: int
    experts_per_token: int
    expert_share: float
    """Share of the parameters that sits in experts."""
    attention: str
    """``gqa`` or ``mla``."""
    context_tok: int
    source: str
    window_layers: int = 0
    """Layers whose attention reaches back ``window_tok`` tokens, or keeps a constant state (0)."""
    window_tok: int = 0
    keeps_windows_whole: bool = False
    """Engines cache the whole context of window layers all the same, as vLLM does for Llama 4."""
    quantized: str = "all"
    """``all`` weights have the weight precision, or ``experts`` alone and the rest is bf16."""
    kind: str = "decoder"
    """``embedding`` models read prompts and write nothing."""

    @property
    def serving_class(self) -> str:
        """Class of models by which bands and overheads differ: ``embedding``, ``dense``,
        ``coarse_moe`` or ``fine_moe``.
        """
        if self.kind == "embedding":
            return "embedding"
        if self.experts == 0:
            return "dense"
        return "fine_moe" if self.experts >= FINE_EXPERTS else "coarse_moe"

    @property
    def full_layers(self) -> int:
        """Layers that attend to, and cache, the whole context."""
        return self.layers - self.window_layers

    @property
    def cached_layers(self) -> int:
        """Layers that keep the KV cache of the whole context."""
        return self.layers if self.keeps_windows_whole else self.full_layers

    @property
    def expert_params(self) -> float:
        """Parameters in experts."""
        return self.total_params * self.expert_share

    @property
    def read_params(self) -> float:
        """Parameters outside experts that every step reads: those active beside the experts."""
        if self.experts == 0:
            return self.active_params
        routed = self.expert_params * self.experts_per_token / self.experts
        # Rounded totals can leave next to nothing; attention is never that small.
        return max(self.active_params - routed, 0.2 * self.active_params)

    @property
    def routed_params(self) -> float:
        """Parameters in experts that a token is multiplied with."""
        return self.active_params - self.read_params

    def weight_bytes_per_param(self, precision: str) -> tuple[float, float]:
        """Bytes of a parameter outside experts and within.

        Raises
        ------
        InputError
            When the precision is unknown.
        """
        if precision not in WEIGHT_BYTES:
            raise InputError(
                f"unknown weight precision {precision!r}; known: {', '.join(sorted(WEIGHT_BYTES))}"
            )
        return WEIGHT_BYTES[self.outside_precision(precision)], WEIGHT_BYTES[precision]

    def outside_precision(self, precision: str) -> str:
        """Return the precision of weights outside experts."""
        return "bf16" if self.quantized == "experts" else precision

    def weight_bytes(self, precision: str, spread: Parallelism) -> float:
        """All weights of a replica [B]; attention that is not cut is held once by each GPU."""
        outside, within = self.weight_bytes_per_param(precision)
        copies = spread.tensor if spread.data_attention else 1
        return (
            self.total_params - self.expert_params
        ) * outside * copies + self.expert_params * within

    def touched_experts(self, tokens: NDArray[np.float64], evenness: float) -> NDArray[np.float64]:
        """Share of the experts that a step of ``tokens`` tokens calls. (n,) -> (n,)

        Of E experts with k per token, T tokens touch ``1 - (1 + kT/(Ea))**-a`` where the popularity
        of experts is gamma-distributed with shape a (the zeros of a negative binomial); it tends to
        ``1 - exp(-kT/E)`` where all are as popular. One token touches k of them.
        """
        if self.experts == 0:
            return np.zeros_like(tokens)
        once = self.experts_per_token / self.experts
        share = 1 - (1 + once * tokens / evenness) ** -evenness
        found: NDArray[np.float64] = np.where(tokens > 0, np.maximum(share, once), 0.0)
        return found

    def always_read_bytes(self, precision: str, spread: Parallelism) -> float:
        """Weights outside experts that every step reads on all GPUs [B]."""
        outside, _ = self.weight_bytes_per_param(precision)
        return self.read_params * outside * (spread.tensor if spread.data_attention else 1)

    def kv_layer_bytes(self, precision: str, spread: Parallelism) -> float:
        """KV cache of one token in one layer over all GPUs of a replica [B].

        A head cannot be cut: with fewer KV heads than GPUs, as with the one latent head of MLA,
        every GPU holds a copy of one, unless attention is data-parallel.

        Raises
        ------
        InputError
            When the precision is unknown.
        """
        if precision not in KV_BYTES:
            raise InputError(
                f"unknown KV precision {precision!r}; known: {', '.join(sorted(KV_BYTES))}"
            )
        values = self.kv_heads * self.head_dim * (1 if self.attention == "mla" else 2)
        cut = 1 if spread.data_attention else spread.tensor
        return values * max(1.0, cut / self.kv_heads) * KV_BYTES[precision]

    def kv_bytes_per_tok(self, precision: str, spread: Parallelism) -> float:
        """KV cache of one token over the layers that keep all of them [B]."""
        return self.cached_layers * self.kv_layer_bytes(precision, spread)

    @property
    def prefill_attention_flops(self) -> float:
        """Attention work of a layer per prompt token and token that it attends to [FLOP]."""
        width = MLA_PREFILL_DIM if self.attention == "mla" else self.head_dim
        return 4.0 * self.q_heads * width

    @property
    def decode_attention_flops(self) -> float:
        """Attention work of a layer per decoded token and token that it attends to [FLOP];
        negligible beside its memory traffic but for MLA, whose heads all read the same latent
        values.
        """
        width = MLA_DECODE_DIM if self.attention == "mla" else self.head_dim
        return 4.0 * self.q_heads * width
