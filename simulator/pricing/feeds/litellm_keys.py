"""Keys of LiteLLM's price map: what each prices, and what an unread one means for a text call."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

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
    "cache_read_input_image_token_cost": "cache_read_image",
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
_TIER = re.compile(r"_above_(\d{1,7})(k?)_tokens")
# Keys that repeat others, such as prices in Databricks units, or that are read separately.
_READ_SEPARATELY = frozenset(
    {
        "input_cost_per_token_cache_hit",
        "input_dbu_cost_per_token",
        "output_dbu_cost_per_token",
        "search_context_cost_per_query",
        "off_peak_pricing",
        "tiered_pricing",
    }
)
_BILLED = ("cost", "pric", "uplift", "free_requests")
"""Words in keys that affect a bill."""
# Further service tiers and APIs that are sold under the same name. A call of these is an error, and
# their price does not change that of other calls.
_SOLD_APART = ("_balanced", "_decisions")
_OTHER_UNITS = re.compile(r"audio|image|video|character|query|page|pixel")
# Prices that every call pays, in addition to its tokens or instead of them.
_PER_CALL = re.compile(r"(?:^|_)cost_per_(?:second|text_message)$")


@dataclass(frozen=True, slots=True)
class Key:
    """Bucket and conditions that a key prices."""

    bucket: str
    context: str | None
    above: int | None


@dataclass(frozen=True, slots=True)
class Unread:
    """Keys of prices that the reader does not understand."""

    of_text: tuple[str, ...]
    """Keys that may change the price of a call with text only."""
    other: tuple[str, ...]
    """Keys of other media, units, service tiers and surcharges."""


def parse_key(key: str) -> Key | None:
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
    if not tiers:
        return Key(bucket, context, None)
    number, thousands = tiers[0]
    return Key(bucket, context, int(number) * (1000 if thousands else 1))


def priced_keys(entry: Mapping[str, Any]) -> Iterable[tuple[str, Key, Any]]:
    """Yield the keys with a known meaning, what they price, and their value."""
    for key, value in entry.items():
        if value is not None and key not in _READ_SEPARATELY and (parsed := parse_key(key)):
            yield key, parsed, value


def unread_keys(entry: Mapping[str, Any]) -> Unread:
    """Return the keys of an entry, and of its ranges and hours, that price something unknown."""
    ranges = entry.get("tiered_pricing")
    hours = entry.get("off_peak_pricing")
    parts = [entry, *(ranges if isinstance(ranges, list) else []), hours]
    keys = {
        key: value
        for part in parts
        if isinstance(part, Mapping)
        for key, value in part.items()
        if value is not None and key not in _READ_SEPARATELY and parse_key(key) is None
    }
    of_text = [key for key, value in keys.items() if _changes_text(key, value)]
    other = [
        key
        for key, value in keys.items()
        if key not in of_text and value != 0 and any(word in key for word in _BILLED)
    ]
    return Unread(tuple(of_text), tuple(other))


def _changes_text(key: str, value: Any) -> bool:
    """Return whether a key that is not understood may change the price of a text call."""
    if _PER_CALL.search(key):
        return bool(value)
    priced = "token" in key and ("cost" in key or "pric" in key)
    return priced and not _OTHER_UNITS.search(key) and not key.endswith(_SOLD_APART)
