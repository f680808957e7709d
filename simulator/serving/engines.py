"""Serving engines: what a deployment's software adds to the physics of its hardware."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """Default limits of an engine on one kind of accelerator."""

    max_batched_tok: int
    """Token budget of a step."""
    max_sequences: int
    """In one batch."""
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
        """Return the limits of an engine that is started with some of them; None: its own.

        A budget as given may be smaller than the usual batch, which it then limits.
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
    """One serving engine, or one stage of its maturity."""

    name: str
    overhead: dict[str, float]
    """Factor on fixed, per-layer and communication times, by class of models."""
    slowness: float
    """Factor on whole steps; 1 for tuned engines of today."""
    compute: float
    """Factor on the efficiency of computing on this generation of accelerators."""
    memory: float
    """The same of reading weights."""
    experts: float
    """Factor on the efficiency of experts' kernels."""
    sequence_s: float
    """Per decoding sequence and step: sampling, detokenising, bookkeeping."""
    request_s: float
    """Per request outside steps: HTTP, tokenisation, scheduling, first chunk."""
    request_token_s: float
    """The same per prompt token."""
    admission_s: float
    """Per request within a step, while the accelerator waits: scheduling, block tables, the first
    token's way out."""
    drift_tok: float
    """Steps by which requests that began together come apart in a run of fixed lengths. Without
    any, they would stay together for ever and wait for one another at every turn; with it, times to
    first token come out as measured."""
    captured_tok: int
    """Steps with prompt tokens run from captured graphs up to so many tokens; above, and in engines
    that capture decode steps alone (0), the host launches every kernel."""
    limits: EngineLimits
    splits_layers: bool
    """GPUs of a replica share no layer: what others cut by tensor, it cuts by layers."""
    reserves_output: bool
    schedules_ahead: bool
    """Both: see ``engine.spec.plan.Fleet``."""
    spread: float
    """Factor on the width of the error band, in logarithms: how unlike two deployments are."""
    source: str
