"""The one place that decides how the data plane is compiled and cached."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
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


def _drop_stale_cache() -> None:
    """Forget compiled code when any source of the data plane changed.

    Numba checks a function's own file only, but functions here are inlined across files.
    """
    here = Path(__file__).parent
    digest = hashlib.sha256()
    for source in sorted(here.glob("*.py")):
        digest.update(source.read_bytes())
    stamp = here / "__pycache__" / "data-plane.sha256"
    with suppress(OSError):  # read-only installations change as a whole, times included
        if stamp.is_file() and stamp.read_text() == digest.hexdigest():
            return
        for index in stamp.parent.glob("*.nbi"):
            index.unlink(missing_ok=True)
        stamp.parent.mkdir(exist_ok=True)
        stamp.write_text(digest.hexdigest())


_drop_stale_cache()
compiled: Callable[..., Any] = numba.njit(**_OPTIONS)
