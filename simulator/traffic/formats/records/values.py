"""Conversion of single values and whole columns to numbers; errors name the field and value."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.files.numbers import must_be
from simulator.traffic.logs.summary import UNUSABLE

Column = tuple[Any, ...]
"""One column of text or of values. (n_rows,)"""


class BadRecord(Exception):
    """A record is unusable: the reason, and the field at fault, empty if there is none.

    ``kind`` is what summaries call such rows.
    """

    def __init__(self, field_name: str, message: str, kind: str = UNUSABLE) -> None:
        super().__init__(message)
        self.field_name = field_name
        self.kind = kind


def missing_field(name: str) -> BadRecord:
    """Return the error for a record without a required field."""
    return BadRecord(name, f"missing field {name!r}")


def count_of(record: dict[str, Any], name: str, default: int | None = None) -> int:
    """Return a token count of a JSON record; raise BadRecord if it is none."""
    value = record.get(name, default)
    if value is None and default is not None:
        return default
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value is None and name not in record:
        raise missing_field(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadRecord(name, must_be(name, "a whole number", value))
    if value < 0:
        raise BadRecord(name, must_be(name, "0 or more", value))
    return value


def whole_count(name: str, value: Any) -> int:
    """Return a token count from a number or from a text; raise BadRecord if it is none."""
    if isinstance(value, str):
        try:
            value = int(value)
        except ValueError:
            raise BadRecord(name, must_be(name, "a whole number", value)) from None
    return count_of({name: value}, name)


def number_of(record: dict[str, Any], name: str) -> float:
    """Return a finite number of a JSON record; raise BadRecord if it is none."""
    if name not in record:
        raise missing_field(name)
    value = record[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadRecord(name, must_be(name, "a number", value))
    if not abs(value) < 1e20:
        raise BadRecord(name, must_be(name, "a finite number", value))
    return float(value)


def seconds_of(name: str, text: object) -> float:
    """Return a point in time [s since 1970] from a number of seconds, a datetime or ISO 8601 text.

    Times without a time zone are UTC.
    """
    if isinstance(text, int | float) and not isinstance(text, bool):
        return float(text)
    if isinstance(text, datetime):
        return (text if text.tzinfo else text.replace(tzinfo=UTC)).timestamp()
    try:
        moment = datetime.fromisoformat(str(text).strip())
    except ValueError:
        raise BadRecord(name, must_be(name, "a date and time", text)) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _convert(
    name: str, values: Column, blank: float | None, convert: Callable[[Any], Any], expected: str
) -> list[Any]:
    """Convert a column; empty fields become ``blank``, or are errors if it is None."""
    try:
        if blank is None or "" not in values:
            return list(map(convert, values))
        return [blank if v == "" else convert(v) for v in values]
    except (ValueError, TypeError):
        bad = next(v for v in values if _fails(convert, v, blank))
        raise BadRecord(name, must_be(name, expected, bad)) from None


def _fails(convert: Callable[[Any], Any], value: Any, blank: float | None) -> bool:
    try:
        if value != "" or blank is None:
            convert(value)
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
    # int() refuses texts that are not whole numbers, but truncates floats.
    convert = int if set(map(type, values)) == {str} else _whole
    try:
        return np.array(_convert(name, values, blank, convert, "a whole number"), np.int64)
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
        return np.array([blank if v == "" else seconds_of(name, v) for v in values], np.float64)
