"""Speed and memory of the engine, as a table; ``make bench``. It is a report and not a test.

Every case runs in its own process, so that cases share neither memory nor warm caches. A process
simulates the same traffic a few times. Targets are compared with the best CPU time, since other
work on the machine can only slow a run down; growth is the median ratio of user times of successive
runs.
"""

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numba
import numpy as np
import workloads
from timing import Measured, growth, measure, peak_mb, process
from workloads import Load, plain, shared

ROOT = Path(__file__).parents[1]
MILLION = 1_000_000
CHUNK = 250_000
REFERENCE_REQUESTS = 1000


@dataclass(frozen=True, slots=True)
class Case:
    """A load that is simulated a few times."""

    group: str
    name: str
    load: Callable[[], Load]
    repeats: int = 5


def _cases(long: bool) -> list[Case]:
    chunked = [(100_000, 5), (MILLION, 5), (10 * MILLION, 2)] + [(100 * MILLION, 1)] * long
    half = MILLION // 2
    return [
        *(
            Case("fleet size", f"{n} replica{'s' * (n > 1)}", partial(plain, n, MILLION))
            for n in (1, 8, 64)
        ),
        Case("batch", "8 sequences at most", partial(plain, 8, half, max_sequences=8)),
        *(
            Case("batch", f"{load:.0%} load", partial(plain, 8, half, load=load))
            for load in (0.1, 0.3, 0.7, 0.95)
        ),
        Case("batch", "offline, all at once", partial(_offline, half)),
        Case("prefix sharing", "none", partial(plain, 8, half)),
        Case("prefix sharing", "sessions of 5 turns", partial(shared, workloads.sessions, 8, half)),
        Case("prefix sharing", "documents", partial(shared, workloads.documents, 8, half)),
        *(
            Case("output", f"{tok:,} tokens", partial(plain, 8, half, output_tok=tok))
            for tok in (50, 200, 2000)
        ),
        Case("autoscaling", "a day, 2 to 32 replicas", partial(workloads.day, 40.0)),
        *(
            Case("work, in chunks", f"{count / MILLION:g} M", partial(_chunked, count), repeats)
            for count, repeats in chunked
        ),
    ]


def _offline(count: int) -> Load:
    return Load(workloads.plan(8), lambda: workloads.at_once(count, workloads.OUTPUT_TOK))


def _chunked(count: int) -> Load:
    return plain(8, count, chunk=CHUNK)


# Parts, each of which runs in its own process.


def _start() -> dict[str, Any]:
    """Simulate almost nothing, which takes the memory of imports and compiled code."""
    measure(Load(workloads.plan(1), lambda: workloads.at_once(10, 10)))
    return {"peak_mb": peak_mb()}


def _repeat(case: Case) -> dict[str, Any]:
    load = case.load()
    first = measure(load)
    peak = peak_mb()
    runs = [first, *(measure(load) for _ in range(case.repeats - 1))]
    return {"runs": [asdict(r) for r in runs], "peak_mb": peak}


def _growths() -> dict[str, Callable[[], dict[str, Any]]]:
    """Return the parts that compare the time per request of more work with that of less.

    In the second one, the rate of arrivals falls too, since longer outputs lower the capacity.
    """
    some = MILLION * 3 // 10

    def with_work() -> dict[str, Any]:
        return growth(_chunked(MILLION // 10), _chunked(10 * MILLION), pairs=3, smalls=10)

    def with_output() -> dict[str, Any]:
        return growth(plain(8, some, output_tok=50), plain(8, some, output_tok=2000), 7, 2)

    def with_output_alone() -> dict[str, Any]:
        short = plain(8, some, output_tok=50, loaded_by_tok=2000)
        return growth(short, plain(8, some, output_tok=2000), 7, 2)

    return {
        "0.1 M to 10 M requests": with_work,
        "50 to 2,000 output tokens": with_output,
        "the same at equal arrivals": with_output_alone,
    }


def _reference() -> dict[str, Any]:
    """Time the case on which other simulators were timed; the reference only runs its beginning."""
    sys.path.append(str(ROOT / "tests"))
    from reference import Reference

    from simulator.engine.run import serve_table

    one = workloads.plan(1)
    load = Load(one, lambda: workloads.poisson(10_000, 4.0, workloads.OUTPUT_TOK, 10_000))
    engine_s = [measure(load).cpu_s for _ in range(9)]
    some = next(load.chunks())[0].take(np.arange(REFERENCE_REQUESTS))
    begin_s = time.process_time()
    expected = Reference(one, some, workloads.FOREVER_S)
    reference_s = time.process_time() - begin_s
    off = np.abs(
        serve_table(one, some, workloads.FOREVER_S).finished_s / expected.finished_s - 1
    ).max()
    return {
        "engine_per_s": [10_000 / s for s in engine_s],
        "reference_per_s": REFERENCE_REQUESTS / reference_s,
        "largest_difference": float(off),
    }


def _parts(long: bool) -> dict[str, Callable[[], dict[str, Any]]]:
    cases = {f"{case.group}/{case.name}": partial(_repeat, case) for case in _cases(long)}
    return {
        "start": _start,
        "reference": _reference,
        **_growths(),
        **cases,
    }


def _run_part(name: str) -> dict[str, Any]:
    """Run one part in its own process."""
    done = process([sys.executable, __file__, "--part", name, "--long"])
    return json.loads(done.output)


def _installed() -> dict[str, Any]:
    """Time the first start of a fresh copy, which compiles, and later starts, which do not."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("simulator", "scenarios", "hardware_profiles", "benchmarks"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        start = [sys.executable, str(copy / "benchmarks" / "engine.py"), "--part", "start"]
        show_help = [sys.executable, "-c", "from simulator.cli.main import main; main()", "--help"]
        commands = {"first": [start], "later": [start] * 3, "help": [show_help] * 3}
        taken = {name: [process(c, copy) for c in times] for name, times in commands.items()}
    return {
        name: {"wall_s": [p.wall_s for p in times], "cpu_s": [p.cpu_s for p in times]}
        for name, times in taken.items()
    }


# The table.


def _print_case(case: Case, figures: dict[str, Any]) -> float:
    """Print a row and return the million requests per second of the best CPU time."""
    runs = [Measured(**r) for r in figures["runs"]]
    first = runs[0]
    best_s = min(r.cpu_s for r in runs)
    millions = first.requests / MILLION
    print(
        f"  {case.name:22}{millions:6.2f}{millions / best_s:7.2f}"
        f"{millions / median(r.cpu_s for r in runs):6.2f}"
        f"{millions / median(r.wall_s for r in runs):6.2f}"
        f"{first.steps / best_s / MILLION:7.1f}{first.output_tok / first.steps:6.0f}"
        f"{first.cached_tok / first.input_tok:5.0%}"
        f"{millions / median(r.traffic_s for r in runs):7.2f}{figures['peak_mb']:6.0f}",
        flush=True,
    )
    return millions / best_s


def _run_cases(chosen: str, long: bool) -> tuple[dict[str, Any], dict[str, float]]:
    """Run and print the cases whose name contains ``chosen``.

    Return their figures, and their speeds [million requests/s] for the targets.
    """
    print(
        f"{'':24}{'M':>6}{'million requests/s':>19}{'M':>7}{'':6}{'':5}{'traffic':>7}{'peak':>6}\n"
        f"{'':24}{'req.':>6}{'best':>7}{'med.':>6}{'wall':>6}{'step/s':>7}{'batch':>6}{'hit':>5}"
        f"{'M/s':>7}{'MB':>6}"
    )
    figures: dict[str, Any] = {}
    speeds: dict[str, float] = {}
    group = ""
    for case in _cases(long):
        name = f"{case.group}/{case.name}"
        if chosen not in name:
            continue
        if case.group != group:
            group = case.group
            print(group)
        figures[name] = _run_part(name)
        speeds[name] = _print_case(case, figures[name])
    print(
        "best, med.: by CPU time; wall: median; all without the drawing of traffic.\n"
        "batch: output tokens per step; hit: share of prompt tokens in the prefix cache;\n"
        "peak: memory of one simulation, traffic and ledger included"
    )
    return figures, speeds


def _targets(figures: dict[str, Any], speeds: dict[str, float]) -> list[dict[str, Any]]:
    """Return each target with its figure."""
    targets = []

    def compare(what: str, value: float, limit: float, unit: str, least: bool = False) -> None:
        met = value >= limit if least else value < limit
        sign = ">=" if least else "<"
        targets.append(
            {"what": what, "value": value, "target": f"{sign} {limit:g} {unit}", "met": met}
        )

    for name, least in (
        ("fleet size/8 replicas", 1.5),
        ("fleet size/64 replicas", 0.5),
        ("autoscaling/a day, 2 to 32 replicas", 0.5),
    ):
        if name in speeds:
            compare(name, speeds[name], least, "M requests/s", least=True)
    for name in ("0.1 M to 10 M requests", "50 to 2,000 output tokens"):
        if name in figures:
            compare(f"time per request, {name}", median(figures[name]["user"]), 1.2, "times")
    if "work, in chunks/100 M" in figures:
        compare("100 M requests", figures["work, in chunks/100 M"]["peak_mb"], 2000, "MB")
    if "install" in figures:
        install = figures["install"]
        compare("first start of a fresh install", min(install["first"]["cpu_s"]), 30, "s")
        compare("later starts", min(install["later"]["cpu_s"]), 1.5, "s")
        compare("breakeven --help", min(install["help"]["cpu_s"]), 1.5, "s")
    return targets


def _report(chosen: str, long: bool) -> dict[str, Any]:
    begin_s = time.perf_counter()
    print(
        f"Engine on {platform.machine()}, {os.cpu_count()} CPUs, Python "
        f"{platform.python_version()}, Numba {numba.__version__}; load now {os.getloadavg()[0]:.1f}"
    )
    base_mb = _run_part("start")["peak_mb"]  # compiles the kernels that an edit made stale
    print(
        f"{workloads.INPUT_TOK:,} tokens in, {workloads.OUTPUT_TOK} out, 8 replicas at 70 % load,"
    )
    print(f"unless a case has others; {base_mb:.0f} MB are used before any traffic\n")
    figures, speeds = _run_cases(chosen, long)
    if not chosen:
        for name in (*_growths(), "reference"):
            figures[name] = _run_part(name)
        figures["install"] = _installed()
        _print_rest(figures)
    targets = _targets(figures, speeds)
    print("\ntargets")
    for t in targets:
        print(
            f"  {t['what']:46}{t['value']:8.2f}  {t['target']:20}{'ok' if t['met'] else 'MISSED'}"
        )
    took_s = time.perf_counter() - begin_s
    print(f"\ntotal: {took_s / 60:.1f} minutes")
    return {"base_mb": base_mb, "took_s": took_s, "figures": figures, "targets": targets}


def _print_rest(figures: dict[str, Any]) -> None:
    print("\ngrowth of time per request, median of runs in turns: user time (CPU time)")
    for name in _growths():
        user, cpu = (median(figures[name][kind]) for kind in ("user", "cpu"))
        print(f"  {name:32}{user:6.2f} ({cpu:.2f})")
    reference = figures["reference"]
    print(
        "one replica at 4 requests/s, requests simulated per second\n"
        f"  engine, 10,000 requests    {max(reference['engine_per_s']):12,.0f}\n"
        f"  reference, the first {REFERENCE_REQUESTS:,} {reference['reference_per_s']:12,.0f}"
        f"  (times differ by {reference['largest_difference']:.0e} at most)"
    )
    print("starts, seconds of CPU (wall)")
    for name, what in (
        ("first", "fresh install, tiny simulation"),
        ("later", "the same again"),
        ("help", "breakeven --help"),
    ):
        taken = figures["install"][name]
        print(f"  {what:32}{min(taken['cpu_s']):6.2f} ({min(taken['wall_s']):.2f})")


def main() -> None:
    """Print the table; ``--part`` runs one part of it and prints its figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    parser.add_argument("--long", action="store_true", help="also 100 M requests")
    parser.add_argument("--only", default="", metavar="TEXT", help="cases that contain it")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        if arguments.part != "start":
            _start()
        print(json.dumps(_parts(arguments.long)[arguments.part]()))
        return
    report = _report(arguments.only, arguments.long)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(report, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
