"""Loads of a benchmark: how many requests it sends, how long they are, and when it sends them."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

from simulator.errors import InputError

LoadKind = Literal["concurrency", "offline", "request-rate", "static-batch"]
LOAD_KINDS: tuple[LoadKind, ...] = get_args(LoadKind)
MOST_REQUESTS = 10_000_000
"""Largest number of requests, clients or sequences of one benchmark."""
MOST_TOK = 100_000_000
"""Largest number of tokens of one prompt or answer: ten times the largest context of any model."""


@dataclass(frozen=True, slots=True)
class Load:
    """Requests of a benchmark: how many, how long, and how they are sent."""

    kind: LoadKind
    """Way in which requests are sent."""
    value: float
    """Number of clients, requests per second or sequences; unused if offline."""
    prompt_tok: int
    """Nominal length of a prompt."""
    output_tok: int
    """Nominal length of an answer."""
    range_ratio: float = 1.0
    """Lower bound of the lengths, which are uniform in [ratio, 1] of the nominal ones."""
    requests: int | None = None
    """Total number of requests; if it is less than the number of clients, that many clients send
    one each. Default: ten per client; else 3,000, more if short and 1,500 if long, as trtllm-bench
    documents it."""
    seed: int = 0
    """Seed of lengths and arrivals."""

    def __post_init__(self) -> None:
        if self.kind != "offline" and not 0 < self.value <= MOST_REQUESTS:
            raise InputError(f"{self.kind} must be above zero, not {self.value:g}")
        if self.prompt_tok < 1 or self.output_tok < 0 or not 0 < self.range_ratio <= 1:
            raise InputError("prompts need a token, outputs none, range_ratio 0 < ratio <= 1")
        if max(self.prompt_tok, self.output_tok) > MOST_TOK:
            raise InputError(f"prompts and outputs have at most {MOST_TOK:,} tokens")
        if self.requests is not None and not 1 <= self.requests <= MOST_REQUESTS:
            raise InputError(f"requests must be 1 to {MOST_REQUESTS:,}, not {self.requests:g}")

    @property
    def label(self) -> str:
        """Way of sending and lengths, for messages."""
        value = "" if self.kind == "offline" else f" {self.value:g}"
        return f"{self.kind}{value}, {self.prompt_tok}/{self.output_tok} tokens"

    @property
    def sequences(self) -> float:
        """Number of sequences in flight that the load sends; infinite if offline."""
        return self.value if self.kind in ("concurrency", "static-batch") else math.inf
