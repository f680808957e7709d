"""UsageTable exports for tests: files from values, and what reading them gives."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator.errors import InputError
from simulator.traffic.usage.buckets import COUNTS, Notices, UsageTable
from simulator.traffic.usage.catalog import read_usage

DAY = 1793491200
"""2026-11-01, midnight UTC [s since 1970]."""


def table(folder: Path, *rows: dict[str, Any]) -> Path:
    """Write a CSV table; columns that a row lacks are empty."""
    path = folder / "usage.csv"
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def document(folder: Path, value: Any) -> Path:
    """Write a JSON document."""
    path = folder / "usage.json"
    path.write_text(json.dumps(value, indent=1))
    return path


def read(path: Path, name: str) -> tuple[UsageTable, Notices]:
    """Read an export that must be recognised as one of this format."""
    usage, export, notices = read_usage(path)
    assert export.name == name
    return usage, notices


def columns(usage: UsageTable, *names: str) -> list[tuple[Any, ...]]:
    """Return columns as one tuple for each bucket, with None for unknown values."""
    values = [[None if v != v else v for v in getattr(usage, name).tolist()] for name in names]
    return list(zip(*values, strict=True))


def known(usage: UsageTable) -> set[str]:
    """Return the names of the columns in which something is known."""
    return {name for name in COUNTS if not np.isnan(getattr(usage, name)).all()}


def refusal(path: Path, name: str | None = None) -> str:
    """Return the message with which a file is refused, without its path."""
    with pytest.raises(InputError) as caught:
        read_usage(path, name)
    message = str(caught.value)
    assert message.startswith(f"{path}:")
    assert "\n" not in message
    return message.removeprefix(f"{path}:")
