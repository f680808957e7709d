"""Shared test set-up."""

import os

from hypothesis import HealthCheck, settings

os.environ.setdefault("NUMBA_OPT", "1")  # as the command line does

# The same examples in every run: a change fails because of itself, never because of its luck.
# How long drawing them takes says something about the machine, not about the change.
settings.register_profile(
    "repeatable", derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("repeatable")
