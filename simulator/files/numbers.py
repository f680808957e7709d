"""Numbers in tables and records that others wrote, and messages about values that are refused.

Readers put the location before a message.
"""

import math
from typing import Any

_MOST_SHOWN_CHARS = 40


def number_or_nan(value: Any) -> float:
    """Return a finite number from a number or a text, and NaN from anything else."""
    if isinstance(value, bool):
        return math.nan
    try:
        number = float(value)
    except (ValueError, TypeError, OverflowError):  # OverflowError: a whole number above 1e308
        return math.nan
    return number if math.isfinite(number) else math.nan


def must_be(name: str, expected: str, value: Any) -> str:
    """Return the message about a field whose value is not what is expected."""
    return f"{name} must be {expected}, not {abbreviated(value)}"


def abbreviated(value: Any) -> str:
    """Return a value for a message, on one line of at most about 40 characters."""
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN_CHARS else f"{text[:_MOST_SHOWN_CHARS]}..."
