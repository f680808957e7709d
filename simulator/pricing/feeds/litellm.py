"""Reader of LiteLLM's price map: an entry per model, whose keys name price and conditions."""

import math
import re
from collections.abc import Iterator, Mapping
from datetime import date
from itertools import pairwise
from typing import Any

from simulator.errors import InputError
from simulator.files.numbers import abbreviated, must_be
from simulator.pricing.feeds.conventions import (
    cache_read_share,
    complete_tier,
    thinking_rows,
    tier_row,
)
from simulator.pricing.feeds.feed import Facts, Feed, LeftOut, book_name
from simulator.pricing.feeds.hours import peak_rows
from simulator.pricing.feeds.litellm_keys import priced_keys, unread_keys
from simulator.pricing.lifetimes import NOTHING_KNOWN, Lifetime
from simulator.pricing.rates import RateCard
from simulator.pricing.rows import CALL_BUCKETS, RateRow
from simulator.units import MTOK

_MODES = ("chat", "completion", "responses", "embedding", "realtime", None)
"""Modes of entries that are read; an entry without a mode is read if it prices tokens."""
_MOST_USD = 1e6
_MOST_TOK = 1e12
_REGIONS = re.compile(r"regional_processing_uplift_multiplier_([a-z]{2})")

_Rates = dict[tuple[str | None, int | None], dict[str, float]]
"""USD by bucket, in the units of ``BUCKETS``, by context and lower end of a tier."""


class _Unusable(Exception):
    """An entry from which no card can be made, with the reason."""


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
    cards, facts, left_out = {}, {}, LeftOut()
    for key, entry in _entries(raw, left_out):
        provider = str(entry.get("litellm_provider", ""))
        offer = book_name(key if key.startswith(f"{provider}/") else f"{provider}/{key}")
        place = f"{name}: {key}"
        prices: list[str] = []
        try:
            rows = _rows(entry, offer, place, prices)
        except _Unusable as reason:
            left_out.offer(_label(key, provider), str(reason))
            continue
        known = _facts(entry, place)
        if offer in cards:
            left_out.offer(_label(key, provider), "second entry of an offer")
            if not key.startswith(f"{provider}/"):
                continue
        for what in prices:
            left_out.price(offer, what)
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


def _label(key: str, provider: str) -> str:
    """Return the name of an entry in messages: that of the file, with its provider."""
    return key if not provider or key.startswith(f"{provider}/") else f"{provider}/{key}"


def _entries(raw: Mapping[str, Any], left_out: LeftOut) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield keys and entries; an entry that refers to another has the contents of that one."""
    for key, entry in raw.items():
        if key == "sample_spec":
            continue
        target = entry.get("alias_of") if isinstance(entry, Mapping) else None
        if target is not None:
            entry = raw.get(target) if isinstance(target, str) else None
        if isinstance(entry, Mapping):
            yield key, entry
        else:
            left_out.offer(key, "no prices" if target is None else "alias of an unknown entry")


def _rows(entry: Mapping[str, Any], offer: str, place: str, unread: list[str]) -> list[RateRow]:
    """Return rows of base rates, then of contexts and their tiers, then of peak hours.

    What the rows do not price is added to ``unread``.

    Raises
    ------
    _Unusable
        If the entry has no price of tokens, or one that is not understood.
    """
    mode = entry.get("mode")
    if mode not in _MODES:
        raise _Unusable(f"mode {abbreviated(mode)}".replace("'", ""))
    keys = unread_keys(entry)
    by_condition = _rates(entry, place)
    tiers = _tiered(entry, place)
    base: dict[str, float] = {}
    for above, tier in tiers:
        for (context, _), rates in _rates(tier, place).items():
            if context is None:
                base = base or rates
                rates = complete_tier(rates, base)
            by_condition.setdefault((context, above), {}).update(rates)
    if not {"input", "output"}.intersection(by_condition.get((None, None), {})):
        raise _Unusable("no price of tokens")
    if keys.of_text:
        raise _Unusable(f"unknown key {keys.of_text[0]}")
    unread += [f"key {key}" for key in keys.other]
    _add_long_writes(by_condition)
    share = cache_read_share(offer)
    if share is not None and "input" in by_condition[None, None]:
        read = float(f"{share * by_condition[None, None]['input']:.12g}")
        by_condition[None, None].setdefault("cache_read", read)
    if by_condition[None, None].get("reasoning") == by_condition[None, None].get("output"):
        # Reasoning is billed as output, so it follows the output rate of every context.
        for rates in by_condition.values():
            rates.pop("reasoning", None)
    _add_fast(by_condition, entry)
    search = _search_usd(entry, place, unread)
    if search is not None:
        by_condition[None, None]["web_search"] = search
    rows = [
        tier_row(offer, by_condition[context, above], above, context=context)
        for context, above in sorted(by_condition, key=lambda key: (key[0] or "", key[1] or 0))
    ]
    rows += thinking_rows(offer, rows)
    return _with_hours(rows, entry, place)


def _rates(entry: Mapping[str, Any], place: str) -> _Rates:
    """Return the rates of the keys that are understood.

    Raises
    ------
    _Unusable
        If two keys give different prices of the same tokens.
    """
    by_condition: _Rates = {}
    for key, priced, value in priced_keys(entry):
        usd = _usd(value, key, place)
        if usd == 0 and priced.bucket in ("cache_write", "cache_write_1h"):
            continue  # no separate fee: written tokens are billed as input
        scale = 1.0 if priced.bucket in CALL_BUCKETS else MTOK
        # Rounded to 12 digits, since the map has prices per token, such as 1e-06.
        rate = float(f"{usd * scale:.12g}")
        rates = by_condition.setdefault((priced.context, priced.above), {})
        if rates.setdefault(priced.bucket, rate) != rate:
            raise _Unusable(f"two prices of {priced.bucket}")
    return by_condition


def _add_long_writes(by_condition: _Rates) -> None:
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


def _add_fast(by_condition: _Rates, entry: Mapping[str, Any]) -> None:
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


def _usd(value: Any, key: str, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MOST_USD:
        expected = f"a number, 0 or more and at most {_MOST_USD:,.0f}"
        raise InputError(must_be(f"{place}: {key}", expected, value))
    return float(value)


def _tiered(entry: Mapping[str, Any], place: str) -> list[tuple[int | None, Mapping[str, Any]]]:
    """Return the ranges of ``tiered_pricing`` with their lower ends, None for the base.

    The range of the whole prompt prices all tokens of a call. Prompts beyond the last range are
    priced by it.

    Raises
    ------
    _Unusable
        If ranges overlap or leave out a prompt between them.
    """
    tiers = entry.get("tiered_pricing")
    if tiers is None:
        return []
    if not isinstance(tiers, list) or not all(isinstance(part, Mapping) for part in tiers):
        raise InputError(must_be(f"{place}: tiered_pricing", "a list of ranges", tiers))
    spans = [part.get("range") for part in tiers]
    for span in spans:
        if not isinstance(span, list) or len(span) != 2 or not _is_tok(span[0], least=0):
            raise InputError(f"{place}: a range of tiered_pricing must be two numbers of tokens")
    ordered = sorted(zip(spans, tiers, strict=True), key=lambda pair: pair[0][0])
    if any(span[1] != after[0] for (span, _), (after, _) in pairwise(ordered)):
        raise _Unusable("ranges of tiered_pricing that do not follow one another")
    return [
        (int(span[0]) or None, {key: value for key, value in part.items() if key != "range"})
        for span, part in ordered
    ]


def _search_usd(entry: Mapping[str, Any], place: str, unread: list[str]) -> float | None:
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
        unread.append("price of a web search by what it reads")
    return None


def _with_hours(rows: list[RateRow], entry: Mapping[str, Any], place: str) -> list[RateRow]:
    """Return rows with the off-peak price as their base, and rows of peak hours after it.

    Raises
    ------
    _Unusable
        If rows of contexts or tiers would also depend on the hour.
    """
    off_peak = entry.get("off_peak_pricing")
    if off_peak is None:
        return rows
    if not isinstance(off_peak, Mapping) or len(rows) > 1:
        raise _Unusable("prices by the hour together with tiers or contexts")
    low = _rates({key: value for key, value in off_peak.items() if key != "windows"}, place)
    windows = off_peak.get("windows")
    if set(low) != {(None, None)} or not isinstance(windows, list):
        raise _Unusable("prices by the hour in an unknown form")
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
