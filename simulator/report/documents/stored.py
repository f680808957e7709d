"""Reading of result documents from disk."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

from jinja2 import UndefinedError

from simulator.errors import InputError
from simulator.files.jsontext import read_json
from simulator.report.documents.contract import ResultDocument
from simulator.report.documents.document import SCHEMA_VERSION

T = TypeVar("T")


def read_result(path: Path, use: Callable[[ResultDocument], T]) -> T:
    """Read a result document from a file, and return ``use(document)``.

    Raises
    ------
    InputError
        If the file is missing, or does not hold a complete document of this version.
    """
    document = read_json(path)
    if not isinstance(document, dict) or "verdict" not in document:
        raise InputError(f"{path}: not a result of `breakeven run`")
    if document.get("schema_version") != SCHEMA_VERSION:
        raise InputError(
            f"{path}: schema_version must be {SCHEMA_VERSION}, "
            f"not {document.get('schema_version')!r}"
        )
    try:
        return use(cast(ResultDocument, document))
    except (
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        ArithmeticError,
        UndefinedError,
    ) as error:
        raise InputError(f"{path}: not a complete result of `breakeven run`: {error!r}") from None
