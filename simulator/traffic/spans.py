"""Spans of the horizon: which requests fall into them, and what sessions bring along.

Sampled spans stay at their own times of the horizon, with nothing between them. One simulation
then runs through all of them: prices, outages and lifetimes of cache entries see the true clock,
and the time between two spans costs nothing.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from simulator.traffic.joining import pruned
from simulator.traffic.table import NO_NODE, RequestTable

Spans = NDArray[np.float64]
"""Begin and end of spans that do not overlap, in the order of time [s]. (n, 2)"""

NOMINAL_S, NOMINAL_TOKEN_S = 1.0, 0.02
"""Duration of an answer, and of each of its tokens, where only the time of later turns depends on
it [s]."""


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
    """Return the place of the span that each moment lies in, -1 for none. (n_moments,)"""
    place = np.searchsorted(spans_s[:, 0], at_s, side="right") - 1
    inside = (place >= 0) & (at_s < spans_s[place, 1])
    return np.where(inside, place, -1)


def thinned(table: RequestTable, volume: float) -> RequestTable:
    """Return the requests that a smaller multiple of the traffic's volume has."""
    rows = np.flatnonzero(table.since_volume < volume)
    if len(rows) == table.size:
        return table
    left = table.take(rows)
    sessions = left.sessions()
    return pruned(left.arrange(np.arange(len(sessions)), left.arrival_s[sessions]))


def within(table: RequestTable, spans_s: Spans) -> RequestTable:
    """Return the requests that are due within some spans, whenever their sessions began.

    A session that is under way when a span begins goes on with the turn that would come next if
    every answer had taken ``NOMINAL_S`` and ``NOMINAL_TOKEN_S`` for each of its tokens. Turns that
    are due after the span's end are left out.
    """
    due_s = table.due_s(NOMINAL_S, NOMINAL_TOKEN_S)
    place = span_of(due_s, spans_s)
    rows = np.flatnonzero(place >= 0)
    left = table.take(rows)
    # A turn follows the row above it only if that row is in the same span.
    follows = ~np.isnan(left.gap_s)
    if len(rows):
        follows[0] = False
        follows[1:] &= (np.diff(rows) == 1) & (np.diff(place[rows]) == 0)
    heads = np.flatnonzero(~follows)
    # What the turn before a head left in caches is known, though that turn is not simulated.
    goes_on = ~follows & ~np.isnan(left.gap_s)
    before = np.maximum(rows - 1, 0)
    alone = replace(
        left,
        gap_s=np.where(follows, left.gap_s, np.nan),
        earlier_node=np.where(goes_on, table.prefix_node[before], np.int32(NO_NODE)),
        earlier_s=np.where(goes_on, due_s[rows] - due_s[before], 0.0),
    )
    return pruned(alone.arrange(np.arange(len(heads)), due_s[rows][heads]))
