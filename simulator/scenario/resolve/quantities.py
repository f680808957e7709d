"""Quantities as people write them: ``500ms``, ``3.2/s``, ``10M/month``, ``32k``, ``95%``, ``$1.8``.

What unit a number of a scenario is in, its key says: ``_s``, ``_hours``, ``_per_month``, ``_usd``.
"""

import math
import re
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ValidationError

from simulator.errors import InputError
from simulator.files.yamltree import copied
from simulator.scenario.document.document import Document, Path_, value_at, within
from simulator.scenario.resolve.distributions import DISTRIBUTIONS, distributions
from simulator.scenario.schema.traffic import AMOUNTS
from simulator.units import MONTH_S

_NUMBER = r"[+-]?(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_QUANTITY = re.compile(rf"\$?\s*({_NUMBER})\s*([a-zA-Zµ%$]*)\s*(?:(?:/|per )\s*([a-zA-Z]+))?")
MOST_CHARS = 100
"""Of a quantity; a longer text is something else."""
_TIMES_S = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3,
    "s": 1.0, "sec": 1.0, "second": 1.0,
    "min": 60.0, "minute": 60.0, "h": 3600.0, "hr": 3600.0, "hour": 3600.0,
    "d": 86400.0, "day": 86400.0, "w": 604800.0, "week": 604800.0,
    "month": MONTH_S, "y": 12 * MONTH_S, "yr": 12 * MONTH_S, "year": 12 * MONTH_S,
}  # fmt: skip
_MAGNITUDES = {
    "": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "B": 1e9, "T": 1e12,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30,
}  # fmt: skip
_TIME_KEYS = {
    "s": 1.0, "seconds": 1.0, "minutes": 60.0, "hours": 3600.0, "days": 86400.0,
    "months": MONTH_S, "years": 12 * MONTH_S, "month": MONTH_S,
}  # fmt: skip
"""Seconds of the unit that a key's last word names."""
_TIME_WITHIN = re.compile(r"(?:^|_)(hours|days)_between$")
_RATE_KEY = re.compile(r"_per_(?:[a-z]+_)?([a-z]+)$")
NUMBER_FORMS = (*DISTRIBUTIONS, *AMOUNTS)
"""Sections that stand for numbers."""
WITHIN_NUMBERS = re.compile(
    "|".join(sorted({name for form in NUMBER_FORMS for name in form.model_fields}))
    + r"|p\d+(\.\d+)?|\d+"
)
"""Keys within the number that a key names: of its distribution."""
_SHARES = re.compile(
    r"(share|attainment|margin|rate|acceptance|utilization|correlation|catches|false_alarms"
    r"|least_right|growth_per_month|^per_year|percentage)$"
)


def with_units(model: type[BaseModel], document: Document) -> Document:
    """Return a document in which texts that stand for numbers are numbers.

    Only texts that ``model`` refuses are looked at, so that names may look like quantities.

    Raises
    ------
    InputError
        At the place of a quantity whose unit is not one of its key.
    """
    data = copied(document.data)
    while True:
        places = _refused_texts(model, data)
        for path in places:
            node = value_at(data, path[:-1])
            node[path[-1]] = document.made(path, lambda p=path, n=node: in_unit(p, n[p[-1]]))  # type: ignore[misc]
        if not places:
            return replace(document, data=data)


def in_unit(path: Path_, text: str) -> float | int:
    """Return the number that a text stands for at a path, in the unit that the path names.

    Raises
    ------
    InputError
        When it is not a quantity, or not one of that unit.
    """
    found = _QUANTITY.fullmatch(text.strip()) if len(text) <= MOST_CHARS else None
    if found is None:
        raise InputError(f"{_key(path)}: {text[:60]!r} is not a quantity, such as {_example(path)}")
    value = float(found[1].replace("_", "")) * _factor(path, found[2].strip("$"), found[3], text)
    plain = float(f"{value:.12g}")  # 95% is 0.95, whatever a product is rounded to
    if math.isclose(value, plain, rel_tol=1e-15):
        value = plain
    return int(value) if value.is_integer() else value


def looks_written(text: str) -> bool:
    """Whether a text may be a quantity with a unit or a magnitude."""
    return len(text) <= MOST_CHARS and _QUANTITY.fullmatch(text.strip()) is not None


def _factor(path: Path_, unit: str, per: str | None, text: str) -> float:
    """What a written number is multiplied by, to be in its key's unit."""
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
    raise InputError(f"{key}: {text!r} is in no unit of it; write {_example(path)}")


def _time_s(unit: str) -> float | None:
    """Seconds of a unit of time, singular or plural; months have 730 hours."""
    return _TIMES_S.get(unit, _TIMES_S.get(unit.rstrip("s")) if len(unit) > 2 else None)


def _key_s(key: str) -> float | None:
    """Seconds of the unit of time that a key is in; None if it is in another unit."""
    between = _TIME_WITHIN.search(key)
    if between:
        return _TIME_KEYS[between[1]]
    return None if _RATE_KEY.search(key) else _TIME_KEYS.get(key.rpartition("_")[2])


def _rate_s(key: str) -> float | None:
    """Seconds of the span that a key counts per."""
    found = _RATE_KEY.search(key)
    return _TIMES_S.get(found[1]) if found else None


def _key(path: Path_) -> str:
    """Key that names the number that a path leads to, or into."""
    keys = [key for key in path if isinstance(key, str)]
    naming = (key for key in reversed(keys) if not WITHIN_NUMBERS.fullmatch(key))
    return next(naming, keys[-1] if keys else "value")


def _example(path: Path_) -> str:
    key = _key(path)
    if _key_s(key) is not None:
        return "500ms, 2s, 5min, 3h or 7d"
    if _rate_s(key) is not None:
        return "3.2/s, 10M/month or 10M"
    return "95% or 0.95" if _SHARES.search(key) else "32k, 1.5M or 32Ki"


def _refused_texts(model: type[BaseModel], data: Any) -> list[Path_]:
    """Paths of quantities where a model wants numbers."""
    try:
        model.model_validate(data)
    except ValidationError as error:
        problems = error.errors(include_url=False)
    else:
        return []
    wanted = [p["loc"] for p in problems if p["type"].startswith(("float", "int"))]
    places = [within(data, loc) for loc in wanted]
    # A model that knows no distributions refuses them as a whole.
    places += [at for at, _ in distributions(data) if at[0] not in ("overrides", "sweep")]
    return sorted({path for at in places for path in _texts(value_at(data, at), at)}, key=str)


def _texts(node: Any, path: Path_) -> list[Path_]:
    """Paths of the quantities at a place: itself, or those of a distribution or list there."""
    if isinstance(node, str):
        return [path] if looks_written(node) else []
    if not isinstance(node, dict | list):
        return []
    parts = node.items() if isinstance(node, dict) else enumerate(node)
    return [found for key, part in parts if isinstance(part, str | list)
            for found in _texts(part, (*path, key))]  # fmt: skip
