"""Columns of text or of values into arrays; a value that does not fit is named."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.traffic.readers.common import BadRecord, seconds

Column = tuple[Any, ...]


def _convert(
    name: str, values: Column, blank: float | None, one: Callable[[Any], Any], what: str
) -> list[Any]:
    """Convert a column; ``blank`` stands for empty fields, None where they are not allowed."""
    try:
        if blank is None:
            return list(map(one, values))
        if not any(values):
            return [blank if v == "" else one(v) for v in values]
        return [one(v) if v != "" else blank for v in values]
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
    try:
        return np.array(_convert(name, values, blank, _whole, "a whole number"), np.int64)
    except OverflowError:
        raise BadRecord(name, f"{name} must be a whole number below 2**31") from None


def floats(name: str, values: Column, blank: float | None) -> NDArray[np.float64]:
    """Convert a column of numbers. (n_rows,)"""
    return np.array(_convert(name, values, blank, float, "a number"), np.float64)


def times(name: str, values: Column, blank: float | None) -> NDArray[np.float64]:
    """Convert a column of seconds or of dates and times. (n_rows,)"""
    try:
        return floats(name, values, blank)
    except BadRecord:
        return np.array([blank if v == "" else seconds(name, v) for v in values], np.float64)
