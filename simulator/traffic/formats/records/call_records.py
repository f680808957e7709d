"""Fields of call records in the logs of gateways, and their conversion to rows of a batch.

Tools count prompts differently: some include cached tokens, others count them separately. All are
converted to the same partition: uncached, read from a cache, written to one. Calls that failed, or
that a gateway answered from its own cache, never reached a model and are left out. No prompt text
is kept, in whichever field a tool stores it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from simulator.files.jsontext import NotJson, parse_json
from simulator.files.numbers import must_be
from simulator.traffic.formats.records.reading import Names
from simulator.traffic.formats.records.values import BadRecord, count_of, missing_field, seconds_of
from simulator.traffic.logs.log import UNKNOWN, Batch

Fields = dict[str, Any]


def row_parser(
    row: Callable[[Fields], Fields | None],
) -> Callable[[list[Fields], Names], Batch]:
    """Return the parser of a format whose records become one row each, or None to leave one out."""

    def parse(records: list[Fields], names: Names) -> Batch:
        return batch_of([fields for r in records if (fields := row(r)) is not None], names)

    return parse


def batch_of(rows: list[Fields], names: Names) -> Batch:
    """Return the batch of rows with the keys at_s, end_s, input, output, cached, written,
    reasoning, limit, session and workload.

    ``session`` and ``workload`` are names. Only at_s, input and output are required.
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
    """Return a field that is a mapping, or JSON text of one; an empty mapping if it is missing."""
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
    """Return the first count that the record has, from a number or from CSV text."""
    for name in names:
        value = record.get(name)
        if value in (None, ""):
            continue
        if isinstance(value, str):
            try:
                value = int(value)
            except ValueError:
                raise BadRecord(name, must_be(name, "a whole number", value)) from None
        return count_of({name: value}, name)
    return None


def required_count(record: Fields, *names: str) -> int:
    """Return the first count that the record has; raise BadRecord if it has none."""
    value = count(record, *names)
    if value is None:
        raise missing_field(names[0])
    return value


def moment(record: Fields, *names: str) -> float | None:
    """Return the first point in time that the record has [s since 1970]."""
    for name in names:
        if record.get(name) not in (None, ""):
            return seconds_of(name, record[name])
    return None


def required_moment(record: Fields, *names: str) -> float:
    """Return the first point in time that the record has; raise BadRecord if it has none."""
    at_s = moment(record, *names)
    if at_s is None:
        raise missing_field(names[0])
    return at_s


def visible_tokens(output: int, reasoning: int | None) -> int:
    """Return the output tokens without the reasoning tokens that they include."""
    if (reasoning or 0) > output:
        raise BadRecord("reasoning_tokens", f"{reasoning} reasoning tokens of only {output} output")
    return output - (reasoning or 0)


def export_items(document: Any) -> list[Any] | None:
    """Return the records of an export, which is a list or has one in ``data``, ``observations`` or
    ``logs``.
    """
    if isinstance(document, list):
        return document
    return next((document[n] for n in ("data", "observations", "logs") if n in document), None)
