"""Mooncake JSONL: ``timestamp`` [ms], ``input_length``, ``output_length``, ``hash_ids``.

Each hash id stands for one block of the prompt and everything before it; the last block may be
partial. Format of the Mooncake FAST'25 traces, also written by AIPerf and Dynamo.
"""

import json
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simulator.traffic.readers.common import fail, lines, open_loop_table, token_count
from simulator.traffic.table import NO_NODE, PrefixTree, RequestTable

BLOCK_TOK = 512
_FIELDS = ("timestamp", "input_length", "output_length", "hash_ids")


def read_mooncake(path: Path, seed: int, name: str = "replay") -> RequestTable:
    """Read a trace into a request table, prefixes as a path-compressed tree.

    Raises
    ------
    InputError
        At the first line that is no valid record, with line and column.
    """
    arrival_s: list[float] = []
    inputs: list[int] = []
    outputs: list[int] = []
    blocks = _BlockTree()
    ends: list[int] = []
    for number, line in lines(path):
        record = _record(path, number, line)
        time_ms = record["timestamp"]
        column = line.find('"timestamp"') + 1
        if isinstance(time_ms, bool) or not isinstance(time_ms, int | float):
            fail(path, number, column, f"timestamp must be a number, not {time_ms!r}")
        if not math.isfinite(time_ms) or time_ms < 0:
            fail(path, number, column, f"timestamp must be 0 or more, not {time_ms}")
        if arrival_s and time_ms / 1e3 < arrival_s[-1]:
            fail(path, number, column, "timestamp goes backwards")
        input_tok = _count(path, number, line, record, "input_length")
        if input_tok < 1:
            fail(path, number, line.find('"input_length"') + 1, "input_length must be 1 or more")
        ids = record["hash_ids"]
        if not isinstance(ids, list) or len(ids) != -(-input_tok // BLOCK_TOK):
            expected = -(-input_tok // BLOCK_TOK)
            fail(
                path,
                number,
                line.find('"hash_ids"') + 1,
                f"hash_ids must list {expected} blocks of {BLOCK_TOK} for {input_tok} tokens",
            )
        arrival_s.append(time_ms / 1e3)
        inputs.append(input_tok)
        outputs.append(_count(path, number, line, record, "output_length"))
        ends.append(blocks.add(ids, input_tok))
    if not arrival_s:
        fail(path, 1, 1, "no records")
    tree, node_of_block = blocks.compress(ends)
    start_s = arrival_s[0]
    return open_loop_table(
        name,
        seed,
        np.array(arrival_s) - start_s,
        np.array(inputs, np.int32),
        np.array(outputs, np.int32),
        node_of_block[np.array(ends)],
        tree,
    )


def _record(path: Path, number: int, line: str) -> dict:
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        fail(path, number, error.colno, f"not valid JSON: {error.msg}")
    if not isinstance(record, dict):
        fail(path, number, 1, "expected a JSON object")
    for field in _FIELDS:
        if field not in record:
            fail(path, number, 1, f"missing field {field!r}")
    return record


def _count(path: Path, number: int, line: str, record: dict, field: str) -> int:
    return token_count(path, number, line.find(f'"{field}"') + 1, field, record[field])


class _BlockTree:
    """Blocks of all prompts as a tree, then runs of blocks without a branch as nodes."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], int] = {}
        self._parent: list[int] = []
        self._depth_tok: list[int] = []

    def add(self, ids: list[int], prompt_tok: int) -> int:
        """Add a prompt's chain; returns its last block."""
        block = NO_NODE
        for place, hash_id in enumerate(ids):
            key = (block, hash_id)
            known = self._known.get(key)
            if known is None:
                known = self._known[key] = len(self._parent)
                self._parent.append(block)
                self._depth_tok.append(min((place + 1) * BLOCK_TOK, prompt_tok))
            block = known
        return block

    def compress(self, ends: list[int]) -> tuple[PrefixTree, NDArray[np.int32]]:
        """Merge runs; returns the tree and, for every block that ends one, its node."""
        parent = np.array(self._parent, np.int64)
        children = np.bincount(parent[parent >= 0], minlength=len(parent))
        boundary = children != 1
        boundary[np.array(ends)] = True
        node_of_block = np.where(boundary, np.cumsum(boundary) - 1, NO_NODE).astype(np.int32)
        # Blocks come after their parents, so one pass carries the nearest node above downwards.
        above: list[int] = []
        for upper in self._parent:
            inherited = NO_NODE
            if upper != NO_NODE:
                inherited = int(node_of_block[upper]) if boundary[upper] else above[upper]
            above.append(inherited)
        depth = np.array(self._depth_tok, np.int32)
        tree = PrefixTree(np.array(above, np.int32)[boundary], depth[boundary])
        return tree, node_of_block
