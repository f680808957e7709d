"""Faults of values: everything that a model refuses, with its path and the nearest right name."""

import typing
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

from simulator.errors import nearest

Path_ = tuple[str | int, ...]
"""Keys and list indices that lead to a value."""
_RENAMED = {"prefix_share": "stable_session_share"}
"""Keys of earlier versions whose present name no likeness of the spelling finds."""
_KEPT = ("kind", "requests_per_month")
"""Required keys of a workload that no preset supplies."""


@dataclass(slots=True)
class KnownFaults:
    """Where faults are known already: problems there would report them a second time."""

    paths: set[Path_] = field(default_factory=set)
    """Paths of values with a fault."""
    incomplete: set[Path_] = field(default_factory=set)
    """Workloads that lack the keys which an unknown preset would supply."""

    def cover(self, path: Path_) -> bool:
        """Return whether a path leads to a value with a fault, or into one."""
        return any(path[:end] in self.paths for end in range(1, len(path) + 1))


def existing_path(data: Any, loc: Path_) -> Path_:
    """Return the part of a pydantic location that exists in the data, without names of types."""
    path: list[str | int] = []
    for part in loc:
        inside = isinstance(data, dict) and part in data
        if inside or (isinstance(data, list) and part in range(len(data))):
            data = data[part]
            path.append(part)
    return tuple(path)


def problems_of(
    model: type[BaseModel], data: Any, error: ValidationError, known: KnownFaults
) -> Iterator[tuple[Path_, str]]:
    """Yield the path and the message of every problem of a validation that is not known yet.

    A problem may be repeated.
    """
    yield from _explained(model, data, error, known)
    misspelt, corrected = _with_near_kinds(data, error)
    if not misspelt:
        return
    # The keys of a section whose kind is misspelt are checked as those of the nearest kind.
    try:
        model.model_validate(corrected)
    except ValidationError as further:
        yield from problems_of(model, corrected, further, known)


def _explained(
    model: type[BaseModel], data: Any, error: ValidationError, known: KnownFaults
) -> Iterator[tuple[Path_, str]]:
    """Yield the path and the message of the problems of a validation, without repetitions."""
    problems = [(existing_path(data, p["loc"]), p) for p in error.errors(include_url=False)]
    paths = {path for path, _ in problems}
    unknown = {
        (*path[:-1], near)
        for path, p in problems
        if p["type"] == "extra_forbidden"
        for near in [_near_key(model, p["loc"])]
    }
    seen: set[Path_] = set()
    for path, problem in problems:
        at = _place(path, problem)
        if known.cover(at):
            continue
        if problem["type"] == "missing":
            key = problem["loc"][-1]
            supplied = path in known.incomplete and key not in _KEPT
            # A key that is missing because its name is misspelt is one fault, not two.
            if supplied or (*path, key) in unknown:
                continue
        elif at in seen or any(p[: len(path)] == path != p for p in paths):
            continue  # another alternative of a union
        seen |= {at} if problem["type"] != "missing" else set()
        yield at, _explain(model, problem, path)


def _place(path: Path_, problem: Any) -> Path_:
    """Return the path of the value that is wrong: of a section of an unknown kind, its kind."""
    if problem["type"] == "union_tag_invalid":
        return (*path, problem["ctx"]["discriminator"].strip("'"))
    return path


def _with_near_kinds(data: Any, error: ValidationError) -> tuple[set[Path_], Any]:
    """Return the paths of kinds that are misspelt, and the data with the nearest kinds there."""
    corrected: set[Path_] = set()
    for problem in error.errors(include_url=False):
        if problem["type"] != "union_tag_invalid":
            continue
        path = existing_path(data, problem["loc"])
        near = _near_tag(problem)
        if near:
            at = _place(path, problem)
            data = _with_value(data, at, near)
            corrected.add(at)
    return corrected, data


def _with_value(data: Any, path: Path_, value: Any) -> Any:
    """Return data with another value at a path; the original is not changed."""
    if not path:
        return value
    changed = data.copy()
    changed[path[0]] = _with_value(data[path[0]], path[1:], value)
    return changed


def _tags(problem: Any) -> list[str]:
    """Return the kinds of section that are known where a problem is."""
    return [tag.strip("' ") for tag in problem["ctx"]["expected_tags"].split(",")]


def _near_tag(problem: Any) -> str | None:
    """Return the kind of section that a misspelt one is meant to be, if that is clear."""
    tag = str(problem["ctx"]["tag"]).lower().replace("_", "-")
    return next(iter(get_close_matches(tag, _tags(problem), n=1, cutoff=0.7)), None)


def _explain(model: type[BaseModel], problem: Any, path: Path_) -> str:
    """Return the message of a pydantic problem at a path."""
    name, kind, message = _shown_name(path), problem["type"], problem["msg"]
    if kind == "extra_forbidden":
        return f"unknown key {name!r}{_near_field(name, model, problem['loc'][:-1])}"
    if kind == "missing":
        return f"missing key {problem['loc'][-1]!r}"
    if kind == "unknown_name":
        return str(message)
    if kind == "union_tag_not_found":
        return f"missing key {problem['ctx']['discriminator']}"
    if kind == "union_tag_invalid":
        key, tag = problem["ctx"]["discriminator"].strip("'"), problem["ctx"]["tag"]
        meant = _near_tag(problem)
        hint = f" (did you mean {meant!r}?)" if meant else f"; expected {', '.join(_tags(problem))}"
        return f"unknown {key} {tag!r}{hint}"
    if kind in ("too_short", "too_long"):
        bound = problem["ctx"].get("min_length", problem["ctx"].get("max_length"))
        limit = "at least" if kind == "too_short" else "at most"
        return f"{name} must have {limit} {bound} items, not {problem['ctx']['actual_length']}"
    message = message.removeprefix("Value error, ").removeprefix("Input should be ")
    given = problem.get("input")
    shown = f", not {given!r}" if isinstance(given, int | float | str | bool) else ""
    if kind == "value_error":
        return f"{name}: {message}"
    return f"{name} must be {message}{shown}"


def _shown_name(path: Path_) -> str:
    """Return the name of a value in messages: its key, or that of its list and its number."""
    if len(path) > 1 and isinstance(path[-1], int):
        return f"{path[-2]}[{path[-1]}]"
    return str(path[-1]) if path else "document"


def _near_field(name: str, model: type[BaseModel], loc: Path_) -> str:
    """Return which key an unknown one of a section may be meant to be, if that is clear."""
    here, anywhere = _fields_at(model, loc), _all_fields(model)
    if name in _RENAMED and _RENAMED[name] in here:
        return f" (its name is now {_RENAMED[name]!r})"
    return nearest(name, here) or ("" if name in anywhere else nearest(name, anywhere))


def _near_key(model: type[BaseModel], loc: Path_) -> str | None:
    """Return the key of a section that is nearest to an unknown one, if any is near."""
    near = nearest(str(loc[-1]), _fields_at(model, loc[:-1])).split("'")
    return near[1] if len(near) > 1 else None


def _fields_at(model: type[BaseModel], loc: Path_) -> list[str]:
    """Return the names of the fields of the section at a pydantic location."""
    found: list[Any] = [model]
    for part in loc:
        inner: list[Any] = []
        for each in found:
            if _is_model(each) and part in each.model_fields:
                inner += _alternatives(each.model_fields[str(part)].annotation)
            elif _is_model(each):
                inner += [each] if part in _names_of_kind(each) else []
            elif typing.get_origin(each) in (dict, list, tuple) and part not in ("[key]",):
                inner += _alternatives(typing.get_args(each)[-1])
        # A part that names a kind narrows the alternatives; one that names a type changes nothing.
        found = inner or found
    return sorted({name for each in found if _is_model(each) for name in each.model_fields})


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _names_of_kind(model: type[BaseModel]) -> list[Any]:
    """Return the values of a section's ``kind`` or ``name``, which tell alternatives apart."""
    keys = [k for k in ("kind", "name") if k in model.model_fields]
    return [value for k in keys for value in typing.get_args(model.model_fields[k].annotation)]


def _alternatives(annotation: Any) -> list[Any]:
    """Return the types among which an annotation chooses."""
    origin = typing.get_origin(annotation)
    if origin in (dict, list, tuple, typing.Literal) or _is_model(annotation):
        return [annotation]
    return [inner for part in typing.get_args(annotation) for inner in _alternatives(part)]


def _all_fields(model: type[BaseModel], seen: set | None = None) -> list[str]:
    """Return the names of all fields of a model and of the models inside it."""
    seen = set() if seen is None else seen
    if model in seen:
        return []
    seen.add(model)
    names: list[str] = []
    for name, info in model.model_fields.items():
        names.append(name)
        stack = [info.annotation]
        while stack:
            annotation = stack.pop()
            if _is_model(annotation):
                names += _all_fields(annotation, seen)  # type: ignore[arg-type]
            stack += typing.get_args(annotation)
    return sorted(set(names))
