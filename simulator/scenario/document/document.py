"""YAML with positions: every problem is one line that says where and what was expected."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from simulator.economics.interval import UncertainNumber
from simulator.errors import InputError, nearest
from simulator.files import yamltree
from simulator.files.text import fail, read_text

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")
Path_ = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """A parsed file and where its values stand; values from elsewhere carry that origin."""

    path: Path
    data: Any
    origins: Mapping[Path_, str] = field(default_factory=dict)
    uncertain: tuple[UncertainNumber, ...] = ()
    """Numbers in whose places their medians stand."""
    folders: Mapping[Path_, Path] = field(default_factory=dict)
    """Of the files that said them, for values from elsewhere."""
    copies: Mapping[Path, Path] = field(default_factory=dict)
    """Of files that values name, on a machine that does not have them."""

    def place(self, at: Path_) -> str:
        """Return ``file:line:column`` of the deepest part of a path that exists."""
        for end in range(len(at), 0, -1):
            if at[:end] in self.origins:
                return self.origins[at[:end]]
        (line, column), node = (1, 1), self.data
        for key in at:
            found = yamltree.place_of(node, key)
            if found is None:
                break
            (line, column), node = found, node[key]
        return f"{self.path}:{line}:{column}"

    def folder(self, at: Path_) -> Path:
        """Return the folder in which a file is that the value at a path names."""
        for end in range(len(at), 0, -1):
            if at[:end] in self.folders:
                return self.folders[at[:end]]
        return self.path.parent

    def file(self, at: Path_, name: str) -> Path:
        """Return where the file is that the value at a path names, or a copy of it."""
        return self.at_hand(self.folder(at) / name)

    def at_hand(self, path: Path) -> Path:
        """Return a path, or where the copy is of what was there."""
        return self.copies.get(path, path)

    def fail(self, at: Path_, message: str) -> InputError:
        """Return the error of a value."""
        return InputError(f"{self.place(at)}: {message}")

    def made(self, at: Path_, make: Callable[[], T]) -> T:
        """Make something of a value, and name its place when that fails."""
        try:
            return make()
        except InputError as error:
            raise self.fail(at, str(error)) from None


def read_yaml(path: Path) -> Document:
    """Parse a YAML 1.2 mapping.

    Raises
    ------
    InputError
        When the file is missing, is not YAML, repeats a key or holds no mapping.
    """
    text = read_text(path)
    try:
        data = yamltree.parse(text)
    except yamltree.Unreadable as error:
        fail(path, *error.place, str(error))
    if not isinstance(data, yamltree.Mapping):
        fail(path, 1, 1, "expected a mapping of keys to values")
    return Document(path, data)


def parse_value(text: str, origin: str) -> Any:
    """Parse the value of ``--set path=value`` as YAML."""
    try:
        return yamltree.parse(text)
    except yamltree.Unreadable as error:
        raise InputError(f"{origin}: not a valid value: {error}") from None


OPTIONAL_SECTIONS = ("analysis", "future", "quality")
"""That a scenario may leave out, and that a path may lead into all the same."""


def with_values(
    document: Document,
    values: Mapping[str, Any],
    origin: Callable[[str], str] = "--set {}".format,
    folder: Callable[[str], Path] | None = None,
) -> Document:
    """Return the document with dot-paths set; a path may end in a key that is not there yet.

    None takes a key out. ``origin`` says where the value of a path comes from, ``folder`` where
    files are that it names; default: beside the document.

    Raises
    ------
    InputError
        When a path leads through something that is no mapping or does not exist.
    """
    data = document.data.copy()
    for path, value in values.items():
        keys = path.split(".")
        node = data
        for place, key in enumerate(keys[:-1]):
            if place == 0 and key in OPTIONAL_SECTIONS:
                node.setdefault(key, {})
            if not isinstance(node, dict) or key not in node:
                known = [str(k) for k in node] if isinstance(node, dict) else []
                raise InputError(
                    f"{origin(path)}: there is no {key!r} in the scenario{nearest(key, known)}"
                )
            if isinstance(node[key], dict | list):
                # What is set leaves the original alone; only what leads there is copied.
                node[key] = node[key].copy()
            node = node[key]
        if not isinstance(node, dict):
            raise InputError(f"{origin(path)}: {'.'.join(keys[:-1])} is not a mapping")
        if value is None:
            node.pop(keys[-1], None)
        else:
            node[keys[-1]] = value
    places: dict[Path_, str] = {tuple(path.split(".")): path for path in values}
    origins, folders = _without(document.origins, places), _without(document.folders, places)
    for at, path in places.items():
        origins[at] = origin(path)
        folders[at] = folder(path) if folder else document.path.parent
    return replace(document, data=data, origins=origins, folders=folders)


def _without(known: Mapping[Path_, T], places: Collection[Path_]) -> dict[Path_, T]:
    """What is known of paths that are none of some places and lead into none."""
    return {
        at: value
        for at, value in known.items()
        if not any(at[: len(place)] == place for place in places)
    }


def validate(model: type[M], document: Document, at: Path_ = ()) -> M:
    """Check a document, or the part of it at a path, against a model.

    Raises
    ------
    InputError
        With the first problem's place, what was expected, and the nearest valid name.
    """
    data = value_at(document.data, at)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = at + within(data, problem["loc"])
        raise document.fail(where, _explain(model, problem, where)) from None


def _explain(model: type[BaseModel], problem: Any, where: Path_) -> str:
    name = str(where[-1]) if where else "document"
    if problem["type"] == "extra_forbidden":
        return f"unknown key {name!r}{nearest(name, _all_fields(model))}"
    if problem["type"] == "missing":
        return f"missing key {problem['loc'][-1]!r}"
    message = problem["msg"]
    message = message.removeprefix("Value error, ").removeprefix("Input should be ")
    given = problem.get("input")
    shown = f", not {given!r}" if isinstance(given, int | float | str | bool) else ""
    if problem["type"] == "value_error":
        return f"{name}: {message}"
    return f"{name} must be {message}{shown}"


def _all_fields(model: type[BaseModel], seen: set | None = None) -> list[str]:
    """Names of all fields of a model and of the models inside it."""
    import typing

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
            if isinstance(annotation, type) and issubclass(annotation, BaseModel):
                names += _all_fields(annotation, seen)
            stack += typing.get_args(annotation)
    return sorted(set(names))


def within(data: Any, loc: Path_) -> Path_:
    """Return the keys of a pydantic location that lead somewhere in the data."""
    path: list[str | int] = []
    for part in loc:
        inside = isinstance(data, dict) and part in data
        if inside or (isinstance(data, list) and part in range(len(data))):
            data = data[part]
            path.append(part)
    return tuple(path)


def value_at(data: Any, path: Path_) -> Any:
    """Return what is at a path of keys and places that exists."""
    for key in path:
        data = data[key]
    return data
