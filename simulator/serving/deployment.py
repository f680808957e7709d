"""One way to serve a model: the shape, the chip, the engine and how they are put together."""

from dataclasses import dataclass, replace

from simulator.serving.accelerators import Accelerator
from simulator.serving.capacity import KvCapacity, kv_capacity
from simulator.serving.engines import Engine
from simulator.serving.models import ModelShape
from simulator.serving.parallelism import Parallelism
from simulator.serving.speculation import Speculation
from simulator.serving.steptime import StepCoefficients, StepTime, physical_step_time


@dataclass(frozen=True, slots=True)
class Deployment:
    """One replica."""

    model: ModelShape
    gpu: Accelerator
    engine: Engine
    spread: Parallelism
    weight_precision: str
    kv_precision: str
    coefficients: StepCoefficients
    speculation: Speculation | None = None
    kv_tok: int | None = None
    """Tokens of KV cache as the engine reports them; else computed from what the weights leave."""

    def step_time(self, max_batched_tok: int) -> StepTime:
        """Return the time of steps of up to ``max_batched_tok`` tokens."""
        step = physical_step_time(
            self.model,
            self.gpu,
            self.coefficients,
            self.spread,
            weight_precision=self.weight_precision,
            kv_precision=self.kv_precision,
            max_batched_tok=max_batched_tok,
        )
        return step if self.speculation is None else self.speculation.applied(step)

    def kv(self, memory_utilization: float, block_tok: int) -> KvCapacity:
        """Count the KV blocks.

        Raises
        ------
        InputError
            When the weights do not fit.
        """
        kv = kv_capacity(
            self.model,
            self.gpu,
            self.spread,
            weight_precision=self.weight_precision,
            kv_precision=self.kv_precision,
            memory_utilization=memory_utilization,
            block_tok=block_tok,
        )
        return kv if self.kv_tok is None else replace(kv, blocks=self.kv_tok // block_tok)

    @property
    def label(self) -> str:
        """What a reader calls it."""
        return f"{self.spread.gpus}x{self.gpu.name}, {self.model.name} {self.weight_precision}"
