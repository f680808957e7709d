"""Benchmark of verdicts: CPU, wall time and memory of whole commands by volume; ``make bench``.

    python benchmarks/verdicts.py [--full] [--million 4 400 ...] [--json FILE] [SCENARIO ...]

Every command runs in its own process, on all cores. Compare the volumes of one scenario by their
ratio: the speed of a machine may change twofold within minutes.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

CODE = "from simulator.cli.main import main; main()"
SCENARIOS = {
    "quickstart": "support",
    "agents": "agents",
    "rag-desk": "desk",
    "which-gpu": "reports",
    "new-chat": "chat",
}
"""Scenarios and their workloads; the last one is written by ``breakeven new`` for chat."""
NEW = ["--preset", "chat", "--offer", "fireworks/llama-v3p3-70b-instruct", "--model",
       "llama-3.3-70b", "--gpu", "h100", "--ttft", "2s", "--tpot", "60ms",
       "--engineers", "0.5"]  # fmt: skip
MILLIONS = (0.4, 4, 40, 400, 4000)


@dataclass(frozen=True, slots=True)
class Taken:
    """Time and memory that one command took, and its result."""

    scenario: str
    million: float
    wall_s: float
    cpu_s: float
    peak_mb: float
    winner: str
    cost_error: float
    """Largest stated cost error of all options."""


def measure(name: str, path: str, million: float, full: bool) -> Taken:
    """Run the verdict on a scenario at a volume, and return what it took."""
    setting = f"traffic.{SCENARIOS[name]}.requests_per_month={million:.6g}M"
    command = ["run", path, "--output", "json", "--set", setting]
    command += [] if full else ["--fast"]
    begin_s, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.run(
        [sys.executable, "-c", MEASURED, *command], capture_output=True, text=True, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    peak_mb = float(process.stderr.rsplit("\n", 2)[-2]) / 1024 if process.stderr else 0.0
    document = json.loads(process.stdout) if process.returncode == 0 else None
    errors = [o["sampling"]["cost_error"] or 0.0 for o in document["options"]] if document else [0]
    return Taken(
        name,
        million,
        time.perf_counter() - begin_s,
        sum(getattr(after, k) - getattr(before, k) for k in ("ru_utime", "ru_stime")),
        peak_mb,
        document["verdict"]["winner"] if document else f"exit {process.returncode}",
        max(errors),
    )


MEASURED = """
import resource, sys
from simulator.cli.main import main
try:
    main()
finally:
    sys.stdout.flush()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


def main() -> None:
    """Measure all commands and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scenarios", nargs="*", default=list(SCENARIOS), metavar="SCENARIO")
    parser.add_argument("--full", action="store_true", help="without --fast")
    parser.add_argument("--million", type=float, nargs="+", default=MILLIONS)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows: list[Taken] = []
    print(f"{os.cpu_count()} cores, {'full' if arguments.full else '--fast'}")
    print("scenario      million/month   CPU s   wall s  wall/CPU     MB   error  winner")
    with tempfile.TemporaryDirectory() as folder:
        chat = Path(folder) / "chat.yaml"
        new = ["new", str(chat), *NEW, "--requests-per-month", "4M"]
        subprocess.run([sys.executable, "-c", CODE, *new], check=True, capture_output=True)
        for name in arguments.scenarios:
            for million in arguments.million:
                row = measure(
                    name, str(chat) if name == "new-chat" else name, million, arguments.full
                )
                rows.append(row)
                print(
                    f"{name:14s}{million:13,.1f}{row.cpu_s:8.1f}{row.wall_s:9.1f}"
                    f"{row.wall_s / row.cpu_s:10.2f}{row.peak_mb:7.0f}{row.cost_error:8.1%}"
                    f"  {row.winner}",
                    flush=True,
                )
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


if __name__ == "__main__":
    main()
