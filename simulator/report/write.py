"""Files of a result: each is there as a whole or not at all."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write texts by file name into a folder, which is made where it is missing."""
    for name, text in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.partial")
        partial.write_text(text, encoding="utf-8")
        partial.replace(target)


def json_text(document: Mapping[str, Any]) -> str:
    """Return a document as JSON with sorted keys."""
    return json.dumps(document, indent=2, sort_keys=True, allow_nan=False)
