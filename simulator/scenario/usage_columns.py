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

CONTEXT_NAMES = {"": "standard", "default": "standard", "fast": "priority"}
"""What providers' logs call contexts that are called otherwise here."""

# Lifetimes of other providers: the shorter and the longer one that an offer sells.
_OTHER_NAMES = {
    "cache_write_30m": "cache_write_5m",
    "cache_write_12h": "cache_write_1h",
    "web_searches": "web_search",
    "file_searches": "file_search",
    "maps_searches": "maps_search",
    "code_sessions": "code_session",
}
_PAID = re.compile(r"audio|image|video|search|citation|document|grounding")


def known_columns(names: Iterable[str], place: str = "usage") -> dict[str, str]:
    """Return the columns of a table that are counts, by what they count.

    A column may end in ``_tokens`` or ``_tok``, and lifetimes may be named by what they are.
    ``place`` is where the table is, for messages.

    Raises
    ------
    InputError
        When two columns count the same.
    """
    found: dict[str, str] = {}
    for name in names:
        plain = name.removesuffix("_tokens").removesuffix("_tok")
        plain = _OTHER_NAMES.get(plain, plain)
        if plain not in COUNTS:
            continue
        if plain in found:
            raise InputError(f"{place}: columns {found[plain]!r} and {name!r} both count {plain}")
        found[plain] = name
    return found


def paid_columns(names: Iterable[str], known: Mapping[str, str]) -> list[str]:
    """Return columns whose names speak of what providers bill apart, and that no price covers."""
    taken = set(known.values())
    return [name for name in names if name not in taken and _PAID.search(name.lower())]
