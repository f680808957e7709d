"""Fields of call records in the logs of gateways, and their conversion to rows of a batch.

Tools count prompts differently: some include cached tokens, others count them separately. All are
converted to the same partition: uncached, read from a cache, written to one. Calls that failed, or
that a gateway answered from its own cache, and records that are no calls of a model are marked as
left out, with the reason. No prompt text is kept, in whichever field a tool stores it.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from simulator.files.jsontext import NotJson, parse_json
from simulator.files.numbers import must_be, number_or_nan
from simulator.traffic.formats.records.count_names import Part
from simulator.traffic.formats.records.heads import LISTS
from simulator.traffic.formats.records.reading import Names
from simulator.traffic.formats.records.usage import CallTokens, Counts, Rule, tokens_of
from simulator.traffic.formats.records.values import (
    BadRecord,
    missing_field,
    seconds_of,
    whole_count,
)
from simulator.traffic.logs.billing import LABELS, Billing
from simulator.traffic.logs.log import UNKNOWN, Batch

Fields = dict[str, Any]

FAILED = "failed calls"
CACHE_HITS = "cache hits"
WITHOUT_TOKENS = "calls without tokens"


def row_parser(row: Callable[[Fields], Fields]) -> Callable[[list[Fields], Names], Batch]:
    """Return the parser of a format whose records become one row each."""

    def parse(records: list[Fields], names: Names) -> Batch:
        return batch_of([row(r) for r in records], names)

    return parse


def batch_of(rows: list[Fields], names: Names) -> Batch:
    """Return the batch of rows.

    Their keys are at_s, end_s, the names of ``CallTokens``, limit, session, workload, the names of
    ``LABELS``, spend_usd, and left_out, which is the reason why a row is no request of a model.
    Only at_s, input and output are required. ``session`` and ``workload`` are names.
    """

    def column(key: str, default: float) -> np.ndarray:
        return np.array([default if row.get(key) is None else row[key] for row in rows])

    def floats(key: str) -> np.ndarray:
        return column(key, np.nan).astype(np.float64)

    def counts(key: str, default: int = UNKNOWN) -> np.ndarray:
        return column(key, default).astype(np.int64)

    labels = {name: names.label([_label(row.get(name)) for row in rows]) for name in LABELS}
    return Batch.of(
        floats("at_s"),
        counts("input"),
        counts("output"),
        end_s=floats("end_s"),
        cached_tokens=counts("cached"),
        written_tokens=counts("written"),
        reasoning_tokens=counts("reasoning", 0),
        max_output_tokens=counts("limit"),
        session=names.session([row.get("session") for row in rows]),
        workload=names.workload(_workloads(rows)),
        billing=Billing(
            spend_usd=floats("spend_usd"),
            written_1h_tokens=counts("written_1h"),
            left_out=names.kind([row.get("left_out") for row in rows]),
            **labels,
        ),
    )


def _label(value: Any) -> str | None:
    return None if value in (None, "") else str(value)


def _workloads(rows: list[Fields]) -> list[Any]:
    """Return the workload of each row, or the first request's for a row that is no request.

    Such a row would otherwise add a workload that has no requests.
    """
    first = next((row.get("workload") for row in rows if row.get("left_out") is None), None)
    return [first if row.get("left_out") else row.get("workload") for row in rows]


def call_row(
    fields: Fields,
    counts: Callable[[], Counts],
    rule: Rule,
    left_out: str | None = None,
    *,
    has_output: bool = True,
    names: Mapping[Part, str] | None = None,
) -> Fields:
    """Return the row of one call with its tokens.

    A call without any tokens, or with tokens of other media than text, is no request either. The
    tokens of a row that is left out are those of its counts as far as they make sense, else 0.
    """
    try:
        found = counts()
        if left_out is None:
            left_out = found.media()
        if left_out is None and found.values and found.is_empty():
            left_out = WITHOUT_TOKENS
        tokens = tokens_of(found, rule, has_output=has_output, names=names)
    except BadRecord:
        if left_out is None:
            raise
        tokens = CallTokens(0, None, None, None, 0, None)
    return {**fields, **tokens._asdict(), "left_out": left_out}


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
        if value not in (None, ""):
            return whole_count(name, value)
    return None


def moment(record: Fields, *names: str) -> float | None:
    """Return the first point in time that the record has [s since 1970]."""
    for name in names:
        if record.get(name) not in (None, ""):
            return seconds_of(name, record[name])
    return None


def money(record: Fields, *names: str) -> float | None:
    """Return the first amount of money that the record has [USD], None if there is none."""
    for name in names:
        value = record.get(name)
        if value not in (None, ""):
            found = number_or_nan(value)
            if math.isnan(found):
                raise BadRecord(name, must_be(name, "a number", value))
            return found
    return None


def required_moment(record: Fields, *names: str) -> float:
    """Return the first point in time that the record has; raise BadRecord if it has none."""
    at_s = moment(record, *names)
    if at_s is None:
        raise missing_field(names[0])
    return at_s


def export_items(document: Any) -> list[Any] | None:
    """Return the records of an export, which is a list or has one in ``data``, ``observations`` or
    ``logs``.
    """
    if isinstance(document, list):
        return document
    return next((document[n] for n in LISTS if n in document), None)
