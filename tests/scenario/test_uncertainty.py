"""Uncertain numbers: where they may stand, what worlds are drawn, what they explain and flip."""

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr

from simulator.analysis.decide.monte_carlo import Worlds, simulate_costs, stratified_scores
from simulator.analysis.decide.sobol import sobol_indices
from simulator.analysis.decide.verdict import Verdict, decide
from simulator.analysis.study.effort import with_effort_level
from simulator.analysis.study.study import Study
from simulator.economics.interval import Interval, Listed, Lognormal, Uniform
from simulator.errors import InputError
from simulator.scenario.building.study import load_study
from tests.support.scenarios import SMALL, write_scenario


def small_with(path: Path, changes: dict[str, Any], **analysis: Any) -> Study:
    """The small scenario with values at dotted paths, from a file as users write it."""
    file = write_scenario(path / "small.yaml", SMALL)
    text = [f"{key}={value}" for key, value in changes.items()]
    settings = {"worlds": 8, "volumes": "[0.5, 1, 2]", "sample_requests": 2000} | analysis
    return load_study(file, [*text, *(f"analysis.{k}={v}" for k, v in settings.items())])


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("{low: 100, mid: 150, high: 260}", Interval(100, 150, 260)),
        ("{uniform: [100, 200]}", Uniform(100, 200)),
        ("{median: 150, log_sd: 0.2}", Lognormal(150, 0.2)),
        ("{one_of: [300, 100, 150]}", Listed((100, 150, 300))),
    ],
)
def test_a_distribution_may_stand_for_any_number(
    tmp_path: Path, said: str, expected: object
) -> None:
    study = small_with(tmp_path, {"traffic.chat.output_tokens.median": said})
    (number,) = study.numbers
    assert number.path == "traffic.chat.output_tokens.median"
    assert number.distribution == expected
    plain = small_with(tmp_path, {"traffic.chat.output_tokens.median": number.value(0.0)})
    assert pickle.dumps(study.traffic) == pickle.dumps(plain.traffic)


def test_numbers_that_only_price_are_left_alone(tmp_path: Path) -> None:
    study = small_with(tmp_path, {"people.engineers_fte": "{low: 0.1, mid: 0.5, high: 2}"})
    assert not study.numbers
    assert study.people.engineers_fte == Interval(0.1, 0.5, 2)


def test_a_number_keeps_within_what_the_scenario_allows(tmp_path: Path) -> None:
    study = small_with(
        tmp_path, {"traffic.chat.stable_session_share": "{low: 0.5, mid: 0.9, high: 1.0}"}
    )
    (number,) = study.numbers
    assert number.value(-1.0) < 0.9
    assert 0.999 < number.value(5.0) <= 1.0
    assert number.value(1.0) < number.value(1.6) <= number.value(2.0)


def test_whole_numbers_stay_whole(tmp_path: Path) -> None:
    study = small_with(tmp_path, {"options.own.max_sequences": "{low: 32, mid: 100, high: 300}"})
    (number,) = study.numbers
    assert isinstance(number.value(0.3), int)


@pytest.mark.parametrize(
    "said", ["{low: 3, mid: 2, high: 4}", "{uniform: [2, 1]}", "{one_of: [1]}", "{uniform: [1, a]}"]
)
def test_a_bad_distribution_names_its_place(tmp_path: Path, said: str) -> None:
    with pytest.raises(InputError, match=r"traffic\.chat\.turns\.mean") as caught:
        small_with(tmp_path, {"traffic.chat.turns.mean": said})
    assert "\n" not in str(caught.value)


@given(count=st.integers(8, 200), seed=st.integers(0, 2**31))
def test_every_stratum_is_drawn_from_once(count: int, seed: int) -> None:
    places = np.floor(ndtr(stratified_scores(seed, "any", count)) * count).astype(int)
    assert sorted(places) == list(range(count))


@pytest.mark.slow
def test_worlds_are_simulated_alike_by_any_number_of_workers(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    study = small_with(tmp_path, {"traffic.chat.requests_per_month": "{uniform: [6e6, 9e6]}"})
    worlds = Worlds.draw(study)
    alone = simulate_costs(study, worlds)
    with ThreadPoolExecutor(3) as executor:
        together = simulate_costs(study, worlds, mapped=executor.map)
    np.testing.assert_array_equal(alone, together)


@pytest.fixture(scope="module")
def uncertain_volume(tmp_path_factory: pytest.TempPathFactory) -> Verdict:
    """A verdict in which the volume is the largest unknown by far."""
    study = small_with(
        tmp_path_factory.mktemp("volume"),
        {
            "traffic.chat.requests_per_month": "{low: 1e6, mid: 8e6, high: 30e6}",
            "people.engineers_fte": 0.3,
            "options.own.rent_usd_per_gpu_hour": "{low: 2.4, mid: 2.5, high: 2.6}",
        },
        worlds=32,
    )
    return decide(study)


@pytest.mark.slow
def test_costs_spread_as_the_volume_does(uncertain_volume: Verdict) -> None:
    api = next(r for r in uncertain_volume.results if r.name == "frontier")
    low, middle, high = np.quantile(api.world_usd, [0.05, 0.5, 0.95])
    # An API's bill is nearly in proportion to the requests.
    assert middle == pytest.approx(api.total_usd, rel=0.2)
    assert low < 0.35 * middle
    assert high > 2.5 * middle


@pytest.mark.slow
def test_the_largest_unknown_drives_and_explains(uncertain_volume: Verdict) -> None:
    first = uncertain_volume.drivers[0]
    assert first.name == "traffic.chat.requests_per_month"
    assert first.total is not None
    assert first.total > 0.5
    totals = [d.first_order or 0.0 for d in uncertain_volume.drivers]
    assert sum(totals) <= 1.0 + 1e-9


@pytest.mark.slow
def test_a_flip_of_a_number_is_one(uncertain_volume: Verdict, tmp_path: Path) -> None:
    found = {f.name: f for f in uncertain_volume.switching_values}
    flip = found["traffic.chat.requests_per_month"]
    assert flip.value is not None
    assert flip.winner != uncertain_volume.winner.name
    assert uncertain_volume.study.rebuild is not None
    for value, is_flipped in (
        (flip.value * flip.factor**0.1, True),
        (flip.value * flip.factor**-0.2, False),
    ):
        there = uncertain_volume.study.rebuild({flip.name: value})
        there = replace(there, effort=replace(there.effort, simulated_switching_values=False))
        assert (decide(there).winner.name != uncertain_volume.winner.name) == is_flipped


def test_haste_changes_effort_alone(tmp_path: Path) -> None:
    study = small_with(
        tmp_path, {"traffic.chat.turns.mean": "{uniform: [2, 4]}"}, worlds=64, sample_requests=50000
    )
    quick = with_effort_level(study)
    same = replace(quick, effort=study.effort, rebuild=study.rebuild)
    assert pickle.dumps(same) == pickle.dumps(study)
    assert quick.effort.worlds < study.effort.worlds
    assert quick.effort.sample_requests < study.effort.sample_requests
    assert 1.0 in quick.effort.volumes
    assert quick.rebuild is not None
    assert quick.rebuild({"traffic.chat.turns.mean": 3.0}).effort.spans == 12


def test_indices_of_a_polynomial_are_exact() -> None:
    z = np.array([stratified_scores(1, name, 400) for name in "abc"])
    # Variances by hand: 3^2 of a, 2 of b's square, 2^2 of the product; c does nothing.
    figure = 3 * z[0] + (z[1] ** 2 - 1) + 2 * z[0] * z[1] + 100
    found = sobol_indices(z, figure)
    assert found is not None
    assert found.explained == pytest.approx(1.0)
    np.testing.assert_allclose(found.first, np.array([9, 2, 0]) / 15, atol=1e-9)
    np.testing.assert_allclose(found.total, np.array([13, 6, 0]) / 15, atol=1e-9)


def test_few_worlds_tell_main_effects_or_nothing() -> None:
    z = np.array([stratified_scores(2, name, 30) for name in "abcdef"])
    found = sobol_indices(z, 2 * z[0] + z[1])
    assert found is not None
    np.testing.assert_allclose(found.first[:2], [0.8, 0.2], atol=1e-6)
    assert sobol_indices(z[:, :10], z[0, :10]) is None
    assert sobol_indices(z, np.full(30, 7.0)) is None
