"""Sweeps on a Dask cluster: real schedulers and workers, killed, stopped, replaced and wrong."""

import json
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import simulator
from fuzz.readers.bench_readers import LLAMA
from simulator.errors import InputError, SimulatorError
from simulator.library.parallel import cluster as dask_cluster
from simulator.library.parallel.cluster import cluster
from simulator.library.sweep import answer_study
from simulator.scenario.building.study import load
from simulator.scenario.catalog.offer_cards import imported_entry
from simulator.scenario.catalog.price_book import PriceBook
from simulator.scenario.resolve.load import fingerprint
from tests.support.scenarios import write_scenario
from tests.support.tiny import exit_code, invoke, quiet_environment, tiny

pytest.importorskip("distributed", reason="needs breakeven[dask]")
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("dask")]

POINTS = 8
FORMS = ("sweep.csv", "sweep.json", "sweep.parquet")
CUT_OFF_S = 5
"""After so long without a heartbeat a worker is given up; Dask allows no less."""
BLIND = """
import sys

def look(event, arguments):
    if event == "open" and "/test_files_" in str(arguments[0]):
        raise FileNotFoundError(arguments[0])

sys.addaudithook(look)
"""
"""Started with a worker, it keeps it from what is in the folders of tests of files."""


def wait_until(holds: Callable[[], bool]) -> None:
    for _ in range(6000):
        if holds():
            return
        time.sleep(0.01)
    pytest.fail("it never came")


class Machines:
    """A scheduler and its workers, each in a folder of its own."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.folder = folder
        self.workers: list[subprocess.Popen] = []
        self.told = folder / "scheduler.json"
        self.scheduler = self.start(
            "scheduler", "--port", "0", "--scheduler-file", self.told, **env
        )

    @property
    def address(self) -> str:
        wait_until(lambda: self.told.exists() and self.told.stat().st_size > 0)
        return json.loads(self.told.read_text())["address"]

    def start(self, what: str, *arguments: str | Path, **env: str) -> subprocess.Popen:
        folder = self.folder / f"{what}{len(self.workers)}"
        folder.mkdir()
        always = ("--host", "127.0.0.1", "--no-dashboard")
        return subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.dask_{what}", *always, *map(str, arguments)],
            env=quiet_environment(
                DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL=f"{CUT_OFF_S}s",
                DASK_LOGGING__DISTRIBUTED="critical",
                TMPDIR=str(folder),
                **env,
            ),
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def worker(self, *arguments: str | Path, **env: str) -> subprocess.Popen:
        folder = self.folder / "space"
        fixed = (self.address, "--no-nanny", "--nthreads", "1", "--local-directory", folder)
        self.workers.append(self.start("worker", *fixed, *arguments, **env))
        return self.workers[-1]

    def at_work(self, count: int) -> list[subprocess.Popen]:
        """So many workers that are alive."""
        blind = self.folder / "blind.py"
        blind.write_text(BLIND)
        self.workers = [worker for worker in self.workers if worker.poll() is None]
        while len(self.workers) < count:
            self.worker("--preload", blind)
        return self.workers[:count]

    def end(self) -> None:
        for process in (self.scheduler, *self.workers):
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Machines]]:
    """All that was started for the tests, the last in use."""
    found: list[Machines] = []
    yield found
    for each in found:
        each.end()


@pytest.fixture
def machines(started: list[Machines], tmp_path_factory: pytest.TempPathFactory) -> Machines:
    """A scheduler that is alive, and whoever works for it: tests start what they lack."""
    if not started or started[-1].scheduler.poll() is not None:
        started.append(Machines(tmp_path_factory.mktemp("machines")))
    return started[-1]


@pytest.fixture(scope="module")
def lonely(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """A scheduler without workers, which gives a task up at the first one that dies of it."""
    found = Machines(
        tmp_path_factory.mktemp("lonely"), DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0"
    )
    yield found
    found.end()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in {"PATIENCE_S": 1, "WARN_S": 0.2, "LOOK_S": 0.05, "ANSWER_S": 0.5}.items():
        monkeypatch.setattr(dask_cluster, name, seconds)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a whole sweep that was made in this process: scenario, files, answers."""
    folder = tmp_path_factory.mktemp("undisturbed")
    said = tiny()
    said["sweep"] = {"each": "simulate", "grid": {"seed": list(range(POINTS))}}
    path = write_scenario(folder / "many.yaml", said)
    simulator.sweep(path, folder=folder).save(folder)
    return folder


def assert_same(found: Path, expected: Path) -> None:
    for name in FORMS:
        assert (found / name).read_bytes() == (expected / name).read_bytes(), name


def kept(folder: Path) -> dict[str, int]:
    """Times of the kept answers by name."""
    return {path.name: path.stat().st_mtime_ns for path in (folder / "sweep").glob("*.json")}


def test_an_error_of_the_task_is_its_own(machines: Machines) -> None:
    machines.at_work(1)
    with cluster(machines.address) as executor:
        with pytest.raises(ZeroDivisionError) as caught:
            executor.submit(divmod, 1, 0).result(60)
        assert "Traceback" in caught.value.__notes__[0]
        assert executor.submit(divmod, 7, 2).result(60) == (3, 1)


def test_a_worker_with_other_versions_is_refused(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    machines.at_work(1)
    mine = dask_cluster.installed()
    monkeypatch.setattr(
        dask_cluster, "installed", lambda: mine | {"breakeven": "other", "numpy": "0.1"}
    )
    message = (
        r"worker tcp://127\.0\.0\.1:\d+ has another version of breakeven, numpy, "
        "which may change results"
    )
    with cluster(machines.address) as executor, pytest.raises(InputError, match=message):
        executor.submit(len, "ab").result(60)


def test_workers_may_die_be_cut_off_and_be_replaced(
    machines: Machines, undisturbed: Path, tmp_path: Path
) -> None:
    killed, stopped = machines.at_work(2)
    told = []

    def tell(count: int, of: int) -> None:
        told.append(count)
        if count == 2:
            killed.kill()
        if count == 4:
            stopped.send_signal(signal.SIGSTOP)
            machines.worker()

    scenario = undisturbed / "many.yaml"
    found = simulator.sweep(scenario, dask=machines.address, folder=tmp_path, tell=tell)
    assert told == list(range(1, POINTS + 1))
    found.save(tmp_path)
    assert_same(tmp_path, undisturbed)
    # It finds out that it was given up, and takes part in nothing any more.
    stopped.send_signal(signal.SIGCONT)
    assert stopped.wait(30) == 0
    assert killed.wait(30) == -signal.SIGKILL


def test_a_sweep_whose_scheduler_dies_goes_on_from_there(
    machines: Machines, undisturbed: Path, tmp_path: Path
) -> None:
    machines.at_work(1)
    scenario = undisturbed / "many.yaml"

    def tell(count: int, of: int) -> None:
        if count == 2:
            machines.scheduler.kill()

    with pytest.raises(
        SimulatorError, match=r"lost the Dask scheduler: .*; run again to resume"
    ) as caught:
        simulator.sweep(scenario, dask=machines.address, folder=tmp_path, tell=tell)
    assert machines.scheduler.wait(30) == -signal.SIGKILL
    assert str(caught.value).startswith(f"{machines.address}: ")
    assert len(str(caught.value).splitlines()) == caught.value.exit_code == 1
    before = kept(tmp_path)
    assert 2 <= len(before) < POINTS
    simulator.sweep(scenario, folder=tmp_path).save(tmp_path)
    assert before.items() <= kept(tmp_path).items(), "what was kept was asked again"
    assert_same(tmp_path, undisturbed)


@pytest.mark.parametrize(
    ("on_import", "kind", "message"),
    [
        ("raise ModuleNotFoundError('no simulator here')", InputError,
         "a worker has another version of breakeven, or none: no simulator here"),
        ("import os; os._exit(1)", SimulatorError,
         "workers died at one task 1 times, the last at tcp://"),
    ],
    ids=["nothing installed", "dies of it"],
)  # fmt: skip
def test_a_worker_that_cannot_do_it_is_one_line(
    lonely: Machines, tmp_path: Path, on_import: str, kind: type[SimulatorError], message: str
) -> None:
    (tmp_path / "simulator.py").write_text(on_import)
    worker = lonely.worker(PYTHONPATH=str(tmp_path))
    with cluster(lonely.address) as executor, pytest.raises(kind, match=message) as caught:
        executor.submit(len, "ab").result(60)
    assert len(str(caught.value).splitlines()) == 1
    worker.kill()


def test_nobody_there_is_told_and_left(
    lonely: Machines, undisturbed: Path, tmp_path: Path, impatient: None
) -> None:
    with cluster(lonely.address) as executor:
        wait_until(lambda: executor._count() == (True, 0))
    with (
        pytest.warns(UserWarning, match="waiting: no worker is connected"),
        pytest.raises(SimulatorError, match=r"waited \d s: no worker is connected; run again"),
    ):
        simulator.sweep(undisturbed / "many.yaml", dask=lonely.address, folder=tmp_path)
    assert kept(tmp_path) == {}
    with cluster(lonely.address) as executor:
        lonely.scheduler.send_signal(signal.SIGSTOP)
        with (
            pytest.warns(UserWarning, match="waiting: the Dask scheduler does not answer"),
            pytest.raises(SimulatorError, match="the Dask scheduler does not answer; run again"),
        ):
            executor.submit(len, "ab").result(60)
    lonely.scheduler.send_signal(signal.SIGCONT)


def test_no_scheduler_is_one_line(
    undisturbed: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, impatient: None
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for address in ("tcp://127.0.0.1:9", "nonsense://x"):
        result = invoke("sweep", undisturbed / "many.yaml", "--dask", address)
        assert exit_code(result) == 3
        assert str(result.exception).startswith(f"{address}: no Dask scheduler answers")
        assert len(str(result.exception).splitlines()) == 1
        assert result.stdout == ""


def test_twice_as_many_tasks_are_handed_out_as_there_are_threads(lonely: Machines) -> None:
    with cluster(lonely.address) as executor:
        assert executor.ahead == dask_cluster.LEAST_AHEAD
        executor._threads = 100
        assert executor.ahead == 200


# Files.


def named_everywhere(folder: Path) -> Path:
    """An uncertain scenario that names a file wherever it can, relative to where it is."""
    far = folder / "far"
    (far / "shape").mkdir(parents=True)
    (far / "shape" / "config.json").write_text(json.dumps(LLAMA))
    rows = "".join(f"{k * 9},{500 + k % 7},20\n" for k in range(400))
    (far / "log.csv").write_text("arrival_s,input_tokens,output_tokens\n" + rows)
    (far / "rents.csv").write_text("month,usd_per_gpu_hour\n0,2\n12,1.5\n")
    (far / "runs.csv").write_text(
        "task,model,success,input_tokens,output_tokens\nt1,terse,1,100,200\nt2,terse,0,100,200\n"
    )
    (far / "points.csv").write_text(
        "isl,osl,load_kind,load_value,output_tok_s\n512,64,concurrency,8,430\n"
    )
    (far / "fit").mkdir()
    invoke(
        "calibrate", far / "points.csv", "--model", "llama-3.3-70b", "--gpu", "h100-sxm",
        "--gpus", "2", "--weights", "fp8", "--out", far / "fit" / "fit.yaml", code=0,
    )  # fmt: skip
    said = tiny(
        traffic={"log": {"kind": "replay", "path": "log.csv",
                         "stretch": {"low": 0.8, "mid": 1, "high": 1.3}}},
        analysis={"worlds": 8, "volumes": [1, 2], "sample_requests": 1000, "max_replicas": 2},
        sweep={"each": "size", "grid": {"slo.ttft_s": [1]}},
        quality={"evaluations": "runs.csv"},
        price_file="book.json",
        future={"months": 12, "rent_path": {"kind": "csv", "file": "rents.csv"}},
    )  # fmt: skip
    options = said["options"]
    card = PriceBook().card(options["hosted"]["offer"])
    dear = replace(card.scaled(2.0), source="our contract")
    (far / "book.json").write_text(json.dumps({options["hosted"]["offer"]: imported_entry(dear)}))
    options["frontier"]["evaluated_as"] = "terse"
    options["own"]["calibration"] = "fit/fit.yaml"
    options["own"]["rent_path"] = {"path": {"kind": "csv", "file": str(far / "rents.csv")}}
    options["mine"] = {**options["own"], "model": "shape/config.json"}
    del options["mine"]["calibration"]
    return write_scenario(far / "log.yaml", said)


def test_files_that_a_scenario_names_travel_with_it(
    machines: Machines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machines.at_work(1)
    scenario = named_everywhere(tmp_path)
    monkeypatch.chdir(scenario.parent)
    found = simulator.sweep("log.yaml", dask=machines.address, no_cache=True)
    assert found.document == simulator.sweep("log.yaml", no_cache=True).document
    assert [point["error"] for point in found.document["points"]] == [None]


def test_a_study_is_built_again_where_no_file_of_its_scenario_is(tmp_path: Path) -> None:
    scenario = named_everywhere(tmp_path)
    here = load(scenario)
    sent = pickle.dumps(here.portable)
    carried = [file.path.relative_to(scenario.parent) for file in here.portable.rebuild.files]
    assert sorted(map(str, carried)) == [
        "book.json", "fit/fit.yaml", "log.csv", "rents.csv", "runs.csv", "shape/config.json",
    ]  # fmt: skip
    values = {"traffic.log.stretch": 1.1}
    expected = here.study.rebuilt(values)
    scenario.parent.rename(tmp_path / "gone")
    there = pickle.loads(sent).rebuilt(values)
    assert there.provenance == expected.provenance
    assert answer_study(there, "simulate") == answer_study(expected, "simulate")
    assert there.future == expected.future
    with pytest.raises(InputError, match="no such file"):
        here.study.rebuilt(values)


def test_a_certain_study_carries_no_file(tmp_path: Path) -> None:
    found = load(named_everywhere(tmp_path), ["traffic.log.stretch=1"])
    assert found.portable is found.study


def test_the_content_of_a_log_below_the_current_folder_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named_everywhere(tmp_path)
    (tmp_path / "far" / "log.csv").rename(tmp_path / "log.csv")
    monkeypatch.chdir(tmp_path)

    def content() -> str:
        found = load("far/log.yaml")
        assert Path("log.csv") in [file.path for file in found.portable.rebuild.files]
        return fingerprint(found.scenario, found.document, found.study.provenance)

    before = content()
    log = tmp_path / "log.csv"
    log.write_text(log.read_text().replace("500", "501"))
    assert content() != before


def test_a_file_is_beside_the_scenario_that_names_it_in_any_section(tmp_path: Path) -> None:
    named_everywhere(tmp_path)
    child = tmp_path / "child.yaml"
    child.write_text("extends: far/log.yaml\nfuture: {months: 24}\n")
    assert load(child).study.future.months == 24
