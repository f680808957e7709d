"""Interrupts: exit code 130, one line, and nothing left behind, whatever was under way."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.scenarios import SMALL, write_scenario
from tests.support.tiny import quiet_environment

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-c", "from simulator.cli.main import main; main()"]
LONG = {
    "run": ["run", "FILE", "--out", "OUT", "--jobs", "2"],
    "sweep": ["sweep", "FILE", "--no-cache", "--jobs", "2", "--out", "OUT"],
    "simulate": ["simulate", "FILE", "--ledger", "OUT/rows", "--keep", "OUT/kept"],
}
GRACE_S = 5.0
"""Within which a command must be gone, on a machine that does other things as well."""


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    said = {**SMALL, "horizon_hours": 96, "sweep": {"grid": {"seed": list(range(1, 40))}}}
    own = {**SMALL["options"]["own"], "replicas": 4}
    options = {"frontier": SMALL["options"]["frontier"], "own": own}
    return {
        "FILE": str(write_scenario(tmp_path / "s.yaml", {**said, "options": options})),
        "OUT": str(tmp_path / "out"),
    }


def started(name: str, files: dict[str, str], tmp_path: Path) -> subprocess.Popen[str]:
    arguments = []
    for each in LONG[name]:
        for key, value in files.items():
            each = each.replace(key, value)
        arguments.append(each)
    (tmp_path / "tmp").mkdir(exist_ok=True)
    environment = quiet_environment(
        TMPDIR=str(tmp_path / "tmp"), XDG_CACHE_HOME=str(tmp_path / "cache")
    )
    return subprocess.Popen(
        [*COMMAND, *arguments], env=environment, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def group(leader: int) -> Iterator[psutil.Process]:
    """Living processes of a process group."""
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                yield process
        except (ProcessLookupError, psutil.NoSuchProcess):
            pass


@pytest.mark.parametrize("name", LONG)
@pytest.mark.parametrize("seed", [1, 2])
def test_an_interrupt_ends_everything(
    name: str, seed: int, files: dict[str, str], tmp_path: Path
) -> None:
    process = started(name, files, tmp_path)
    try:
        process.wait(random.Random(f"{name} {seed}").uniform(0.4, 5.0))
        pytest.fail(f"{name} was over before it could be interrupted: {process.communicate()}")
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=GRACE_S)
    assert (process.returncode, said) == (130, "breakeven: interrupted\n")
    _, alive = psutil.wait_procs(list(group(process.pid)), timeout=GRACE_S)
    assert not alive
    assert not list(tmp_path.rglob("*.partial"))
    assert not list((tmp_path / "tmp").iterdir())
    assert name == "simulate" or not Path(files["OUT"]).exists()


def test_workers_end_with_a_parent_that_is_killed(files: dict[str, str], tmp_path: Path) -> None:
    process = started("sweep", files, tmp_path)
    here = psutil.Process(process.pid)
    while len(here.children(recursive=True)) < 3 and process.poll() is None:  # 2 and a tracker
        pass
    workers = here.children(recursive=True)
    assert len(workers) >= 3
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(workers, timeout=GRACE_S)
    assert not [each for each in alive if each.status() != psutil.STATUS_ZOMBIE]
