"""Serving engines: what a deployment's software adds to the physics of its hardware."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Engine:
    """One serving engine, or one stage of its maturity."""

    name: str
    overhead: dict[str, float]
    """Factor on fixed, per-layer and communication times, by class of models."""
    slowness: float
    """Factor on whole steps; 1 for tuned engines of today."""
    sequence_s: float
    """Per decoding sequence and step: sampling, detokenising, bookkeeping."""
    request_s: float
    """Per request outside steps: HTTP, tokenisation, scheduling, first chunk."""
    request_token_s: float
    """The same per prompt token."""
    drift_tok: float
    """Steps by which requests that began together come apart in a run of fixed lengths. Without
    any, they would stay together for ever and wait for one another at every turn; with it, times to
    first token come out as measured."""
    max_sequences: int
    """In one batch, unless told otherwise."""
    splits_layers: bool
    """GPUs of a replica share no layer: what others cut by tensor, it cuts by layers."""
    reserves_output: bool
    """See ``engine.plan.Fleet``."""
    spread: float
    """Factor on the width of the error band, in logarithms: how unlike two deployments are."""
    source: str
