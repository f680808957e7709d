"""Whether work grows faster than what is asked: CPU time and memory of commands, size by size.

    python benchmarks/doubling.py [--times 3]

Each size is twice the one before. A command whose time above that of the smallest size grows by
more than 2.3 for a doubling does something that it should not.
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
    """Simulate many APIs."""
    said = {**PLAIN, "options": {f"api{k}": API for k in range(size)}}
    return ["simulate", _written(folder, said)]


def workloads(size: int, folder: Path) -> list[str]:
    """Simulate one API under many workloads."""
    said = {**PLAIN, "options": {"api": API}}
    said["traffic"] = {f"w{k}": copy.deepcopy(CHAT) for k in range(size)}
    return ["simulate", _written(folder, said)]


def tenants(size: int, folder: Path) -> list[str]:
    """Simulate a fleet with many tenants."""
    said = {**PLAIN, "traffic": {"chat": {**CHAT, "tenants": {"count": size}}}}
    return ["simulate", _written(folder, said)]


def replicas(size: int, folder: Path) -> list[str]:
    """Simulate every request of large fleets for an hour."""
    chat = {**CHAT, "requests_per_month": 1_000_000 * size}
    said = {**PLAIN, "horizon_hours": 1, "traffic": {"chat": chat}}
    said["options"] = {"own": {**OWN, "replicas": size}}
    return ["simulate", _written(folder, said), "--whole"]


def sweep_points(size: int, folder: Path) -> list[str]:
    """Check a sweep of many points."""
    said = {**PLAIN, "sweep": {"grid": {"seed": list(range(size))}}}
    return ["validate", _written(folder, said)]


def log_rows(size: int, folder: Path) -> list[str]:
    """Measure a log."""
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
"""By what grows, with the first size."""


def _written(folder: Path, said: dict[str, Any]) -> str:
    path = folder / "scenario.yaml"
    path.write_text(json.dumps(said))  # JSON is YAML
    return str(path)


def taken(command: list[str]) -> tuple[float, float]:
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
    """Print a row for each size; the exit code is 1 where something grows too fast."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=3, help="doublings of each size")
    parser.add_argument("names", nargs="*", help=f"of {', '.join(COMMANDS)}; default: all")
    asked = parser.parse_args()
    too_fast = False
    print(f"{'what':14} {'size':>9} {'CPU s':>8} {'growth':>7} {'MB':>7}")
    with tempfile.TemporaryDirectory() as folder:
        for name in asked.names or COMMANDS:
            command, size = COMMANDS[name]
            taken(command(1, Path(folder)))
            least_s = min(taken(command(1, Path(folder)))[0] for _ in range(2))
            known_s = None
            for doubling in range(asked.times + 1):
                cpu_s, mb = taken(command(size << doubling, Path(folder)))
                above_s = max(cpu_s - least_s, 1e-3)
                growth = "" if known_s is None else f"{above_s / known_s:.2f}"
                # Of next to nothing, the growth is noise.
                too_fast |= (
                    known_s is not None and known_s > 0.2 and above_s / known_s > MOST_GROWTH
                )
                print(f"{name:14} {size << doubling:9,} {cpu_s:8.2f} {growth:>7} {mb:7.0f}")
                known_s = above_s
    return int(too_fast)


if __name__ == "__main__":
    sys.exit(main())
