"""Chunks of one traffic behind one another: tables pruned of what is over, trees joined."""

from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.traffic.jit import compiled
from simulator.traffic.table import NO_NODE, PrefixTree, RequestTable

NODES = ("prefix_node", "earlier_node")
"""Columns of a table that name nodes of its tree."""


@compiled
def _mark_ancestors(parent: NDArray, marks: NDArray) -> None:
    """Mark the parents of all marked nodes; parents come before children."""
    for node in range(parent.size - 1, -1, -1):
        if marks[node] and parent[node] >= 0:
            marks[parent[node]] = True


def with_ancestors(tree: PrefixTree, nodes: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return which nodes are among some, ``NO_NODE`` left out, or above them. (n_nodes,)"""
    marks = np.zeros(tree.size, np.bool_)
    marks[nodes[nodes != NO_NODE]] = True
    _mark_ancestors(tree.parent, marks)
    return marks


def numbered(kept: NDArray[np.bool_], begin: int = 0) -> NDArray[np.int32]:
    """Return the new numbers of those that are kept, ``NO_NODE`` for all other.

    With one more at the end, so that a link that leads nowhere still does. (n + 1,)
    """
    moved = np.full(len(kept) + 1, NO_NODE, np.int32)
    moved[:-1][kept] = np.arange(begin, begin + int(kept.sum()), dtype=np.int32)
    return moved


def pruned(table: RequestTable) -> RequestTable:
    """Return the table with no more of its tree than its prompts need."""
    ends = np.concatenate([table.prefix_node, table.earlier_node])
    kept = with_ancestors(table.tree, ends)
    moved = numbered(kept)
    small = table.tree.chosen(kept)
    return replace(
        table,
        prefix_node=moved[table.prefix_node],
        earlier_node=moved[table.earlier_node],
        tree=replace(small, parent=moved[small.parent]),
    )


def joined(
    old: RequestTable, kept_nodes: NDArray[np.bool_], new: RequestTable
) -> tuple[RequestTable, NDArray[np.int32]]:
    """Put a later chunk behind what is left of earlier ones.

    Parameters
    ----------
    old : RequestTable
        Rows that go on.
    kept_nodes : ndarray
        Which nodes of its tree are still needed, with all above them. (n_nodes,)
    new : RequestTable
        The next rows; nodes that stand for the same tokens are one node afterwards.

    Returns
    -------
    table : RequestTable
    moved : ndarray
        New numbers of the old nodes, ``NO_NODE`` of dropped ones, and of ``NO_NODE``.
        (n_nodes + 1,)
    """
    moved = numbered(kept_nodes)
    tree = old.tree.chosen(kept_nodes)
    tree = replace(tree, parent=moved[tree.parent])
    found = _found(tree, new.tree)
    fresh = found == NO_NODE
    place = np.append(found, np.int32(NO_NODE))
    place[:-1][fresh] = tree.size + np.arange(int(fresh.sum()), dtype=np.int32)
    more = new.tree.chosen(fresh)
    together = PrefixTree.concatenated([tree, replace(more, parent=place[more.parent])])
    columns: dict[str, Any] = {
        f.name: np.concatenate([getattr(old, f.name), getattr(new, f.name)])
        for f in fields(RequestTable)
        if f.name not in ("tree", "workloads", *NODES)
    }
    for name in NODES:
        columns[name] = np.concatenate([moved[getattr(old, name)], place[getattr(new, name)]])
    return replace(new, **columns, tree=together), moved


def _found(old: PrefixTree, tree: PrefixTree) -> NDArray[np.int32]:
    """Return the known node that each node of a tree is the same as, or ``NO_NODE``. (n_nodes,)"""
    parent, depth, first = old.parent, old.depth_tok, old.first_tok
    found = np.full(tree.size, NO_NODE, np.int32)
    candidates = np.flatnonzero(np.isin(tree.first_tok, first))
    # Different nodes may begin with one token, below one parent: the end tells them apart.
    known = np.flatnonzero(np.isin(first, tree.first_tok[candidates]))
    names = zip(parent[known].tolist(), first[known].tolist(), depth[known].tolist(), strict=True)
    numbers = dict(zip(names, known.tolist(), strict=True))
    ends = zip(
        candidates.tolist(),
        tree.parent[candidates].tolist(),
        tree.first_tok[candidates].tolist(),
        tree.depth_tok[candidates].tolist(),
        strict=True,
    )
    for node, above, begin, end in ends:
        if above == NO_NODE or found[above] != NO_NODE:
            here = NO_NODE if above == NO_NODE else int(found[above])
            found[node] = numbers.get((here, begin, end), NO_NODE)
    return found
