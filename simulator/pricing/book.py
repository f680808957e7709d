"""Rate cards from the snapshot of genai-prices (MIT licence)."""

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cache
from importlib.metadata import version
from typing import Any

from simulator.errors import InputError, nearest
from simulator.pricing.lifetimes import NOTHING_KNOWN, Lifetime
from simulator.pricing.rates import RateCard
from simulator.pricing.rows import RateRow
from simulator.units import HOUR_S, MINUTE_S

SNAPSHOT_DATE = date(2026, 11, 23)
"""Day on which the pinned genai-prices snapshot was read."""

# Bucket of each price key of genai-prices that bills tokens, in USD per million.
_BUCKET_OF_KEY = {
    "input_mtok": "input",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
    "output_mtok": "output",
    "output_reasoning_mtok": "reasoning",
    "input_audio_mtok": "input_audio",
    "cache_audio_read_mtok": "cache_read_audio",
    "input_image_mtok": "input_image",
    "cache_image_read_mtok": "cache_read_image",
    "input_video_mtok": "input_video",
    "output_audio_mtok": "output_audio",
    "output_image_mtok": "output_image",
    "output_video_mtok": "output_video",
}
# Bucket of each key that bills per thousand calls; stored as USD per call.
_CALL_OF_KEY = {
    "requests_kcount": "per_request",
    "web_searches_kcount": "web_search",
    "storage_searches_kcount": "file_search",
}


class NoTokenPriceError(InputError):
    """An offer that prices pages, hours or searches, and no tokens."""


@dataclass(frozen=True, slots=True)
class _Tiers:
    base: float
    steps: tuple[tuple[int, float], ...]


def _tiers(price: Any) -> _Tiers:
    if hasattr(price, "tiers"):
        return _Tiers(float(price.base), tuple((t.start, float(t.price)) for t in price.tiers))
    return _Tiers(float(price), ())


def _rows(prices: Any, conditions: dict[str, Any]) -> list[RateRow]:
    """Turn one set of prices into a base row and one row for each tier of prompt length."""
    tiers = {
        bucket: _tiers(value)
        for key, bucket in _BUCKET_OF_KEY.items()
        if (value := vars(prices).get(key)) is not None
    }
    rates = {bucket: tier.base for bucket, tier in tiers.items()}
    for key, bucket in _CALL_OF_KEY.items():
        if (fee := vars(prices).get(key)) is not None:
            rates[bucket] = float(fee) / 1000
    rows = [RateRow(rates, **conditions)]
    starts = sorted({start for t in tiers.values() for start, _ in t.steps})
    inherited = {**conditions, "replaces": False}
    for start in starts:
        stepped = {b: rate for b, t in tiers.items() for s, rate in t.steps if s == start}
        rows.append(RateRow(stepped, prompt_tokens_above=start, **inherited))
    return rows


def _conditions(constraint: Any) -> dict[str, Any]:
    if constraint is None:
        return {}
    if hasattr(constraint, "start_date"):
        return {"from_time": constraint.start_date}
    window = (_utc_seconds(constraint.start_time), _utc_seconds(constraint.end_time))
    return {"utc_window_s": window}


# Contexts by the snapshot's names for service tiers; a fast mode counts as priority.
_CONTEXT_OF = {
    ("processing", "batch"): "batch",
    ("service_tier", "flex"): "flex",
    ("service_tier", "priority"): "priority",
    ("speed", "fast"): "priority",
}

# Redundant variants: the standard price, and priority by its newer name.
_REDUNDANT = (("service_tier", "default"), ("service_tier", "fast"))


def _variant_rows(model: Any) -> list[RateRow]:
    """Return the rows of batch, flex and priority prices; the snapshot's first variant wins."""
    rows: list[RateRow] = []
    for variant in reversed(model.price_variants or ()):
        when = tuple(variant.when.items())
        context = _CONTEXT_OF.get(when[0]) if len(when) == 1 else None
        if context is not None:
            rows += _rows(variant.prices, {**_conditions(variant.constraint), "context": context})
    return rows


def _utc_seconds(clock: time) -> float:
    moment = datetime.combine(date(2000, 1, 3), clock)
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC)
    return moment.hour * HOUR_S + moment.minute * MINUTE_S + moment.second


@cache
def snapshot_models() -> dict[str, Any]:
    """Return the models of the snapshot by the names ``provider/model`` of their offers."""
    from genai_prices.data import providers

    return {f"{p.id}/{m.id}": m for p in providers for m in p.models}


@cache
def _snapshot_name() -> str:
    return f"genai-prices {version('genai-prices')}"


def snapshot_offers() -> list[str]:
    """Return the names ``provider/model`` of every offer in the snapshot."""
    return sorted(snapshot_models())


def snapshot_card(offer: str) -> RateCard:
    """Return the rate card of one offer of the genai-prices snapshot.

    Raises
    ------
    InputError
        If the snapshot does not have the offer, or no token price of it.
    """
    model = snapshot_models().get(offer)
    if model is None:
        raise InputError(f"unknown offer {offer!r}{nearest(offer, snapshot_offers())}")
    card = model_card(offer, model, SNAPSHOT_DATE, _snapshot_name())
    if card is None:
        raise NoTokenPriceError(f"{offer} has no token price in the price book")
    return card


def model_card(offer: str, model: Any, as_of: date, source: str) -> RateCard | None:
    """Return the rate card of a model of genai-prices, None if it has no token price."""
    prices = model.prices
    parts = (
        [(None, prices)]
        if not isinstance(prices, list)
        else [(conditional.constraint, conditional.prices) for conditional in prices]
    )
    rows = [
        row
        for index, (constraint, part) in enumerate(parts)
        for row in _rows(part, {**_conditions(constraint), "replaces": index > 0})
    ]
    rows = [row for row in rows if row.rates]
    if not any(bucket in row.rates for row in rows for bucket in ("input", "output")):
        return None
    rows += _variant_rows(model)
    window = model.context_window
    if any(row.tiered and (row.prompt_tokens_above or 0) >= (window or math.inf) for row in rows):
        window = None  # today's window; it was longer when the tier was sold
    return RateCard(
        offer,
        tuple(rows),
        as_of,
        source,
        window,
        lifetime=Lifetime(deprecated=True, source=source) if model.deprecated else NOTHING_KNOWN,
        left_out=_left_out(model, [part for _, part in parts]),
    )


def _left_out(model: Any, parts: list[Any]) -> tuple[str, ...]:
    """Return the price keys and service tiers of a model that no bucket or context covers."""
    variants = model.price_variants or ()
    keys = {key for p in (*parts, *(v.prices for v in variants)) for key, v in vars(p).items()
            if v is not None}  # fmt: skip
    served = {
        f"{key}={value}"
        for variant in variants
        for key, value in variant.when.items()
        if (key, value) not in _CONTEXT_OF and (key, value) not in _REDUNDANT
    }
    return tuple(sorted((keys - set(_BUCKET_OF_KEY) - set(_CALL_OF_KEY)) | served))
