"""First come, first served: rows that wait in a line, linked through the ledger.

A line is any record with ``waiting_head`` and ``waiting_tail``: a replica's queue, an endpoint's,
and that of rows that wait for a replica to become ready.
"""

from simulator.engine.jit import compiled
from simulator.engine.layout import NONE


@compiled
def join_line(plane, line, row):
    """Put a row at the end."""
    plane.ledger[row].next_waiting = NONE
    if line.waiting_head == NONE:
        line.waiting_head = row
    else:
        plane.ledger[line.waiting_tail].next_waiting = row
    line.waiting_tail = row


@compiled
def leave_line(plane, line):
    """Take the row that has waited longest."""
    row = line.waiting_head
    line.waiting_head = plane.ledger[row].next_waiting
    if line.waiting_head == NONE:
        line.waiting_tail = NONE
    return row


@compiled
def cut_line(plane, line, row):
    """Put a row before all others."""
    plane.ledger[row].next_waiting = line.waiting_head
    if line.waiting_head == NONE:
        line.waiting_tail = row
    line.waiting_head = row
