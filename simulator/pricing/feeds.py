"""Price files of others, as rate cards: genai-prices' data file and LiteLLM's price map."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from simulator.errors import InputError
from simulator.pricing.book import model_card
from simulator.pricing.rates import RateCard, RateRow
from simulator.units import MTOK

# Keys of LiteLLM's map that price text tokens, per token; `_above_200k_tokens` and the names of
# contexts stand behind them.
_LITELLM_BUCKETS = {
    "input_cost_per_token": "input",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h",
    "output_cost_per_token": "output",
    "output_cost_per_reasoning_token": "reasoning",
}
_LITELLM_CONTEXTS = {"batches": "batch", "flex": "flex", "priority": "priority"}
_LITELLM_MODES = ("chat", "completion", "responses", "embedding")
_MOST_USD_PER_TOKEN = 1e6
_MOST_CONTEXT_TOK = 1e12


def feed_cards(raw: Any, name: str, as_of: date) -> dict[str, RateCard]:
    """Return the rate cards of a price file.

    Parameters
    ----------
    raw
        Parsed JSON: a list of providers is genai-prices', a mapping of models is LiteLLM's.
    name : str
        What the file is called, for messages and as the source.
    as_of : date
        Day of which its prices are.

    Raises
    ------
    InputError
        When it is neither, or holds no token price.
    """
    if isinstance(raw, list):
        cards = _genai_cards(raw, name, as_of)
    elif isinstance(raw, Mapping) and any(
        isinstance(entry, Mapping) and "litellm_provider" in entry for entry in raw.values()
    ):
        cards = _litellm_cards(raw, name, as_of)
    else:
        raise InputError(f"{name}: neither genai-prices' data file nor LiteLLM's price map")
    if not cards:
        raise InputError(f"{name}: no token prices in it")
    return cards


def _genai_cards(raw: list[Any], name: str, as_of: date) -> dict[str, RateCard]:
    # The package reads its own newer files; it has no public name for that.
    from genai_prices.types import _providers_from_raw

    try:
        providers = _providers_from_raw(raw)
    except (
        ArithmeticError, AssertionError, AttributeError, LookupError, StopIteration, TypeError,
        ValueError,
    ) as error:  # fmt: skip
        first = (str(error) or type(error).__name__).splitlines()[0][:100]
        raise InputError(f"{name}: not a price file of genai-prices: {first}") from None
    cards = {}
    for provider in providers:
        for model in provider.models:
            offer = f"{provider.id}/{model.id}"
            card = model_card(offer, model, as_of, f"genai-prices file {name}")
            if card is not None:
                cards[offer] = card
    return cards


def _litellm_cards(raw: Mapping[str, Any], name: str, as_of: date) -> dict[str, RateCard]:
    cards = {}
    for key, entry in raw.items():
        if not isinstance(entry, Mapping) or entry.get("mode") not in _LITELLM_MODES:
            continue
        provider = str(entry.get("litellm_provider", ""))
        offer = key if key.startswith(f"{provider}/") else f"{provider}/{key}"
        rows = _litellm_rows(entry, f"{name}: {key}")
        if rows:
            context_tok = _litellm_context(entry.get("max_input_tokens"), f"{name}: {key}")
            cards[offer] = RateCard(offer, tuple(rows), as_of, f"LiteLLM file {name}", context_tok)
    return cards


def _litellm_context(window: Any, place: str) -> int | None:
    """Tokens that a prompt may have; the map leaves it out, writes 0 or a text where it is open."""
    if isinstance(window, bool) or not isinstance(window, int | float) or window == 0:
        return None
    if not 1 <= window <= _MOST_CONTEXT_TOK:
        raise InputError(
            f"{place}: max_input_tokens must be a number of tokens, not {_told(window)}"
        )
    return int(window)


def _litellm_rows(entry: Mapping[str, Any], place: str) -> list[RateRow]:
    """Base rates first, then contexts, then the tiers of each."""
    found: dict[tuple[str | None, int | None], dict[str, float]] = {}
    for key, value in entry.items():
        parsed = _litellm_key(key)
        if parsed is None or value is None:
            continue
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not 0 <= value <= _MOST_USD_PER_TOKEN
        ):
            most = f"{_MOST_USD_PER_TOKEN:,.0f}"
            raise InputError(
                f"{place}: {key} must be a number, 0 or more and at most {most}, not {_told(value)}"
            )
        bucket, context, above = parsed
        found.setdefault((context, above), {})[bucket] = value * MTOK
    if (None, None) not in found:
        return []
    order = sorted(found, key=lambda k: (k[0] or "", k[1] or 0))
    return [
        RateRow(found[context, above], prompt_tokens_above=above, context=context)
        for context, above in order
    ]


def _told(value: Any) -> str:
    """Return a value for a message: on one line, and no longer than that."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."


def _litellm_key(key: str) -> tuple[str, str | None, int | None] | None:
    """Bucket, context and tier that a key prices; None for keys of other things."""
    stem, context, above = key, None, None
    for suffix, name in _LITELLM_CONTEXTS.items():
        if stem.endswith(f"_{suffix}"):
            stem, context = stem.removesuffix(f"_{suffix}"), name
    head, separator, tail = stem.partition("_above_")
    if separator and tail.endswith("k_tokens") and tail.removesuffix("k_tokens").isdigit():
        stem, above = head, int(tail.removesuffix("k_tokens")) * 1000
    bucket = _LITELLM_BUCKETS.get(stem)
    return None if bucket is None else (bucket, context, above)


def names_like_the_book(raw: Any) -> bool:
    """Whether a price file calls offers as the book does; LiteLLM calls many otherwise."""
    return isinstance(raw, list)


def changes(
    before: Mapping[str, RateCard], after: Mapping[str, RateCard], same_names: bool = True
) -> list[dict[str, Any]]:
    """Return what differs between two sets of rate cards, offer by offer and rate by rate.

    Where the two do not call offers alike, only offers that both know are compared.
    """
    found: list[dict[str, Any]] = []
    for offer in sorted({*before, *after} if same_names else {*before}.intersection(after)):
        old, new = before.get(offer), after.get(offer)
        if old is None or new is None:
            found.append({"offer": offer, "change": "new" if old is None else "gone"})
            continue
        ours, theirs = _flat(old), _flat(new)
        for condition, bucket in sorted({*ours, *theirs}):
            was, is_ = ours.get((condition, bucket)), theirs.get((condition, bucket))
            same = was is not None and is_ is not None and abs(was - is_) <= 1e-9 * max(was, is_)
            if not same:
                rate = {"bucket": bucket, "when": condition, "before": was, "after": is_}
                found.append({"offer": offer, "change": "rate", **rate})
    return found


def _flat(card: RateCard) -> dict[tuple[str, str], float]:
    """Rates by condition and bucket."""
    return {
        (", ".join(row.conditions()) or "always", bucket): rate
        for row in card.rows
        for bucket, rate in row.rates.items()
    }
