"""JSON in and out: whatever is wrong with what comes in is told with its line and column."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simulator.errors import printable
from simulator.files.text import fail, read_text


def json_text(document: Mapping[str, Any]) -> str:
    """Return a document as JSON with sorted keys."""
    return json.dumps(document, indent=2, sort_keys=True, allow_nan=False)


class NotJson(ValueError):
    """Why a text is no JSON that can be used, at a line and a column from 1."""

    def __init__(self, line: int, column: int, problem: str) -> None:
        super().__init__(problem)
        self.line, self.column = line, column


def parse_json(text: str) -> Any:
    """Return what a JSON text says.

    Raises
    ------
    NotJson
        When it is none, is nested too deep for this process, or has a number of thousands of
        digits.
    """
    try:
        found = json.loads(text)
        if "\\ud" in text or "\\uD" in text:
            json.dumps(found, ensure_ascii=False).encode("utf-8")
        return found
    except UnicodeEncodeError:
        raise NotJson(1, 1, "not valid JSON: half of a character, a lone surrogate") from None
    except json.JSONDecodeError as error:
        raise NotJson(error.lineno, error.colno, f"not valid JSON: {error.msg}") from None
    except RecursionError:
        raise NotJson(1, 1, "not valid JSON: nested too deep") from None
    except ValueError as error:  # Python converts no integer of more than 4,300 digits
        told = "a number has too many digits" if "digits" in str(error) else printable(str(error))
        raise NotJson(1, 1, f"not valid JSON: {told}") from None


def read_json(path: Path) -> Any:
    """Return what a JSON file says, plain or compressed.

    Raises
    ------
    InputError
        When there is no such file, or it is no JSON.
    """
    text = read_text(path)
    try:
        return parse_json(text)
    except NotJson as error:
        fail(path, error.line, error.column, str(error))
