"""Indexed binary min-heaps in flat arrays of WAKE or FINISH records.

Every record has two roles. As the ``k``-th position of a heap, ``heap[base + k].member`` is the
index of the item at that position. As an item, ``heap[item].key`` is its key and
``heap[item].position`` is the ``k`` at which it is a member now.

The caller sets ``key`` and keeps ``size``. ``member`` and ``position`` belong to this module, which
keeps ``heap[base + heap[item].position].member == item`` for every item of a heap; elsewhere they
are written only where the state is set up or its rows get new numbers. The ``position`` of an item
in no heap means nothing.
"""

from simulator.engine.kernels.shared.jit import compiled


@compiled
def _sift_up(heap, base, position):
    """Move the item at a position towards the root until its parent's key is not greater."""
    item = heap[base + position].member
    key = heap[item].key
    while position > 0:
        parent = (position - 1) >> 1
        other = heap[base + parent].member
        if heap[other].key <= key:
            break
        heap[base + position].member = other
        heap[other].position = position
        position = parent
    heap[base + position].member = item
    heap[item].position = position


@compiled
def _sift_down(heap, base, size, position):
    """Move the item at a position towards the leaves until no child's key is less."""
    item = heap[base + position].member
    key = heap[item].key
    while True:
        child = 2 * position + 1
        if child >= size:
            break
        other = heap[base + child].member
        if child + 1 < size:
            sibling = heap[base + child + 1].member
            if heap[sibling].key < heap[other].key:
                child += 1
                other = sibling
        if key <= heap[other].key:
            break
        heap[base + position].member = other
        heap[other].position = position
        position = child
    heap[base + position].member = item
    heap[item].position = position


@compiled
def heap_push(heap, base, size, item):
    """Add an item, whose key is set, to a heap of ``size`` items."""
    heap[base + size].member = item
    _sift_up(heap, base, size)


@compiled
def heap_remove(heap, base, size, item):
    """Remove an item from a heap of ``size`` items."""
    position = heap[item].position
    last = heap[base + size - 1].member
    if last != item:
        heap[base + position].member = last
        _sift_down(heap, base, size - 1, position)
        _sift_up(heap, base, heap[last].position)


@compiled
def heap_moved(heap, base, size, item):
    """Restore the order of a heap after the key of an item has changed."""
    _sift_down(heap, base, size, heap[item].position)
    _sift_up(heap, base, heap[item].position)
