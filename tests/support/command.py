"""Runs of the command line in a process of their own."""

import os
import subprocess
import sys
from pathlib import Path

COMMAND = [sys.executable, "-c", "from simulator.cli.main import main; main()"]


def breakeven(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "80"}
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment,
        timeout=300,
    )
