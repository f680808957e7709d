"""How many KV blocks a replica has."""

from dataclasses import dataclass

from simulator.errors import InputError
from simulator.serving.accelerators import Accelerator
from simulator.serving.models import ModelShape
from simulator.serving.parallelism import Parallelism

STARVED_SHARE = 0.10
"""Below this share of memory free for KV, errors of the capacity formula are amplified without
limit (study on public benchmarks, 2026-11-23), so a prediction would be a guess once the load needs
more KV than there is."""

ACTIVATION_GB = 2.0
"""Working memory per GPU beside weights and KV: activations, graphs, buffers (assumed)."""


@dataclass(frozen=True, slots=True)
class KvCapacity:
    """KV space of one replica."""

    blocks: int
    block_tok: int
    memory_share: float
    """KV share of the replica's memory."""

    def starved(self, wanted_tok: float) -> bool:
        """Whether keeping ``wanted_tok`` tokens in flight makes the prediction a guess."""
        return self.memory_share < STARVED_SHARE and wanted_tok > self.blocks * self.block_tok


def kv_capacity(
    model: ModelShape,
    gpu: Accelerator,
    spread: Parallelism,
    *,
    weight_precision: str,
    kv_precision: str,
    memory_utilization: float,
    block_tok: int,
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
    usable_gb = memory_gb * memory_utilization - gpus * ACTIVATION_GB
    weights_gb = model.weight_bytes(weight_precision, spread) / 1e9
    free_gb = usable_gb - weights_gb
    kept = 0.0 if model.kind == "embedding" else model.kv_bytes_per_tok(kv_precision, spread)
    block_gb = max(kept, 1.0) * block_tok / 1e9
    if free_gb < block_gb:
        raise InputError(
            f"{model.name} in {weight_precision} does not fit {gpus} x {gpu.name}: "
            f"weights {weights_gb:.1f} GB, usable memory {usable_gb:.1f} GB"
        )
    blocks = min(int(free_gb / block_gb), MOST_BLOCKS)
    return KvCapacity(blocks, block_tok, free_gb / memory_gb)


MOST_BLOCKS = 2**30
"""What 32-bit counters of the engine hold with room to add."""
