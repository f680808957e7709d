"""Reader of Mooncake JSONL: ``timestamp`` [ms], ``input_length``, ``output_length``, ``hash_ids``.

Blocks have 512 tokens; the last one may be partial. It is the format of the Mooncake FAST'25
traces, and AIPerf and Dynamo write it too. By AIPerf's documents of 2026, ``hash_ids`` may be
missing, and later turns of a session may have ``delay`` [ms] since the previous answer in place of
a timestamp.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from simulator.traffic.formats.records.chunks import Broken, Item, RecordChunk, in_chunks
from simulator.traffic.formats.records.containers import json_items
from simulator.traffic.formats.records.heads import Head
from simulator.traffic.formats.records.reading import Format, Names
from simulator.traffic.formats.records.values import BadRecord, missing_field, number_of
from simulator.traffic.formats.traces.hash_blocks import OWN_NAMES, hash_block_batch, text
from simulator.traffic.logs.log import Batch

_BLOCK_TOK = 512
_DELAYS = (
    "later turns have delays in place of times: their times are assumed to follow the previous "
    "turn by the delay alone"
)
_NO_BLOCKS = "prompts have no hash_ids: what they share is unknown"


def _chunks(path: Path) -> Iterator[RecordChunk]:
    turns = _Turns()
    for chunk in in_chunks(map(turns.timed, json_items(path))):
        chunk.remarks = tuple(turns.remarks)
        yield chunk


class _Turns:
    """Times of turns, which may be given by the delay since the session's previous turn."""

    def __init__(self) -> None:
        self.remarks: dict[str, None] = {}
        self._last_ms = -np.inf
        self._session_ms: dict[str, float] = {}

    def timed(self, item: Item) -> Item:
        """Return a row with a timestamp, or what is wrong with its time."""
        if isinstance(item, Broken):
            return item
        record = item.value
        try:
            at_ms = self._time_ms(record)
        except BadRecord as error:
            column = max(0, item.text.find(f'"{error.field_name}"')) + 1
            return Broken(item.line, column, str(error))
        if "hash_ids" not in record:
            self.remarks[_NO_BLOCKS] = None
        return item._replace(value={**record, "timestamp": at_ms})

    def _time_ms(self, record: dict[str, Any]) -> float:
        session = text(record, "session_id")
        if record.get("timestamp") is None:
            if record.get("delay") is None or session not in self._session_ms:
                raise missing_field("timestamp")
            self.remarks[_DELAYS] = None
            at_ms = self._session_ms[session] + number_of(record, "delay")
        else:
            at_ms = number_of(record, "timestamp")
            if at_ms < self._last_ms:
                raise BadRecord("timestamp", "timestamp goes backwards")
            self._last_ms = at_ms
        if session:
            self._session_ms[session] = at_ms
        return at_ms


def _parse(records: list[dict[str, Any]], names: Names) -> Batch:
    session = names.session([text(r, "session_id") for r in records])
    delays = [r.get("delay") for r in records]
    gap_s = np.array(
        [np.nan if delay is None else number_of({"delay": delay}, "delay") for delay in delays]
    )
    return hash_block_batch(
        records, 1e-3, _BLOCK_TOK, needs_blocks=False, session=session, gap_s=gap_s * 1e-3
    )


def _matches(head: Head) -> bool:
    return head.has("timestamp", "input_length") and not head.has("chat_id")


MOONCAKE = Format(
    "mooncake",
    "JSON lines with timestamps or delays in ms, lengths, and hash_ids of 512-token blocks",
    _matches,
    _chunks,
    _parse,
    in_order=False,
    block_tok=_BLOCK_TOK,
    own_names=OWN_NAMES,
)
