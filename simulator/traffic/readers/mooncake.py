"""Mooncake JSONL: ``timestamp`` [ms], ``input_length``, ``output_length``, ``hash_ids``.

Each hash id stands for one block of the prompt and everything before it; the last block may be
partial. Format of the Mooncake FAST'25 traces, also written by AIPerf and Dynamo. The traces of
Alibaba Cloud's Bailian are the same with blocks of 16 tokens, seconds, and chats of several turns.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.traffic.log import Batch
from simulator.traffic.prefixes import Runs
from simulator.traffic.readers.containers import json_lines
from simulator.traffic.readers.reading import Format, Names
from simulator.traffic.readers.values import BadRecord, number, whole

_BAILIAN_BLOCK_TOK = 16
_MOONCAKE_BLOCK_TOK = 512


def block_runs(ids: NDArray[np.int64], block_tok: int, prompt_tok: int) -> list[tuple[int, int]]:
    """Return the token runs of a prompt's blocks, the last one cut to the prompt's end."""
    begins = np.flatnonzero(np.append(True, np.diff(ids) != 1))
    counts = np.diff(np.append(begins, len(ids))) * block_tok
    counts[-1] -= max(0, len(ids) * block_tok - prompt_tok)
    return list(zip((ids[begins] * block_tok).tolist(), counts.tolist(), strict=True))


def _mooncake(records: list[dict[str, Any]], names: Names) -> Batch:
    session = names.session([_text(r, "session_id") for r in records])
    return _batch(records, 1e-3, _MOONCAKE_BLOCK_TOK, session=session)


def _bailian(records: list[dict[str, Any]], names: Names) -> Batch:
    # A chat's later turns name the one before; the first one's id stands for the whole chat.
    keys: list[str | None] = []
    for record in records:
        chat, parent = record.get("chat_id"), record.get("parent_chat_id", -1)
        if isinstance(chat, bool) or not isinstance(chat, int):
            raise BadRecord("chat_id", f"chat_id must be a whole number, not {chat!r}")
        first = f"chat {parent}"
        keys.append(first if first in names.sessions else f"chat {chat}")
        if first in names.sessions:
            names.sessions.setdefault(f"chat {chat}", names.sessions[first])
        else:
            names.session([f"chat {chat}"])
    workload = names.workload([_text(r, "type") or "replay" for r in records])
    session = names.session(keys)
    return _batch(records, 1.0, _BAILIAN_BLOCK_TOK, session=session, workload=workload)


def _batch(records: list[dict[str, Any]], unit_s: float, block_tok: int, **known: NDArray) -> Batch:
    inputs = [whole(r, "input_length") for r in records]
    starts, counts, offsets = [], [], [0]
    for record, prompt_tok in zip(records, inputs, strict=True):
        ids = _ids(record, prompt_tok, block_tok)
        for start, count in block_runs(ids, block_tok, prompt_tok) if len(ids) else ():
            starts.append(start)
            counts.append(count)
        offsets.append(len(starts))
    return Batch.of(
        np.array([number(r, "timestamp") for r in records]) * unit_s,
        np.array(inputs, np.int64),
        np.array([whole(r, "output_length") for r in records], np.int64),
        Runs(np.array(starts, np.int64), np.array(counts, np.int64), np.array(offsets, np.int64)),
        **known,
    )


def _ids(record: dict[str, Any], prompt_tok: int, block_tok: int) -> NDArray[np.int64]:
    ids = record.get("hash_ids")
    expected = -(-prompt_tok // block_tok)
    # Some writers leave out the partial block at the end.
    if isinstance(ids, list) and len(ids) in (expected, prompt_tok // block_tok):
        try:
            array = np.array(ids)
        except (ValueError, OverflowError):
            array = np.empty(0, object)
        if not ids:
            return np.empty(0, np.int64)
        if array.dtype.kind == "i" and array.ndim == 1 and array.min() >= 0:
            return array.astype(np.int64)
        raise BadRecord("hash_ids", "hash_ids must be whole numbers, 0 or more, below 2**63")
    if "hash_ids" not in record:
        raise BadRecord("hash_ids", "missing field 'hash_ids'")
    raise BadRecord(
        "hash_ids", f"hash_ids must list {expected} blocks of {block_tok} for {prompt_tok} tokens"
    )


def _text(record: dict[str, Any], name: str) -> str:
    value = record.get(name)
    return "" if value is None else str(value)


_OWN_NAMES = {
    "arrival_s": "timestamp",
    "input_tokens": "input_length",
    "output_tokens": "output_length",
}

MOONCAKE = Format(
    "mooncake",
    "JSON lines with hash_ids of 512-token blocks and timestamps in ms",
    ('"hash_ids"', '"timestamp"', '"input_length"'),
    json_lines,
    _mooncake,
    block_tok=_MOONCAKE_BLOCK_TOK,
    own_names=_OWN_NAMES,
)
BAILIAN = Format(
    "bailian",
    "JSON lines with hash_ids of 16-token blocks, chat ids and timestamps in s",
    ('"hash_ids"', '"timestamp"', '"input_length"', '"chat_id"'),
    json_lines,
    _bailian,
    block_tok=_BAILIAN_BLOCK_TOK,
    own_names=_OWN_NAMES,
)
