"""Long simulations: interrupted and gone on with, written down row by row, repeated."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from simulator.analysis.commands.replications import simulate_until
from simulator.analysis.decide.verdict import OptionResult, simulate_as_written
from simulator.analysis.sampling import sample
from simulator.analysis.sampling.sample import Sample
from simulator.analysis.simulate.evaluate import Evaluator
from simulator.analysis.simulate.longrun import Keep
from simulator.analysis.study.options import Size
from simulator.analysis.study.study import Study
from simulator.engine.ledger import Ledger
from simulator.errors import InputError
from simulator.report.documents.document import simulation_document
from simulator.report.documents.ledger import ledger_writer
from simulator.scenario.building.study import load_study
from tests.support.command import breakeven
from tests.support.scenarios import SMALL, write_scenario

pytestmark = pytest.mark.slow

SIZES = [
    "traffic.chat.requests_per_month=800000",
    "options.own.replicas=2",
    "options.hybrid.replicas=1",
    "options.hybrid.spill_in_flight=2",
]


class Interrupted(Exception):
    """Stands for the end of the process."""


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.setattr(sample, "KEPT_REQUESTS", 4_000)
    return load_study(write_scenario(tmp_path / "s.yaml"), SIZES)


def text_of(results: tuple[OptionResult, ...], study: Study) -> str:
    return json.dumps(simulation_document(results, study), sort_keys=True)


def rows(folder: Path) -> list[dict]:
    table = pq.read_table(folder)
    return sorted(table.to_pylist(), key=lambda r: (r["session"], r["turn"], r["arrival_s"]))


@pytest.mark.parametrize("after", [1, 4, 9, 16])
def test_an_interrupted_simulation_ends_as_an_undisturbed_one(
    study: Study, tmp_path: Path, after: int
) -> None:
    expected = text_of(simulate_as_written(study), study)
    write = ledger_writer(tmp_path / "whole", study, "all that matters")
    assert text_of(simulate_as_written(study, watch=write), study) == expected
    keep, pieces = Keep(tmp_path / "kept", "all that matters", every_s=0.0), 0
    write = ledger_writer(tmp_path / "resumed", study, "all that matters")

    def until_interrupted(option: str, number: int, sample: Sample, ledger: Ledger) -> None:
        nonlocal pieces
        if pieces == after:
            raise Interrupted
        pieces += 1
        write(option, number, sample, ledger)

    with pytest.raises(Interrupted):
        simulate_as_written(study, keep, until_interrupted)
    assert text_of(simulate_as_written(study, keep, write), study) == expected
    for name in ("frontier", "own", "hybrid"):
        whole, resumed = rows(tmp_path / "whole" / name), rows(tmp_path / "resumed" / name)
        # NaN is not equal to itself.
        assert repr(whole) == repr(resumed)
    # What is finished is not simulated again, only its last instant.
    done: list[str] = []
    again = simulate_as_written(study, keep, lambda option, *_: done.append(option))
    assert text_of(again, study) == expected
    assert done == ["frontier", "hosted", "own", "hybrid"]


def test_what_was_kept_of_something_else_is_refused(study: Study, tmp_path: Path) -> None:
    keep = Keep(tmp_path, "one thing", every_s=0.0)
    simulate_as_written(study, keep)
    with pytest.raises(InputError, match=r"frontier\.npz: saved from another scenario"):
        simulate_as_written(study, replace(keep, fingerprint="another"))


def test_replications_differ_and_say_how_sure_they_are(study: Study) -> None:
    found = simulate_until(study, 0.02, 8)
    assert found.reached
    assert found.count in (4, 8)
    hosted, frontier = found.options["hosted"], found.options["frontier"]
    assert 0 < hosted.cost_usd.half_width <= 0.02 * hosted.cost_usd.mean
    # The same requests for both: the difference is known better than either.
    apart = np.hypot(hosted.cost_usd.half_width, frontier.cost_usd.half_width)
    dearer = max(hosted.above_cheapest_usd, frontier.above_cheapest_usd, key=lambda e: e.mean)
    assert dearer.half_width < apart / 2
    hopeless = simulate_until(study, 1e-6, 2)
    assert not hopeless.reached
    assert hopeless.count == 2


def test_command_line(tmp_path: Path) -> None:
    path = str(write_scenario(tmp_path / "s.yaml"))
    settings = [part for setting in SIZES for part in ("--set", setting)]
    plain = breakeven("simulate", path, *settings, "-o", "json")
    kept = ["--keep", str(tmp_path / "kept"), "--ledger", str(tmp_path / "rows")]
    for _ in range(2):
        assert breakeven("simulate", path, *settings, *kept, "-o", "json").stdout == plain.stdout
    assert pq.read_table(tmp_path / "rows" / "own").num_rows > 20_000
    other = breakeven("simulate", path, *settings, *kept, "--seed", "9")
    assert other.returncode == 3
    assert "contains the ledger of another run" in other.stderr
    both = breakeven("simulate", path, *settings, *kept, "--precision", "0.1")
    assert both.returncode == 2
    sure = breakeven("simulate", path, *settings, "--precision", "0.1", "-o", "json")
    option = json.loads(sure.stdout)["options"][0]
    assert option["replications"]["reached"]
    assert option["cost_usd_per_month"]["low"] < option["cost_usd_per_month"]["mean"]
    table = breakeven("simulate", path, *settings, "--precision", "0.1")
    assert "PRECISION" in table.stdout
    assert max(map(len, table.stdout.splitlines())) <= 80


def test_a_changed_trace_is_another_scenario(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    rows = [f"{i * 30.0},{200 + i},{20}" for i in range(50)]
    log.write_text("\n".join(["arrival_s,input_tokens,output_tokens", *rows]))
    replay = {"traffic": {"log": {"kind": "replay", "path": "log.csv"}}}
    path = str(write_scenario(tmp_path / "s.yaml", SMALL | replay))
    settings = [part for setting in SIZES[1:] for part in ("--set", setting)]
    kept = ["--keep", str(tmp_path / "kept")]
    assert breakeven("simulate", path, *settings, *kept).returncode == 0
    assert breakeven("simulate", path, *settings, *kept).returncode == 0
    log.write_text(log.read_text().replace(",20", ",90"))
    changed = breakeven("simulate", path, *settings, *kept)
    assert changed.returncode == 3
    assert "saved from another scenario" in changed.stderr


def test_rows_of_other_runs_are_left_alone(study: Study, tmp_path: Path) -> None:
    simulate_as_written(study, watch=ledger_writer(tmp_path, study, "one"))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match="contains the ledger of another run"):
        ledger_writer(tmp_path, study, "another")
    simulate_as_written(study, watch=ledger_writer(tmp_path, study, "one"))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_parts_of_unknown_origin_are_left_alone(study: Study, tmp_path: Path) -> None:
    stray = tmp_path / "own" / "part-000000.parquet"
    stray.parent.mkdir()
    stray.write_text("somebody's")
    with pytest.raises(InputError, match="contains the ledger of another run"):
        ledger_writer(tmp_path, study, "one")
    assert stray.read_text() == "somebody's"


def test_rows_that_were_never_written_are_asked_for(study: Study, tmp_path: Path) -> None:
    keep = Keep(tmp_path / "kept", "same", every_s=0.0)
    simulate_as_written(study, keep)
    with pytest.raises(InputError, match="earlier rows of this run are missing"):
        simulate_as_written(study, keep, ledger_writer(tmp_path / "rows", study, "same"))


def test_hang_ups_are_paid_for(study: Study) -> None:
    impatient = replace(study.traffic.workloads[0], patience_s=1.5)
    asked = replace(study, traffic=replace(study.traffic, workloads=(impatient,)))
    (frontier, *_) = simulate_as_written(asked)
    outcome = frontier.evaluation.outcome
    assert outcome.requests["timed_out"] > 0.2 * outcome.requests["offered"]
    evaluator = Evaluator(replace(asked, effort=replace(asked.effort, sample_requests=10**9)), 1.0)
    option = next(o for o in asked.options if o.name == "frontier")
    paid = sum(piece.usd.sum() for piece in evaluator.simulate(option, Size()))
    assert sum(outcome.api_usd.values()) == pytest.approx(paid * outcome.month_factor, rel=1e-6)


def test_replicas_may_be_none_only_where_they_are_launched(tmp_path: Path) -> None:
    path = write_scenario(tmp_path / "s.yaml")
    with pytest.raises(InputError, match="no replica would ever serve: add autoscale"):
        load_study(path, ["options.own.replicas=0"])
    scaled = "options.own.autoscale={target: 20, max_replicas: 4}"
    asked = load_study(path, [*SIZES, "options.own.replicas=0", scaled])
    own = next(r for r in simulate_as_written(asked) if r.name == "own")
    assert own.evaluation.outcome.requests["completed"] > 0


def test_work_that_never_ends_misses_its_deadlines(tmp_path: Path) -> None:
    """A replica that is asked for more than it can do is not excused by the horizon's end."""
    # Two seconds a step make at most 256 / 2 tokens a second: two million answers a month.
    slow = "options.own.step_time={fixed_s: 2.0}"
    said = [
        "traffic.chat.deadline_hours=3", "horizon_hours=6", "options.own.replicas=1", slow,
        "options.own.max_sequences=256",
    ]  # fmt: skip
    volumes = (8_000_000, 200_000)
    shares = []
    for volume in volumes:
        asked = load_study(
            write_scenario(tmp_path / "s.yaml"),
            [*SIZES[2:], *said, f"traffic.chat.requests_per_month={volume}"],
        )
        own = next(r for r in simulate_as_written(asked) if r.name == "own")
        shares.append(own.evaluation.outcome.attainment)
    assert shares[0] < 0.7
    assert shares[1] > 0.99
