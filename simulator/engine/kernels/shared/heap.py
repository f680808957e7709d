"""Indexed binary min-heaps in flat arrays of WAKE or FINISH records.

A heap of ``size`` items has its ``k``-th member at ``heap[base + k].member``; the item itself has
its key at ``heap[item].key`` and its position at ``heap[item].position``. The caller keeps
``size``.
"""

from simulator.engine.kernels.shared.jit import compiled


@compiled
def _sift_up(heap, base, position):
    item = heap[base + position].member
    key = heap[item].key
    while position > 0:
        above = (position - 1) >> 1
        other = heap[base + above].member
        if heap[other].key <= key:
            break
        heap[base + position].member = other
        heap[other].position = position
        position = above
    heap[base + position].member = item
    heap[item].position = position


@compiled
def _sift_down(heap, base, size, position):
    item = heap[base + position].member
    key = heap[item].key
    while True:
        below = 2 * position + 1
        if below >= size:
            break
        other = heap[base + below].member
        if below + 1 < size:
            sibling = heap[base + below + 1].member
            if heap[sibling].key < heap[other].key:
                below += 1
                other = sibling
        if key <= heap[other].key:
            break
        heap[base + position].member = other
        heap[other].position = position
        position = below
    heap[base + position].member = item
    heap[item].position = position


@compiled
def heap_push(heap, base, size, item):
    """Add an item, its key already set, to a heap of ``size`` items."""
    heap[base + size].member = item
    _sift_up(heap, base, size)


@compiled
def heap_remove(heap, base, size, item):
    """Take an item out of a heap of ``size`` items."""
    position = heap[item].position
    last = heap[base + size - 1].member
    if last != item:
        heap[base + position].member = last
        _sift_down(heap, base, size - 1, position)
        _sift_up(heap, base, heap[last].position)


@compiled
def heap_moved(heap, base, size, item):
    """Restore order after an item's key changed."""
    _sift_down(heap, base, size, heap[item].position)
    _sift_up(heap, base, heap[item].position)
