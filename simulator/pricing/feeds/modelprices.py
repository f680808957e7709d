"""model-prices' snapshot: the dated prices of every model of a lab, by how it is served."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from simulator.errors import InputError
from simulator.pricing.feeds.feed import Facts, Feed, book_name, told
from simulator.pricing.holidays import CALENDARS
from simulator.pricing.lifetimes import NOTHING_KNOWN, Lifetime
from simulator.pricing.rates import RateCard
from simulator.pricing.rows import RateRow
from simulator.units import MINUTE_S

_CONTEXTS = {
    "standard": None, "batch": "batch", "flex": "flex", "fast": "priority",
    "ultrafast": "ultrafast",
}  # fmt: skip
_BUCKETS = ("input", "cache_read", "cache_write", "output")
_MOST_USD_PER_MTOK = 1e12
_MOST_TOK = 1e12
_MOST_FACTOR = 1e3
_YEARS = (1970, 2200)


def is_model_prices(raw: Any) -> bool:
    """Whether parsed JSON is such a snapshot."""
    return isinstance(raw, Mapping) and isinstance(raw.get("prices"), Mapping) and "schema" in raw


def model_prices_feed(raw: Mapping[str, Any], name: str, as_of: date) -> Feed:
    """Read a snapshot.

    Raises
    ------
    InputError
        When it is of another form than that of its first schema.
    """
    cards, facts = {}, {}
    left_out: Counter[str] = Counter()
    try:
        schedules = raw["schedules"]["schedule"]
        for provider, models in raw["prices"].items():
            for model, modes in models.items():
                offer = book_name(f"{provider}/{model}")
                rows = _rows(modes, left_out)
                if not rows:
                    left_out["offers without a token price"] += 1
                    continue
                rows += _hours(rows, provider, model, schedules)
                source = f"model-prices file {name}"
                gone = bool(raw.get("status", {}).get(provider, {}).get(model))
                life = Lifetime(deprecated=True, source=source) if gone else NOTHING_KNOWN
                cards[offer] = RateCard(offer, tuple(rows), as_of, source, lifetime=life)
                facts[offer] = Facts(deprecated=gone)
    except (AttributeError, KeyError, LookupError, TypeError, ValueError) as error:
        first = (str(error) or type(error).__name__).splitlines()[0][:100]
        raise InputError(f"{name}: not a snapshot of model-prices: {first}") from None
    return Feed(name, "model-prices", cards, facts, left_out, whole=False)


def _rows(modes: Mapping[str, Any], left_out: Counter[str]) -> list[RateRow]:
    """Rows of the standard price, each set in the place of the one before, then of the contexts."""
    rows: list[RateRow] = []
    for mode in sorted(modes, key=lambda m: m != "standard"):
        if mode not in _CONTEXTS:
            left_out[f"prices of mode {told(mode)}"] += 1
            continue
        entries = modes[mode]
        ends = [entry["start"] for entry in entries[1:]] + [None]
        for entry, end in zip(entries, ends, strict=True):
            if entry["rates"] is None:
                continue
            begin = _moment(entry["start"])
            if mode == "standard":
                rows += _set(entry["rates"], None, begin, None, bool(rows))
            else:
                rows += _set(entry["rates"], _CONTEXTS[mode], begin, _moment(end), False)
    return rows if rows and rows[0].context is None else []


def _set(
    rates: Mapping[str, Any],
    context: str | None,
    begin: date | None,
    end: date | None,
    replaces: bool,
) -> list[RateRow]:
    said: dict[str, Any] = {"context": context, "from_time": begin, "until_time": end}
    base = RateRow(_usd(rates), replaces=replaces, **said)
    long = {"cache_write_1h_multiple": rates.get("cache_write_1h_multiple")}
    tiers = [
        RateRow(_usd({**long, **tier}), prompt_tokens_above=_tokens(tier["above"]), **said)
        for tier in rates.get("tiers", ())
    ]
    return [base, *tiers]


def _usd(rates: Mapping[str, Any]) -> dict[str, float]:
    found = {}
    for bucket in _BUCKETS:
        if rates.get(bucket) is not None:
            usd = float(rates[bucket])
            if not 0 <= usd <= _MOST_USD_PER_MTOK:
                raise ValueError(f"{bucket} must be a price, not {usd}")
            found[bucket] = float(f"{usd:.12g}")
    multiple = rates.get("cache_write_1h_multiple")
    if multiple is not None and "cache_write" in found and "input" in found:
        found["cache_write_1h"] = float(f"{_share(multiple) * found['input']:.12g}")
    return found


def _tokens(value: Any) -> int:
    if not 1 <= float(value) <= _MOST_TOK:
        raise ValueError(f"a tier must begin at a number of tokens, not {told(value)}")
    return int(value)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    found = datetime.fromisoformat(text)
    if not _YEARS[0] <= found.year <= _YEARS[1]:
        raise ValueError(f"{told(text)} is no day of a price")
    return found


def _hours(
    rows: list[RateRow], provider: str, model: str, schedules: list[Mapping[str, Any]]
) -> list[RateRow]:
    """Rows of hours with a price of their own: a multiple of the standard price of the day."""
    found = []
    for said in schedules:
        if said["provider"] != provider or (said.get("models") and model not in said["models"]):
            continue
        for kind in ("peak", "off_peak"):
            factor = _factor(said.get(f"{kind}_multiplier"), model)
            if factor is None:
                continue
            for begin, end in said[f"{kind}_hours_utc"]:
                window = (_minutes(begin) * MINUTE_S, _minutes(end) * MINUTE_S)
                found += [
                    _at_hours(row, said, window, factor) for row in rows if row.context is None
                ]
    return [row for row in found if row.lasts]


def _factor(said: Any, model: str) -> float | None:
    """Return what a schedule multiplies a model's price with; some name it by model."""
    value = said.get(model) if isinstance(said, Mapping) else said
    return None if value is None else _share(value)


def _share(value: Any) -> float:
    if not 0 <= float(value) <= _MOST_FACTOR:
        raise ValueError(f"a multiple of a price must be a small number, not {told(value)}")
    return float(value)


def _at_hours(
    row: RateRow, said: Mapping[str, Any], window: tuple[float, float], factor: float
) -> RateRow:
    rates = {bucket: float(f"{usd * factor:.12g}") for bucket, usd in row.rates.items()}
    narrowed = row.between(_moment(said["valid_from"]), _moment(said.get("valid_until")))
    return replace(
        narrowed,
        rates=rates,
        replaces=False,
        utc_window_s=window,
        utc_days=frozenset(range(5)) if said.get("weekdays_only") else None,
        not_on=CALENDARS["china"] if said.get("holidays") == "cn" else frozenset(),
    )


def _minutes(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:])
