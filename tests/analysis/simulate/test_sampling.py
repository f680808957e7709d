"""Spans of the horizon: they stand for all of it, whatever lives long, grows or is scaled."""

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.analysis.decide.monte_carlo import compute_standings
from simulator.analysis.decide.verdict import decide
from simulator.analysis.sampling.design import draw_along, inclusion_chances
from simulator.analysis.sampling.precision import Error
from simulator.analysis.sampling.sample import Need, Sample, whole_horizon_sample
from simulator.analysis.sampling.sampler import Sampler
from simulator.analysis.simulate.evaluate import Evaluator
from simulator.analysis.size.judging import meets
from simulator.analysis.study.options import ApiOption, SelfHostOption, Size
from simulator.analysis.study.study import Study
from simulator.scenario.building.study import load, load_study
from simulator.traffic.spans import NOMINAL_S, NOMINAL_TOKEN_S, merged, span_of, within
from simulator.traffic.table import NO_NODE
from simulator.units import HOUR_S, MONTH_S
from tests.support.scenarios import SMALL, write_scenario
from tests.support.traffic.traffic_samples import random_table

pytestmark = pytest.mark.slow

LOADS = st.just(0.0) | st.floats(1e-9, 50.0)
SIZES = st.lists(LOADS, min_size=1, max_size=80).filter(lambda s: sum(s) > 1e-6)


@given(SIZES, st.integers(1, 40))
def test_chances_add_up_and_follow_sizes(sizes: list[float], count: int) -> None:
    size = np.array(sizes)
    chance = inclusion_chances(size, count)
    assert (chance <= 1 + 1e-12).all()
    if len(size) > count and (size > 0).sum() >= count:
        assert chance.sum() == pytest.approx(count)
    order = np.argsort(size, kind="stable")
    assert (np.diff(chance[order]) >= -1e-9).all()


def test_spans_drawn_along_the_load_know_its_total_without_bias() -> None:
    load = np.random.default_rng(3).lognormal(0.0, 1.5, 400)
    chance = inclusion_chances(load + load**2, 24)
    totals = []
    for start in (np.arange(200) + 0.5) / 200:
        cell, taken = draw_along(load, chance, start)
        totals.append(float((load[cell] / taken).sum()))
    assert np.mean(totals) == pytest.approx(load.sum(), rel=0.01)


SPANS = st.lists(
    st.tuples(st.floats(0.0, 3000.0), st.floats(1.0, 400.0)), min_size=1, max_size=8
).map(lambda parts: merged(np.array([[a, a + length] for a, length in parts])))


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 1000), SPANS)
def test_what_is_due_within_spans_is_there_once(seed: int, spans_s: np.ndarray) -> None:
    table = random_table(seed, sessions=40, rate_per_s=0.05)
    due_s = table.due_s(NOMINAL_S, NOMINAL_TOKEN_S)
    inside = span_of(due_s, spans_s) >= 0
    found = within(table, spans_s)
    found.check()
    assert sorted(found.random_bits.tolist()) == sorted(table.random_bits[inside].tolist())
    again_s = found.due_s(NOMINAL_S, NOMINAL_TOKEN_S)
    order, known = np.argsort(found.random_bits), np.argsort(table.random_bits[inside])
    np.testing.assert_allclose(again_s[order], due_s[inside][known], rtol=0, atol=1e-6)
    # A session that goes on knows how long before the turn was that is left out.
    goes_on = found.earlier_node != NO_NODE
    assert (found.earlier_s[goes_on] > 0).all()
    assert np.isnan(found.gap_s[goes_on]).all()


def rag(volume: str, *changes: str) -> Study:
    return load_study(
        "rag-desk",
        [
            f"traffic.desk.requests_per_month={volume}",
            "analysis.sample_requests=12000",
            "options.own=null",
            "options.hybrid=null",
            *changes,
        ],
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("study", "name"),
    [
        (lambda: rag("1M"), "gpt"),
        (lambda: rag("1M"), "hosted"),
        (
            lambda: load_study(
                "agents",
                [
                    "traffic.agents.requests_per_month=1.2M",
                    "analysis.sample_requests=12000",
                    "options.own=null",
                ],
            ),
            "sonnet-hour",
        ),
    ],
    ids=["half an hour", "minutes", "an hour"],
)
def test_caches_are_as_warm_as_in_the_whole_horizon(study: Callable[[], Study], name: str) -> None:
    """Spans and scales leave requests out that keep shared prompts alive."""
    asked = study()
    option = next(o for o in asked.options if o.name == name)
    whole = Evaluator(asked, 1.0, whole_horizon_sample(asked, 1.0)).evaluate(option, Size())
    sampled = Evaluator(asked, 1.0, Sampler(asked, careful=True)).evaluate(option, Size())
    known = sampled.outcome.sampling
    assert known.windows > 16
    off = sampled.total_usd(asked) / whole.total_usd(asked) - 1
    assert abs(off) <= max(2 * known.calls.half, 0.02)
    assert known.calls.half < 0.08
    assert sampled.outcome.cached_share == pytest.approx(whole.outcome.cached_share, abs=0.03)


@pytest.mark.slow
def test_growth_reaches_the_bill(tmp_path: Path) -> None:
    """Bills and fleets are of the same traffic: the mean over a horizon that grows."""
    made = {
        **SMALL,
        "horizon_hours": 8760,
        "traffic": {"chat": SMALL["traffic"]["chat"] | {"growth_per_month": 0.08}},
    }
    grows = load_study(write_scenario(tmp_path / "grows.yaml", made))
    asked = SMALL["traffic"]["chat"]["requests_per_month"]
    hours = np.arange(8760)
    mean = float((1.08 ** (hours * HOUR_S / MONTH_S)).mean())
    assert grows.traffic.requests_per_s * MONTH_S == pytest.approx(asked * mean)
    option = next(o for o in grows.options if o.name == "frontier")
    found = Evaluator(grows, 1.0).evaluate(option, Size()).outcome
    per_month = found.requests["offered"] * found.month_factor
    assert per_month == pytest.approx(asked * mean, rel=1e-3)


@pytest.mark.slow
def test_a_scaled_fleet_stands_for_the_whole_one(tmp_path: Path) -> None:
    study = load_study(write_scenario(tmp_path / "s.yaml", SMALL))
    own = next(o for o in study.options if o.name == "own")
    volume, scale = 12.0, 0.5
    whole = Evaluator(study, volume, whole_horizon_sample(study, volume)).evaluate(own, Size(6))
    half = Evaluator(study, volume, whole_horizon_sample(study, volume, scale)).evaluate(
        own, Size(6)
    )
    assert half.outcome.owned_replicas == pytest.approx((6.0,))
    assert half.total_usd(study) == pytest.approx(whole.total_usd(study))
    assert half.outcome.utilisation == pytest.approx(whole.outcome.utilisation, abs=0.03)
    assert half.outcome.attainment == pytest.approx(whole.outcome.attainment, abs=0.05)


def test_a_volume_of_hardly_any_request_costs_what_its_requests_do(tmp_path: Path) -> None:
    made = {
        **SMALL,
        "traffic": {"chat": SMALL["traffic"]["chat"] | {"requests_per_month": 1}},
    }
    study = load_study(write_scenario(tmp_path / "one.yaml", made))
    option = next(o for o in study.options if o.name == "frontier")
    sample: Sample = Sampler(study).sample(1.0, Need())
    assert sample.scale > 1
    found = Evaluator(study, 1.0).evaluate(option, Size())
    busy = load_study(write_scenario(tmp_path / "busy.yaml", SMALL))
    known = Evaluator(busy, 1.0).evaluate(option, Size())
    each = found.total_usd(study) / 1
    usual = known.total_usd(busy) / SMALL["traffic"]["chat"]["requests_per_month"]
    assert each == pytest.approx(usual, rel=0.5)


def test_ties_are_shared_and_probabilities_add_up() -> None:
    usd = [np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 3.0]), np.array([1.0, 2.0, 3.0])]
    found = [each.probability_best for each in compute_standings(usd)]
    assert sum(found) == pytest.approx(1.0)
    assert found[0] == found[2]
    without = [each.probability_best for each in compute_standings(usd, [False, False, True])]
    assert without[2] == 0.0
    assert sum(without) == pytest.approx(1.0)


def test_errors_that_options_share_cancel() -> None:
    one = Error({"spans 2": np.array([0.01, -0.02])}, 0.03)
    apart = Error.total([one, one], [1.0, -1.0])
    assert apart.sd == 0.0
    assert one.sd == pytest.approx(np.hypot(0.01, 0.02))


@pytest.mark.slow
@pytest.mark.parametrize("scale", [0.1, 0.4])
def test_a_share_of_a_whole_horizon_states_what_it_leaves_out(scale: float) -> None:
    """Of six seeds, one may lie outside of an interval that holds nine in ten."""
    covered = 0
    for seed in range(71, 77):
        asked = load_study("quickstart", ["traffic.support.requests_per_month=400k"], seed)
        option = next(o for o in asked.options if isinstance(o, ApiOption))
        found, whole = (
            Evaluator(asked, 1.0, whole_horizon_sample(asked, 1.0, share))
            .evaluate(option, Size())
            .outcome
            for share in (scale, 1.0)
        )
        off = sum(found.api_usd.values()) / sum(whole.api_usd.values()) - 1
        assert whole.sampling.calls.half == 0.0
        assert found.sampling.calls.half > 0.0
        covered += abs(off) <= found.sampling.calls.half
    assert covered >= 5


@pytest.mark.slow
def test_the_order_of_options_does_not_matter(tmp_path: Path) -> None:
    said = {**SMALL, "analysis": SMALL["analysis"] | {"volumes": [0.5, 1], "worlds": 16}}
    names = list(said["options"])
    heads = set()
    for place, order in enumerate([names, names[::-1], *list(permutations(names))[5:7]]):
        made = {**said, "options": {name: said["options"][name] for name in order}}
        study = load_study(write_scenario(tmp_path / f"{place}.yaml", made))
        verdict = decide(
            replace(study, effort=replace(study.effort, simulated_switching_values=False))
        )
        rival = verdict.runner_up.name if verdict.runner_up else None
        chances = sorted((r.name, r.standing.probability_best) for r in verdict.results)
        heads.add((verdict.winner.name, rival, verdict.saving, tuple(chances)))
        assert sum(chance for _, chance in chances) == pytest.approx(1.0)
    assert len(heads) == 1


def test_another_name_draws_the_same_traffic(tmp_path: Path) -> None:
    chat = SMALL["traffic"]["chat"]
    tables = [
        load_study(
            write_scenario(tmp_path / f"{name}.yaml", {**SMALL, "traffic": {name: chat}})
        ).traffic.draw(4, 1.0)
        for name in ("chat", "talk")
    ]
    np.testing.assert_array_equal(tables[0].random_bits, tables[1].random_bits)
    np.testing.assert_array_equal(tables[0].arrival_s, tables[1].arrival_s)


@pytest.mark.slow
def test_a_fleet_whose_queue_outlasts_a_span_is_judged_by_the_whole_horizon() -> None:
    study = load(
        "buy-or-rent",
        ["traffic.reports.requests_per_month=6.5M", "analysis.sample_requests=50000"],
        71,
    ).study
    (rented,) = (o for o in study.options if o.name == "rented")
    assert isinstance(rented, SelfHostOption)
    careful = Evaluator(study, 1.0, Sampler(study, careful=True))
    found = {n: careful.evaluate(rented, Size(n)) for n in (3, 4, 8)}
    # Four replicas seem to do, but for a span or two in which everything is late already.
    assert [found[n].outcome.sampling.windows > 0 for n in found] == [True, False, True]
    assert not meets(found[4], study.slo)
    assert meets(found[8], study.slo)
    assert found[4].sample.is_whole
