"""Results of models in evaluations: aggregates of leaderboards, or single runs.

Aggregates are Aider's ``polyglot_leaderboard.yml``, or CSV with the columns of ``TOTALS`` and
``solved_1``, ``solved_2``, ... (tasks solved within 1, 2, ... attempts). ``tools/leaderboard.py``
makes the shipped table.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from simulator.analysis.quality.quality import SuccessRow, SuccessTable, TaskRuns
from simulator.errors import InputError, nearest
from simulator.files import yamltree
from simulator.files.dialects import header_of
from simulator.files.tables import rows_of
from simulator.files.text import fail, lines, read_text
from simulator.scenario.tables.evaluation import (
    Record,
    read_count,
    read_name,
    read_number,
    read_runs,
)
from simulator.traffic.formats.records.values import BadRecord

TOTALS = (
    "model", "date", "tasks", "prompt_tokens", "completion_tokens", "cost_usd", "seconds_per_task",
)  # fmt: skip
"""Columns of totals; tokens and cost are those of all tasks together, blank if unknown."""
_SHIPPED = {"aider": Path(__file__).parent / "evaluations" / "aider-polyglot.csv"}
_AIDER = {
    "model": "model", "date": "date", "tasks": "test_cases", "solved_1": "pass_num_1",
    "solved_2": "pass_num_2", "prompt_tokens": "prompt_tokens",
    "completion_tokens": "completion_tokens", "cost_usd": "total_cost",
    "seconds_per_task": "seconds_per_case",
}  # fmt: skip
"""Names of the columns in Aider's file."""


def shipped_results() -> list[str]:
    """Return the names of the shipped results."""
    return sorted(_SHIPPED)


def read_results(name: str) -> TaskRuns | SuccessTable:
    """Read runs or aggregates from a file, or a shipped table by its name.

    Raises
    ------
    InputError
        When there is no such file, or one of its rows cannot be used.
    """
    path = Path(name)
    if not path.is_file():
        if name not in _SHIPPED:
            raise InputError(f"{name}: no such file{nearest(name, shipped_results())}")
        path = _SHIPPED[name]
    if {".yml", ".yaml"} & set(path.suffixes):
        return read_leaderboard(path)
    if ".csv" in path.suffixes and _is_aggregate(path):
        return read_success_table(path)
    return read_runs(path)


def _is_aggregate(path: Path) -> bool:
    head = next((line for line in lines(path) if not line.startswith("#")), "")
    columns = {column.strip() for column in header_of(head.strip())}
    return "tasks" in columns and "task" not in columns


def find_model(text: str, models: Sequence[str]) -> str:
    """Return the model that a text names, by its name or by words that only its name contains.

    Raises
    ------
    InputError
        When no model matches, or several do; names the nearest ones.
    """
    if text in models:
        return text
    equal = [name for name in models if _words(name) == _words(text)]
    if len(equal) == 1:
        return equal[0]
    matching = [name for name in models if set(_words(text)) <= set(_words(name))]
    if len(matching) == 1 and _words(text):
        return matching[0]
    if len(matching) > 1 and _words(text):
        some = ", ".join(repr(name) for name in matching[:4])
        some += ", ..." if len(matching) > 4 else ""
        raise InputError(f"model {text!r} may be any of {some}")
    raise InputError(f"unknown model {text!r}{nearest(text, list(models))}")


def _words(name: str) -> list[str]:
    return re.findall(r"[^\W_]+(?:\.[^\W_]+)*", name.lower())


def read_success_table(path: Path) -> SuccessTable:
    """Read aggregates from CSV, which may begin with ``# source:``, ``# licence:``, ``# as_of:``.

    Raises
    ------
    InputError
        When the file is missing or empty, or a row cannot be used, with the row's line.
    """
    text = list(lines(path))
    begin = next((k for k, line in enumerate(text) if not line.startswith("#")), len(text))
    rows: dict[str, SuccessRow] = {}
    for line, record in rows_of(path, text[begin:], begin, ("model", "tasks", "solved_1")):
        _add_row(rows, record, path, line, {})
    about = dict(re.findall(r"^# (source|licence|as_of): *(.*?)\s*$", "".join(text[:begin]), re.M))
    return _table(path, rows, **about)


def read_leaderboard(path: Path) -> SuccessTable:
    """Read Aider's leaderboard from its repository's file, with two attempts at each task.

    A cost of zero is that of a preview without a price, and is treated as unknown. The edit format
    is added to the names of models that are listed twice.

    Raises
    ------
    InputError
        When the file is missing or no such leaderboard, or an entry cannot be used.
    """
    rows: dict[str, SuccessRow] = {}
    entries = _entries(path)
    counts = Counter(str(e.get("model")) for e in entries if isinstance(e, yamltree.Mapping))
    for index, entry in enumerate(entries):
        line = entries.places[index][0]
        if not isinstance(entry, yamltree.Mapping):
            fail(path, line, 1, "expected an entry of names and values")
        record = {ours: entry.get(theirs) for ours, theirs in _AIDER.items()}
        record["cost_usd"] = record["cost_usd"] or None
        if counts[str(record["model"])] > 1 and record["model"]:
            record["model"] = f"{record['model']} [{entry.get('edit_format')}]"
        _add_row(rows, record, path, line, _AIDER)
    as_of = max((row.date for row in rows.values()), default="")
    return _table(path, rows, source=str(path), as_of=as_of)


def _entries(path: Path) -> Any:
    try:
        entries = yamltree.parse(read_text(path))
    except yamltree.Unreadable as error:
        fail(path, *error.place, f"not valid YAML: {error}")
    if not isinstance(entries, yamltree.Sequence):
        fail(path, 1, 1, "expected a list of entries, as in Aider's leaderboard")
    return entries


def _add_row(
    rows: dict[str, SuccessRow], record: Record, path: Path, line: int, names: Mapping[str, str]
) -> None:
    """Add the row of one model; ``names`` maps columns to the file's own names, if different."""
    try:
        row = _read_row(record)
    except BadRecord as error:
        theirs = names.get(error.field_name, error.field_name)
        fail(path, line, 1, str(error).replace(error.field_name, theirs))
    if row.model in rows:
        fail(path, line, 1, f"model {row.model!r} is listed twice")
    rows[row.model] = row


def _read_row(record: Record) -> SuccessRow:
    """Return the figures of one model, tokens and cost per task."""
    tasks = read_count(record, "tasks")
    if not tasks >= 1.0:
        raise BadRecord("tasks", "tasks must be a whole number, 1 or more")
    solved = _read_solved(record, tasks)
    prompt, completion, usd = (
        read_number(record, name) / tasks
        for name in ("prompt_tokens", "completion_tokens", "cost_usd")
    )
    date = str(record.get("date") or "")
    return SuccessRow(
        read_name(record, "model"), int(tasks), solved, prompt, completion, usd,
        read_number(record, "seconds_per_task"), date if date.isprintable() else "",
    )  # fmt: skip


def _read_solved(record: Record, tasks: float) -> tuple[int, ...]:
    """Return the columns ``solved_1``, ``solved_2``, ..., up to the first that is not given."""
    solved: list[int] = []
    while (count := read_count(record, f"solved_{len(solved) + 1}")) == count:
        name = f"solved_{len(solved) + 1}"
        if count > tasks:
            raise BadRecord(name, f"{name} must be at most {tasks:.0f}, the tasks, not {count:.0f}")
        if solved and count < solved[-1]:
            raise BadRecord(name, f"{name} must not be less than solved_{len(solved)}")
        solved.append(int(count))
    if not solved:
        raise BadRecord("solved_1", "missing solved_1")
    return tuple(solved)


def _table(path: Path, rows: dict[str, SuccessRow], **about: str) -> SuccessTable:
    if not rows:
        fail(path, 1, 1, "no models")
    return SuccessTable(tuple(rows.values()), **about)
