"""Prefix cache of a replica: which leading blocks of which prefix-tree nodes are resident.

A node owns the ``depth // block - parent depth // block`` blocks whose last token lies in it. Its
blocks are pinned while running sequences refer to it (``references``); otherwise they can be
evicted, in the order in which nodes were released, the deepest node of a path first. Two invariants
follow, and everything here relies on them:

* a sequence pins every node of its path that it covers, so a pinned node has pinned ancestors;
* a node with a resident block has fully resident ancestors, so the first resident node on the way
  up from a prompt's end gives the length of the whole hit.

``free_blocks + cached_blocks + pinned blocks + private blocks`` is always the replica's total;
private blocks are those of running sequences outside shared prefixes.

Entries are found by (node, replica) through ``kv_index``, a hash table with linear probing.
"""

import numpy as np

from simulator.engine.kernels.shared.jit import compiled, entry
from simulator.engine.records.layout import NONE
from simulator.rng import SPLITMIX

_HASH = np.uint64(SPLITMIX[0])


@compiled
def _hash_slot(state, node, r):
    """Return the index slot at which the probe for an entry starts (multiplicative hashing)."""
    key = np.uint64(node) * np.uint64(state.replicas.size) + np.uint64(r)
    return np.int64((key * _HASH) >> np.uint64(32)) & (state.kv_index.size - 1)


@compiled
def kv_find(state, r, node):
    """Return the index in the pool of the entry of ``node`` on replica ``r``, or NONE."""
    mask = state.kv_index.size - 1
    slot = _hash_slot(state, node, r)
    while True:
        e = state.kv_index[slot] - 1
        if e == NONE:
            return NONE
        entry = state.kv_entries[e]
        if entry.node == node and entry.replica == r:
            return e
        slot = (slot + 1) & mask


@compiled
def kv_index_entry(state, e):
    """Enter an entry of the pool, whose node and replica are set, into the index."""
    entry = state.kv_entries[e]
    mask = state.kv_index.size - 1
    slot = _hash_slot(state, entry.node, entry.replica)
    while state.kv_index[slot] != 0:
        slot = (slot + 1) & mask
    state.kv_index[slot] = e + 1


@entry
def kv_index_entries(state, entries):
    """Enter entries of the pool into an empty index."""
    for e in entries:
        kv_index_entry(state, e)


@compiled
def _kv_insert(state, r, node):
    """Take a free entry of the pool for ``node`` on replica ``r``; return its index."""
    clock = state.clock[0]
    e = clock.free_entry
    if e == NONE:
        e = clock.fresh_entry
        clock.fresh_entry += 1
    else:
        clock.free_entry = state.kv_entries[e].next
    entry = state.kv_entries[e]
    entry.node = node
    entry.replica = r
    entry.blocks = 0
    entry.references = 0
    entry.prev = NONE
    entry.next = NONE
    kv_index_entry(state, e)
    return e


@compiled
def _kv_delete(state, e):
    """Remove an entry from the index and give it back to the pool."""
    index = state.kv_index
    mask = index.size - 1
    entry = state.kv_entries[e]
    slot = _hash_slot(state, entry.node, entry.replica)
    while index[slot] != e + 1:
        slot = (slot + 1) & mask
    # Backward-shift deletion (Knuth, The Art of Computer Programming 3, 6.4, algorithm R): no slot
    # is left marked as deleted. A later entry of the same run of occupied slots moves into the gap
    # if its probe passes the gap, that is unless its first slot lies after the gap.
    gap = slot
    while True:
        slot = (slot + 1) & mask
        other = index[slot] - 1
        if other == NONE:
            break
        first_slot = _hash_slot(
            state, state.kv_entries[other].node, state.kv_entries[other].replica
        )
        if ((slot - first_slot) & mask) >= ((slot - gap) & mask):
            index[gap] = other + 1
            gap = slot
    index[gap] = 0
    entry.replica = NONE
    entry.next = state.clock[0].free_entry
    state.clock[0].free_entry = e


@compiled
def _lru_append(state, r, e):
    """Make an entry evictable, as the last of its replica to be evicted."""
    rep = state.replicas[r]
    entry = state.kv_entries[e]
    entry.prev = rep.lru_tail
    entry.next = NONE
    if rep.lru_tail == NONE:
        rep.lru_head = e
    else:
        state.kv_entries[rep.lru_tail].next = e
    rep.lru_tail = e
    rep.cached_blocks += entry.blocks


@compiled
def _lru_unlink(state, r, e):
    """Take an entry out of the list of evictable ones."""
    rep = state.replicas[r]
    entry = state.kv_entries[e]
    if entry.prev == NONE:
        rep.lru_head = entry.next
    else:
        state.kv_entries[entry.prev].next = entry.next
    if entry.next == NONE:
        rep.lru_tail = entry.prev
    else:
        state.kv_entries[entry.next].prev = entry.prev
    rep.cached_blocks -= entry.blocks


@compiled
def kv_take(state, r, count):
    """Take ``count`` blocks, evicting when none are free; the caller has checked the supply."""
    rep = state.replicas[r]
    while rep.free_blocks < count:
        e = rep.lru_head
        entry = state.kv_entries[e]
        evicted = min(entry.blocks, count - rep.free_blocks)
        entry.blocks -= evicted
        rep.cached_blocks -= evicted
        rep.free_blocks += evicted
        if entry.blocks == 0:
            _lru_unlink(state, r, e)
            _kv_delete(state, e)
    rep.free_blocks -= count


@compiled
def kv_drop_all(state, r):
    """Empty the cache of a replica on which nothing is pinned."""
    rep = state.replicas[r]
    while rep.lru_head != NONE:
        e = rep.lru_head
        _lru_unlink(state, r, e)
        _kv_delete(state, e)


@compiled
def node_end_block(state, r, node):
    """Return the number of full blocks of replica ``r`` from the root to the end of ``node``."""
    if node == NONE:
        return 0
    return state.nodes[node].depth_tok // state.fleets[state.replicas[r].fleet].block_tok


@compiled
def kv_lookup(state, r, node):
    """Return the number of leading resident blocks of a path, and how many can be evicted now."""
    hit = 0
    evictable = 0
    end = node_end_block(state, r, node)
    while node != NONE:
        parent = state.nodes[node].parent
        begin = node_end_block(state, r, parent)
        if end > begin:
            e = kv_find(state, r, node)
            if e != NONE:
                entry = state.kv_entries[e]
                if hit == 0:
                    hit = begin + entry.blocks
                if entry.references > 0:
                    break  # all ancestors are pinned, too
                evictable += entry.blocks
        node = parent
        end = begin
    return hit, evictable


@compiled
def kv_pin(state, r, node, covered, cover):
    """Extend a sequence's pins on its path from ``covered`` to ``cover`` leading blocks.

    The caller has taken the blocks that were not resident; from now on they count as filled.
    """
    end = node_end_block(state, r, node)
    while node != NONE and end > covered:
        parent = state.nodes[node].parent
        begin = node_end_block(state, r, parent)
        if begin < end and begin < cover:
            e = kv_find(state, r, node)
            if e == NONE:
                e = _kv_insert(state, r, node)
            entry = state.kv_entries[e]
            if begin >= covered:
                if entry.references == 0 and entry.blocks > 0:
                    _lru_unlink(state, r, e)
                entry.references += 1
            entry.blocks = max(entry.blocks, min(end, cover) - begin)
        node = parent
        end = begin


@compiled
def kv_release(state, r, node, covered):
    """Drop a sequence's pins on the first ``covered`` blocks of its path, the deepest first."""
    end = node_end_block(state, r, node)
    while node != NONE:
        parent = state.nodes[node].parent
        begin = node_end_block(state, r, parent)
        if begin < end and begin < covered:
            e = kv_find(state, r, node)
            entry = state.kv_entries[e]
            entry.references -= 1
            if entry.references == 0:
                _lru_append(state, r, e)
        node = parent
        end = begin


@compiled
def kv_keep(state, r, node, blocks):
    """Give ``blocks`` of a finished sequence to a node; False if the node is already resident."""
    if kv_find(state, r, node) != NONE:
        return False
    e = _kv_insert(state, r, node)
    state.kv_entries[e].blocks = blocks
    _lru_append(state, r, e)
    return True
