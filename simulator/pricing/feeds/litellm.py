"""Reader of LiteLLM's price map: an entry per model, whose keys name price and conditions."""

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from simulator.errors import InputError
from simulator.files.numbers import abbreviated, must_be
from simulator.pricing.feeds.feed import Facts, Feed, book_name
from simulator.pricing.feeds.hours import peak_rows
from simulator.pricing.lifetimes import NOTHING_KNOWN, Lifetime
from simulator.pricing.rates import RateCard
from simulator.pricing.rows import CALL_BUCKETS, RateRow
from simulator.units import MTOK

# Stems of keys, per token or per call; `_above_200k_tokens` and contexts follow as suffixes.
_BUCKETS = {
    "input_cost_per_token": "input",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h",
    "cache_creation_input_token_cost_above_12hr": "cache_write_1h",
    "output_cost_per_token": "output",
    "output_cost_per_reasoning_token": "reasoning",
    "input_cost_per_audio_token": "input_audio",
    "cache_read_input_audio_token_cost": "cache_read_audio",
    "input_cost_per_image_token": "input_image",
    "input_cost_per_video_token": "input_video",
    "output_cost_per_audio_token": "output_audio",
    "output_cost_per_image_token": "output_image",
    "output_cost_per_video_token": "output_video",
    "input_cost_per_request": "per_request",
    "google_maps_grounding_cost_per_query": "maps_search",
    "code_interpreter_cost_per_session": "code_session",
}
_CONTEXTS = {
    "batches": "batch", "flex": "flex", "priority": "priority", "ultrafast": "ultrafast",
}  # fmt: skip
_TIER = re.compile(r"_above_(\d{1,6})k_tokens")
# Keys that repeat others, or that are read separately.
_READ_SEPARATELY = (
    "input_cost_per_token_cache_hit",
    "search_context_cost_per_query",
    "off_peak_pricing",
    "tiered_pricing",
)
_BILLED = ("cost", "pric", "uplift", "free_requests")
"""Words in keys that affect a bill."""
_MODES = ("chat", "completion", "responses", "embedding")
_MOST_USD = 1e6
_MOST_TOK = 1e12
_REGIONS = re.compile(r"regional_processing_uplift_multiplier_([a-z]{2})")
# Providers whose threshold is part of the higher tier ("from 200K tokens").
_INCLUSIVE = ("xai",)
# Providers that bill the whole output of a reasoning call at the rate of reasoning.
_REASONING_RATE_ON_OUTPUT = ("dashscope",)


@dataclass(frozen=True, slots=True)
class _Key:
    """Bucket and conditions that a key prices."""

    bucket: str
    context: str | None
    above: int | None


def is_litellm(raw: Any) -> bool:
    """Return whether parsed JSON is a price map of LiteLLM."""
    return isinstance(raw, Mapping) and any(
        isinstance(entry, Mapping) and "litellm_provider" in entry for entry in raw.values()
    )


def litellm_feed(raw: Mapping[str, Any], name: str, as_of: date) -> Feed:
    """Read a parsed price map, which maps models to entries.

    Raises
    ------
    InputError
        If a price or a size is not a number, or out of range.
    """
    cards, facts = {}, {}
    left_out: Counter[str] = Counter()
    for key, entry in raw.items():
        if not isinstance(entry, Mapping) or key == "sample_spec":
            continue
        mode = entry.get("mode")
        if mode not in _MODES:
            left_out[f"offers of mode {abbreviated(mode)}"] += 1
            continue
        provider = str(entry.get("litellm_provider", ""))
        offer = book_name(key if key.startswith(f"{provider}/") else f"{provider}/{key}")
        place = f"{name}: {key}"
        rows = _rows(entry, provider, place, left_out)
        known = _facts(entry, place)
        if not rows:
            left_out["offers without a token price"] += 1
            continue
        if offer in cards:
            left_out[f"second entries of {offer}"] += 1
            if not key.startswith(f"{provider}/"):
                continue
        facts[offer] = known
        cards[offer] = RateCard(
            offer,
            tuple(rows),
            as_of,
            f"LiteLLM file {name}",
            max_input_tok=known.max_input_tok,
            lifetime=_lifetime(known, as_of, name),
        )
    return Feed(name, "litellm", cards, facts, left_out, whole=False)


def _rows(
    entry: Mapping[str, Any], provider: str, place: str, left_out: Counter[str]
) -> list[RateRow]:
    """Return rows of base rates, then of contexts and their tiers, then of peak hours."""
    inclusive = provider in _INCLUSIVE
    by_condition = _rates(entry, place, left_out)
    for above, tier in _tiered(entry, place):
        for (context, _), rates in _rates(tier, place, left_out).items():
            by_condition.setdefault((context, above), {}).update(rates)
    if (None, None) not in by_condition:
        return []
    _add_long_writes(by_condition)
    if by_condition[None, None].get("reasoning") == by_condition[None, None].get("output"):
        # Reasoning is billed as output, so it follows the output rate of every context.
        for rates in by_condition.values():
            rates.pop("reasoning", None)
    _add_fast(by_condition, entry)
    search = _search_usd(entry, place, left_out)
    if search is not None:
        by_condition[None, None]["web_search"] = search
    rows = [
        RateRow(
            by_condition[context, above],
            context=context,
            prompt_tokens_above=None if inclusive else above,
            prompt_tokens_from=above if inclusive else None,
        )
        for context, above in sorted(by_condition, key=lambda key: (key[0] or "", key[1] or 0))
    ]
    if provider in _REASONING_RATE_ON_OUTPUT:
        rows += [
            RateRow({"output": rate}, prompt_tokens_above=row.prompt_tokens_above, thinking=True)
            for row in rows
            if (rate := row.rates.get("reasoning")) is not None and row.context is None
        ]
    return _with_hours(rows, entry, place, left_out)


def _rates(
    entry: Mapping[str, Any], place: str, left_out: Counter[str]
) -> dict[tuple[str | None, int | None], dict[str, float]]:
    """Return rates by context and tier: USD by bucket, in the units of ``BUCKETS``."""
    by_condition: dict[tuple[str | None, int | None], dict[str, float]] = {}
    for key, value in entry.items():
        parsed = _parse_key(key)
        if value is None or key in _READ_SEPARATELY:
            continue
        if parsed is None:
            if any(word in key for word in _BILLED):
                left_out[key] += 1
            continue
        usd = _usd(value, key, place)
        if usd == 0 and parsed.bucket in ("cache_write", "cache_write_1h"):
            continue  # no separate fee: written tokens are billed as input
        scale = 1.0 if parsed.bucket in CALL_BUCKETS else MTOK
        # Rounded to 12 digits, since the map has prices per token, such as 1e-06.
        by_condition.setdefault((parsed.context, parsed.above), {})[parsed.bucket] = float(
            f"{usd * scale:.12g}"
        )
    return by_condition


def _add_long_writes(
    by_condition: dict[tuple[str | None, int | None], dict[str, float]],
) -> None:
    """Add long writes to contexts with a price of short writes only.

    Anthropic and OpenAI define the price of a write as a multiple of the input price in the same
    context and tier; the map omits some of the long ones.
    """
    for (context, above), rates in by_condition.items():
        standard = by_condition.get((None, above), {})
        long = standard.get("cache_write_1h")
        if context and long and "cache_write" in rates and "cache_write_1h" not in rates:
            share = rates["cache_write"] / standard["cache_write"]
            rates["cache_write_1h"] = float(f"{share * long:.12g}")


def _add_fast(
    by_condition: dict[tuple[str | None, int | None], dict[str, float]], entry: Mapping[str, Any]
) -> None:
    """Add the fast mode of Anthropic's models, which the map gives as a factor on all rates."""
    specific = entry.get("provider_specific_entry")
    value = specific.get("fast") if isinstance(specific, Mapping) else None
    factor = float(value) if value is not None and _is_factor(value) else 0.0
    if not factor or any(context == "priority" for context, _ in by_condition):
        return
    standard = {above: rates for (context, above), rates in by_condition.items() if context is None}
    for above, rates in standard.items():
        by_condition["priority", above] = {
            bucket: float(f"{rate * factor:.12g}")
            for bucket, rate in rates.items()
            if bucket not in CALL_BUCKETS
        }


def _parse_key(key: str) -> _Key | None:
    """Return bucket, context and tier that a key prices; None for other keys."""
    tiers = _TIER.findall(key)
    stem = _TIER.sub("", key)
    context = None
    for suffix, name in _CONTEXTS.items():
        if stem.endswith(f"_{suffix}"):
            stem, context = stem.removesuffix(f"_{suffix}"), name
    bucket = _BUCKETS.get(stem)
    if bucket is None or len(tiers) > 1:
        return None
    return _Key(bucket, context, int(tiers[0]) * 1000 if tiers else None)


def _usd(value: Any, key: str, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MOST_USD:
        expected = f"a number, 0 or more and at most {_MOST_USD:,.0f}"
        raise InputError(must_be(f"{place}: {key}", expected, value))
    return float(value)


def _tiered(entry: Mapping[str, Any], place: str) -> list[tuple[int | None, Mapping[str, Any]]]:
    """Return the ranges of ``tiered_pricing`` with their lower ends, None for the base."""
    tiers = entry.get("tiered_pricing")
    if tiers is None:
        return []
    if not isinstance(tiers, list) or not all(isinstance(part, Mapping) for part in tiers):
        raise InputError(must_be(f"{place}: tiered_pricing", "a list of ranges", tiers))
    ranges: list[tuple[int | None, Mapping[str, Any]]] = []
    for part in tiers:
        span = part.get("range")
        if not isinstance(span, list) or len(span) != 2 or not _is_tok(span[0], least=0):
            raise InputError(f"{place}: a range of tiered_pricing must be two numbers of tokens")
        ranges.append((int(span[0]) or None, {k: v for k, v in part.items() if k != "range"}))
    return ranges


def _search_usd(entry: Mapping[str, Any], place: str, left_out: Counter[str]) -> float | None:
    """Return the price of a web search, None if unknown or dependent on how much it reads."""
    costs = entry.get("search_context_cost_per_query")
    if costs is None:
        return None
    if not isinstance(costs, Mapping):
        raise InputError(f"{place}: search_context_cost_per_query must be a mapping")
    prices = {_usd(usd, "search_context_cost_per_query", place) for usd in costs.values()}
    if len(prices) == 1:
        return prices.pop()
    if prices:
        left_out["web searches whose price depends on what they read"] += 1
    return None


def _with_hours(
    rows: list[RateRow], entry: Mapping[str, Any], place: str, left_out: Counter[str]
) -> list[RateRow]:
    """Return rows with the off-peak price as their base, and rows of peak hours after it."""
    off_peak = entry.get("off_peak_pricing")
    if off_peak is None:
        return rows
    if not isinstance(off_peak, Mapping) or len(rows) > 1:
        left_out["prices by the hour"] += 1
        return rows
    low = _rates({k: v for k, v in off_peak.items() if k != "windows"}, place, left_out)
    windows = off_peak.get("windows")
    if set(low) != {(None, None)} or not isinstance(windows, list):
        left_out["prices by the hour"] += 1
        return rows
    peak, base = rows[0].rates, {**rows[0].rates, **low[None, None]}
    changed = {bucket: rate for bucket, rate in peak.items() if base[bucket] != rate}
    return [RateRow(base), *peak_rows(changed, windows, place)]


def _facts(entry: Mapping[str, Any], place: str) -> Facts:
    regions = {
        match.group(1): float(value)
        for key, value in entry.items()
        if (match := _REGIONS.fullmatch(key)) and _is_factor(value)
    }
    by_provider = entry.get("provider_specific_entry")
    if isinstance(by_provider, Mapping):
        regions |= {
            str(k): float(v) for k, v in by_provider.items() if len(str(k)) == 2 and _is_factor(v)
        }
    successor = entry.get("successor_model")
    return Facts(
        ends=_day(entry.get("deprecation_date"), place),
        successor=str(successor)[:100] if successor else None,
        max_input_tok=_tok(entry.get("max_input_tokens"), "max_input_tokens", place),
        max_output_tok=_tok(entry.get("max_output_tokens"), "max_output_tokens", place),
        cache_min_tok=_tok(entry.get("prompt_cache_min_tokens"), "prompt_cache_min_tokens", place),
        regions=regions,
    )


def _is_factor(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, int | float) and 0 < value <= 10


def _is_tok(value: Any, least: float = 1) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and least <= value <= _MOST_TOK


def _tok(value: Any, key: str, place: str) -> int | None:
    """Return a number of tokens; None if it is missing, 0 or a text, as where it is unlimited."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value == 0:
        return None
    if not _is_tok(value):
        raise InputError(must_be(f"{place}: {key}", "a number of tokens", value))
    return int(value)


def _day(value: Any, place: str) -> date | None:
    if value is None:
        return None
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise InputError(
            must_be(f"{place}: deprecation_date", "a date, such as 2026-12-01", value)
        ) from None


def _lifetime(known: Facts, as_of: date, name: str) -> Lifetime:
    if known.ends is None and known.successor is None:
        return NOTHING_KNOWN
    return Lifetime(
        ends=known.ends, successor=known.successor, checked=as_of, source=f"LiteLLM file {name}"
    )
