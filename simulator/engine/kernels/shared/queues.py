"""Lines of waiting rows: skew heaps (Sleator and Tarjan, 1986), linked through the ledger.

A line is any record with ``waiting_head``: a replica's queue, an endpoint's, and that of rows that
wait for a replica to become ready. The row of the least ``order`` comes first. A row whose client
gives up stays where it is, closed, until it comes to the head; the head itself is never closed.
"""

from simulator.engine.kernels.shared.jit import called, compiled, entry
from simulator.engine.records.layout import IN_FLIGHT, NONE

_RANK_BITS = 32
"""Below them stand the rows of one rank, in the order of joining."""


@called
def _meld(ledger, one, other):
    """Join two heaps by their heads; returns the head of both."""
    if one == NONE:
        return other
    if other == NONE:
        return one
    if ledger[other].order < ledger[one].order:
        one, other = other, one
    head = one
    # Down the right spine of ``one``, whose members take what is melded as their left child.
    while True:
        right = ledger[one].right
        ledger[one].right = ledger[one].left
        if right == NONE:
            ledger[one].left = other
            return head
        if ledger[other].order < ledger[right].order:
            right, other = other, right
        ledger[one].left = right
        one = right


@compiled
def _put(state, queue, row):
    state.ledger[row].left = NONE
    state.ledger[row].right = NONE
    queue.waiting_head = _meld(state.ledger, queue.waiting_head, row)


@compiled
def join_queue(state, queue, row, rank):
    """Put a row behind all others of its rank (>= 0) and of smaller ones."""
    clock = state.clock[0]
    clock.joined += 1
    state.ledger[row].order = (rank << _RANK_BITS) | clock.joined
    _put(state, queue, row)


@compiled
def rejoin_queue(state, queue, row, first):
    """Put a row back: before all others, or where it was in the order."""
    clock = state.clock[0]
    if first:
        clock.joined += 1
        state.ledger[row].order = -clock.joined
    _put(state, queue, row)


@compiled
def drop_closed(state, queue):
    """Bring the first row to the head that is still in flight."""
    ledger = state.ledger
    row = queue.waiting_head
    while row != NONE and ledger[row].outcome != IN_FLIGHT:
        row = _meld(ledger, ledger[row].left, ledger[row].right)
    queue.waiting_head = row


@compiled
def leave_queue(state, queue):
    """Take the first row."""
    row = queue.waiting_head
    queue.waiting_head = _meld(state.ledger, state.ledger[row].left, state.ledger[row].right)
    drop_closed(state, queue)
    return row


@entry
def mark_queue(ledger, head, stack, marks):
    """Mark the rows of a line; the stack has room for all rows."""
    if head == NONE:
        return
    stack[0] = head
    size = 1
    while size > 0:
        size -= 1
        row = stack[size]
        marks[row] = True
        # At most two come for one that goes, and every row comes once.
        if ledger[row].left != NONE:
            stack[size] = ledger[row].left
            size += 1
        if ledger[row].right != NONE:
            stack[size] = ledger[row].right
            size += 1
