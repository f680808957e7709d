"""A scenario that is answered in a blink, and the command line without a process of its own."""

import json
import os
from copy import deepcopy
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from simulator.cli.app import app
from tests.support.scenarios import SMALL, write_scenario


def tiny(**changes: Any) -> dict[str, Any]:
    """Two hours of a little traffic on options of given size; sections may be replaced."""
    found = deepcopy(SMALL)
    found |= {"name": "tiny", "horizon_hours": 2}
    found["traffic"]["chat"] |= {
        "requests_per_month": 400_000,
        "week": "flat",
        "output_tokens": 20,
    }
    found["slo"] = {"ttft_s": 2, "tpot_s": 0.2, "attainment": 0.9}
    found["options"]["own"] |= {"replicas": 1, "max_sequences": 4}
    found["options"]["hybrid"] |= {"replicas": 1, "spill_in_flight": 4}
    found["analysis"] = {
        "worlds": 8,
        "volumes": [0.5, 1, 2],
        "sample_requests": 1000,
        "max_replicas": 4,
    }
    return found | changes


def write_tiny(path: Path, **changes: Any) -> Path:
    """Write the tiny scenario and return its path."""
    return write_scenario(path, tiny(**changes))


def invoke(*arguments: str | Path, code: int | None = None) -> Result:
    """Run a command in this process; a bad input keeps its exit code, and its line."""
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if code is not None:
        assert exit_code(result) == code, (result.exception, result.stderr)
    return result


def exit_code(result: Result) -> int:
    """The exit code that the command has as a process."""
    return int(getattr(result.exception, "exit_code", result.exit_code))


def printed(*arguments: str | Path) -> Any:
    """The document that a command prints."""
    return json.loads(invoke(*arguments, "--output", "json", code=0).stdout)


def quiet_environment(**more: str) -> dict[str, str]:
    """The environment of a process that has no terminal."""
    return {**os.environ, "NO_COLOR": "1", "COLUMNS": "80", "PYTHONUNBUFFERED": "1", **more}
