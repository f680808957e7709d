"""Cells of CSV that a spreadsheet would not take for formulas.

A text that begins as a formula does gets an apostrophe before it, as OWASP advises
(https://owasp.org/www-community/attacks/CSV_Injection); what reads our own files takes it off.
"""

from typing import Any

_BEGINS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_GUARD = "'"


def cell(value: Any) -> str:
    """Return a value as a cell: None is empty, floats keep every digit, texts are harmless."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    return harmless(value) if isinstance(value, str) else str(value)


def harmless(text: str) -> str:
    """Return a text that no spreadsheet executes; numbers stand as they are."""
    if text.startswith(_BEGINS_FORMULA) and not _is_number(text):
        return _GUARD + text
    # A text that looks guarded is guarded too, so that reading takes off one apostrophe of it.
    return _GUARD + text if text.startswith(_GUARD) and harmful(text[1:]) else text


def harmful(text: str) -> bool:
    """Whether ``harmless`` changes a text."""
    return harmless(text) != text


def unguarded(text: str) -> str:
    """Return the text from which ``harmless`` made this one."""
    if text.startswith(_GUARD) and harmful(text[1:]):
        return text[1:]
    return text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
