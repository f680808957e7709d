"""The checkout that tests run in, and the data that may lie beside it."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCENARIOS = ROOT / "scenarios"
SHIPPED = sorted(SCENARIOS.glob("*.yaml"))

DATA = Path(os.environ.get("BREAKEVEN_DATA", ROOT.parent / "shared" / "data"))
TRACES = Path(os.environ.get("BREAKEVEN_TRACES", DATA / "traces"))
needs_traces = pytest.mark.skipif(not TRACES.is_dir(), reason=f"no traces at {TRACES}")
