"""The prefix cache of replicas: hits, pins, eviction, the balance of blocks, the index of entries.

The prefix tree is that of ``kv_model``; blocks hold four tokens.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.engine.kernels.own.kv_cache import (
    kv_drop_all,
    kv_find,
    kv_index_entries,
    kv_keep,
    kv_lookup,
    kv_pin,
    kv_release,
    kv_take,
    node_end_block,
)
from simulator.engine.records.layout import NONE, EngineState
from simulator.engine.state.fleet_records import kv_in_use
from simulator.serving.capacity import KvCapacity
from simulator.traffic.table import PrefixTree
from tests.support.engine.kernel_states import own_state
from tests.support.engine.kv_model import NODES, SPANS, CacheModel, path
from tests.support.engine.plans import FLEET
from tests.support.pricing.api_samples import calls

BLOCKS = 7
REPLICAS = 2
TREE = PrefixTree.numbered(*(np.array(column, np.int32) for column in zip(*NODES, strict=True)))


def cache(replicas: int = REPLICAS, blocks: int = BLOCKS) -> EngineState:
    """Replicas with empty caches and the smallest index, so that entries of one slot collide."""
    fleet = replace(FLEET, replicas=replicas, kv=KvCapacity(blocks, 4, 0.5))
    state = own_state(fleet, table=calls([0.0], tree=TREE))
    size = 1 << len(state.kv_entries).bit_length()
    return state._replace(kv_index=np.zeros(size, np.int32))


def hold(state: EngineState, node: int, r: int = 0) -> int:
    """Take and pin all blocks of a path that are not resident; return how many it has."""
    hit, _ = kv_lookup(state, r, node)
    kv_pin(state, r, node, 0, hit)
    kv_take(state, r, SPANS[node][1] - hit)
    kv_pin(state, r, node, hit, SPANS[node][1])
    return SPANS[node][1]


def evictable(state: EngineState, r: int = 0) -> list[int]:
    """The nodes that can be evicted, the next one first; the links agree both ways."""
    nodes, before, e = [], NONE, int(state.replicas[r].lru_head)
    while e != NONE:
        assert state.kv_entries[e].prev == before
        nodes.append(int(state.kv_entries[e].node))
        before, e = e, int(state.kv_entries[e].next)
    assert state.replicas[r].lru_tail == before
    return nodes


def test_nodes_own_the_blocks_whose_last_token_they_contain() -> None:
    state = cache()
    assert [node_end_block(state, 0, node) for node in range(8)] == [end for _, end in SPANS]
    assert node_end_block(state, 0, NONE) == 0


def test_an_empty_cache_has_nothing() -> None:
    state = cache()
    assert kv_lookup(state, 0, NONE) == (0, 0)
    assert kv_lookup(state, 0, 6) == (0, 0)
    assert kv_find(state, 0, 0) == NONE


def test_a_hit_ends_with_the_last_resident_block() -> None:
    """Node 7 shares two blocks with node 2; nodes 4 and 5 share none with either."""
    state = cache()
    hold(state, 2)
    assert kv_lookup(state, 0, 6) == (4, 0)
    assert kv_lookup(state, 0, 7) == (2, 0)
    assert kv_lookup(state, 0, 1) == (2, 0)
    assert kv_lookup(state, 0, 5) == (0, 0)
    assert kv_lookup(state, 1, 6) == (0, 0), "another replica has a cache of its own"


def test_released_blocks_are_found_and_can_be_evicted() -> None:
    state = cache()
    kv_release(state, 0, 6, hold(state, 6))
    assert kv_lookup(state, 0, 6) == (5, 5)
    assert state.replicas[0].cached_blocks == 5
    assert evictable(state) == [6, 2, 0], "the deepest node of a path first"


def test_blocks_stay_pinned_until_the_last_sequence_releases_them() -> None:
    state = cache()
    first, second = hold(state, 2), hold(state, 7)
    assert state.replicas[0].free_blocks == BLOCKS - 7
    kv_release(state, 0, 2, first)
    assert evictable(state) == [2]
    assert kv_lookup(state, 0, 2) == (4, 2)
    kv_release(state, 0, 7, second)
    assert evictable(state) == [2, 7, 0]


def test_pins_grow_chunk_by_chunk() -> None:
    """Blocks 0 and 1 are of node 0, blocks 2 and 3 of node 2; each chunk is one block."""
    state = cache()
    for covered in range(4):
        kv_take(state, 0, 1)
        kv_pin(state, 0, 2, covered, covered + 1)
        assert kv_lookup(state, 0, 2) == (covered + 1, 0)
    for node in (0, 2):
        assert state.kv_entries[kv_find(state, 0, node)].references == 1
    kv_release(state, 0, 2, 4)
    assert state.replicas[0].cached_blocks == 4


def test_a_release_after_the_first_chunk_leaves_deeper_nodes_alone() -> None:
    state = cache()
    kv_take(state, 0, 2)
    kv_pin(state, 0, 2, 0, 2)
    kv_release(state, 0, 2, 2)
    assert evictable(state) == [0]
    assert kv_lookup(state, 0, 2) == (2, 2)


def test_what_was_used_least_recently_is_evicted_first_block_by_block() -> None:
    state = cache()
    kv_release(state, 0, 5, hold(state, 5))
    kv_release(state, 0, 2, hold(state, 2))
    assert state.replicas[0].free_blocks == 0
    kv_release(state, 0, 5, hold(state, 5))
    assert evictable(state) == [2, 0, 5], "the use of node 5 put it last"
    kv_take(state, 0, 1)
    assert kv_lookup(state, 0, 2) == (3, 3)
    kv_take(state, 0, 1)
    assert kv_lookup(state, 0, 2) == (2, 2)
    assert evictable(state) == [0, 5]
    kv_take(state, 0, 5)
    assert evictable(state) == []
    assert (state.replicas[0].free_blocks, state.replicas[0].cached_blocks) == (0, 0)


def test_nothing_is_evicted_while_enough_blocks_are_free() -> None:
    state = cache()
    kv_release(state, 0, 5, hold(state, 5))
    kv_take(state, 0, BLOCKS - 3)
    assert evictable(state) == [5]
    kv_take(state, 0, 0)
    assert kv_lookup(state, 0, 5) == (3, 3)


def test_a_kept_answer_extends_the_prefix_unless_its_node_is_resident() -> None:
    state = cache()
    covered = hold(state, 2)
    kv_take(state, 0, 1)
    assert kv_keep(state, 0, 6, 1)
    assert not kv_keep(state, 0, 6, 1)
    kv_release(state, 0, 2, covered)
    assert evictable(state) == [6, 2, 0]
    assert kv_lookup(state, 0, 6) == (5, 5)


def test_dropping_empties_one_replica() -> None:
    state = cache()
    for r in range(REPLICAS):
        kv_release(state, r, 6, hold(state, 6, r))
    kv_drop_all(state, 0)
    assert kv_lookup(state, 0, 6) == (0, 0)
    assert state.replicas[0].cached_blocks == 0
    assert kv_lookup(state, 1, 6) == (5, 5)


class Pair:
    """A replica's cache and its model, on which the same operations are done."""

    def __init__(self, state: EngineState, r: int) -> None:
        self.state, self.r, self.model = state, r, CacheModel(BLOCKS)
        self.rep = state.replicas[r]

    def take(self, blocks: int) -> None:
        kv_take(self.state, self.r, blocks)
        self.model.take(blocks)

    def cover(self, cover: int, taken: int) -> None:
        """Take blocks, and let the last sequence cover more of its path with them."""
        node, covered = self.model.sequences[-1]
        self.take(taken)
        kv_pin(self.state, self.r, node, covered, cover)
        self.model.pin(node, cover)
        self.model.unfinished = cover < SPANS[node][1]

    def begin(self, node: int, count: int) -> None:
        hit, evicted = self.model.lookup(node)
        cover = max(hit, min(count, SPANS[node][1]))
        if cover - hit <= self.model.free + self.model.cached - evicted:
            self.model.sequences.append((node, 0))
            self.cover(hit, 0)
            self.cover(cover, cover - hit)

    def grow(self, node: int, count: int) -> None:
        if self.model.unfinished:
            last, covered = self.model.sequences[-1]
            blocks = min(count, SPANS[last][1] - covered)
            if blocks <= self.model.free + self.model.cached:
                self.cover(covered + blocks, blocks)

    def end(self, node: int, count: int) -> None:
        """End a sequence; its private blocks may become those of a child of its node."""
        if not self.model.sequences:
            return
        last, covered = self.model.sequences[count % len(self.model.sequences)]
        self.model.unfinished &= (last, covered) != self.model.sequences[-1]
        is_child = NODES[node][0] == last and node in path(node) and covered == SPANS[last][1]
        blocks = min(self.model.private, SPANS[node][1] - SPANS[node][0])
        if is_child and blocks > 0 and not self.model.unfinished:
            kept = kv_keep(self.state, self.r, node, blocks)
            assert kept == (node not in self.model.resident)
            if kept:
                self.model.private -= blocks
                self.model.resident[node] = blocks
                self.model.order.append(node)
        kv_release(self.state, self.r, last, covered)
        self.model.release(last, covered)

    def take_private(self, node: int, count: int) -> None:
        if count <= self.model.free + self.model.cached:
            self.take(count)

    def give_back(self, node: int, count: int) -> None:
        blocks = min(count, self.model.private)
        self.rep.free_blocks += blocks
        self.model.private -= blocks

    def drop_all(self, node: int, count: int) -> None:
        if not self.model.sequences and count == 0:
            kv_drop_all(self.state, self.r)
            self.model.resident.clear()
            self.model.order.clear()
            self.rep.free_blocks = self.model.free

    def check_blocks(self) -> None:
        """The balance of blocks, and which nodes are evicted next."""
        free, cached = self.rep.free_blocks, self.rep.cached_blocks
        assert (free, cached) == (self.model.free, self.model.cached)
        assert evictable(self.state, self.r) == self.model.order

    def check_nodes(self) -> None:
        """What is found of every node."""
        for node, (begin, end) in enumerate(SPANS):
            if begin == end:
                continue
            assert kv_lookup(self.state, self.r, node) == self.model.lookup(node)
            e = kv_find(self.state, self.r, node)
            assert (e != NONE) == (node in self.model.resident)
            if e != NONE:
                self.check_entry(self.state.kv_entries[e], node)

    def check_entry(self, entry: Any, node: int) -> None:
        """The fields of an entry, and the two rules about the nodes above it."""
        assert entry.blocks == self.model.resident[node]
        assert entry.references == self.model.references(node)
        for above in path(node)[1:]:
            assert self.model.resident[above] == SPANS[above][1] - SPANS[above][0]
            assert self.model.references(above) >= self.model.references(node)


OPERATIONS = ("begin", "begin", "grow", "end", "end", "take_private", "give_back", "drop_all")


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, REPLICAS - 1),
            st.sampled_from(OPERATIONS),
            st.integers(0, len(NODES) - 1),
            st.integers(0, 5),
        ),
        min_size=15,
        max_size=30,
    )
)
def test_random_operations_equal_the_model_and_lose_no_entry(
    operations: list[tuple[int, str, int, int]],
) -> None:
    state = cache()
    pairs = [Pair(state, r) for r in range(REPLICAS)]
    for r, operation, node, count in operations:
        getattr(pairs[r], operation)(node, count)
        pairs[r].check_blocks()
    for pair in pairs:
        pair.check_nodes()
    used = kv_in_use(state.kv_entries, state.clock[0])
    assert len(used) == sum(len(pair.model.resident) for pair in pairs)
    assert sorted(state.kv_index[state.kv_index > 0] - 1) == used.tolist()
    # A new index of the same entries finds them as well.
    state.kv_index[:] = 0
    kv_index_entries(state, used)
    for pair in pairs:
        pair.check_nodes()


@pytest.mark.parametrize("seed", range(3))
def test_an_index_with_one_empty_slot_loses_no_entry(seed: int) -> None:
    """Three replicas of five blocks, one for each node: fifteen entries in sixteen slots."""
    state = cache(replicas=3, blocks=5)
    assert (len(state.kv_entries), len(state.kv_index)) == (15, 16)
    rng = np.random.default_rng(seed)
    held: list[list[int]] = [[], [], []]
    for k in range(60):
        r = k % 3 if k < 15 else int(rng.integers(3))
        rep = state.replicas[r]
        if len(held[r]) == 5 or (k > 15 and held[r] and rng.random() < 0.5):
            rep.free_blocks = 0
            kv_take(state, r, 1)
            held[r].pop(0)
        else:
            node = int(rng.choice([n for n in range(len(NODES)) if n not in held[r]]))
            assert kv_keep(state, r, node, 1)
            held[r].append(node)
        for replica, nodes in enumerate(held):
            for node in range(len(NODES)):
                e = kv_find(state, replica, node)
                assert (e != NONE) == (node in nodes)


def test_entries_of_evicted_nodes_are_used_again() -> None:
    """Thirty rounds need no more entries than the caches can hold at one time."""
    state = cache()
    for k in range(30):
        for r in range(REPLICAS):
            node = (5, 6, 7)[(k + r) % 3]
            kv_release(state, r, node, hold(state, node, r))
            assert kv_lookup(state, r, node)[0] == SPANS[node][1]
    assert state.clock[0].fresh_entry <= len(state.kv_entries)
