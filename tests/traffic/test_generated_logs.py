"""Generated logs have the stated rate from start to end, and thin tails are said."""

from pathlib import Path

import numpy as np
import pytest

from simulator.library.logs import generate_log, log_statistics
from simulator.scenario.building.study import load_study
from simulator.scenario.starter.generator import preset_workload
from simulator.traffic.logs.generated import generated_log
from simulator.traffic.logs.log import concatenate
from simulator.units import HOUR_S, MONTH_S
from tests.support.scenarios import SMALL, write_scenario

HOURS = 12
PER_MONTH = 3_000_000


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("generated") / "log.csv"
    workload = preset_workload("chat", PER_MONTH, ["week=flat"])
    assert workload.requests_per_s == pytest.approx(PER_MONTH / MONTH_S)
    generate_log("chat", target, hours=HOURS, requests_per_month=PER_MONTH)
    return target


def test_a_generated_log_ends_where_it_should(generated: Path) -> None:
    result = log_statistics(str(generated))
    assert result.statistics.span_s == pytest.approx(HOURS * HOUR_S, rel=0.01)
    assert not result.notes
    assert result.log.rows.gap_s[:200][~np.isnan(result.log.rows.gap_s[:200])].size > 20


def test_the_rate_is_the_stated_one_from_start_to_end() -> None:
    workload = preset_workload("chat", PER_MONTH, ["week=flat", "rate_cv={}"])
    rows = concatenate(list(generated_log((workload,), 1, HOURS, 0.5, 0.02)))
    expected = PER_MONTH / MONTH_S * HOUR_S
    counts = np.histogram(rows.at_s, HOURS, (0, HOURS * HOUR_S))[0]
    assert counts.sum() == rows.size
    assert (np.diff(rows.at_s) >= 0).all()
    # Sessions make the counts vary more than independent requests.
    assert counts / expected == pytest.approx(np.ones(HOURS), abs=0.12)
    assert counts.mean() / expected == pytest.approx(1, abs=0.04)


def test_growth_counts_from_the_first_hour_of_the_log() -> None:
    settings = ["week=flat", "rate_cv={}", "turns=1"]
    sizes = []
    for growth in (0, 0.5):
        workload = preset_workload("chat", PER_MONTH, [*settings, f"growth_per_month={growth}"])
        sizes.append(sum(b.size for b in generated_log((workload,), 1, 6, 0.5, 0.02)))
    assert sizes[1] / sizes[0] == pytest.approx(1, abs=0.03)


def test_thin_tails_are_said(tmp_path: Path) -> None:
    at_s = np.append(np.linspace(0, 3600, 380), np.linspace(4000, 36000, 20))
    log = tmp_path / "log.csv"
    rows = "".join(f"{t:.3f},900,80\n" for t in at_s)
    log.write_text("arrival_s,input_tokens,output_tokens\n" + rows)
    (note,) = log_statistics(str(log)).notes
    assert note.startswith("the last 5% of requests take 89% of the log's span")
    assert log_statistics(str(log)).document["tail_share"] == pytest.approx(0.89, abs=0.01)
    traffic = {"w": {"kind": "replay", "path": "log.csv"}}
    path = write_scenario(tmp_path / "s.yaml", {**SMALL, "traffic": traffic})
    assert any("log.csv: the last 5% of requests" in n for n in load_study(path).notes)
    cut = load_study(path, ["traffic.w.end_s=3600"])
    assert not any("the last 5% of requests" in n for n in cut.notes)


def test_a_replay_says_what_was_left_out(tmp_path: Path) -> None:
    from tests.support.traffic.log_samples import SPEND, document

    document(tmp_path, [SPEND, {**SPEND, "cache_hit": "True"}], "log.json")
    traffic = {"w": {"kind": "replay", "path": "log.json"}}
    path = write_scenario(tmp_path / "s.yaml", {**SMALL, "traffic": traffic})
    assert "log.json: read 1 call; left out 1 cache hit" in load_study(path).notes
