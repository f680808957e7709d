"""Traffic by means, by users and by units a day, as a scenario states it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator.errors import InputError
from simulator.scenario.building.study import load, load_study
from simulator.scenario.resolve.load import resolved_yaml
from simulator.traffic.logs.collect import collect
from simulator.traffic.logs.replay import recorded
from simulator.traffic.reuse.reuse import reuse
from tests.support.scenarios import SMALL, write_scenario


def study_of(folder: Path, **workload: Any) -> Any:
    scenario = SMALL | {"horizon_hours": 168, "traffic": {"calls": workload}}
    return load_study(write_scenario(folder / "scenario.yaml", scenario))


def simple(**more: Any) -> dict[str, Any]:
    base = {"kind": "simple", "requests_per_month": 200_000, "input_tokens": 2200}
    return base | {"output_tokens": 280} | more


def test_requests_have_the_stated_means(tmp_path: Path) -> None:
    study = study_of(tmp_path, **simple(reasoning_tokens=90, shared_prompt_share="60%"))
    table = study.traffic.draw(1, 1.0)
    assert table.size == pytest.approx(200_000 * 168 / 730, rel=0.03)
    assert table.input_tokens.mean() == pytest.approx(2200, rel=0.02)
    assert table.completion_tokens.mean() == pytest.approx(280, rel=0.02)
    assert table.reasoning_tokens.mean() == pytest.approx(90, rel=0.03)
    assert table.input_tokens.min() > 1320


@pytest.mark.parametrize(
    ("cached", "more"),
    [
        (0.3, {}),
        (0.7, {}),
        (0.4, {"shared_prompt_tokens": 1500}),
        (0.6, {"requests_per_session": 8, "input_tokens": 9000}),
        (0.95, {"requests_per_session": 8, "input_tokens": 9000}),
    ],
)
def test_a_perfect_cache_serves_the_cached_share(
    tmp_path: Path, cached: float, more: dict[str, Any]
) -> None:
    study = study_of(tmp_path, **simple(cached_share=cached, **more))
    log = collect([recorded(study.traffic.draw(2, 1.0), 0.5, 0.02)], ["calls"])
    rows = log.rows
    share = reuse(log.tree, log.prefix_node, rows.input_tokens, rows.at_s).share
    assert share == pytest.approx(cached, abs=0.02)
    # Long sessions have long prompts, so that the mean of a draw varies by several percent.
    mean = simple(**more)["input_tokens"]
    assert rows.input_tokens.mean() == pytest.approx(mean, rel=0.08)


def test_embeddings_have_no_output(tmp_path: Path) -> None:
    table = study_of(tmp_path, **simple(output_tokens=0)).traffic.draw(1, 0.1)
    assert not table.completion_tokens.any()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"shared_prompt_tokens": 2200}, "which leaves less than 1 for a message"),
        ({"shared_prompt_tokens": 5, "shared_prompt_share": 0.1}, "not both"),
        ({"reasoning_tokens": 300}, "exceeds output_tokens"),
        ({"cached_share": 0.5, "shared_prompt_tokens": 100}, "only 100 can be"),
        ({"requests_per_session": 40}, "earlier answers"),
        ({"max_prompt_tokens": 500}, "less than a prompt of mean length"),
        ({"users": {"count": 5, "active_share": 1, "requests_per_active_hour": 1}}, "give one of"),
        ({"requests_per_month": None}, "give one of"),
        ({"week": [1, 2, 3]}, "24 or 168 hourly factors, not 3"),
        ({"week": "azure-cod"}, "did you mean 'azure-code'"),
        ({"time_zone": "Europe/Berlim"}, "did you mean 'Europe/Berlin'"),
        ({"input_token": 3}, "did you mean 'input_tokens'"),
    ],
)
def test_what_contradicts_itself_is_refused_in_one_line(
    tmp_path: Path, wrong: dict[str, Any], message: str
) -> None:
    values = {k: v for k, v in simple(**wrong).items() if v is not None}
    with pytest.raises(InputError, match=message) as caught:
        study_of(tmp_path, **values)
    assert "scenario.yaml:" in str(caught.value)
    assert "\n" not in str(caught.value)


def month_of(study: Any) -> float:
    return study.traffic.requests_per_s * 730 * 3600


def test_users_of_the_busiest_hour_give_the_volume(tmp_path: Path) -> None:
    users = {"count": 10_000, "active_share": "10%", "requests_per_active_hour": 6}
    values = {k: v for k, v in simple(week="flat").items() if k != "requests_per_month"}
    assert month_of(study_of(tmp_path, **values, users=users)) == pytest.approx(6000 * 730)
    values["week"] = "azure-code"
    study = study_of(tmp_path, **values, users=users | {"peak_factor": 4})
    assert month_of(study) == pytest.approx(6000 / 4 * 730)
    load = study.traffic.hourly_load()
    assert load.max() / load.mean() == pytest.approx(4)
    assert load.max() * 3600 == pytest.approx(6000)


def test_units_a_day_give_the_volume(tmp_path: Path) -> None:
    values = {k: v for k, v in simple().items() if k != "requests_per_month"}
    per_day = {"unit": "developers", "count": 400, "requests_each": 190}
    study = study_of(tmp_path, **values, per_day=per_day)
    assert month_of(study) == pytest.approx(400 * 190 * 5 * 730 / 168)


def test_a_week_may_come_from_a_file_or_from_days(tmp_path: Path) -> None:
    day, weekend = list(range(24)), [3] * 24
    numbers = "\n".join(map(str, 5 * day + 2 * weekend))
    (tmp_path / "week.csv").write_text(numbers)
    from_file = study_of(tmp_path, **simple(week="week.csv")).traffic.hourly_load()
    by_day = {"weekday": day, "weekend": weekend}
    given = study_of(tmp_path, **simple(week=by_day)).traffic.hourly_load()
    listed = study_of(tmp_path, **simple(week=5 * day + 2 * weekend)).traffic.hourly_load()
    assert from_file == pytest.approx(given)
    assert from_file == pytest.approx(listed)
    assert from_file[23] / from_file[1] == pytest.approx(23)


def test_a_resolved_scenario_has_the_numbers_of_its_week(tmp_path: Path) -> None:
    (tmp_path / "week.csv").write_text("\n".join(map(str, range(24))))
    scenario = SMALL | {"horizon_hours": 168, "traffic": {"calls": simple(week="week.csv")}}
    loaded = load(write_scenario(tmp_path / "scenario.yaml", scenario))
    (tmp_path / "elsewhere").mkdir()
    resolved = tmp_path / "elsewhere" / "scenario.resolved.yaml"
    resolved.write_text(resolved_yaml(loaded.scenario, loaded.document))
    again = load(resolved).study.traffic.hourly_load()
    assert again == pytest.approx(loaded.study.traffic.hourly_load())


def test_events_change_the_volume_and_the_bill_follows(tmp_path: Path) -> None:
    plain = study_of(tmp_path, **simple())
    events = [{"first": "2026-11-24", "days": 1, "factor": 3}]
    launch = study_of(tmp_path, **simple(events=events))
    assert month_of(launch) == pytest.approx(month_of(plain) * 9 / 7)
    counts = [np.bincount((s.traffic.draw(3, 1.0).arrival_s // 86400).astype(int))
              for s in (plain, launch)]  # fmt: skip
    assert counts[1][1] / counts[0][1] == pytest.approx(3, rel=0.1)
    assert counts[1][2] == pytest.approx(counts[0][2], rel=0.1)
