"""The points of a sweep: variations of one scenario, with their coordinates."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from simulator.errors import Faults, InputError, nearest
from simulator.scenario.document.document import Document, Path_, validate, with_values
from simulator.scenario.resolve.load import apply_override
from simulator.scenario.resolve.quantities import WITHIN_NUMBERS, in_unit, looks_like_quantity
from simulator.scenario.schema.sweep import Span, Sweep

PLAIN = "none"
"""Name of the scenario without any override, among the overrides of a sweep."""
_PLAIN_TYPES = (str, int, float)


@dataclass(frozen=True, slots=True)
class Point:
    """One variation of a scenario."""

    index: int
    """Position in the order of the sweep, from 0."""
    coordinates: dict[str, Any]
    """Values that distinguish the point, numbers and texts, by name."""
    document: Document


def read_sweep(document: Document) -> Sweep:
    """Return the sweep section of a scenario.

    Raises
    ------
    InputError
        When there is no such section, or it is not valid.
    """
    if document.data.get("sweep") is None:
        raise InputError(
            f"{document.path}: has no section sweep, such as sweep: {{grid: {{seed: [1, 2]}}}}"
        )
    return validate(Sweep, document, ("sweep",))


def sweep_points(
    document: Document, sweep: Sweep, taken: frozenset[str] = frozenset()
) -> list[Point]:
    """Return all points of a sweep, with the last axis varying fastest.

    Names in ``taken`` are not used for coordinates.

    Raises
    ------
    InputError
        With the location of a value that is not valid, or of a path that does not exist.
    """
    axes = list(_axes(document, sweep))
    paths = dict.fromkeys(path for axis in axes for step in axis for path in step)
    names = _column_names(list(paths), taken)
    points = []
    # Points have no sweep section: copying all points into each would take quadratic time.
    plain = with_values(document, {"sweep": None}) if document.data.get("sweep") else document
    for index, steps in enumerate(product(*axes)):
        varied = plain
        coordinates: dict[str, Any] = {}
        for step in steps:
            for path, value in step.items():
                coordinates[names[path]] = value if isinstance(value, _PLAIN_TYPES) else str(value)
                varied = _set_value(document, varied, path, value)
        points.append(Point(index, coordinates, varied))
    return points


def _set_value(sweep: Document, varied: Document, path: str, value: Any) -> Document:
    """Set a value of a point; its location is the sweep section of the original document."""
    if path == "overrides":
        return varied if value == PLAIN else apply_override(varied, value)
    at = ("sweep",)
    return with_values(
        varied, {path: value}, lambda _: sweep.location(at), lambda _: sweep.folder(at)
    )


def _axes(document: Document, sweep: Sweep) -> Iterator[list[dict[str, Any]]]:
    """Yield the independent axes: lists of steps, each a mapping of paths to values."""
    faults = Faults()
    known = [PLAIN, *(document.data.get("overrides") or ())]
    for index, name in enumerate(sweep.overrides):
        if name not in known:
            problem = f"there is no override {name!r}{nearest(name, known)}"
            faults.add(document.fail(("sweep", "overrides", index), problem))
    faults.check()
    if sweep.overrides:
        yield [{"overrides": name} for name in sweep.overrides]
    for path, entry in sweep.grid.items():
        at = ("sweep", "grid", path)
        values = _span_values(document, at, entry) if isinstance(entry, Span) else entry
        yield [{path: _parse_number(at, value)} for value in values]
    if sweep.zip:
        rows = zip(*sweep.zip.values(), strict=True)
        yield [
            {p: _parse_number(("sweep", "zip", p), v) for p, v in zip(sweep.zip, row, strict=True)}
            for row in rows
        ]
    if sweep.points:
        yield [
            {p: _parse_number(("sweep", "points", k, p), v) for p, v in point.items()}
            for k, point in enumerate(sweep.points)
        ]


def _span_values(document: Document, at: Path_, span: Span) -> list[float]:
    first, last = (_parse_number(at, end) for end in (span.first, span.last))
    if isinstance(first, str) or isinstance(last, str):
        raise document.fail(at, "first and last must be numbers")
    if span.spacing == "factors":
        if min(first, last) <= 0:
            raise document.fail(at, "equal factors need ends above 0; or use spacing: steps")
        values = np.geomspace(first, last, span.count)
    else:
        values = np.linspace(first, last, span.count)
    # Rounding errors would turn whole numbers, such as replicas, into fractions.
    return [float(f"{value:.12g}") for value in values.tolist()]


def _parse_number(at: Path_, value: Any) -> Any:
    """Return a quantity with a unit as a number, and any other value unchanged."""
    if not isinstance(value, str) or not looks_like_quantity(value):
        return value
    try:
        return in_unit(tuple(str(at[-1]).split(".")), value)
    except InputError:
        return value  # a name, or a mistake that is reported when the point is built


def _column_names(paths: list[str], taken: frozenset[str]) -> dict[str, str]:
    """Return the shortest unambiguous suffix of each path."""
    names: dict[str, str] = {}
    for path in paths:
        keys = path.split(".")
        others = [p.split(".") for p in paths if p != path]
        for count in range(1, len(keys) + 1):
            tail = keys[-count:]
            if WITHIN_NUMBERS.fullmatch(tail[0]):
                continue  # "median" alone would not tell of which number
            if all(other[-count:] != tail for other in others) and ".".join(tail) not in taken:
                break
        names[path] = ".".join(tail)
    return names
