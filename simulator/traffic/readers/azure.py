"""Azure LLM inference CSV: ``TIMESTAMP,ContextTokens,GeneratedTokens`` (CC-BY 4.0 traces)."""

import csv
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from simulator.traffic.readers.common import fail, lines, open_loop_table, token_count
from simulator.traffic.table import NO_NODE, PrefixTree, RequestTable

COLUMNS = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")


def read_azure(path: Path, seed: int, name: str = "replay") -> RequestTable:
    """Read a trace into a request table; the format knows no prefixes.

    Raises
    ------
    InputError
        At the first line that is no valid record, with line and column.
    """
    numbered = lines(path)
    number, header = next(numbered, (1, ""))
    if tuple(header.lstrip("\ufeff").split(",")) != COLUMNS:
        fail(path, number, 1, f"expected the header {','.join(COLUMNS)}, not {header[:80]!r}")
    arrival_s: list[float] = []
    counts: list[tuple[int, int]] = []
    for number, line in numbered:
        fields = next(csv.reader([line]))
        if len(fields) != len(COLUMNS):
            fail(path, number, 1, f"expected {len(COLUMNS)} fields, found {len(fields)}")
        time_s = _seconds(path, number, fields[0])
        if arrival_s and time_s < arrival_s[-1]:
            fail(path, number, 1, "TIMESTAMP goes backwards")
        arrival_s.append(time_s)
        counts.append((_count(path, number, fields, 1), _count(path, number, fields, 2)))
        if counts[-1][0] < 1:
            fail(path, number, len(fields[0]) + 2, "ContextTokens must be 1 or more")
    if not counts:
        fail(path, number, 1, "no records")
    tokens = np.array(counts, np.int32)
    return open_loop_table(
        name,
        seed,
        np.array(arrival_s) - arrival_s[0],
        tokens[:, 0],
        tokens[:, 1],
        np.full(len(tokens), NO_NODE, np.int32),
        PrefixTree.empty(),
    )


def _seconds(path: Path, number: int, text: str) -> float:
    # The traces write seven decimals and some a time zone, which older parsers refuse.
    whole, _, rest = text.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    zone = rest[len(digits) :]
    try:
        moment = datetime.fromisoformat(whole + zone)
    except ValueError:
        fail(path, number, 1, f"TIMESTAMP must be a date and time, not {text!r}")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp() + (float(f"0.{digits}") if digits else 0.0)


def _count(path: Path, number: int, fields: list[str], place: int) -> int:
    column = sum(len(field) + 1 for field in fields[:place]) + 1
    text = fields[place].strip()
    value = int(text) if text.lstrip("-").isdigit() else text
    return token_count(path, number, column, COLUMNS[place], value)
