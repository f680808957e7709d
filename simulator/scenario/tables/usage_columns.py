"""Columns of usage tables: what they are called, and what of them no price covers."""

import re
from collections.abc import Iterable, Mapping

from simulator.errors import InputError
from simulator.pricing.billing import MORE

COUNTS = (
    "input_total",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "output_total",
    "reasoning",
    *MORE,
)
"""Counts; the totals include cached, written and reasoning tokens and those of other media, and
the tokens of a medium include its cached ones. Blank is zero."""
REQUIRED = ("offer", "at", "input_total", "output_total")
ADDED = ("cost_usd", "error")
"""Columns that pricing adds; those of an earlier pricing are replaced."""
CONTEXT_NAMES = {"": "standard", "default": "standard", "auto": "standard", "fast": "priority"}
"""What providers' logs call contexts that are called otherwise here."""

# Other names of the same: lifetimes by what they are, and the words of providers' usage reports.
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


def known_columns(names: Iterable[str], place: str = "usage") -> dict[str, str]:
    """Return the columns of a table that are read beside ``offer`` and ``at``, by what they are.

    A column may end in ``_tokens`` or ``_tok`` and have any case, and lifetimes may be named by
    what they are. ``place`` is where the table is, for messages.

    Raises
    ------
    InputError
        When two columns count the same.
    """
    found: dict[str, str] = {}
    for name in names:
        plain = name.strip().lower().removesuffix("_tokens").removesuffix("_tok")
        plain = _OTHER_NAMES.get(plain, plain)
        if plain not in _KNOWN:
            continue
        if plain in found:
            raise InputError(f"{place}: columns {found[plain]!r} and {name!r} both count {plain}")
        found[plain] = name
    return found


def paid_columns(names: Iterable[str], known: Mapping[str, str]) -> list[str]:
    """Return columns whose names speak of what providers bill apart, and that no price covers."""
    taken = set(known.values())
    return [name for name in names if name not in taken and _PAID.search(name.lower())]


def says_something(text: str) -> bool:
    """Whether a cell of such a column counts anything: a number but zero, or a word for yes."""
    if _NOTHING.fullmatch(text):
        return False
    plain = text.strip().lower()
    return plain[0].isdigit() or plain[0] in "+.{[" or plain in ("true", "yes", "batch", "flex")
