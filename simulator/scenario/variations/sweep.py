"""The points of a sweep: variations of one scenario, and what is special about each."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from simulator.errors import InputError, nearest
from simulator.scenario.document.document import Document, Path_, validate, with_values
from simulator.scenario.resolve.load import apply_override
from simulator.scenario.resolve.quantities import WITHIN_NUMBERS, in_unit, looks_like_quantity
from simulator.scenario.schema.sweep import Span, Sweep

PLAIN = "none"
"""Of the overrides: the scenario without any."""
_PLAIN_TYPES = (str, int, float)


@dataclass(frozen=True, slots=True)
class Point:
    """One variation of a scenario."""

    place: int
    """In the order of the sweep, from 0."""
    coordinates: dict[str, Any]
    """What is special about it, by name: numbers and texts."""
    document: Document


def read_sweep(document: Document) -> Sweep:
    """Return what a scenario says of its sweep.

    Raises
    ------
    InputError
        When it says nothing, or something wrong.
    """
    if document.data.get("sweep") is None:
        raise InputError(
            f"{document.path}: has no section sweep, such as sweep: {{grid: {{seed: [1, 2]}}}}"
        )
    return validate(Sweep, document, ("sweep",))


def sweep_points(
    document: Document, sweep: Sweep, taken: frozenset[str] = frozenset()
) -> list[Point]:
    """Return all points of a sweep, the last of its axes varying fastest.

    Coordinates have no name that is ``taken``.

    Raises
    ------
    InputError
        At the place of a value that cannot be what it is to be, or a path that leads nowhere.
    """
    axes = list(_axes(document, sweep))
    paths = dict.fromkeys(path for axis in axes for step in axis for path in step)
    names = _names(list(paths), taken)
    found = []
    # A point has no sweep of its own: with the list of all points in each, work would be squared.
    plain = with_values(document, {"sweep": None}) if document.data.get("sweep") else document
    for place, chosen in enumerate(product(*axes)):
        varied = plain
        coordinates: dict[str, Any] = {}
        for step in chosen:
            for path, value in step.items():
                coordinates[names[path]] = value if isinstance(value, _PLAIN_TYPES) else str(value)
                varied = _with(document, varied, path, value)
        found.append(Point(place, coordinates, varied))
    return found


def _with(sweep: Document, varied: Document, path: str, value: Any) -> Document:
    """Set a value of a point, which stands in the document that says the sweep."""
    if path == "overrides":
        return varied if value == PLAIN else apply_override(varied, value)
    at = ("sweep",)
    return with_values(
        varied, {path: value}, lambda _: sweep.location(at), lambda _: sweep.folder(at)
    )


def _axes(document: Document, sweep: Sweep) -> Iterator[list[dict[str, Any]]]:
    """What varies independently: mappings of paths to values, one for each step."""
    for name in sweep.overrides:
        known = [PLAIN, *(document.data.get("overrides") or ())]
        if name not in known:
            raise document.fail(
                ("sweep", "overrides"), f"there is no override {name!r}{nearest(name, known)}"
            )
    if sweep.overrides:
        yield [{"overrides": name} for name in sweep.overrides]
    for path, said in sweep.grid.items():
        at = ("sweep", "grid", path)
        values = _span(document, at, said) if isinstance(said, Span) else said
        yield [{path: _number(at, value)} for value in values]
    if sweep.zip:
        rows = zip(*sweep.zip.values(), strict=True)
        yield [
            {p: _number(("sweep", "zip", p), v) for p, v in zip(sweep.zip, row, strict=True)}
            for row in rows
        ]
    if sweep.points:
        yield [
            {p: _number(("sweep", "points", k, p), v) for p, v in point.items()}
            for k, point in enumerate(sweep.points)
        ]


def _span(document: Document, at: Path_, said: Span) -> list[float]:
    first, last = (_number(at, end) for end in (said.first, said.last))
    if isinstance(first, str) or isinstance(last, str):
        raise document.fail(at, "first and last must be numbers")
    if said.spacing == "factors":
        if min(first, last) <= 0:
            raise document.fail(at, "equal factors need ends above 0; say spacing: steps")
        values = np.geomspace(first, last, said.count)
    else:
        values = np.linspace(first, last, said.count)
    # Whole numbers, such as replicas, would be lost to the last bit.
    return [float(f"{value:.12g}") for value in values.tolist()]


def _number(at: Path_, value: Any) -> Any:
    """A quantity with a unit as the number that it is; everything else as it is."""
    if not isinstance(value, str) or not looks_like_quantity(value):
        return value
    try:
        return in_unit(tuple(str(at[-1]).split(".")), value)
    except InputError:
        return value  # a name, or a mistake that building the point tells


def _names(paths: list[str], taken: frozenset[str]) -> dict[str, str]:
    """Name of each path's column: as many of its last keys as tell it from all others."""
    names: dict[str, str] = {}
    for path in paths:
        keys = path.split(".")
        others = [p.split(".") for p in paths if p != path]
        for count in range(1, len(keys) + 1):
            tail = keys[-count:]
            if WITHIN_NUMBERS.fullmatch(tail[0]):
                continue  # the median of what?
            if all(other[-count:] != tail for other in others) and ".".join(tail) not in taken:
                break
        names[path] = ".".join(tail)
    return names
