"""Sketches: exact counts and sums, quantiles within their bound, parts that add up."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.analysis.simulate.sketch import ERROR, Sketch

pytestmark = pytest.mark.slow

VALUES = st.lists(st.floats(1e-5, 1e6), min_size=1, max_size=200)


def sketch_of(*parts: list[float]) -> Sketch:
    sketch = Sketch.empty()
    for part in parts:
        sketch.add(np.array(part))
    return sketch


@settings(deadline=None)
@given(VALUES, st.floats(0, 1))
def test_quantiles_are_within_the_bound(values: list[float], share: float) -> None:
    sketch = sketch_of(values)
    exact = np.sort(values)[int(np.floor(share * (len(values) - 1) + 1e-9))]
    near = np.sort(values)[int(np.floor(share * (len(values) - 1)))]
    got = sketch.quantile(share)
    assert min(abs(got / exact - 1), abs(got / near - 1)) <= ERROR * 1.0001
    assert sketch.size == len(values)
    np.testing.assert_allclose(sketch.mean, np.mean(values), rtol=1e-12)


@settings(deadline=None)
@given(VALUES, VALUES)
def test_parts_add_up(one: list[float], other: list[float]) -> None:
    together, apart = sketch_of(one + other), sketch_of(other, one)
    np.testing.assert_array_equal(together.counts, apart.counts)


def test_nothing_takes_no_time() -> None:
    assert sketch_of([0.0, 0.0, 0.0, 5.0]).quantile(0.5) == 0.0
