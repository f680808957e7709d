"""How many KV blocks a replica has."""

from dataclasses import dataclass

from simulator.errors import InputError
from simulator.serving.accelerators import Accelerator
from simulator.serving.models import ModelShape

STARVED_SHARE = 0.10
"""Below this share of memory free for KV, errors of the capacity formula are amplified without
limit (study on public benchmarks, 2026-11-23), so a prediction would be a guess."""

ACTIVATION_GB = 1.5
"""Working memory per GPU beside weights and KV: activations, graphs, buffers (assumed)."""


@dataclass(frozen=True, slots=True)
class KvCapacity:
    """KV space of one replica."""

    blocks: int
    block_tok: int
    memory_share: float
    """KV share of the replica's memory."""

    @property
    def starved(self) -> bool:
        """Whether so little is left that a prediction would be a guess."""
        return self.memory_share < STARVED_SHARE


def kv_capacity(
    model: ModelShape,
    gpu: Accelerator,
    *,
    gpus: int,
    weight_precision: str,
    kv_precision: str,
    memory_utilization: float,
    block_tok: int,
) -> KvCapacity:
    """Count the KV blocks left beside weights and working memory.

    Raises
    ------
    InputError
        When the weights do not fit, with the numbers.
    """
    memory_gb = gpus * gpu.memory_gb
    usable_gb = memory_gb * memory_utilization - gpus * ACTIVATION_GB
    weights_gb = model.weight_bytes(weight_precision) / 1e9
    free_gb = usable_gb - weights_gb
    block_gb = model.kv_bytes_per_tok(kv_precision, gpus) * block_tok / 1e9
    if free_gb < block_gb:
        raise InputError(
            f"{model.name} in {weight_precision} does not fit {gpus} x {gpu.name}: "
            f"weights {weights_gb:.1f} GB, usable memory {usable_gb:.1f} GB"
        )
    return KvCapacity(int(free_gb / block_gb), block_tok, free_gb / memory_gb)
