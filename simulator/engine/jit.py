"""The one place that decides how the data plane is compiled."""

from collections.abc import Callable
from typing import Any

import numba

# Set NUMBA_DISABLE_JIT=1 to run the same code as plain Python, for debugging and coverage.
#
# error_model="numpy": a division by zero yields inf instead of a check on every division.
# _nrt=False: nothing in here allocates, so no reference counting; it took two thirds of the time.
# forceinline: the plane's arrays would else be copied to the stack at every call.
_OPTIONS: dict[str, Any] = {
    "cache": True,
    "error_model": "numpy",
    "nogil": True,
    "_nrt": False,
    "forceinline": True,
}
compiled: Callable[..., Any] = numba.njit(**_OPTIONS)
