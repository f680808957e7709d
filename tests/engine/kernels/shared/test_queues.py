"""Queues: who comes first, rows that close while they wait, and rows that come back."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.engine.kernels.shared.queues import (
    drop_closed,
    join_queue,
    leave_queue,
    mark_queue,
    rejoin_queue,
)
from simulator.engine.records.layout import CLOCK, COMPLETED, DEFERRED, IN_FLIGHT, NONE, TIMED_OUT
from simulator.engine.state.fleet_records import ledger_records, records
from tests.support.engine.kernel_states import queued


class Queue:
    """A queue of rows that are all in flight at first."""

    def __init__(self, rows: int) -> None:
        self.state: Any = SimpleNamespace(clock=records(CLOCK, 1), ledger=ledger_records(rows))
        self.state.ledger.outcome = IN_FLIGHT
        self.queue = records(DEFERRED, 1)[0]
        self.queue.waiting_head = NONE

    @property
    def head(self) -> int:
        return int(self.queue.waiting_head)

    def join(self, row: int, rank: int = 0) -> None:
        join_queue(self.state, self.queue, row, rank)

    def rejoin(self, row: int, first: bool) -> None:
        rejoin_queue(self.state, self.queue, row, first)

    def leave(self) -> int:
        return int(leave_queue(self.state, self.queue))

    def close(self, row: int) -> None:
        """Let a row's client give up, as the event loop does."""
        self.state.ledger[row].outcome = TIMED_OUT
        drop_closed(self.state, self.queue)

    def drain(self) -> list[int]:
        rows = []
        while self.head != NONE:
            rows.append(self.leave())
        return rows


def test_an_empty_queue_has_no_head() -> None:
    queue = Queue(1)
    drop_closed(queue.state, queue.queue)
    assert queue.head == NONE
    queue.join(0)
    assert queue.head == 0
    assert queue.leave() == 0
    assert queue.head == NONE


def test_rows_of_one_rank_leave_in_the_order_of_joining() -> None:
    queue = Queue(9)
    for row in (3, 1, 4, 0, 5, 8, 2, 6, 7):
        queue.join(row)
    assert queue.drain() == [3, 1, 4, 0, 5, 8, 2, 6, 7]


def test_smaller_ranks_leave_first() -> None:
    queue = Queue(6)
    for row, rank in enumerate([2, 0, 1, 2, 0, 2**30]):
        queue.join(row, rank)
    assert queue.drain() == [1, 4, 2, 0, 3, 5]


def test_a_row_that_comes_back_first_is_before_all_others_until_the_next_does() -> None:
    queue = Queue(4)
    for row in range(4):
        queue.join(row)
    first, second = queue.leave(), queue.leave()
    queue.rejoin(second, first=True)
    queue.rejoin(first, first=True)
    assert queue.drain() == [0, 1, 2, 3]


def test_a_row_that_comes_back_in_order_keeps_its_rank_and_turn() -> None:
    queue = Queue(4)
    for row, rank in enumerate([1, 1, 1, 0]):
        queue.join(row, rank)
    assert [queue.leave(), queue.leave()] == [3, 0]
    queue.rejoin(0, first=False)
    queue.rejoin(3, first=False)
    assert queue.drain() == [3, 0, 1, 2]


def test_the_head_is_never_closed() -> None:
    queue = Queue(4)
    for row in range(4):
        queue.join(row)
    queue.close(1)
    assert queue.head == 0, "a closed row stays until it reaches the head"
    assert queued(queue.state, queue.head) == {0, 1, 2, 3}
    queue.close(0)
    assert queue.head == 2
    queue.close(3)
    assert queue.leave() == 2
    assert queue.head == NONE, "only a closed row was left"


@pytest.mark.parametrize("outcome", [TIMED_OUT, COMPLETED])
def test_leaving_drops_every_closed_row_that_follows(outcome: int) -> None:
    queue = Queue(5)
    for row in range(5):
        queue.join(row)
    queue.state.ledger.outcome[1:4] = outcome
    assert queue.leave() == 0
    assert queue.head == 4


OPERATIONS = st.lists(
    st.tuples(st.sampled_from(["join", "leave", "close", "again"]), st.integers(0, 3)), max_size=60
)


@settings(max_examples=50, deadline=None)
@given(OPERATIONS)
def test_random_operations_equal_a_sorted_list(operations: list[tuple[str, int]]) -> None:
    """The model is a dictionary from row to its order: the rank, then the number of the joining."""
    queue = Queue(len(operations))
    waiting: dict[int, tuple[int, int]] = {}
    gone: list[tuple[int, tuple[int, int]]] = []
    for number, (operation, value) in enumerate(operations):
        if operation == "join":
            queue.join(number, value)
            waiting[number] = (value, number)
        elif operation == "leave" and waiting:
            row = min(waiting, key=lambda member: waiting[member])
            assert queue.leave() == row
            gone.append((row, waiting.pop(row)))
        elif operation == "close" and waiting:
            row = sorted(waiting)[value % len(waiting)]
            queue.close(row)
            del waiting[row]
        elif operation == "again" and gone:
            row, order = gone.pop(value % len(gone))
            queue.rejoin(row, first=value == 0)
            waiting[row] = (-1, -number) if value == 0 else order
        head = min(waiting, key=lambda member: waiting[member], default=NONE)
        assert queue.head == head
        assert queued(queue.state, queue.head) >= set(waiting)
    assert queue.drain() == sorted(waiting, key=lambda member: waiting[member])


@pytest.mark.parametrize("count", [0, 1, 2, 5, 31])
def test_marks_are_the_rows_of_the_queue_closed_ones_included(count: int) -> None:
    queue = Queue(count + 2)
    for row in np.random.default_rng(count).permutation(count):
        queue.join(int(row), rank=int(row) % 3)
    queue.state.ledger.outcome[1 : count - 1] = TIMED_OUT
    marks = np.zeros(count + 2, bool)
    mark_queue(queue.state.ledger, queue.head, np.empty(count + 1, np.int64), marks)
    assert np.flatnonzero(marks).tolist() == list(range(count))
