"""The structure at the beginning of a file: its container and its first records, cut anywhere."""

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from simulator.errors import printable
from simulator.files.tables import other_separator
from simulator.files.text import open_text

_CHARS = (1 << 16, 1 << 22)
"""Lengths of the beginning that are tried one after the other, since records may be long."""
_RECORDS = 50
"""Records that are looked at; the first ones of an export may be of other kinds than the rest."""
_DEEPEST = 30
_SHOWN = 8
_SPACE = re.compile(r"\s*")
_DECODER = json.JSONDecoder()
LISTS = ("data", "observations", "logs")
"""Fields in which exports have their records."""


class Container(StrEnum):
    """What holds the records of a file."""

    CSV = "CSV"
    LINES = "JSON lines"
    DOCUMENT = "a JSON document"
    ARRAY = "a JSON array"
    BINARY = "no text"
    EMPTY = "an empty file"


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of a file."""

    container: Container
    columns: tuple[str, ...] = ()
    """Header of a CSV file."""
    values: list[Any] = field(default_factory=list)
    """First values of the lines or of the array, or the document."""

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield the first records, without the object or the list that exports put them in."""
        for value in self.values:
            if not isinstance(value, dict):
                continue
            inner = next((value[n] for n in LISTS if isinstance(value.get(n), list)), None)
            if inner is None or self.container is not Container.DOCUMENT:
                yield value
            else:
                yield from (item for item in inner[:_RECORDS] if isinstance(item, dict))

    def has(self, *names: str) -> bool:
        """Return whether one record, or the header, has all of some fields."""
        if self.container is Container.CSV:
            return set(names) <= set(self.columns)
        return any(set(names) <= set(record) for record in self.records())

    def seen(self) -> str:
        """Return what the file begins with, for messages."""
        if self.container is Container.CSV:
            names = list(self.columns)
            separator = other_separator(names)
            if separator:
                return f"text with columns between {separator!r}, where a comma is expected"
            return f"CSV with the columns {_shown(names)}" if any(names) else "text without columns"
        record = next(self.records(), None)
        if record is None:
            return f"{self.container} without objects" if self.values else str(self.container)
        return f"{self.container} with the fields {_shown(list(record))}"


def _shown(names: list[str]) -> str:
    texts = [name if len(name) <= 40 else f"{name[:40]}..." for name in names[:_SHOWN]]
    return printable(", ".join(texts) + (", ..." if len(names) > _SHOWN else ""))


def read_heads(path: Path) -> Iterator[Head]:
    """Yield the head of a file, and once more from a longer beginning if the file is long.

    Raises
    ------
    InputError
        If there is no such file, or it is not text.
    """
    length = -1
    for chars in _CHARS:
        with open_text(path) as file:
            text = file.read(chars)
        if len(text) > length:
            yield head_of(text)
        length = chars


def head_of(text: str) -> Head:
    """Return the head of a text."""
    text = text.lstrip("\ufeff \t\r\n")
    if not text:
        return Head(Container.EMPTY)
    if text[0] == "[":
        values, _ = _cut_value(text, 0, 0)
        return Head(Container.ARRAY, values=values[:_RECORDS])
    if text[0] == "{":
        return _objects(text)
    try:
        header = next(csv.reader(text.splitlines()[:1]), [])
    except csv.Error:  # for instance a field as long as a book
        header = []
    return Head(Container.CSV, columns=tuple(name.strip() for name in header))


def _objects(text: str) -> Head:
    """Return the head of one object, or of one object a line."""
    values: list[Any] = []
    at: int | None = 0
    while at is not None and at < len(text) and len(values) < _RECORDS:
        value, at = _cut_value(text, at, 0)
        values.append(value)
        at = None if at is None else _skip_space(text, at)
    return Head(Container.DOCUMENT if len(values) == 1 else Container.LINES, values=values)


def _skip_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return at if found is None else found.end()


def _cut_value(text: str, at: int, depth: int) -> tuple[Any, int | None]:
    """Return the JSON value at a place, as far as the text has it, and its end.

    The end is None if the text is cut in the value, or is no JSON.
    """
    at = _skip_space(text, at)
    opening = text[at : at + 1]
    if opening in ("{", "[") and depth < _DEEPEST:
        return _cut_container(text, at + 1, opening, depth + 1)
    try:
        return _DECODER.raw_decode(text, at)
    except (ValueError, RecursionError):
        return None, None


def _cut_container(text: str, at: int, opening: str, depth: int) -> tuple[Any, int | None]:
    """Return the object or the list that is open at a place, and its end."""
    members: dict[str, Any] = {}
    items: list[Any] = []
    whole, closing = (members, "}") if opening == "{" else (items, "]")
    at = _skip_space(text, at)
    if text.startswith(closing, at):
        return whole, at + 1
    while True:
        key = ""
        if opening == "{":
            key, after = _cut_value(text, at, _DEEPEST)
            colon = -1 if after is None else _skip_space(text, after)
            if not isinstance(key, str) or not text.startswith(":", max(0, colon)):
                return whole, None
            at = colon + 1
        value, end = _cut_value(text, at, depth)
        if opening == "{":
            members[key] = value
        elif end is not None or value is not None:
            items.append(value)
        if end is None:
            return whole, None
        end = _skip_space(text, end)
        if text.startswith(closing, end):
            return whole, end + 1
        if not text.startswith(",", end):
            return whole, None
        at = end + 1
