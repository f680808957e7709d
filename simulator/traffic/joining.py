"""Joining of consecutive chunks of traffic, and pruning of prefix trees to the nodes in use."""

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
    """Return which nodes of a tree are among ``nodes`` or their ancestors. (n_nodes,)

    ``NO_NODE`` among ``nodes`` is ignored.
    """
    marks = np.zeros(tree.size, np.bool_)
    marks[nodes[nodes != NO_NODE]] = True
    _mark_ancestors(tree.parent, marks)
    return marks


def numbered(kept: NDArray[np.bool_], begin: int = 0) -> NDArray[np.int32]:
    """Return the new numbers of all nodes if the kept ones are renumbered from ``begin``.

    Dropped nodes have the number ``NO_NODE``. An extra entry at the end maps the index ``NO_NODE``,
    which is -1, to itself. (n + 1,)
    """
    moved = np.full(len(kept) + 1, NO_NODE, np.int32)
    moved[:-1][kept] = np.arange(begin, begin + int(kept.sum()), dtype=np.int32)
    return moved


def pruned(table: RequestTable) -> RequestTable:
    """Return the table with a tree of only the nodes that its prompts need."""
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


def append_rows(
    old: RequestTable, kept_nodes: NDArray[np.bool_], new: RequestTable
) -> tuple[RequestTable, NDArray[np.int32]]:
    """Append a later chunk to the remaining rows of earlier ones.

    Parameters
    ----------
    old : RequestTable
        Unfinished rows of earlier chunks.
    kept_nodes : ndarray
        Which nodes of its tree are still needed, their ancestors included. (n_nodes,)
    new : RequestTable
        The next rows. A node with the same tokens as a kept one is merged with it.

    Returns
    -------
    table : RequestTable
        Rows of both, with one tree.
    moved : ndarray
        New numbers of the old nodes, ``NO_NODE`` for dropped ones and for ``NO_NODE`` itself.
        (n_nodes + 1,)
    """
    moved = numbered(kept_nodes)
    tree = old.tree.chosen(kept_nodes)
    tree = replace(tree, parent=moved[tree.parent])
    same = _find_same_nodes(tree, new.tree)
    fresh = same == NO_NODE
    moved_new = np.append(same, np.int32(NO_NODE))
    moved_new[:-1][fresh] = tree.size + np.arange(int(fresh.sum()), dtype=np.int32)
    more = new.tree.chosen(fresh)
    merged = PrefixTree.concatenated([tree, replace(more, parent=moved_new[more.parent])])
    columns: dict[str, Any] = {
        f.name: np.concatenate([getattr(old, f.name), getattr(new, f.name)])
        for f in fields(RequestTable)
        if f.name not in ("tree", "workloads", *NODES)
    }
    for name in NODES:
        columns[name] = np.concatenate([moved[getattr(old, name)], moved_new[getattr(new, name)]])
    return replace(new, **columns, tree=merged), moved


def _find_same_nodes(old: PrefixTree, tree: PrefixTree) -> NDArray[np.int32]:
    """Return for each node of ``tree`` the same node of ``old``, or ``NO_NODE``. (n_nodes,)"""
    parent, depth, first = old.parent, old.depth_tok, old.first_tok
    same = np.full(tree.size, NO_NODE, np.int32)
    candidates = np.flatnonzero(np.isin(tree.first_tok, first))
    # Different nodes below one parent may begin with the same token, so the end is compared too.
    old_candidates = np.flatnonzero(np.isin(first, tree.first_tok[candidates]))
    keys = zip(
        parent[old_candidates].tolist(),
        first[old_candidates].tolist(),
        depth[old_candidates].tolist(),
        strict=True,
    )
    numbers = dict(zip(keys, old_candidates.tolist(), strict=True))
    ends = zip(
        candidates.tolist(),
        tree.parent[candidates].tolist(),
        tree.first_tok[candidates].tolist(),
        tree.depth_tok[candidates].tolist(),
        strict=True,
    )
    for node, above, begin, end in ends:
        if above == NO_NODE or same[above] != NO_NODE:
            old_parent = NO_NODE if above == NO_NODE else int(same[above])
            same[node] = numbers.get((old_parent, begin, end), NO_NODE)
    return same
