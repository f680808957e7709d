"""Result documents from disk."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from jinja2 import UndefinedError

from simulator.errors import InputError
from simulator.report.document import SCHEMA_VERSION

T = TypeVar("T")


def read_result(path: Path, use: Callable[[dict[str, Any]], T]) -> T:
    """Return what is made of the result document in a file.

    Raises
    ------
    InputError
        When there is no such file, or it holds no whole document of this version.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{error.lineno}:{error.colno}: not valid JSON") from None
    except (ValueError, RecursionError):  # numbers and nesting beyond all reason
        raise InputError(f"{path}: not a result of `breakeven run`") from None
    if not isinstance(document, dict) or "verdict" not in document:
        raise InputError(f"{path}: not a result of `breakeven run`")
    if document.get("schema_version") != SCHEMA_VERSION:
        raise InputError(
            f"{path}: schema_version must be {SCHEMA_VERSION}, "
            f"not {document.get('schema_version')!r}"
        )
    try:
        return use(document)
    except (
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        ArithmeticError,
        UndefinedError,
    ) as error:
        raise InputError(f"{path}: not a whole result of `breakeven run`: {error!r}") from None
