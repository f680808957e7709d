"""Uncertain numbers: a scenario may contain a distribution wherever it may contain a number."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ValidationError

from simulator.bisection import bisect
from simulator.economics import interval
from simulator.economics.interval import UncertainNumber
from simulator.errors import InputError
from simulator.scenario.document.base_section import Interval, Positive, Section
from simulator.scenario.document.document import (
    Document,
    Path_,
    PlacedFaults,
    validate,
    value_at,
    with_values,
)
from simulator.scenario.document.problems import existing_path

FURTHEST_Z = 4.0
"""Normal scores are searched up to this one; larger ones occur once in thirty thousand draws."""
HALVINGS = 16
"""Bisection steps in the search for the score beyond which a number is not allowed."""


class Uniform(Section):
    """A uniform distribution between two ends."""

    uniform: tuple[float, float]
    """Smallest and largest value."""


class Lognormal(Section):
    """A lognormal distribution."""

    median: Positive
    """Median of the number."""
    log_sd: Positive
    """Standard deviation of the natural logarithm."""


class Listed(Section):
    """A list of equally likely values."""

    one_of: tuple[float, ...]
    """Values, of which each is equally likely; at least two."""


DISTRIBUTIONS: tuple[type[Section], ...] = (Interval, Uniform, Lognormal, Listed)
_FORMS = {frozenset(form.model_fields): form for form in DISTRIBUTIONS}


def resolve_distributions(
    model: type[BaseModel], document: Document, faults: PlacedFaults
) -> Document:
    """Replace distributions by their medians, and list them as ``uncertain`` in the document.

    An interval in a field that accepts intervals, such as a rent, is left as it is. A distribution
    that cannot be used is left, too, and noted.
    """
    forms = {path: form for path, form in distributions(document.data)}
    refused = _refused(model, document.data, set(forms))
    numbers = []
    for path in refused:
        try:
            distribution = _plain(forms[path], document, path)
        except InputError as error:
            faults.add(error)
            faults.known.paths.add(path)
            continue
        whole = all(isinstance(v, int) for v in _numbers(value_at(document.data, path)))
        numbers.append(UncertainNumber(".".join(map(str, path)), distribution, whole))
    if not numbers:
        return document
    medians = {number.path: number.value(0.0) for number in numbers}
    changed = with_values(document, medians)
    return replace(changed, origins=document.origins, uncertain=tuple(numbers))


def limit_scores(model: type[BaseModel], document: Document) -> Document:
    """Limit the scores of a valid document's uncertain numbers to those that are valid, too."""
    numbers = document.uncertain
    limited = tuple(_limit_scores(model, document.data, number) for number in numbers)
    return replace(document, uncertain=limited)


def _limit_scores(model: type[BaseModel], data: Any, number: UncertainNumber) -> UncertainNumber:
    """Limit a number's scores to those that the model accepts, with all others at their medians."""
    *above, last = number.path.split(".")
    section = value_at(data, tuple(above))

    def is_allowed(z: float) -> bool:
        section[last] = number.value(z)
        try:
            model.model_validate(data)
        except ValidationError:
            return False
        finally:
            section[last] = number.value(0.0)
        return True

    ends = [_furthest_score(is_allowed, end) for end in (-FURTHEST_Z, FURTHEST_Z)]
    return replace(number, least_z=ends[0], most_z=ends[1])


def _furthest_score(is_allowed: Callable[[float], bool], end: float) -> float:
    """Find the allowed score nearest to an end by bisection; a score of 0 is always allowed."""
    if is_allowed(end):
        return end
    _, inside = bisect(is_allowed, end, 0.0, HALVINGS)
    return inside


def distributions(node: Any, path: Path_ = ()) -> Iterator[tuple[Path_, type[Section]]]:
    """Yield the path and form of every mapping that looks like a distribution."""
    if isinstance(node, dict):
        form = _FORMS.get(frozenset(map(str, node)))
        if form is not None:
            yield path, form
        for key, part in node.items():
            yield from distributions(part, (*path, key))


def _refused(model: type[BaseModel], data: Any, paths: set[Path_]) -> list[Path_]:
    """Return those of some paths at which the model reports an error."""
    if not paths:
        return []
    try:
        model.model_validate(data)
    except ValidationError as error:
        faults = [
            existing_path(data, problem["loc"]) for problem in error.errors(include_url=False)
        ]
        return [path for path in sorted(paths) if any(f[: len(path)] == path for f in faults)]
    return []


def _numbers(node: Any) -> list[Any]:
    """Return the numbers of a distribution, those within lists included."""
    parts = node.values() if isinstance(node, dict) else node
    return [n for part in parts for n in (_numbers(part) if isinstance(part, list) else [part])]


def _plain(form: type[Section], document: Document, path: Path_) -> interval.Distribution:
    """Return the distribution at a path as plain values."""
    section = validate(form, document, path)
    match section:
        case Interval():
            return interval.Interval(section.low, section.mid, section.high)
        case Uniform():
            low, high = section.uniform
            if low >= high:
                raise document.fail(path, "uniform needs two numbers, the smaller first")
            return interval.Uniform(low, high)
        case Lognormal():
            return interval.Lognormal(section.median, section.log_sd)
        case Listed():
            if len(section.one_of) < 2:
                raise document.fail(path, "one_of needs two numbers or more")
            return interval.Listed(tuple(sorted(section.one_of)))
    raise AssertionError(form)


def distribution_entry(distribution: interval.Distribution) -> dict[str, Any]:
    """Return a distribution as it is written in a scenario."""
    match distribution:
        case interval.Interval(low, mid, high):
            return {"low": low, "mid": mid, "high": high}
        case interval.Uniform(low, high):
            return {"uniform": [low, high]}
        case interval.Lognormal(mid, sigma):
            return {"median": mid, "log_sd": sigma}
        case interval.Listed(values):
            return {"one_of": list(values)}
