"""The request table and the prefix tree: everything about traffic that no option changes."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from simulator.errors import InputError

NO_NODE = -1


@dataclass(frozen=True, slots=True)
class PrefixTree:
    """Prefixes that prompts share; a prompt is a path from a root.

    A node represents the tokens between its parent's end and its own.
    """

    parent: NDArray[np.int32]
    """Parent of each node, ``NO_NODE`` for roots; parents come before children. (n_nodes,)"""
    depth_tok: NDArray[np.int32]
    """Tokens from the root to the node's end. (n_nodes,)"""
    first_tok: NDArray[np.int64]
    """Number of the node's first token. Equal numbers mean the same token, also in other trees of
    the same traffic, so that parts of a tree can be stored and joined again. (n_nodes,)"""
    share: NDArray[np.float32]
    """Share of all requests of the traffic whose prompts begin with the node, including requests
    that are not in the table; 0 for nodes that only the turns of one session share. (n_nodes,)"""

    @property
    def size(self) -> int:
        """Number of nodes."""
        return len(self.parent)

    @staticmethod
    def empty() -> "PrefixTree":
        """Return the tree of traffic without shared prefixes."""
        return PrefixTree.numbered(np.empty(0, np.int32), np.empty(0, np.int32))

    @staticmethod
    def numbered(parent: NDArray[np.int32], depth_tok: NDArray[np.int32]) -> "PrefixTree":
        """Return the tree with tokens numbered node by node."""
        tokens = depth_tok - np.where(parent == NO_NODE, 0, depth_tok[parent])
        first_tok = np.cumsum(tokens, dtype=np.int64) - tokens
        return PrefixTree(parent, depth_tok, first_tok, np.zeros(len(parent), np.float32))

    def chosen(self, nodes: NDArray) -> "PrefixTree":
        """Return the chosen nodes; ``parent`` still has the old node numbers."""
        return PrefixTree(*(getattr(self, field.name)[nodes] for field in fields(self)))

    @staticmethod
    def concatenated(parts: "Sequence[PrefixTree]") -> "PrefixTree":
        """Return the nodes of several trees in sequence; ``parent`` is unchanged."""
        columns = ([getattr(part, field.name) for part in parts] for field in fields(PrefixTree))
        return PrefixTree(*map(np.concatenate, columns))


@dataclass(frozen=True, slots=True)
class RequestTable:
    """Requests in the order of ``arrival_s``; the later turns of a session follow its first row.

    The table has everything random about a request, so that options are compared on the same
    requests.
    """

    arrival_s: NDArray[np.float64]
    """Arrival of the session's first request [s]. (n_requests,)"""
    gap_s: NDArray[np.float64]
    """Time from the end of the row above to the arrival [s], NaN for first requests of sessions.
    (n_requests,)"""
    workload: NDArray[np.int32]
    """Index into ``workloads``. (n_requests,)"""
    input_tokens: NDArray[np.int32]
    """Prompt tokens, cached prefix included. (n_requests,)"""
    output_tokens: NDArray[np.int32]
    """Visible output tokens. (n_requests,)"""
    reasoning_tokens: NDArray[np.int32]
    """Hidden output tokens. (n_requests,)"""
    max_output_tokens: NDArray[np.int32]
    """Declared limit, all that routing may know about the output. (n_requests,)"""
    prefix_node: NDArray[np.int32]
    """Deepest prefix-tree node of the prompt or ``NO_NODE``. (n_requests,)"""
    session: NDArray[np.int32]
    turn: NDArray[np.int32]
    deadline_s: NDArray[np.float64]
    """Latest useful completion after arrival [s], inf for interactive requests. (n_requests,)"""
    patience_s: NDArray[np.float64]
    """Time after which the client gives up and closes the connection [s], inf for never.
    (n_requests,)"""
    difficulty: NDArray[np.float64]
    """Uniform in [0, 1), the same for all models. (n_requests,)"""
    random_bits: NDArray[np.uint64]
    """64 random bits that determine every random draw of the request in a simulation.
    (n_requests,)"""
    earlier_node: NDArray[np.int32]
    """Prefix-tree node at the end of the previous turn's prompt if that turn is left out of the
    table, else ``NO_NODE``. (n_requests,)"""
    earlier_s: NDArray[np.float64]
    """Time from the arrival of that left-out turn to the row [s]. (n_requests,)"""
    since_volume: NDArray[np.float64]
    """Volume above which the traffic contains the row's session. (n_requests,)"""
    tree: PrefixTree
    workloads: tuple[str, ...]

    @property
    def size(self) -> int:
        """Number of rows."""
        return len(self.arrival_s)

    @property
    def completion_tokens(self) -> NDArray[np.int32]:
        """All output tokens, visible and reasoning. (n_requests,)"""
        return self.output_tokens + self.reasoning_tokens

    def take(self, rows: NDArray[np.int64]) -> "RequestTable":
        """Return the given rows, which must be whole sessions in the order of a table."""
        columns = {
            f.name: getattr(self, f.name)[rows]
            for f in fields(self)
            if f.name not in ("tree", "workloads")
        }
        return replace(self, **columns)

    def sessions(self) -> NDArray[np.int64]:
        """Return the first row of every session. (n_sessions,)"""
        return np.flatnonzero(np.isnan(self.gap_s))

    def session_starts_s(self) -> NDArray[np.float64]:
        """Return the start of each row's session [s]. (n_requests,)"""
        begins = self.sessions()
        return np.repeat(self.arrival_s[begins], np.diff(np.append(begins, self.size)))

    def due_s(self, answer_s: float, token_s: float) -> NDArray[np.float64]:
        """Return when rows would arrive if answers took ``answer_s`` and ``token_s`` per token [s].

        (n_requests,)
        """
        begins = self.sessions()
        first = np.repeat(begins, np.diff(np.append(begins, self.size)))
        answered_s = answer_s + token_s * self.completion_tokens
        since_s = since_start_s(first, self.gap_s, answered_s)
        due_s: NDArray[np.float64] = self.session_starts_s() + since_s
        return due_s

    def arrange(self, chosen: NDArray[np.int64], start_s: NDArray[np.float64]) -> "RequestTable":
        """Return chosen sessions, as indices into ``sessions()``, at new start times."""
        order = np.argsort(start_s, kind="stable")
        chosen, start_s = chosen[order], start_s[order]
        rows, lengths = session_rows(self.sessions(), self.size, chosen)
        return replace(
            self.take(rows),
            arrival_s=np.repeat(start_s, lengths),
            session=np.repeat(np.arange(len(chosen), dtype=np.int32), lengths),
        )

    def check(self) -> None:
        """Raise InputError if the table breaks a rule that the engine relies on."""
        alone = np.isnan(self.gap_s)
        depth = np.zeros(self.size, np.int64)
        shared = self.prefix_node != NO_NODE
        depth[shared] = self.tree.depth_tok[self.prefix_node[shared]]
        rules = (
            ("arrivals must be finite, not negative", ~(self.arrival_s >= 0)),
            ("gaps must not be negative", ~alone & ~(self.gap_s >= 0)),
            ("prompts need at least one token", self.input_tokens < 1),
            ("outputs must not be negative", self.output_tokens < 0),
            ("reasoning must not be negative", self.reasoning_tokens < 0),
            ("patience must be positive", ~(self.patience_s > 0)),
            ("a prefix must not be longer than its prompt", depth > self.input_tokens),
        )
        below = self.tree.parent != NO_NODE
        above = self.tree.parent[below]
        if (self.tree.depth_tok[below] < self.tree.depth_tok[above]).any():
            raise InputError("prefix tree: a node must not end before its parent")
        for rule, broken in rules:
            if broken.any():
                raise InputError(f"request table row {int(broken.argmax())}: {rule}")
        if np.any(np.diff(self.arrival_s[alone]) < 0):
            raise InputError("request table: rows must be sorted by arrival")
        if self.size and not alone[0]:
            raise InputError("request table row 0: a turn cannot come before its session's first")


def since_start_s(
    first: NDArray[np.int64], gap_s: NDArray[np.float64], answered_s: NDArray
) -> NDArray[np.float64]:
    """Return the time from the start of its session at which each turn is due [s]. (n_rows,)

    Parameters
    ----------
    first : ndarray
        First row of each row's session. (n_rows,)
    gap_s : ndarray
        Time from the end of the row above to the turn [s]; ignored for first rows. (n_rows,)
    answered_s : ndarray
        Duration of each answer [s]. (n_rows,)
    """
    head = np.arange(len(first)) == first
    steps_s = np.where(head, 0.0, gap_s)
    steps_s[1:] += np.where(head[1:], 0.0, answered_s[:-1])
    since_s = np.cumsum(steps_s)
    turn_s: NDArray[np.float64] = since_s - since_s[first]
    return turn_s


def roots(tree: PrefixTree) -> NDArray[np.int32]:
    """Return the root above each node, found by pointer doubling. (n_nodes,)"""
    above = np.where(tree.parent == NO_NODE, np.arange(tree.size), tree.parent)
    while not np.array_equal(above[above], above):
        above = above[above]
    return above.astype(np.int32)


def session_rows(
    begins: NDArray[np.int64], size: int, chosen: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of the chosen sessions in sequence, and the number of rows of each.

    ``begins`` are the first rows of all sessions, (n_sessions,), in a table of ``size`` rows.
    """
    lengths = np.diff(np.append(begins, size))[chosen]
    offsets = np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.repeat(begins[chosen], lengths) + np.arange(len(offsets)) - offsets, lengths
