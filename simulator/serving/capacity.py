"""How many KV blocks a replica has."""

import math
from dataclasses import dataclass

from simulator.errors import InputError
from simulator.serving.accelerators import Accelerator
from simulator.serving.engines import EngineLimits
from simulator.serving.models import ModelShape
from simulator.serving.parallelism import Parallelism

STARVED_SHARE = 0.10
"""Below this share of memory free for KV, errors of the capacity formula are amplified without
limit (study on public benchmarks, 2026-11-23), so a prediction would be a guess once the load needs
more KV than there is."""

WORKING_GB = 1.2
"""What an engine keeps on each GPU beside weights, KV and activations: buffers of collectives,
captured graphs, workspaces, logits of the sampler. Computed from the blocks that vLLM logged for 8
deployments on H100 and RTX 4090 (inference-sim and LLMServingSim, 2025 and 2026): 1.26 to 1.57 GB
with activations."""


@dataclass(frozen=True, slots=True)
class KvCapacity:
    """KV space of one replica."""

    blocks: int
    block_tok: int
    memory_share: float
    """KV share of the replica's memory; 1 where the engine reported its blocks."""
    window_tok: int = 0
    window_share: float = 0.0
    """Layers that see ``window_tok`` tokens take so many times the blocks of the others for the
    tokens within."""

    @property
    def longest_tok(self) -> int:
        """Tokens of the longest sequence that fits alone."""
        window_blocks = math.ceil(self.window_tok * self.window_share / self.block_tok)
        return max(0, self.blocks - window_blocks) * self.block_tok

    def starved(self, wanted_tok: float) -> bool:
        """Whether keeping ``wanted_tok`` tokens in flight makes the prediction a guess."""
        return self.memory_share < STARVED_SHARE and wanted_tok > self.blocks * self.block_tok


def activation_bytes(model: ModelShape, spread: Parallelism, max_batched_tok: int) -> float:
    """Return the activations of the largest step on one GPU [B].

    Two residual streams, and twice what the widest layer holds, which tensor parallelism cuts.
    """
    width = model.hidden * (2 + 4 / spread.tensor)
    return 2.0 * max_batched_tok * width


def kv_capacity(
    model: ModelShape,
    gpu: Accelerator,
    spread: Parallelism,
    *,
    weights_bytes: float,
    label: str,
    kv_precision: str,
    limits: EngineLimits,
) -> KvCapacity:
    """Count the KV blocks left beside weights and working memory.

    Models without a cache of the whole context, embedding models among them, need none: they get
    the blocks of as many tokens as there are free bytes, which never bind.

    Raises
    ------
    InputError
        When the weights do not fit, with the numbers.
    """
    gpus = spread.gpus
    memory_gb = gpus * gpu.memory_gb
    working_gb = WORKING_GB + activation_bytes(model, spread, limits.max_batched_tok) / 1e9
    usable_gb = memory_gb * limits.memory_utilization - gpus * working_gb
    weights_gb = weights_bytes / 1e9
    free_gb = usable_gb - weights_gb
    kept = 0.0 if model.kind == "embedding" else model.kv_bytes_per_tok(kv_precision, spread)
    block_gb = max(kept, 1.0) * limits.block_tok / 1e9
    if free_gb < block_gb:
        raise InputError(
            f"{label} does not fit {gpus} x {gpu.name}: "
            f"weights {weights_gb:.1f} GB, usable memory {usable_gb:.1f} GB"
        )
    blocks = min(int(free_gb / block_gb), MOST_BLOCKS)
    return KvCapacity(blocks, limits.block_tok, free_gb / memory_gb, *windows(model))


def windows(model: ModelShape) -> tuple[int, float]:
    """Return the window, and its layers over those that cache all."""
    if model.keeps_windows_whole or not model.full_layers or not model.window_tok:
        return 0, 0.0
    return model.window_tok, model.window_layers / model.full_layers


MOST_BLOCKS = 2**30
"""What 32-bit counters of the engine hold with room to add."""
