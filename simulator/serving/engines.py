"""Serving engines: the overheads, limits and scheduling that software adds to the hardware."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """Default limits of an engine on one kind of accelerator."""

    max_batched_tok: int
    """Token budget of a step."""
    max_sequences: int
    """Most sequences in one batch."""
    memory_utilization: float
    """Share of the GPUs' memory that the engine may use."""
    block_tok: int
    """Tokens of a KV block."""

    def given(
        self,
        max_batched_tok: int | None = None,
        max_sequences: int | None = None,
        memory_utilization: float | None = None,
        block_tok: int | None = None,
    ) -> "EngineLimits":
        """Return the limits of an engine that is started with some of them; None: its default.

        A token budget below the default number of sequences limits that number too.
        """
        budget_tok = max_batched_tok or self.max_batched_tok
        return EngineLimits(
            budget_tok,
            max_sequences or min(self.max_sequences, budget_tok),
            memory_utilization or self.memory_utilization,
            block_tok or self.block_tok,
        )


@dataclass(frozen=True, slots=True)
class Engine:
    """One serving engine, or one period of its development."""

    name: str
    overhead: dict[str, float]
    """Factor on fixed, per-layer and communication times, by the serving class of models."""
    slowness: float
    """Factor on the time of whole steps; 1 for today's tuned engines."""
    compute: float
    """Factor on the compute efficiency on this generation of accelerators."""
    memory: float
    """Factor on the efficiency of reading weights on this generation of accelerators."""
    experts: float
    """Factor on the efficiency of the experts' kernels."""
    sequence_s: float
    """Time per decoding sequence and step [s]: sampling, detokenising, bookkeeping."""
    request_s: float
    """Time per request outside steps [s]: HTTP, tokenisation, scheduling, first chunk."""
    request_token_s: float
    """Time per prompt token outside steps [s]."""
    admission_s: float
    """Time per request within a step, during which the accelerator waits [s]: scheduling, block
    tables, return of the first token."""
    drift_tok: float
    """Steps by which requests that began together drift apart in a benchmark of fixed lengths.
    Without it, they would stay synchronised for ever and wait for one another at every turn; with
    it, times to first token agree with measurements."""
    captured_tok: int
    """Largest step with prompt tokens that runs from a captured graph. In larger steps, and in
    engines that only capture decode steps (0), the host launches every kernel."""
    limits: EngineLimits
    splits_layers: bool
    """Whether GPUs of a replica share no layer: tensor parallelism becomes a split by layers."""
    reserves_output: bool
    """See ``engine.spec.plan.Fleet``."""
    schedules_ahead: bool
    """See ``engine.spec.plan.Fleet``."""
    spread: float
    """Factor on the width of the error band in logarithms, for the variation among deployments."""
    source: str
