"""Prompts as lists of hash ids, each of which identifies a block and everything before it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.traffic.formats.records.values import BadRecord, count_of, missing_field, number_of
from simulator.traffic.logs.log import Batch
from simulator.traffic.prefixes import Runs

OWN_NAMES = {
    "arrival_s": "timestamp",
    "input_tokens": "input_length",
    "output_tokens": "output_length",
}


def block_runs(ids: NDArray[np.int64], block_tok: int, prompt_tok: int) -> list[tuple[int, int]]:
    """Return the token runs of a prompt's blocks, the last one cut at the prompt's end."""
    begins = np.flatnonzero(np.append(True, np.diff(ids) != 1))
    counts = np.diff(np.append(begins, len(ids))) * block_tok
    counts[-1] -= max(0, len(ids) * block_tok - prompt_tok)
    return list(zip((ids[begins] * block_tok).tolist(), counts.tolist(), strict=True))


def hash_block_batch(
    records: list[dict[str, Any]],
    unit_s: float,
    block_tok: int,
    *,
    needs_blocks: bool = True,
    **optional: Any,
) -> Batch:
    """Return the batch of records whose times are in ``unit_s`` and blocks of ``block_tok`` tokens.

    Without ``needs_blocks``, records may have no blocks, so that what they share is unknown.
    ``optional`` are further columns of the batch, (n_rows,).
    """
    inputs = [count_of(r, "input_length") for r in records]
    starts, counts, offsets = [], [], [0]
    for record, prompt_tok in zip(records, inputs, strict=True):
        has_blocks = needs_blocks or record.get("hash_ids") is not None
        ids = _block_ids(record, prompt_tok, block_tok) if has_blocks else np.empty(0, np.int64)
        for start, count in block_runs(ids, block_tok, prompt_tok) if len(ids) else ():
            starts.append(start)
            counts.append(count)
        offsets.append(len(starts))
    return Batch.of(
        np.array([number_of(r, "timestamp") for r in records]) * unit_s,
        np.array(inputs, np.int64),
        np.array([count_of(r, "output_length") for r in records], np.int64),
        Runs(np.array(starts, np.int64), np.array(counts, np.int64), np.array(offsets, np.int64)),
        **optional,
    )


def _block_ids(record: dict[str, Any], prompt_tok: int, block_tok: int) -> NDArray[np.int64]:
    ids = record.get("hash_ids")
    expected = -(-prompt_tok // block_tok)
    # Some tools leave out the partial block at the end.
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
        raise missing_field("hash_ids")
    raise BadRecord(
        "hash_ids", f"hash_ids must list {expected} blocks of {block_tok} for {prompt_tok} tokens"
    )


def text(record: dict[str, Any], name: str) -> str:
    """Return a field as text, empty if it is missing."""
    value = record.get(name)
    return "" if value is None else str(value)
