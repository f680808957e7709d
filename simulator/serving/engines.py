"""Serving engines: what a deployment's software adds to the physics of its hardware."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """Limits that an engine takes by itself on one kind of accelerator."""

    max_batched_tok: int
    """Token budget of a step."""
    max_sequences: int
    """In one batch."""
    memory_utilization: float
    """Share of the GPUs' memory that the engine may use."""
    block_tok: int
    """Tokens of a KV block."""


@dataclass(frozen=True, slots=True)
class Engine:
    """One serving engine, or one stage of its maturity."""

    name: str
    overhead: dict[str, float]
    """Factor on fixed, per-layer and communication times, by class of models."""
    slowness: float
    """Factor on whole steps; 1 for tuned engines of today."""
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
    """See ``engine.plan.Fleet``."""
    spread: float
    """Factor on the width of the error band, in logarithms: how unlike two deployments are."""
    source: str
