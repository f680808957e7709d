"""Model shapes: the dimensions that determine step times and the size of the KV cache."""

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
"""Bytes per parameter, quantisation scales included; computed from published checkpoints,
2026-11-23."""

KV_BYTES = {"fp16": 2.0, "bf16": 2.0, "fp8": 1.0, "int8": 1.0}
"""Bytes per cached element."""

FINE_EXPERTS = 32
"""Number of experts from which a model is classified as ``fine_moe``."""

MLA_PREFILL_DIM = 160
"""Mean of the 192 elements of a query-key product and the 128 of a value in DeepSeek's MLA, which
prefills uncompressed (technical report of DeepSeek-V2, arXiv 2405.04434)."""

MLA_DECODE_DIM = 544
"""Mean of the 576 latent elements that a query is multiplied by and the 512 that are summed, per
decoded token."""


@dataclass(frozen=True, slots=True)
class ModelShape:
    """Shape of a transformer; parameters are counts, not billions."""

    name: str
    total_params: float
    active_params: float
    """Parameters that each token is multiplied by, without the embedding table."""
    layers: int
    hidden: int
    q_heads: int
    kv_heads: int
    head_dim: int
    """Elements of one cached head. MLA models cache one head, latent and rope parts, per layer."""
    experts: int
    experts_per_token: int
    expert_share: float
    """Share of the parameters that belong to experts."""
    attention: str
    """Kind of attention, ``gqa`` or ``mla``."""
    context_tok: int
    source: str
    window_layers: int = 0
    """Number of layers whose attention is limited to a window, or that keep a constant state."""
    window_tok: int = 0
    """Tokens of the window, 0 for layers with a constant state."""
    keeps_windows_whole: bool = False
    """Whether engines still cache the whole context in window layers, as vLLM does for Llama 4."""
    quantized: str = "all"
    """Weights in the weight precision: ``all``, or only ``experts`` while the others are bf16."""
    kind: str = "decoder"
    """``decoder``, or ``embedding`` for models that read prompts and generate nothing."""

    @property
    def serving_class(self) -> str:
        """Class that determines error bands and overheads: ``embedding``, ``dense``, ``coarse_moe``
        or ``fine_moe``.
        """
        if self.kind == "embedding":
            return "embedding"
        if self.experts == 0:
            return "dense"
        return "fine_moe" if self.experts >= FINE_EXPERTS else "coarse_moe"

    @property
    def full_layers(self) -> int:
        """Number of layers that attend to the whole context, and cache it."""
        return self.layers - self.window_layers

    @property
    def cached_layers(self) -> int:
        """Number of layers with a KV cache of the whole context."""
        return self.layers if self.keeps_windows_whole else self.full_layers

    @property
    def expert_params(self) -> float:
        """Parameters in experts."""
        return self.total_params * self.expert_share

    @property
    def read_params(self) -> float:
        """Active parameters outside experts, all of which every step reads."""
        if self.experts == 0:
            return self.active_params
        routed = self.expert_params * self.experts_per_token / self.experts
        # With rounded totals the difference can be almost zero; attention is never that small.
        return max(self.active_params - routed, 0.2 * self.active_params)

    @property
    def routed_params(self) -> float:
        """Parameters in experts that each token is multiplied by."""
        return self.active_params - self.read_params

    def weight_bytes_per_param(self, precision: str) -> tuple[float, float]:
        """Return the bytes of a parameter outside experts and in experts.

        Raises
        ------
        InputError
            If the precision is unknown.
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
        """Return the size of all weights of a replica [B].

        With data-parallel attention, each GPU has a copy of the weights outside experts.
        """
        outside, within = self.weight_bytes_per_param(precision)
        copies = spread.tensor if spread.data_attention else 1
        return (
            self.total_params - self.expert_params
        ) * outside * copies + self.expert_params * within

    def touched_experts(self, tokens: NDArray[np.float64], evenness: float) -> NDArray[np.float64]:
        """Return the share of the experts that a step of ``tokens`` tokens calls. (n,) -> (n,)

        With E experts, k of them per token, T tokens touch a share of ``1 - (1 + kT/(Ea))**-a`` if
        the popularity of experts is gamma-distributed with shape a, the ``evenness`` (one minus the
        zero class of a negative binomial). It tends to ``1 - exp(-kT/E)`` for equally popular
        experts. One token touches k experts.
        """
        if self.experts == 0:
            return np.zeros_like(tokens)
        share_of_one = self.experts_per_token / self.experts
        share = 1 - (1 + share_of_one * tokens / evenness) ** -evenness
        touched: NDArray[np.float64] = np.where(tokens > 0, np.maximum(share, share_of_one), 0.0)
        return touched

    def always_read_bytes(self, precision: str, spread: Parallelism) -> float:
        """Return the bytes of weights outside experts that every step reads on all GPUs [B]."""
        outside, _ = self.weight_bytes_per_param(precision)
        return self.read_params * outside * (spread.tensor if spread.data_attention else 1)

    def kv_layer_bytes(self, precision: str, spread: Parallelism) -> float:
        """Return the KV cache of one token in one layer, over all GPUs of a replica [B].

        A head cannot be split: with fewer KV heads than GPUs, as with the one latent head of MLA,
        every GPU holds a copy of a head, unless attention is data-parallel.

        Raises
        ------
        InputError
            If the precision is unknown.
        """
        if precision not in KV_BYTES:
            raise InputError(
                f"unknown KV precision {precision!r}; known: {', '.join(sorted(KV_BYTES))}"
            )
        values = self.kv_heads * self.head_dim * (1 if self.attention == "mla" else 2)
        cut = 1 if spread.data_attention else spread.tensor
        return values * max(1.0, cut / self.kv_heads) * KV_BYTES[precision]

    def kv_bytes_per_tok(self, precision: str, spread: Parallelism) -> float:
        """Return the KV cache of one token over the layers that cache the whole context [B]."""
        return self.cached_layers * self.kv_layer_bytes(precision, spread)

    @property
    def prefill_attention_flops(self) -> float:
        """Attention work of a layer per prompt token and token that it attends to [FLOP]."""
        width = MLA_PREFILL_DIM if self.attention == "mla" else self.head_dim
        return 4.0 * self.q_heads * width

    @property
    def decode_attention_flops(self) -> float:
        """Attention work of a layer per decoded token and token that it attends to [FLOP].

        It is negligible compared with the memory traffic, except for MLA, whose heads all read the
        same latent elements.
        """
        width = MLA_DECODE_DIM if self.attention == "mla" else self.head_dim
        return 4.0 * self.q_heads * width
