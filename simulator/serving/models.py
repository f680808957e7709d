"""Model shapes: what the step time and the KV cache depend on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.errors import InputError

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


@dataclass(frozen=True, slots=True)
class ModelShape:
    """Shape of a decoder; parameters are counts, not billions."""

    name: str
    total_params: float
    active_params: float
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

    @property
    def serving_class(self) -> str:
        """Coefficient class: ``dense``, which few experts resemble, or ``fine_moe``."""
        return "fine_moe" if self.experts >= 32 else "dense"

    @property
    def attention_head_dim(self) -> int:
        """Values per query head in the attention product."""
        return self.head_dim

    def kv_bytes_per_tok(self, precision: str, gpus: int) -> float:
        """KV cache of one token over all layers and all GPUs of a tensor-parallel replica [B].

        A head cannot be cut: with fewer KV heads than GPUs, as with the one latent head of MLA,
        every GPU holds a copy of one.
        """
        if precision not in KV_BYTES:
            raise InputError(
                f"unknown KV precision {precision!r}; known: {', '.join(sorted(KV_BYTES))}"
            )
        values = self.kv_heads * self.head_dim * (1 if self.attention == "mla" else 2)
        copies = max(1.0, gpus / self.kv_heads)
        return self.layers * values * copies * KV_BYTES[precision]

    def weight_bytes(self, precision: str) -> float:
        """All weights at a precision [B]."""
        if precision not in WEIGHT_BYTES:
            raise InputError(
                f"unknown weight precision {precision!r}; known: {', '.join(sorted(WEIGHT_BYTES))}"
            )
        return self.total_params * WEIGHT_BYTES[precision]

    def touched_weight_bytes(
        self, tokens: NDArray[np.float64], precision: str
    ) -> NDArray[np.float64]:
        """Weights that a step of ``tokens`` tokens reads [B]. (n,) -> (n,)"""
        weights = self.weight_bytes(precision)
        if self.experts == 0:
            return np.full_like(tokens, weights)
        touched = 1 - (1 - self.experts_per_token / self.experts) ** tokens
        return weights * (1 - self.expert_share + self.expert_share * touched)
