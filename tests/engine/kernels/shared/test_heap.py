"""Heaps: the order of keys, the positions that they keep, and removal from anywhere."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.engine.kernels.shared.heap import heap_moved, heap_push, heap_remove
from simulator.engine.records.layout import FINISH, WAKE, Records
from simulator.engine.state.fleet_records import records

ITEMS = 12


class Heap:
    """A heap of some of the items from ``base`` on, with its size and its keys by item."""

    def __init__(self, array: Records, base: int = 0) -> None:
        self.array, self.base = array, base
        self.keys: dict[int, float] = {}

    def push(self, item: int, key: float) -> None:
        self.array[item].key = key
        heap_push(self.array, self.base, len(self.keys), item)
        self.keys[item] = key

    def remove(self, item: int) -> None:
        heap_remove(self.array, self.base, len(self.keys), item)
        del self.keys[item]

    def move(self, item: int, key: float) -> None:
        self.array[item].key = self.keys[item] = key
        heap_moved(self.array, self.base, len(self.keys), item)

    @property
    def members(self) -> list[int]:
        return self.array.member[self.base : self.base + len(self.keys)].tolist()

    def check(self) -> None:
        """Every item is a member once, knows its position, and has no parent with a larger key."""
        members = self.members
        assert sorted(members) == sorted(self.keys)
        for position, item in enumerate(members):
            assert self.array[item].position == position
            assert self.array[item].key == self.keys[item]
            assert self.keys[members[max(0, position - 1) >> 1]] <= self.keys[item]

    def drain(self) -> list[float]:
        """Remove the root until nothing is left; return the keys."""
        keys = []
        while self.keys:
            root = self.members[0]
            keys.append(self.keys[root])
            self.remove(root)
            self.check()
        return keys


def heap_of(*keys: float) -> Heap:
    """Items 0, 1, ... whose keys make a heap in this order, so that none of them moves."""
    heap = Heap(records(WAKE, max(1, len(keys))))
    for item, key in enumerate(keys):
        heap.push(item, key)
    assert heap.members == list(range(len(keys)))
    return heap


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 40])
def test_roots_leave_in_the_order_of_their_keys(count: int) -> None:
    keys = np.random.default_rng(count).random(count)
    heap = Heap(records(WAKE, count))
    for item in range(count):
        heap.push(item, keys[item])
        heap.check()
    assert heap.drain() == sorted(keys)


def test_an_item_may_be_pushed_again_after_its_removal() -> None:
    heap = heap_of(1.0)
    heap.remove(0)
    heap.push(0, 7.0)
    heap.check()


def test_removal_of_the_last_position_moves_nothing() -> None:
    heap = heap_of(1.0, 2.0, 3.0)
    heap.remove(2)
    assert heap.members == [0, 1]
    heap.check()


def test_the_replacement_of_a_removed_item_may_rise() -> None:
    """Item 3 is below a larger parent (10) than the last item (3), which takes its position."""
    heap = heap_of(0.0, 10.0, 1.0, 11.0, 12.0, 2.0, 3.0)
    heap.remove(3)
    heap.check()
    assert heap.members == [0, 6, 2, 1, 4, 5]


def test_the_replacement_of_a_removed_item_may_sink() -> None:
    heap = heap_of(0.0, 1.0, 5.0, 2.0, 3.0, 6.0, 7.0)
    heap.remove(1)
    heap.check()
    assert heap.members == [0, 3, 2, 6, 4, 5]


@pytest.mark.parametrize(("item", "key"), [(0, 9.0), (6, -1.0), (1, 4.0), (3, 0.5), (2, 5.0)])
def test_an_item_whose_key_changes_finds_its_position(item: int, key: float) -> None:
    heap = heap_of(0.0, 1.0, 5.0, 2.0, 3.0, 6.0, 7.0)
    heap.move(item, key)
    heap.check()


def test_equal_keys_move_nothing() -> None:
    heap = heap_of(1.0, 1.0, 1.0, 1.0)
    for item in (0, 1, 3):
        heap.move(item, 1.0)
        assert heap.members == [0, 1, 2, 3]


OPERATIONS = st.lists(
    st.tuples(st.booleans(), st.integers(0, ITEMS - 1), st.integers(0, 5), st.booleans()),
    max_size=40,
)


@settings(max_examples=40, deadline=None)
@given(OPERATIONS)
def test_two_heaps_in_one_array_leave_each_other_alone(operations: list[tuple]) -> None:
    """A heap of sequences lies in the part of the array that its replica owns."""
    array = records(FINISH, 2 * ITEMS)
    heaps = (Heap(array), Heap(array, base=ITEMS))
    for second, item, key, moves in operations:
        heap = heaps[second]
        item += heap.base
        if item not in heap.keys:
            heap.push(item, key)
        elif moves:
            heap.move(item, key)
        else:
            heap.remove(item)
        for each in heaps:
            each.check()
    for each in heaps:
        expected = sorted(each.keys.values())
        assert each.drain() == expected
