"""Classes to pools: the program against a search over every assignment."""

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
    most = np.array(draw(st.lists(st.integers(0, 5), min_size=3, max_size=3)), dtype=np.float64)
    if api >= 0:
        load[:, api], rent[api] = 0.0, 0.0
    allowed = np.array(draw(st.lists(st.booleans(), min_size=9, max_size=9))).reshape(3, 3)
    return {
        "usage_usd_per_hour": draw(NUMBERS),
        "load_replicas": load,
        "replica_usd_per_hour": rent,
        "most_replicas": most,
        "allowed": allowed,
    }


def cheapest_by_search(problem: dict, slices: int) -> float:
    """Every way to put each class's slices into pools; infinite if none fits."""
    parts = [s for s in product(range(slices + 1), repeat=POOLS) if sum(s) == slices]
    least = np.inf
    for ways in product(parts, repeat=CLASSES):
        share = np.array(ways) / slices
        replicas = np.ceil((problem["load_replicas"] * share).sum(axis=0) - 1e-9)
        if (share[~problem["allowed"]] > 0).any() or (replicas > problem["most_replicas"]).any():
            continue
        usage = (problem["usage_usd_per_hour"] * share).sum()
        least = min(least, usage + replicas @ problem["replica_usd_per_hour"])
    return least


@settings(deadline=None)
@given(problems(), st.integers(1, 2))
def test_nothing_is_cheaper_than_the_plan(problem: dict, slices: int) -> None:
    least = cheapest_by_search(problem, slices)
    if np.isinf(least):
        with pytest.raises(InfeasibleError, match=r"no pool may serve|do not carry"):
            assign_pools(**problem, slices=slices)
        return
    plan = assign_pools(**problem, slices=slices)
    assert plan.usd_per_hour == pytest.approx(least)
    check_fits(plan.share, plan.replicas, problem)
    assert plan.usd_per_hour == pytest.approx(
        (problem["usage_usd_per_hour"] * plan.share).sum()
        + plan.replicas @ problem["replica_usd_per_hour"]
    )
    # Dividing at will can only help, and never breaks a bound.
    divided = assign_pools(**problem, slices=None)
    assert divided.usd_per_hour <= least + 1e-6
    check_fits(divided.share, divided.replicas, problem)


def check_fits(share: np.ndarray, replicas: np.ndarray, problem: dict) -> None:
    np.testing.assert_allclose(share.sum(axis=1), 1.0, atol=1e-6)
    assert (share[~problem["allowed"]] == 0).all()
    assert ((problem["load_replicas"] * share).sum(axis=0) <= replicas + 1e-5).all()
    assert (replicas <= problem["most_replicas"]).all()


def test_a_class_spills_to_an_api_where_a_replica_more_would_cost_more() -> None:
    """2.3 replicas of work at 3 USD: two full ones and 0.3 of 4 USD by use, not a third one."""
    usage, load = np.array([[0.0, 4.0]]), np.array([[2.3, 0.0]])
    divided = assign_pools(usage, load, np.array([3.0, 0.0]), slices=None)
    assert divided.replicas.tolist() == [0, 0]
    assert divided.usd_per_hour == pytest.approx(4.0)
    dear = assign_pools(usage * 5, load, np.array([3.0, 0.0]), slices=None)
    assert dear.replicas.tolist() == [2, 0]
    assert dear.usd_per_hour == pytest.approx(6.0 + 20.0 * 0.3 / 2.3)
    whole = assign_pools(usage * 5, load, np.array([3.0, 0.0]))
    assert (whole.replicas.tolist(), whole.usd_per_hour) == ([3, 0], 9.0)


def test_a_number_of_a_pool_that_may_not_serve_is_not_read() -> None:
    load, allowed = np.array([[np.inf, 0.5]]), np.array([[False, True]])
    plan = assign_pools(np.zeros((1, 2)), load, np.array([1.0, 9.0]), allowed=allowed)
    assert plan.share.tolist() == [[0.0, 1.0]]


def test_why_there_is_no_plan() -> None:
    load, rent = np.ones((2, 1)), np.ones(1)
    with pytest.raises(InfeasibleError, match="no pool may serve class 1") as caught:
        assign_pools(np.zeros((2, 1)), load, rent, allowed=np.array([[True], [False]]))
    assert caught.value.excuses == {"class 1": "no pool may serve it"}
    with pytest.raises(InfeasibleError, match="do not carry the load"):
        assign_pools(np.zeros((2, 1)), load, rent, most_replicas=np.array([1.0]))


@pytest.mark.parametrize(
    "wrong",
    [
        {"load_replicas": np.ones((2, 2))},
        {"load_replicas": np.full((2, 1), np.nan)},
        {"usage_usd_per_hour": np.full((2, 1), -1.0)},
        {"replica_usd_per_hour": np.array([np.inf])},
        {"most_replicas": np.array([np.nan])},
        {"most_replicas": np.ones(2)},
        {"allowed": np.ones((1, 1), dtype=np.bool_)},
        {"slices": 0},
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
