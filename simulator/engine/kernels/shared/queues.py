"""Queues of rows: skew heaps (Sleator and Tarjan, 1986) whose links are fields of the ledger.

Any record with ``waiting_head`` is a queue: a replica's, an endpoint's, a fleet's queue of rows
that wait for a replica to become ready, and a fleet's queue of batch work. The row with the least
``order`` comes first. A row whose client gives up stays in its queue, closed, until it reaches the
head; the head itself is never closed.
"""

from simulator.engine.kernels.shared.jit import called, compiled, entry
from simulator.engine.records.layout import IN_FLIGHT, NONE

_RANK_BITS = 32
"""Bits of ``order`` below the rank; they number rows of equal rank in the order of joining."""


@called
def _meld(ledger, one, other):
    """Meld two heaps, given by their heads; return the head of the result."""
    if one == NONE:
        return other
    if other == NONE:
        return one
    if ledger[other].order < ledger[one].order:
        one, other = other, one
    head = one
    # Every member of the right spine of ``one`` swaps its children, and its former right child is
    # melded with ``other`` to become the left one: a loop in place of the textbook's recursion.
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
def _insert(state, queue, row):
    state.ledger[row].left = NONE
    state.ledger[row].right = NONE
    queue.waiting_head = _meld(state.ledger, queue.waiting_head, row)


@compiled
def join_queue(state, queue, row, rank):
    """Put a row after all rows of its rank (>= 0) and of smaller ranks."""
    clock = state.clock[0]
    clock.joined += 1
    state.ledger[row].order = (rank << _RANK_BITS) | clock.joined
    _insert(state, queue, row)


@compiled
def rejoin_queue(state, queue, row, first):
    """Put a row back: before all others if ``first``, else where its order puts it."""
    clock = state.clock[0]
    if first:
        clock.joined += 1
        state.ledger[row].order = -clock.joined
    _insert(state, queue, row)


@compiled
def drop_closed(state, queue):
    """Remove closed rows from the head, until the head is in flight."""
    ledger = state.ledger
    row = queue.waiting_head
    while row != NONE and ledger[row].outcome != IN_FLIGHT:
        row = _meld(ledger, ledger[row].left, ledger[row].right)
    queue.waiting_head = row


@compiled
def leave_queue(state, queue):
    """Remove and return the first row."""
    row = queue.waiting_head
    queue.waiting_head = _meld(state.ledger, state.ledger[row].left, state.ledger[row].right)
    drop_closed(state, queue)
    return row


@entry
def mark_queue(ledger, head, stack, marks):
    """Mark the rows of a queue; ``stack`` must have room for all rows."""
    if head == NONE:
        return
    stack[0] = head
    size = 1
    while size > 0:
        size -= 1
        row = stack[size]
        marks[row] = True
        # At most two rows are pushed for each one popped, and every row is pushed once.
        if ledger[row].left != NONE:
            stack[size] = ledger[row].left
            size += 1
        if ledger[row].right != NONE:
            stack[size] = ledger[row].right
            size += 1
