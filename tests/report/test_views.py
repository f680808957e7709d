"""What the report shows beside the verdict: timelines and the map of volumes and cached shares."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator.analysis.decide.verdict import decide
from simulator.analysis.sampling.sample import whole_horizon_sample
from simulator.analysis.sampling.sampler import Sampler
from simulator.analysis.simulate.evaluate import Evaluation, Evaluator
from simulator.analysis.size.kinds.contract import KnownSizes
from simulator.analysis.size.options import size_option
from simulator.analysis.study.options import SingleOption, Size
from simulator.analysis.study.study import Study
from simulator.analysis.views.cachemap import KEPT, simulate_cache_map, without_shared_prefixes
from simulator.analysis.views.report_views import simulate_views
from simulator.analysis.views.timeline import Timeline, simulate_timeline
from simulator.engine.ledger import Ledger
from simulator.engine.records import layout
from simulator.scenario.building.study import load_study
from simulator.units import HOUR_S, MONTH_HOURS, MONTH_S
from tests.support.scenarios import write_scenario
from tests.support.tiny import tiny, write_tiny


def busy(folder: Path, **own: Any) -> Study:
    """Three hours in which one small replica cannot keep up for a while."""
    said = tiny(horizon_hours=3)
    said["traffic"]["chat"] |= {
        "requests_per_month": 3_600_000, "output_tokens": 60, "rate_cv": {600: 0.8},
    }  # fmt: skip
    said["options"]["own"] |= {"max_sequences": 6, "spare_replicas": 1, **own}
    said["options"]["hybrid"] |= {"spill_in_flight": 3}
    return load_study(write_scenario(folder / "busy.yaml", said))


def option_of(study: Study, name: str) -> SingleOption:
    (option,) = (o for o in study.options if o.name == name)
    return option  # type: ignore[return-value]


SIZES = {"frontier": Size(), "own": Size(1), "hybrid": Size(1, 3)}


def seen(study: Study, name: str) -> tuple[Timeline, Ledger, Evaluation]:
    """A timeline, and the same simulation as it is priced and as rows."""
    option, size = option_of(study, name), SIZES[name]
    evaluator = Evaluator(study, 1.0, whole_horizon_sample(study, 1.0))
    (ledger,) = evaluator.simulate(option, size)
    return simulate_timeline(study, option, size), ledger, evaluator.evaluate(option, size)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return busy(tmp_path_factory.mktemp("busy"))


@pytest.mark.slow
@pytest.mark.parametrize("name", SIZES)
def test_a_timeline_has_every_request_once(study: Study, name: str) -> None:
    line, ledger, evaluation = seen(study, name)
    counts = {
        where: round(float(getattr(line, f"{where}_per_s").sum()) * line.bin_s)
        for where in ("own", "called", "unserved")
    }
    offered = evaluation.outcome.requests["offered"]
    assert sum(counts.values()) == offered == int(ledger.offered.sum())
    done = ledger.offered & ledger.completed
    assert counts["own"] == (done & (ledger.server == layout.OWN)).sum()
    assert counts["unserved"] == (ledger.offered & ~ledger.completed).sum()
    assert counts["called"] == sum(evaluation.outcome.served_by.values())
    if name == "hybrid":
        assert min(counts["own"], counts["called"]) > 100
    # And in its own span.
    begin_s = 5 * line.bin_s
    there = ledger.offered & (ledger.arrival_s >= begin_s)
    there &= ledger.arrival_s < begin_s + line.bin_s
    total = line.own_per_s[5] + line.called_per_s[5] + line.unserved_per_s[5]
    assert total * line.bin_s == pytest.approx(there.sum())


@pytest.mark.slow
@pytest.mark.parametrize("name", SIZES)
def test_what_is_spent_adds_up_to_the_cost_of_the_month(study: Study, name: str) -> None:
    line, _, evaluation = seen(study, name)
    hours = len(line.replicas) * line.bin_s / HOUR_S
    assert hours == pytest.approx(3)
    month = MONTH_HOURS / hours * line.bin_s / HOUR_S
    assert line.own_usd_per_h.sum() * month == pytest.approx(evaluation.hardware_usd)
    # The bill is one of the mean volume, the line one of the requests that there were.
    outcome = evaluation.outcome
    luck = outcome.month_factor * outcome.counted_s / MONTH_S
    calls = sum(evaluation.calls_usd.values()) / luck
    assert line.calls_usd_per_h.sum() * month == pytest.approx(calls)
    owned = sum(replicas for _, replicas in evaluation.owned)
    assert line.replicas.mean() == pytest.approx(owned)
    if name != "frontier":
        assert (line.replicas == 2).all(), "the spare one included"


def direct_waiting(ledger: Ledger, begin_s: float, end_s: float) -> float:
    """Mean number of requests that wait in a span: the sum of their times in it, over it."""
    total_s = 0.0
    for row in np.flatnonzero(ledger.offered):
        until_s = ledger.start_s[row]
        if np.isnan(until_s):
            until_s = ledger.finished_s[row]
        if np.isnan(until_s):
            until_s = ledger.horizon_s
        total_s += max(0.0, min(until_s, end_s) - max(ledger.arrival_s[row], begin_s))
    return total_s / (end_s - begin_s)


@pytest.mark.slow
def test_waiting_is_the_sum_of_the_times_that_requests_wait(study: Study) -> None:
    line, ledger, _ = seen(study, "own")
    edges = np.arange(len(line.waiting) + 1) * line.bin_s
    direct = [direct_waiting(ledger, a, b) for a, b in pairwise(edges)]
    assert max(direct) > 5
    np.testing.assert_allclose(line.waiting, direct, atol=1e-6)
    # Little's law over the whole: requests in line = their rate x their mean wait.
    waits = (ledger.start_s - ledger.arrival_s)[ledger.offered & ~np.isnan(ledger.start_s)]
    rate = len(waits) / ledger.horizon_s
    if not np.isnan(ledger.start_s[ledger.offered]).any():
        assert line.waiting.mean() == pytest.approx(rate * waits.mean(), rel=1e-6)


def test_nobody_waits_for_a_call(study: Study) -> None:
    line, ledger, _ = seen(study, "frontier")
    direct = direct_waiting(ledger, 0.0, 3 * HOUR_S)
    assert line.waiting.mean() == pytest.approx(direct, abs=1e-6)
    assert line.waiting.max() < 1


def test_spans_are_quarters_of_hours_or_hours(tmp_path: Path) -> None:
    for hours, count, bin_s in ((2, 8, 900), (48, 192, 900), (72, 72, 3600)):
        said = load_study(
            write_tiny(tmp_path / "t.yaml"),
            [f"horizon_hours={hours}", "traffic.chat.requests_per_month=20k"],
        )
        line = simulate_timeline(said, option_of(said, "frontier"), Size())
        assert (line.begin_s, line.bin_s, len(line.waiting)) == (0, bin_s, count)


@pytest.mark.parametrize("span_s", [300, 1000, 4680, 5399])
def test_a_log_of_any_length_is_shown_as_a_whole(tmp_path: Path, span_s: float) -> None:
    rows = [f"{k * span_s / 200:.3f},500,20\n" for k in range(200)]
    (tmp_path / "log.csv").write_text("arrival_s,input_tokens,output_tokens\n" + "".join(rows))
    said = load_study(
        write_tiny(tmp_path / "t.yaml", traffic={"log": {"kind": "replay", "path": "log.csv"}})
    )
    line = simulate_timeline(said, option_of(said, "own"), Size(1))
    served = (line.own_per_s + line.unserved_per_s).sum() * line.bin_s
    assert served == pytest.approx(200)
    assert len(line.replicas) * line.bin_s == pytest.approx(said.traffic.horizon_s)
    assert (line.replicas == 1).all()


def test_the_warm_up_is_left_out(tmp_path: Path) -> None:
    said = load_study(write_tiny(tmp_path / "t.yaml"), ["analysis.warm_up_hours=1"])
    line = simulate_timeline(said, option_of(said, "own"), Size(1))
    evaluation = Evaluator(said, 1.0, whole_horizon_sample(said, 1.0)).evaluate(
        option_of(said, "own"), Size(1)
    )
    assert (line.begin_s, len(line.replicas)) == (HOUR_S, 4)
    assert line.own_per_s.sum() * line.bin_s == evaluation.outcome.requests["offered"]


def test_of_a_large_volume_the_busiest_hours_in_a_row_are_shown(tmp_path: Path) -> None:
    said = tiny(horizon_hours=168)
    said["traffic"]["chat"] |= {"requests_per_month": 600_000, "week": "azure-conversation"}
    large = load_study(write_scenario(tmp_path / "t.yaml", said))
    large = replace(large, effort=replace(large.effort, sample_requests=300))
    line = simulate_timeline(large, option_of(large, "frontier"), Size())
    load = large.traffic.hourly_load()
    first = int(line.begin_s // HOUR_S)
    hours = round(len(line.waiting) * line.bin_s / HOUR_S)
    assert 1 <= hours < 24
    assert load[first : first + hours].sum() == pytest.approx(
        max(load[k : k + hours].sum() for k in range(168 - hours + 1))
    )
    # The expected load of these hours, give or take its chance.
    shown = (line.called_per_s + line.unserved_per_s).sum() * line.bin_s
    expected = load[first : first + hours].sum() / load.sum() * 600_000 * 168 / MONTH_HOURS
    assert shown == pytest.approx(expected, rel=0.2)


@pytest.mark.slow
def test_autoscaled_replicas_are_those_that_are_paid_for(tmp_path: Path) -> None:
    said = busy(
        tmp_path,
        autoscale={"target": 2, "max_replicas": 4},
        spare_replicas=0,
        cold_start_s=60,
    )
    line, ledger, evaluation = seen(said, "own")
    assert line.replicas.min() < line.replicas.max()
    (account,) = ledger.fleets
    edges = np.arange(len(line.replicas) + 1) * line.bin_s
    expected = [account.owned_s(a, b) / line.bin_s
                for a, b in pairwise(edges)]  # fmt: skip
    np.testing.assert_allclose(line.replicas, expected, atol=1e-9)
    assert line.replicas.mean() == pytest.approx(evaluation.outcome.owned_replicas[0])


# The map.


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A volume at which either side may win, whose prompts share a system prompt alone."""
    said = tiny()
    said["traffic"]["chat"] |= {"requests_per_month": 1_000_000, "turns": 1}
    said["options"]["own"]["replicas"] = "auto"
    path = tmp_path_factory.mktemp("map") / "t.yaml"
    return load_study(write_scenario(path, said))


def plain_costs(study: Study, volume: float) -> dict[str, float]:
    """Cheapest cost of either side, as the verdict finds it at a volume."""
    evaluator = Evaluator(study, volume)
    costs: dict[str, list[float]] = {"selfhost": [], "api": []}
    for option in study.options:
        if option.kind in costs:
            sized = size_option(evaluator, option)
            total = sized.evaluation.total_usd(study)
            costs[option.kind].append(total if sized.feasible else np.inf)
    return {kind: min(found) for kind, found in costs.items()}


def reversed_map(function: Callable[[Any], Any], cells: Iterable[Any]) -> list[Any]:
    return [function(cell) for cell in list(cells)[::-1]][::-1]


@pytest.mark.slow
def test_the_map_with_all_prompts_kept_is_the_plain_verdict(mapped: Study) -> None:
    sampler = Sampler(mapped)
    found = simulate_cache_map(mapped, sampler, KnownSizes())
    assert found is not None
    assert found.volumes == (0.5, 1, 2)
    assert found.kept == KEPT
    for column, volume in enumerate(found.volumes):
        plain = plain_costs(mapped, volume)
        assert found.own_usd[-1, column] == pytest.approx(plain["selfhost"], rel=1e-9)
        assert found.api_usd[-1, column] == pytest.approx(plain["api"], rel=1e-9)
    assert np.isfinite(found.own_usd).all()
    # Where nothing is shared, nothing is cached; the more is kept, the more is, and the cheaper.
    assert (found.cached_share[0] == 0).all()
    assert (np.diff(found.cached_share, axis=0) > 0).all()
    assert (np.diff(found.api_usd, axis=0) < 0).all()
    assert (found.cached_share[-1] > 0.5).all()
    # Workers change nothing, whatever their order.
    backwards = simulate_cache_map(mapped, sampler, KnownSizes(), reversed_map)
    assert backwards is not None
    np.testing.assert_array_equal(backwards.api_usd, found.api_usd)
    np.testing.assert_array_equal(backwards.own_usd, found.own_usd)


def test_prompts_that_share_nothing_are_a_share_and_the_same_in_every_run(mapped: Study) -> None:
    table = mapped.traffic.draw(mapped.seed, 1.0, 0.0, 2 * HOUR_S)
    whole = table.prefix_node != -1
    assert whole.all()
    before = None
    for kept in (0.0, 1 / 3, 2 / 3, 1.0):
        there = without_shared_prefixes(table, kept).prefix_node != -1
        assert there.mean() == pytest.approx(kept, abs=0.04)
        np.testing.assert_array_equal(there, without_shared_prefixes(table, kept).prefix_node != -1)
        if before is not None:
            assert (there >= before).all(), "who keeps it at less keeps it at more"
        before = there
    np.testing.assert_array_equal(
        without_shared_prefixes(table, 1.0).prefix_node, table.prefix_node
    )


def test_there_is_no_map_without_both_sides(mapped: Study) -> None:
    for kind in ("api", "selfhost"):
        alone = replace(mapped, options=tuple(o for o in mapped.options if o.kind == kind))
        assert simulate_cache_map(alone, Sampler(alone), KnownSizes()) is None


@pytest.mark.slow
def test_views_are_of_the_cheapest_of_each_kind(tmp_path: Path) -> None:
    verdict = decide(load_study(write_tiny(tmp_path / "t.yaml")))
    shown = simulate_views(verdict)
    feasible = [r for r in verdict.results if r.excuse is None and not r.evaluation.parts]
    best = {
        kind: min((r for r in feasible if r.option.kind == kind), key=lambda r: r.total_usd)
        for kind in {r.option.kind for r in feasible}
    }
    expected = sorted(best.values(), key=lambda r: (r.total_usd, r.name))
    assert [line.option for line in shown.timelines] == [r.name for r in expected]
    assert shown.timelines[0].option == verdict.winner.name
    assert shown.cache_map is not None
    seconds = MONTH_S * 2 / MONTH_HOURS
    assert len(shown.timelines[0].waiting) * shown.timelines[0].bin_s == pytest.approx(seconds)
