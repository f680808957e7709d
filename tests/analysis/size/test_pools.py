"""Classes to pools: the program against a search over every assignment."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.analysis.size.assignment_program import assign_pools
from simulator.errors import InfeasibleError, InputError

CLASSES, POOLS = 3, 3
NUMBERS = st.lists(st.integers(0, 9), min_size=9, max_size=9).map(
    lambda values: np.array(values, dtype=np.float64).reshape(CLASSES, POOLS)
)


@st.composite
def problems(draw: st.DrawFn) -> dict:
    load = draw(NUMBERS) / 4
    api = draw(st.integers(-1, POOLS - 1))
    rent = np.array(draw(st.lists(st.integers(0, 9), min_size=3, max_size=3)), dtype=np.float64)
    if api >= 0:
        load[:, api], rent[api] = 0.0, 0.0
    allowed = np.array(draw(st.lists(st.booleans(), min_size=9, max_size=9))).reshape(3, 3)
    return {
        "usage_usd_per_hour": draw(NUMBERS),
        "load_replicas": load,
        "replica_usd_per_hour": rent,
        "allowed": allowed,
    }


def cheapest_by_search(problem: dict) -> float:
    """Every way to put the classes into pools; infinite if none is allowed."""
    least = np.inf
    for pools in product(range(POOLS), repeat=CLASSES):
        if problem["allowed"][range(CLASSES), pools].all():
            least = min(least, usd_per_hour(problem, pools))
    return least


def usd_per_hour(problem: dict, pools: Sequence[int]) -> float:
    """The cost of the usage of all classes, and of the whole replicas that they keep busy."""
    usage = problem["usage_usd_per_hour"][range(CLASSES), pools].sum()
    loads = np.bincount(pools, problem["load_replicas"][range(CLASSES), pools], minlength=POOLS)
    return usage + np.ceil(loads - 1e-9) @ problem["replica_usd_per_hour"]


@pytest.mark.slow
@settings(deadline=None)
@given(problems())
def test_nothing_is_cheaper_than_the_plan(problem: dict) -> None:
    least = cheapest_by_search(problem)
    if np.isinf(least):
        with pytest.raises(InfeasibleError, match="no pool may serve"):
            assign_pools(**problem)
        return
    plan = assign_pools(**problem)
    assert plan.usd_per_hour == pytest.approx(least)
    assert plan.usd_per_hour == pytest.approx(usd_per_hour(problem, plan.pool))
    assert problem["allowed"][range(CLASSES), plan.pool].all()
    loads = np.bincount(
        plan.pool, problem["load_replicas"][range(CLASSES), plan.pool], minlength=POOLS
    )
    assert (loads <= plan.replicas + 1e-5).all()


def test_a_class_goes_to_an_api_if_its_replicas_would_cost_more() -> None:
    """2.3 replicas of work at 3 USD: three replicas, unless usage costs less than 9 USD."""
    load, rent = np.array([[2.3, 0.0]]), np.array([3.0, 0.0])
    cheap = assign_pools(np.array([[0.0, 8.0]]), load, rent)
    assert (cheap.pool.tolist(), cheap.replicas.tolist()) == ([1], [0, 0])
    assert cheap.usd_per_hour == pytest.approx(8.0)
    dear = assign_pools(np.array([[0.0, 20.0]]), load, rent)
    assert (dear.pool.tolist(), dear.replicas.tolist()) == ([0], [3, 0])
    assert dear.usd_per_hour == pytest.approx(9.0)


def test_a_number_of_a_pool_that_may_not_serve_is_not_read() -> None:
    load, allowed = np.array([[np.inf, 0.5]]), np.array([[False, True]])
    plan = assign_pools(np.zeros((1, 2)), load, np.array([1.0, 9.0]), allowed=allowed)
    assert plan.pool.tolist() == [1]


def test_why_there_is_no_plan() -> None:
    load, rent = np.ones((2, 1)), np.ones(1)
    with pytest.raises(InfeasibleError, match="no pool may serve class 1") as caught:
        assign_pools(np.zeros((2, 1)), load, rent, allowed=np.array([[True], [False]]))
    assert caught.value.excuses == {"class 1": "no pool may serve it"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"load_replicas": np.ones((2, 2))},
        {"load_replicas": np.full((2, 1), np.nan)},
        {"usage_usd_per_hour": np.full((2, 1), -1.0)},
        {"replica_usd_per_hour": np.array([np.inf])},
        {"allowed": np.ones((1, 1), dtype=np.bool_)},
    ],
)
def test_numbers_that_cannot_be_are_refused(wrong: dict) -> None:
    right = {
        "usage_usd_per_hour": np.ones((2, 1)),
        "load_replicas": np.ones((2, 1)),
        "replica_usd_per_hour": np.ones(1),
    }
    with pytest.raises(InputError):
        assign_pools(**right | wrong)
