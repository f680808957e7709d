"""Columns of usage tables: their names, and columns that no price covers."""

import re
from collections.abc import Iterable, Mapping

from simulator.errors import InputError, nearest
from simulator.pricing.billing import MORE
from simulator.pricing.rows import CONTEXTS

COUNTS = (
    "input_total",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "output_total",
    "reasoning",
    *MORE,
)
"""Columns of counts. Totals include cached, written and reasoning tokens and those of other media,
and the tokens of a medium include its cached ones. A blank cell is 0."""
REQUIRED = ("offer", "at", "input_total", "output_total")
ADDED = ("cost_usd", "error")
"""Columns that pricing adds; they replace those of an earlier pricing."""
CONTEXT_NAMES = {"": "standard", "default": "standard", "auto": "standard", "fast": "priority"}
"""Names of contexts in the logs of providers, if they differ from those of the price book."""

# Aliases: cache writes by their lifetimes, and the words of providers' usage reports.
_OTHER_NAMES = {
    "cache_write": "cache_write_5m",
    "cache_write_30m": "cache_write_5m",
    "cache_write_12h": "cache_write_1h",
    "cache_creation_input": "cache_write_5m",
    "cache_read_input": "cache_read",
    "cached": "cache_read",
    "cached_input": "cache_read",
    "web_searches": "web_search",
    "file_searches": "file_search",
    "maps_searches": "maps_search",
    "code_sessions": "code_session",
    "service_tier": "context",
}
_KNOWN = (*COUNTS, "context")
_PAID = re.compile(
    r"audio|image|video|search|citation|document|grounding|cach|reason|think|service_?tier"
)
_NOTHING = re.compile(r"\s*(?:[+-]?0*\.?0*(?:e[+-]?\d+)?|none|null|nan|na|n/a|false|-)?\s*", re.I)


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


def paid_columns(names: Iterable[str], known: Mapping[str, str]) -> list[str]:
    """Return unknown columns whose names suggest something that providers bill separately."""
    read = set(known.values())
    return [name for name in names if name not in read and _PAID.search(name.lower())]


def counts_something(text: str) -> bool:
    """Return whether a cell of such a column counts anything: a number above zero, or a yes."""
    if _NOTHING.fullmatch(text):
        return False
    plain = text.strip().lower()
    return plain[0].isdigit() or plain[0] in "+.{[" or plain in ("true", "yes", "batch", "flex")


def unknown_paid_column(name: str) -> str:
    """Return the reason why a row that counts something in such a column cannot be priced."""
    reason = f"column {name!r} is unknown, and may count something that is billed separately"
    return reason + nearest(name, list(COUNTS))


def unknown_context(text: str) -> str:
    """Return the reason why a row with an unknown context cannot be priced."""
    return f"unknown context {text!r}{nearest(text, list(CONTEXTS))}"
