"""Searches by doubling steps and bisection: what they return, and which points they try."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.bisection import bisect, bisect_whole, gallop


def recorded(holds: Callable[[float], bool]) -> tuple[Callable[[float], bool], list[float]]:
    """Return a condition and the list to which it appends every point at which it is tried."""
    tried: list[float] = []

    def record(point: float) -> bool:
        tried.append(point)
        return holds(point)

    return record, tried


@given(
    start=st.integers(1, 1000), step=st.integers(1, 100), room=st.integers(0, 10**6),
    change=st.integers(-10, 2 * 10**6),
)  # fmt: skip
def test_gallop_brackets_the_change(start: int, step: int, room: int, change: int) -> None:
    end = start + room
    holds, tried = recorded(lambda number: number >= change)
    before, number = gallop(holds, start, step, end)
    assert start <= before <= number <= end
    assert number >= change or number == end
    assert before < change or before == number == start
    assert tried == sorted(set(tried))
    assert len(tried) <= 2 + math.log2(1 + room / step)


def test_gallop_doubles_its_steps() -> None:
    holds, tried = recorded(lambda number: number >= 40)
    assert gallop(holds, 3, 2, 100) == (33, 65)
    assert tried == [3, 5, 9, 17, 33, 65]
    assert gallop(lambda _: False, 3, 2, 20) == (17, 20)


@given(
    outside=st.integers(-(10**6), 10**6), width=st.integers(1, 10**6), rises=st.booleans(),
    share=st.floats(0, 1, exclude_min=True), tolerance=st.sampled_from([0.0, 0.01, 0.2]),
)  # fmt: skip
def test_whole_numbers_are_bisected_to_the_edge(
    outside: int, width: int, rises: bool, share: float, tolerance: float
) -> None:
    sign = 1 if rises else -1
    edge, inside = outside + sign * math.ceil(share * width), outside + sign * width
    holds, tried = recorded(lambda number: sign * number >= sign * edge)
    nearest = bisect_whole(holds, outside, inside, tolerance)
    # The edge itself, or as near to it as the tolerance allows.
    assert 0 <= sign * (nearest - edge) < max(1, round(tolerance * nearest))
    assert len(tried) == len(set(tried)) <= math.ceil(math.log2(width))
    assert outside not in tried
    assert inside not in tried


@given(
    outside=st.floats(-1e6, 1e6), inside=st.floats(-1e6, 1e6), share=st.floats(0.001, 1),
    halvings=st.integers(0, 20),
)  # fmt: skip
def test_an_interval_is_halved_around_the_change(
    outside: float, inside: float, share: float, halvings: int
) -> None:
    edge = outside + share * (inside - outside)
    holds, tried = recorded(lambda x: x >= edge if inside > outside else x <= edge)
    last_outside, last_inside = bisect(holds, outside, inside, halvings)
    assert len(tried) == halvings
    assert min(last_outside, last_inside) <= edge <= max(last_outside, last_inside)
    width = abs(inside - outside) / 2**halvings
    assert abs(last_inside - last_outside) == pytest.approx(width, abs=1e-8)


def test_points_between_two_others_may_be_chosen() -> None:
    holds, tried = recorded(lambda x: x > 3)
    ends = bisect(holds, 1.0, 16.0, 2, lambda a, b: math.sqrt(a * b))
    assert tried == [4.0, 2.0]
    assert ends == (2.0, 4.0)
