"""Prompt-cache rules of providers."""

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class PromptCache:
    """When a provider finds a prompt's beginning in its cache.

    ``prefix``: any earlier prefix, in steps of ``step_tok``, written for free. ``breakpoint``:
    whole prefixes up to marked ends, written for a fee. ``unit``: whole prompts, and beginnings
    that a second prompt turned out to share, written for free. ``none``: nothing is ever found.
    In all of them an entry exists from the first token of the request that wrote it.
    """

    rule: Literal["none", "prefix", "breakpoint", "unit"]
    ttl_s: float
    """Lifetime since the last use."""
    min_tok: int
    step_tok: int
    max_age_s: float = math.inf
    """Lifetime since it was written, however often it is used."""
    machine_per_min: float = math.inf
    """Requests with one beginning above this rate go to further machines, each with a cache of
    its own."""
    marks: int = 4
    """Breakpoints of one request: the prompt's end, and shared beginnings from the root on."""
    end_mark: bool = True
    """Without, only shared beginnings are marked: contents that are set up to be cached."""
    lookback: int = 1_000_000
    """How many earlier turns above the end are searched; marked beginnings always are."""
    stored: bool = False
    """Lifetime is paid by token and hour."""
    long: bool = False
    """Writes are billed at the price of the long lifetime."""


NO_CACHE = PromptCache("none", 0.0, 0, 1)


@dataclass(frozen=True, slots=True)
class CacheOffer:
    """A prompt cache with its price, relative to uncached input."""

    cache: PromptCache
    read: float
    write: float
    source: str


_OPENAI = (
    "OpenAI prompt-caching guide and openai-python 3.54.0; reads at 0.1 as gpt-5.x (published)"
)
_ANTHROPIC = "Anthropic prompt-caching documentation; minimum of Sonnet 4.x (published)"


def _openai(ttl_s: float) -> CacheOffer:
    return CacheOffer(PromptCache("prefix", ttl_s, 1024, 128), 0.1, 1.0, _OPENAI)


def _anthropic(ttl_s: float, write: float) -> CacheOffer:
    return CacheOffer(PromptCache("breakpoint", ttl_s, 1024, 1), 0.1, write, _ANTHROPIC)


CACHE_OFFERS = {
    "openai-5m": _openai(300),
    "openai-10m": _openai(600),
    "openai-1h": _openai(3600),
    "openai-24h": _openai(86400),
    "anthropic-5m": _anthropic(300, 1.25),
    "anthropic-1h": _anthropic(3600, 2.0),
    "deepseek": CacheOffer(
        PromptCache("prefix", 86400, 64, 64),
        0.02,
        1.0,
        "api-docs kv_cache, 64-token units, kept for hours to days (published); one day assumed",
    ),
    "infinite": CacheOffer(
        PromptCache("prefix", float("inf"), 1, 1), 0.0, 1.0, "the most that any cache can find"
    ),
}
"""Rules by the names of the command line, as of 2026-11-23."""
