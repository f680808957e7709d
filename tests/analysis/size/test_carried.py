"""What fleets carry, found with few tries, and the nested samples that it is found with."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from simulator.analysis.decide.verdict import decide
from simulator.analysis.sampling.sample import LEAST_WARM_UP_S, Need
from simulator.analysis.sampling.sampler import Sampler
from simulator.analysis.simulate.evaluate import Evaluator
from simulator.analysis.size.carried import (
    CapacityCurve,
    bracket_capacity,
    find_largest_volume,
    measure_capacity_curves,
)
from simulator.analysis.size.judging import FAST, LIKELY, SLOW, margin
from simulator.analysis.study.effort import with_effort_level
from simulator.analysis.study.options import SelfHostOption, Size
from simulator.analysis.study.study import Study
from simulator.scenario.building.study import load_study
from tests.support.checkout import SCENARIOS

MOST_TRIES = 16


@settings(deadline=None)
@given(
    at=st.floats(0.01, 50),
    power=st.floats(4, 40),
    guess=st.floats(0.02, 20),
    tolerance=st.sampled_from([0.02, 0.1]),
)
def test_the_last_volume_that_holds_is_found_with_few_tries(
    at: float, power: float, guess: float, tolerance: float
) -> None:
    tried: list[float] = []

    def excess(volume: float) -> float:
        tried.append(volume)
        return min(max(power * math.log(volume / at), -6.0), 3.0)

    found = find_largest_volume(excess, guess, tolerance)
    assert found == pytest.approx(at, rel=tolerance)
    assert len(tried) <= MOST_TRIES
    assert len(set(tried)) == len(tried)


@pytest.mark.slow
def test_given_replicas_win_up_to_what_they_carry() -> None:
    """Between two volumes of the grid, at the smaller of which they are too dear still and at the
    larger too few, they may win all the same.
    """
    path = SCENARIOS / "quickstart.yaml"
    settings = [
        "traffic.support.requests_per_month=15M", "options.own-h100.replicas=1",
        "options.hybrid=null", "analysis.volumes=[0.1,1]", "analysis.sample_requests=10000",
        "analysis.worlds=32",
    ]  # fmt: skip
    study = with_effort_level(load_study(path, settings))
    option = next(o for o in study.options if o.name == "own-h100")
    assert isinstance(option, SelfHostOption)
    held, failed = bracket_capacity(study, Sampler(study), option)
    assert 0.1 < held < failed < 1
    found = decide(study).break_even
    assert found is not None
    assert found.wins
    begin, end = found.wins[-1]
    assert begin < held <= end <= failed


def test_what_holds_always_or_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[float] = []

    def never(volume: float) -> float:
        tried.append(volume)
        return 3.0

    assert find_largest_volume(never, 1.0, 0.1) == 0.0
    assert find_largest_volume(lambda volume: -6.0, 1.0, 0.1) > 1000.0
    assert len(tried) <= MOST_TRIES


@given(
    each=st.lists(st.floats(0.1, 3.0), min_size=1, max_size=4),
    volume=st.floats(0.05, 500.0),
)
def test_the_fewest_replicas_carry_a_volume_and_one_less_does_not(
    each: list[float], volume: float
) -> None:
    # More replicas share their load better.
    curve = CapacityCurve(dict(zip((1, 2, 8, 32), sorted(each), strict=False)), (0.8, 1.0, 1.2))
    for speed in (SLOW, LIKELY, FAST):
        found = curve.replicas(volume, speed)
        assert found is not None
        assert curve.volume(found) * curve.speeds[speed] >= volume
        assert found == 1 or curve.volume(found - 1) * curve.speeds[speed] < volume
    assert CapacityCurve({1: 1.0}, (0.0, 1.0, 1.0)).replicas(volume, SLOW) is None


@given(replicas=st.integers(1, 60), each=st.floats(0.01, 5.0))
@example(replicas=2, each=0.25)
def test_a_curve_agrees_with_the_size_that_is_settled(replicas: int, each: float) -> None:
    curve = CapacityCurve({1: each, 8: 1.1 * each}, (0.8, 1.0, 1.2)).scaled_to_today(replicas)
    assert curve.replicas(1.0) == replicas


@pytest.fixture(scope="module")
def quickstart() -> Study:
    return load_study("quickstart", ["analysis.sample_requests=8000", "analysis.volumes=[0.5, 3]"])


@pytest.mark.slow
def test_a_measured_curve_is_where_fleets_begin_to_miss(quickstart: Study) -> None:
    own = next(o for o in quickstart.options if isinstance(o, SelfHostOption))
    sampler = Sampler(quickstart)
    curve = measure_capacity_curves(quickstart, sampler, {own.name: (own, 2)})[own.name]
    assert curve.speeds[SLOW] < 1 < curve.speeds[FAST]
    for replicas in (1, 2, 4):
        margins = [
            margin(
                Evaluator(quickstart, factor * curve.volume(replicas), sampler).evaluate(
                    own, Size(replicas)
                ),
                quickstart.slo,
            )
            for factor in (0.9, 1.1)
        ]
        assert margins[0] > 0 > margins[1]


def ids(sampler: Sampler, volume: float, need: Need) -> set[int]:
    sample: Any = sampler.sample(volume, need)
    ((table, _),) = sample.chunks(0)
    table.check()
    return {int(random_bits) for random_bits in table.random_bits}


@pytest.mark.slow
def test_larger_volumes_contain_smaller_ones(quickstart: Study) -> None:
    """Whatever was drawn before; and as many requests more as the volume is larger."""
    need = Need(LEAST_WARM_UP_S, 1)
    found = {v: ids(Sampler(quickstart), v, need) for v in (0.6, 0.9, 1.3)}
    together = Sampler(quickstart)
    for volume in (1.3, 0.6, 0.9):
        assert ids(together, volume, need) == found[volume]
    assert found[0.6] < found[0.9] < found[1.3]
    sizes = np.array([len(each) for each in found.values()])
    np.testing.assert_allclose(sizes / sizes[-1], np.array([0.6, 0.9, 1.3]) / 1.3, rtol=0.05)
