"""Columns of usage tables: their names, and columns that no price covers."""

import re
from collections.abc import Container, Iterable, Mapping

from simulator.errors import InputError, nearest
from simulator.files.numbers import must_be
from simulator.pricing.billing import MORE
from simulator.pricing.rows import CONTEXTS
from simulator.pricing.sums import NO_LIMIT_TOK

COUNTS = (
    "input_total",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "output_total",
    "reasoning",
    "total",
    *MORE,
)
"""Columns of counts. Totals include cached, written and reasoning tokens and those of other media,
and the tokens of a medium include its cached ones; ``total`` is input and output. A blank cell is
0."""
REQUIRED = ("offer", "at", "input_total", "output_total")
_ADDED = ("cost_usd", "error")
_ADDED_TO_SUMS = ("cost_usd", "cost_low_usd", "cost_high_usd", "depends_on", "error")
SUMS = ("requests", "until", "context_window")
"""Columns that make rows sums of calls."""
CONTEXT_NAMES = {"": "standard", "default": "standard", "auto": "standard", "fast": "priority"}
"""Names of contexts in the logs of providers, if they differ from those of the price book."""

# Aliases: cache writes by their lifetimes, and the words of providers' usage reports.
_OTHER_NAMES = {
    "cache_write": "cache_write_5m",
    "cache_write_30m": "cache_write_5m",
    "cache_write_12h": "cache_write_1h",
    "cache_creation_input": "cache_write_5m",
    "input_cache_write": "cache_write_5m",
    "cache_read_input": "cache_read",
    "cached": "cache_read",
    "cached_input": "cache_read",
    "input_cached": "cache_read",
    **{
        name: f"cache_read_{medium}"
        for medium in ("audio", "image")
        for name in (
            f"cached_{medium}",
            f"cached_input_{medium}",
            f"cached_{medium}_input",
            f"input_cached_{medium}",
            f"cache_read_input_{medium}",
        )
    },
    **{
        name: f"{side}_{medium}"
        for medium in ("audio", "image", "video")
        for side, prompt in (("input", "prompt"), ("output", "completion"))
        for name in (f"{medium}_{side}", f"{prompt}_{medium}", f"{medium}_{prompt}")
        if f"{side}_{medium}" in MORE
    },
    "web_searches": "web_search",
    "file_searches": "file_search",
    "maps_searches": "maps_search",
    "code_sessions": "code_session",
    "service_tier": "context",
    "num_model_requests": "requests",
    "num_requests": "requests",
    "request_count": "requests",
    "model_requests": "requests",
    "period_end": "until",
    "ending_at": "until",
}
_KNOWN = (*COUNTS, "context", "batch", *SUMS)
_PAID = re.compile(
    r"audio|image|video|search|citation|document|grounding|cach|reason|think|service_?tier"
)
_TOKENS = re.compile(r"token|(?:^|_)tok(?:_|$)")
_NO_COUNT = re.compile(r"_per_|max_|limit|budget|cost|price|usd|tokenizer|_ids?$|_name$|_type$")
_NOTHING = re.compile(r"\s*(?:[+-]?0*\.?0*(?:e[+-]?\d+)?|none|null|nan|na|n/a|false|-)?\s*", re.I)
_WINDOW = re.compile(r"(\d{1,9})([km]?)\s*-\s*(\d{1,9})([km]?)", re.I)
_FACTORS = {"": 1, "k": 1000, "m": 1_000_000}
_YES, _NO = ("true", "1", "yes", "batch"), ("", "false", "0", "no", "none", "null")


def added_columns(known: Container[str]) -> tuple[str, ...]:
    """Return the columns that pricing adds; they replace those of an earlier pricing."""
    return _ADDED_TO_SUMS if any(name in known for name in SUMS) else _ADDED


def known_columns(names: Iterable[str], location: str = "usage") -> dict[str, str]:
    """Return the table's names of the counts and the context, by the names used here.

    The name of a column may end in ``_tokens`` or ``_tok``, may have any case, and may be an alias
    such as a lifetime. ``location`` is that of the table, for messages.

    Raises
    ------
    InputError
        When two columns count the same.
    """
    columns: dict[str, str] = {}
    for name in names:
        plain = name.strip().lower().removesuffix("_tokens").removesuffix("_tok")
        plain = _OTHER_NAMES.get(plain, plain)
        if plain not in _KNOWN:
            continue
        if plain in columns:
            raise InputError(
                f"{location}: columns {columns[plain]!r} and {name!r} both count {plain}"
            )
        columns[plain] = name
    return columns


def has_service_tiers(known: Mapping[str, str]) -> bool:
    """Return whether a table has the providers' service tiers, instead of the book's contexts."""
    return known.get("context", "").strip().lower() == "service_tier"


def unread_columns(names: Iterable[str], known: Mapping[str, str]) -> dict[str, str]:
    """Return columns that are not read and may be paid for, each with the reason to refuse a row.

    Their names suggest something that providers bill separately, or a number of tokens.
    """
    read = set(known.values())
    reasons = {}
    for name in names:
        plain = name.lower()
        if name in read:
            continue
        if _PAID.search(plain):
            reasons[name] = f"column {name!r} is unknown, and may count something that is billed "
            reasons[name] += "separately" + nearest(name, list(COUNTS))
        elif _TOKENS.search(plain) and not _NO_COUNT.search(plain):
            reasons[name] = f"column {name!r} looks like a number of tokens and is not read"
            reasons[name] += nearest(name, list(COUNTS))
    return reasons


def counts_something(text: str) -> bool:
    """Return whether a cell of such a column counts anything: a number above zero, or a yes."""
    if _NOTHING.fullmatch(text):
        return False
    plain = text.strip().lower()
    return plain[0].isdigit() or plain[0] in "+.{[" or plain in ("true", "yes", "batch", "flex")


def context_of(text: str, batch: str) -> int:
    """Return the index in ``CONTEXTS`` of a row's service tier and of its column ``batch``.

    Raises
    ------
    InputError
        When the context is unknown, or the two contradict each other.
    """
    name = CONTEXT_NAMES.get(text, text)
    if name not in CONTEXTS:
        raise InputError(f"unknown context {text!r}{nearest(text, list(CONTEXTS))}")
    plain = batch.strip().lower()
    if plain not in (*_YES, *_NO):
        raise InputError(must_be("batch", "true or false", batch))
    in_batch = plain in _YES
    if in_batch and name not in ("standard", "batch"):
        raise InputError(f"batch is {batch}, and the context is {name}")
    return CONTEXTS.index("batch" if in_batch else name)


def prompt_range(window: str) -> tuple[int, int]:
    """Return the shortest and longest prompt [tokens] of a context window, such as 200k-1M.

    The lower end belongs to the window below, as in Anthropic's usage reports, whose long prompts
    begin above 200,000 tokens. Blank means any prompt.

    Raises
    ------
    InputError
        When the text is no range.
    """
    if not window.strip():
        return 0, NO_LIMIT_TOK
    match = _WINDOW.fullmatch(window.strip())
    if match is None:
        raise InputError(must_be("context_window", "a range, such as 0-200k or 200k-1M", window))
    low, high = (int(match[k]) * _FACTORS[match[k + 1].lower()] for k in (1, 3))
    if low >= high:
        raise InputError(must_be("context_window", "a range, such as 0-200k or 200k-1M", window))
    return (low + 1 if low else 0), high
