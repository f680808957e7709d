"""CSV cells that spreadsheets do not execute as formulas.

A text that begins like a formula gets an apostrophe before it, as OWASP advises
(https://owasp.org/www-community/attacks/CSV_Injection). Readers of our own files remove it.
"""

import csv
from collections.abc import Iterable
from typing import Any, TextIO

_BEGINS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_GUARD = "'"


def cell(value: Any) -> str:
    """Return the text of a value: None is empty, floats have all digits, texts are harmless."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    return harmless(value) if isinstance(value, str) else str(value)


def harmless(text: str) -> str:
    """Return a text that no spreadsheet executes; numbers are unchanged."""
    if text.startswith(_BEGINS_FORMULA) and not _is_number(text):
        return _GUARD + text
    # A text that already looks guarded is guarded again, since readers remove one apostrophe.
    return _GUARD + text if text.startswith(_GUARD) and harmful(text[1:]) else text


def harmful(text: str) -> bool:
    """Return whether ``harmless`` changes a text."""
    return harmless(text) != text


def unguarded(text: str) -> str:
    """Return the text to which ``harmless`` added an apostrophe, or the text itself."""
    if text.startswith(_GUARD) and harmful(text[1:]):
        return text[1:]
    return text


def write_rows(stream: TextIO, rows: Iterable[Iterable[str]]) -> None:
    """Write rows of texts as CSV, each made harmless."""
    csv.writer(stream, lineterminator="\n").writerows([map(harmless, row) for row in rows])


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
