"""Single values and whole columns into numbers; what does not fit is named."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

Column = tuple[Any, ...]
"""One column of text or of values. (n_rows,)"""


class BadRecord(Exception):
    """One record that cannot be used: the field to blame, where there is one, and why."""

    def __init__(self, field_name: str, message: str) -> None:
        super().__init__(message)
        self.field_name = field_name


def whole(record: dict[str, Any], name: str, default: int | None = None) -> int:
    """Return a token count of a JSON record."""
    value = record.get(name, default)
    if value is None and default is not None:
        return default
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadRecord(
            name, _missing(record, name) or f"{name} must be a whole number, not {value!r}"
        )
    if value < 0:
        raise BadRecord(name, f"{name} must be 0 or more, not {value}")
    return value


def number(record: dict[str, Any], name: str) -> float:
    """Return a finite number of a JSON record."""
    value = record.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadRecord(name, _missing(record, name) or f"{name} must be a number, not {value!r}")
    if not abs(value) < 1e20:
        raise BadRecord(name, f"{name} must be a finite number, not {value}")
    return float(value)


def _missing(record: dict[str, Any], name: str) -> str:
    return "" if name in record else f"missing field {name!r}"


def seconds(name: str, text: object) -> float:
    """Return a point in time [s since 1970]: ISO 8601, UTC when bare, or a number of seconds."""
    if isinstance(text, int | float) and not isinstance(text, bool):
        return float(text)
    if isinstance(text, datetime):
        return (text if text.tzinfo else text.replace(tzinfo=UTC)).timestamp()
    try:
        moment = datetime.fromisoformat(str(text).strip())
    except ValueError:
        raise BadRecord(name, f"{name} must be a date and time, not {str(text)[:60]!r}") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _convert(
    name: str, values: Column, blank: float | None, one: Callable[[Any], Any], what: str
) -> list[Any]:
    """Convert a column; ``blank`` stands for empty fields, None where they are not allowed."""
    try:
        if blank is None or "" not in values:
            return list(map(one, values))
        return [blank if v == "" else one(v) for v in values]
    except (ValueError, TypeError):
        bad = next(v for v in values if _fails(one, v, blank))
        raise BadRecord(name, f"{name} must be {what}, not {str(bad)[:60]!r}") from None


def _fails(one: Callable[[Any], Any], value: Any, blank: float | None) -> bool:
    try:
        if value != "" or blank is None:
            one(value)
    except (ValueError, TypeError):
        return True
    return False


def _whole(value: Any) -> int:
    if isinstance(value, float) and not value.is_integer():
        raise ValueError(value)
    return int(value)


def ints(name: str, values: Column, blank: int | None) -> NDArray[np.int64]:
    """Convert a column of whole numbers. (n_rows,)"""
    if values.count("") == len(values) and blank is not None:
        return np.full(len(values), blank, np.int64)
    # Text is refused by int() itself where it is no whole number; other values are looked at.
    one = int if set(map(type, values)) == {str} else _whole
    try:
        return np.array(_convert(name, values, blank, one, "a whole number"), np.int64)
    except OverflowError:
        raise BadRecord(name, f"{name} must be a whole number below 2**31") from None


def floats(name: str, values: Column, blank: float | None) -> NDArray[np.float64]:
    """Convert a column of numbers. (n_rows,)"""
    if values.count("") == len(values) and blank is not None:
        return np.full(len(values), blank, np.float64)
    return np.array(_convert(name, values, blank, float, "a number"), np.float64)


def times(name: str, values: Column, blank: float | None) -> NDArray[np.float64]:
    """Convert a column of seconds or of dates and times. (n_rows,)"""
    try:
        return floats(name, values, blank)
    except BadRecord:
        return np.array([blank if v == "" else seconds(name, v) for v in values], np.float64)
