"""Files of metrics for tests, read as aggregated usage."""

import json
from pathlib import Path
from typing import Any

import pytest

from simulator.errors import InputError
from simulator.traffic.usage.buckets import Notices, UsageTable
from simulator.traffic.usage.catalog import read_usage


def read_documents(path: Path, name: str, *documents: Any) -> tuple[UsageTable, Notices]:
    """Read a file with a JSON document on each line, which must be of the format of this name."""
    path.write_text("\n".join(json.dumps(document) for document in documents))
    usage, export, notices = read_usage(path)
    assert export.name == name
    return usage, notices


def refusal(path: Path, *documents: Any) -> str:
    """Return the message about such a file, after its location in the first line."""
    with pytest.raises(InputError) as found:
        read_documents(path, "", *documents)
    message, location = str(found.value), f"{path}:1:1: "
    assert message.startswith(location)
    return message.removeprefix(location)
