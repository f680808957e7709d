"""Reading of YAML 1.2 as mappings, lists and plain values with their locations in the file.

PyYAML parses the text. Scalars are resolved here by the core schema of YAML 1.2
(https://yaml.org/spec/1.2.2/#103-core-schema), with two common additions: underscores in numbers
(``10_000``) and merged mappings (``<<: *base``). Dates remain texts, and tags create no objects.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import yaml

MOST_DEPTH = 100
"""Deepest nesting of mappings and lists, far beyond that of any handwritten file."""
MOST_NODES = 2_000_000
"""Most values of a document with all aliases expanded; a few lines could expand to billions."""
MOST_DIGITS = 300
"""Most characters of a number, close to those of the largest float."""

Place = tuple[int, int]
"""Line and column, from 1."""

# The compiled parser, if PyYAML was built with it: the same events, ten times as fast.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NOT_ALLOWED = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_HALF = re.compile("[\ud800-\udfff]")
_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_BOOLEANS = {
    word: value for value, words in ((True, "true True TRUE"), (False, "false False FALSE"))
    for word in words.split()
}  # fmt: skip
_INTEGER = re.compile(r"[-+]?\d[\d_]*|0o[0-7_]+|0x[\da-fA-F_]+")
_FLOAT = re.compile(r"[-+]?(?:\.\d[\d_]*|\d[\d_]*(?:\.[\d_]*)?)(?:[eE][-+]?\d+)?")
_SPECIAL = re.compile(r"([-+]?)\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_TAG = "tag:yaml.org,2002:"
_MERGE = "<<"


class Unreadable(ValueError):
    """A text is not usable YAML: the reason, with line and column from 1."""

    def __init__(self, place: Place, problem: str) -> None:
        super().__init__(problem)
        self.place = place


class Mapping(dict[Any, Any]):
    """A mapping with the locations of its keys."""

    __slots__ = ("places",)
    places: dict[Any, Place]

    def __init__(self) -> None:
        super().__init__()
        self.places = {}

    def copy(self) -> "Mapping":
        """Return a mapping of the same values, with their locations."""
        other = Mapping()
        other.update(self)
        other.places = dict(self.places)
        return other


class Sequence(list[Any]):
    """A list with the locations of its items."""

    __slots__ = ("places",)
    places: list[Place]

    def __init__(self) -> None:
        super().__init__()
        self.places = []

    def copy(self) -> "Sequence":
        """Return a list of the same items, with their locations."""
        other = Sequence()
        other.extend(self)
        other.places = list(self.places)
        return other


def place_of(node: Any, key: Any) -> Place | None:
    """Return the location of a key of a mapping or of an item of a list, None if it is unknown."""
    if isinstance(node, Mapping):
        return node.places.get(key)
    if isinstance(node, Sequence) and isinstance(key, int) and key < len(node.places):
        return node.places[key]
    return None


def copied(node: Any) -> Any:
    """Return a deep copy of a tree."""
    if isinstance(node, Mapping | Sequence):
        other: Any = node.copy()
        for key, value in list(node.items() if isinstance(node, Mapping) else enumerate(node)):
            if isinstance(value, dict | list):
                other[key] = copied(value)
        return other
    if isinstance(node, dict):
        return {key: copied(value) for key, value in node.items()}
    return [copied(value) for value in node] if isinstance(node, list) else node


def parse(text: str) -> Any:
    """Return the value of a text that is one YAML document, None if it is empty.

    Raises
    ------
    Unreadable
        At the first location that is not YAML, repeats a key, is nested deeper than
        ``MOST_DEPTH``, or has an element that no scenario may have.
    """
    text = text.removeprefix("\ufeff")
    forbidden = _NOT_ALLOWED.search(text)
    if forbidden:
        before = text[: forbidden.start()]
        lines = re.split("\r\n|\r|\n", before)
        location = (len(lines), len(lines[-1]) + 1)
        raise Unreadable(location, f"character U+{ord(forbidden[0]):04X} is not allowed in YAML")
    try:
        return _Tree(yaml.parse(text, Loader=_LOADER)).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = str(error.problem or error.context or "not valid YAML").split("\n")[0]
        raise Unreadable((mark.line + 1, mark.column + 1) if mark else (1, 1), problem) from None
    except yaml.YAMLError as error:
        raise Unreadable((1, 1), str(error).split("\n")[0]) from None


class _Tree:
    """Builder of the values of one document from its parser events."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._anchors: dict[str, tuple[Any, int]] = {}
        """Finished values by anchor, with the number of values in each."""
        self._open: set[str] = set()
        self._nodes = 0

    def document(self) -> Any:
        value = None
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise Unreadable(_location(event), "expected one document, found another")
            elif isinstance(event, yaml.NodeEvent):
                value = self._node(event, 0)
        return value

    def _node(self, event: Any, depth: int) -> Any:
        if depth > MOST_DEPTH:
            raise Unreadable(_location(event), f"nested deeper than {MOST_DEPTH} levels")
        before = self._nodes
        self._count(event, 1)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if event.anchor:
            self._open.add(event.anchor)
        if isinstance(event, yaml.ScalarEvent):
            if _HALF.search(event.value):
                raise Unreadable(_location(event), "half of a character, a lone surrogate")
            value = _scalar(event)
        elif isinstance(event, yaml.MappingStartEvent):
            _check_tag(event, "map")
            value = self._mapping(depth)
        else:
            _check_tag(event, "seq")
            value = self._sequence(depth)
        if event.anchor:
            self._open.discard(event.anchor)
            self._anchors[event.anchor] = (value, self._nodes - before)
        return value

    def _count(self, event: Any, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > MOST_NODES:
            raise Unreadable(_location(event), f"more than {MOST_NODES:,} values")

    def _alias(self, event: Any) -> Any:
        if event.anchor in self._open:
            raise Unreadable(_location(event), f"alias {event.anchor!r} is inside of its own value")
        if event.anchor not in self._anchors:
            raise Unreadable(_location(event), f"unknown alias {event.anchor!r}")
        value, nodes = self._anchors[event.anchor]
        self._count(event, nodes)
        return value

    def _sequence(self, depth: int) -> Sequence:
        sequence = Sequence()
        for event in self._events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            sequence.places.append(_location(event))
            sequence.append(self._node(event, depth + 1))
        return sequence

    def _mapping(self, depth: int) -> Mapping:
        mapping, merged = Mapping(), []
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            location, key = _location(event), _key(event)
            value = self._node(next(self._events), depth + 1)
            if key == _MERGE:
                merged += [(location, base) for base in _bases(location, value)]
                continue
            if key in mapping:
                raise Unreadable(location, f"duplicate key {key!r}")
            mapping[key] = value
            mapping.places[key] = location
        for location, base in merged:
            for key, value in base.items():
                if key not in mapping:
                    mapping[key] = value
                    mapping.places[key] = location
        return mapping


def _bases(location: Place, value: Any) -> list[Mapping]:
    """Return the mappings that a merge key refers to."""
    bases = value if isinstance(value, Sequence) else [value]
    if not all(isinstance(base, Mapping) for base in bases):
        raise Unreadable(location, "<< needs a mapping or a list of mappings")
    return bases


def _location(event: Any) -> Place:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _key(event: Any) -> str:
    """Return a key as written: all keys are texts, even if they would be other values elsewhere."""
    if not isinstance(event, yaml.ScalarEvent) or _HALF.search(event.value):
        raise Unreadable(_location(event), "a key must be a text")
    if event.anchor or event.tag not in (None, "!", _TAG + "str"):
        raise Unreadable(_location(event), "a key can have neither anchor nor tag")
    return str(event.value)


def _check_tag(event: Any, kind: str) -> None:
    if event.tag not in (None, "!", _TAG + kind):
        raise Unreadable(_location(event), f"tag {_short_tag(event.tag)} is not allowed here")


def _short_tag(tag: str) -> str:
    return tag.replace(_TAG, "!!", 1)


def _scalar(event: Any) -> Any:
    tag = event.tag
    if tag is None:
        return _plain_value(event) if event.implicit[0] else event.value
    if tag in ("!", _TAG + "str"):
        return event.value
    is_of_tag = _TAGGED.get(tag)
    value = _plain_value(event)
    if is_of_tag is None or not is_of_tag(value):
        problem = f"tag {_short_tag(tag)} is not allowed here"
        raise Unreadable(
            _location(event), problem if is_of_tag is None else f"not a value of {_short_tag(tag)}"
        )
    return float(value) if tag == _TAG + "float" else value


_TAGGED: dict[str, Callable[[Any], bool]] = {
    _TAG + "null": lambda v: v is None,
    _TAG + "bool": lambda v: isinstance(v, bool),
    _TAG + "int": lambda v: isinstance(v, int) and not isinstance(v, bool),
    _TAG + "float": lambda v: isinstance(v, int | float) and not isinstance(v, bool),
}


def _plain_value(event: Any) -> Any:
    """Return the value of an unquoted scalar."""
    try:
        return _resolve(event.value)
    except ValueError as error:
        raise Unreadable(_location(event), str(error)) from None


def _resolve(text: str) -> Any:
    """Return the value of a text by the core schema; raise ValueError if a number is too long."""
    if text in _NULL:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if text[0] not in "+-.0123456789":
        return text
    is_integer = _INTEGER.fullmatch(text)
    if is_integer or _FLOAT.fullmatch(text):
        if len(text) > MOST_DIGITS:
            raise ValueError(f"a number has more than {MOST_DIGITS} digits")
        digits = text.replace("_", "")
        if not is_integer:
            return float(digits)
        return int(digits, {"0o": 8, "0x": 16}.get(digits[:2], 10))
    special = _SPECIAL.fullmatch(text)
    if special:
        return float("nan") if text.lower() == ".nan" else float(f"{special[1]}inf")
    return text


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]
    """Dumper that quotes the texts which would be read as other values."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    looks_plain = _resolve(text) == text
    style = None if looks_plain else "'"
    return dumper.represent_scalar(_TAG + "str", text, style=style)


_Dumper.add_representer(str, _text)


def dumped(data: Any) -> str:
    """Return plain values as YAML from which ``parse`` returns the same values."""
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return text
