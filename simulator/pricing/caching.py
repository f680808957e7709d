"""Rules of providers' prompt caches."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

from simulator.units import DAY_S, HOUR_S, MINUTE_S

Rule = Literal["none", "prefix", "breakpoint", "unit"]
RULES: tuple[Rule, ...] = get_args(Rule)
"""Names of the rules; the engine's code of a rule is its index."""


@dataclass(frozen=True, slots=True)
class PromptCache:
    """Rule by which a provider reads a prompt's prefix from its cache.

    ``prefix``: any earlier prefix, in steps of ``step_tok``, written for free. ``breakpoint``:
    whole prefixes up to marked ends, written for a fee. ``unit``: whole prompts, and prefixes that
    a second prompt has shared, written for free. ``none``: no prompt is cached. With every rule an
    entry exists from the first output token of the request that wrote it.
    """

    rule: Rule
    ttl_s: float
    """Lifetime of an entry after its last use [s]."""
    min_tok: int
    step_tok: int
    max_age_s: float = math.inf
    """Lifetime of an entry after it was written, regardless of its use [s]."""
    machine_per_min: float = math.inf
    """Rate of requests with one prefix above which they go to further machines, each with a cache
    of its own [1/min]."""
    marks: int = 4
    """Most breakpoints of one request: the prompt's end, and shared prefixes from the root on."""
    end_mark: bool = True
    """Whether the prompt's end is marked; else only shared prefixes set up for caching."""
    lookback: int = 1_000_000
    """Number of earlier turns above the end that are searched, in addition to marked prefixes."""
    stored: bool = False
    """Whether storage is paid by token and hour."""
    long: bool = False
    """Whether writes are billed at the price of the long lifetime."""

    @property
    def caches(self) -> bool:
        """Whether anything is ever found."""
        return self.rule != "none"

    @property
    def bills_writes(self) -> bool:
        """Whether tokens that are written have a price of their own."""
        return self.rule == "breakpoint"


NO_CACHE = PromptCache("none", 0.0, 0, 1)


@dataclass(frozen=True, slots=True)
class CacheOffer:
    """A prompt cache with the prices of reads and writes, relative to uncached input."""

    cache: PromptCache
    read: float
    write: float
    source: str


_EARLIER = "OpenAI prompt-caching guide; reads at 0.1 as gpt-5.x (published)"
_OPENAI = "openai-python 3.57.0 prompt_cache_options, model page of gpt-6.1-terra (published)"
_ANTHROPIC = "Anthropic prompt-caching documentation on Opus 5.5 and Sonnet 5.5 (published)"


def _prefixes(ttl_s: float) -> CacheOffer:
    """Return the rule of OpenAI's models before GPT-5.6."""
    return CacheOffer(PromptCache("prefix", ttl_s, 1024, 128), 0.1, 1.0, _EARLIER)


def _marks(ttl_s: float, min_tok: int, write: float, source: str) -> CacheOffer:
    return CacheOffer(PromptCache("breakpoint", ttl_s, min_tok, 1), 0.05, write, source)


CACHE_OFFERS = {
    "openai-5m": _prefixes(5 * MINUTE_S),
    "openai-10m": _prefixes(10 * MINUTE_S),
    "openai-1h": _prefixes(HOUR_S),
    "openai-24h": _prefixes(DAY_S),
    "openai-30m": _marks(30 * MINUTE_S, 1024, 1.25, _OPENAI),
    "openai-12h": _marks(12 * HOUR_S, 1024, 2.5, _OPENAI),
    "anthropic-5m": _marks(5 * MINUTE_S, 512, 1.25, _ANTHROPIC),
    "anthropic-1h": _marks(HOUR_S, 512, 2.0, _ANTHROPIC),
    "deepseek": CacheOffer(
        PromptCache("prefix", DAY_S, 64, 64),
        0.02,
        1.0,
        "api-docs kv_cache, 64-token units, kept for hours to days (published); one day assumed",
    ),
    "infinite": CacheOffer(
        PromptCache("prefix", float("inf"), 1, 1), 0.0, 1.0, "the most that any cache can serve"
    ),
}
"""Rules by their names on the command line, as of 2026-11-27. Of OpenAI's rules, the four with
steps are those of models before GPT-5.6; those of 30 minutes and 12 hours are of later models."""
