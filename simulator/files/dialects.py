"""Dialects of CSV tables: what separates their columns, and how they write numbers.

Spreadsheets separate columns by semicolons or tabs where the comma is the decimal mark, and such
tables may group thousands by points. The mark is the one that unambiguous numbers at the beginning
of a table show, such as ``0,25`` or ``1.234,5``. A number that may be either, such as ``1.234``, is
read by this mark; without any unambiguous number it is refused, never guessed.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Protocol

from simulator.files.numbers import abbreviated

_DELIMITERS = (",", ";", "\t", "|")
_MARKS = {".": "point", ",": "comma"}
_SAMPLE_LINES = 200
_NUMBER = re.compile(r"[+-]?\$?(\d*[.,][\d.,]*)")
_EITHER = re.compile(r"[1-9]\d{0,2}[.,]\d{3}")
_GROUPED = re.compile(r"[1-9]\d{0,2}(?:(?:\.\d{3})+(?:,\d*)?|(?:,\d{3})+(?:\.\d*)?)")


class UnclearNumber(ValueError):
    """A number that may have another value than it seems: the field's index, and the reason."""

    def __init__(self, index: int, problem: str) -> None:
        super().__init__(problem)
        self.index = index


class TableReader(Protocol):
    """A reader of the standard library: rows of texts, and the line at which the last one ends."""

    line_num: int

    def __iter__(self) -> Iterator[list[str]]: ...

    def __next__(self) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class Dialect:
    """What separates the columns of a table, and how it writes numbers."""

    delimiter: str
    decimal: str
    """Mark before decimals, empty if no number of the table's beginning shows it."""

    @property
    def is_usual(self) -> bool:
        """Whether numbers are written as in programs, as far as the beginning of a table shows."""
        return self.delimiter == "," and self.decimal != ","

    def plain(self, row: list[str]) -> list[str]:
        """Return a row whose numbers are written as in programs.

        Raises
        ------
        UnclearNumber
            If a number has two possible values, or another decimal mark than those before it.
        """
        text = "".join(row)
        # A row without commas is plain if the point is the decimal mark. Most rows need no more.
        if self.is_usual or ("," not in text and (self.decimal == "." or "." not in text)):
            return row
        return [self._plain(index, text) for index, text in enumerate(row)]

    def _plain(self, index: int, text: str) -> str:
        marks = _possible_marks(text)
        if not marks:
            return text
        if self.decimal and self.decimal not in marks:
            raise UnclearNumber(
                index,
                f"{abbreviated(text)} has a decimal {_MARKS[marks]}, but rows before it have a "
                f"decimal {_MARKS[self.decimal]}",
            )
        if len(marks) > 1 and not self.decimal:
            whole, part = re.split("[.,]", text)
            raise UnclearNumber(
                index,
                f"{abbreviated(text)} may be {whole}{part} or {whole}.{part}, and no number before "
                "it shows the decimal mark; save the table with commas between columns",
            )
        mark = self.decimal or marks
        return text.replace("," if mark == "." else ".", "").replace(mark, ".")


def read_rows(text: Iterable[str]) -> tuple[TableReader, Dialect]:
    """Return the reader of a table's rows, as they are written, and the dialect of the table."""
    csv.field_size_limit(2**31 - 1)
    rest = iter(text)
    first = list(islice(rest, _SAMPLE_LINES))
    dialect = _dialect_of(first)
    return csv.reader(chain(first, rest), delimiter=dialect.delimiter, strict=True), dialect


def header_of(line: str) -> list[str]:
    """Return the columns in the first line of a table, none if it has none."""
    try:
        return next(csv.reader([line], delimiter=_delimiter_of(line)), [])
    except csv.Error:  # for instance a field as long as a book
        return []


def _dialect_of(first: list[str]) -> Dialect:
    delimiter = _delimiter_of(first[0]) if first else ","
    marks = set()
    try:
        for row in islice(csv.reader(first, delimiter=delimiter), 1, None):
            marks |= {found for text in row if len(found := _possible_marks(text)) == 1}
    except csv.Error:  # which the reader of the rows reports with its line
        pass
    return Dialect(delimiter, marks.pop() if len(marks) == 1 else "")


def _delimiter_of(header: str) -> str:
    """Return the character that separates most columns of a header, a comma if none does."""

    def columns(delimiter: str) -> int:
        try:
            return len(next(csv.reader([header], delimiter=delimiter), []))
        except csv.Error:
            return 0

    return max(_DELIMITERS, key=columns)


def _possible_marks(text: str) -> str:
    """Return the marks that may be before the decimals of a number, none of a whole number.

    A text that is no number has none either.
    """
    found = _NUMBER.fullmatch(text.strip())
    if found is None:
        return ""
    digits = found[1]
    if _EITHER.fullmatch(digits):
        return ".,"
    if _GROUPED.fullmatch(digits):
        groups = next(sign for sign in digits if sign in _MARKS)
        return "," if groups == "." else "."
    marks = [sign for sign in digits if sign in _MARKS]
    return marks[0] if len(marks) == 1 and len(digits) > 1 else ""
