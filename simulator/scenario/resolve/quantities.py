"""Quantities with units: ``500ms``, ``3.2/s``, ``10M/month``, ``32k``, ``95%``, ``$1.8``.

The key of a number names its unit: ``_s``, ``_hours``, ``_per_month``, ``_usd``.
"""

import math
import re
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ValidationError

from simulator.errors import InputError
from simulator.files.yamltree import copied
from simulator.scenario.document.document import Document, Path_, PlacedFaults, value_at
from simulator.scenario.document.problems import existing_path
from simulator.scenario.resolve.distributions import DISTRIBUTIONS, distributions
from simulator.scenario.schema.amounts import AMOUNTS
from simulator.units import DAY_S, HOUR_S, MINUTE_S, MONTH_S, WEEK_S

_NUMBER = r"[+-]?(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_QUANTITY = re.compile(rf"\$?\s*({_NUMBER})\s*([a-zA-Zµ%$]*)\s*(?:(?:/|per )\s*([a-zA-Z]+))?")
MOST_CHARS = 100
"""Longest text that is parsed as a quantity; a longer one is something else."""
_TIMES_S = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3,
    "s": 1.0, "sec": 1.0, "second": 1.0,
    "min": MINUTE_S, "minute": MINUTE_S, "h": HOUR_S, "hr": HOUR_S, "hour": HOUR_S,
    "d": DAY_S, "day": DAY_S, "w": WEEK_S, "week": WEEK_S,
    "month": MONTH_S, "y": 12 * MONTH_S, "yr": 12 * MONTH_S, "year": 12 * MONTH_S,
}  # fmt: skip
_MAGNITUDES = {
    "": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "B": 1e9, "T": 1e12,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30,
}  # fmt: skip
_TIME_KEYS = {
    "s": 1.0, "seconds": 1.0, "minutes": MINUTE_S, "hours": HOUR_S, "days": DAY_S,
    "months": MONTH_S, "years": 12 * MONTH_S, "month": MONTH_S,
}  # fmt: skip
"""Seconds of the unit that is named by the last word of a key."""
_TIME_WITHIN = re.compile(r"(?:^|_)(hours|days)_between$")
_RATE_KEY = re.compile(r"_per_(?:[a-z]+_)?([a-z]+)$")
NUMBER_FORMS = (*DISTRIBUTIONS, *AMOUNTS)
"""Sections that may be written in place of a number."""
WITHIN_NUMBERS = re.compile(
    "|".join(sorted({name for form in NUMBER_FORMS for name in form.model_fields}))
    + r"|p\d+(\.\d+)?|\d+"
)
"""Keys within a distribution, which do not name the number itself; list indices too."""
_SHARES = re.compile(
    r"(share|attainment|margin|rate|acceptance|utilization|correlation|catches|false_alarms"
    r"|least_right|growth_per_month|^per_year|percentage)$"
)


def parse_units(model: type[BaseModel], document: Document, faults: PlacedFaults) -> Document:
    """Replace quantities with units by numbers in the units of their keys.

    Only texts that ``model`` rejects are parsed, so that names may look like quantities. One whose
    unit does not fit its key is left as it is, and noted.
    """
    data = copied(document.data)
    while True:
        paths = [path for path in _refused_texts(model, data) if path not in faults.known.paths]
        for path in paths:
            node = value_at(data, path[:-1])
            try:
                node[path[-1]] = in_unit(path, node[path[-1]])
            except InputError as error:
                faults.note(document, path, error)
        if not paths:
            return replace(document, data=data)


def in_unit(path: Path_, text: str) -> float | int:
    """Parse a quantity at a path, and return it in the unit that the path's key names.

    Raises
    ------
    InputError
        When the text is not a quantity, or its unit does not fit the key.
    """
    match = _QUANTITY.fullmatch(text.strip()) if len(text) <= MOST_CHARS else None
    if match is None:
        raise InputError(f"{_key(path)}: {text[:60]!r} is not a quantity, such as {_example(path)}")
    value = float(match[1].replace("_", "")) * _factor(path, match[2].strip("$"), match[3], text)
    plain = float(f"{value:.12g}")  # 95% must be exactly 0.95, without rounding errors
    if math.isclose(value, plain, rel_tol=1e-15):
        value = plain
    return int(value) if value.is_integer() else value


def looks_like_quantity(text: str) -> bool:
    """Return whether a text may be a quantity with a unit or a magnitude."""
    return len(text) <= MOST_CHARS and _QUANTITY.fullmatch(text.strip()) is not None


def _factor(path: Path_, unit: str, per: str | None, text: str) -> float:
    """Return the factor that converts a number as written to the unit of its key."""
    key = _key(path)
    key_s = _key_s(key)
    if key_s is not None:
        if per is None and _time_s(unit) is not None:
            return float(_time_s(unit) or 0.0) / key_s
    elif per is not None:
        rate_s = _rate_s(key)
        if rate_s is not None and unit in _MAGNITUDES and _time_s(per) is not None:
            return _MAGNITUDES[unit] * rate_s / float(_time_s(per) or 0.0)
    elif unit == "%":
        if _SHARES.search(key):
            return 1.0 if key.endswith("percentage") else 0.01
    elif unit in _MAGNITUDES:
        return _MAGNITUDES[unit]
    raise InputError(f"{key}: {text!r} has the wrong unit; write {_example(path)}")


def _time_s(unit: str) -> float | None:
    """Return the seconds of a unit of time, singular or plural; a month has 730 hours."""
    return _TIMES_S.get(unit, _TIMES_S.get(unit.rstrip("s")) if len(unit) > 2 else None)


def _key_s(key: str) -> float | None:
    """Return the seconds of a key's unit of time, or None if the key has another unit."""
    between = _TIME_WITHIN.search(key)
    if between:
        return _TIME_KEYS[between[1]]
    return None if _RATE_KEY.search(key) else _TIME_KEYS.get(key.rpartition("_")[2])


def _rate_s(key: str) -> float | None:
    """Return the seconds of the period in a key such as ``_per_month``; None without one."""
    match = _RATE_KEY.search(key)
    return _TIMES_S.get(match[1]) if match else None


def _key(path: Path_) -> str:
    """Return the key that names the number at a path, which may lead into a distribution."""
    keys = [key for key in path if isinstance(key, str)]
    naming = (key for key in reversed(keys) if not WITHIN_NUMBERS.fullmatch(key))
    return next(naming, keys[-1] if keys else "value")


def _example(path: Path_) -> str:
    """Return examples of quantities for a path's key, for messages."""
    key = _key(path)
    if _key_s(key) is not None:
        return "500ms, 2s, 5min, 3h or 7d"
    if _rate_s(key) is not None:
        return "3.2/s, 10M/month or 10M"
    return "95% or 0.95" if _SHARES.search(key) else "32k, 1.5M or 32Ki"


def _refused_texts(model: type[BaseModel], data: Any) -> list[Path_]:
    """Return the paths of quantities for which a model expects numbers."""
    try:
        model.model_validate(data)
    except ValidationError as error:
        problems = error.errors(include_url=False)
    else:
        return []
    locations = [p["loc"] for p in problems if p["type"].startswith(("float", "int"))]
    paths = [existing_path(data, location) for location in locations]
    # A model without distributions rejects one as a whole, not the numbers within it.
    paths += [at for at, _ in distributions(data) if at[0] not in ("overrides", "sweep")]
    return sorted({path for at in paths for path in _texts(value_at(data, at), at)}, key=str)


def _texts(node: Any, path: Path_) -> list[Path_]:
    """Return the paths of quantities in a value: itself, or those of a distribution or list."""
    if isinstance(node, str):
        return [path] if looks_like_quantity(node) else []
    if not isinstance(node, dict | list):
        return []
    parts = node.items() if isinstance(node, dict) else enumerate(node)
    return [inner for key, part in parts if isinstance(part, str | list)
            for inner in _texts(part, (*path, key))]  # fmt: skip
