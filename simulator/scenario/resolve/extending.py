"""Scenarios that start from another: ``extends`` names it, the rest says what is otherwise."""

from typing import Any

from simulator.errors import InputError
from simulator.files.yamltree import Mapping
from simulator.scenario.document.document import Document, Path_, read_yaml
from simulator.scenario.document.shipped import find_scenario
from simulator.scenario.resolve.quantities import NUMBER_FORMS


def extended(document: Document, seen: tuple[str, ...] = ()) -> Document:
    """Return a scenario laid over the one that it extends, if it does.

    Mappings are joined key by key; a section of another ``kind``, a number said in another way, a
    list or a plain value replaces what is there, and null takes it out. Every value keeps its
    place, and files that it names are looked for beside the file that says so.

    Raises
    ------
    InputError
        At ``extends``, when there is no such scenario or it leads back here.
    """
    name = document.data.get("extends")
    if name is None:
        return document
    here = document.path.resolve()
    base = document.made(("extends",), lambda: _base(name, document, (*seen, str(here))))
    joined = _Joined()
    data = joined.join(base, base.data, document, document.data, ())
    return Document(document.path, data, joined.origins, folders=joined.folders)


def _base(name: Any, document: Document, seen: tuple[str, ...]) -> Document:
    if not isinstance(name, str):
        raise InputError("extends must be a file or the name of a shipped scenario")
    beside = document.path.parent / name
    path = beside if beside.is_file() else find_scenario(name)
    if str(path.resolve()) in seen:
        raise InputError(f"{name} extends this scenario")
    return extended(read_yaml(path), seen)


class _Joined:
    """Where the values of a joined document come from."""

    def __init__(self) -> None:
        self.origins: dict[Path_, str] = {}
        self.folders: dict[Path_, Any] = {}

    def join(self, below: Document, low: Any, above: Document, high: Any, path: Path_) -> Any:
        """Lay one mapping over another; both stay as they are."""
        data = Mapping()
        for key, value in low.items():
            here = (*path, key)
            if key not in high:
                data[key] = self._taken(below, value, here)
            elif _go_together(value, high[key]) and not (path and _are_two_ways(value, high[key])):
                self._note(above, here)
                data[key] = self.join(below, value, above, high[key], here)
            elif high[key] is not None:
                data[key] = self._taken(above, high[key], here)
        for key, value in high.items():
            if key not in low and value is not None:
                data[key] = self._taken(above, value, (*path, key))
        return data

    def _taken(self, document: Document, value: Any, path: Path_) -> Any:
        """A value with all that is in it, as its document has it."""
        self._note(document, path)
        parts = value.items() if isinstance(value, dict) else ()
        for key, part in parts:
            self._taken(document, part, (*path, key))
        return value

    def _note(self, document: Document, path: Path_) -> None:
        self.origins[path] = document.place(path)
        self.folders[path] = document.folder(path)


def _are_two_ways(low: Any, high: Any) -> bool:
    """Whether two mappings say a number each in its own way, as an interval or by quantiles."""
    ways = [{f for f in NUMBER_FORMS if said and set(said) <= set(f.model_fields)}
            for said in (low, high)]  # fmt: skip
    return all(ways) and not ways[0] & ways[1]


def _go_together(low: Any, high: Any) -> bool:
    """Whether two values are mappings of the same kind."""
    if not isinstance(low, dict) or not isinstance(high, dict):
        return False
    return high.get("kind", low.get("kind")) == low.get("kind")
