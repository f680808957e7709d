"""YAML with locations: every fault is one line that names its location and what was expected."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from simulator.economics.interval import UncertainNumber
from simulator.errors import Faults, InputError, nearest
from simulator.files import yamltree
from simulator.files.text import fail, read_text
from simulator.scenario.document.problems import KnownFaults, problems_of
from simulator.scenario.document.problems import Path_ as Path_

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")


@dataclass(frozen=True)
class Document:
    """A parsed file with the locations of its values."""

    path: Path
    data: Any
    origins: Mapping[Path_, str] = field(default_factory=dict)
    """Locations of values that come from elsewhere: another file, a preset, a setting."""
    uncertain: tuple[UncertainNumber, ...] = ()
    """Uncertain numbers, which ``data`` contains as their medians."""
    folders: Mapping[Path_, Path] = field(default_factory=dict)
    """Folders of the files from which values come, for values from other files."""
    copies: Mapping[Path, Path] = field(default_factory=dict)
    """Copies of files that values name, on a machine that does not have the files."""

    def location(self, at: Path_) -> str:
        """Return ``file:line:column`` of the deepest part of a path that exists."""
        for end in range(len(at), 0, -1):
            if at[:end] in self.origins:
                return self.origins[at[:end]]
        (line, column), node = (1, 1), self.data
        for key in at:
            position = yamltree.place_of(node, key)
            if position is None:
                break
            (line, column), node = position, node[key]
        return f"{self.path}:{line}:{column}"

    def folder(self, at: Path_) -> Path:
        """Return the folder of a file that is named by the value at a path."""
        for end in range(len(at), 0, -1):
            if at[:end] in self.folders:
                return self.folders[at[:end]]
        return self.path.parent

    def file(self, at: Path_, name: str) -> Path:
        """Return the path of a file that is named by the value at a path, or of its copy."""
        return self.at_hand(self.folder(at) / name)

    def at_hand(self, path: Path) -> Path:
        """Return the copy of a file if there is one, else the path itself."""
        return self.copies.get(path, path)

    def fail(self, at: Path_, message: str) -> InputError:
        """Return the error of a value, with its location."""
        return InputError(f"{self.location(at)}: {message}")

    def placed(self, at: Path_, error: InputError) -> InputError:
        """Return an error with the location of the value that it is about in every line."""
        return InputError(*(f"{self.location(at)}: {line}" for line in error.errors))

    def made(self, at: Path_, make: Callable[[], T]) -> T:
        """Call a function that depends on a value, and add the value's location to its errors."""
        try:
            return make()
        except InputError as error:
            raise self.placed(at, error) from None


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
"""Sections that a scenario may omit, and that a path may nevertheless lead into."""


def with_values(
    document: Document,
    values: Mapping[str, Any],
    origin: Callable[[str], str] = "--set {}".format,
    folder: Callable[[str], Path] | None = None,
) -> Document:
    """Return the document with values set by dotted path; the last key of a path may be new.

    None removes a key. ``origin`` returns the location of a path's value for messages, and
    ``folder`` the folder of files that it names; default: the document's.

    Raises
    ------
    InputError
        When a path leads through something that is not a mapping or does not exist.
    """
    data = document.data.copy()
    for path, value in values.items():
        keys = path.split(".")
        node = data
        for depth, key in enumerate(keys[:-1]):
            if depth == 0 and key in OPTIONAL_SECTIONS:
                node.setdefault(key, {})
            if not isinstance(node, dict) or key not in node:
                known = [str(k) for k in node] if isinstance(node, dict) else []
                raise InputError(
                    f"{origin(path)}: there is no {key!r} in the scenario{nearest(key, known)}"
                )
            if isinstance(node[key], dict | list):
                # The original must not change, so all sections along the path are copied.
                node[key] = node[key].copy()
            node = node[key]
        if not isinstance(node, dict):
            raise InputError(f"{origin(path)}: {'.'.join(keys[:-1])} is not a mapping")
        if value is None:
            node.pop(keys[-1], None)
        else:
            node[keys[-1]] = value
    changed: dict[Path_, str] = {tuple(path.split(".")): path for path in values}
    origins, folders = _without(document.origins, changed), _without(document.folders, changed)
    for at, path in changed.items():
        origins[at] = origin(path)
        folders[at] = folder(path) if folder else document.path.parent
    return replace(document, data=data, origins=origins, folders=folders)


def _without(entries: Mapping[Path_, T], paths: Collection[Path_]) -> dict[Path_, T]:
    """Return the entries that are not at some paths or below them."""
    return {
        at: entry
        for at, entry in entries.items()
        if not any(at[: len(path)] == path for path in paths)
    }


def validate(model: type[M], document: Document, at: Path_ = ()) -> M:
    """Check a document, or the part of it at a path, against a model.

    Raises
    ------
    InputError
        With a line for every problem: its location, what was expected, and the nearest valid name.
    """
    faults = PlacedFaults()
    checked = checked_by(model, document, faults, at)
    faults.check()
    assert checked is not None
    return checked


class PlacedFaults(Faults):
    """Faults of a document, with the paths at which they are."""

    def __init__(self) -> None:
        super().__init__()
        self.known = KnownFaults()

    def note(self, document: Document, path: Path_, error: InputError) -> None:
        """Note the faults of the value at a path."""
        self.add(document.placed(path, error))
        self.known.paths.add(path)


def checked_by(
    model: type[M], document: Document, faults: PlacedFaults, at: Path_ = ()
) -> M | None:
    """Check a document, or the part of it at a path; None after noting what is not valid."""
    data = value_at(document.data, at)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        known = KnownFaults(set(faults.known.paths), set(faults.known.incomplete))
        for path, message in problems_of(model, data, error, known):
            faults.note(document, (*at, *path), InputError(message))
    return None


def value_at(data: Any, path: Path_) -> Any:
    """Return the value at an existing path of keys and indices."""
    for key in path:
        data = data[key]
    return data
