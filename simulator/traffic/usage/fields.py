"""Fields of the records of an export, with their location for messages."""

import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from simulator.errors import nearest
from simulator.files.numbers import abbreviated, must_be, number_or_nan
from simulator.files.text import fail
from simulator.traffic.usage.buckets import Notices
from simulator.traffic.usage.export_format import Content, moment_of, sum_of

_ROUNDING = 1e-6
"""Relative difference of two amounts that stems from their rounding."""


@dataclass(frozen=True, slots=True)
class Fields:
    """Fields of one record."""

    values: dict[str, Any]
    path: Path
    line: int
    where: str = ""
    """Path of the record within a JSON document, such as ``data[0].``."""

    def fail(self, message: str) -> NoReturn:
        """Raise InputError for this record."""
        fail(self.path, self.line, 1, f"{self.where[:-1]}: {message}" if self.where else message)

    def replaced(self, values: dict[str, Any]) -> "Fields":
        """Return other fields at the same location."""
        return Fields(values, self.path, self.line, self.where)

    def amount(self, name: str) -> float:
        """Return an amount of 0 or more, NaN if it is missing."""
        return sum_of(self.values, name, self.path, self.line, self.where)

    def count(self, name: str) -> float:
        """Return a number of calls or tokens, NaN if it is missing.

        A fraction is refused: it shows another unit, such as millions of tokens.
        """
        number = self.amount(name)
        if number == number and not number.is_integer():
            self.fail(must_be(name, "a whole number", self.values[name]))
        return number

    def text(self, name: str) -> str:
        """Return a text, empty if it is missing."""
        value = self.values.get(name)
        if isinstance(value, dict | list):
            self.fail(must_be(name, "a text", value))
        return "" if value is None else str(value).strip()

    def moment(self, name: str) -> float:
        """Return a moment [s since 1970, UTC] in the time of such exports."""
        return moment_of(self.values, name, self.path, self.line, self.where)

    def mapping(self, name: str) -> "Fields":
        """Return an inner record, without fields if it is missing."""
        value = self.values.get(name)
        if value is not None and not isinstance(value, dict):
            self.fail(must_be(name, "an object", value))
        return Fields(value or {}, self.path, self.line, f"{self.where}{name}.")

    def mappings(self, name: str) -> Iterator["Fields"]:
        """Yield the records of an inner list, none if it is missing."""
        value = self.values.get(name)
        if value is not None and not isinstance(value, list):
            self.fail(must_be(name, "a list", value))
        for index, record in enumerate(value or []):
            where = f"{self.where}{name}[{index}]"
            if not isinstance(record, dict):
                self.fail(must_be(where, "an object", record))
            yield Fields(record, self.path, self.line, f"{where}.")

    def others(self, known: Collection[str]) -> tuple[tuple[str, str], ...]:
        """Return the texts of all fields with other names: what else distinguishes this record."""
        return tuple(
            (name, str(value))
            for name, value in sorted(self.values.items())
            if name not in known and isinstance(value, str | bool) and value != ""
        )

    def refuse_excess(self, part: str, whole: str) -> None:
        """Raise InputError if a count exceeds the one that contains it."""
        if self.count(part) > self.count(whole):
            self.fail(
                f"{part} ({self.count(part):,.0f}) exceeds {whole} ({self.count(whole):,.0f}), "
                "which contains it"
            )

    def refuse_other_total(self, total: str, parts: Iterable[str]) -> None:
        """Raise InputError if counts are all known and do not add up to a stated total."""
        names = list(parts)
        found, stated = sum(map(self.count, names)), self.count(total)
        if abs(found - stated) > 0:
            self.fail(f"{' + '.join(names)} is {found:,.0f}, but {total} is {stated:,.0f}")

    def refuse_unknown_tokens(self, known: Collection[str]) -> None:
        """Raise InputError for a count of tokens that the reader does not know, unless it is 0."""
        for name, value in self.values.items():
            if name not in known and "token" in name.lower() and _has_count(value):
                hint = nearest(name, sorted(known))
                self.fail(f"unknown count of tokens {name!r} ({abbreviated(value)}){hint}")


def _has_count(value: Any) -> bool:
    """Return whether a value is a number other than 0, or contains one."""
    if isinstance(value, dict | list):
        return any(map(_has_count, value.values() if isinstance(value, dict) else value))
    number = number_or_nan(value)
    return number == number and number != 0


def cost_without_credits(record: Fields, name: str, notices: Notices) -> float:
    """Return a cost, NaN for a missing one and for a credit, which is left out."""
    text = record.text(name)
    if not text.startswith("-"):
        return record.amount(name)
    record.replaced({name: text[1:]}).amount(name)
    notices.leave_out("credits and refunds")
    return math.nan


def known_sum(*values: float) -> float:
    """Return the sum of the values that are known."""
    return float(sum(v for v in values if v == v))


def is_same(first: float, second: float) -> bool:
    """Return whether two amounts are equal up to rounding."""
    return abs(first - second) <= _ROUNDING * max(abs(first), abs(second), 1e-3)


def export_records(content: Content, *lists: str) -> Iterator[Fields]:
    """Yield the records of a table, of JSON lines, or of a list at one of these names.

    Raises
    ------
    InputError
        If there is a value in place of a record.
    """
    for line, document in content.records:
        if isinstance(document, list):
            document = {"": document}
        if not isinstance(document, dict):
            fail(content.path, line, 1, "expected a JSON object, or a list of them")
        record = Fields(document, content.path, line)
        name = next((name for name in ("", *lists) if name in document), None)
        if name is None:
            yield record
        else:
            yield from record.mappings(name)


def first_record(content: Content, *lists: str) -> dict[str, Any]:
    """Return the first record as ``export_records`` does, without fields if there is none."""
    document = content.first
    for name in lists:
        if isinstance(document, dict) and name in document:
            document = document[name]
    if isinstance(document, list):
        document = document[0] if document else None
    return document if isinstance(document, dict) else {}
