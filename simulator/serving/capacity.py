"""Number of KV blocks of a replica."""

import math
from dataclasses import dataclass

from simulator.errors import InputError
from simulator.serving.accelerators import Accelerator
from simulator.serving.engines import EngineLimits
from simulator.serving.models import ModelShape
from simulator.serving.parallelism import Parallelism

STARVED_SHARE = 0.10
"""Share of memory for KV below which errors of the capacity formula are amplified without limit
(study on public benchmarks, 2026-11-23). Predictions are then guesses if the load needs more KV
than the replica has."""

WORKING_GB = 1.2
"""Memory of an engine on each GPU in addition to weights, KV and activations [1e9 B]: buffers of
collectives, captured graphs, workspaces, logits of the sampler. Computed from the blocks that vLLM
logged for 8 deployments on H100 and RTX 4090 (inference-sim and LLMServingSim, 2025 and 2026): 1.26
to 1.57 GB with activations."""


@dataclass(frozen=True, slots=True)
class KvCapacity:
    """KV capacity of one replica."""

    blocks: int
    block_tok: int
    memory_share: float
    """Share of the replica's memory that holds KV; 1 if the engine reported its blocks."""
    window_tok: int = 0
    window_share: float = 0.0
    """Blocks for the last ``window_tok`` tokens in layers with a window, as a multiple of the
    blocks for as many tokens in the other layers."""

    @property
    def longest_tok(self) -> int:
        """Tokens of the longest sequence that fits if it is the only one."""
        window_blocks = math.ceil(self.window_tok * self.window_share / self.block_tok)
        return max(0, self.blocks - window_blocks) * self.block_tok

    def starved(self, wanted_tok: float) -> bool:
        """Return whether the prediction is a guess with ``wanted_tok`` tokens in flight."""
        return self.memory_share < STARVED_SHARE and wanted_tok > self.blocks * self.block_tok


def activation_bytes(model: ModelShape, spread: Parallelism, max_batched_tok: int) -> float:
    """Return the size of the activations of the largest step on one GPU [B].

    They are two residual streams, and twice the activations of the widest layer, which tensor
    parallelism divides among GPUs.
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
    """Return the KV blocks that fit in the memory left by weights and working memory.

    Models without a cache of the whole context, such as embedding models, need no blocks. They get
    blocks for as many tokens as there are free bytes, which is never a constraint.

    Raises
    ------
    InputError
        If the weights do not fit; the message has the sizes.
    """
    gpus = spread.gpus
    memory_gb = gpus * gpu.memory_gb
    working_gb = WORKING_GB + activation_bytes(model, spread, limits.max_batched_tok) / 1e9
    usable_gb = memory_gb * limits.memory_utilization - gpus * working_gb
    weights_gb = weights_bytes / 1e9
    free_gb = usable_gb - weights_gb
    kv_bytes = 0.0 if model.kind == "embedding" else model.kv_bytes_per_tok(kv_precision, spread)
    block_gb = max(kv_bytes, 1.0) * limits.block_tok / 1e9
    if free_gb < block_gb:
        raise InputError(
            f"{label} does not fit {gpus} x {gpu.name}: "
            f"weights {weights_gb:.1f} GB, usable memory {usable_gb:.1f} GB"
        )
    blocks = min(int(free_gb / block_gb), MOST_BLOCKS)
    return KvCapacity(blocks, limits.block_tok, free_gb / memory_gb, *windows(model))


def windows(model: ModelShape) -> tuple[int, float]:
    """Return the window in tokens, and the number of layers with it over that of full layers."""
    if model.keeps_windows_whole or not model.full_layers or not model.window_tok:
        return 0, 0.0
    return model.window_tok, model.window_layers / model.full_layers


MOST_BLOCKS = 2**30
"""Upper limit of blocks, so that sums of them fit in the engine's 32-bit counters."""
