"""LiteLLM's price map: one entry a model, one key a price, the conditions in the key's name."""

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from simulator.errors import InputError
from simulator.pricing.feeds.feed import Facts, Feed, book_name, told
from simulator.pricing.feeds.hours import peak_rows
from simulator.pricing.lifetimes import NOTHING_KNOWN, Lifetime
from simulator.pricing.rates import RateCard
from simulator.pricing.rows import CALL_BUCKETS, RateRow
from simulator.units import MTOK

# Stems of keys, per token or per call; `_above_200k_tokens` and contexts stand behind them.
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
# Keys that say again what others say, or hold other prices that are read apart.
_READ_APART = (
    "input_cost_per_token_cache_hit",
    "search_context_cost_per_query",
    "off_peak_pricing",
    "tiered_pricing",
)
_BILLED = ("cost", "pric", "uplift", "free_requests")
"""Words of keys that change a bill."""
_MODES = ("chat", "completion", "responses", "embedding")
_MOST_USD = 1e6
_MOST_TOK = 1e12
_REGIONS = re.compile(r"regional_processing_uplift_multiplier_([a-z]{2})")
# Providers whose threshold belongs to the higher tier ("from 200K tokens").
_INCLUSIVE = ("xai",)
# Providers that bill the whole output of a call that reasons at the rate of reasoning.
_RERATES_OUTPUT = ("dashscope",)


@dataclass(frozen=True, slots=True)
class _Key:
    """What a key prices."""

    bucket: str
    context: str | None
    above: int | None


def is_litellm(raw: Any) -> bool:
    """Whether parsed JSON is such a map."""
    return isinstance(raw, Mapping) and any(
        isinstance(entry, Mapping) and "litellm_provider" in entry for entry in raw.values()
    )


def litellm_feed(raw: Mapping[str, Any], name: str, as_of: date) -> Feed:
    """Read a mapping of models to entries.

    Raises
    ------
    InputError
        When a price or a size is no number, or none that is possible.
    """
    cards, facts = {}, {}
    left_out: Counter[str] = Counter()
    for key, entry in raw.items():
        if not isinstance(entry, Mapping) or key == "sample_spec":
            continue
        mode = entry.get("mode")
        if mode not in _MODES:
            left_out[f"offers of mode {told(mode)}"] += 1
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
    """Base rates first, then contexts, then the tiers of each, then what holds at some hours."""
    inclusive = provider in _INCLUSIVE
    found = _rates(entry, place, left_out)
    for above, tier in _tiered(entry, place):
        for (context, _), rates in _rates(tier, place, left_out).items():
            found.setdefault((context, above), {}).update(rates)
    if (None, None) not in found:
        return []
    _add_long_writes(found)
    if found[None, None].get("reasoning") == found[None, None].get("output"):
        # Reasoning is output then, in every context, whatever that costs there.
        for rates in found.values():
            rates.pop("reasoning", None)
    _add_fast(found, entry)
    search = _search_usd(entry, place, left_out)
    if search is not None:
        found[None, None]["web_search"] = search
    rows = [
        RateRow(
            found[context, above],
            context=context,
            prompt_tokens_above=None if inclusive else above,
            prompt_tokens_from=above if inclusive else None,
        )
        for context, above in sorted(found, key=lambda key: (key[0] or "", key[1] or 0))
    ]
    if provider in _RERATES_OUTPUT:
        rows += [
            RateRow({"output": rate}, prompt_tokens_above=row.prompt_tokens_above, thinking=True)
            for row in rows
            if (rate := row.rates.get("reasoning")) is not None and row.context is None
        ]
    return _with_hours(rows, entry, place, left_out)


def _rates(
    entry: Mapping[str, Any], place: str, left_out: Counter[str]
) -> dict[tuple[str | None, int | None], dict[str, float]]:
    """USD by bucket, by context and tier."""
    found: dict[tuple[str | None, int | None], dict[str, float]] = {}
    for key, value in entry.items():
        parsed = _parsed(key)
        if value is None or key in _READ_APART:
            continue
        if parsed is None:
            if any(word in key for word in _BILLED):
                left_out[key] += 1
            continue
        usd = _usd(value, key, place)
        if usd == 0 and parsed.bucket in ("cache_write", "cache_write_1h"):
            continue  # written at no fee of its own: such tokens are input
        scale = 1.0 if parsed.bucket in CALL_BUCKETS else MTOK
        # To 12 digits: the map holds prices per token, such as 1e-06.
        found.setdefault((parsed.context, parsed.above), {})[parsed.bucket] = float(
            f"{usd * scale:.12g}"
        )
    return found


def _add_long_writes(
    found: dict[tuple[str | None, int | None], dict[str, float]],
) -> None:
    """Add long writes to contexts that price short ones alone: both follow the input price.

    Anthropic and OpenAI tell a write's price as a multiple of what input costs in the same context
    and tier; the map leaves some of the long ones out.
    """
    for (context, above), rates in found.items():
        standard = found.get((None, above), {})
        long = standard.get("cache_write_1h")
        if context and long and "cache_write" in rates and "cache_write_1h" not in rates:
            share = rates["cache_write"] / standard["cache_write"]
            rates["cache_write_1h"] = float(f"{share * long:.12g}")


def _add_fast(
    found: dict[tuple[str | None, int | None], dict[str, float]], entry: Mapping[str, Any]
) -> None:
    """Add the fast mode of Anthropic's models, which the map tells as a factor on all rates."""
    said = entry.get("provider_specific_entry")
    value = said.get("fast") if isinstance(said, Mapping) else None
    factor = float(value) if value is not None and _is_factor(value) else 0.0
    if not factor or any(context == "priority" for context, _ in found):
        return
    standard = {above: rates for (context, above), rates in found.items() if context is None}
    for above, rates in standard.items():
        found["priority", above] = {
            bucket: float(f"{rate * factor:.12g}")
            for bucket, rate in rates.items()
            if bucket not in CALL_BUCKETS
        }


def _parsed(key: str) -> _Key | None:
    """Bucket, context and tier that a key prices; None for keys of other things."""
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
        raise InputError(
            f"{place}: {key} must be a number, 0 or more and at most {_MOST_USD:,.0f}, "
            f"not {told(value)}"
        )
    return float(value)


def _tiered(entry: Mapping[str, Any], place: str) -> list[tuple[int | None, Mapping[str, Any]]]:
    """Return the ranges of ``tiered_pricing``; the first one is the base."""
    said = entry.get("tiered_pricing")
    if said is None:
        return []
    if not isinstance(said, list) or not all(isinstance(part, Mapping) for part in said):
        raise InputError(f"{place}: tiered_pricing must be a list of ranges, not {told(said)}")
    found: list[tuple[int | None, Mapping[str, Any]]] = []
    for part in said:
        span = part.get("range")
        if not isinstance(span, list) or len(span) != 2 or not _is_tok(span[0], least=0):
            raise InputError(f"{place}: a range of tiered_pricing must be two numbers of tokens")
        found.append((int(span[0]) or None, {k: v for k, v in part.items() if k != "range"}))
    return found


def _search_usd(entry: Mapping[str, Any], place: str, left_out: Counter[str]) -> float | None:
    """Return the price of a web search; it may depend on how much a search reads."""
    said = entry.get("search_context_cost_per_query")
    if said is None:
        return None
    if not isinstance(said, Mapping):
        raise InputError(f"{place}: search_context_cost_per_query must be a mapping")
    prices = {_usd(usd, "search_context_cost_per_query", place) for usd in said.values()}
    if len(prices) == 1:
        return prices.pop()
    if prices:
        left_out["web searches whose price depends on what they read"] += 1
    return None


def _with_hours(
    rows: list[RateRow], entry: Mapping[str, Any], place: str, left_out: Counter[str]
) -> list[RateRow]:
    """Return rows in which the price outside the peak hours is the base."""
    said = entry.get("off_peak_pricing")
    if said is None:
        return rows
    if not isinstance(said, Mapping) or len(rows) > 1:
        left_out["prices by the hour"] += 1
        return rows
    low = _rates({k: v for k, v in said.items() if k != "windows"}, place, left_out)
    windows = said.get("windows")
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
    """Return a number of tokens; the map leaves it out, writes 0 or a text where it is open."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value == 0:
        return None
    if not _is_tok(value):
        raise InputError(f"{place}: {key} must be a number of tokens, not {told(value)}")
    return int(value)


def _day(value: Any, place: str) -> date | None:
    if value is None:
        return None
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise InputError(
            f"{place}: deprecation_date must be a day, such as 2026-12-01, not {told(value)}"
        ) from None


def _lifetime(known: Facts, as_of: date, name: str) -> Lifetime:
    if known.ends is None and known.successor is None:
        return NOTHING_KNOWN
    return Lifetime(
        ends=known.ends, successor=known.successor, checked=as_of, source=f"LiteLLM file {name}"
    )
