"""Measurement for benchmarks: stopwatches, peak memory, paired ratios, whole processes.

Other programs run on the same machine, so wall time may double from one minute to the next. CPU
time varies less, and the ratio of two successive runs varies least. The remaining variation is
system time: the first access to memory that the allocator did not keep from an earlier run may take
as long as the simulation, or nothing. User time excludes it.
"""

import os
import resource
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from workloads import Load

from simulator.engine.run import Chunk, serve_chunks


class Stopwatch:
    """Context that adds up the time spent in it: wall time, CPU time and its user part."""

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
    """Counts and times of one simulation; the time to draw its traffic is separate."""

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
    """CPU time to draw the traffic."""
    max_replicas: int


def measure(load: Load) -> Measured:
    """Simulate a load once; every part of the ledger is counted and dropped."""
    whole, drawing, counting = Stopwatch(), Stopwatch(), Stopwatch()
    sums = dict.fromkeys(("requests", "completed", "output_tok", "input_tok", "cached_tok"), 0)
    fleets: tuple = ()
    with whole:
        for piece in serve_chunks(load.plan, _time_draws(load.chunks(), drawing), load.horizon_s):
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


def _time_draws(chunks: Iterator[Chunk], watch: Stopwatch) -> Iterator[Chunk]:
    """Yield the chunks; the time to draw them is added to ``watch``."""
    while True:
        with watch:
            chunk = next(chunks, None)
        if chunk is None:
            return
        yield chunk


def peak_mb() -> float:
    """Return the largest resident memory of this process so far [1e6 B].

    On Linux a process begins with the peak of its parent. The main process of the benchmarks
    therefore only starts others, and stays below the memory that they need for their imports.
    """
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def growth(small: Load, large: Load, pairs: int, smalls: int) -> dict[str, list[float]]:
    """Compare the time per request of two loads that run in turns; return a ratio for each pair.

    A small run is short compared with the fluctuations of a machine. It is therefore repeated
    ``smalls`` times, half of them before and half of them after the large one.
    """
    ratios: dict[str, list[float]] = {"cpu": [], "user": []}
    for _ in range(pairs):
        runs = [measure(small) for _ in range(smalls // 2)]
        large_run = measure(large)
        runs += [measure(small) for _ in range(smalls // 2)]
        requests = sum(run.requests for run in runs) / large_run.requests
        ratios["cpu"].append(large_run.cpu_s / sum(run.cpu_s for run in runs) * requests)
        ratios["user"].append(large_run.user_s / sum(run.user_s for run in runs) * requests)
    return ratios


@dataclass(frozen=True, slots=True)
class Process:
    """Times and output of a whole process."""

    wall_s: float
    cpu_s: float
    output: str


def process(command: list[str], path: Path | None = None) -> Process:
    """Run a command with the command line's compiler settings.

    If there is a ``path``, it is the working directory and the first to import from.

    Raises
    ------
    CalledProcessError
        If it fails.
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
