"""The checkout that tests run in, and the measured data that they read.

Samples of the data are part of the checkout. Where the whole data are at hand, in the folder
``shared/data`` next to the checkout or in the one that ``BREAKEVEN_DATA`` names, tests read these
as well.
"""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCENARIOS = ROOT / "scenarios"
SHIPPED = sorted(SCENARIOS.glob("*.yaml"))

SAMPLES = ROOT / "tests" / "support" / "data" / "samples"
DATA = Path(os.environ.get("BREAKEVEN_DATA", ROOT.parent / "shared" / "data"))


def on_sample(*values: object) -> pytest.ParameterSet:
    """Case of a test that reads the samples, with what it expects of them."""
    return pytest.param(SAMPLES, *values, id="sample")


def on_whole(*values: object) -> pytest.ParameterSet:
    """Case of a test that reads the whole data, with what it expects of them."""
    without = pytest.mark.skipif(not DATA.is_dir(), reason=f"whole data are not at {DATA}")
    return pytest.param(DATA, *values, id="whole", marks=without)


BOTH = [on_sample(), on_whole()]
