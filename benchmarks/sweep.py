"""A sweep of 200 points: what a second worker brings, and that `kill -9` loses nothing.

    python benchmarks/sweep.py [--points 200] [--json FILE]

Runs the sweep by one and by two workers, then once more, killed with all its processes after a
third of the points and begun again. All results must be the same bytes.
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
    """Start a sweep in a process group and with a cache folder of its own."""
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
    """Return the answers that are on disk, and when each was written."""
    found = (folder / cache / "breakeven" / "sweep").glob("*.json")
    return {path.name: path.stat().st_mtime_ns for path in found}


def killed_and_resumed(folder: Path, points: int) -> dict[str, object]:
    """Kill a sweep after a third of its points, go on, and compare what is there."""
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
        "asked_again": sum(after[name] != at for name, at in before.items()),
        "resumed_s": time.perf_counter() - begin,
    }


def main() -> None:
    """Run all and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=200, help="a multiple of 20")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sweep.yaml").write_text(SCENARIO.format(volumes=asked.points // 20))
        one_s, two_s = timed(folder, 1, "one"), timed(folder, 2, "two")
        figures: dict[str, object] = {
            "points": asked.points,
            "one_worker_s": one_s,
            "two_workers_s": two_s,
            "ratio": one_s / two_s,
            **killed_and_resumed(folder, asked.points),
        }
        files = [
            {f: (folder / out / f).read_bytes() for f in ("sweep.csv", "sweep.json")}
            for out in ("one", "two", "resumed")
        ]
        figures["same_bytes"] = files[0] == files[1] == files[2]
    text = json.dumps(figures, indent=2)
    print(text)
    if asked.json:
        asked.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
