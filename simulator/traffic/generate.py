"""Synthetic traffic: sessions arrive open-loop over the week, their turns closed-loop.

Every hour of every layer of volume has its own random stream. A span of the week therefore contains
exactly the sessions that the whole week has in it, and a larger volume contains all sessions of a
smaller one, which keeps comparisons between volumes almost free of noise.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from simulator.traffic.rate import RateInSpans, rate_of_hour
from simulator.traffic.sessions import (
    Columns,
    Fixed,
    SessionTraffic,
    draw_hour,
    draw_spans,
    fixed_parts,
    layers,
)
from simulator.traffic.spans import Spans
from simulator.traffic.table import NO_NODE, PrefixTree, RequestTable, session_rows
from simulator.units import HOUR_S

_ROOT_TOK = 1 << 24
"""Token numbers reserved for each tenant's prompt and for each document."""
_FIRST_PROMPT_TOK = 1 << 56
"""Token number from which the requests' own parts of prompts are numbered."""
_HOUR_TOK = 1 << 42
"""Token numbers reserved for the prompts of each hour, enough for 15 years of hours."""


def generate(
    workloads: tuple[SessionTraffic, ...],
    seed: int,
    *,
    volume: float = 1.0,
    begin_s: float = 0.0,
    end_s: float,
) -> RequestTable:
    """Draw the sessions that start in a span; time zero of the table is ``begin_s``.

    Parameters
    ----------
    workloads : tuple of SessionTraffic
        All workloads that share the table.
    seed : int
        Seed of the named streams.
    volume : float
        Multiple of the workloads' rates; a larger volume contains all sessions of smaller ones.
    begin_s, end_s : float
        Span since Monday 00:00 UTC [s].
    """
    hours = range(int(begin_s // HOUR_S), math.ceil(end_s / HOUR_S))
    return _draw(workloads, seed, volume, hours, begin_s, end_s)


def draw_hours(
    workloads: tuple[SessionTraffic, ...], seed: int, volume: float, hours: Sequence[int]
) -> RequestTable:
    """Draw the sessions that start in the given hours; time zero is Monday 00:00 UTC."""
    return _draw(workloads, seed, volume, hours, 0.0, math.inf)


def draw_parts(
    workloads: tuple[SessionTraffic, ...],
    seed: int,
    volume: float,
    spans_s: Spans,
    reached_s: Spans,
) -> RequestTable:
    """Draw sessions that start in ``spans_s`` and have a turn in ``reached_s``.

    Time zero is Monday 00:00 UTC. The rate is that of ``draw_hours``, but the sessions are
    different ones, since they come from other random streams.
    """
    fixed = [fixed_parts(spec, seed) for spec in workloads]
    hours = sorted({h for a, b in spans_s for h in range(int(a // HOUR_S), math.ceil(b / HOUR_S))})
    parts = []
    for w, spec in enumerate(workloads):
        rate = RateInSpans.of([rate_of_hour(spec.rate, seed, hour) for hour in hours], spans_s)
        for layer in layers(spec, volume):
            parts.append(draw_spans(w, spec, fixed[w], seed, layer, rate, reached_s))
    return _assemble(_join(parts), workloads, fixed, 0.0, math.inf)


def _draw(
    workloads: tuple[SessionTraffic, ...],
    seed: int,
    volume: float,
    hours: Sequence[int],
    begin_s: float,
    end_s: float,
) -> RequestTable:
    fixed = [fixed_parts(spec, seed) for spec in workloads]
    parts = [
        draw_hour(w, spec, fixed[w], seed, layer, rate)
        for w, spec in enumerate(workloads)
        for rate in [rate_of_hour(spec.rate, seed, hour) for hour in hours]
        for layer in layers(spec, volume)
    ]
    return _assemble(_join(parts), workloads, fixed, begin_s, end_s)


def chunks(
    workloads: tuple[SessionTraffic, ...],
    seed: int,
    *,
    volume: float,
    end_s: float,
    hours: int = 1,
    begun: int = 0,
) -> Iterator[tuple[RequestTable, float]]:
    """Yield the sessions of successive spans of ``hours``, each with the end of its span [s].

    The first ``begun`` spans are left out. All times count from hour 0. Memory does
    not grow with ``end_s``.
    """
    for hour in range(begun * hours, math.ceil(end_s / HOUR_S), hours):
        begin_s = hour * HOUR_S
        until_s = min(end_s, begin_s + hours * HOUR_S)
        table = generate(workloads, seed, volume=volume, begin_s=begin_s, end_s=until_s)
        table.arrival_s[:] += begin_s
        # Prompts of different hours share only tenants' prompts and documents.
        own = table.tree.first_tok >= _FIRST_PROMPT_TOK
        table.tree.first_tok[own] += hour * _HOUR_TOK
        yield table, until_s


def _join(parts: list[Columns]) -> Columns:
    """Concatenate the columns of parts; ``previous`` is changed to the new row numbers."""
    begin, width = 0, max(p["document"].shape[1] for p in parts)
    for part in parts:
        part["previous"] = np.where(part["previous"] == NO_NODE, NO_NODE, part["previous"] + begin)
        missing = width - part["document"].shape[1]
        part["document"] = np.pad(part["document"], ((0, 0), (0, missing)), constant_values=-1)
        begin += len(part["turn"])
    return {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}


def _assemble(
    columns: Columns,
    workloads: tuple[SessionTraffic, ...],
    fixed: list[Fixed],
    begin_s: float,
    end_s: float,
) -> RequestTable:
    """Return the table of the sessions that start in a span, in the order of their starts."""
    head = columns["turn"] == 0
    begins = np.flatnonzero(head)
    start_s = columns["start_s"][begins]
    chosen = np.flatnonzero((start_s >= begin_s) & (start_s < end_s))
    chosen = chosen[np.argsort(start_s[chosen], kind="stable")]
    rows, lengths = session_rows(begins, len(head), chosen)
    moved = np.full(len(head), NO_NODE, np.int64)
    moved[rows] = np.arange(len(rows))
    columns = {name: column[rows] for name, column in columns.items()}
    previous = columns["previous"]
    previous = np.where(previous == NO_NODE, NO_NODE, moved[previous])
    node, tree = _build_tree(columns, previous, workloads, fixed)
    limits = np.array([w.max_output_tok for w in workloads], np.int32)
    deadlines = np.array([w.deadline_s for w in workloads])
    patience = np.array([w.patience_s for w in workloads])
    return RequestTable(
        arrival_s=columns["start_s"] - begin_s,
        gap_s=columns["gap_s"],
        workload=columns["workload"],
        input_tokens=columns["input_tokens"],
        output_tokens=columns["output_tokens"],
        reasoning_tokens=columns["reasoning_tokens"],
        max_output_tokens=limits[columns["workload"]],
        prefix_node=node,
        session=np.repeat(np.arange(len(chosen), dtype=np.int32), lengths),
        turn=columns["turn"],
        deadline_s=deadlines[columns["workload"]],
        patience_s=patience[columns["workload"]],
        difficulty=columns["difficulty"],
        random_bits=columns["random_bits"],
        earlier_node=np.full(len(rows), NO_NODE, np.int32),
        earlier_s=np.zeros(len(rows)),
        since_volume=columns["since_volume"],
        tree=tree,
        workloads=tuple(w.name for w in workloads),
    )


def _build_tree(
    columns: Columns,
    previous: NDArray[np.int64],
    workloads: tuple[SessionTraffic, ...],
    fixed: list[Fixed],
) -> tuple[NDArray[np.int32], PrefixTree]:
    """Return the node at which each prompt ends, (n_rows,), and the prefix tree.

    Roots are the tenants' prompts, with documents below them and a node for the rest of every
    prompt. The parent of a prompt's node is the prompt that it continues, else its last document,
    else its root.
    """
    root_tok = np.concatenate([f.system_tok for f in fixed])
    begins = np.cumsum([0, *(len(f.system_tok) for f in fixed)])
    above = begins[columns["workload"]] + columns["tenant"]
    depth = root_tok[above]
    parents, depths = [np.full(len(root_tok), NO_NODE)], [root_tok]
    starts = [np.arange(len(root_tok)) * _ROOT_TOK]
    popularity = [_popularity(w, f) for w, f in zip(workloads, fixed, strict=True)]
    node_share = [np.concatenate(_tenant_shares(workloads))]
    share = node_share[0][above]
    size = len(root_tok)
    for level in columns["document"].T:
        holds = np.flatnonzero(level >= 0)
        if not len(holds):
            continue
        key = above[holds] << 32 | level[holds]
        # Prompts with the same prefix and the same next document share the document's node.
        _, first_index, node_index = np.unique(key, return_index=True, return_inverse=True)
        first = holds[first_index]
        tokens = _document_tok(columns["workload"][first], level[first], fixed)
        parents.append(above[first])
        depths.append(depth[first] + tokens)
        number = begins[-1] + columns["workload"][first] * (1 << 24) + level[first]
        starts.append(number * _ROOT_TOK)
        share[holds] *= _popularity_of(popularity, columns["workload"][holds], level[holds])
        node_share.append(share[first])
        above[holds] = size + node_index
        depth[holds] = depths[-1][node_index]
        size += len(first)
    # A retry has the previous row's prompt and ends at the same node; other prompts have their own.
    ends = ~columns["same"]
    own = size + np.cumsum(ends) - 1
    without_documents = np.all(columns["document"] < 0, axis=1)
    continues = (previous != NO_NODE) & without_documents & without_documents[previous]
    parent = np.where(continues, own[previous], above)
    begin_tok = np.where(continues, columns["input_tokens"][previous], depth)
    fresh = columns["input_tokens"] - begin_tok
    parents.append(parent[ends])
    depths.append(columns["input_tokens"][ends])
    tokens = np.cumsum(fresh[ends])
    starts.append(_FIRST_PROMPT_TOK + tokens - fresh[ends])
    node_share.append(np.zeros(int(ends.sum())))
    tree = PrefixTree(
        np.concatenate(parents).astype(np.int32),
        np.concatenate(depths).astype(np.int32),
        np.concatenate(starts).astype(np.int64),
        np.concatenate(node_share).astype(np.float32),
    )
    return np.where(columns["stable"], own, NO_NODE).astype(np.int32), tree


def _tenant_shares(workloads: tuple[SessionTraffic, ...]) -> list[NDArray[np.float64]]:
    """Return the share of all requests that begin with each tenant's prompt, by workload.

    (n_tenants,) each
    """
    total = sum(w.requests_per_s for w in workloads)
    return [
        w.requests_per_s / max(total, 1e-300) * w.stable_session_share * w.rate.tenants.shares()
        for w in workloads
    ]


def _popularity(spec: SessionTraffic, fixed: Fixed) -> NDArray[np.float64]:
    """Return the share of a workload's requests with each document at a given position.

    (n_documents,)
    """
    with_documents = spec.documents.share if spec.documents is not None else 0.0
    return with_documents * np.diff(fixed.document_cumulative, prepend=0.0)


def _popularity_of(
    popularity: list[NDArray[np.float64]], workload: NDArray[np.int32], document: NDArray[np.int32]
) -> NDArray[np.float64]:
    """Return the popularity of documents, by workload and number. (n,), (n,) -> (n,)"""
    begins = np.cumsum([0, *map(len, popularity)])
    shares: NDArray[np.float64] = np.concatenate(popularity)[begins[workload] + document]
    return shares


def _document_tok(
    workload: NDArray[np.int32], document: NDArray[np.int32], fixed: list[Fixed]
) -> NDArray[np.int64]:
    begins = np.cumsum([0, *(len(f.document_tok) for f in fixed)])
    tokens = np.concatenate([f.document_tok for f in fixed])
    return tokens[begins[workload] + document]
