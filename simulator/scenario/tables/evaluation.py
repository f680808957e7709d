"""Evaluation results on disk: runs of models at single tasks.

CSV or JSON lines, one row for each run of a model at a task, with the columns of ``REQUIRED`` and,
if known, of ``OPTIONAL``; other columns are ignored. Counts and costs are those of the whole run,
with all attempts. Input tokens include cached ones, and output tokens include reasoning; blank
cached or reasoning tokens are unknown. Tables of leaderboards are read by ``leaderboard``.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from simulator.analysis.quality.quality import TaskRuns
from simulator.errors import nearest
from simulator.files.numbers import must_be, number_or_nan
from simulator.files.tables import check_columns
from simulator.files.text import fail
from simulator.traffic.formats.records.chunks import RecordChunk
from simulator.traffic.formats.records.containers import csv_records, json_lines
from simulator.traffic.formats.records.values import BadRecord

REQUIRED = ("task", "model", "success", "input_tokens", "output_tokens")
OPTIONAL = ("reasoning_tokens", "cached_tokens", "attempts", "retries", "seconds", "cost_usd")

_TRUTHS = {"1": True, "true": True, "0": False, "false": False}
_MOST = 1e15

Record = dict[str, Any]


def read_runs(path: Path) -> TaskRuns:
    """Read runs at single tasks: CSV, or JSON lines if the name has no suffix ``.csv``.

    Raises
    ------
    InputError
        When the file is missing or empty, or a row cannot be used, with the row's location.
    """
    models: dict[str, int] = {}
    tasks: dict[str, int] = {}
    rows: list[tuple[float, ...]] = []
    for chunk in _chunks(path):
        for broken in chunk.broken:
            fail(path, *broken)
        for row, record in enumerate(chunk.values):
            try:
                model, task, figures = _read_run(record)
            except BadRecord as error:
                fail(path, chunk.line(row), chunk.column(row, error.field_name), str(error))
            rows.append((
                models.setdefault(model, len(models)), tasks.setdefault(task, len(tasks)), *figures,
            ))  # fmt: skip
    if not rows:
        fail(path, 1, 1, f"no runs; expected rows with {', '.join(REQUIRED)}")
    model_of, task_of, success, *others = np.array(rows, np.float64).T
    return TaskRuns(
        tuple(models), tuple(tasks), model_of.astype(np.int64), task_of.astype(np.int64),
        success.astype(np.bool_), *others,
    )  # fmt: skip


def _chunks(path: Path) -> Iterator[RecordChunk]:
    if ".csv" not in path.suffixes:
        yield from json_lines(path)
        return
    for chunk in csv_records(path):
        if chunk.values:
            check_columns(path, list(chunk.values[0]), REQUIRED)
        yield chunk


def _read_run(record: Record) -> tuple[str, str, tuple[float, ...]]:
    """Return the model, the task, and the fields of ``Runs`` from ``success`` on."""
    for name in REQUIRED:
        if record.get(name) in (None, ""):
            close = "" if name in record else nearest(name, list(record))
            raise BadRecord(name, f"missing {name}{close.replace('did you mean', 'found')}")
    prompt, output = read_count(record, "input_tokens"), read_count(record, "output_tokens")
    reasoning, cached = read_count(record, "reasoning_tokens"), read_count(record, "cached_tokens")
    if reasoning > output:
        raise BadRecord(
            "reasoning_tokens",
            f"{reasoning:.0f} reasoning tokens of only {output:.0f} output_tokens, which include "
            "them",
        )
    if cached > prompt:
        raise BadRecord(
            "cached_tokens",
            f"{cached:.0f} cached tokens of only {prompt:.0f} input_tokens, which include them",
        )
    success = float(_read_truth(record, "success"))
    return (
        read_name(record, "model"),
        read_name(record, "task"),
        (success, prompt, output, reasoning, cached, _read_attempts(record),
         read_number(record, "seconds"), read_number(record, "cost_usd")),
    )  # fmt: skip


def read_name(record: Record, name: str) -> str:
    """Return a name in a record, which may be text or a number."""
    value = record[name]
    text = str(value).strip() if isinstance(value, str | int | float) else ""
    if not text or not text.isprintable() or isinstance(value, bool):
        raise BadRecord(name, must_be(name, "a name", value))
    return text


def _read_truth(record: Record, name: str) -> bool:
    value = record[name]
    text = str(value).strip().lower() if isinstance(value, str | bool | int) else ""
    if text not in _TRUTHS:
        raise BadRecord(name, must_be(name, "0, 1, true or false", value))
    return _TRUTHS[text]


def _read_attempts(record: Record) -> float:
    """Return the number of attempts, from that or from the retries; NaN if neither is given."""
    attempts, retries = read_count(record, "attempts"), read_count(record, "retries")
    if attempts == attempts and retries == retries and attempts != retries + 1:
        raise BadRecord("retries", f"{retries:.0f} retries are not {attempts:.0f} attempts less 1")
    if attempts < 1:
        raise BadRecord("attempts", "attempts must be 1 or more, the first included")
    return retries + 1 if attempts != attempts else attempts


def read_count(record: Record, name: str) -> float:
    """Return a whole number in a record, NaN if it is blank or absent."""
    value = read_number(record, name)
    if value == value and not value.is_integer():
        raise BadRecord(name, must_be(name, "a whole number", record[name]))
    return value


def read_number(record: Record, name: str) -> float:
    """Return a number in a record, NaN if it is blank or absent."""
    value = record.get(name)
    if value is None or (isinstance(value, str) and not value.strip()):
        return np.nan
    number = number_or_nan(value)
    if not 0.0 <= number <= _MOST:
        raise BadRecord(name, must_be(name, "a number, 0 or more", value))
    return number
