"""Shared test set-up."""

import os
import sys
from pathlib import Path

from hypothesis import settings

os.environ.setdefault("NUMBA_OPT", "1")  # as the command line does

sys.path.insert(0, str(Path(__file__).parent))

# The same examples in every run: a change fails because of itself, never because of its luck.
settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")
