"""Crossings of cost curves: all of them, where they are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.analysis.decide.envelope import Polyline, winning_intervals


def line(*points: tuple[float, float]) -> Polyline:
    return np.array(points)


def level(*ends: float) -> Polyline:
    return line(*((end, 0.0) for end in ends))


def test_crossings_lie_where_lines_meet() -> None:
    def wins(*points: tuple[float, float]) -> tuple:
        return winning_intervals([level(points[0][0], points[-1][0])], [line(*points)])

    assert wins((1, -1), (2, 1), (4, 3)) == ((1.5, 4.0),)
    assert wins((1, 1), (2, -1), (4, 1)) == ((1.0, 1.5), (3.0, 4.0))
    assert wins((1, -1), (2, -0.5)) == ()
    assert wins((1, 0), (2, 0)) == ()


def test_a_staircase_crosses_a_line_29_times() -> None:
    """f = $3 a replica of k = 10 units against p = $0.32 a unit, as the reference works it out."""
    stairs = [(0.001, 3.0)]
    for n in range(1, 40):
        stairs += [(10.0 * n, 3.0 * n), (10.0 * n, 3.0 * (n + 1))]
    stairs.append((400.0, 120.0))
    wins = winning_intervals([line(*stairs)], [line((0.001, 0.00032), (400.0, 128.0))])
    assert 2 * len(wins) - 1 == 29
    np.testing.assert_allclose([w[0] for w in wins], 9.375 * np.arange(1, 16))
    np.testing.assert_allclose([w[1] for w in wins], [*range(10, 150, 10), 400])


def test_what_is_infinite_never_wins() -> None:
    impossible = line((1, np.inf), (3, np.inf))
    assert winning_intervals([impossible], [level(1, 3)]) == ()
    assert winning_intervals([level(1, 3)], [impossible]) == ((1.0, 3.0),)


COSTS = st.lists(st.integers(-5, 5), min_size=6, max_size=6)


@pytest.mark.slow
@settings(deadline=None)
@given(st.lists(COSTS, min_size=1, max_size=3), st.lists(COSTS, min_size=1, max_size=3))
def test_intervals_are_those_of_a_fine_grid(ours: list, theirs: list) -> None:
    volumes = np.arange(6.0)
    curves = [[np.stack([volumes, costs], axis=1) for costs in side] for side in (ours, theirs)]
    wins = winning_intervals(curves[0], curves[1])
    for v in np.linspace(0.0123, 4.9877, 400):
        low, high = (min(np.interp(v, volumes, c) for c in side) for side in (ours, theirs))
        if abs(low - high) > 1e-9:
            assert (low < high) == any(a < v < b for a, b in wins)
