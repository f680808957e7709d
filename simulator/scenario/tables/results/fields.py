"""Fields of the results of load generators: numbers, times with units, nested objects."""

import math
from typing import Any

from simulator.errors import InputError
from simulator.files.numbers import must_be, number_or_nan

Record = dict[str, Any]

_UNITS_S = {
    "ns": 1e-9, "us": 1e-6, "ms": 1e-3, "ms/token": 1e-3,
    "s": 1.0, "sec": 1.0, "seconds": 1.0, "s/token": 1.0,
}  # fmt: skip


def figure(record: Record, where: str, name: str) -> float:
    """Return a required number above zero."""
    value = optional(record, name)
    if not value > 0:
        raise InputError(must_be(f"{where}: {name}", "a number above zero", record.get(name)))
    return value


def optional(node: Any, *names: str) -> float:
    """Return a number above zero of nested objects, or NaN."""
    value = number_or_nan(inner(node, *names))
    return value if value > 0 else math.nan


def section(record: Record, where: str, name: str) -> Record:
    """Return a required object of a record."""
    value = record.get(name)
    if not isinstance(value, dict):
        raise InputError(must_be(f"{where}: {name}", "an object", value))
    return value


def inner(node: Any, *names: str) -> Any:
    """Return a value of nested objects and lists, or None where a key is missing."""
    for name in names:
        if not isinstance(node, dict):
            return None
        node = node.get(name)
    return node


def limit(value: Any, where: str) -> float:
    """Return a number of clients or a rate: NaN if there is none, infinity if it is unlimited."""
    if value is None:
        return math.nan
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, bool):
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if number > 0:
            return number
    raise InputError(must_be(where, "a number above zero, or inf", value))


def time_s(node: Any, where: str, mean: str, unit: str) -> float:
    """Return the mean of a time in seconds, from an object with its unit; NaN if it has none."""
    value = optional(node, mean)
    if math.isnan(value):
        return math.nan
    name = str(node.get(unit))
    if name not in _UNITS_S:
        raise InputError(must_be(f"{where}: {unit}", f"one of {', '.join(_UNITS_S)}", name))
    return value * _UNITS_S[name]
