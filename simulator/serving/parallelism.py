"""Distribution of one replica over its GPUs."""

from dataclasses import dataclass

from simulator.errors import InputError


@dataclass(frozen=True, slots=True)
class Parallelism:
    """Parallelism of one replica: ``tensor`` GPUs share each layer, in ``pipeline`` stages."""

    tensor: int
    pipeline: int = 1
    expert: int = 1
    """Number of groups of GPUs among which whole experts are distributed; the GPUs of a group split
    each expert."""
    data_attention: bool = False
    """Whether every GPU holds all attention weights, and the KV cache of its share of sequences."""

    def __post_init__(self) -> None:
        if self.tensor % self.expert != 0:
            raise InputError(
                f"expert parallelism {self.expert} must divide the {self.tensor} GPUs of a layer"
            )

    @property
    def gpus(self) -> int:
        """GPUs of one replica."""
        return self.tensor * self.pipeline

    def check_heads(self, q_heads: int, model: str) -> None:
        """Check that an engine can run a model with this parallelism.

        Raises
        ------
        InputError
            If the attention heads cannot be distributed evenly.
        """
        if not self.data_attention and q_heads % self.tensor:
            degrees = [str(n) for n in range(1, self.tensor + 1) if q_heads % n == 0]
            raise InputError(
                f"{self.tensor} GPUs cannot share the {q_heads} attention heads of {model}: "
                f"take {' or '.join(degrees[-2:])}, or pipeline_stages"
            )

    def __str__(self) -> str:
        parts = [f"tp{self.tensor}"]
        parts += [f"pp{self.pipeline}"] if self.pipeline > 1 else []
        parts += [f"ep{self.expert}"] if self.expert > 1 else []
        parts += ["dp_attn"] if self.data_attention else []
        return ",".join(parts)
