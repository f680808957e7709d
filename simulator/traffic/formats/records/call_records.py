"""Fields of call records in the logs of gateways, and rows of a batch out of them.

Tools count differently: some include cached tokens in the prompt, some keep them apart. All of
them become the same partition of the prompt: uncached, read from a cache, written to one. Calls
that failed, or that a gateway answered from a cache of its own, never reached a model and are left
out. No prompt text is kept, wherever it stands in a record.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from simulator.files.jsontext import NotJson, parse_json
from simulator.traffic.formats.records.reading import Names
from simulator.traffic.formats.records.values import BadRecord, seconds, whole
from simulator.traffic.logs.log import UNKNOWN, Batch

Fields = dict[str, Any]


def rows_of(
    row: Callable[[Fields], Fields | None],
) -> Callable[[list[Fields], Names], Batch]:
    """Return the parser of a format whose records become one row each, or none."""

    def parse(records: list[Fields], names: Names) -> Batch:
        return batch_of([found for r in records if (found := row(r)) is not None], names)

    return parse


def batch_of(rows: list[Fields], names: Names) -> Batch:
    """Lay out rows with the keys at_s, end_s, input, output, cached, written, reasoning, limit.

    ``session`` and ``workload`` are names; everything but the times and counts may be missing.
    """

    def column(key: str, default: float) -> np.ndarray:
        return np.array([default if row.get(key) is None else row[key] for row in rows])

    def counts(key: str, default: int = UNKNOWN) -> np.ndarray:
        return column(key, default).astype(np.int64)

    return Batch.of(
        column("at_s", np.nan).astype(np.float64),
        counts("input"),
        counts("output"),
        end_s=column("end_s", np.nan).astype(np.float64),
        cached_tokens=counts("cached"),
        written_tokens=counts("written"),
        reasoning_tokens=counts("reasoning", 0),
        max_output_tokens=counts("limit"),
        session=names.session([row.get("session") for row in rows]),
        workload=names.workload([row.get("workload") for row in rows]),
    )


def mapping(value: Any, field: str) -> Fields:
    """Return a mapping that may stand there as JSON text, empty for nothing."""
    if isinstance(value, str) and value.strip():
        try:
            value = parse_json(value)
        except NotJson as error:
            raise BadRecord(field, f"{field} is {error}") from None
    if value in (None, ""):
        return {}
    if not isinstance(value, dict):
        raise BadRecord(field, f"{field} must be a JSON object")
    return value


def count(record: Fields, *names: str) -> int | None:
    """Return the first count that is told, from a number or from CSV text."""
    for name in names:
        value = record.get(name)
        if value in (None, ""):
            continue
        if isinstance(value, str):
            try:
                value = int(value)
            except ValueError:
                raise BadRecord(name, f"{name} must be a whole number, not {value!r}") from None
        return whole({name: value}, name)
    return None


def needed(record: Fields, *names: str) -> int:
    """Return the first count that is told; raises BadRecord where none is."""
    found = count(record, *names)
    if found is None:
        raise BadRecord(names[0], f"missing field {names[0]!r}")
    return found


def moment(record: Fields, *names: str) -> float | None:
    """Return the first point in time that is told [s since 1970]."""
    for name in names:
        if record.get(name) not in (None, ""):
            return seconds(name, record[name])
    return None


def began(record: Fields, *names: str) -> float:
    """Return the first point in time that is told; raises BadRecord where none is."""
    found = moment(record, *names)
    if found is None:
        raise BadRecord(names[0], f"missing field {names[0]!r}")
    return found


def visible(output: int, reasoning: int | None) -> int:
    """Take hidden tokens out of a count that includes them."""
    if (reasoning or 0) > output:
        raise BadRecord("reasoning_tokens", f"{reasoning} reasoning tokens of only {output} output")
    return output - (reasoning or 0)


def export_items(document: Any) -> list[Any] | None:
    """Find the records of an export: a list, or under ``data``, ``observations`` or ``logs``."""
    if isinstance(document, list):
        return document
    return next((document[n] for n in ("data", "observations", "logs") if n in document), None)
