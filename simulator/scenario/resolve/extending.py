"""Scenarios that extend another: ``extends`` names it, and the other keys change it."""

from typing import Any

from simulator.errors import InputError
from simulator.files.yamltree import Mapping
from simulator.scenario.document.document import Document, Path_, read_yaml
from simulator.scenario.document.shipped import find_scenario
from simulator.scenario.resolve.quantities import NUMBER_FORMS


def apply_extends(document: Document, seen: tuple[str, ...] = ()) -> Document:
    """Merge a scenario into the one that it extends, if any.

    Mappings are merged key by key. A section of another ``kind``, a number in another form, a list
    or a plain value replaces the extended scenario's, and null removes it. Every value keeps its
    location, and files that it names are looked for in the folder of the file that contains it.

    Raises
    ------
    InputError
        With the location of ``extends``, when there is no such scenario or a cycle.
    """
    name = document.data.get("extends")
    if name is None:
        return document
    here = document.path.resolve()
    base = document.made(("extends",), lambda: _base(name, document, (*seen, str(here))))
    merge = _Merge()
    data = merge.merge(base, base.data, document, document.data, ())
    return Document(document.path, data, merge.origins, folders=merge.folders)


def _base(name: Any, document: Document, seen: tuple[str, ...]) -> Document:
    """Read the scenario that a document extends, with all scenarios that this one extends."""
    if not isinstance(name, str):
        raise InputError("extends must be a file or the name of a shipped scenario")
    neighbour = document.path.parent / name
    path = neighbour if neighbour.is_file() else find_scenario(name)
    if str(path.resolve()) in seen:
        raise InputError(f"{name} extends this scenario")
    return apply_extends(read_yaml(path), seen)


class _Merge:
    """The merging of two documents, with the origins of all values."""

    def __init__(self) -> None:
        self.origins: dict[Path_, str] = {}
        self.folders: dict[Path_, Any] = {}

    def merge(self, below: Document, low: Any, above: Document, high: Any, path: Path_) -> Any:
        """Return a new mapping in which ``high`` overrides ``low``."""
        data = Mapping()
        for key, value in low.items():
            here = (*path, key)
            if key not in high:
                data[key] = self._take(below, value, here)
            elif _are_mergeable(value, high[key]) and not (
                path and _differ_in_form(value, high[key])
            ):
                self._note_origin(above, here)
                data[key] = self.merge(below, value, above, high[key], here)
            elif high[key] is not None:
                data[key] = self._take(above, high[key], here)
        for key, value in high.items():
            if key not in low and value is not None:
                data[key] = self._take(above, value, (*path, key))
        return data

    def _take(self, document: Document, value: Any, path: Path_) -> Any:
        """Return a value, and note the origins of all its parts."""
        self._note_origin(document, path)
        parts = value.items() if isinstance(value, dict) else ()
        for key, part in parts:
            self._take(document, part, (*path, key))
        return value

    def _note_origin(self, document: Document, path: Path_) -> None:
        self.origins[path] = document.location(path)
        self.folders[path] = document.folder(path)


def _differ_in_form(low: Any, high: Any) -> bool:
    """Return whether two mappings are numbers in different forms, such as an interval."""
    forms = [{f for f in NUMBER_FORMS if value and set(value) <= set(f.model_fields)}
             for value in (low, high)]  # fmt: skip
    return all(forms) and not forms[0] & forms[1]


def _are_mergeable(low: Any, high: Any) -> bool:
    """Return whether two values are mappings of the same kind."""
    if not isinstance(low, dict) or not isinstance(high, dict):
        return False
    return high.get("kind", low.get("kind")) == low.get("kind")
