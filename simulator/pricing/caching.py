"""Prompt-cache rules of providers."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class PromptCache:
    """When a provider finds a prompt's beginning in its cache.

    ``prefix``: any earlier prefix, in steps of ``step_tok``, written for free. ``breakpoint``:
    prefixes up to marked ends, written for a fee. ``none``: nothing is ever found.
    """

    rule: Literal["none", "prefix", "breakpoint"]
    ttl_s: float
    """Lifetime since the last use."""
    min_tok: int
    step_tok: int


NO_CACHE = PromptCache("none", 0.0, 0, 1)
