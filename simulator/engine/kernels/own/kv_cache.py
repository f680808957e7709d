"""Prefix cache of a replica: which leading blocks of which prefix-tree nodes are resident.

A node owns the blocks whose last token lies in it: ``depth // block - parent depth // block`` of
them. Blocks are pinned by running sequences (``references``) or evictable in the order in which
they were released, the deepest first. Two invariants follow and everything here relies on them:

* a sequence pins every node of its path that it covers, so a pinned node has pinned ancestors;
* a node with a resident block has fully resident ancestors, so the first resident node met on
  the way up from a prompt's end tells the whole hit.

``free_blocks + cached_blocks + pinned blocks + private blocks`` is the replica's total, always.
"""

import numpy as np

from simulator.engine.kernels.shared.jit import compiled, entry
from simulator.engine.records.layout import NONE

_HASH = np.uint64(0x9E3779B97F4A7C15)


@compiled
def _home(plane, node, r):
    key = np.uint64(node) * np.uint64(plane.replicas.size) + np.uint64(r)
    return np.int64((key * _HASH) >> np.uint64(32)) & (plane.kv_index.size - 1)


@compiled
def kv_find(plane, r, node):
    """Pool index of the entry of ``node`` on replica ``r``, or NONE."""
    mask = plane.kv_index.size - 1
    place = _home(plane, node, r)
    while True:
        e = plane.kv_index[place]
        if e == NONE:
            return NONE
        entry = plane.kv_entries[e]
        if entry.node == node and entry.replica == r:
            return e
        place = (place + 1) & mask


@compiled
def kv_index_entry(plane, e):
    """Enter a pool entry, its node and replica set, into the index."""
    entry = plane.kv_entries[e]
    mask = plane.kv_index.size - 1
    place = _home(plane, entry.node, entry.replica)
    while plane.kv_index[place] != NONE:
        place = (place + 1) & mask
    plane.kv_index[place] = e


@entry
def kv_index_entries(plane, entries):
    """Enter cached nodes into an empty index."""
    for e in entries:
        kv_index_entry(plane, e)


@compiled
def _kv_insert(plane, r, node):
    clock = plane.clock[0]
    e = clock.free_entry
    entry = plane.kv_entries[e]
    clock.free_entry = entry.next
    entry.node = node
    entry.replica = r
    entry.blocks = 0
    entry.references = 0
    entry.prev = NONE
    entry.next = NONE
    kv_index_entry(plane, e)
    return e


@compiled
def _kv_delete(plane, e):
    index = plane.kv_index
    mask = index.size - 1
    entry = plane.kv_entries[e]
    place = _home(plane, entry.node, entry.replica)
    while index[place] != e:
        place = (place + 1) & mask
    # Close the gap: move back every later member of the run that may stand here.
    gap = place
    while True:
        place = (place + 1) & mask
        other = index[place]
        if other == NONE:
            break
        home = _home(plane, plane.kv_entries[other].node, plane.kv_entries[other].replica)
        if ((place - home) & mask) >= ((place - gap) & mask):
            index[gap] = other
            gap = place
    index[gap] = NONE
    entry.replica = NONE
    entry.next = plane.clock[0].free_entry
    plane.clock[0].free_entry = e


@compiled
def _lru_append(plane, r, e):
    rep = plane.replicas[r]
    entry = plane.kv_entries[e]
    entry.prev = rep.lru_tail
    entry.next = NONE
    if rep.lru_tail == NONE:
        rep.lru_head = e
    else:
        plane.kv_entries[rep.lru_tail].next = e
    rep.lru_tail = e
    rep.cached_blocks += entry.blocks


@compiled
def _lru_unlink(plane, r, e):
    rep = plane.replicas[r]
    entry = plane.kv_entries[e]
    if entry.prev == NONE:
        rep.lru_head = entry.next
    else:
        plane.kv_entries[entry.prev].next = entry.next
    if entry.next == NONE:
        rep.lru_tail = entry.prev
    else:
        plane.kv_entries[entry.next].prev = entry.prev
    rep.cached_blocks -= entry.blocks


@compiled
def kv_take(plane, r, count):
    """Take ``count`` blocks, evicting where none are free; the caller has checked the supply."""
    rep = plane.replicas[r]
    while rep.free_blocks < count:
        e = rep.lru_head
        entry = plane.kv_entries[e]
        evicted = min(entry.blocks, count - rep.free_blocks)
        entry.blocks -= evicted
        rep.cached_blocks -= evicted
        rep.free_blocks += evicted
        if entry.blocks == 0:
            _lru_unlink(plane, r, e)
            _kv_delete(plane, e)
    rep.free_blocks -= count


@compiled
def kv_drop_all(plane, r):
    """Forget everything that is cached on a replica; nothing of it is pinned."""
    rep = plane.replicas[r]
    while rep.lru_head != NONE:
        e = rep.lru_head
        _lru_unlink(plane, r, e)
        _kv_delete(plane, e)


@compiled
def node_end_block(plane, r, node):
    """Number of full blocks of replica ``r`` from the root to the end of ``node``."""
    if node == NONE:
        return 0
    return plane.nodes[node].depth_tok // plane.engine[plane.replicas[r].fleet].block_tok


@compiled
def kv_lookup(plane, r, node):
    """Leading resident blocks of a path, and how many of them are evictable today."""
    hit = 0
    evictable = 0
    end = node_end_block(plane, r, node)
    while node != NONE:
        parent = plane.nodes[node].parent
        begin = node_end_block(plane, r, parent)
        if end > begin:
            e = kv_find(plane, r, node)
            if e != NONE:
                entry = plane.kv_entries[e]
                if hit == 0:
                    hit = begin + entry.blocks
                if entry.references > 0:
                    break  # so are all ancestors
                evictable += entry.blocks
        node = parent
        end = begin
    return hit, evictable


@compiled
def kv_pin(plane, r, node, covered, cover):
    """Extend a sequence's pins on its path from ``covered`` to ``cover`` leading blocks.

    Blocks that were not resident have been taken by the caller and are filled from here on.
    """
    end = node_end_block(plane, r, node)
    while node != NONE and end > covered:
        parent = plane.nodes[node].parent
        begin = node_end_block(plane, r, parent)
        if begin < end and begin < cover:
            e = kv_find(plane, r, node)
            if e == NONE:
                e = _kv_insert(plane, r, node)
            entry = plane.kv_entries[e]
            if begin >= covered:
                if entry.references == 0 and entry.blocks > 0:
                    _lru_unlink(plane, r, e)
                entry.references += 1
            entry.blocks = max(entry.blocks, min(end, cover) - begin)
        node = parent
        end = begin


@compiled
def kv_release(plane, r, node, covered):
    """Drop a sequence's pins on the first ``covered`` blocks of its path, the deepest first."""
    end = node_end_block(plane, r, node)
    while node != NONE:
        parent = plane.nodes[node].parent
        begin = node_end_block(plane, r, parent)
        if begin < end and begin < covered:
            e = kv_find(plane, r, node)
            entry = plane.kv_entries[e]
            entry.references -= 1
            if entry.references == 0:
                _lru_append(plane, r, e)
        node = parent
        end = begin


@compiled
def kv_keep(plane, r, node, blocks):
    """Hand ``blocks`` of a finished sequence to a node that is not resident; False if it is."""
    if kv_find(plane, r, node) != NONE:
        return False
    e = _kv_insert(plane, r, node)
    plane.kv_entries[e].blocks = blocks
    _lru_append(plane, r, e)
    return True
