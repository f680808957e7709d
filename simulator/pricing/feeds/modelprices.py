"""Reader of model-prices' snapshot: dated prices of models by lab and service tier."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from simulator.errors import InputError
from simulator.files.numbers import abbreviated, must_be
from simulator.pricing.feeds.conventions import tier_row
from simulator.pricing.feeds.feed import Facts, Feed, LeftOut, book_name
from simulator.pricing.holidays import CALENDARS
from simulator.pricing.lifetimes import NOTHING_KNOWN, Lifetime
from simulator.pricing.rates import RateCard
from simulator.pricing.rows import RateRow
from simulator.units import MINUTE_S

# Conditions of the prices of a mode.
_MODES: dict[str, dict[str, Any]] = {
    "standard": {}, "batch": {"context": "batch"}, "flex": {"context": "flex"},
    "fast": {"context": "priority"}, "ultrafast": {"context": "ultrafast"},
    "thinking": {"thinking": True},
}  # fmt: skip
_BUCKETS = ("input", "cache_read", "cache_write", "output")
_READ_SEPARATELY = ("cache_write_1h_multiple", "tiers", "above")
_MOST_USD_PER_MTOK = 1e12
_MOST_TOK = 1e12
_MOST_FACTOR = 1e3
_YEARS = (1970, 2200)


def is_model_prices(raw: Any) -> bool:
    """Return whether parsed JSON is a snapshot of model-prices."""
    return isinstance(raw, Mapping) and isinstance(raw.get("prices"), Mapping) and "schema" in raw


def model_prices_feed(raw: Mapping[str, Any], name: str, as_of: date) -> Feed:
    """Read a parsed snapshot.

    Raises
    ------
    InputError
        If it does not have the form of the first schema.
    """
    cards, facts, left_out = {}, {}, LeftOut()
    try:
        schedules = raw["schedules"]["schedule"]
        for provider, models in raw["prices"].items():
            for model, modes in models.items():
                offer = book_name(f"{provider}/{model}")
                rows = _rows(offer, modes)
                unknown = _unknown_key(modes)
                if not rows or unknown is not None:
                    why = f"unknown key {unknown}" if rows else "no price of tokens"
                    left_out.offer(offer, why)
                    continue
                for mode in modes:
                    if mode not in _MODES:
                        left_out.price(offer, f"mode {abbreviated(mode)}".replace("'", ""))
                rows += _hours(rows, provider, model, schedules)
                source = f"model-prices file {name}"
                deprecated = bool(raw.get("status", {}).get(provider, {}).get(model))
                lifetime = Lifetime(deprecated=True, source=source) if deprecated else NOTHING_KNOWN
                cards[offer] = RateCard(offer, tuple(rows), as_of, source, lifetime=lifetime)
                facts[offer] = Facts(deprecated=deprecated)
    except (AttributeError, KeyError, LookupError, TypeError, ValueError) as error:
        first = (str(error) or type(error).__name__).splitlines()[0][:100]
        raise InputError(f"{name}: not a snapshot of model-prices: {first}") from None
    return Feed(name, "model-prices", cards, facts, left_out, whole=False)


def _unknown_key(modes: Mapping[str, Any]) -> str | None:
    """Return a key with a number that is not understood, of the modes that are read."""
    known = (*_BUCKETS, *_READ_SEPARATELY)
    for mode in _MODES:
        for entry in modes.get(mode, ()):
            rates = entry["rates"] or {}
            for part in (rates, *rates.get("tiers", ())):
                for key, value in part.items():
                    if isinstance(value, int | float) and key not in known:
                        return str(key)
    return None


def _rows(offer: str, modes: Mapping[str, Any]) -> list[RateRow]:
    """Return rows of the standard price, each set replacing the one before, then of other modes."""
    rows: list[RateRow] = []
    for mode in sorted(modes, key=lambda m: m != "standard"):
        if mode not in _MODES:
            continue
        entries = modes[mode]
        ends = [entry["start"] for entry in entries[1:]] + [None]
        for entry, end in zip(entries, ends, strict=True):
            if entry["rates"] is None:
                continue
            conditions: dict[str, Any] = {"from_time": _moment(entry["start"]), **_MODES[mode]}
            if mode != "standard":
                conditions["until_time"] = _moment(end)
            replaces = mode == "standard" and bool(rows)
            rows += _set_rows(offer, entry["rates"], conditions, replaces)
    return rows if rows and rows[0].context is None and rows[0].thinking is None else []


def _set_rows(
    offer: str, rates: Mapping[str, Any], conditions: dict[str, Any], replaces: bool
) -> list[RateRow]:
    base = RateRow(_usd(rates), replaces=replaces, **conditions)
    long = {"cache_write_1h_multiple": rates.get("cache_write_1h_multiple")}
    tiers = [
        tier_row(offer, _usd({**long, **tier}), _tokens(tier["above"]), **conditions)
        for tier in rates.get("tiers", ())
    ]
    return [base, *tiers]


def _usd(rates: Mapping[str, Any]) -> dict[str, float]:
    by_bucket = {}
    for bucket in _BUCKETS:
        if rates.get(bucket) is not None:
            usd = float(rates[bucket])
            if not 0 <= usd <= _MOST_USD_PER_MTOK:
                raise ValueError(must_be(bucket, "a price", usd))
            by_bucket[bucket] = float(f"{usd:.12g}")
    multiple = rates.get("cache_write_1h_multiple")
    if multiple is not None and "cache_write" in by_bucket and "input" in by_bucket:
        by_bucket["cache_write_1h"] = float(f"{_share(multiple) * by_bucket['input']:.12g}")
    return by_bucket


def _tokens(value: Any) -> int:
    if not 1 <= float(value) <= _MOST_TOK:
        raise ValueError(f"a tier must start at a number of tokens, not {abbreviated(value)}")
    return int(value)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    if not _YEARS[0] <= moment.year <= _YEARS[1]:
        raise ValueError(f"{abbreviated(text)} is not the date of a price")
    return moment


def _hours(
    rows: list[RateRow], provider: str, model: str, schedules: list[Mapping[str, Any]]
) -> list[RateRow]:
    """Return rows of peak and off-peak hours, as multiples of the standard price."""
    rows_of_hours = []
    for schedule in schedules:
        if schedule["provider"] != provider or (
            schedule.get("models") and model not in schedule["models"]
        ):
            continue
        for kind in ("peak", "off_peak"):
            factor = _factor(schedule.get(f"{kind}_multiplier"), model)
            if factor is None:
                continue
            for begin, end in schedule[f"{kind}_hours_utc"]:
                window = (_minutes(begin) * MINUTE_S, _minutes(end) * MINUTE_S)
                rows_of_hours += [
                    _at_hours(row, schedule, window, factor) for row in rows if row.context is None
                ]
    return [row for row in rows_of_hours if row.lasts]


def _factor(multiplier: Any, model: str) -> float | None:
    """Return the factor of a schedule on a model's price; it may be given by model."""
    value = multiplier.get(model) if isinstance(multiplier, Mapping) else multiplier
    return None if value is None else _share(value)


def _share(value: Any) -> float:
    if not 0 <= float(value) <= _MOST_FACTOR:
        raise ValueError(must_be("a multiple of a price", "a small number", value))
    return float(value)


def _at_hours(
    row: RateRow, schedule: Mapping[str, Any], window: tuple[float, float], factor: float
) -> RateRow:
    rates = {bucket: float(f"{usd * factor:.12g}") for bucket, usd in row.rates.items()}
    narrowed = row.between(_moment(schedule["valid_from"]), _moment(schedule.get("valid_until")))
    return replace(
        narrowed,
        rates=rates,
        replaces=False,
        utc_window_s=window,
        utc_days=frozenset(range(5)) if schedule.get("weekdays_only") else None,
        not_on=CALENDARS["china"] if schedule.get("holidays") == "cn" else frozenset(),
    )


def _minutes(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:])
