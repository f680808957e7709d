"""Benchmark of growth: does the CPU time of commands grow faster than the size of their input?

    python benchmarks/doubling.py [--times 3]

Each size is twice the previous one. If the time in excess of size 1 grows by more than a factor of
2.3 for a doubling, the command does more work than it should.
"""

import argparse
import copy
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

CODE = "from simulator.cli.main import main; main()"
MOST_GROWTH = 2.3
CHAT: dict[str, Any] = {
    "kind": "sessions", "preset": "chat", "requests_per_month": 2_000_000,
}  # fmt: skip
API = {"kind": "api", "offer": "fireworks/llama-v3p3-70b-instruct"}
OWN = {"kind": "selfhost", "model": "llama-3.3-70b", "accelerator": "h100-sxm",
       "gpus_per_replica": 2, "weight_precision": "fp8"}  # fmt: skip
PLAIN: dict[str, Any] = {
    "schema_version": 1, "name": "doubling", "seed": 1, "start": "2026-11-23", "horizon_hours": 24,
    "traffic": {"chat": CHAT}, "slo": {"ttft_s": 2.0, "tpot_s": 0.06, "attainment": 0.95},
    "options": {"api": API, "own": {**OWN, "replicas": 2}},
    "people": {"engineers_fte": 0.5, "engineer_usd_per_year": 200000, "tooling_usd_per_month": 0},
    "analysis": {"worlds": 16, "volumes": [0.5, 1], "sample_requests": 4000},
}  # fmt: skip


def options(size: int, folder: Path) -> list[str]:
    """Return a simulation of many APIs."""
    scenario = {**PLAIN, "options": {f"api{k}": API for k in range(size)}}
    return ["simulate", _write_scenario(folder, scenario)]


def workloads(size: int, folder: Path) -> list[str]:
    """Return a simulation of one API with many workloads."""
    scenario = {**PLAIN, "options": {"api": API}}
    scenario["traffic"] = {f"w{k}": copy.deepcopy(CHAT) for k in range(size)}
    return ["simulate", _write_scenario(folder, scenario)]


def tenants(size: int, folder: Path) -> list[str]:
    """Return a simulation of a fleet with many tenants."""
    scenario = {**PLAIN, "traffic": {"chat": {**CHAT, "tenants": {"count": size}}}}
    return ["simulate", _write_scenario(folder, scenario)]


def replicas(size: int, folder: Path) -> list[str]:
    """Return a simulation of all requests of a large fleet in an hour."""
    chat = {**CHAT, "requests_per_month": 1_000_000 * size}
    scenario = {**PLAIN, "horizon_hours": 1, "traffic": {"chat": chat}}
    scenario["options"] = {"own": {**OWN, "replicas": size}}
    return ["simulate", _write_scenario(folder, scenario), "--whole"]


def sweep_points(size: int, folder: Path) -> list[str]:
    """Return a check of a sweep of many points."""
    scenario = {**PLAIN, "sweep": {"grid": {"seed": list(range(size))}}}
    return ["validate", _write_scenario(folder, scenario)]


def log_rows(size: int, folder: Path) -> list[str]:
    """Return the measurement of a long log."""
    rows = (f"{k * 0.5},{100 + k % 977},{20 + k % 31},s{k // 4}" for k in range(size))
    path = folder / "log.csv"
    path.write_text("arrival_s,input_tokens,output_tokens,session\n" + "\n".join(rows) + "\n")
    return ["traffic", "stats", str(path)]


COMMANDS: dict[str, tuple[Callable[[int, Path], list[str]], int]] = {
    "options": (options, 50),
    "workloads": (workloads, 25),
    "tenants": (tenants, 1000),
    "replicas": (replicas, 50),
    "sweep points": (sweep_points, 800),
    "log rows": (log_rows, 200_000),
}
"""Commands and their first sizes, by the name of the part that grows."""


def _write_scenario(folder: Path, scenario: dict[str, Any]) -> str:
    path = folder / "scenario.yaml"
    path.write_text(json.dumps(scenario))  # JSON is YAML
    return str(path)


def measure(command: list[str]) -> tuple[float, float]:
    """Return the CPU time [s] and the peak memory [MB] of a command."""
    code = f"{CODE.removesuffix('main()')}\nimport resource, sys\ntry: main()\nfinally: print(" \
        "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"  # fmt: skip
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", code, *command], capture_output=True, text=True, check=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = sum(getattr(after, k) - getattr(before, k) for k in ("ru_utime", "ru_stime"))
    return cpu_s, float(done.stderr.split()[-1]) / 1024


def main() -> int:
    """Print a row for each size; the exit code is 1 if a command grows too fast."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=3, help="doublings of each size")
    parser.add_argument("names", nargs="*", help=f"some of {', '.join(COMMANDS)}; default: all")
    arguments = parser.parse_args()
    too_fast = False
    print(f"{'part':14} {'size':>9} {'CPU s':>8} {'growth':>7} {'MB':>7}")
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.names or COMMANDS:
            command, size = COMMANDS[name]
            measure(command(1, Path(folder)))
            least_s = min(measure(command(1, Path(folder)))[0] for _ in range(2))
            last_s = None
            for doubling in range(arguments.times + 1):
                cpu_s, mb = measure(command(size << doubling, Path(folder)))
                above_s = max(cpu_s - least_s, 1e-3)
                growth = "" if last_s is None else f"{above_s / last_s:.2f}"
                # The growth of very short times is noise.
                too_fast |= last_s is not None and last_s > 0.2 and above_s / last_s > MOST_GROWTH
                print(f"{name:14} {size << doubling:9,} {cpu_s:8.2f} {growth:>7} {mb:7.0f}")
                last_s = above_s
    return int(too_fast)


if __name__ == "__main__":
    sys.exit(main())
