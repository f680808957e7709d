"""Benchmark of a sweep of 200 points: speed of a second worker, and resumption after `kill -9`.

    python benchmarks/sweep.py [--points 200] [--json FILE]

The sweep runs with one and with two workers, and a third time with all its processes killed after a
third of the points, then resumed. All results must have the same bytes.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SCENARIO = """
extends: quickstart
name: sweep
analysis: {{sample_requests: 6000}}
sweep:
  grid:
    traffic.support.requests_per_month: {{first: 2M, last: 20M, count: {volumes}}}
    options.own-h100.rent_usd_per_gpu_hour: {{first: $1.50, last: $4.50, count: 5, spacing: steps}}
    people.engineers_fte: [0.25, 0.5, 0.75, 1]
"""


def command(folder: Path, jobs: int, out: str) -> list[str]:
    """Return the command of one sweep."""
    code = "from simulator.cli.main import main; main()"
    return [sys.executable, "-c", code, "sweep", str(folder / "sweep.yaml"),
            "--jobs", str(jobs), "--out", str(folder / out), "--output", "csv"]  # fmt: skip


def start(folder: Path, jobs: int, out: str, cache: str) -> "subprocess.Popen[bytes]":
    """Start a sweep in its own process group and with its own cache folder."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / cache)}
    return subprocess.Popen(
        command(folder, jobs, out),
        stdout=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    )


def timed(folder: Path, jobs: int, out: str) -> float:
    """Return the wall time of a whole sweep [s]."""
    begin = time.perf_counter()
    process = start(folder, jobs, out, f"cache-{out}")
    if process.wait() != 0:
        raise SystemExit(f"the sweep failed: {process.returncode}")
    return time.perf_counter() - begin


def kept(folder: Path, cache: str) -> dict[str, int]:
    """Return the names of the answers on disk, and when each was written [ns]."""
    paths = (folder / cache / "breakeven" / "sweep").glob("*.json")
    return {path.name: path.stat().st_mtime_ns for path in paths}


def kill_and_resume(folder: Path, points: int) -> dict[str, object]:
    """Kill a sweep after a third of its points, resume it, and compare the answers on disk."""
    process = start(folder, 2, "resumed", "cache-resumed")
    while len(kept(folder, "cache-resumed")) < points / 3 and process.poll() is None:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = kept(folder, "cache-resumed")
    begin = time.perf_counter()
    if start(folder, 2, "resumed", "cache-resumed").wait() != 0:
        raise SystemExit("the resumed sweep failed")
    after = kept(folder, "cache-resumed")
    return {
        "kept_at_kill": len(before),
        "asked_again": sum(after[name] != written for name, written in before.items()),
        "resumed_s": time.perf_counter() - begin,
    }


def main() -> None:
    """Run all sweeps and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=200, help="a multiple of 20")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sweep.yaml").write_text(SCENARIO.format(volumes=arguments.points // 20))
        one_s, two_s = timed(folder, 1, "one"), timed(folder, 2, "two")
        figures: dict[str, object] = {
            "points": arguments.points,
            "one_worker_s": one_s,
            "two_workers_s": two_s,
            "ratio": one_s / two_s,
            **kill_and_resume(folder, arguments.points),
        }
        files = [
            {f: (folder / out / f).read_bytes() for f in ("sweep.csv", "sweep.json")}
            for out in ("one", "two", "resumed")
        ]
        figures["same_bytes"] = files[0] == files[1] == files[2]
    text = json.dumps(figures, indent=2)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
