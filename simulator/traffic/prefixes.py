"""Construction of prefix trees from prompts that are lists of runs of consecutive token numbers.

Each log format identifies shared tokens in its own way: by hash blocks of 512, 64 or 16 tokens, or
by the turns of a session. All are converted to runs ``[start, start + length)`` in one space of
token numbers; two prompts share exactly the tokens up to the first difference of their numbers. The
tree is path-compressed at any time, so its size grows with the number of prompts, not of tokens.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.rng import SPLITMIX
from simulator.traffic.jit import compiled
from simulator.traffic.table import NO_NODE, PrefixTree

_HASH = np.uint64(SPLITMIX[0])


class Runs(NamedTuple):
    """Ragged runs of token numbers: those of prompt ``i`` are ``offsets[i]:offsets[i + 1]``."""

    start: NDArray[np.int64]
    length: NDArray[np.int64]
    offsets: NDArray[np.int64]


class _Nodes(NamedTuple):
    """The growing tree.

    When a node is split, its lower part keeps the number, so that prompts still end at it.
    """

    parent: NDArray[np.int32]
    start: NDArray[np.int64]
    """Number of the node's first token."""
    length: NDArray[np.int64]
    """Tokens of the node, without those of its ancestors."""
    depth: NDArray[np.int64]
    """Tokens from the root to the node's end."""
    dense: NDArray[np.int64]
    """Anonymous number of the node's first token: tokens are numbered in the order of first use."""
    child_table: NDArray[np.int32]
    """Open-addressing hash table from (parent, first token) to a node, sized a power of two."""
    used: NDArray[np.int64]
    """Number of nodes and of tokens so far. (2,)"""


@compiled
def _first_entry(parent: int, token: int, mask: int) -> np.int64:
    key = (np.uint64(token) * _HASH) ^ (np.uint64(parent + 1) * np.uint64(0xD6E8FEB86659FD93))
    return np.int64((key * _HASH) >> np.uint64(24)) & np.int64(mask)


@compiled
def _find_entry(nodes: _Nodes, parent: int, token: int) -> int:
    """Return the table's entry of the child of ``parent`` that begins with ``token``, or a free
    entry.
    """
    mask = nodes.child_table.size - 1
    entry = _first_entry(parent, token, mask)
    while True:
        n = nodes.child_table[entry]
        if n == -1 or (nodes.parent[n] == parent and nodes.start[n] == token):
            return entry
        entry = (entry + 1) & mask


@compiled
def _append(nodes: _Nodes, parent: int, start: int, count: int) -> int:
    n = nodes.used[0]
    nodes.used[0] += 1
    nodes.parent[n] = parent
    nodes.start[n] = start
    nodes.length[n] = count
    nodes.depth[n] = count + (nodes.depth[parent] if parent >= 0 else 0)
    return n


@compiled
def _split(nodes: _Nodes, n: int, entry: int, head: int) -> int:
    """Move the first ``head`` tokens of node ``n`` to a new parent of it; return that parent."""
    upper = _append(nodes, nodes.parent[n], nodes.start[n], head)
    nodes.dense[upper] = nodes.dense[n]
    nodes.child_table[entry] = upper
    nodes.parent[n] = upper
    nodes.start[n] += head
    nodes.length[n] -= head
    nodes.dense[n] += head
    nodes.child_table[_find_entry(nodes, upper, nodes.start[n])] = n
    return upper


@compiled
def _add(nodes: _Nodes, start: NDArray, count: NDArray) -> int:
    """Add one prompt and return the node at whose end it ends."""
    n, inside = -1, 0  # all tokens up to the first ``inside`` of node ``n`` have been matched
    for i in range(start.size):
        token, left = start[i], count[i]
        while left > 0:
            if n >= 0 and inside < nodes.length[n]:
                if nodes.start[n] + inside == token:
                    step = min(left, nodes.length[n] - inside)
                    inside += step
                    token += step
                    left -= step
                    continue
                entry = _find_entry(nodes, nodes.parent[n], nodes.start[n])
                n = _split(nodes, n, entry, inside)
            entry = _find_entry(nodes, n, token)
            child = nodes.child_table[entry]
            if child == -1:
                child = _append(nodes, n, token, left)
                nodes.dense[child] = nodes.used[1]
                nodes.used[1] += left
                nodes.child_table[entry] = child
            n, inside = child, 0
    if n >= 0 and inside < nodes.length[n] and inside > 0:
        n = _split(nodes, n, _find_entry(nodes, nodes.parent[n], nodes.start[n]), inside)
    return n


@compiled
def _add_all(
    nodes: _Nodes, start: NDArray, count: NDArray, offsets: NDArray, ends: NDArray
) -> None:
    for i in range(ends.size):
        ends[i] = _add(
            nodes, start[offsets[i] : offsets[i + 1]], count[offsets[i] : offsets[i + 1]]
        )


@compiled
def _rebuild_table(nodes: _Nodes) -> None:
    nodes.child_table[:] = -1
    for n in range(nodes.used[0]):
        nodes.child_table[_find_entry(nodes, nodes.parent[n], nodes.start[n])] = n


@compiled
def _compress(parent: NDArray, depth: NDArray, ends: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Merge every chain without a branch and without the end of a prompt in it.

    Return which nodes are kept, their new numbers in the order of depth, and the new number of each
    node's nearest kept ancestor. (n_nodes,) each
    """
    children = np.zeros(parent.size, np.int64)
    for n in range(parent.size):
        if parent[n] >= 0:
            children[parent[n]] += 1
    kept = children != 1
    for end in ends:
        if end >= 0:
            kept[end] = True
    number = np.full(parent.size, -1, np.int32)
    order = np.argsort(depth)
    above = np.full(parent.size, -1, np.int32)
    size = 0
    for n in order:
        if parent[n] >= 0:
            above[n] = number[parent[n]] if kept[parent[n]] else above[parent[n]]
        if kept[n]:
            number[n] = size
            size += 1
    return kept, number, above


@compiled
def _write_path_runs(
    parent: NDArray,
    first_tok: NDArray,
    depth: NDArray,
    ends: NDArray,
    offsets: NDArray,
    start: NDArray,
    count: NDArray,
) -> None:
    """Write the merged runs of paths, root first, to ``start`` and ``count`` at ``offsets``.

    If ``start`` is empty, only count the runs and fill in ``offsets``.
    """
    for i in range(ends.size):
        size = 0
        node = ends[i]
        begins = np.int64(-1)
        while node >= 0:
            tokens = depth[node] - (depth[parent[node]] if parent[node] >= 0 else 0)
            if tokens > 0:
                if first_tok[node] + tokens != begins:
                    size += 1
                    if start.size > 0:
                        count[offsets[i + 1] - size] = 0
                begins = first_tok[node]
                if start.size > 0:
                    start[offsets[i + 1] - size] = begins
                    count[offsets[i + 1] - size] += tokens
            node = parent[node]
        if start.size == 0:
            offsets[i + 1] = offsets[i] + size


def _runs(
    parent: NDArray[np.int32],
    first_tok: NDArray[np.int64],
    depth_tok: NDArray[np.int64],
    ends: NDArray[np.int32],
) -> Runs:
    offsets, none = np.zeros(len(ends) + 1, np.int64), np.empty(0, np.int64)
    _write_path_runs(parent, first_tok, depth_tok, ends, offsets, none, none)
    start, count = np.empty(offsets[-1], np.int64), np.empty(offsets[-1], np.int64)
    if len(start):
        _write_path_runs(parent, first_tok, depth_tok, ends, offsets, start, count)
    return Runs(start, count, offsets)


def runs_of(tree: PrefixTree, ends: NDArray[np.int32]) -> Runs:
    """Return the runs of prompts that end at the given nodes of a tree."""
    return _runs(tree.parent, tree.first_tok, tree.depth_tok.astype(np.int64), ends)


class PrefixBuilder:
    """Builder of a prefix tree, prompt by prompt. Node numbers stay valid while the tree grows."""

    def __init__(self) -> None:
        self._nodes = self._allocate(1024)

    @staticmethod
    def _allocate(capacity: int) -> _Nodes:
        table_size = 1 << (2 * capacity - 1).bit_length()
        return _Nodes(
            parent=np.full(capacity, NO_NODE, np.int32),
            start=np.zeros(capacity, np.int64),
            length=np.zeros(capacity, np.int64),
            depth=np.zeros(capacity, np.int64),
            dense=np.zeros(capacity, np.int64),
            child_table=np.full(table_size, -1, np.int32),
            used=np.zeros(2, np.int64),
        )

    def add(self, runs: Runs) -> NDArray[np.int32]:
        """Add prompts and return the node at which each ends, ``NO_NODE`` for empty ones.

        (n_prompts,)
        """
        # A run adds at most two nodes, one of them by a split; a prompt's end may split another.
        self._reserve(2 * len(runs.start) + len(runs.offsets))
        ends = np.full(len(runs.offsets) - 1, NO_NODE, np.int32)
        _add_all(self._nodes, *runs, ends)
        return ends

    def _reserve(self, more: int) -> None:
        old = self._nodes
        used = int(old.used[0])
        if used + more <= len(old.parent):
            return
        nodes = self._allocate(max(2 * len(old.parent), used + more))
        for name in ("parent", "start", "length", "depth", "dense"):
            getattr(nodes, name)[:used] = getattr(old, name)[:used]
        nodes.used[:] = old.used
        _rebuild_table(nodes)
        self._nodes = nodes

    def finish(self, ends: NDArray[np.int32]) -> tuple[PrefixTree, NDArray[np.int32]]:
        """Return the tree of all prompts, and the node of it at which each ends. (n_prompts,)"""
        used = int(self._nodes.used[0])
        if used == 0:
            return PrefixTree.empty(), ends
        parent, depth = self._nodes.parent[:used], self._nodes.depth[:used]
        kept, number, above = _compress(parent, depth, ends)
        order = np.flatnonzero(kept)[np.argsort(number[kept])]
        parent, depth = above[order], depth[order]
        # The nodes of a merged chain were added by one prompt, so their dense numbers are
        # consecutive up to the end of the last one.
        ends_tok = self._nodes.dense[order] + self._nodes.length[order]
        tokens = depth - np.where(parent == NO_NODE, 0, depth[parent])
        shares = np.zeros(len(parent), np.float32)
        tree = PrefixTree(parent, depth.astype(np.int32), ends_tok - tokens, shares)
        return tree, np.where(ends == NO_NODE, NO_NODE, number[ends]).astype(np.int32)

    def anonymous(self, ends: NDArray[np.int32]) -> Runs:
        """Return the runs of prompts, with tokens numbered in the order of their first use."""
        return _runs(self._nodes.parent, self._nodes.dense, self._nodes.depth, ends)
