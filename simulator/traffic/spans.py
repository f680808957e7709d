"""Spans of the horizon: their requests, and the state of sessions that began earlier.

Sampled spans stay at their own times of the horizon, with no requests between them. One simulation
runs through all of them, so that prices, outages and lifetimes of cache entries follow the true
clock, while the time between two spans costs nothing to simulate.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from simulator.traffic.joining import pruned
from simulator.traffic.table import NO_NODE, RequestTable

Spans = NDArray[np.float64]
"""Begin and end of spans that do not overlap, in the order of time [s]. (n_spans, 2)"""

NOMINAL_S, NOMINAL_TOKEN_S = 1.0, 0.02
"""Assumed duration of an answer: fixed part, and part for each of its tokens [s]. It only
determines in which span later turns of a session are due."""


def merged(spans_s: Spans) -> Spans:
    """Return the union of spans as spans that do not touch. (n, 2) -> (m, 2)"""
    if not len(spans_s):
        return spans_s
    ordered = spans_s[np.argsort(spans_s[:, 0], kind="stable")]
    reach_s = np.maximum.accumulate(ordered[:, 1])
    begins = np.append(True, ordered[1:, 0] > reach_s[:-1])
    ends = np.append(np.flatnonzero(begins)[1:] - 1, len(ordered) - 1)
    return np.column_stack([ordered[begins, 0], reach_s[ends]])


def span_of(at_s: NDArray[np.float64], spans_s: Spans) -> NDArray[np.int64]:
    """Return the index of the span that each moment lies in, -1 for none. (n_moments,)"""
    index = np.searchsorted(spans_s[:, 0], at_s, side="right") - 1
    inside = (index >= 0) & (at_s < spans_s[index, 1])
    return np.where(inside, index, -1)


def thinned(table: RequestTable, volume: float) -> RequestTable:
    """Return the requests of the table that the traffic also has at a smaller volume."""
    rows = np.flatnonzero(table.since_volume < volume)
    if len(rows) == table.size:
        return table
    left = table.take(rows)
    sessions = left.sessions()
    return pruned(left.arrange(np.arange(len(sessions)), left.arrival_s[sessions]))


def within(table: RequestTable, spans_s: Spans) -> RequestTable:
    """Return the requests that are due within some spans, whenever their sessions began.

    A session that is in progress when a span begins continues with the turn that would come next
    if every answer took ``NOMINAL_S`` plus ``NOMINAL_TOKEN_S`` for each of its tokens. Turns that
    are due after the span's end are left out.
    """
    due_s = table.due_s(NOMINAL_S, NOMINAL_TOKEN_S)
    span = span_of(due_s, spans_s)
    rows = np.flatnonzero(span >= 0)
    left = table.take(rows)
    # A turn follows the row above it only if that row is in the same span.
    follows = ~np.isnan(left.gap_s)
    if len(rows):
        follows[0] = False
        follows[1:] &= (np.diff(rows) == 1) & (np.diff(span[rows]) == 0)
    heads = np.flatnonzero(~follows)
    # The turn before such a head is not simulated, but the prompt that it left in caches is known.
    continues = ~follows & ~np.isnan(left.gap_s)
    before = np.maximum(rows - 1, 0)
    alone = replace(
        left,
        gap_s=np.where(follows, left.gap_s, np.nan),
        earlier_node=np.where(continues, table.prefix_node[before], np.int32(NO_NODE)),
        earlier_s=np.where(continues, due_s[rows] - due_s[before], 0.0),
    )
    return pruned(alone.arrange(np.arange(len(heads)), due_s[rows][heads]))
