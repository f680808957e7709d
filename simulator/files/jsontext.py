"""Reading and writing of JSON; errors have a line and a column."""

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
    """A text is not usable JSON: the reason, with line and column from 1."""

    def __init__(self, line: int, column: int, problem: str) -> None:
        super().__init__(problem)
        self.line, self.column = line, column


def parse_json(text: str) -> Any:
    """Return the value of a JSON text.

    Raises
    ------
    NotJson
        If it is not JSON, is nested too deeply for this process, or has a number with thousands
        of digits.
    """
    try:
        value = json.loads(text)
        if "\\ud" in text or "\\uD" in text:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        return value
    except UnicodeEncodeError:
        raise NotJson(1, 1, "not valid JSON: half of a character, a lone surrogate") from None
    except json.JSONDecodeError as error:
        raise NotJson(error.lineno, error.colno, f"not valid JSON: {error.msg}") from None
    except RecursionError:
        raise NotJson(1, 1, "not valid JSON: nested too deep") from None
    except ValueError as error:  # Python refuses integers of more than 4,300 digits
        problem = (
            "a number has too many digits" if "digits" in str(error) else printable(str(error))
        )
        raise NotJson(1, 1, f"not valid JSON: {problem}") from None


def read_json(path: Path) -> Any:
    """Return the value of a JSON file, plain or compressed.

    Raises
    ------
    InputError
        If there is no such file, or it is not JSON.
    """
    text = read_text(path)
    try:
        return parse_json(text)
    except NotJson as error:
        fail(path, error.line, error.column, str(error))
