"""Conventions of providers that price files leave open.

* Side of a threshold. xAI bills the higher tier "at or above" 200,000 tokens (docs.x.ai, read by
  genai-prices, which therefore writes 199,999; LiteLLM 1.110.2 has the set
  ``_INCLUSIVE_THRESHOLD_PROVIDERS = {"xai"}`` in ``llm_cost_calc/utils.py``; checked 2026-11-28).
  Everywhere else a tier begins above its threshold: LiteLLM compares with ``>``, and its ranges of
  ``tiered_pricing`` include their upper end, as in Alibaba's "0 < tokens <= 32K" (same version,
  ``llm_cost_calc/tiered_pricing.py``).
* Scope of a price of reasoning. Alibaba bills the whole output of a thinking call at it (Model
  Studio price list, by way of LiteLLM 1.106.2, 2026-11-23); others only the reasoning tokens.
* Absent cache prices. A tier states all of its prices; reads and writes without one cost as much as
  its input (LiteLLM 1.110.2, ``_get_token_base_cost``).
* Cached prompts at Fireworks cost half the input price where no other is given (Fireworks' page on
  prompt caching, 2026-11-23; LiteLLM 1.110.2, ``FIREWORKS_AI_DEFAULT_CACHE_READ_RATE_RATIO``).
* Cache writes for an hour cost Anthropic's customers twice the input price (Anthropic's page on
  prompt caching, 2026-11-23).
"""

from collections.abc import Iterable
from typing import Any

from simulator.pricing.rows import RateRow

_THRESHOLD_IN_HIGHER_TIER = frozenset({"x-ai"})
_REASONING_RATE_ON_OUTPUT = frozenset({"alibaba", "alibaba-cn"})
_LONG_WRITE_MULTIPLES = {"anthropic": 2.0}
_CACHE_READ_SHARES = {"fireworks": 0.5}
_CACHE_BUCKETS = ("cache_read", "cache_write", "cache_write_1h")


def tier_row(offer: str, rates: dict[str, float], edge: int | None, **conditions: Any) -> RateRow:
    """Return a row for prompts beyond a threshold, on the side that the offer's provider has.

    Parameters
    ----------
    offer : str
        The book's name of the offer.
    rates : dict of str to float
        Rates by bucket.
    edge : int, optional
        Threshold in tokens; None: the row holds for prompts of any length.
    **conditions
        Further conditions of the row.
    """
    included = _provider(offer) in _THRESHOLD_IN_HIGHER_TIER
    return RateRow(
        rates,
        prompt_tokens_above=None if included else edge,
        prompt_tokens_from=edge if included else None,
        **conditions,
    )


def thinking_rows(offer: str, rows: Iterable[RateRow]) -> list[RateRow]:
    """Return rows that bill all output of thinking calls at the rate of reasoning, if any do."""
    if _provider(offer) not in _REASONING_RATE_ON_OUTPUT:
        return []
    return [
        RateRow({"output": rate}, prompt_tokens_above=row.prompt_tokens_above, thinking=True)
        for row in rows
        if (rate := row.rates.get("reasoning")) is not None and row.context is None
    ]


def long_write_multiple(offer: str) -> float | None:
    """Return the price of a long cache write over that of input, if the provider defines it so."""
    return _LONG_WRITE_MULTIPLES.get(_provider(offer))


def cache_read_share(offer: str) -> float | None:
    """Return the price of cached prompt tokens over that of input, where a file names none."""
    return _CACHE_READ_SHARES.get(_provider(offer))


def complete_tier(tier: dict[str, float], base: dict[str, float]) -> dict[str, float]:
    """Return a tier's rates, with its input price for cache buckets that only the base names."""
    absent = [bucket for bucket in _CACHE_BUCKETS if bucket in base and bucket not in tier]
    return tier | {bucket: tier["input"] for bucket in absent if "input" in tier}


def _provider(offer: str) -> str:
    return offer.partition("/")[0]
