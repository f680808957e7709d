"""How the benchmarks measure: stopwatches, peaks of memory, ratios in pairs, whole processes.

Machines that run this do other things as well, so wall time may double from one minute to the
next. CPU time suffers less, the ratio of two runs beside each other least. What then still varies
is the kernel's part: the first touch of memory that the allocator did not keep from an earlier run
may take as long as the simulation, or nothing. User time leaves it out.
"""

import os
import resource
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from workloads import Load

from simulator.engine.run import Chunk, stream


class Stopwatch:
    """Adds up the time spent within it: on the wall, of the CPU, and of that the user's part."""

    def __init__(self) -> None:
        self.wall_s = self.cpu_s = self.user_s = 0.0

    def __enter__(self) -> None:
        self.wall_s -= time.perf_counter()
        self.cpu_s -= time.process_time()
        self.user_s -= resource.getrusage(resource.RUSAGE_SELF).ru_utime

    def __exit__(self, *_: object) -> None:
        self.wall_s += time.perf_counter()
        self.cpu_s += time.process_time()
        self.user_s += resource.getrusage(resource.RUSAGE_SELF).ru_utime


@dataclass(frozen=True, slots=True)
class Measured:
    """One simulation: what happened, and what it took, drawing the traffic apart."""

    requests: int
    completed: int
    steps: int
    output_tok: int
    input_tok: int
    cached_tok: int
    wall_s: float
    cpu_s: float
    user_s: float
    traffic_s: float
    """CPU time."""
    max_replicas: int


def measure(load: Load) -> Measured:
    """Simulate a load once, every row of the ledger looked at and dropped."""
    whole, drawing, counting = Stopwatch(), Stopwatch(), Stopwatch()
    sums = dict.fromkeys(("requests", "completed", "output_tok", "input_tok", "cached_tok"), 0)
    fleets: tuple = ()
    with whole:
        for piece in stream(load.plan, _timed(load.chunks(), drawing), load.horizon_s):
            with counting:
                sums["requests"] += piece.table.size
                sums["completed"] += int(piece.completed.sum())
                sums["output_tok"] += int(piece.completion_tok.sum())
                sums["input_tok"] += int(piece.table.input_tokens.sum())
                sums["cached_tok"] += int(piece.cached_tok.sum())
                fleets = piece.fleets
    return Measured(
        **sums,
        steps=sum(account.steps for account in fleets),
        wall_s=whole.wall_s - drawing.wall_s - counting.wall_s,
        cpu_s=whole.cpu_s - drawing.cpu_s - counting.cpu_s,
        user_s=whole.user_s - drawing.user_s - counting.user_s,
        traffic_s=drawing.cpu_s,
        max_replicas=max(account.max_replicas for account in fleets),
    )


def _timed(chunks: Iterator[Chunk], watch: Stopwatch) -> Iterator[Chunk]:
    """Pass chunks on; the time they take to draw goes to a stopwatch of their own."""
    while True:
        with watch:
            chunk = next(chunks, None)
        if chunk is None:
            return
        yield chunk


def peak_mb() -> float:
    """Return the largest resident memory of this process so far.

    On Linux a process begins with the peak of the one that started it. The suite's main process
    therefore does nothing but start others, and stays below what they need for their imports.
    """
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def growth(small: Load, large: Load, pairs: int, smalls: int) -> dict[str, list[float]]:
    """Compare time per request of two loads, run in turns; a ratio for each pair.

    A small run is short beside the machine's moods: ``smalls`` of them, half before and half
    behind the large one, stand for it.
    """
    ratios: dict[str, list[float]] = {"cpu": [], "user": []}
    for _ in range(pairs):
        runs = [measure(small) for _ in range(smalls // 2)]
        much = measure(large)
        runs += [measure(small) for _ in range(smalls // 2)]
        requests = sum(run.requests for run in runs) / much.requests
        ratios["cpu"].append(much.cpu_s / sum(run.cpu_s for run in runs) * requests)
        ratios["user"].append(much.user_s / sum(run.user_s for run in runs) * requests)
    return ratios


@dataclass(frozen=True, slots=True)
class Process:
    """What a whole process took, and what it printed."""

    wall_s: float
    cpu_s: float
    output: str


def process(command: list[str], path: Path | None = None) -> Process:
    """Run a command as the command line would compile, with ``path`` the first to import from.

    Raises
    ------
    CalledProcessError
        When it fails.
    """
    environment = {**os.environ, "NUMBA_OPT": "1"}
    if path is not None:
        environment["PYTHONPATH"] = str(path)
        environment.pop("NUMBA_CACHE_DIR", None)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin_s = time.perf_counter()
    done = subprocess.run(
        command, env=environment, cwd=path, check=True, stdout=subprocess.PIPE, text=True
    )
    wall_s = time.perf_counter() - begin_s
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Process(wall_s, cpu_s, done.stdout)
