"""Deployments: a model shape on accelerators, with an engine, precisions and parallelism."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.serving.accelerators import Accelerator
from simulator.serving.capacity import KvCapacity, kv_capacity, windows
from simulator.serving.engines import Engine
from simulator.serving.models import WEIGHT_BYTES, ModelShape
from simulator.serving.parallelism import Parallelism
from simulator.serving.speculation import Speculation
from simulator.serving.steptime import StepCoefficients, StepTime, physical_step_time


@dataclass(frozen=True, slots=True)
class Deployment:
    """Properties of one replica, the same for all replicas of a fleet."""

    model: ModelShape
    gpu: Accelerator
    engine: Engine
    spread: Parallelism
    weight_precision: str
    kv_precision: str
    coefficients: StepCoefficients
    speculation: Speculation | None = None
    kv_tok: int | None = None
    """Tokens of KV cache that the engine reports; None: computed from the memory that the weights
    leave."""
    weights_gb: float | None = None
    """Size of the checkpoint [1e9 B], for layers of different precisions; None: computed from the
    number of parameters."""
    eager: bool = False
    """Whether the engine runs without captured graphs."""

    @property
    def weight_factor(self) -> float:
        """Size of the checkpoint over the size of its parameters in the weight precision."""
        if self.weights_gb is None:
            return 1.0
        single_gpu = Parallelism(1)
        return self.weights_gb * 1e9 / self.model.weight_bytes(self.weight_precision, single_gpu)

    def step_time(self, max_batched_tok: int) -> StepTime:
        """Return the time of steps of up to ``max_batched_tok`` tokens."""
        step = physical_step_time(
            self.model,
            self.gpu,
            self.coefficients,
            self.spread,
            weight_precision=self.weight_precision,
            weight_factor=self.weight_factor,
            kv_precision=self.kv_precision,
            max_batched_tok=max_batched_tok,
            eager=self.eager,
        )
        if self.speculation is None:
            return step
        return self.speculation.applied(step, self._draft_token_s(len(step.token_s)))

    def _draft_token_s(self, size: int) -> NDArray[np.float64]:
        """Return the time of one pass of the draft model for 0, 1, ... sequences [s]. (size,)

        It is the sum of the launch, the reading of weights and the computing.
        """
        assert self.speculation is not None
        model, c = self.model, self.coefficients
        # EAGLE's head, one layer and the vocabulary table, is about as large as two layers without
        # experts.
        params = self.speculation.draft_params or 2 * model.read_params / model.layers
        bandwidth = c.memory_efficiency * self.gpu.memory_bytes_s * self.spread.tensor
        peak = c.compute_efficiency * self.gpu.peak_flops("bf16") * self.spread.tensor
        fixed_s = self.speculation.draft_launch_s + params * WEIGHT_BYTES["bf16"] / bandwidth
        return fixed_s + 2 * params / peak * np.arange(size, dtype=np.float64)

    def kv(
        self,
        memory_utilization: float | None = None,
        block_tok: int | None = None,
        max_batched_tok: int | None = None,
    ) -> KvCapacity:
        """Return the KV blocks under the given limits, or those that the engine reports.

        Raises
        ------
        InputError
            If the weights do not fit and the engine did not report its blocks.
        """
        limits = self.engine.limits.given(max_batched_tok, None, memory_utilization, block_tok)
        if self.kv_tok is not None:
            blocks = self.kv_tok // limits.block_tok
            return KvCapacity(blocks, limits.block_tok, 1.0, *windows(self.model))
        return kv_capacity(
            self.model,
            self.gpu,
            self.spread,
            weights_bytes=self.model.weight_bytes(self.weight_precision, self.spread)
            * self.weight_factor,
            label=f"{self.model.name} in {self.weight_precision}",
            kv_precision=self.kv_precision,
            limits=limits,
        )

    @property
    def label(self) -> str:
        """Name of the deployment for readers."""
        return f"{self.spread.gpus}x{self.gpu.name}, {self.model.name} {self.weight_precision}"
