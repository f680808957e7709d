"""Uncertain numbers: wherever a scenario may hold a number, it may hold a distribution instead."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from simulator.economics import interval
from simulator.economics.interval import UncertainNumber
from simulator.errors import InputError
from simulator.scenario.document.base_section import Interval, Positive, Section
from simulator.scenario.document.document import (
    Document,
    Path_,
    validate,
    value_at,
    with_values,
    within,
)

M = TypeVar("M", bound=BaseModel)

FURTHEST_Z = 4.0
"""Scores beyond it come up once in thirty thousand."""
HALVINGS = 16
"""Of a score, to where a number is no longer allowed."""


class Uniform(Section):
    """Anything between two ends."""

    uniform: tuple[float, float]


class Lognormal(Section):
    """A lognormal number."""

    median: Positive
    log_sd: Positive


class Listed(Section):
    """One of some values."""

    one_of: tuple[float, ...]


DISTRIBUTIONS: tuple[type[Section], ...] = (Interval, Uniform, Lognormal, Listed)
_FORMS = {frozenset(form.model_fields): form for form in DISTRIBUTIONS}


def settled(model: type[M], document: Document) -> tuple[M, Document]:
    """Check a document in which distributions may stand for numbers.

    Where the model knows what to do with an uncertain number by itself, it is left alone; elsewhere
    its median takes its place, and the document says what was there.

    Raises
    ------
    InputError
        With the first problem's place.
    """
    found = {path: form for path, form in distributions(document.data)}
    refused = _refused(model, document.data, set(found))
    numbers = []
    for path in refused:
        said = document.made(path, partial(_plain, found[path], document, path))
        whole = all(isinstance(v, int) for v in _numbers(value_at(document.data, path)))
        numbers.append(UncertainNumber(".".join(map(str, path)), said, whole))
    if numbers:
        medians = {number.path: number.value(0.0) for number in numbers}
        changed = with_values(document, medians)
        validate(model, replace(changed, origins=document.origins))
        limited = tuple(_limited(model, changed.data, number) for number in numbers)
        document = replace(changed, origins=document.origins, uncertain=limited)
    return validate(model, document), document


def _limited(model: type[BaseModel], data: Any, number: UncertainNumber) -> UncertainNumber:
    """Return a number that keeps within what a model allows, all else at its median."""
    *above, last = number.path.split(".")
    node = value_at(data, tuple(above))

    def is_allowed(z: float) -> bool:
        node[last] = number.value(z)
        try:
            model.model_validate(data)
        except ValidationError:
            return False
        finally:
            node[last] = number.value(0.0)
        return True

    ends = [_furthest(is_allowed, end) for end in (-FURTHEST_Z, FURTHEST_Z)]
    return replace(number, least_z=ends[0], most_z=ends[1])


def _furthest(is_allowed: Callable[[float], bool], end: float) -> float:
    """Score nearest to an end that is allowed, by bisection from 0, which is."""
    if is_allowed(end):
        return end
    inside, outside = 0.0, end
    for _ in range(HALVINGS):
        middle = (inside + outside) / 2
        if is_allowed(middle):
            inside = middle
        else:
            outside = middle
    return inside


def distributions(node: Any, path: Path_ = ()) -> Iterator[tuple[Path_, type[Section]]]:
    """All mappings that look like a distribution."""
    if isinstance(node, dict):
        form = _FORMS.get(frozenset(map(str, node)))
        if form is not None:
            yield path, form
        for key, part in node.items():
            yield from distributions(part, (*path, key))


def _refused(model: type[BaseModel], data: Any, paths: set[Path_]) -> list[Path_]:
    """Which of some paths a model finds fault with."""
    if not paths:
        return []
    try:
        model.model_validate(data)
    except ValidationError as error:
        faults = [within(data, problem["loc"]) for problem in error.errors(include_url=False)]
        return [path for path in sorted(paths) if any(f[: len(path)] == path for f in faults)]
    return []


def _numbers(node: Any) -> list[Any]:
    parts = node.values() if isinstance(node, dict) else node
    return [n for part in parts for n in (_numbers(part) if isinstance(part, list) else [part])]


def _plain(form: type[Section], document: Document, path: Path_) -> interval.Distribution:
    said = validate(form, document, path)
    match said:
        case Interval():
            return interval.Interval(said.low, said.mid, said.high)
        case Uniform():
            low, high = said.uniform
            if low >= high:
                raise InputError("uniform needs two numbers, the smaller first")
            return interval.Uniform(low, high)
        case Lognormal():
            return interval.Lognormal(said.median, said.log_sd)
        case Listed():
            if len(said.one_of) < 2:
                raise InputError("one_of needs two numbers or more")
            return interval.Listed(tuple(sorted(said.one_of)))
    raise AssertionError(form)


def written(distribution: interval.Distribution) -> dict[str, Any]:
    """Return a distribution as a scenario says it."""
    match distribution:
        case interval.Interval(low, mid, high):
            return {"low": low, "mid": mid, "high": high}
        case interval.Uniform(low, high):
            return {"uniform": [low, high]}
        case interval.Lognormal(mid, sigma):
            return {"median": mid, "log_sd": sigma}
        case interval.Listed(values):
            return {"one_of": list(values)}
